"""What small networks reach on MNIST and Fashion-MNIST, and how long they train for it.

    python benchmarks/records.py [NAME ...] [--data FOLDER] [--seeds 3] [--held-out]

Settings are tried with --held-out alone: it trains on all but the last 5,000 training images and
judges on these. Without it a network trains on all 60,000, its length is that of its recipe, and
the test set is looked at once, when it has ended. A line a seed, then the mean and the spread.
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
    """A network's hidden layers as text, the set it reads, and how it is trained."""

    data: str
    layers: str
    settings: dict[str, Any]


def adam(epochs: int, rate: float, changes: str = "none", **more: Any) -> dict[str, Any]:
    """Return settings of Adam with one cycle of its rate, on images with these changes."""
    how = augment.parse(changes)
    same = {"optimizer": "adam", "schedule": "one_cycle", "batch_size": 128}
    return {**same, "epochs": epochs, "learning_rate": rate, "augmentation": how or None, **more}


RECIPES = {
    "mnist-dense": Recipe(
        "mnist", "dropout 0.2, dense 512, dropout 0.5, dense 512, dropout 0.5", adam(40, 0.002)
    ),
    "mnist-conv": Recipe(
        "mnist",
        "conv 16 3x3 pad 1, pool 2, conv 32 3x3 pad 1, pool 2, dropout 0.3, dense 32",
        adam(24, 0.005, "gentle"),
    ),
    "mnist-conv-small": Recipe(
        "mnist",
        "conv 8 5x5 pad 2, pool 2, conv 16 5x5, pool 2, dense 40",
        adam(30, 0.006, "gentle"),
    ),
    "fashion-dense": Recipe(
        "fashion-mnist",
        "dropout 0.1, dense 512, dropout 0.4, dense 256, dropout 0.3",
        adam(25, 0.002),
    ),
    "fashion-conv": Recipe(
        "fashion-mnist",
        "conv 16 3x3 pad 1, pool 2, conv 32 3x3 pad 1, pool 2, dropout 0.4, dense 56, dropout 0.3",
        adam(30, 0.004),
    ),
}


def trained(recipe: Recipe, data: Dataset, seed: int) -> tuple[Network, float]:
    """Return a network trained by a recipe, and the seconds it took, kernels ready before."""
    height, width = data.images.shape[1:3]
    network = Network.build(
        recipe.layers, image_shape=(height, width), classes=data.classes, rng=seed
    )
    config = TrainingConfig(**recipe.settings, seed=seed, train_sample=1)
    for _ in training(
        network.copy(), data.take(slice(256)), TrainingConfig(epochs=1, optimizer="adam")
    ):
        pass  # what must be compiled is
    started = time.perf_counter()
    for _ in training(network, data, config):
        pass
    return network, time.perf_counter() - started


def sets(folder: Path, held_out: bool) -> tuple[Dataset, Dataset | None]:
    """Return what is trained on and, held out, what is judged on; the test set comes later."""
    whole = load_set(folder, "train")
    if not held_out:
        return whole, None
    return whole.take(slice(None, -HELD_OUT)), whole.take(slice(-HELD_OUT, None))


def main() -> None:
    """Train by each recipe asked for, seed by seed, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(RECIPES))
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--held-out", action="store_true", help="never look at the test set")
    asked = parser.parse_args()
    for name in asked.names or RECIPES:
        recipe, found, took = RECIPES[name], [], []
        folder = asked.data / recipe.data
        data, judge = sets(folder, asked.held_out)
        for seed in range(1, asked.seeds + 1):
            network, seconds = trained(recipe, data, seed)
            judged = judge or load_set(folder, "t10k")
            found.append(100 * network.accuracy(judged))
            took.append(seconds)
            print(f"{name} seed {seed}: {found[-1]:.2f} % in {seconds:.1f} s", flush=True)
        spread = f" ± {stdev(found):.2f}" if len(found) > 1 else ""
        print(
            f"{name}: {mean(found):.2f} %{spread} on {'held-out' if judge else 'test'} images, "
            f"{mean(took):.1f} s on {kernels.threads()} threads, "
            f"{network.parameter_count:,} parameters",
            flush=True,
        )


if __name__ == "__main__":
    main()
