"""A network in a link comes back as it was sent, and nothing else is ever taken for one."""

from __future__ import annotations

import base64
import json
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nnengine
from nnengine import ConfigError, FormatError, Network, read_idx
from nnengine.storage import links


def link_of(body: bytes, bits: int = 8, version: int = 1) -> str:
    """Return a link with a good checksum around any body."""
    packed = zlib.compress(body)
    head = struct.pack("<2sBBII", b"nn", version, bits, zlib.crc32(packed), len(packed))
    return base64.urlsafe_b64encode(head + packed).decode().rstrip("=")


def body_of(fields: object, rest: bytes = b"") -> bytes:
    text = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
    return struct.pack("<H", len(text)) + text + rest


def test_weights_of_whole_steps_come_back_exactly():
    """Largest weight 127 steps of 0.5: every weight is its own whole number."""
    weights = np.array([[63.5, -0.5], [0.0, 1.5], [-63.5, 7.0]], np.float32)
    parameters = {"weights_1": weights, "biases_1": np.array([0.1, -3e8], np.float32)}
    network = Network.from_parameters(parameters, activations=("identity",))
    found = links.decode(links.encode(network)).network.parameters()
    assert weights.tolist() == found["weights_1"].tolist()
    assert parameters["biases_1"].tolist() == found["biases_1"].tolist()


def test_at_4_bits_every_unit_has_a_scale_of_its_own():
    weights = np.array([[7e-6, 7e6], [-3e-6, 2e6], [1e-6, 0.0]], np.float32)
    parameters = {"weights_1": weights, "biases_1": np.zeros(2, np.float32)}
    network = Network.from_parameters(parameters, activations=("identity",))
    found = links.decode(links.encode(network, 4)).network.layers[0].weights
    assert np.allclose(weights, found, rtol=1e-6, atol=0)


def test_at_8_bits_no_weight_moves_by_more_than_half_a_step():
    network = Network.build([784, 10, 10], rng=1, initializer="uniform")
    found = links.decode(links.encode(network)).network
    for before, after in zip(network.layers, found.layers, strict=True):
        step = np.abs(before.weights).max() / 127
        assert np.abs(before.weights - after.weights).max() <= 0.501 * step


def test_at_4_bits_clipping_costs_less_than_a_scale_that_reaches_the_largest_weight():
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(500, 4)).astype(np.float32)
    parameters = {"weights_1": weights, "biases_1": np.zeros(4, np.float32)}
    network = Network.from_parameters(parameters, activations=("identity",))
    found = links.decode(links.encode(network, 4)).network.layers[0].weights
    step = np.abs(weights).max(axis=0) / 7
    plain = np.rint(weights / step) * step
    assert np.square(found - weights).sum() < 0.9 * np.square(plain - weights).sum()


def test_all_that_is_said_of_a_network_travels_with_it():
    network = Network.build(
        [12, 5, 4, 3], activation=("tanh", "leaky_relu"), rng=2, input_scale=0.5,
        class_names=("Hose", "Hemd", "Schürze"), image_shape=(3, 4),
    )  # fmt: skip
    network.training = ({"steps": 40}, {"steps": 2})
    text = links.encode(network, name="Kleider", accuracy=0.91237, judged_on="mein Test")
    link = links.decode(text)
    assert ("Kleider", 0.9124, "mein Test", 8) == (
        link.name, link.accuracy, link.judged_on, link.bits,
    )  # fmt: skip
    for name in ("sizes", "activations", "input_scale", "class_names", "image_shape"):
        assert getattr(network, name) == getattr(link.network, name)
    assert 42 == link.network.trained_steps


def test_a_network_with_maps_comes_back_and_answers_alike():
    for text, channels in (("conv 3 3x3 pad 1, norm, pool 2, dropout 0.25, dense 5", 1),
                           ("dense 4", 3), ("average 2, conv 2 2x3 stride 2", 3)):  # fmt: skip
        network = Network.build(
            text, image_shape=(8, 6), channels=channels, classes=3, rng=4, activation="tanh"
        )
        rng = np.random.default_rng(2)
        for array in network.parameters().values():
            array += rng.uniform(0, 0.5, array.shape).astype(np.float32)
        found = links.decode(links.encode(network)).network
        for name in ("specs", "shape", "activations", "sizes", "class_names"):
            assert getattr(network, name) == getattr(found, name)
        images = rng.integers(0, 256, (5, 8 * 6 * channels), np.uint8)
        np.testing.assert_allclose(
            network.predict_proba(images), found.predict_proba(images), atol=0.02
        )


