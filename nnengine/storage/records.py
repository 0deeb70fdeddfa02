"""Records: what a file says of a network's training, each field of the kind its readers expect.

They are checked whole as they are read, here alone: pages, commands and runs that go on may then
believe them. A record may lack any field; one of another kind refuses the file, for a file is read
whole or not at all. Names that are not known here (a later version's) are kept as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import ConfigError, EngineError, FormatError
from ..renamed import by_new_names
from ..training.record import PARTS
from ..training.settings import SETTINGS

_MOST_STEPS = 2**53
_MOST_TEXT = 200  # characters of a word or digest
_MOST_UNKNOWN = 1_000  # of a setting that is not known here, as it would be shown
_MOST_CHANGES = 1_000  # of settings, on the way of a run
_MOST_NAMES = 200  # in a record, and in each of its tables
_MOST_SIGNALS, _DEEPEST = 50_000, 5  # values, and tables or lists within one another

Check = Callable[[str, Any], None]


def checked(run: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return a run's record, its settings by the names they have today.

    `where` says in messages what holds it. Raises FormatError naming the first field that is off,
    what was found and what was expected.
    """
    _few(where, run)
    run = dict(run)
    for name, check in _FIELDS.items():
        if name in run:
            if isinstance(run[name], dict):
                run[name] = by_new_names(run[name])
            check(f"{where}, {name}", run[name])
    if "cost" in run:
        run["cost"] = checked_cost(run["cost"], run.get("data"), where)
    return run


def checked_cost(cost: Any, data: Any, where: str) -> dict[str, Any] | None:
    """Return what a run that is to go on has cost, or None; `data` is how its images were read.

    Raises FormatError as `checked` does, and where a part of either is missing.
    """
    if cost is None:
        return None
    _table(_COST, whole=True)(f"{where}, cost", cost)
    _table(_DATA, whole=True)(f"{where}, data", data)
    parts = by_new_names(cost["parts"])
    _table(dict.fromkeys(PARTS, _number), whole=True, closed=True)(f"{where}, cost, parts", parts)
    return {**cost, "parts": parts}


def _refusal(where: str, wanted: str, value: Any) -> FormatError:
    return FormatError(f"{where}: expected {wanted}, found {repr(value)[:60]}")


def _few(where: str, table: Mapping[str, Any]) -> None:
    if len(table) > _MOST_NAMES:
        raise FormatError(f"{where}: {len(table):,} names; at most {_MOST_NAMES} are read")


def _number(where: str, value: Any) -> None:
    # type() and not isinstance: to Python, true is a whole number.
    if type(value) not in (int, float) or not math.isfinite(value) or abs(value) > 1e300:
        raise _refusal(where, "a number", value)


def _count(where: str, value: Any) -> None:
    if type(value) is not int or not 0 <= value < _MOST_STEPS:
        raise _refusal(where, "a whole number from 0", value)


def _seed(where: str, value: Any) -> None:
    if value is not None and (type(value) is not int or not 0 <= value < 2**128):
        raise _refusal(where, "a whole number from 0 or null", value)


def _text(where: str, value: Any) -> None:
    if not isinstance(value, str) or len(value) > _MOST_TEXT:
        raise _refusal(where, f"text of up to {_MOST_TEXT} characters", value)


def _digest(where: str, value: Any) -> None:
    if value is not None and (not isinstance(value, str) or len(value) > _MOST_TEXT):
        raise _refusal(where, "a digest in text or null", value)


def _table(fields: Mapping[str, Check], *, whole: bool = False, closed: bool = False) -> Check:
    """Return a check of a table; `whole`: with every field, `closed`: with no other."""

    def check(where: str, value: Any) -> None:
        if not isinstance(value, dict) or closed and value.keys() - fields.keys():
            raise _refusal(where, f"a table of {', '.join(fields)}", value)
        _few(where, value)
        if whole and (missing := [name for name in fields if name not in value]):
            raise _refusal(where, f"a table with {missing[0]}", value)
        for name, field in fields.items():
            if name in value:
                field(f"{where}, {name}", value[name])

    return check


