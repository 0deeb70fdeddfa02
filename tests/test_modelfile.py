"""Model files: what goes in comes out, and bad bytes get a FormatError that names the fault."""

from __future__ import annotations

import io
import json
import os
import pickle
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nnengine
from nnengine import ConfigError, FormatError, Network
from nnengine.storage import modelfile, modelheader
from nnengine.storage.modelfile import describe_model, load, save, to_bytes

RECORD = {
    "data_digest": "ab",
    "seed": 1,
    "config": {"batch_size": 64},
    "steps": 5,
    "outcome": "finished",
    "history": {"step": [0, 5], "train_loss": [2.3, None]},
}


def small(sizes=(6, 4, 3), **options) -> Network:
    network = Network.build(list(sizes), rng=5, **options)
    network.training = (RECORD,)
    return network


def original(dtype=np.float32) -> Network:
    return Network.build([6, 4, 3], rng=2, initializer="uniform", dtype=dtype)


def nnm_vector(network: Network) -> np.ndarray:
    """The .nnm vector by the issue's words, independent of the code under test."""
    w1, b1, w2, b2 = (np.float64(p) for p in network.parameters().values())
    parts = [w1.T, b1.reshape(-1, 1), w2.T, b2.reshape(-1, 1)]
    sides = [side for part in parts for side in part.shape]
    return np.concatenate([np.array(sides, float)] + [part.ravel() for part in parts])