def test_a_convolution_s_weights_of_whole_steps_come_back_exactly():
    network = Network.build("conv 2 2x2, norm", image_shape=(3, 3), channels=3, classes=2)
    for name, array in network.parameters().items():
        top = 127 if name.startswith("weights") else 0.125
        array[:] = np.linspace(-top, top, array.size).round(3).reshape(array.shape)
        if name.startswith("weights"):
            array[:] = array.round()
        if name.startswith("variances"):
            array[:] = (0.5, 3.25)
    found = links.decode(links.encode(network)).network
    np.testing.assert_array_equal(network.theta, found.theta)


def test_a_dense_network_is_written_as_earlier_versions_read_it():
    raw = base64.urlsafe_b64decode(links.encode(Network.build([4, 2])) + "==")
    assert (1, b"sizes") == (raw[2], zlib.decompress(raw[12:])[4:9])


def test_the_original_fits_into_10_000_characters():
    for bits, most in ((8, 10_000), (4, 6_000)):
        assert most > len(links.encode(nnengine.shipped("original"), bits, name="The original"))


def test_the_original_answers_in_8_bits_as_it_did(mnist_files):
    images, labels = (read_idx(mnist_files[f"test_{part}"]) for part in ("images", "labels"))
    network = nnengine.shipped("original")
    eight, four = (links.decode(links.encode(network, b)).network for b in (8, 4))
    before = network.accuracy(images, labels)
    assert 0.002 > before - eight.accuracy(images, labels)
    assert 0.04 > before - four.accuracy(images, labels)


def test_the_same_network_gives_the_same_link_twice_over():
    text = links.encode(nnengine.shipped("original"))
    again = links.encode(links.decode(text).network)
    assert text == links.encode(nnengine.shipped("original"))
    assert len(again) == len(text)  # rounded weights round to themselves


def test_a_unit_without_weights_stays_without():
    zeros = {"weights_1": np.zeros((3, 2), np.float32), "biases_1": np.ones(2, np.float32)}
    network = Network.from_parameters(zeros, activations=("identity",))
    for bits in links.BITS:
        found = links.decode(links.encode(network, bits)).network
        assert not found.layers[0].weights.any()


def test_what_cannot_be_sent_is_refused_with_the_way_out():
    with pytest.raises(ConfigError, match="save the network as a file"):
        links.encode(nnengine.shipped("drawing"))
    with pytest.raises(ConfigError, match="64,000"):
        links.encode(Network.build([784, 128, 10]))
    with pytest.raises(ConfigError, match="choose 8 or 4"):
        links.encode(Network.build([4, 2]), 6)
    broken = Network.build([4, 2])
    broken.theta[0] = np.inf
    with pytest.raises(ConfigError, match="not finite"):
        links.encode(broken)


def test_white_space_and_signs_of_a_chat_do_not_matter():
    text = links.encode(Network.build([4, 3, 2]))
    cut = "\n".join(text[i : i + 40] for i in range(0, len(text), 40))
    assert (4, 3, 2) == links.decode(f"  {cut}>.\r\n").network.sizes


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda t: t[: len(t) // 2], "cut short"),
        (lambda t: t[:-1], "cut short"),
        (lambda t: t[:5], "cut short"),
        (lambda t: t[:60] + ("A" if t[60] != "A" else "B") + t[61:], "damaged"),
        (lambda t: t + "AAAA", "damaged"),
        (lambda t: "bm4D" + t[4:], "newer"),
        (lambda t: "https://example.org/?q=1", "signs"),
        (lambda t: "iVBORw0KGgo", "does not begin"),
        (lambda t: "", "signs"),
        (lambda t: "A" * 70_000, "64,000"),
    ],
)
def test_a_link_that_is_no_more_whole_says_what_is_wrong(spoil, words):
    with pytest.raises(FormatError, match=words):
        links.decode(spoil(links.encode(Network.build([784, 10, 10]))))


