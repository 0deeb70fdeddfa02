"""TensorFlow.js: layers models as it saves them, as its converter writes them, and damage."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pytest

from nnengine import FormatError, exchange
from nnengine.exchange import Told
from tests.exchange.elsewhere import NODE, lacks, node
from tests.exchange.nets import NETS, answers, images_for

NET = NETS["convolutional"]
MODEL, SHARD = "model.json", "group1-shard1of1.bin"


def parts(net=NET) -> tuple[dict, bytes]:
    """Return what is in such a file: (model.json, numbers)."""
    with zipfile.ZipFile(io.BytesIO(exchange.to_bytes(net, "tfjs"))) as archive:
        return json.loads(archive.read(MODEL)), archive.read(SHARD)


def zipped(said: dict, shards: dict[str, bytes], folder: str = "") -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(folder + MODEL, json.dumps(said))
        for name, raw in shards.items():
            archive.writestr(folder + name, raw)
    return stream.getvalue()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder of models that TensorFlow.js made and saved, and images it was asked about."""
    if reason := lacks(NODE, "@tensorflow/tfjs"):
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("tfjs")
    images_for(NETS["dense"], 200).tofile(folder / "images")
    node("tfjs_made.mjs", folder, folder / "images")
    return folder


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["tutorial", "functional"])
def test_what_tensorflow_js_saves_answers_the_same(made, name):
    net, images = exchange.load(made / name), images_for(NETS["dense"], 200)
    found = np.fromfile(made / name / "answers.f32", np.float32).reshape(200, 10)
    np.testing.assert_allclose(found, answers(net, images), atol=1e-5, rtol=0)


def test_a_folder_its_model_json_and_a_zip_of_it_are_one_network(tmp_path):
    said, raw = parts()
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / MODEL).write_text(json.dumps(said))
    (tmp_path / "net" / SHARD).write_bytes(raw)
    whole = exchange.load(zipped(said, {SHARD: raw}, "net/")).theta
    np.testing.assert_array_equal(whole, exchange.load(tmp_path / "net").theta)
    np.testing.assert_array_equal(whole, exchange.load(tmp_path / "net" / MODEL).theta)
    (tmp_path / "net" / SHARD).unlink()
    with pytest.raises(FormatError, match=f"its weights lie in '{SHARD}', which is not beside it"):
        exchange.load(tmp_path / "net")


def test_numbers_in_several_shards_lie_one_behind_the_other():
    said, raw = parts()
    said["weightsManifest"][0]["paths"] = ["./a.bin", "./b.bin"]
    back = exchange.load(zipped(said, {"b.bin": raw[99:], "a.bin": raw[:99]}))
    np.testing.assert_array_equal(exchange.load(zipped(*_as_it_was())).theta, back.theta)


def _as_it_was():
    said, raw = parts()
    return said, {SHARD: raw}


@pytest.mark.parametrize(("kind", "off"), [("uint8", 0.05), ("uint16", 1e-3), ("float16", 1e-2)])
def test_quantised_numbers_are_put_back(kind, off):
    said, raw = parts(NETS["dense"])
    packed, at = [], 0
    for entry in said["weightsManifest"][0]["weights"]:
        values = np.frombuffer(raw, "<f4", int(np.prod(entry["shape"])), at)
        at += values.nbytes
        least, wide = float(values.min()), float(np.ptp(values)) or 1.0
        entry["quantization"] = {"dtype": kind, "original_dtype": "float32"}
        if kind == "float16":
            packed.append(values.astype("<f2").tobytes())
            continue
        scale = wide / np.iinfo(kind).max
        entry["quantization"] |= {"min": least, "scale": scale}
        packed.append(np.rint((values - least) / scale).astype(kind).tobytes())
    net = exchange.load(zipped(said, {SHARD: b"".join(packed)}))
    images = images_for(NETS["dense"], 100)
    np.testing.assert_allclose(answers(NETS["dense"], images), answers(net, images), atol=off)


