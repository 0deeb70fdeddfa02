"""How long an iteration of the original's recipe takes: this engine beside plain NumPy.

    python benchmarks/full_batch.py [--rounds 9] [--data FOLDER]

784-10-10, all 60,000 images of MNIST a step, rate 0.1. Both sides start from the same
coefficients, run in turn in one process, and the ratio is taken round by round, so that a
machine whose speed drifts does not favour either.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import nnengine
from nnengine import Dataset, Network, StepFinished, TrainingConfig, kernels, read_idx
from nnengine.kernels.workers import threads

ITERATIONS = 20  # of each side in a round: both get their own data back into cache
REST_S = 0.3  # before each side: the other's BLAS threads go on spinning for a while


def transcription(
    images: np.ndarray, labels: np.ndarray, start: Network, rate: float = 0.1
) -> Iterator[tuple]:
    """Run the original's equations in float64, pixels by images, one iteration a `next`.

    Yields the layers, (weights, biases) each with a row a unit, which the next iteration changes.
    """
    count = len(images)
    pixels = np.ascontiguousarray((images.reshape(count, -1) / 255.0).T)
    truth = np.eye(start.classes)[labels].T
    (w1, b1), (w2, b2) = (
        (layer.weights.T.astype(float), layer.biases[:, None].astype(float))
        for layer in start.layers
    )
    while True:
        sums = w1 @ pixels + b1
        hidden = np.maximum(sums, 0)
        logits = w2 @ hidden + b2
        odds = np.exp(logits - logits.max(axis=0))
        d_out = odds / odds.sum(axis=0) - truth
        d_hidden = (w2.T @ d_out) * (sums > 0)
        w2 -= rate * (d_out @ hidden.T / count)
        b2 -= rate * (d_out.sum(axis=1, keepdims=True) / count)
        w1 -= rate * (d_hidden @ pixels.T / count)
        b1 -= rate * (d_hidden.sum(axis=1, keepdims=True) / count)
        yield (w1, b1), (w2, b2)


def engine(dataset: Dataset, start: Network) -> Iterator[None]:
    """Run the same with this engine, through the public API."""
    config = TrainingConfig(iterations=10**6, batch_size=None, learning_rate=0.1)
    for event in nnengine.training(start.copy(), dataset, config):
        if isinstance(event, StepFinished):
            yield


def timed(steps: Iterator[None]) -> float:
    """Return the mean seconds of the next iterations."""
    time.sleep(REST_S)
    began = time.perf_counter()
    for _ in range(ITERATIONS):
        next(steps)
    return (time.perf_counter() - began) / ITERATIONS


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--data", type=Path, default=default_data(), help="holds mnist/*.gz")
    arguments = parser.parse_args()
    folder = arguments.data / "mnist"
    images = read_idx(folder / "train-images-idx3-ubyte.gz")
    labels = read_idx(folder / "train-labels-idx1-ubyte.gz")
    start = Network.build([784, 10, 10], initializer="uniform", rng=0)
    sides = [
        transcription(images, labels, start),
        engine(Dataset(images, labels), start),
    ]
    for side in sides:  # compile, pack, touch every page
        timed(side)
    rounds = [[timed(side) for side in sides] for _ in range(arguments.rounds)]
    plain, ours = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratios = [first / second for first, second in rounds]
    print(f"{len(images):,} images, 784-10-10; median of {arguments.rounds} rounds")
    print(f"float64 NumPy transcription  {plain * 1e3:7.1f} ms an iteration")
    kernel = f"nnengine, {kernels.name}, {threads()} threads"
    print(f"{kernel:28} {ours * 1e3:7.1f} ms an iteration")
    print(f"ratio {statistics.median(ratios):.1f} (from {min(ratios):.1f} to {max(ratios):.1f})")


def default_data() -> Path:
    """Return NNENGINE_DATA, else the folder beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(os.environ.get("NNENGINE_DATA", beside))


if __name__ == "__main__":
    main()
