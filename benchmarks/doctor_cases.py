"""The runs that the training doctor is tested on: faults made on purpose, and healthy ones.

Two lists that share no image, seed, size or network: `tune` and `held_out`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from nnengine import Dataset, Network
from nnengine.data.augment import GENTLE

HEALTHY = "healthy"
Pair = tuple[Dataset, Dataset]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One run: a healthy one, or one into which a fault was made."""

    fault: str
    about: str
    source: str
    seed: int
    images: int
    hidden: tuple[int, ...] | str = (64,)
    net: dict[str, Any] = field(default_factory=dict)  # settings of the network
    run: dict[str, Any] = field(default_factory=dict)  # of the training
    data: Callable[[Pair, np.random.Generator], Pair] | None = None  # what is done to the images
    start: Callable[[Network], None] | None = None  # to the weights


# What is done to images, labels and weights -------------------------------------------------


def _with(data: Dataset, images: Any = None, labels: Any = None) -> Dataset:
    images = data.images if images is None else images
    labels = data.labels if labels is None else labels
    return Dataset(images, labels, classes=10, name=data.name)


def all_zero(sets: Pair, rng: np.random.Generator) -> Pair:
    """Label every training image 0."""
    return _with(sets[0], labels=sets[0].labels * 0), sets[1]


def without(*classes: int) -> Callable[[Pair, np.random.Generator], Pair]:
    """Leave out training images of some classes."""
    return lambda sets, rng: (sets[0].take(~np.isin(sets[0].labels, classes)), sets[1])


def mostly(one: int, others: int) -> Callable[[Pair, np.random.Generator], Pair]:
    """Keep a few images of each other class alone, on both sides."""

    def few(data: Dataset) -> Dataset:
        rest = [np.flatnonzero(data.labels == c)[:others] for c in range(10) if c != one]
        return data.take(np.sort(np.concatenate([np.flatnonzero(data.labels == one), *rest])))

    return lambda sets, rng: (few(sets[0]), sets[1])


def inverted(sets: Pair, rng: np.random.Generator) -> Pair:
    """Show the test images dark on light."""
    return sets[0], _with(sets[1], images=255 - sets[1].images)


def remade(gain: float, offset: float) -> Callable[[Pair, np.random.Generator], Pair]:
    """Give the test images another contrast and brightness."""

    def change(sets: Pair, rng: np.random.Generator) -> Pair:
        made = np.clip(sets[1].images * gain + offset, 0, 255).astype(np.uint8)
        return sets[0], _with(sets[1], images=made)

    return change


def shuffled(sets: Pair, rng: np.random.Generator) -> Pair:
    """Deal the training labels out by lot."""
    return _with(sets[0], labels=rng.permutation(sets[0].labels)), sets[1]


def rolled(sets: Pair, rng: np.random.Generator) -> Pair:
    """Give each training image the label of the one before it."""
    return _with(sets[0], labels=np.roll(sets[0].labels, 1)), sets[1]


def class_shifted(by: int) -> Callable[[Pair, np.random.Generator], Pair]:
    """Count the classes of the training labels from another one."""
    return lambda sets, rng: (_with(sets[0], labels=(sets[0].labels + by) % 10), sets[1])


def copied(share: float) -> Callable[[Pair, np.random.Generator], Pair]:
    """Put a share of the test images among the training images."""

    def change(sets: Pair, rng: np.random.Generator) -> Pair:
        train, test = sets
        picked = rng.permutation(test.count)[: int(share * test.count)]
        images = np.concatenate([train.images, test.images[picked]])
        return _with(train, images, np.concatenate([train.labels, test.labels[picked]])), test

    return change


def too_dark(sets: Pair, rng: np.random.Generator) -> Pair:
    """Divide the pixels by 255 before the network does."""
    return tuple(_with(data, images=(data.images > 127).astype(np.uint8)) for data in sets)


def zeros(network: Network) -> None:
    """Begin with nothing but zeros."""
    network.theta[:] = 0


def low_biases(by: float) -> Callable[[Network], None]:
    """Begin with hidden biases so low that no unit of the first layer answers."""

    def change(network: Network) -> None:
        network.parameters()["biases_1"][:] = -by

    return change


def enlarged(factor: float) -> Callable[[Network], None]:
    """Begin with weights so many times as large."""

    def change(network: Network) -> None:
        network.theta *= factor

    return change


# The lists ----------------------------------------------------------------------------------

ADAM = {"optimizer": "adam", "learning_rate": 0.001}
SIGMOIDS = {"activation": "sigmoid", "initializer": "glorot"}
TANH = {"activation": "tanh", "initializer": "glorot"}


def tune() -> Iterator[Case]:
    """Yield the runs on which thresholds were found."""
    for at, source in enumerate(("mnist", "digits")):
        for case in (*_tune_faults(), *_tune_healthy()):
            yield replace(case, source=source, seed=case.seed + at)


