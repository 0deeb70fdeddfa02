"""Lesson: what a visitor's drawings teach the network in hand, and what that costs it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dashboard import state
from dashboard.sections import answers
from dashboard.store.networks import Entry
from dashboard.store.visits import Kept
from nnengine import kernels
from nnengine.analysis.finetuning import Lesson, teaching
from nnengine.core.network import Network
from nnengine.data.dataset import Dataset
from nnengine.errors import ConfigError

_READS = 0.5  # of the built-in digits a network must read, to remember by them what it knows
_SAMPLE = 500
BUDGET_S = 6.0 if sys.platform == "emscripten" and not kernels.packs else 2.0  # NumPy in a tab


@dataclass(frozen=True)
class Memory:
    """What a network is reminded of during a lesson, and what it is examined on, with its name."""

    train: Dataset
    test: Dataset
    tested: str


def memory(held: Entry) -> Memory:
    """Return the data a network was trained on where they are at hand, else the built-in digits.

    Raises ConfigError, with the way out, for a network that neither would remind of what it
    knows: a lesson would make it forget.
    """
    network, test = held.network, state.test_set()
    if test is not None and not _fits(network, test):
        test = None
    digests = {record.get("data_digest") for record in network.training} - {None}
    for train in _training_sets(held):
        if train.digest in digests:
            return _reminder(train, test or answers.held_out(held) or train)
    built_in = state.built_in()
    if _fits(network, built_in.train) and _reads(network, built_in.test):
        return _reminder(built_in.train, test or built_in.test)
    raise ConfigError(
        "this network would forget what it knows: choose the data it was trained on on the Data "
        "page, and teach it then"
    )


def _reminder(train: Dataset, test: Dataset) -> Memory:
    what = "training images" if test is train else "test images"
    return Memory(train, test, f"{len(test):,} {what}{f' ({test.name})' if test.name else ''}")


def _training_sets(held: Entry) -> list[Dataset]:
    """Return the data in hand, and the part of them that a run of this visit trained on."""
    whole, parts = state.training_set(), answers.halves(held)
    fitting = whole is not None and _fits(held.network, whole)
    return [whole, *(parts[:1] if parts else ())] if fitting else []


def _fits(network: Network, data: Dataset) -> bool:
    return (network.inputs, network.class_names) == (data.inputs, data.class_names)


def _reads(network: Network, data: Dataset) -> bool:
    return network.accuracy(data.take(slice(0, _SAMPLE))) >= _READS


def mine(network: Network) -> Dataset | None:
    """Return the kept drawings of this network's classes, at its size, or None without any."""
    data = state.my_digits(network.class_names)
    if data is None or network.image_shape == data.image_shape:
        return data
    images = answers.seen(network, data.images)
    return Dataset(images, data.labels, class_names=data.class_names, name=data.name)


def give(held: Entry, tell: Callable[[float, str], None], reason: int | None = None) -> None:
    """Teach a copy of the network in hand all kept drawings; it is then the one in hand.

    tell: called with the share that is done, in [0, 1], and a sentence. reason: the number of
    the drawing that this is for. A lesson is bounded to about two seconds, its kernels hold no
    lock of the interpreter, and one visitor learns at a time: so it is given here, where the
    visitor waits for it, rather than in the scheduler, whose runs would make it wait for theirs.
    Raises ConfigError or FormatError.
    """
    data = mine(held.network)
    if data is None:
        raise ConfigError("there is nothing to teach: draw a digit and say what it is")
    reminder = memory(held)
    tell(0.0, "Waiting for a turn")
    with state.finetuning_turn():
        for event in teaching(
            held.network, data, reminder.train, test=reminder.test, budget_s=BUDGET_S
        ):
            if isinstance(event, Lesson):
                state.keep_network(held.tuned(event, reason, reminder.tested))
                return
            share = max(event.step / event.steps, event.right / len(data) / 2)
            tell(share, f"Learning: {event.right} of {len(data)} of yours are right")


def forgotten(lesson: Lesson) -> str:
    """Return in words what a lesson cost on the test images, in points of a hundred."""
    lost = 100 * ((lesson.remembered_before or 0) - (lesson.remembered_after or 0))
    if abs(lost) < 0.005:
        return "nothing forgotten"
    return f"{lost:.2f} points forgotten" if lost > 0 else f"{-lost:.2f} points gained"


# My digits -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mark:
    """A kept drawing beside what the network in hand says to it; `answer` None: not its kind."""

    kept: Kept
    answer: str | None

    @property
    def right(self) -> bool:
        """Whether the network is right."""
        return self.answer == self.kept.name

    @property
    def caption(self) -> str:
        """What stands beneath it: "7 ✓", or "7 ✗ 1" when it is taken for a 1."""
        if self.answer is None:
            return self.kept.name
        return f"{self.kept.name} ✓" if self.right else f"{self.kept.name} ✗ {self.answer}"

    @property
    def sentence(self) -> str:
        """What a screen reader says in its place."""
        if self.answer is None:
            return f"A drawn {self.kept.name}"
        verdict = "read rightly" if self.right else f"taken for {self.answer}"
        return f"A drawn {self.kept.name}, {verdict}"


def marks(held: Entry | None) -> list[Mark]:
    """Return every kept drawing, newest first, with what this network says to it."""
    drawings = state.kept()[::-1]
    if not drawings or held is None or not answers.readable(held.network):
        return [Mark(one, None) for one in drawings]
    images = np.stack([one.image for one in drawings])
    said = held.network.predict(answers.seen(held.network, images))
    names = held.network.class_names
    return [
        Mark(one, names[i] if one.name in names else None)
        for one, i in zip(drawings, said, strict=True)
    ]


def score(found: list[Mark]) -> str:
    """Return how many of them the network in hand reads, in words."""
    judged = [mark for mark in found if mark.answer is not None]
    right = sum(mark.right for mark in judged)
    others = len(found) - len(judged)
    text = f"{right} of {len(judged)} read rightly" if judged else f"{len(found)} kept"
    return text + (f", {others} of other classes" if judged and others else "")
