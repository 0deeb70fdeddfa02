"""Mistake: one line of a network gone wrong in a known way, and what is known of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .formulas import Terms

INPUT, LINE, OUTPUT = "input", "line", "output"

SOURCES = {
    "axes": "https://pytroubles.com/en/posts/id1785-fixing-numpy-mnist-training-correct-gradient-"
    "axes-bias-reductions-and-stable-softmax",
    "one number": "https://stackoverflow.com/questions/76450489",
    "stops": "https://stats.stackexchange.com/questions/550353",
    "always 0": "https://stackoverflow.com/questions/75378819",
    "thirds": "https://stats.stackexchange.com/questions/238417",
    "contrary": "https://datascience.stackexchange.com/questions/25394",
    "scalar": "https://github.com/rasbt/stat453-deep-learning-ss21/issues/5",
    "mean": "https://github.com/kvfrans/notes/issues/5",
    "averaged": "https://github.com/davharris/mistnet/issues/33",
    "max": "https://stackoverflow.com/questions/32109319",
    "broadcast": "https://github.com/jimfleming/differentiation/issues/1",
    "Kingma": "Kingma & Ba 2015, Adam, Algorithm 1",
    "Bishop": "Bishop 2006, Pattern Recognition and Machine Learning, section 5.3",
    "Nielsen": "Nielsen 2015, Neural Networks and Deep Learning, chapter 2",
    "LeCun": "LeCun et al. 1998, Efficient BackProp",
    "Goodfellow": "Goodfellow et al. 2016, Deep Learning, section 4.1",
    "own": "a slip of the pen, tried here",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """A wrong way to make one array.

    name: of the kind of mistake, the same for every line that it is made in. node: the array.
    kind: `line`, make(state, terms) gives the array; `input`, it gives what the right line sees in
    place of its inputs; `output`, make(array, state, terms) gives what becomes of the right array.
    line: how it is written, rows as images. what: what it is, in plain words. source: where it was
    met. when: for which terms it can be made at all. bent: for whom the probe's weights are too
    small to show it, a factor for them; 1 otherwise. guessed: its numbers are read off the
    learner's own, so that it is said only where no other mistake gives them. right: the line to
    write where the usual one is the mistake itself; empty otherwise.
    """

    name: str
    node: str
    make: Callable[..., Any]
    line: str
    what: str
    source: str = "own"
    kind: str = LINE
    when: Callable[[Terms], bool] = lambda terms: True
    bent: float = 1.0
    guessed: bool = False
    right: str = ""

    @property
    def title(self) -> str:
        """The name in words."""
        return self.name.replace("_", " ")

    @property
    def origin(self) -> str:
        """Where it was met: an address, a book, or tried here."""
        return SOURCES[self.source]
