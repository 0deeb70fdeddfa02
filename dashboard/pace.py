"""Pace: about how long a recipe will take, from what this machine has been seen to do."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from dashboard.recipe import Recipe, parameter_count
from nnengine.augment import GENTLE, NONE
from nnengine.dataset import Dataset
from nnengine.training import StepFinished, training

CALIBRATION_S = 0.12
# Beside one multiply-add a parameter, an image costs its share of softmax and look-up, and a
# step costs the optimiser's passes over all parameters and one turn of the event loop.
_IMAGE_UNITS = 2_000
_STEP_UNITS = 20_000
# Changing an image costs the same beside any network: 2 to 4 us for one of 784 pixels, where a
# full batch of 784-10-10 does 13,000 units in a microsecond.
_CHANGED_PIXEL_UNITS = 45


class Pace:
    """Units of work a second, for each kind of run apart; better with every run.

    A unit is about one multiply-add. Full batches and mini-batches differ, and so do images as
    they are and changed ones, which a second thread prepares where there is one. Written by the
    engine thread, read by pages.
    """

    def __init__(self) -> None:
        self._units_per_s: dict[tuple[bool, bool], float] = {}

    def note(
        self, recipe: Recipe, sizes: tuple[int, ...], images: int, steps: int, seconds: float
    ) -> None:
        """Learn from a run that did `images` in `steps` with `seconds` of the engine to itself."""
        if steps < 1 or seconds < CALIBRATION_S / 2:
            return
        kind = _kind(recipe)
        rate = _units(recipe, sizes, images, steps) / seconds
        known = self._units_per_s.get(kind)
        self._units_per_s[kind] = rate if known is None else 0.5 * known + 0.5 * rate

    def estimate_s(self, recipe: Recipe, dataset: Dataset) -> float | None:
        """Return the seconds the recipe would take alone; None before anything was measured."""
        rate = self._units_per_s.get(_kind(recipe))
        if rate is None:
            return None
        config = recipe.config(dataset.count)
        steps = config.total_steps(dataset.count)
        images = steps * min(config.batch_size or dataset.count, dataset.count)
        return _units(recipe, recipe.sizes(dataset), images, steps) / rate

    def calibrate(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """Measure each kind for about 0.12 s on made-up images as sparse as digits."""
        rng = np.random.default_rng(0)
        # Bytes and short floats: as 64-bit numbers they were 50 MB, half of which stayed.
        images = rng.integers(1, 256, (4096, 28, 28), np.uint8)
        # Digits that are alike share pixels, which full batches gain by: 35 % hold all that sixteen
        # neighbours use, of which each uses about half.
        alike = (rng.random((8, 28, 28)) < 0.35)[np.arange(4096) % 8]
        images[~alike | (rng.random(images.shape, np.float32) > 0.55)] = 0
        data = Dataset(images, np.arange(4096) % 10)
        full = Recipe(
            hidden=(10,), optimiser="sgd", batch_size=None, epochs=None, iterations=100_000
        )
        for recipe in (full, Recipe(epochs=200)):
            for augmentation in (NONE, GENTLE):
                self._measure(replace(recipe, augmentation=augmentation), data, clock)

    def _measure(self, recipe: Recipe, data: Dataset, clock: Callable[[], float]) -> None:
        steps = seen = 0
        events = training(recipe.build(data), data, recipe.config(data.count))
        next(events)  # the evaluation before the first step
        started = clock()
        for event in events:
            if isinstance(event, StepFinished):
                steps, seen = steps + 1, seen + event.images
            if steps and clock() - started > CALIBRATION_S:
                break
        events.close()
        self.note(recipe, recipe.sizes(data), seen, steps, clock() - started)


def _kind(recipe: Recipe) -> tuple[bool, bool]:
    return recipe.batch_size is None, bool(recipe.augmentation)


def _units(recipe: Recipe, sizes: tuple[int, ...], images: int, steps: int) -> float:
    count = parameter_count(sizes)
    changed = _CHANGED_PIXEL_UNITS * sizes[0] if recipe.augmentation else 0
    return images * (count + _IMAGE_UNITS + changed) + steps * (3 * count + _STEP_UNITS)


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