def test_what_the_converter_makes_of_keras_3_is_read_though_tensorflow_js_refuses_it():
    said, raw = parts()
    config = said["modelTopology"]["model_config"]["config"]["layers"][0]["config"]
    config["batch_shape"] = config.pop("batch_input_shape")
    for entry in said["weightsManifest"][0]["weights"]:
        entry["name"] = f"sequential/{entry['name']}"
    found = exchange.load(zipped(said, {SHARD: raw}))
    np.testing.assert_array_equal(exchange.load(zipped(*_as_it_was())).theta, found.theta)


def test_a_model_of_pixels_from_0_to_255_is_told_so():
    said, raw = parts(NETS["dense"])
    layers = said["modelTopology"]["model_config"]["config"]["layers"]
    del layers[1]  # the Rescaling
    data, images = zipped(said, {SHARD: raw}), images_for(NETS["dense"], 50)
    bright = exchange.load(data, Told(white=255.0))
    np.testing.assert_allclose(
        bright.logits(images.reshape(50, -1)),
        exchange.load(data).logits(images.reshape(50, -1) * np.float32(255)), rtol=1e-4, atol=1e-2,
    )  # fmt: skip


# What is refused ---------------------------------------------------------------------------


def change(said, raw, **more):
    said["weightsManifest"][0]["weights"][0] |= more
    return said, raw


def layer(said, raw, kind):
    said["modelTopology"]["model_config"]["config"]["layers"][2]["class_name"] = kind
    return said, raw


def paths(said, raw, *names):
    said["weightsManifest"][0]["paths"] = list(names)
    return said, raw


@pytest.mark.parametrize(("changed", "fault"), [
    (lambda s, r: ({**s, "format": "graph-model"}, r), "a graph model.*--input_format keras"),
    (lambda s, r: (s, r[:-1]), "a shard is missing or cut short"),
    (lambda s, r: (s, r + b"\0"), "the manifest lists"),
    (lambda s, r: paths(s, r, "../secret"), "expected a file beside model.json"),
    (lambda s, r: paths(s, r, "/etc/passwd"), "expected a file beside model.json"),
    (lambda s, r: paths(s, r, SHARD, SHARD), "each once"),
    (lambda s, r: paths(s, r, "other.bin"), "'other.bin', which is not in the zip"),
    (lambda s, r: change(s, r, shape=[2**30, 2**30]), "cut short"),
    (lambda s, r: change(s, r, shape=[-1]), "no shape"),
    (lambda s, r: change(s, r, dtype="int32"), "holds 'int32'"),
    (lambda s, r: change(s, r, quantization={"dtype": "uint8"}), "without a scale"),
    (lambda s, r: change(s, r, name="x/kernel"), "has the arrays bias: expected 2"),
    (lambda s, r: layer(s, r, "LSTM"), "LSTM.*recurrence"),
    (lambda s, r: ({**s, "modelTopology": None}, r), "without a modelTopology"),
    (lambda s, r: ({"modelTopology": {}, "weights": 1}, r), "without a weightsManifest"),
])  # fmt: skip
def test_what_makes_no_network_is_named(changed, fault):
    said, raw = changed(*parts())
    with pytest.raises(FormatError, match=f"TensorFlow.js: .*{fault}"):
        exchange.load(zipped(said, {SHARD: raw}))


def test_a_model_json_alone_says_where_its_weights_are():
    with pytest.raises(FormatError, match=f"weights lie in {SHARD}: give a zip of the folder"):
        exchange.load(json.dumps(parts()[0]).encode())


def test_zeros_that_unpack_a_thousandfold_are_not_unpacked():
    said, raw = parts()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MODEL, json.dumps(said) + " " * 2**23)
        archive.writestr(SHARD, raw)
    with pytest.raises(FormatError, match=r"model.json' unpacks to 8,\d{3},\d{3} bytes"):
        exchange.load(stream.getvalue())
