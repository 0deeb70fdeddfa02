"""Sweep: networks of any layers, one a seed: trained, kept and asked on every back end.

`case` makes one of its number, `check` holds a back end to itself and to the formulas in NumPy.
tests/test_sweep.py asks for the first few, and with `--sweep 300` for as many as one likes;
the second command has them in Pyodide:

    python -m pytest -n0 -q tests/test_sweep.py --sweep 300
    python -m pytest -n0 -q tests/test_wasm.py -k every_test --sweep 300 --timeout 7000
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nnengine import Dataset, Network, TrainingConfig, kernels, load, training
from nnengine.core.activations import ACTIVATIONS
from nnengine.core.description import shapes
from nnengine.core.optimizers import OPTIMIZERS
from nnengine.core.schedules import SCHEDULES
from nnengine.data.augment import GENTLE
from nnengine.errors import TextError
from nnengine.storage import checkpoint, links, modelfile
from nnengine.storage.folding import folded
from nnengine.training import StepFinished, TrainingState
from nnengine.training.layertext import read

REFERENCE = "numpy"
IMAGES, CLASSES, STEPS = 11, 3, 3
# Those whose steps are no larger than their gradient: the others make a whole step of what is
# rounding in a gradient of zero, and two back ends round in two ways.
STEADY = ("sgd", "momentum", "nesterov")


@dataclass(frozen=True)
class Case:
    """One network's layers, the images it looks at, and how it is trained."""

    text: str
    geometry: tuple[int, int, int]
    activation: str
    config: TrainingConfig
    seed: int

    def network(self, dtype: Any = np.float32) -> Network:
        """Return it untrained, the same each time."""
        *image_shape, channels = self.geometry
        return Network.build(
            self.text, image_shape=image_shape, channels=channels, classes=CLASSES,
            rng=self.seed, dtype=dtype, activation=self.activation,
        )  # fmt: skip

    def data(self) -> Dataset:
        """Return a few images of noise."""
        height, width, channels = self.geometry
        shape = (height, width, 3) if channels == 3 else (height, width)
        images = np.random.default_rng(self.seed).integers(0, 256, (IMAGES, *shape), np.uint8)
        return Dataset(images, np.arange(IMAGES, dtype=np.uint8) % CLASSES)


def case(seed: int) -> Case:
    """Return the case of this number; its layers fit its images."""
    rng = np.random.default_rng([2026, seed])
    geometry = int(rng.integers(3, 10)), int(rng.integers(3, 10)), int(rng.choice([1, 3]))
    text, kinds = "", int(rng.integers(1, 7))
    while not text:
        text = ", ".join(layer(rng) for _ in range(kinds))
        try:
            shapes(read(text)[1], geometry)
        except TextError:
            text, kinds = "", max(1, kinds - 1)  # windows larger than what is left
    return Case(text, geometry, str(rng.choice(sorted(ACTIVATIONS))), settings(rng), seed)


def layer(rng: np.random.Generator) -> str:
    """Return the words of a layer of any kind."""
    units, (height, width), stride = rng.integers(1, 5), rng.integers(1, 4, 2), rng.integers(1, 4)
    kinds = (
        f"dense {units}",
        f"conv {units} {height}x{width} stride {stride} pad {rng.integers(0, 3)}",
        f"pool {height}x{width} stride {stride}",
        f"average {height} stride {stride}",
        f"dropout 0.{rng.integers(0, 10)}",
        "norm",
        "flatten",
    )
    return str(rng.choice(kinds))


def settings(rng: np.random.Generator) -> TrainingConfig:
    """Return any way of training for a few steps: half of what may be switched off is."""

    def some(value: Any) -> Any:
        return value if rng.random() < 0.5 else type(value)()

    return TrainingConfig(
        iterations=STEPS,
        batch_size=[None, 4][rng.integers(2)],
        optimizer=str(rng.choice(sorted(OPTIMIZERS))),
        schedule=str(rng.choice(sorted(SCHEDULES))),
        learning_rate=1e-3,
        clip_norm=some(0.5),
        l1=some(1e-4),
        l2=some(1e-3),
        label_smoothing=some(0.1),
        class_weights=str(rng.choice(["equal", "balanced"])),
        augmentation=GENTLE if rng.random() < 0.25 else None,
        seed=int(rng.integers(100)),
    )