def saved_by_numpy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def members_of(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def with_header(network: Network, **changes) -> bytes:
    """An .npz of this network whose header has other fields (None: field removed)."""
    members = members_of(to_bytes(network))
    header = json.loads(np.load(io.BytesIO(members["header.npy"])).tobytes())
    header |= changes
    text = json.dumps({k: v for k, v in header.items() if v != "absent"}).encode()
    members["header.npy"] = saved_by_numpy(np.frombuffer(text, np.uint8))
    return zipped(members)


def assert_same(expected: Network, actual: Network) -> None:
    for name in ("sizes", "activations", "input_scale", "class_names", "image_shape", "dtype"):
        assert getattr(expected, name) == getattr(actual, name)
    assert expected.theta.tobytes() == actual.theta.tobytes()


# .npz


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", [(6, 3), (6, 4, 3), (6, 5, 4, 3)])
def test_npz_brings_back_every_bit_and_every_setting(sizes, dtype):
    hidden = ["tanh", "leaky_relu"][: len(sizes) - 2]
    network = Network.build(
        list(sizes),
        activation=hidden,
        dtype=dtype,
        input_scale=0.5,
        class_names=["a", "ü", "🙂"],
        image_shape=(2, 3),
    )
    network.training = (RECORD,)
    back = load(to_bytes(network))
    assert_same(network, back)
    assert (RECORD,) == back.training


def test_a_restored_network_answers_as_before_and_can_be_trained():
    network = small()
    images = np.arange(12, dtype=np.uint8).reshape(2, 6)
    back = load(to_bytes(network))
    np.testing.assert_array_equal(network.predict_proba(images), back.predict_proba(images))
    assert back.theta.flags.writeable


def test_npz_bytes_are_the_same_every_time():
    assert to_bytes(small()) == to_bytes(small())


def test_numpy_opens_an_npz_without_pickle(tmp_path):
    network = small()
    network.save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        assert {"header", *network.parameters()} == set(arrays.files)
        np.testing.assert_array_equal(network.parameters()["weights_1"], arrays["weights_1"])
        header = json.loads(arrays["header"].tobytes())
    assert "nnengine-model" == header["format"] and [6, 4, 3] == header["sizes"]


def test_numpy_may_have_written_the_npz_deflated_in_column_order_and_big_endian():
    network = small()
    arrays = {
        name: np.asfortranarray(array.astype(">f4")) for name, array in network.parameters().items()
    }
    header = np.load(io.BytesIO(members_of(to_bytes(network))["header.npy"]))
    stream = io.BytesIO()
    np.savez_compressed(stream, header=header, **arrays)
    assert_same(network, load(stream.getvalue()))


def test_losses_that_are_not_finite_are_saved_as_null():
    network = small()
    network.training = ({"history": {"train_loss": [np.float32(1.5), float("inf"), np.nan]}},)
    assert {"history": {"train_loss": [1.5, None, None]}} == load(to_bytes(network)).training[0]


def test_training_records_too_long_to_be_read_again_are_not_saved():
    network = small()
    network.training = ({"note": "x" * modelheader.MAX_HEADER_BYTES},)
    with pytest.raises(ConfigError, match="training records take"):
        to_bytes(network)


# .nnm


def test_half_the_bytes_keep_three_digits_of_every_weight():
    network = Network.build([784, 64, 10], rng=3)
    whole, half = to_bytes(network), to_bytes(network, half=True)
    assert len(half) < 0.51 * len(whole)
    found = load(half)
    assert np.float32 == found.dtype
    assert np.array_equal(network.theta.astype(np.float16), found.theta)
    assert np.allclose(network.theta, found.theta, rtol=2**-11, atol=1e-7)
    assert half == to_bytes(found, half=True)


@pytest.mark.parametrize(
    ("network", "kind", "message"),
    [
        (original(), "nnm", "only an .npz of a float32 network is halved, not nnm"),
        (original(np.float64), "npz", "not npz float64"),
        (
            Network.from_parameters(
                {"weights_1": np.full((2, 2), 1e6, "f4"), "biases_1": np.zeros(2, "f4")},
                activations=["identity"],
            ),
            "npz",
            "1e.06 does not fit into float16 .at most 65,504.: save this network whole",
        ),
    ],
)
def test_what_cannot_be_halved_is_refused(network, kind, message):
    with pytest.raises(ConfigError, match=message):
        to_bytes(network, kind, half=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nnm_is_byte_for_byte_what_numpy_saves(dtype):
    network = original(dtype)
    assert saved_by_numpy(nnm_vector(network)) == to_bytes(network, "nnm")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nnm_comes_back_in_the_narrowest_type_that_is_exact(dtype):
    network = original(dtype)
    data = to_bytes(network, "nnm")
    back = load(data)
    assert_same(network, back)
    assert data == to_bytes(back, "nnm")


def test_nnm_means_relu_and_bytes_divided_by_255():
    back = load(saved_by_numpy(nnm_vector(original())))
    assert ("relu", "identity") == back.activations and 1 / 255 == back.input_scale


def test_nnm_may_be_big_endian():
    network = original()
    assert_same(network, load(saved_by_numpy(nnm_vector(network).astype(">f8"))))


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (small((6, 5, 4, 3)), "has 4 layers"),
        (small((6, 3)), "has 2 layers"),
        (small(activation="tanh"), "uses tanh"),
        (small(input_scale=1.0), "multiplies its inputs by 1"),
    ],
    ids=["deep", "shallow", "tanh", "unscaled"],
)
def test_nnm_refuses_what_it_cannot_say_and_points_to_npz(network, reason, tmp_path):
    with pytest.raises(ConfigError, match=f"{reason}.*npz"):
        network.save(tmp_path / "a.nnm")
    assert [] == list(tmp_path.iterdir())


