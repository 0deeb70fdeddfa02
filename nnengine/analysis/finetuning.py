"""Teaching: a few images of one's own join what a network knows, and little is forgotten."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import kernels
from ..core.losses import check_labels
from ..core.network import Network
from ..core.optimizers import Adam
from ..data.augment import GENTLE, augmented
from ..data.dataset import Dataset
from ..errors import ConfigError

STEPS = 600  # at most
BUDGET_S = 2.0
# Twelve errors of a 784-256-128-10 network taught at once cost it 0.1 % of MNIST's test images at
# this rate, 0.4 % at twice and 0.6 % at five times the rate; lower ones only take longer.
_RATE = 0.0001
_BATCH = 128  # images of a step, memories nearly all of them: else one digit becomes the fashion
_FRESH = (4, 32)  # one's own among them: for a single one, and for many
# Small networks yield slowly (784-16-10 took 632 steps to read one bar as a 5): every look that
# finds an own image still wrong makes the next steps longer and shows more of one's own.
_HASTE, _MOST_HASTE = 1.1, 10.0
_SURE = 0.7  # of every own image, and
_MOST = 0.9  # of their variants must be right, before the lesson may end
_VARIANTS = (32, 400)  # of each own image, and of all together
_LOOK_EVERY = 8  # steps
_PATIENCE = 3  # times the budget, while an own image is still wrong
_SAMPLE = 10_000  # images at most of the test set


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuningStep:
    """A few steps of a lesson are done: `right` of the own images are answered rightly now."""

    step: int
    steps: int
    right: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuning:
    """What a lesson made, and what it cost.

    network: the taught copy, a frozen snapshot. before, after: int64 (n,), the answers to one's
    own images. remembered_before, remembered_after: accuracy on the test images in [0, 1], None
    without them. steps: optimizer steps taken. seconds: of the whole lesson.
    """

    network: Network
    labels: np.ndarray
    before: np.ndarray
    after: np.ndarray
    remembered_before: float | None
    remembered_after: float | None
    steps: int
    seconds: float

    @property
    def right_before(self) -> int:
        """How many of one's own images were answered rightly."""
        return int((self.before == self.labels).sum())

    @property
    def right_after(self) -> int:
        """How many of one's own images are answered rightly now."""
        return int((self.after == self.labels).sum())


def fine_tune(network: Network, mine: Dataset, memory: Dataset, **settings: Any) -> FineTuning:
    """Return the whole lesson at once; takes and raises what `fine_tuning` does."""
    *_, last = fine_tuning(network, mine, memory, **settings)
    assert isinstance(last, FineTuning)
    return last


def fine_tuning(
    network: Network,
    mine: Dataset,
    memory: Dataset,
    *,
    test: Dataset | None = None,
    steps: int = STEPS,
    budget_s: float = BUDGET_S,
    rng: np.random.Generator | int = 0,
) -> Generator[FineTuningStep | FineTuning, None, None]:
    """Teach a copy of `network` one's own images; yield a `FineTuningStep` now and then, at last a
    `FineTuning`.

    mine: one's own images, each of which counts. memory: what the network knows, or something
    like it: most of every step is drawn from it, so that little is forgotten (rehearsal, Robins
    1995). test: images on which forgetting is measured, 10,000 of them at most. The own images
    are varied gently, those still in doubt come more often, and while one is wrong the steps
    become longer. The lesson ends once all are answered surely and nearly all of their variants
    rightly, after `steps`, or when `budget_s` seconds have passed (three times that while an own
    image is still wrong), whichever comes first; within the budget the same `rng` gives the same
    lesson. `network` itself does not change. Raises ConfigError or FormatError at once when the
    parts do not fit.
    """
    if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < 1:
        raise ConfigError(f"steps is {steps!r}: give a whole number above zero")
    if not budget_s > 0:
        raise ConfigError(f"budget_s is {budget_s!r}: give a number of seconds above zero")
    for data, what in ((mine, "own"), (memory, "memory"), (test, "test")):
        if data is not None:
            _check_fit(network, data, what)
    return _fine_tuning(
        network, mine, memory, test, int(steps), budget_s, np.random.default_rng(rng)
    )


def _check_fit(network: Network, data: Dataset, what: str) -> None:
    """Raise ConfigError or FormatError when the network cannot read the data."""
    if data.inputs != network.inputs:
        raise ConfigError(
            f"{what} images have {data.inputs:,} pixels, the network takes {network.inputs:,}: "
            "bring them to its size first"
        )
    check_labels(data.labels, network.classes, what=f"{what} labels")