def _case(fault: str, about: str, **more: Any) -> Case:
    base = {"seed": 0, "images": 2000, "run": {"epochs": 8, **ADAM}}
    return Case(fault=fault, about=about, source="", **{**base, **more})


def _tune_faults() -> Iterator[Case]:
    sgd, few = {"optimizer": "sgd"}, {"epochs": 5}
    for rate in (100.0, 10.0, 3.0):
        yield _case("rate_too_high", f"SGD {rate:g}", run={**few, **sgd, "learning_rate": rate})
    for rate in (1.0, 0.1):
        yield _case("rate_too_high", f"Adam {rate:g}", run={**few, **ADAM, "learning_rate": rate})
    for rate in (1e-6, 1e-4, 3e-4):
        yield _case("rate_too_low", f"SGD {rate:g}", run={**few, **sgd, "learning_rate": rate})
    for rate in (1e-7, 3e-6):
        yield _case("rate_too_low", f"Adam {rate:g}", run={**few, **ADAM, "learning_rate": rate})
    deep = {"hidden": (32,) * 6, "net": SIGMOIDS}
    yield _case("vanishing_gradients", "6 sigmoid, SGD", run={**few, **sgd}, **deep)
    yield _case("vanishing_gradients", "6 sigmoid, Adam", run={**few, **ADAM}, **deep)
    yield _case(
        "vanishing_gradients", "8 sigmoid, SGD", run={**few, **sgd}, **{**deep, "hidden": (24,) * 8}
    )
    for by in (10.0, 30.0):
        yield _case("dead_units", f"biases -{by:g}", start=low_biases(by))
    yield _case("saturation", "tanh, weights x30", net=TANH, start=enlarged(30))
    yield _case("saturation", "sigmoid, x100", net=SIGMOIDS, start=enlarged(100))
    yield _case("saturation", "tanh 2, x20", net=TANH, start=enlarged(20), hidden=(64, 32))
    yield _case("flat_loss", "zero weights", start=zeros)
    yield _case("flat_loss", "zero weights, SGD", start=zeros, run={**few, **sgd})
    yield _case("single_class", "95 % of a class", data=mostly(3, 1), images=4000)
    yield _case(
        "single_class", "98 % of a class", data=mostly(3, 1), run={"epochs": 2, **sgd}, images=8000
    )
    over = {"images": 300, "hidden": (256,)}
    yield _case("validation_turning", "300 images", run={"epochs": 150, **ADAM}, **over)
    yield _case(
        "validation_turning",
        "300, Adam .005",
        run={"epochs": 60, "optimizer": "adam", "learning_rate": 0.005},
        **over,
    )
    yield _case("classes_missing", "without 4, 7", data=without(4, 7))
    yield _case("classes_missing", "without 9", data=without(9))
    yield _case("one_class_of_data", "all zero", data=all_zero)
    yield _case("pixels_scaled", "0 to 255", net={"input_scale": 1.0})
    yield _case("pixels_scaled", "divided twice", data=too_dark)
    yield _case("inverted", "test inverted", data=inverted)
    yield _case("standardised", "test half contrast", data=remade(0.5, 0))
    yield _case("standardised", "test brighter", data=remade(1.0, 60))
    yield _case("labels_shuffled", "by lot", data=shuffled)
    yield _case("labels_shuffled", "rolled", data=rolled)
    yield _case("labels_shifted", "by one", data=class_shifted(1))
    yield _case("labels_shifted", "by nine", data=class_shifted(9))
    yield _case("duplicates", "a fifth", data=copied(0.2))
    yield _case("duplicates", "a twentieth", data=copied(0.05))
    big = {"batch_size": 2000, "optimizer": "sgd", "learning_rate": 0.01}
    yield _case("batch_too_large", "2000, SGD 0.01", run={"epochs": 20, **big})
    yield _case(
        "batch_too_large",
        "1000, Adam",
        run={"epochs": 10, **ADAM, "learning_rate": 0.0003, "batch_size": 1000},
    )
    yield _case("too_few_steps", "8 steps", run={"iterations": 8, **ADAM})
    yield _case("too_few_steps", "20 of SGD", run={"iterations": 20, **sgd, "learning_rate": 0.05})
    yield _case("bottleneck", "one unit", hidden=(1,), run={"epochs": 20, **ADAM})
    yield _case("bottleneck", "64, one unit", hidden=(64, 1), run={"epochs": 10, **ADAM})