GOOD = {"sizes": [2, 3], "activations": []}
REST = struct.pack("<f", 0.5) + bytes(12) + bytes(6)


def test_a_body_made_by_hand_is_read():
    rest = struct.pack("<f3f6b", 0.5, 1, 2, 3, 1, -2, 3, 4, 5, -127)
    network = links.decode(link_of(body_of(GOOD, rest))).network
    assert [[0.5, 1.5, 2.5], [-1, 2, -63.5]] == network.layers[0].weights.tolist()
    assert [1, 2, 3] == network.layers[0].biases.tolist()


@pytest.mark.parametrize(
    "fields",
    [
        {**GOOD, "sizes": [2, 3, 4]},
        {**GOOD, "sizes": [2]},
        {**GOOD, "sizes": [2, True]},
        {**GOOD, "sizes": [2**40, 3]},
        {**GOOD, "sizes": None},
        {**GOOD, "activations": ["relu"]},
        {**GOOD, "activations": ["exec"]},
        {**GOOD, "layers": "conv 1 3x3"},
        {**GOOD, "channels": 2},
        {**GOOD, "channels": 3},
        {**GOOD, "scale": 0},
        {**GOOD, "scale": 10**400},
        {**GOOD, "scale": float("nan")},
        {**GOOD, "shape": [1, 1]},
        {**GOOD, "classes": ["a"]},
        {**GOOD, "name": "x" * 81},
        {**GOOD, "name": 7},
        {**GOOD, "steps": -1},
        {**GOOD, "accuracy": 1.5},
        [],
        b"{",
        b'"\\ud800"',
    ],
)
def test_a_header_that_cannot_be_is_refused(fields):
    with pytest.raises(FormatError):
        links.decode(link_of(body_of(fields, REST)))


@pytest.mark.parametrize(
    "fields",
    [
        {"layers": "conv 1 9x9"},
        {"layers": "conv 1 2x2, nrom"},
        {"layers": "4-3-2"},
        {"layers": "conv 9999999 9999x9999"},
        {"layers": "conv 1 1x1 pad 9999"},
        {"layers": "norm, " * 300 + "norm"},
        {"layers": "norm, " * 120 + "norm"},
        {"layers": 5},
        {},
    ],
)
def test_layers_that_cannot_be_are_refused(fields):
    with pytest.raises(FormatError):
        links.decode(link_of(body_of({"sizes": [4, 3], **fields}, REST), version=2))


def test_weights_that_are_not_finite_are_refused():
    rest = struct.pack("<f3f6b", np.inf, 1, 2, 3, 1, 2, 3, 4, 5, 6)
    with pytest.raises(FormatError, match="not finite"):
        links.decode(link_of(body_of(GOOD, rest)))


def test_a_bomb_is_not_unpacked():
    text = link_of(body_of({"sizes": [200, 900]}, bytes(40_000_000)))
    tracemalloc.start()
    with pytest.raises(FormatError, match="more"):
        links.decode(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8_000_000


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_body_gives_a_network_or_a_format_error(body):
    for bits in (8, 4, 3):
        try:
            found = links.decode(link_of(body, bits))
        except FormatError:
            continue
        assert isinstance(found.network, Network)


@given(st.text(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_text_gives_a_network_or_a_format_error(text):
    with pytest.raises(FormatError):
        links.decode(text)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_one_wrong_sign_is_always_noticed(data):
    text = links.encode(Network.build([6, 4, 3], rng=5), 4)
    at = data.draw(st.integers(0, len(text) - 1))
    sign = data.draw(st.sampled_from("ABCxyz019_-"))
    spoilt = text[:at] + sign + text[at + 1 :]
    raw, same = (base64.urlsafe_b64decode(t + "=" * (-len(t) % 4)) for t in (spoilt, text))
    if raw != same:
        with pytest.raises(FormatError):
            links.decode(spoilt)
