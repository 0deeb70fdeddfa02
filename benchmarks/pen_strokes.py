"""How networks read digits that people wrote with a pen on a tablet, which none was trained on.

    python benchmarks/pen_strokes.py [MODEL ...] [--data FOLDER] [--pen 18]

7,494 digits by 30 people (pendigits-orig.tra.gz: Alpaydin and Alimoglu, UCI Machine Learning
Repository, CC BY 4.0). Each is drawn as the Draw page's canvas draws it, in two ways: the
tablet's box of 500 units on the whole sheet of 280 pixels, where digits are small and the pen is
thick; and the digit itself filling 200 of the 280. `framing.to_image` then frames it. Without a
MODEL the shipped networks are measured beside a plain 784-128-10 trained on MNIST.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from full_batch import default_data
from original_recipe import load as load_set

import nnengine
from nnengine import Dataset, Network, TrainingConfig, models, training
from nnengine.core.metrics import evaluate
from nnengine.data import framing, pen

FILE = Path("pendigits") / "pendigits-orig.tra.gz"
BOX, SHEET_PX, FILLED_PX = 500, 280, 200
PEN_PX = 18.0  # of the Draw page when it opens
PLACES = ("small", "large")


def drawn(
    folder: Path, place: str = "small", pen_px: float = PEN_PX, most: int = 10_000
) -> Dataset:
    """Return the file's digits as uint8 (7494, 28, 28), drawn in one of the PLACES and framed.

    most: how many, by lot, where there are more.
    """
    digits, labels = pen.read_unipen(folder / FILE)
    if len(digits) > most:
        rows = np.random.default_rng(0).choice(len(digits), most, replace=False)
        digits, labels = [digits[row] for row in rows], labels[rows]
    sheets = (pen.draw(_placed(strokes, place), pen_px=pen_px) for strokes in digits)
    return Dataset(framing.to_images(sheets), labels, classes=10, name=f"pen strokes, {place}")


def _placed(strokes: list[np.ndarray], place: str) -> list[np.ndarray]:
    """Return the strokes in pixels of the sheet."""
    if place == "small":
        return [stroke * (SHEET_PX / BOX) + (0, SHEET_PX) for stroke in strokes]
    points = np.concatenate(strokes)
    low, high = points.min(axis=0), points.max(axis=0)
    scale = FILLED_PX / max((high - low).max(), 1)
    return [(s - (low + high) / 2) * scale + SHEET_PX / 2 for s in strokes]


def plain(folder: Path) -> Network:
    """Return a 784-128-10 network as many a tutorial trains it: MNIST, Adam, five epochs."""
    network = Network.build([784, 128, 10], rng=1)
    config = TrainingConfig(epochs=5, optimizer="adam", learning_rate=0.001)
    for _ in training(network, load_set(folder / "mnist", "train"), config):
        pass
    return network


def main() -> None:
    """Print the table, and the confusion matrix of the last network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--pen", type=float, default=PEN_PX, help="diameter on the sheet, pixels")
    arguments = parser.parse_args()
    networks = {path.name: nnengine.load(path) for path in arguments.models} or {
        "plain 784-128-10": plain(arguments.data),
        **{name: models.shipped(name) for name in models.NAMES},
    }
    sets = [load_set(arguments.data / "mnist", "t10k")]
    sets += [drawn(arguments.data, place, arguments.pen) for place in PLACES]
    print(f"{'':18}{'MNIST test':>12}{'pen, small':>12}{'pen, large':>12}")
    for name, network in networks.items():
        print(f"{name:18}" + "".join(f"{network.accuracy(data):12.2%}" for data in sets))
    print(f"\n{name}, pen strokes drawn small: rows are true, columns answered")
    for label, row in enumerate(evaluate(network, sets[1]).confusion):
        print(label, "".join(f"{count:6}" for count in row))


if __name__ == "__main__":
    main()