def _tune_healthy() -> Iterator[Case]:
    sgd = {"optimizer": "sgd", "learning_rate": 0.1}
    slow = {"optimizer": "momentum", "learning_rate": 0.02}
    for name, more in {
        "Adam": {},
        "Adam, 128": {"hidden": (128,), "images": 3000},
        "Adam 20 epochs": {"run": {"epochs": 20, **ADAM}},
        "Adam .003": {"run": {"epochs": 8, "optimizer": "adam", "learning_rate": 0.003}},
        "SGD .1": {"run": {"epochs": 10, **sgd}},
        "SGD .5": {"run": {"epochs": 10, **sgd, "learning_rate": 0.5}},
        "momentum": {"run": {"epochs": 10, **slow}},
        "tanh": {"net": TANH},
        "sigmoid": {
            "net": SIGMOIDS,
            "run": {"epochs": 10, "optimizer": "adam", "learning_rate": 0.01},
        },
        "deep": {"hidden": (128, 64, 32)},
        "deep tanh": {"hidden": (64, 64, 64), "net": TANH},
        "3 sigmoid": {
            "hidden": (64, 64),
            "net": SIGMOIDS,
            "run": {"epochs": 20, "optimizer": "adam", "learning_rate": 0.01},
        },
        "conv": {
            "hidden": "conv 6 5x5, pool 2, conv 8 5x5, pool 2, dense 32",
            "images": 2000,
            "run": {"epochs": 8, **ADAM, "learning_rate": 0.003},
        },
        "norm": {"hidden": "dense 64, norm, dense 32, norm"},
        "dropout": {"hidden": "dense 128, dropout 0.3"},
        "original": {
            "hidden": (10,),
            "net": {"initializer": "uniform"},
            "run": {"iterations": 1500, "batch_size": None, **sgd},
        },
        "adamw cosine": {
            "run": {
                "epochs": 10,
                "optimizer": "adamw",
                "learning_rate": 0.002,
                "schedule": "cosine",
            }
        },
        "no hidden": {"hidden": (), "run": {"epochs": 10, **sgd}},
        "batch 256": {"run": {"epochs": 20, **ADAM, "batch_size": 256}},
        "batch 16": {"run": {"epochs": 4, **ADAM, "batch_size": 16}},
        "gentle": {"run": {"epochs": 8, **ADAM, "augmentation": GENTLE}},
        "early stopping": {"run": {"epochs": 60, **ADAM, "early_stopping": 4}},
    }.items():
        yield _case(HEALTHY, name, **more)


def held_out() -> Iterator[Case]:
    """Yield the runs that the figures are taken on."""
    for at, source in enumerate(("mnist", "fashion-mnist", "digits")):
        for n, case in enumerate((*_held_faults(), *_held_healthy())):
            yield replace(case, source=source, seed=1000 + 100 * at + n)


def _held(fault: str, about: str, **more: Any) -> Case:
    base = {"seed": 0, "images": 1700, "hidden": (96,), "run": {"epochs": 10, **ADAM}}
    return Case(fault=fault, about=about, source="", **{**base, **more})


def _held_faults() -> Iterator[Case]:
    yield from _held_faults_of_steps()
    yield from _held_faults_of_starts()
    yield from _held_faults_of_data()


def _held_faults_of_steps() -> Iterator[Case]:
    sgd, few = {"optimizer": "sgd"}, {"epochs": 6}

    def at(rate: float, **more: Any) -> dict[str, Any]:
        return {**few, **sgd, "learning_rate": rate, **more}

    yield _held("rate_too_high", "SGD at 100", run=at(100.0))
    yield _held("rate_too_high", "SGD at 5, two layers", run=at(5.0), hidden=(80, 40))
    yield _held("rate_too_high", "momentum at 2", run=at(2.0, optimizer="momentum"))
    yield _held("rate_too_high", "Adam at 0.5", run=at(0.5, optimizer="adam"))
    yield _held("rate_too_low", "SGD at 0.00002", run=at(2e-5))
    yield _held("rate_too_low", "Adam at 0.0000005", run=at(5e-7, optimizer="adam"))
    yield _held("rate_too_low", "momentum at 0.000003", run=at(3e-6, optimizer="momentum"))
    yield _held(
        "batch_too_large",
        "batches of 1,500, SGD at 0.02",
        run={"epochs": 12, "batch_size": 1500, **sgd, "learning_rate": 0.02},
    )
    yield _held(
        "batch_too_large",
        "full batch, SGD at 0.03",
        run={"epochs": 30, "batch_size": None, **sgd, "learning_rate": 0.03},
    )
    yield _held("too_few_steps", "12 steps of Adam", run={"iterations": 12, **ADAM})
    yield _held(
        "too_few_steps",
        "25 steps of SGD at 0.03",
        run={"iterations": 25, **sgd, "learning_rate": 0.03},
    )
    many = {"images": 400, "hidden": (200,)}
    yield _held("validation_turning", "400 images, 120 epochs", run={"epochs": 120, **ADAM}, **many)


