"""Networks of other libraries learn on here: better than before, and saved as any other."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable

import numpy as np
import pytest

from nnengine import Dataset, Network, TrainingConfig, exchange, training
from nnengine.data.synthetic import digits
from nnengine.exchange import Told
from nnengine.exchange.safetensors import state_dict, tensors_of
from tests.exchange.nets import installed
from tests.exchange.test_safetensors import foreign
from tests.exchange.test_weights import npz
from tests.fuzzing.torches import state_file

RATE = 0.003
MEAN, STD = 0.1307, 0.3081  # what tutorials normalise MNIST with
DATA, UNSEEN = digits(1500, seed=3), digits(500, seed=4)


def begun(layers: str, **more) -> Network:
    """Return a network that has learnt a little."""
    network = Network.build(layers, image_shape=(28, 28), classes=10, rng=0, **more)
    return after(
        network, TrainingConfig(iterations=20, batch_size=50, optimizer="adam", learning_rate=RATE)
    )


def after(network: Network, config: TrainingConfig) -> Network:
    list(training(network, DATA, config))
    return network


def normalised(mean: float, std: float) -> tuple[Network, Network]:
    """Return a network of pixels from 0 to 1, and the one that answers so of normalised ones."""
    network = begun("dense 24")
    other = network.copy()
    weights, biases, *_ = other.parameters().values()
    biases += mean * weights.sum(axis=0)
    weights *= std
    return network, other


def of_torch() -> tuple[Network, bytes, Told]:
    network, other = normalised(MEAN, STD)
    return network, foreign(state_dict(other)), Told(activation="relu", mean=MEAN, std=STD)


def of_pt() -> tuple[Network, bytes, Told]:
    network, file, told = of_torch()
    return network, state_file(tensors_of(file)[1]), told


def of_arrays() -> tuple[Network, bytes, Told]:
    network, other = normalised(MEAN, STD)
    return network, npz(**other.parameters()), Told(activation="relu", mean=MEAN, std=STD)


def of_keras() -> tuple[Network, bytes, Told]:
    """Pixels go from -1 to 1 before its first layer, as many of Keras' own examples have it."""
    network, other = normalised(0.5, 0.5)
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(exchange.to_bytes(other, "keras"))) as old,
        zipfile.ZipFile(stream, "w") as new,
    ):
        for name in old.namelist():
            raw = old.read(name)
            if name == "config.json":
                said = json.loads(raw)
                (rescaling,) = [
                    layer["config"] for layer in said["config"]["layers"]
                    if layer["class_name"] == "Rescaling"
                ]  # fmt: skip
                rescaling |= {"scale": 1 / 127.5, "offset": -1.0}
                raw = json.dumps(said).encode()
            new.writestr(name, raw)
    return network, stream.getvalue(), Told()


def of_onnx() -> tuple[Network, bytes, Told]:
    network = begun("norm, conv 4 3x3 pad 1, pool 4, dense 16")
    return network, exchange.to_bytes(network, "onnx"), Told()


def of_tfjs() -> tuple[Network, bytes, Told]:
    network = begun("norm, conv 4 3x3 pad 1, pool 4, dense 16")
    return network, exchange.to_bytes(network, "tfjs"), Told()


FORMS: dict[str, Callable[[], tuple[Network, bytes, Told]]] = {
    "safetensors": of_torch, "weights": of_arrays, "keras": of_keras, "onnx": of_onnx,
    "tfjs": of_tfjs, "pt": of_pt,
}  # fmt: skip


def accuracy(network: Network, data: Dataset = UNSEEN) -> float:
    return network.accuracy(data.images, data.labels)


@pytest.mark.parametrize("form", installed(FORMS))
def test_a_foreign_network_learns_on_and_is_better_once_loaded_again(form, tmp_path):
    network, file, told = FORMS[form]()
    loaded = exchange.load(file, told)
    np.testing.assert_allclose(
        network.predict_proba(UNSEEN.images), loaded.predict_proba(UNSEEN.images), atol=1e-4
    )
    before, scale = accuracy(loaded), loaded.input_scale
    assert 0.2 < before < 0.9
    after(loaded, TrainingConfig(epochs=1, batch_size=50, optimizer="adam", learning_rate=RATE))
    assert accuracy(loaded) > before + 0.05
    exchange.export(loaded, tmp_path / "on.npz")
    again = exchange.load(tmp_path / "on.npz")
    assert loaded.theta.tobytes() == again.theta.tobytes()
    assert scale == loaded.input_scale == again.input_scale
    assert ("finished", DATA.digest) == tuple(
        again.training[-1][name] for name in ("outcome", "data_digest")
    )
    kind = "safetensors" if form in ("weights", "pt") else form
    back = exchange.load(exchange.to_bytes(again, kind))
    np.testing.assert_allclose(
        again.predict_proba(UNSEEN.images), back.predict_proba(UNSEEN.images), atol=1e-5
    )


def test_a_normalisation_that_is_not_told_is_missed():
    """Else the test above would prove nothing of it."""
    network, file, _ = of_torch()
    assert accuracy(network) > accuracy(exchange.load(file, Told(activation="relu"))) + 0.05
