"""Keras: models as it saves them, of both generations' formats, and what is refused."""

from __future__ import annotations

import io
import json
import os
import zipfile

import numpy as np
import pytest

from nnengine import ConfigError, EngineError, FormatError, Network, exchange
from nnengine.exchange.keras_out import snake
from tests.exchange.elsewhere import PROGRAMS, TF, lacks, run
from tests.exchange.nets import NETS, answers, images_for

h5py = pytest.importorskip("h5py", reason="h5py is not installed")


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    pytest.importorskip("torch", reason="PyTorch is not installed")
    return pytest.importorskip("keras", reason="Keras is not installed")


def models(keras) -> dict:
    """Return models as people write them, by name."""
    layers = keras.layers
    keras.utils.set_random_seed(2)
    inputs = keras.Input((28, 28, 1))
    x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = layers.Conv2D(4, 4, strides=2, padding="same", activation="relu")(x)
    x = layers.BatchNormalization()(x)
    x = layers.MaxPooling2D()(x)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(6, 3, use_bias=False)(x))
    outputs = layers.Dense(10, activation="softmax")(layers.Dropout(0.3)(x))
    return {
        "tutorial": keras.Sequential([
            keras.Input((28, 28)), layers.Flatten(), layers.Dense(24, activation="relu"),
            layers.Dropout(0.2), layers.Dense(12), layers.LeakyReLU(negative_slope=0.01),
            layers.Dense(10),
        ]),
        "functional": keras.Model(inputs, outputs),
        "flat": keras.Sequential([
            keras.Input((784,)), layers.Reshape((28, 28, 1)),
            layers.ZeroPadding2D(((2, 1), (0, 3))), layers.Conv2D(3, 5, activation="tanh"),
            layers.AveragePooling2D(3, strides=2),
            layers.ReLU(), layers.Flatten(), layers.BatchNormalization(scale=False),
            layers.Dense(10, activation="softmax"),
        ]),
        "many": keras.Sequential([
            keras.Input((784,)), *(layers.Dense(9 + n, activation="sigmoid") for n in range(11)),
            layers.Dense(10),
        ]),
    }  # fmt: skip


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("name", ["tutorial", "functional", "flat", "many"])
def test_what_keras_saves_answers_the_same(keras, name, suffix, tmp_path):
    model = models(keras)[name]
    for layer in model.layers:
        if "batch_norm" in layer.name:  # as if it had seen something
            layer.moving_mean.assign(layer.moving_mean + 0.1)
            layer.moving_variance.assign(layer.moving_variance * 0.3)
    model.save(tmp_path / f"m{suffix}")
    net = exchange.load(tmp_path / f"m{suffix}")
    images = images_for(NETS["dense"], 200)
    bright = images.astype(np.float32) / (1 if name == "functional" else 255)
    found = model.predict(bright.reshape(200, *model.input_shape[1:]), verbose=0)
    if name in ("tutorial", "many"):
        found = np.exp(found) / np.exp(found).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, answers(net, images), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("build", "fault"), [
    (lambda k: [k.Input((28, 28)), k.layers.LSTM(8), k.layers.Dense(3)], "LSTM.*recurrence"),
    (lambda k: [k.Input((784,)), k.layers.Dense(8, activation="gelu")], "'gelu'"),
    (lambda k: [k.Input((28, 28)), k.layers.Dense(3)], "acts on each row"),
    (lambda k: [k.Input((784,)), k.layers.Dense(3, activation="sigmoid")], "ends in sigmoid"),
    (lambda k: [k.Input((784,)), k.layers.Dense(8), k.layers.LeakyReLU(), k.layers.Dense(3)],
     "slope of 0.3"),
    (lambda k: [k.Input((28, 28, 1)), k.layers.DepthwiseConv2D(3), k.layers.Flatten(),
                k.layers.Dense(3)], "DepthwiseConv2D"),
    (lambda k: [k.Input((28, 28, 1)), k.layers.MaxPooling2D(3, 2, padding="same"),
                k.layers.Flatten(), k.layers.Dense(3)], "frame of 1"),
])  # fmt: skip
def test_what_has_no_place_here_is_named(keras, build, fault, tmp_path):
    keras.Sequential(build(keras)).save(tmp_path / "m.keras")
    with pytest.raises(FormatError, match=f"m.keras: Keras: .*{fault}"):
        exchange.load(tmp_path / "m.keras")


def test_two_paths_are_refused(keras, tmp_path):
    inputs = keras.Input((784,))
    x = keras.layers.Dense(784)(inputs)
    keras.Model(inputs, keras.layers.Dense(3)(x + inputs)).save(tmp_path / "m.keras")
    with pytest.raises(FormatError, match="several paths"):
        exchange.load(tmp_path / "m.keras")


