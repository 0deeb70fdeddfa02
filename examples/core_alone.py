"""The core alone: a network learns the built-in digits by the textbook's formulas, in NumPy.

    python examples/core_alone.py --epochs 5 --seed 0

The numbers are those of `nnengine.training` by NumPy's kernels; tests/test_docs.py compares them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import islice

import numpy as np

from nnengine.core import Adam, Network, arithmetic, evaluate
from nnengine.core.metrics import Evaluation
from nnengine.data import catalogue
from nnengine.training.batches import SAMPLE, Shuffled, Split, cut
from nnengine.training.config import TrainingConfig
from nnengine.training.loop import learn

INK = np.array(list(" .:+#"))  # from dark to light
USUAL = TrainingConfig(epochs=5, batch_size=64, optimizer="adam", learning_rate=0.001)


def epochs(
    network: Network, train: Split, test: Split, config: TrainingConfig = USUAL
) -> Iterator[tuple[Evaluation, Evaluation]]:
    """Train `network` in place; yield after every epoch what it makes of both sides."""
    optimizer = Adam(network.theta, rate=config.rates(len(train)))
    batches = cut(train, Shuffled(len(train), config), network.piece_images)
    seen = train.sample(SAMPLE, config.seed)  # the training images that curves are measured on
    steps = learn(network, optimizer, batches)
    for _ in range(config.epochs):
        for _ in islice(steps, config.steps_per_epoch(len(train))):
            pass
        yield evaluate(network, seen), evaluate(network, test)


def as_text(image: np.ndarray) -> str:
    """Return an image, uint8 (height, width), as lines of text: two characters a pixel."""
    ink = INK[image.astype(int) * len(INK) // 256]
    return "\n".join("".join(np.repeat(row, 2)).rstrip() for row in ink)


def main(seed: int, count: int) -> None:
    """Train, and print the curves, the confusion matrix and the first image misread."""
    arithmetic.use({})  # the formulas themselves, not what was compiled to stand in for them
    train, test = (Split(data.images, data.labels) for data in catalogue.load("digits"))
    network = Network.build([784, 128, 10], rng=seed)
    config = TrainingConfig(
        epochs=count, batch_size=64, optimizer="adam", learning_rate=0.001, seed=seed
    )
    print("epoch  loss: train    test  right: train    test")
    for epoch, (here, there) in enumerate(epochs(network, train, test, config), 1):
        losses, right = f"{here.loss:12.4f}{there.loss:8.4f}", f"{here.accuracy:14.2%}"
        print(f"{epoch:5}{losses}{right}{there.accuracy:8.2%}")
    print(f"\ndigits down the side, answers across\n{there.confusion}")
    for n in np.flatnonzero(there.predictions != test.labels)[:1]:
        print(f"\n{test.labels[n]} was taken for {there.predictions[n]}:")
        print(as_text(test.images[n]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train on the built-in digits, in NumPy alone.")
    parser.add_argument("--epochs", type=int, default=USUAL.epochs, metavar="N")
    parser.add_argument("--seed", type=int, default=USUAL.seed, metavar="N")
    given = parser.parse_args()
    main(given.seed, given.epochs)
