"""What a lesson is worth: errors of the shipped drawing network taught, and what that costs it.

    python benchmarks/teaching.py [--data FOLDER] [--single 20] [--together 10]

The network's own errors on MNIST's test images stand for an odd hand; the built-in digits are
its memory, as on the Draw page. Forgetting is measured on the test images that are not taught,
learning also on 60 gentle variants of each taught image that no lesson saw.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

import numpy as np
from full_batch import default_data
from original_recipe import load

import nnengine
from nnengine import Dataset, kernels
from nnengine.analysis.finetuning import FineTuning, fine_tune
from nnengine.data.augment import GENTLE, augmented
from nnengine.data.synthetic import digits

VARIANTS = 60


def variants_right(network: nnengine.Network, mine: Dataset) -> float:
    """Return the share of variants of `mine` that a network reads, in [0, 1]."""
    rows = np.repeat(np.arange(len(mine)), VARIANTS)
    varied = augmented(mine.images[rows], GENTLE, rng=99)
    return network.accuracy(varied, mine.labels[rows])


def show(what: str, network: nnengine.Network, lessons: list[tuple[Dataset, FineTuning]]) -> None:
    """Print the means over some lessons as a line."""
    columns = [
        (
            lesson.right_after / len(mine),
            variants_right(network, mine),
            variants_right(lesson.network, mine),
            lesson.remembered_after - lesson.remembered_before,
            lesson.steps,
            lesson.seconds,
        )
        for mine, lesson in lessons
    ]
    right, before, after, change, steps, seconds = map(statistics.mean, zip(*columns, strict=True))
    print(
        f"{what:22} {right:7.1%}  {before:6.1%} to {after:5.1%}  {100 * change:+10.2f} points"
        f"  {steps:5.0f}  {seconds:5.2f} s"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--single", type=int, default=20, help="errors taught one at a time")
    parser.add_argument("--together", type=int, default=10, help="errors taught at once")
    arguments = parser.parse_args()
    kernels.warm_up()
    network, memory = nnengine.shipped("drawing"), digits(12_000, seed=0)
    test = load(arguments.data / "mnist", "t10k")
    wrong = np.flatnonzero(network.predict(test) != test.labels)
    wrong = np.random.default_rng(0).permutation(wrong)
    print(f"shipped drawing network: {len(wrong)} of {len(test):,} MNIST test images wrong")
    print("lesson                   right   variants right    other images  steps    time")

    def lesson(rows: np.ndarray) -> tuple[Dataset, FineTuning]:
        mine = test.take(rows)
        others = test.take(np.setdiff1d(np.arange(len(test)), rows))
        return mine, fine_tune(network, mine, memory, test=others, budget_s=60)

    singles = [lesson(wrong[i : i + 1]) for i in range(arguments.single)]
    show("one error", network, singles)
    many = arguments.together
    show(f"{many} errors together", network, [lesson(wrong[i::5][:many]) for i in range(3)])


if __name__ == "__main__":
    main()
