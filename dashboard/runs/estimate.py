"""Pace: about how long a recipe will take, from what this machine has been seen to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import replace
from statistics import median

import numpy as np

from dashboard.runs.fields import dense
from dashboard.runs.recipe import Recipe
from nnengine import kernels
from nnengine.analysis.parts import Cost
from nnengine.data.augment import GENTLE, NONE
from nnengine.data.dataset import Dataset
from nnengine.training import Evaluated, StepFinished, layertext, training

CALIBRATION_S = 0.12
# Beside one multiply-add a parameter, an image costs its share of softmax and look-up, and a
# step costs the optimizer's passes over all parameters and one turn of the event loop.
_IMAGE_UNITS = 2_000
_STEP_UNITS = 20_000
# Changing an image costs the same beside any network: 2 to 4 us for one of 784 pixels, where a
# full batch of 784-10-10 does 13,000 units in a microsecond.
_CHANGED_PIXEL_UNITS = 45
# Of other layers than dense ones: every number they make is passed over several times, in NumPy's
# kernels more often. With this one rate served networks of 0.03 to 3 million multiplications within
# an eighth, in NumPy five of 0.3 to 3 million within a quarter.
_NUMBER_UNITS, _NUMBER_UNITS_OF_NUMPY = 28, 100
# Units that such networks do in the time of one of mini-batches of dense ones, once compiled.
_LAYERS, _OF_DENSE = ("layers",), 0.78
# How many times as long steps of dense networks take, by whether they see all images: of those that
# are not compiled whole, as `nnengine.fast` has it, and of activations that are curves, which leave
# no unit at zero. As `benchmarks/kinds_of_run.py` measured them.
_COMPILED, _CURVED, _PIECEWISE, _PIECEWISE_CURVED = "", "curved", "in pieces", "in pieces, curved"
_LONGER = {
    True: {_COMPILED: 1.0, _CURVED: 1.9, _PIECEWISE: 11.4, _PIECEWISE_CURVED: 11.6},
    False: {_COMPILED: 1.0, _CURVED: 3.2, _PIECEWISE: 2.8, _PIECEWISE_CURVED: 4.4},
}
_WHOLE_STEPS = ("sgd", "momentum", "adam")  # those that the compiled steps know
_LOOKING = Recipe(
    hidden=layertext.read_hidden("conv 8 5x5 pad 2, pool 2, conv 16 5x5, pool 2, dense 32"),
    batch_size=32,
    epochs=200,
)


class Pace:
    """Units of work a second, for each kind of run apart; better with every run.

    A unit is about one multiply-add. Full batches and mini-batches differ, and so do images as
    they are and changed ones, which a second thread prepares where there is one; so do activations
    and what no compiled step knows. Networks of other layers than dense ones are a kind of their
    own. Of a kind that never ran here, the pace is worked out from its plain neighbour. All
    visitors' runs teach it: it is one machine. So that no odd one among them spoils what others
    are told, a run moves a known pace by half of what it says, and by a factor of two at most.
    Written by the engine thread, read by pages.
    """

    def __init__(self) -> None:
        self._units_per_s: dict[tuple, float] = {}

    def note(self, recipe: Recipe, cost: Cost, images: int, steps: int, seconds: float) -> None:
        """Learn from a run that did `images` in `steps` with `seconds` of the engine to itself."""
        if steps < 1 or seconds < CALIBRATION_S / 2:
            return
        kind = _kind(recipe, cost)
        rate = _units(recipe, cost, images, steps) / seconds
        known = self._units_per_s.get(kind)
        if known is not None:
            rate = min(max(0.5 * known + 0.5 * rate, known / 2), 2 * known)
        self._units_per_s[kind] = rate

    def estimate_s(self, recipe: Recipe, dataset: Dataset) -> float | None:
        """Return the seconds the recipe would take alone; None before anything was measured."""
        cost = recipe.cost(dataset)
        rate = self._rate(_kind(recipe, cost))
        if rate is None:
            return None
        config = recipe.config(dataset.count)
        steps = config.total_steps(dataset.count)
        images = steps * min(config.batch_size or dataset.count, dataset.count)
        return _units(recipe, cost, images, steps) / rate

    def _rate(self, kind: tuple) -> float | None:
        """Return the units a second of a kind, from its plain neighbour where it never ran."""
        known = self._units_per_s.get(kind)
        if known is not None or kind == _LAYERS:
            return known
        full, changed, way = kind
        plain = self._units_per_s.get((full, changed, _COMPILED))
        return None if plain is None else plain / _LONGER[full][way]

    def calibrate(
        self, clock: Callable[[], float] = time.perf_counter
    ) -> Generator[None, None, None]:
        """Measure each kind for about 0.12 s on made-up images as sparse as digits.

        In pieces of some 50 ms, so that whoever has no thread for it can do other things between.
        """
        data = yield from _made_up()
        full = Recipe(
            hidden=dense((10,)), optimizer="sgd", batch_size=None, epochs=None, iterations=100_000
        )
        for recipe in (full, Recipe(epochs=200)):
            for augmentation in (NONE, GENTLE):
                changed = replace(recipe, augmentation=augmentation)
                yield from self._measure(changed, data, clock)
        if (
            kernels.name == "numba"
        ):  # what measures it would first be compiled, ten seconds of a core
            self._units_per_s[_LAYERS] = _OF_DENSE * self._units_per_s[(False, False, _COMPILED)]
        else:
            yield from self._measure(_LOOKING, data, clock)

    def _measure(
        self, recipe: Recipe, data: Dataset, clock: Callable[[], float]
    ) -> Generator[None, None, None]:
        steps = seen = 0
        taken: list[float] = []  # by the clock while this is at work, an event each
        last = None  # before the first step
        for event in training(recipe.build(data), data, recipe.config(data.count)):
            if last is not None:
                taken.append(clock() - last)
            if isinstance(event, StepFinished):
                steps, seen = steps + 1, seen + event.images
            if steps and sum(taken) > CALIBRATION_S:
                break
            yield
            # What comes before the first evaluation is done once a run, and may take seconds.
            if last is not None or isinstance(event, Evaluated):
                last = clock()
        cost, seconds = recipe.cost(data), sum(taken)
        if not cost.dense:  # every event is a step; while pages are drawn, NumPy waits for turns
            seconds = max(steps * median(taken), CALIBRATION_S / 2)
        self.note(recipe, cost, seen, steps, seconds)


def _made_up() -> Generator[None, None, Dataset]:
    """Return 4,096 images as sparse as digits, made a portion at a time."""
    rng, portions = np.random.default_rng(0), []
    # Digits that are alike share pixels, which full batches gain by: 35 % hold all that sixteen
    # neighbours use, of which each uses about half.
    alike = rng.random((8, 28, 28)) < 0.35
    for _ in range(8):
        # Bytes and short floats: as 64-bit numbers they were 50 MB, half of which stayed.
        images = rng.integers(1, 256, (512, 28, 28), np.uint8)
        inked = alike[np.arange(len(images)) % len(alike)]
        images[~inked | (rng.random(images.shape, np.float32) > 0.55)] = 0
        portions.append(images)
        yield
    images = np.concatenate(portions)
    return Dataset(images, np.arange(len(images)) % 10)


def _kind(recipe: Recipe, cost: Cost) -> tuple:
    """Return what runs are measured together; beside a convolution's sums all else is little."""
    if not cost.dense:
        return _LAYERS
    return recipe.batch_size is None, bool(recipe.augmentation), _way(recipe)