@pytest.mark.parametrize(("kind", "word"), [
    ("Dense", "dense"), ("Conv2D", "conv2d"), ("MaxPooling2D", "max_pooling2d"),
    ("BatchNormalization", "batch_normalization"), ("LeakyReLU", "leaky_re_lu"), ("ReLU", "re_lu"),
    ("InputLayer", "input_layer"), ("ZeroPadding2D", "zero_padding2d"),
])  # fmt: skip
def test_layers_are_called_as_keras_calls_them(kind, word):
    assert word == snake(kind)


# Damage ------------------------------------------------------------------------------------


def changed(data: bytes, change) -> bytes:
    """Return a .keras whose HDF5 was opened and changed."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(stream, "w") as new:
        for name in old.namelist():
            raw = old.read(name)
            if name.endswith(".h5"):
                inner = io.BytesIO(raw)
                with h5py.File(inner, "r+") as file:
                    change(file)
                raw = inner.getvalue()
            new.writestr(name, raw)
    return stream.getvalue()


@pytest.mark.parametrize("link", [
    lambda: h5py.ExternalLink("/etc/other.h5", "/x"), lambda: h5py.SoftLink("/layers"),
], ids=["external", "soft"])  # fmt: skip
def test_no_link_that_leads_out_is_followed(link):
    def change(file):
        del file["layers/dense/vars/0"]
        file["layers/dense/vars/0"] = link()

    data = changed(exchange.to_bytes(NETS["one layer"], "keras"), change)
    with pytest.raises(FormatError, match="a link that leads out"):
        exchange.load(data)


def test_numbers_that_lie_in_another_file_are_not_read(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(31360))

    def change(file):
        del file["layers/dense/vars/0"]
        where = [(str(tmp_path / "secret"), 0, 31360)]
        file.create_dataset("layers/dense/vars/0", (784, 10), "f4", external=where)

    data = changed(exchange.to_bytes(NETS["one layer"], "keras"), change)
    with pytest.raises(FormatError, match="lies in another file"):
        exchange.load(data)


def test_an_array_that_claims_more_than_the_file_holds_sets_no_memory_aside():
    def change(file):
        del file["layers/dense/vars/0"]
        file.create_dataset("layers/dense/vars/0", (784, 10**8), "f4", chunks=(1, 1000))

    data = changed(exchange.to_bytes(NETS["one layer"], "keras"), change)
    with pytest.raises(FormatError, match="claims 313,600,000,000 bytes"):
        exchange.load(data)


def test_a_config_changed_at_random_ends_in_a_network_or_in_a_refusal():
    net = Network.build("conv 2 3x3 pad 1, norm, pool 2, dense 4", image_shape=(6, 6), classes=3)
    data, rng = exchange.to_bytes(net, "keras"), np.random.default_rng(6)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    strange = 'null -1 0 1e300 "" "x" [] {} [[]] [1,"2"] true 1000000000000000000000'.split()
    read = 0
    for _ in range(1000):
        config = json.loads(parts["config.json"])
        for _ in range(rng.integers(1, 3)):
            at = config
            while True:
                keys = list(at) if isinstance(at, dict) else list(range(len(at)))
                key = keys[rng.integers(len(keys))]
                if not isinstance(at[key], dict | list) or not at[key] or rng.random() < 0.1:
                    break
                at = at[key]
            at[key] = json.loads(strange[rng.integers(len(strange))])
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("config.json", json.dumps(config))
            archive.writestr("model.weights.h5", parts["model.weights.h5"])
        try:
            read += bool(exchange.load(stream.getvalue()))
        except EngineError:
            continue
    assert 0 < read < 1000


# Keras 2 -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """A folder of models that Keras 2 made, trained a step or two and saved as .h5."""
    if reason := lacks(TF, "tf_keras"):
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("keras-2")
    images = images_for(NETS["dense"], 200).astype(np.float32) / 255
    np.save(folder / "images.npy", images)
    run(TF / "bin" / "python", PROGRAMS / "keras_2_made.py", folder, folder / "images.npy")
    return folder


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["tutorial", "functional", "many"])
def test_what_keras_2_saves_answers_the_same(old, name):
    net, images = exchange.load(old / f"{name}.h5"), images_for(NETS["dense"], 200)
    wanted = np.load(old / f"{name}.npy")
    np.testing.assert_allclose(wanted, answers(net, images), atol=1e-5, rtol=0)


def test_more_layers_than_an_h5_describes_are_refused_with_what_holds_them():
    net = Network.build([4, *[2] * 600, 2], rng=0, activation="tanh")
    with pytest.raises(ConfigError, match="more than a .h5 file describes.*take keras"):
        exchange.to_bytes(net, "h5")