def _held_faults_of_starts() -> Iterator[Case]:
    deep, sgd = {"hidden": (40,) * 6, "net": SIGMOIDS}, {"epochs": 6, "optimizer": "sgd"}
    yield _held("vanishing_gradients", "six sigmoid layers, SGD", run=sgd, **deep)
    yield _held(
        "vanishing_gradients", "six sigmoid layers, Adam", run={"epochs": 6, **ADAM}, **deep
    )
    yield _held("dead_units", "hidden biases at -15", start=low_biases(15))
    yield _held("dead_units", "two layers, biases at -20", start=low_biases(20), hidden=(80, 40))
    yield _held("saturation", "tanh, weights 25 times as large", net=TANH, start=enlarged(25))
    yield _held(
        "saturation", "sigmoid, weights 80 times as large", net=SIGMOIDS, start=enlarged(80)
    )
    yield _held("flat_loss", "weights of zero", start=zeros)
    yield _held("bottleneck", "one hidden unit", hidden=(1,), run={"epochs": 12, **ADAM})
    yield _held("bottleneck", "a layer of one unit", hidden=(48, 1), run={"epochs": 8, **ADAM})


def _held_faults_of_data() -> Iterator[Case]:
    yield _held("single_class", "98 % of the images of one class", data=mostly(5, 1), images=5000)
    yield _held("classes_missing", "no image of 2, 3, 8", data=without(2, 3, 8))
    yield _held("one_class_of_data", "all labels zero", data=all_zero)
    yield _held("pixels_scaled", "pixels as they are", net={"input_scale": 1.0})
    yield _held("pixels_scaled", "divided by 255 twice", data=too_dark)
    yield _held("inverted", "test images inverted", data=inverted)
    yield _held("standardised", "test images at 0.6 of the contrast", data=remade(0.6, 0))
    yield _held("standardised", "test images brighter by 50", data=remade(0.8, 50))
    yield _held("labels_shuffled", "labels by lot", data=shuffled)
    yield _held("labels_shuffled", "labels of the image before", data=rolled)
    yield _held("labels_shifted", "training labels one higher", data=class_shifted(1))
    yield _held("duplicates", "a tenth of the test images", data=copied(0.1))


def _held_healthy() -> Iterator[Case]:
    sgd = {"optimizer": "sgd", "learning_rate": 0.15}

    def adam(epochs: int = 10, rate: float = 0.001, **more: Any) -> dict[str, Any]:
        return {"epochs": epochs, "optimizer": "adam", "learning_rate": rate, **more}

    plain = {
        "Adam": {},
        "Adam, 15 epochs": {"run": adam(15)},
        "Adam at 0.002, 200 units": {"run": adam(rate=0.002), "hidden": (200,), "images": 2600},
        "Adam at 0.0005": {"run": adam(18, 0.0005)},
        "SGD": {"run": {"epochs": 12, **sgd}},
        "SGD at 0.3, batches of 32": {
            "run": {"epochs": 8, **sgd, "learning_rate": 0.3, "batch_size": 32}
        },
        "Nesterov": {"run": {"epochs": 12, "optimizer": "nesterov", "learning_rate": 0.03}},
        "AdamW, falling": {"run": adam(8, 0.002, schedule="cosine") | {"optimizer": "adamw"}},
        "batches of 200": {"run": adam(20, 0.002, batch_size=200)},
        "batches of 20": {"run": adam(4, batch_size=20)},
        "smoothed labels": {"run": adam(label_smoothing=0.1)},
        "balanced, L2": {"run": adam(class_weights="balanced", l2=0.0001)},
        "augmented": {"run": adam(augmentation=GENTLE)},
        "early stopping": {"run": adam(50, early_stopping=5)},
    }
    shapes = {
        "tanh": {"net": TANH, "run": adam(12)},
        "sigmoid": {"net": SIGMOIDS, "run": adam(12, 0.01)},
        "three layers": {"hidden": (100, 80, 40)},
        "four tanh layers": {"hidden": (60,) * 4, "net": TANH},
        "leaky": {"net": {"activation": "leaky_relu"}},
        "convolutions": {"hidden": "conv 5 5x5, pool 2, conv 10 3x3, pool 2, dense 48",
                         "run": adam(8, 0.003)},
        "norms": {"hidden": "dense 80, norm, dense 40, norm"},
        "dropout": {"hidden": "dense 150, dropout 0.4, dense 50"},
        "no hidden layer": {"hidden": (), "run": {"epochs": 15, **sgd}},
        "the original": {"hidden": (10,), "net": {"initializer": "uniform"},
                         "run": {"iterations": 800, "batch_size": None, **sgd}},
    }  # fmt: skip
    for about, more in {**plain, **shapes}.items():
        yield _held(HEALTHY, about, **more)


LISTS = {"tune": tune, "held-out": held_out}