def numbers(*sides: float, extra: int = 0) -> bytes:
    count = sum(int(a * b) for a, b in zip(sides[::2], sides[1::2], strict=True)) + extra
    return saved_by_numpy(np.concatenate([sides, np.ones(max(0, count))]))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (numbers(4, 6, 5, 1, 3, 4, 3, 1), r"HB: expected shape \(4, 1\), found \(5, 1\)"),
        (numbers(4, 6, 4, 1, 3, 5, 3, 1), r"HOW: expected shape \(3, 4\), found \(3, 5\)"),
        (numbers(4, 6, 4, 1, 3, 4, 2, 1), r"OB: expected shape \(3, 1\), found \(2, 1\)"),
        (numbers(4, 6, 4, 1, 3, 4, 3, 1, extra=2), "need 51 numbers, the vector has 53"),
        (numbers(4, 6, 4, 1, 3, 4, 3, 1, extra=-1), "need 51 numbers, the vector has 50"),
        (saved_by_numpy(np.array([0.0, 6, 4, 1, 3, 4, 3, 1])), "first eight numbers"),
        (saved_by_numpy(np.array([4.5, 6, 4, 1, 3, 4, 3, 1])), "first eight numbers"),
        (saved_by_numpy(np.array([np.nan] * 8)), "first eight numbers"),
        (saved_by_numpy(np.array([2e9, 2e9, 2e9, 1, 9, 2e9, 9, 1])), "the vector has 8"),
        (saved_by_numpy(np.ones(3)), "starts with eight"),
        (saved_by_numpy(np.ones(51, np.float32)), "one float64 vector"),
        (saved_by_numpy(np.ones((3, 17))), "one float64 vector"),
        (saved_by_numpy(np.ones(51, np.int64)), "type '<i8'"),
        (saved_by_numpy(np.ones(9))[:-3], "cut short"),
        (saved_by_numpy(np.ones(9)) + b"x", "after its end"),
        (saved_by_numpy(np.ones(9))[:50], "cut short or damaged"),
        (saved_by_numpy(np.ones(9)).replace(b"(9,)", b"(9" + b"0" * 30 + b",)"), "damaged|absurd"),
        (b"\x93NUMPY\x09\x00", "version 1, 2 or 3"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "describes itself in 4,294,967,295 bytes"),
    ],
)
def test_a_bad_nnm_is_told_what_is_wrong_with_it(data, message):
    with pytest.raises(FormatError, match=message):
        load(data)


def test_an_object_array_is_never_unpickled():
    stream = io.BytesIO()
    np.save(stream, np.array([_Trap()], dtype=object), allow_pickle=True)
    with pytest.raises(FormatError, match="Python objects"):
        load(stream.getvalue())
    with pytest.raises(FormatError, match="pickle"):
        load(pickle.dumps(_Trap()))


class _Trap:
    def __reduce__(self):
        return (pytest.fail, ("unpickled",))


# what is no model


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty file"),
        (bytes([0, 0, 8, 3, 0, 0, 0, 0]), "IDX file of images, not a model"),
        (bytes([0, 0, 8, 1, 0, 0, 0, 0]), "IDX file of labels, not a model"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"<!DOCTYPE html><html>", "HTML"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"a,b,c\n1,2,3\n", "CSV"),
        (b"\x01\x02\x03", "starts with 01 02 03"),
    ],
)
def test_what_is_no_model_is_called_by_its_name(data, message):
    with pytest.raises(FormatError, match=message):
        load(data)


def test_faults_begin_with_the_name_of_the_file(tmp_path):
    path = tmp_path / "mine.npz"
    path.write_bytes(b"nonsense")
    with pytest.raises(FormatError, match=r"^mine\.npz: "):
        load(path)
    with path.open("rb") as file, pytest.raises(FormatError, match=r"^mine\.npz: "):
        load(file)


