"""Make the networks that ship with the engine, and the report card beside each.

    python benchmarks/make_models.py [--data FOLDER] [--only original|drawing] [--out FOLDER]
                                     [--measure]

Reads MNIST and, to measure alone, the pen strokes of `pen_strokes.py`; no network is trained on
those. The same data, back end and seed give the same files. With --measure the networks stay
and their cards are measured anew.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from pathlib import Path

import numpy as np
from full_batch import default_data
from original_recipe import load as load_set
from pen_strokes import drawn

from nnengine import Dataset, EpochFinished, Network, TrainingConfig, kernels, models, training
from nnengine.analysis import novelty
from nnengine.analysis.calibration import calibration_error, fit_temperature, tempered
from nnengine.core.metrics import evaluate
from nnengine.data import synthetic, writing
from nnengine.data.augment import Augmentation, augmented
from nnengine.storage import modelfile

COMMAND = "python benchmarks/make_models.py"
# The rate at which the original's recipe reaches what the original reports; it names none.
ORIGINAL = TrainingConfig(iterations=5000, batch_size=None, learning_rate=0.5)

HIDDEN = (400, 128)
SYNTHETIC = 60_000  # built-in digits, every way of writing as often, beside MNIST's 55,000
HELD_OUT = 1 / 12  # of MNIST's training images, to fit the temperature on
HANDS = Augmentation(
    shift=1, rotation=15, scale=0.15, shear=0.25, elastic=1, stroke_width=1.5
)  # how far strange hands may differ
DRAWING = TrainingConfig(
    epochs=24,
    batch_size=128,
    optimizer="adam",
    learning_rate=0.001,
    schedule="cosine",
    augmentation=HANDS,
)


def make_original(folder: Path) -> tuple[bytes, dict]:
    """Return the file of the original 784-10-10 network, and how it was made."""
    network = Network.build([784, 10, 10], initializer="uniform", rng=0)
    seconds = run(network, load_set(folder / "mnist", "train"), ORIGINAL)
    recipe = "5,000 steps of gradient descent at rate 0.5 on all 60,000 training images of MNIST"
    return modelfile.to_bytes(network, "nnm"), {"recipe": recipe, "training_seconds": seconds}


def make_drawing(folder: Path) -> tuple[bytes, dict]:
    """Return the file of the network made for drawing, and how it was made."""
    mnist, held_out = load_set(folder / "mnist", "train").split(HELD_OUT)
    train = joined(mnist, synthetic.digits(SYNTHETIC, seed=1000, every_way=True))
    network = Network.build([784, *HIDDEN, 10], rng=1)
    seconds = run(network, train, DRAWING)
    # Strangers' drawings differ from held-out images as these do from those trained on.
    strange = joined(held_out, synthetic.digits(held_out.count, seed=2000, every_way=True))
    strange = Dataset(augmented(strange.images, HANDS, rng=3), strange.labels)
    temperature = fit_temperature(network.logits(strange), strange.labels)
    recipe = (
        f"{DRAWING.epochs} epochs of Adam, rate {DRAWING.learning_rate:g} falling to zero, on "
        f"{mnist.count:,} images of MNIST and {SYNTHETIC:,} built-in digits, "
        f"each {HANDS.in_words()}"
    )
    made = {"recipe": recipe, "training_seconds": seconds, "temperature": round(temperature, 3)}
    return lined(tempered(network, temperature), folder), made


def lined(network: Network, folder: Path) -> bytes:
    """Return the network's file, with the line from where on a drawing looks like no digit."""
    _, held_out = load_set(folder / "mnist", "train").split(HELD_OUT)
    line = novelty.fit_line(held_out.images)
    assert line is not None, "the guard knows MNIST's digits"
    return modelfile.to_bytes(novelty.with_line(network, line), half=True)


def joined(one: Dataset, other: Dataset) -> Dataset:
    """Return the images of both, one after the other."""
    images = np.concatenate([one.images, other.images])
    return Dataset(images, np.concatenate([one.labels, other.labels]), classes=10)


def run(network: Network, data: Dataset, config: TrainingConfig) -> float:
    """Train to the end, a line an epoch; return the seconds it took."""
    kernels.warm_up()
    started = time.perf_counter()
    for event in training(network, data, config):
        if isinstance(event, EpochFinished) and config.epochs:
            print(f"epoch {event.epoch:.0f}: {event.train_accuracy:.2%}", flush=True)
    return round(time.perf_counter() - started, 1)


def measured(network: Network, folder: Path) -> dict:
    """Return what the card says of a network: accuracy and calibration error on every set."""
    sets = {
        "MNIST test images": load_set(folder / "mnist", "t10k"),
        "built-in digits": synthetic.digits(10_000, seed=7),
        "pen strokes, drawn small": drawn(folder, "small"),
        "pen strokes, drawn large": drawn(folder, "large"),
    }
    card = {}
    for name, data in sets.items():
        found = evaluate(network, data)
        card[name] = {
            "images": data.count,
            "accuracy": round(found.accuracy, 4),
            "calibration_error": round(calibration_error(found.probabilities, data.labels), 4),
        }
    return card


def facts(name: str, raw: bytes) -> dict:
    """Return what a card says of the file itself."""
    network = modelfile.load(raw)
    return {
        "name": name,
        "layers": list(network.sizes),
        "parameters": network.parameter_count,
        "bytes": len(raw),
        "sha256": hashlib.sha256(raw).hexdigest(),
    }


def main() -> None:
    """Write the files and print the cards."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--only", choices=models.NAMES)
    parser.add_argument("--out", type=Path, default=models.FOLDER)
    parser.add_argument("--measure", action="store_true", help="make no network, measure again")
    arguments = parser.parse_args()
    for name, make in (("original", make_original), ("drawing", make_drawing)):
        if arguments.only not in (None, name):
            continue
        file, card_file = arguments.out / models.FILES[name], arguments.out / f"{name}.json"
        if arguments.measure:
            raw, card = file.read_bytes(), json.loads(card_file.read_text())
        else:
            raw, made = make(arguments.data)
            card = facts(name, raw) | made
            writing.write(file, raw)
        card |= {"measured": measured(modelfile.load(raw), arguments.data), "command": COMMAND}
        writing.write(card_file, (json.dumps(card, indent=2) + "\n").encode())
        print(json.dumps(card, indent=2))


if __name__ == "__main__":
    main()
