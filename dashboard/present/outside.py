"""Outside: text that came from outside, made harmless for each place where a page shows it.

Names of files, classes, networks and runs, notes in a model's record, what a link says, and every
message that quotes one of these. Nothing of it may become a link, a picture, a colour or a formula,
or ask another host for anything: `plain` for Markdown, which is nearly all that Streamlit shows,
`label` for Plotly, `html` inside HTML, `shown` where text is text, `file_name` for a download.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from html import escape

LONGEST = 2000  # letters of a sentence that quotes something; else its middle is left out
SHORT = 60  # of a name on a button, in a chart
_SPACES = re.compile(r"[^\S\u00a0\u202f]+")  # all but those that keep a number with its sign
_JOINER = "\u2060"  # nothing is seen of it, and no line is broken at it
_LOST = "\ufffd"
_MARKDOWN = re.compile(r"[\\`*_{}\[\]()#+\-.!|<>~$:&=]")
# What is looked for once Markdown has been read, when no backslash is left: `www.`, `name@host`,
# `https://` and `:material/name:`, names of emoji, arrows and dashes. A joiner parts them.
_FOUND_LATER = re.compile(r"(?<=[:@])(?=\S)|(?<=www)(?=\.)|(?<=[-<>~])(?=[-=>])", re.IGNORECASE)
_TURNING = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
_ISOLATES = "\u2068{}\u2069"  # the words around it keep their direction


def shown(text: object, most: int = LONGEST) -> str:
    """Return text as one line of letters that can be seen, at most so many of them.

    Line breaks and tabs become spaces. What cannot be encoded, controls something or turns the
    direction of the words around it becomes the sign for a letter that is lost.
    """
    line = _SPACES.sub(" ", str(text)).strip(" ")
    if len(line) > most:
        line = f"{line[: most // 2].rstrip()} … {line[-(most // 2) :].lstrip()}"
    if line.isascii() and line.isprintable():
        return line
    line = "".join(_LOST if _is_lost(letter) else letter for letter in line)
    rightward = any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in line)
    return _ISOLATES.format(line) if rightward else line


def _is_lost(letter: str) -> bool:
    return unicodedata.category(letter) in ("Cc", "Cs") or (
        unicodedata.bidirectional(letter) in _TURNING
    )


def plain(text: object, most: int = LONGEST) -> str:
    """Return text that Markdown shows as it is, whatever a visitor called his run or file."""
    parted = _FOUND_LATER.sub(_JOINER, shown(text, most))
    return _MARKDOWN.sub(r"\\\g<0>", parted)


def label(text: object, most: int = SHORT) -> str:
    """Return text that Plotly shows as it is: at an axis, in a legend, in a hover template."""
    return escape(shown(text, most), quote=False).replace("%{", f"%{_JOINER}{{")


def html(text: object, most: int = LONGEST) -> str:
    """Return text for a place inside HTML, an attribute too."""
    return escape(shown(text, most))


def apart(texts: Sequence[str]) -> list[str]:
    """Return texts, those that are equal numbered: lists and charts know things by their words."""
    often = Counter(texts)
    return [text if often[text] == 1 else f"{text} ({i})" for i, text in enumerate(texts)]


def file_name(name: str) -> str:
    """Return a name as part of a file name: letters, digits and hyphens."""
    kept = "".join(c.lower() if c.isalnum() else "-" for c in name)
    return "-".join(part for part in kept.split("-") if part)[:60] or "network"
