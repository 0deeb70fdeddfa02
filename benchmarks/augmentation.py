"""What augmentation costs: an epoch of distorted images beside an epoch of plain ones.

    python benchmarks/augmentation.py [--rounds 12] [--data FOLDER]

784-128-10, Adam, MNIST, batches of 64 and of 128. Both sides run in turn in one process, a
quarter of an epoch at a time, and the ratio is taken round by round, so that a machine whose
speed drifts does not favour either. The clock on the wall says what a person waits for; the
processor's time says what it costs where no second core is free to distort ahead.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from full_batch import default_data

from nnengine import Dataset, Network, StepFinished, TrainingConfig, kernels, read_idx, training
from nnengine.data.augment import PRESETS, Augmentation
from nnengine.kernels.workers import threads

QUARTER = 4  # of an epoch: long enough that handing over does not count


def steps(dataset: Dataset, batch: int, augmentation: Augmentation | None) -> Iterator[None]:
    """Train for ever, a `next` an optimizer step."""
    config = TrainingConfig(
        iterations=10**9,
        batch_size=batch,
        optimizer="adam",
        learning_rate=0.001,
        augmentation=augmentation,
        evaluate_every=10**9,
    )
    for event in training(Network.build([784, 128, 10], rng=0), dataset, config):
        if isinstance(event, StepFinished):
            yield


def timed(side: Iterator[None], count: int) -> tuple[float, float]:
    """Return the seconds on the wall and of the processor that so many steps take."""
    wall, processor = time.perf_counter(), time.process_time()
    for _ in range(count):
        next(side)
    return time.perf_counter() - wall, time.process_time() - processor


def compare(dataset: Dataset, batch: int, name: str, rounds: int) -> str:
    """Return a line of the table."""
    sides = [steps(dataset, batch, augmentation) for augmentation in (None, PRESETS[name])]
    count = len(dataset) // batch // QUARTER
    for side in sides:  # compile, pack, fill caches
        timed(side, count)
    found = [[timed(side, count) for side in sides] for _ in range(rounds)]
    for side in sides:
        side.close()
    wall = [second[0] / first[0] for first, second in found]
    processor = [second[1] / first[1] for first, second in found]
    plain, distorted = (
        statistics.median(one[side][0] for one in found) * QUARTER for side in (0, 1)
    )
    return (
        f"{batch:5}  {name:8} {plain:7.3f} s {distorted:9.3f} s   "
        f"{statistics.median(wall):.2f} ({min(wall):.2f} to {max(wall):.2f})   "
        f"{statistics.median(processor):.2f}"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--data", type=Path, default=default_data(), help="holds mnist/*.gz")
    arguments = parser.parse_args()
    folder = arguments.data / "mnist"
    dataset = Dataset(
        read_idx(folder / "train-images-idx3-ubyte.gz"),
        read_idx(folder / "train-labels-idx1-ubyte.gz"),
    )
    kernels.warm_up()
    print(f"784-128-10, Adam, {kernels.name}, {threads()} threads; an epoch of {len(dataset):,}")
    print("batch  preset     plain  distorted   ratio, least to most    ratio of processor time")
    for batch in (64, 128):
        for name in ("gentle", "strong"):
            print(compare(dataset, batch, name, arguments.rounds), flush=True)


if __name__ == "__main__":
    main()
