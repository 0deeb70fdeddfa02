"""What small networks reach on MNIST and Fashion-MNIST, and how long they train for it.

    python benchmarks/records.py [NAME ...] [--final] [--data FOLDER] [--seeds 3] [--first 1]

Settings are tried as it is called without --final: it trains on all but the last 5,000 training
images and judges on these. With --final a network trains on all 60,000, its length is that of its
recipe, and the test set is looked at once, when it has ended. A line a seed, then the mean, the
spread and what was to be reached. Processor seconds are those of all threads together: what a
machine that nobody else uses would take is no less than these divided by its cores, and on one
that others keep busy they are what there is to compare.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from full_batch import default_data
from original_recipe import load as load_set

from nnengine import Dataset, Network, TrainingConfig, kernels, training
from nnengine.data import augment

HELD_OUT = 5_000


@dataclass(frozen=True, slots=True)
class Recipe:
    """A network's hidden layers as text, the set it reads, how it is trained, what it is to reach.

    goal: percent of the test images. within_s: seconds of training on two cores, if that counts.
    """

    data: str
    layers: str
    settings: dict[str, Any]
    goal: float
    within_s: float | None = None


def adam(epochs: int, rate: float, changes: str = "none", **more: Any) -> dict[str, Any]:
    """Return settings of Adam with one cycle of its rate, on images with these changes."""
    how = augment.parse(changes)
    same = {"optimizer": "adam", "schedule": "one_cycle", "batch_size": 128}
    return {**same, "epochs": epochs, "learning_rate": rate, "augmentation": how or None, **more}


RECIPES = {
    "mnist-dense": Recipe(
        "mnist",
        "dropout 0.2, dense 512, dropout 0.5, dense 512, dropout 0.5",
        adam(40, 0.002),
        goal=98.8,
    ),
    "mnist-distorted": Recipe(
        "mnist",
        "dense 512, dense 256",
        adam(60, 0.002, "shift=1,rotation=8,scale=0.1,shear=0.15,elastic=1.5"),
        goal=99.3,
    ),
    "mnist-conv": Recipe(
        "mnist",
        "conv 16 3x3 pad 1, pool 2, conv 32 3x3 pad 1, pool 2, dropout 0.3, dense 32",
        adam(24, 0.005, "gentle"),
        goal=99.4,
        within_s=90,
    ),
    "mnist-conv-small": Recipe(
        "mnist",
        "conv 8 5x5 pad 2, pool 2, conv 16 5x5, pool 2, dense 40",
        adam(30, 0.006, "gentle"),
        goal=99.2,
    ),
    "fashion-dense": Recipe(
        "fashion-mnist",
        "dropout 0.1, dense 512, dropout 0.4, dense 256, dropout 0.3",
        adam(25, 0.002),
        goal=91.2,
        within_s=90,
    ),
    "fashion-conv": Recipe(
        "fashion-mnist",
        "conv 16 3x3 pad 1, pool 2, conv 32 3x3 pad 1, pool 2, dropout 0.4, dense 56, dropout 0.3",
        adam(30, 0.004),
        goal=92.5,
    ),
}


@dataclass(frozen=True, slots=True)
class Run:
    """A trained network and what it took: seconds that passed, and those of all threads."""

    network: Network
    seconds: float
    processor_s: float


def trained(recipe: Recipe, data: Dataset, seed: int) -> Run:
    """Return a network trained by a recipe, its kernels made ready before time is taken."""
    height, width = data.images.shape[1:3]
    network = Network.build(
        recipe.layers, image_shape=(height, width), classes=data.classes, rng=seed
    )
    config = TrainingConfig(**recipe.settings, seed=seed, train_sample=1)
    for _ in training(
        network.copy(), data.take(slice(256)), TrainingConfig(epochs=1, optimizer="adam")
    ):
        pass  # what must be compiled is
    started, worked = time.perf_counter(), time.process_time()
    for _ in training(network, data, config):
        pass
    return Run(network, time.perf_counter() - started, time.process_time() - worked)


def sets(folder: Path, final: bool) -> tuple[Dataset, Dataset | None]:
    """Return what is trained on and, held out, what is judged on; the test set comes later."""
    whole = load_set(folder, "train")
    if final:
        return whole, None
    return whole.take(slice(None, -HELD_OUT)), whole.take(slice(-HELD_OUT, None))


def summary(recipe: Recipe, found: list[float], runs: list[Run], judged_on: str) -> str:
    """Return a row's last line: percent found, what they took, and what was to be reached."""
    spread = f" ± {stdev(found):.2f}" if len(found) > 1 else ""
    within = f" within {recipe.within_s:g} s on two cores" if recipe.within_s else ""
    return (
        f"{mean(found):.2f} %{spread} on {judged_on} images "
        f"(to be reached: {recipe.goal:g} %{within}); "
        f"{mean(run.seconds for run in runs):.1f} s on {kernels.threads()} threads, "
        f"{mean(run.processor_s for run in runs):.1f} s of processors, "
        f"{runs[0].network.parameter_count:,} parameters"
    )


def main() -> None:
    """Train by each recipe asked for, seed by seed, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(RECIPES))
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=1, help="the first of the seeds")
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--final", action="store_true", help="judge on the test set, once and for all")
    way.add_argument("--held-out", action="store_true", help="never look at the test set (usual)")
    asked = parser.parse_args()
    if strange := set(asked.names) - set(RECIPES):
        parser.error(f"no recipe {', '.join(sorted(strange))}: there are {', '.join(RECIPES)}")
    for name in asked.names or RECIPES:
        recipe, found, runs = RECIPES[name], [], []
        data, judge = sets(asked.data / recipe.data, asked.final)
        for seed in range(asked.first, asked.first + asked.seeds):
            runs.append(run := trained(recipe, data, seed))
            judged = judge or load_set(asked.data / recipe.data, "t10k")
            found.append(100 * run.network.accuracy(judged))
            print(
                f"{name} seed {seed}: {found[-1]:.2f} % in {run.seconds:.1f} s, "
                f"{run.processor_s:.1f} s of processors",
                flush=True,
            )
        judged_on = "test" if asked.final else "held-out"
        print(f"{name}: {summary(recipe, found, runs, judged_on)}", flush=True)


if __name__ == "__main__":
    main()