def _fine_tuning(
    network: Network,
    mine: Dataset,
    memory: Dataset,
    test: Dataset | None,
    steps: int,
    budget_s: float,
    rng: np.random.Generator,
) -> Generator[FineTuningStep | FineTuning, None, None]:
    """Do what `fine_tuning` promises, for parts that are known to fit."""
    began = time.perf_counter()
    test = _sample(test)
    before, remembered = network.predict(mine), network.accuracy(test) if test else None
    pupil, taken = network.copy(), 0
    for event in _steps(pupil, mine, memory, steps, budget_s, rng):
        taken = event.step
        yield event
    _note(pupil, mine, memory, taken)
    yield FineTuning(
        network=pupil.snapshot(),
        labels=mine.labels,
        before=before,
        after=pupil.predict(mine),
        remembered_before=remembered,
        remembered_after=pupil.accuracy(test) if test else None,
        steps=taken,
        seconds=time.perf_counter() - began,
    )


def _steps(
    pupil: Network,
    mine: Dataset,
    memory: Dataset,
    steps: int,
    budget_s: float,
    rng: np.random.Generator,
) -> Generator[FineTuningStep, None, None]:
    """Train `pupil` in place; yield after every few steps, and after the last."""
    optimizer, haste = Adam(pupil.theta, rate=_RATE), 1.0
    gradient = kernels.aligned_zeros(pupil.theta.shape, pupil.dtype)
    exam, began = _Exam(mine, rng), time.perf_counter()
    doubtful = exam.doubtful(pupil)
    for step in range(1, steps + 1):
        images, labels = _mixture(mine, memory, doubtful, haste, rng)
        gradient[:] = 0
        pupil.gradient(images, labels, gradient)
        optimizer.step(gradient)
        spent = (time.perf_counter() - began) / budget_s
        if step % _LOOK_EVERY == 0 or step == steps or spent > 1:
            doubtful = exam.doubtful(pupil)
            right = int((pupil.predict(mine) == mine.labels).sum())
            yield FineTuningStep(step=step, steps=steps, right=right)
            if not len(doubtful) or spent > (1 if right == len(mine) else _PATIENCE):
                return
            haste = min(haste * _HASTE, _MOST_HASTE) if right < len(mine) else 1.0
            optimizer.rate = _RATE * haste


def _mixture(
    mine: Dataset,
    memory: Dataset,
    doubtful: np.ndarray,
    haste: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the images and labels of one step: own ones, half of them doubtful, and memories."""
    count = min(int(haste * (_FRESH[0] + len(mine) // 4)), _FRESH[1])
    rows = rng.integers(0, len(mine), count)
    if len(doubtful):
        rows[: count // 2] = rng.choice(doubtful, count // 2)
    fresh = augmented(mine.images[rows], GENTLE, rng)
    old = rng.integers(0, len(memory), _BATCH - count)
    images = np.concatenate([a.reshape(len(a), -1) for a in (fresh, memory.images[old])])
    return images, np.concatenate([mine.labels[rows], memory.labels[old]])


class _Exam:
    """One's own images, and variants of them that stay the same throughout a lesson."""

    def __init__(self, mine: Dataset, rng: np.random.Generator) -> None:
        each, most = _VARIANTS
        self.mine = mine
        self.rows = np.tile(np.arange(len(mine)), max(1, min(each, most // len(mine))))
        self.variants = augmented(mine.images[self.rows], GENTLE, rng)

    def doubtful(self, pupil: Network) -> np.ndarray:
        """Return the rows of the own images that need more practice, int64, sorted."""
        labels = self.mine.labels
        p = pupil.predict_proba(self.mine)
        unsure = np.flatnonzero(p[np.arange(len(p)), labels] < _SURE)
        wrong = pupil.predict(self.variants) != labels[self.rows]
        if wrong.mean() <= 1 - _MOST:
            return unsure
        return np.union1d(unsure, self.rows[wrong])


def _sample(test: Dataset | None) -> Dataset | None:
    """Return a part of the test set that is measured quickly, always the same one."""
    if test is None or len(test) <= _SAMPLE:
        return test
    rows = np.random.default_rng(0).choice(len(test), _SAMPLE, replace=False)
    return test.take(np.sort(rows))


def _note(pupil: Network, mine: Dataset, memory: Dataset, steps: int) -> None:
    """Put the lesson on the network's record."""
    lesson = {
        "data_digest": memory.digest,
        "config": {"optimizer": "adam", "learning_rate": _RATE, "batch_size": _BATCH},
        "own_images": len(mine),
        "own_digest": mine.digest,
        "steps": steps,
        "outcome": "taught",
        "kernels": kernels.name,
    }
    pupil.training = (*pupil.training, lesson)
