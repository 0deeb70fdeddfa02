"""Fine-tuning: a network is taught the visitor's drawings, and reminded of what it knows."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

from dashboard import state
from dashboard.present import answers
from dashboard.sections import temperature
from dashboard.store.networks import Entry, looks_at
from nnengine import kernels
from nnengine.analysis.finetuning import FineTuning, fine_tuning
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
            return _reminder(train, test or temperature.held_out(held) or train)
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
    whole, parts = state.training_set(), temperature.halves(held)
    fitting = whole is not None and _fits(held.network, whole)
    return [whole, *(parts[:1] if parts else ())] if fitting else []


def _fits(network: Network, data: Dataset) -> bool:
    return looks_at(network, data) and network.class_names == data.class_names


def _reads(network: Network, data: Dataset) -> bool:
    return network.accuracy(data.take(slice(0, _SAMPLE))) >= _READS


def mine(network: Network) -> Dataset | None:
    """Return the kept drawings of this network's classes, at its size, or None without any."""
    data = state.my_digits(network.class_names)
    if data is None or network.shape == (*data.image_shape, data.channels):
        return data
    images = answers.seen(network, data.images)
    return Dataset(images, data.labels, class_names=data.class_names, name=data.name)


def finetune(held: Entry, tell: Callable[[float, str], None], reason: int | None = None) -> None:
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
        for event in fine_tuning(
            held.network, data, reminder.train, test=reminder.test, budget_s=BUDGET_S
        ):
            if isinstance(event, FineTuning):
                state.keep_network(held.tuned(event, reason, reminder.tested))
                return
            share = max(event.step / event.steps, event.right / len(data) / 2)
            tell(share, f"Learning: {event.right} of {len(data)} of yours are right")