def test_a_missing_file_is_an_oserror(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.npz")


def test_a_source_that_is_too_long_is_refused():
    with pytest.raises(FormatError, match="more than 100 bytes"):
        load(io.BytesIO(to_bytes(small())), max_bytes=100)


# bad .npz


def changed(**changes: bytes | None) -> bytes:
    """The small network's .npz with members replaced, added or (None) left out."""
    members = members_of(to_bytes(small()))
    members |= {f"{name}.npy": content for name, content in changes.items()}
    return zipped({name: content for name, content in members.items() if content is not None})


def array(shape: tuple[int, ...], dtype: str = "f4", value: float = 0) -> bytes:
    return saved_by_numpy(np.full(shape, value, dtype))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (changed(header=None), "without header.npy.*weights_1"),
        (changed(weights_2=None), r"weights_2 is missing; expected float32 \(4, 3\)"),
        (changed(weights_9=array((1,))), "'weights_9' does not belong"),
        (
            changed(weights_1=array((6, 5))),
            r"weights_1: expected float32 \(6, 4\), found .* \(6, 5\)",
        ),
        (
            changed(weights_1=array((4, 6))),
            r"weights_1: expected float32 \(6, 4\), found .* \(4, 6\)",
        ),
        (
            changed(biases_1=array((4, 1))),
            r"biases_1: expected float32 \(4,\), found float32 \(4, 1\)",
        ),
        (changed(biases_1=array((4,), "f8")), r"biases_1: expected float32 \(4,\), found float64"),
        (changed(biases_1=array((4,), "i4")), "biases_1 holds numbers of type '<i4'"),
        (changed(biases_1=array((4,))[:-2]), "biases_1 is cut short"),
        (changed(biases_1=array((4,)) + b"!"), "biases_1 has bytes after its end"),
        (
            changed(biases_1=array((4,), value=np.nan)),
            "biases_1 holds 4 values that are not finite",
        ),
        (changed(biases_1=b"text"), "biases_1 is not a NumPy array"),
        (changed(header=array((4,), "f8")), "header.npy: expected uint8"),
        (changed(header=saved_by_numpy(np.frombuffer(b"{no", np.uint8))), "not JSON"),
        (changed(header=saved_by_numpy(np.full(200_000, ord("["), np.uint8))), "not JSON"),
        (changed(header=saved_by_numpy(np.frombuffer(b"\xff\xfe", np.uint8))), "not JSON"),
        (changed(header=saved_by_numpy(np.frombuffer(b"[]", np.uint8))), "does not say"),
        (zipped({"word/document.xml": b"<w/>"}), "contains 'word/document.xml', not a model"),
        (zipped({}), "without header.npy.*nothing"),
        (to_bytes(small())[:-30], "damaged zip"),
        (to_bytes(small())[:40], "damaged zip"),
        (zipped(members_of(to_bytes(small())), zipfile.ZIP_BZIP2), "packed by method 12"),
    ],
)
def test_a_bad_npz_is_told_what_is_wrong_with_it(data, message):
    with pytest.raises(FormatError, match=message):
        load(data)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("version", 3, "version 3, and this nnengine reads version 1 to 2"),
        ("version", True, "version True"),
        ("format", "other", "does not say"),
        ("sizes", "absent", "sizes: expected 2 to 1,000 whole numbers above 0, found None"),
        ("sizes", [6], "sizes: expected"),
        ("sizes", [6, 4, -3], "sizes: expected"),
        ("sizes", [6, 4.0, 3], "sizes: expected"),
        ("sizes", [6, True, 3], "sizes: expected"),
        ("sizes", [6, 10**9, 3], "promises 40,000,000,012 bytes"),
        ("sizes", [6, 5, 3], r"weights_1: expected float32 \(6, 5\), found float32 \(6, 4\)"),
        ("sizes", [6, 4, 4, 3], "2 activations for 3 layers"),
        ("activations", ["relu", "swish"], "activations: expected names among relu"),
        ("activations", ["relu", "relu"], "must be 'identity'"),
        ("activations", [["relu"], "identity"], "activations: expected"),
        ("activations", ["identity"], "1 activations for 2 layers"),
        ("input_scale", 0, "input_scale: expected a finite number above 0"),
        ("input_scale", float("nan"), "input_scale: expected"),
        ("input_scale", float("inf"), "input_scale: expected"),
        ("input_scale", "1", "input_scale: expected"),
        ("dtype", "float16", 'dtype: expected "float32" or "float64"'),
        ("dtype", ["float32"], "dtype: expected"),
        ("class_names", ["a"], "1 class names for 3 outputs"),
        ("class_names", ["a", "b", "\ud800"], "not JSON text"),
        ("class_names", "abc", "class_names: expected"),
        ("image_shape", [2, 2], r"images of \(2, 2\) for 6 inputs"),
        ("image_shape", [2, 3, 1], "image_shape: expected"),
        ("training", [1], "training: expected"),
        ("training", None, "training: expected"),
    ],
)
def test_a_bad_header_field_is_named(field, value, message):
    with pytest.raises(FormatError, match=message):
        load(with_header(small(), **{field: value}))


