"""How much of MNIST a network reads that has only ever seen synthetic digits.

    python benchmarks/synthetic_digits.py [--data FOLDER] [--seed 0] [--picture docs/synthetic.png]

Two 784-128-10 networks, trained with Adam in batches of 64. "Quick": the default 12,000 digits,
5 epochs at 0.001, the recipe the dashboard starts with. "Long": 600,000 digits, each seen once,
30,000 of a seed at a time: twelve times at 0.001, five at 0.0003, three at 0.0001.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from full_batch import default_data
from original_recipe import load

from nnengine import Dataset, Network, TrainingConfig, training
from nnengine.cli import report
from nnengine.core.metrics import Evaluation, evaluate
from nnengine.data import synthetic

# name: (digits of each set, epochs on it, learning rate for each set in turn)
RECIPES = {
    "quick": (12_000, 5, (0.001,)),
    "long": (30_000, 1, 12 * (0.001,) + 5 * (0.0003,) + 3 * (0.0001,)),
}
HELD_OUT_SEED = 1_000_000  # far from any the recipes use


def trained(recipe: str, seed: int) -> Network:
    """Return a network that has seen the recipe's synthetic digits and nothing else."""
    count, epochs, rates = RECIPES[recipe]
    network = Network.build([784, 128, 10], rng=seed, image_shape=(28, 28))
    for number, rate in enumerate(rates):
        config = TrainingConfig(epochs=epochs, optimizer="adam", learning_rate=rate, seed=seed)
        digits = synthetic.digits(count, seed=seed * len(rates) + number)
        for _ in training(network, digits, config):
            pass
    return network


def seconds_for(count: int) -> float:
    """Return the least of three times to write so many digits."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        synthetic.digits(count)
        times.append(time.perf_counter() - start)
    return min(times)


def confusion_lines(found: Evaluation, data: Dataset) -> list[str]:
    """Return the confusion matrix as `nnengine evaluate` prints it."""
    return list(
        report.evaluation_lines(
            {
                "accuracy": found.accuracy,
                "count": data.count,
                "loss": found.loss,
                "class_names": data.class_names,
                "confusion": found.confusion.tolist(),
                "recall": found.recall.tolist(),
                "precision": found.precision.tolist(),
            }
        )
    )


def mosaic(data: Dataset, columns: int = 14, rows: int = 2) -> np.ndarray:
    """Return uint8 pixels: the first `rows` rows of each class, `columns` images wide."""
    chosen = [np.flatnonzero(data.labels == label)[: rows * columns] for label in range(10)]
    tiles = data.images[np.concatenate(chosen)].reshape(10 * rows, columns, 28, 28)
    return tiles.transpose(0, 2, 1, 3).reshape(10 * rows * 28, columns * 28)


def draw(path: Path, mnist: Dataset) -> None:
    """Write synthetic digits at the left and MNIST's training images at the right."""
    from PIL import Image

    sides = [mosaic(synthetic.digits(1000)), mosaic(mnist.take(slice(1000)))]
    gap = np.full((sides[0].shape[0], 12), 255, np.uint8)
    paper = 255 - np.concatenate([sides[0], 255 - gap, sides[1]], axis=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(paper).save(path, optimize=True)
    print(f"picture: {path}, {path.stat().st_size / 1000:.0f} kB")


def main() -> None:
    """Print the table, the confusion matrix of the long recipe, and draw where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", type=Path, help="write samples beside MNIST's here (PNG)")
    arguments = parser.parse_args()
    train, test = (load(arguments.data / "mnist", part) for part in ("train", "t10k"))
    print(f"12,000 digits written in {seconds_for(12_000):.2f} s")
    held_out = synthetic.digits(10_000, seed=HELD_OUT_SEED)
    print(f"\n{'recipe':<8}{'synthetic, other hands':>24}{'MNIST train':>14}{'MNIST test':>13}")
    for recipe in RECIPES:
        network = trained(recipe, arguments.seed)
        found = [evaluate(network, data) for data in (held_out, train, test)]
        own, seen, unseen = (one.accuracy for one in found)
        print(f"{recipe:<8}{own:>24.2%}{seen:>14.2%}{unseen:>13.2%}", flush=True)
    print("\nMNIST test images, long recipe:", *confusion_lines(found[-1], test), sep="\n")
    if arguments.picture:
        draw(arguments.picture, train)


if __name__ == "__main__":
    main()
