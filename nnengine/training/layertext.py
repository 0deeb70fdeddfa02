"""Layer text: a network's hidden layers as one short text, `conv 8 5x5, pool 2, dense 64`.

Set apart by commas: images come before them and a dense layer of the classes behind.
`dense 64`, or just `64`: units. `conv 8 5x5`: maps, and the height and width of a window; then, if
it is not so, `stride 1` and `pad 0`. `pool 2`, `average 2`: the largest or the mean of each window
of 2x2, `stride` its height unless said. `dropout 0.5`: the share that is silenced. `norm`,
`flatten`. A text of numbers alone, `784-128-10` or `784,128,10`, has both ends, except where hidden
layers alone are asked for. The way back is `core.description.write`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from ..core.description import FIELDS, Spec, write
from ..core.network import Network
from ..errors import TextError

_OPTIONS = {"conv": ("stride", "pad"), "pool": ("stride",), "average": ("stride",)}
_WORDS = {  # what each may be, and what to write
    "units": ("0*[1-9][0-9]{0,6}", "how many units, such as 16"),
    "window": ("(0*[1-9][0-9]{0,3})(x0*[1-9][0-9]{0,3})?", "a window, such as 3x3"),
    "stride": ("0*[1-9][0-9]{0,3}", "a number of pixels, such as stride 2"),
    "pad": ("[0-9]{1,4}", "a number of pixels, such as pad 1"),
    "share": (r"0|0?\.[0-9]{1,12}", "a share below 1, such as 0.5"),
}


def read(text: str) -> tuple[tuple[int, ...], tuple[Spec, ...]]:
    """Return (inputs and classes where the text says them, else nothing; hidden layers).

    Raises TextError, a ConfigError that points at the word.
    """
    if re.fullmatch(r"\s*\d{1,8}(\s*[-,]\s*\d{1,8})+\s*", text, re.ASCII):
        widths = tuple(map(int, re.findall(r"\d+", text)))
        if 0 in widths:
            at = next(m for m in re.finditer(r"\d+", text) if not int(m[0]))
            raise TextError("layers: a width of 0: write numbers above zero", text, at.start(), 1)
        return (widths[0], widths[-1]), tuple(Spec("dense", width) for width in widths[1:-1])
    found, start = [], 0
    for item in text.split(",") if text.strip() else ():
        words = re.compile(r"[^\s,]+").finditer(text, start, start + len(item))
        found.append(_layer(text, list(words), start + len(item)))
        start += len(item) + 1
    return (), tuple(found)


def read_hidden(text: str, ends: tuple[int, int] | None = None) -> tuple[Spec, ...]:
    """Return the hidden layers of a text; "" has none, and numbers alone are their units.

    Between numbers alone may stand commas, dashes or spaces. ends: inputs and classes; numbers that
    begin and end with these have both ends, so that `784-128-10` is what it is elsewhere. Raises
    TextError, a ConfigError that points at the word.
    """
    if re.search("[a-z]", text, re.IGNORECASE):
        return read(text)[1]
    found = []
    for word in re.finditer(r"[^\s,;-]+|-", text):
        if word[0] == "-" and _between_digits(text, *word.span()):
            continue
        if not re.fullmatch(_WORDS["units"][0], word[0]):
            raise _refused(text, *word.span(), _WORDS["units"][1])
        found.append(Spec("dense", int(word[0])))
    if ends and len(found) > 1 and ends == (found[0].units, found[-1].units):
        return tuple(found[1:-1])
    return tuple(found)


def write_hidden(specs: Sequence[Spec], ends: tuple[int, int] | None = None) -> str:
    """Return hidden layers as the shortest text that `read_hidden` makes them of again."""
    units = [spec.units for spec in specs if spec.kind == "dense"]
    same = ends is not None and len(units) > 1 and ends == (units[0], units[-1])
    if len(units) < len(specs) or same:
        return write(specs)
    return ", ".join(map(str, units))


def _between_digits(text: str, start: int, stop: int) -> bool:
    return text[:start].rstrip()[-1:].isdigit() and text[stop:].lstrip()[:1].isdigit()


def _refused(text: str, start: int, stop: int, wanted: str, found: str = "") -> TextError:
    found = found or repr(text[start:stop][:20])
    return TextError(f"layers: {found} where there should be {wanted}", text, start, stop - start)


def _layer(text: str, words: list[re.Match], end: int) -> Spec:
    """Return the layer that these words are, which end there in the text."""

    def refuse(at: re.Match | None, what: str) -> TextError:
        return _refused(text, *(at.span() if at else (end, end + 1)), what, "" if at else "nothing")

    def value(name: str) -> Any:
        word, (pattern, wanted) = next(rest, None), _WORDS[name]
        if not (word and re.fullmatch(pattern, word[0])):
            raise refuse(word, wanted)
        if name == "window":
            height, _, width = word[0].partition("x")
            return int(height), int(width or height)
        return float(word[0]) if name == "share" else int(word[0])

    bare = bool(words) and re.fullmatch("[0-9]+", words[0][0])
    kind = "dense" if bare else words[0][0] if words else ""
    if kind not in FIELDS:
        raise refuse(words[0] if words else None, f"one of {', '.join(FIELDS)}")
    rest: Iterator[re.Match] = iter(words if bare else words[1:])
    values = {name: value(name) for name in FIELDS[kind]}
    if kind in ("pool", "average"):
        values["stride"] = values["window"][0]
    options = list(_OPTIONS.get(kind, ()))
    for word in rest:
        if word[0] not in options:
            raise refuse(word, " or ".join([*options, "a comma"]))
        options.remove(word[0])
        values[word[0]] = value(word[0])
    return Spec(kind, **values)


Network.reader = read