HISTORY = {"step": [0, 5], "train_loss": [2.3, None]}


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("steps", "5", "steps: expected a whole number from 0, found '5'"),
        ("steps", None, "steps: expected a whole number"),
        ("steps", True, "steps: expected a whole number"),
        ("steps", -1, "steps: expected a whole number"),
        ("steps", 2**60, "steps: expected a whole number"),
        ("config", [1], r"config: expected a table of settings, found \[1\]"),
        ("config", None, "config: expected a table"),
        ("config", {"batch_size": "64"}, "config, batch_size: found '64'"),
        ("config", {"learning_rate": True}, "config, learning_rate: found True"),
        ("config", {"learning_rate": 10**40}, None),
        ("config", {"optimizer": ["adam"]}, "config, optimizer: found"),
        ("config", {"optimiser": 3}, "config, optimizer: found 3"),
        ("config", {"augmentation": {"shift": "far"}}, "config, augmentation: found"),
        ("config", {"something": ["x" * 2000]}, "config, something: expected a short value"),
        ("config", {"something": {"new": [1, 2]}}, None),
        ("history", 3, "history: expected a table of curves, found 3"),
        ("history", {"step": 3}, "history, step: expected lists of one length"),
        ("history", HISTORY | {"epoch": [1]}, "history, epoch: expected lists of one length"),
        ("history", HISTORY | {"epoch": [1, "2"]}, "history, epoch: expected a number, found '2'"),
        ("history", HISTORY | {"step": [0, None]}, "history, step: expected a whole number"),
        ("data_digest", {"a": 1}, "data_digest: expected a digest in text or null"),
        ("validation_digest", [], "validation_digest: expected a digest"),
        ("seed", "one", "seed: expected a whole number"),
        ("seed", 2**128 - 1, None),
        ("outcome", ["finished"], "outcome: expected text"),
        ("kernels", 1, "kernels: expected text"),
        ("data", {"path": 3}, "data, path: expected text"),
        ("cost", {"threads": 1}, "cost: expected a table with images"),
        ("of_another_version", [{"any": "thing"}], None),
    ],
)
def test_each_field_of_a_training_record_is_of_its_kind_or_the_file_is_refused(name, value, wanted):
    data = with_header(small(), training=[RECORD, RECORD | {name: value}])
    if wanted is None:
        assert value == load(data).training[1][name]
        return
    with pytest.raises(FormatError, match=f"header.npy, training 2, {wanted}"):
        load(data)


def test_a_record_that_could_not_be_read_again_is_not_saved():
    network = small()
    network.training = ({"steps": "many"},)
    with pytest.raises(ConfigError, match="training 1, steps: expected.*mend network.training"):
        to_bytes(network)


def test_a_record_may_lack_any_of_its_fields():
    for missing in RECORD:
        record = {name: value for name, value in RECORD.items() if name != missing}
        assert (record,) == load(with_header(small(), training=[record])).training


@pytest.mark.parametrize("number", [b"1e999", b"-Infinity", b"NaN"])
def test_a_number_beyond_all_bounds_becomes_null(number):
    members = members_of(with_header(small(), training=[{"note": 123456}]))
    text = np.load(io.BytesIO(members["header.npy"])).tobytes().replace(b"123456", number)
    members["header.npy"] = saved_by_numpy(np.frombuffer(text, np.uint8))
    assert ({"note": None},) == load(zipped(members)).training


def test_a_header_of_countless_values_is_not_parsed(monkeypatch):
    text = b'{"format": "nnengine-model", "a": [' + b"[]," * 700_000 + b"0]}"
    data = changed(header=saved_by_numpy(np.frombuffer(text, np.uint8)))
    monkeypatch.setattr(modelheader.json, "loads", None)
    monkeypatch.setattr(modelheader, "MAX_HEADER_VALUES", 1_000_000)
    with pytest.raises(FormatError, match="holds 1,400,00. values; at most 1,000,000 are read"):
        load(data)


def test_an_input_scale_that_the_numbers_cannot_hold_is_refused():
    for scale in (1e-60, 1e60):
        with pytest.raises(FormatError, match="input_scale: expected a number that float32"):
            load(with_header(small(), input_scale=scale))
        assert scale == load(with_header(small(dtype=np.float64), input_scale=scale)).input_scale


def test_more_bytes_than_allowed_are_refused_packed_and_unpacked():
    network = Network.build([300, 100, 10])
    network.theta[:] = 0.5
    packed = zipped(members_of(to_bytes(network)), zipfile.ZIP_DEFLATED)
    assert len(packed) < 20_000 < network.theta.nbytes
    with pytest.raises(FormatError, match="nothing was unpacked"):
        load(packed, max_bytes=network.theta.nbytes - 1)
    assert network.sizes == load(packed, max_bytes=network.theta.nbytes).sizes