def _way(recipe: Recipe) -> str:
    """Return how steps of dense layers are taken: compiled whole, in pieces, and with curves."""
    curved = bool(recipe.hidden) and recipe.activation in ("sigmoid", "tanh")
    return ((_COMPILED, _CURVED), (_PIECEWISE, _PIECEWISE_CURVED))[in_pieces(recipe)][curved]


def in_pieces(recipe: Recipe) -> bool:
    """Return whether a recipe asks for something that no compiled step of dense layers knows."""
    added = recipe.l1 or recipe.l2 or recipe.clip_norm or recipe.label_smoothing
    return bool(recipe.optimizer not in _WHOLE_STEPS or added or recipe.class_weights != "equal")


def _units(recipe: Recipe, cost: Cost, images: int, steps: int) -> float:
    if not cost.dense:
        each = _NUMBER_UNITS_OF_NUMPY if kernels.name == "numpy" else _NUMBER_UNITS
        return images * (cost.multiplications + each * cost.numbers)
    changed = _CHANGED_PIXEL_UNITS * cost.pixels if recipe.augmentation else 0
    of_steps = steps * (3 * cost.parameters + _STEP_UNITS)
    return images * (cost.parameters + _IMAGE_UNITS + changed) + of_steps


def in_words(seconds: float) -> str:
    """Return a length of time as people say it: "8 s", "2 min 30 s", "1 h 5 min"."""
    whole = max(1, round(seconds))
    if whole < 90:
        return f"{whole} s"
    if whole < 600:
        return f"{whole // 60} min {whole % 60 // 10 * 10} s".replace(" 0 s", "")
    if whole < 5400:
        return f"{round(whole / 60)} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def compact(number: float) -> str:
    """Return a number in at most five characters and a letter: "942 k", "1.42 M"."""
    for size, letter in ((1e6, " M"), (1e3, " k")):
        if number >= size:
            return f"{number / size:.3g}{letter}"
    return f"{number:.0f}"
