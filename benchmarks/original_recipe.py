"""What the original's network reaches after 5,000 full-batch iterations, over several seeds.

    python benchmarks/original_recipe.py [--data FOLDER] [--set mnist] [--seeds 5]
                                         [--rate 0.1] [--init uniform] [--iterations 5000]

784-10-10, ReLU, plain gradient descent on all 60,000 images. The original's recipe is rate 0.1
and weights uniform in [-0.5, 0.5); both can be chosen here.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

from full_batch import default_data

from nnengine import Dataset, Network, TrainingConfig, TrainingFinished, read_idx, training


def load(folder: Path, part: str) -> Dataset:
    """Return the training set ("train") or the test set ("t10k") of a folder of IDX files."""
    return Dataset(
        read_idx(folder / f"{part}-images-idx3-ubyte.gz"),
        read_idx(folder / f"{part}-labels-idx1-ubyte.gz"),
    )


def main() -> None:
    """Print a line a seed and the means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--set", default="mnist", help="folder of four IDX files")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rate", type=float, default=0.1)
    parser.add_argument("--init", default="uniform")
    parser.add_argument("--iterations", type=int, default=5000)
    arguments = parser.parse_args()
    train, test = (load(arguments.data / arguments.set, part) for part in ("train", "t10k"))
    config = TrainingConfig(
        iterations=arguments.iterations,
        batch_size=None,
        learning_rate=arguments.rate,
        evaluate_every=arguments.iterations,
    )
    reached = []
    for seed in range(arguments.seeds):
        network = Network.build([784, 10, 10], initializer=arguments.init, rng=seed)
        for event in training(network, train, config, test):
            if isinstance(event, TrainingFinished):
                reached.append((event.train_accuracy, event.val_accuracy))
                print(
                    f"seed {seed}: train {reached[-1][0]:.2%}, test {reached[-1][1]:.2%}",
                    flush=True,
                )
    means = [statistics.mean(column) for column in zip(*reached, strict=True)]
    print(
        f"{arguments.set}, {arguments.init}, rate {arguments.rate:g}, "
        f"{arguments.iterations:,} iterations, mean of {len(reached)} seeds: "
        f"train {means[0]:.2%}, test {means[1]:.2%}"
    )


if __name__ == "__main__":
    main()