def test_a_model_is_read_into_its_place_without_a_second_copy():
    data = to_bytes(Network.build([1000, 1000, 10]))
    tracemalloc.start()
    try:
        network = load(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert network.theta.nbytes <= peak < 1.4 * network.theta.nbytes + len(data)


def test_a_number_of_absurd_length_is_not_json():
    members = members_of(to_bytes(small()))
    text = b'{"format": "nnengine-model", "version": ' + b"9" * 5000 + b"}"
    members["header.npy"] = saved_by_numpy(np.frombuffer(text, np.uint8))
    with pytest.raises(FormatError, match="not JSON"):
        load(zipped(members))


def test_a_member_given_twice_is_refused():
    stream = io.BytesIO(to_bytes(small()))
    with zipfile.ZipFile(stream, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("biases_1.npy", array((4,)))
    with pytest.raises(FormatError, match="twice"):
        load(stream.getvalue())


def test_an_encrypted_member_is_refused():
    data = bytearray(to_bytes(small()))
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1
    with pytest.raises(FormatError, match="encrypted"):
        load(bytes(data))


def test_a_changed_byte_is_noticed_by_its_checksum():
    data = bytearray(to_bytes(small()))
    at = data.index(b"weights_1.npy") + 13 + 128 + 5  # inside the values, behind the .npy header
    data[at] ^= 1
    with pytest.raises(FormatError, match="damaged zip"):
        load(bytes(data))


def bomb(size: int) -> bytes:
    """A file of some thousand bytes whose header honestly promises size x size numbers."""
    network = Network.build([size, 1], rng=0)
    members = members_of(
        with_header(network, sizes=[size, size], image_shape=None, class_names=None)
    )
    head = saved_by_numpy(np.zeros((1, 1), np.float32))[:128]
    head = head.replace(b"(1, 1), }" + b" " * 12, f"({size}, {size}), }}".ljust(21).encode())
    members["weights_1.npy"] = head + bytes(10_000_000)
    return zipped(members, zipfile.ZIP_DEFLATED)


def test_a_decompression_bomb_costs_nothing(monkeypatch):
    data = bomb(20_000)
    monkeypatch.setattr(np, "frombuffer", _only_headers)
    with pytest.raises(FormatError, match="bomb"):
        load(data)


def _only_headers(data, dtype=float, **options):
    assert len(data) < 10_000
    return np.ndarray(len(data), np.uint8, data)


def test_a_member_longer_than_its_shape_is_not_unpacked(monkeypatch):
    data = zipped(
        members_of(changed(biases_1=array((4,)) + bytes(300_000_000))), zipfile.ZIP_DEFLATED
    )
    asked = []
    read = zipfile.ZipExtFile.read
    monkeypatch.setattr(
        zipfile.ZipExtFile, "read", lambda self, n=-1: asked.append(n) or read(self, n)
    )
    with pytest.raises(FormatError, match="biases_1 has bytes after its end"):
        load(data)
    assert 0 < min(asked) and max(asked) < 10_000


def test_a_directory_of_countless_members_is_not_opened(monkeypatch):
    monkeypatch.setattr(zipfile, "ZipFile", None)
    with pytest.raises(FormatError, match="10,000 members"):
        load(b"PK\x03\x04" + b"PK\x01\x02" * 10_001)


FUZZ = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
SEEDS = [
    to_bytes(small()),
    to_bytes(original(), "nnm"),
    zipped(members_of(to_bytes(small())), zipfile.ZIP_DEFLATED),
]


@FUZZ
@given(
    st.sampled_from([b"", b"PK\x03\x04", b"PK\x05\x06", b"\x93NUMPY\x01\x00v\x00"]),
    st.binary(max_size=400),
)
def test_any_bytes_give_a_network_or_a_format_error(start, rest):
    _load_or_refuse(start + rest)


@FUZZ
@given(st.sampled_from(SEEDS), st.data())
def test_any_damage_gives_a_network_or_a_format_error(seed, data):
    damaged = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at] = data.draw(st.integers(0, 255))
    _load_or_refuse(bytes(damaged[: data.draw(st.integers(1, len(damaged)))]))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = [
    "version",
    "sizes",
    "activations",
    "input_scale",
    "dtype",
    "class_names",
    "image_shape",
    "training",
]


@FUZZ
@given(st.dictionaries(st.sampled_from(FIELDS), JSON, min_size=1, max_size=2))
def test_any_header_gives_a_network_or_a_format_error(fields):
    _load_or_refuse(with_header(small(), **fields))


def _load_or_refuse(data: bytes) -> None:
    try:
        network = load(data)
    except FormatError:
        return
    assert (1, network.classes) == network.predict_proba(np.ones(network.inputs)).shape


# saving


def test_a_network_gone_bad_is_not_saved(tmp_path):
    network = small()
    network.layers[1].biases[0] = np.inf
    with pytest.raises(ConfigError, match="biases_2 holds values that are not finite"):
        network.save(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["a.h5", "a", "a.npz.gz"])
def test_an_unknown_ending_is_refused_with_the_known_ones(name, tmp_path):
    with pytest.raises(ConfigError, match=r"\.npz.*\.nnm"):
        small().save(tmp_path / name)


def test_the_kind_may_be_given_and_the_target_may_be_a_file(tmp_path):
    stream = io.BytesIO()
    save(original(), stream)
    assert stream.getvalue() == to_bytes(original(), "npz")
    save(original(), tmp_path / "x.dat", kind="nnm")
    assert (tmp_path / "x.dat").read_bytes() == to_bytes(original(), "nnm")
    with pytest.raises(ConfigError, match="'h5' is no kind"):
        save(original(), stream, kind="h5")


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    path.write_bytes(b"old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        small().save(path)
    assert b"old" == path.read_bytes() and [path] == list(tmp_path.iterdir())


def test_saving_through_a_link_keeps_the_link_and_the_mode(tmp_path):
    real, link = tmp_path / "real.npz", tmp_path / "link.npz"
    real.write_bytes(b"old")
    real.chmod(0o640)
    link.symlink_to(real)
    small().save(link)
    assert link.is_symlink() and 0o640 == real.stat().st_mode & 0o777
    assert_same(small(), nnengine.load(real))


def test_a_target_is_checked_without_leaving_anything(tmp_path):
    modelfile.check_target(small(), tmp_path / "a.npz")
    assert [] == list(tmp_path.iterdir())
    with pytest.raises(FileNotFoundError):
        modelfile.check_target(small(), tmp_path / "none" / "a.npz")
    (tmp_path / "b.npz").mkdir()
    with pytest.raises(IsADirectoryError):
        modelfile.check_target(small(), tmp_path / "b.npz")
    with pytest.raises(ConfigError, match="uses tanh"):
        modelfile.check_target(small(activation="tanh"), tmp_path / "a.nnm")


def test_a_description_is_json_and_says_what_the_file_holds(tmp_path):
    small().save(tmp_path / "a.npz")
    facts = describe_model(tmp_path / "a.npz")
    assert facts == json.loads(json.dumps(facts))
    expected = {
        "kind": "npz",
        "name": "a.npz",
        "sizes": [6, 4, 3],
        "parameters": 43,
        "dtype": "float32",
        "trained_steps": 5,
        "training": [RECORD],
    }
    assert expected == {name: facts[name] for name in expected}


def test_a_few_weights_that_make_huge_images_between_layers_are_neither_read_nor_saved(monkeypatch):
    text = "conv 1 1x1 pad 2050, pool 2064"  # 4,128 x 4,128 numbers, and four of them go on
    network = Network.build(text, image_shape=(28, 28), classes=3, rng=0)
    fault = "'conv 1 1x1 pad 2050' makes 17,040,384 numbers of an image"
    with pytest.raises(ConfigError, match=fault):
        to_bytes(network)
    with monkeypatch.context() as lax:
        lax.setattr(modelheader, "MAX_MADE", 2**25)
        raw = to_bytes(network)
    with pytest.raises(FormatError, match=f"header.npy, layers: {fault}"):
        load(io.BytesIO(raw))
