"""Moments of a run: what keeping them costs, what they take, and how alike they answer.

    python benchmarks/moments.py --pairs 3 --epochs 5

Trains 784-128-10 on MNIST with the scheduler in this one thread, with moments and without; packing
is done behind each run and told apart. Then a run is trained once more, and every moment answers
the test images beside the exact weights that it was made of.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dashboard.runs import work
from dashboard.runs.recipe import Recipe
from dashboard.runs.scheduler import Scheduler
from nnengine.data import catalogue
from nnengine.data.dataset import Dataset


def recipe(epochs: int) -> Recipe:
    """Return the recipe of all runs: Adam at 0.001."""
    return Recipe(hidden=(128,), epochs=epochs, batch_size=64, validation="none")


def trained(scheduler: Scheduler, data: Dataset, epochs: int, kept: bool) -> tuple[float, float]:
    """Return the processor's seconds of a run, and of packing its moments."""
    run = scheduler.start(recipe(epochs), data)
    if not kept:
        run.recording = None
    began = time.process_time()
    while not run.ended:
        scheduler.advance()
    took = time.process_time() - began
    if run.recording is None:
        return took, 0.0
    began = time.process_time()
    run.recording.pack()
    return took, time.process_time() - began


def kept(scheduler: Scheduler, data: Dataset, test: Dataset, epochs: int) -> tuple[float, float]:
    """Return bytes of a moment on average, and how many test images the worst answers alike."""
    run, exact = scheduler.start(recipe(epochs), data), {}
    told, note = run.recording, run.recording.note

    def remembered(step: int, theta: np.ndarray, *, last: bool = False) -> None:
        exact[step] = theta.copy()
        note(step, theta, last=last)

    exact[0], told.note = run.snapshot.theta, remembered
    while not run.ended:
        scheduler.advance()
    told.pack()
    whole, worst = run.snapshot.copy(), 1.0
    for number, step in enumerate(told.moments.steps):
        whole.theta[:] = exact[step]
        answers = told.moments.network(number, run.snapshot).predict(test.images)
        worst = min(worst, float((answers == whole.predict(test.images)).mean()))
    return told.moments.packed_bytes / len(told.moments), worst


def main() -> None:
    """Print a line a pair, their median, and what the moments of a run are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2)
    asked = parser.parse_args()
    work.PACKING_SHARE, work.MOST_WAITING = 0.0, 1 << 40
    data, test = catalogue.load("mnist")
    scheduler = Scheduler(threaded=False)
    trained(scheduler, data, 1, True)  # compiles
    ratios = []
    for _ in range(asked.pairs):
        alone = trained(scheduler, data, asked.epochs, False)[0]
        with_them, packing = trained(scheduler, data, asked.epochs, True)
        ratios.append(with_them / alone)
        print(f"{alone:.2f} s alone, {with_them:.2f} s with moments, packing {packing:.2f} s")
    print(f"with moments a run takes {statistics.median(ratios):.3f} of its time")
    each, worst = kept(scheduler, data, test, asked.epochs)
    print(f"a moment takes {each / 1000:.1f} kB; the worst answers {worst:.2%} of the images alike")


if __name__ == "__main__":
    main()