_line = _table({"line": _number, "price": _number, "images": _count}, whole=True)
_line_of = _table({"guard": _count})  # unsaid of the first


def _novelty(where: str, value: Any) -> None:
    """Hold the line from where on an image is refused to three numbers, and its guard's."""
    _line(where, value)
    _line_of(where, value)


def _config(where: str, value: Any) -> None:
    """Hold the settings to their rows; those of networks, and of other versions, to being short."""
    if not isinstance(value, dict):
        raise _refusal(where, "a table of settings", value)
    _few(where, value)
    for name, plain in value.items():
        row = SETTINGS.get(name)
        if row is None:
            if len(name) > _MOST_TEXT or len(repr(plain)) > _MOST_UNKNOWN:
                raise _refusal(f"{where}, {name[:40]}", "a short value", plain)
            continue
        try:
            if type(plain) is bool:  # which Python takes for a number, and no setting is
                raise ConfigError(row.kind.refusal(name, plain))
            row.check(None if plain is None else row.kind.restored(plain))
        except (EngineError, OverflowError) as error:
            raise FormatError(f"{where}, {name}: found {repr(plain)[:60]} ({error})") from None


def _history(where: str, value: Any) -> None:
    """Hold the curves to lists of one length, of numbers or, in all but steps, null."""
    if not isinstance(value, dict):
        raise _refusal(where, "a table of curves", value)
    _few(where, value)
    length = None
    for name, column in value.items():
        if not isinstance(column, list) or length not in (None, len(column)):
            raise _refusal(f"{where}, {name[:40]}", "lists of one length", column)
        length = len(column)
        one = _count if name == "step" else _number
        for item in column:
            if item is not None or name == "step":
                one(f"{where}, {name[:40]}", item)


def _changes(where: str, value: Any) -> None:
    """Hold changes of settings on the way to what `training.course` writes."""
    if not isinstance(value, list) or len(value) > _MOST_CHANGES:
        raise _refusal(where, f"a list of up to {_MOST_CHANGES:,} changes", value)
    for change in value:
        if not isinstance(change, dict) or change.keys() != {"step", "settings"}:
            raise _refusal(where, "tables of step and settings", change)
        _count(f"{where}, step", change["step"])
        pairs = change["settings"]
        if not isinstance(pairs, dict) or not all(
            isinstance(pair, list) and len(pair) == 2 for pair in pairs.values()
        ):
            raise _refusal(f"{where}, settings", "pairs of what was and what came", pairs)
        for i in range(2):
            _config(f"{where}, settings", {name: pair[i] for name, pair in pairs.items()})


def _signals(where: str, value: Any) -> None:
    """Hold what was recorded for the doctor to a table of numbers, short texts and null."""
    if not isinstance(value, dict):
        raise _refusal(where, "a table of signals", value)
    if _held_to(where, value, 0) > _MOST_SIGNALS:
        raise _refusal(where, f"at most {_MOST_SIGNALS:,} values", "more")


def _held_to(where: str, value: Any, depth: int) -> int:
    """Return how many values a signal holds; raises FormatError for one that is none."""
    if isinstance(value, dict | list) and depth < _DEEPEST:
        if isinstance(value, dict):
            _few(where, value)
            value = [one for pair in value.items() for one in pair]
        return sum(_held_to(where, one, depth + 1) for one in value)
    if isinstance(value, str):
        _text(where, value)
    elif value is not None:
        _number(where, value)
    return 1


_DATA: dict[str, Check] = {"path": _text, "density": _number}
_COST: dict[str, Check] = {
    "images": _count,
    "seconds": _number,
    "images_per_s": _number,
    "parts": _table({}),
    "outside_kernels": _number,
    "kernels": _text,
    "threads": _count,
}
_FIELDS: dict[str, Check] = {
    "data_digest": _digest,
    "validation_digest": _digest,
    "own_digest": _digest,
    "own_images": _count,
    "seed": _seed,
    "config": _config,
    "steps": _count,
    "outcome": _text,
    "kernels": _text,
    "data": _table(_DATA),
    "history": _history,
    "changes": _changes,
    "signals": _signals,
    "novelty": _novelty,
}
