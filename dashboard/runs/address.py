"""Address: a recipe as readable keys of a link, and back; every value held to the form's bounds."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus, urlencode

from dashboard.runs.bounds import Bounds
from dashboard.runs.fields import Layers, hideable, rows
from dashboard.runs.recipe import Recipe
from nnengine import renamed
from nnengine.errors import ConfigError
from nnengine.training.kinds import either
from nnengine.training.settings import Row

# What mail programs and networks hang on to links: nobody typed them.
_STICKERS = re.compile("utm_|.*clid$|ref$|mc_|igshi?d?$|si$|_hs")
_BESIDE = ("data", "hide", "moment", "digest")  # what a link can say that is no setting
_STEP, _DIGEST = re.compile("[0-9]{1,9}"), re.compile("[0-9a-f]{8,64}")
_BEHIND = ".,;:!?)]}>\"'"  # of the sentence in which a link stood: no value ends with any
_AGAIN = re.compile("%(?:2[BC0]|3A)", re.IGNORECASE)  # what links of ours encode, or might
_SHOWN = 40  # characters of a bad value that a message repeats
_LONGEST = 400  # characters of a value that are read
_USUAL = Recipe()
# What decides most: a link says it even where it is usual.
_ALWAYS = (
    "hidden", "activation", "optimizer", "learning_rate", "batch_size", "epochs", "iterations",
    "seed",
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """What a link asks for: a source of data by name, a recipe, controls to hide, a moment.

    `moment`: a step of the recipe's run, and the first letters of its data's digest, or none.
    `recipe` is None where the link says nothing about it. `faults` are sentences about what could
    not be believed; in its place stands what is usual.
    """

    data: str | None
    recipe: Recipe | None
    hide: tuple[str, ...]
    faults: tuple[str, ...]
    moment: tuple[int, str] | None = None


def read(said: Mapping[str, str], sources: Collection[str], bounds: Bounds) -> Asked:
    """Return what an address asks for. Nothing is raised: each bad value has its sentence."""
    said = renamed.by_new_names(mended(said))
    by_key = {row.key: row for row in rows(bounds).values()}
    faults: list[str] = []
    found = _values(said, by_key, faults)
    if all(key in said for key, row in by_key.items() if row.either == "length"):
        faults.append("A run is as long as its epochs or its iterations say, not both.")
    data, hide = _data(said, sources, faults), _hide(said, faults)
    recipe = Recipe(**found) if said.keys() & by_key.keys() else None
    moment = _moment(said, recipe, faults)
    return Asked(data, recipe, hide, tuple(faults), moment)


def mended(said: Mapping[str, str]) -> dict[str, str]:
    """Return an address without what mail and chat do to links.

    That is `&amp;` written for &, percents that were encoded once more, and behind the last value
    the full stop or the bracket of the sentence around it.
    """
    found = {key.removeprefix("amp;"): text for key, text in said.items()}
    for key, text in found.items():
        found[key] = unquote_plus(text) if _AGAIN.search(text) else text
    if found:
        last = next(reversed(found))
        found[last] = found[last].rstrip(_BEHIND)
    return found


def link(
    recipe: Recipe,
    data: str | None = None,
    hide: Sequence[str] = (),
    moment: tuple[int, str] | None = None,
) -> str:
    """Return the part of an address that `read` turns into this again, without a "?".

    What decides most is always said; the rest where it is not usual.
    """
    said = {"data": data} if data else {}
    for row in rows().values():
        text = row.write(getattr(recipe, row.name))
        if text and (row.name in _ALWAYS or text != _usual(row)):
            said[row.key] = text
    if hide:
        said["hide"] = ",".join(hide)
    if moment:
        said["moment"] = str(moment[0])
        said |= {"digest": moment[1]} if moment[1] else {}
    return urlencode(said, safe=",:")


def _usual(row: Row) -> str:
    return row.write(getattr(_USUAL, row.name))


def _values(
    said: Mapping[str, str], by_key: Mapping[str, Row], faults: list[str]
) -> dict[str, Any]:
    """Return the values of the fields that can be believed; add a sentence for each other key."""
    found: dict[str, Any] = {}
    for key, text in said.items():
        row = by_key.get(key)
        if row is not None:
            try:
                value = row.ask(text[:_LONGEST])
            except ConfigError as fault:
                if (asked := _too_much(row, text)) is not None:
                    faults.append(
                        f"{key}={text[:_SHOWN]}: {fault}. The form shows what was asked for; it "
                        "starts once that is changed."
                    )
                    found[row.name] = asked
                    continue
                taken = f"{key}={_usual(row)}" if _usual(row) else "what is usual"
                faults.append(f"{key}={text[:_SHOWN]}: {fault}. Taken instead: {taken}.")
                continue
            if row.either:  # one of them is given: the others are not
                found |= {one.name: None for one in by_key.values() if one.either == row.either}
            found[row.name] = value
        elif key not in _BESIDE and not _STICKERS.match(key):
            faults.append(
                f"{key[:_SHOWN]} is nothing a link can say. It can say {', '.join(_BESIDE)}, "
                f"{', '.join(by_key)}."
            )
    return found


def _too_much(row: Row, text: str) -> Any:
    """Return hidden layers that can be read and are more than is granted here, else None.

    Others in their place would be another network, of which nobody would know that it is one. The
    form shows them, says what is granted, and starts nothing.
    """
    if not isinstance(row.kind, Layers) or len(text) > _LONGEST:
        return None
    try:
        return row.read(text)
    except ConfigError:
        return None


def _data(said: Mapping[str, str], sources: Collection[str], faults: list[str]) -> str | None:
    asked = said.get("data")
    if asked is None or asked in sources:
        return asked
    faults.append(
        f"data={asked[:_SHOWN]} is no data set known here: choose {either(sources)}. The data in "
        "hand stay."
    )
    return None


def _moment(
    said: Mapping[str, str], recipe: Recipe | None, faults: list[str]
) -> tuple[int, str] | None:
    step, digest = said.get("moment"), said.get("digest", "")
    if step is None:
        return None
    if recipe is None or not _STEP.fullmatch(step):
        faults.append(
            f"moment={step[:_SHOWN]}: a moment is a whole number, the step of a run whose recipe "
            "the link says as well. The recipe in the form stays."
        )
        return None
    if digest and not _DIGEST.fullmatch(digest):
        faults.append(f"digest={digest[:_SHOWN]} is no digest of data: nothing is compared.")
        digest = ""
    return int(step), digest


def _hide(said: Mapping[str, str], faults: list[str]) -> tuple[str, ...]:
    names = [name.strip() for name in said.get("hide", "").split(",") if name.strip()]
    names, known = [renamed.SETTINGS.get(name, name) for name in names], hideable()
    unknown = [name[:_SHOWN] for name in names if name not in known]
    if unknown:
        faults.append(
            f"hide={','.join(unknown[:5])}: nothing is called so. Names that can be hidden: "
            f"{', '.join(known)}."
        )
    return tuple(dict.fromkeys(name for name in names if name in known))