@contextmanager
def using(back_end: str) -> Iterator[None]:
    """Have the kernels of a back end for a while."""
    before = kernels.name
    kernels.use(back_end)
    try:
        yield
    finally:
        kernels.use(before)


def check(seed: int, back_end: str) -> None:
    """Fail where a case is not on this back end what it is by itself, kept, and by the formulas."""
    one = case(seed)
    with using(back_end):
        network = trained(one)
        check_kept(one, network)
        check_folded(one)
        steady, sent = trained(one, steadily=True), links.encode(network)
        asked = modelfile.to_bytes(steady)
        found = answers(one, asked, sent)
    with using(REFERENCE):
        known = trained(one, steadily=True)
        expected = answers(one, asked, sent)
    np.testing.assert_allclose(steady.theta, known.theta, atol=2e-6, err_msg="weights learnt")
    np.testing.assert_allclose(found, expected, atol=1e-5, err_msg="answers of the same weights")


def trained(one: Case, steadily: bool = False) -> Network:
    """Return the case's network, trained."""
    config = one.config
    if steadily and config.optimizer not in STEADY:
        config = replace(config, optimizer="momentum")
    network, data = one.network(), one.data()
    for _ in training(network, data, config, data):
        pass
    return network


def answers(one: Case, asked: bytes, sent: str) -> np.ndarray:
    """Return what networks from a file and from a link say of the images."""
    data = one.data()
    networks = load(asked), links.decode(sent).network
    return np.stack([network.predict_proba(data) for network in networks])


def check_kept(one: Case, network: Network) -> None:
    """Fail where a trained network is another one when it comes back, from wherever it was kept."""
    assert words(network) == words(one.network())
    assert read(network.description)[1] == network.specs[:-1]
    restored = load(modelfile.to_bytes(network))
    assert words(network) == words(restored)
    np.testing.assert_array_equal(network.theta, restored.theta)
    data = one.data()
    np.testing.assert_array_equal(network.predict_proba(data), restored.predict_proba(data))
    assert words(network) == words(links.decode(links.encode(network)).network)
    np.testing.assert_array_equal(network.theta, interrupted(one).theta, "a run that went on")


def words(network: Network) -> tuple:
    """Return what a network is, but for its numbers."""
    return network.description, network.shape, network.activations, network.sizes


def interrupted(one: Case) -> Network:
    """Return the network of a run that went over a checkpoint after its first step."""
    network, state, data = one.network(), TrainingState(steps_per_call=1), one.data()
    for event in training(network, data, one.config, data, state):
        if isinstance(event, StepFinished):
            break
    network, state = checkpoint.from_bytes(checkpoint.to_bytes(network, state))
    for _ in training(network, data, one.config, data, state):
        pass
    return network


def check_folded(one: Case) -> None:
    """Fail where a network without what training alone needs answers otherwise."""
    network, data = one.network(np.float64), one.data()
    rng = np.random.default_rng(3)
    for name, array in network.parameters().items():  # as if it had been trained
        array += rng.uniform(0, 0.5, array.shape) * (not name.startswith("weights"))
    short = folded(network)
    kinds = [spec.kind for spec in short.specs]
    assert "dropout" not in kinds
    bare = [
        s.weighs and a == "identity" for s, a in zip(short.specs, short.activations, strict=True)
    ]
    assert not any(b and k == "norm" for b, k in zip(bare, kinds[1:], strict=False))
    np.testing.assert_allclose(network.predict_proba(data), short.predict_proba(data), atol=1e-9)
