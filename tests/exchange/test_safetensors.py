"""safetensors: what PyTorch's own library reads and writes, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from nnengine import ConfigError, FormatError, Network, exchange
from nnengine.exchange import Told
from nnengine.exchange.safetensors import state_dict, tensors_of
from tests.exchange.nets import CONV, NETS, answers, images_for, same

by_net = pytest.mark.parametrize("net", NETS.values(), ids=NETS)


def header_of(data: bytes) -> dict:
    return json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])


def packed(header: dict | bytes, body: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def foreign(arrays: dict[str, np.ndarray]) -> bytes:
    """Return arrays as another library would write them: no metadata, written here by hand."""
    head, at = {}, 0
    kinds = {"float32": "F32", "float64": "F64", "float16": "F16", "int64": "I64"}
    for name, array in arrays.items():
        ends = [at, at := at + array.nbytes]
        entry = {"shape": list(array.shape), "data_offsets": ends}
        head[name] = {"dtype": kinds[str(array.dtype)], **entry}
    return packed(head, b"".join(array.tobytes() for array in arrays.values()))


@by_net
def test_a_network_comes_back_to_the_bit(net):
    data = exchange.to_bytes(net, "safetensors")
    assert same(net, exchange.load(data))
    assert data == exchange.to_bytes(exchange.load(data), "safetensors")


def test_a_training_record_comes_along():
    net = NETS["one layer"].copy()
    net.training = (
        {
            "data_digest": "ab",
            "seed": 1,
            "config": {},
            "steps": 5,
            "outcome": "finished",
            "history": {"step": [0], "train_loss": [2.0]},
        },
    )
    assert net.training == exchange.load(exchange.to_bytes(net, "safetensors")).training


def test_names_shapes_and_orientation_are_those_of_a_sequential():
    """Worked by hand: weights (2 inputs, 3 units) lie as (3, 2), row by row."""
    weights = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    net = Network.from_parameters(
        {"weights_1": weights, "biases_1": np.float32([7, 8, 9])}, activations=["identity"]
    )
    data = exchange.to_bytes(net, "safetensors")
    head = header_of(data)
    assert {"__metadata__", "1.weight", "1.bias"} == set(head)
    assert {"dtype": "F32", "shape": [3, 2], "data_offsets": [0, 24]} == head["1.weight"]
    body = data[8 + int.from_bytes(data[:8], "little") :]
    assert [1, 4, 2, 5, 3, 6, 7, 8, 9] == np.frombuffer(body, "<f4").tolist()
    assert 0 == int.from_bytes(data[:8], "little") % 8


def test_weights_behind_a_flattened_image_follow_its_channels():
    """Worked by hand: of 1x2 pixels and 2 maps, numbers lie 0 1 | 2 3 here, 0 2 | 1 3 there."""
    net = Network.build("conv 2 1x1, dense 1", image_shape=(1, 2), classes=2, rng=0)
    net.parameters()["weights_2"][:, 0] = [0, 1, 2, 3]
    assert [[0, 2, 1, 3]] == state_dict(net)["3.weight"].tolist()


@by_net
def test_safetensors_own_library_reads_the_same_arrays(net):
    library = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    found = library.load(exchange.to_bytes(net, "safetensors"))
    wanted = state_dict(net)
    assert set(wanted) == set(found)
    for name, array in wanted.items():
        np.testing.assert_array_equal(array, found[name])


def test_the_module_is_some_twenty_lines_long():
    lines = exchange.to_bytes(NETS["dense"], "torch").decode().splitlines()
    assert 35 > len([line for line in lines if line])


# Files of others ---------------------------------------------------------------------------


TOLD_APART = ("dense", "lenet", "colour")  # activations of several kinds, or a scale of its own


@pytest.mark.parametrize("name", [name for name in NETS if name not in TOLD_APART])
def test_a_state_dict_that_torch_saved_answers_the_same_once_told_what_it_is(name):
    net = NETS[name]
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    library = pytest.importorskip("safetensors.torch", reason="safetensors is not installed")
    tensors = {name: torch.from_numpy(array) for name, array in state_dict(net).items()}
    acting = {name for name in net.activations if name != "identity"}
    told = Told(
        layers=None if net.is_dense else net.description, activation="".join(acting) or None,
        image_shape=net.image_shape,
    )  # fmt: skip
    back = exchange.load(library.save(tensors), told)
    images = images_for(net)
    np.testing.assert_allclose(answers(net, images), answers(back, images), atol=1e-6, rtol=0)


def two_layers(**more) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    shapes = {"fc1.weight": (5, 784), "fc1.bias": (5,), "fc2.weight": (3, 5), "fc2.bias": (3,)}
    return {n: rng.normal(0, 0.1, s).astype(np.float32) for n, s in shapes.items()} | more


def by_numpy(arrays, x):
    """Return probabilities worked out from PyTorch's arrays, x float (n, 784)."""
    hidden = np.maximum(x @ arrays["fc1.weight"].T + arrays["fc1.bias"], 0)
    z = np.exp(hidden @ arrays["fc2.weight"].T + arrays["fc2.bias"])
    return z / z.sum(axis=1, keepdims=True)


def test_what_pixels_were_normalised_with_becomes_part_of_the_model():
    arrays, images = two_layers(), images_for(NETS["dense"], 50)
    net = exchange.load(foreign(arrays), Told(activation="relu", mean=0.1307, std=0.3081))
    x = (images.reshape(50, -1) / 255 - 0.1307) / 0.3081
    np.testing.assert_allclose(by_numpy(arrays, x), answers(net, images), atol=1e-5)


@pytest.mark.parametrize("pad", [0, 1])
def test_a_mean_before_a_framed_convolution_is_kept_off_the_frame(pad):
    """Zeros around a normalised image are no pixels of mean brightness: a norm does it then."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    made = torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 3, padding=pad), torch.nn.ReLU(), torch.nn.Flatten(),
        torch.nn.Linear(3 * (26 + 2 * pad) ** 2, 4),
    )  # fmt: skip
    arrays = {name: tensor.numpy() for name, tensor in made.state_dict().items()}
    told = Told(layers=f"conv 3 3x3 pad {pad}", activation="relu", mean=0.3, std=0.2)
    net = exchange.load(foreign(arrays), told)
    assert ("norm" == net.specs[0].kind) == bool(pad)
    images = images_for(net, 100)
    x = torch.from_numpy(images.transpose(0, 3, 1, 2).astype(np.float32))
    with torch.no_grad():
        wanted = torch.softmax(made((x / 255 - 0.3) / 0.2), dim=1).numpy()
    np.testing.assert_allclose(wanted, answers(net, images), atol=1e-5)


def test_halves_and_bfloat16_are_read():
    arrays = two_layers()
    halved = {name: array.astype(np.float16) for name, array in arrays.items()}
    net = exchange.load(foreign(halved), Told(activation="relu"))
    assert np.float32 == net.dtype
    np.testing.assert_array_equal(halved["fc1.bias"], net.parameters()["biases_1"])
    data = packed({"a": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}, b"\x80\x3f\0\xc0")
    assert [1.0, -2.0] == tensors_of(data)[1]["a"].tolist()  # 0x3f80, 0xc000


def test_weights_alone_ask_what_stands_between_them():
    with pytest.raises(ConfigError, match="do not say what stands between.*--activation relu"):
        exchange.load(foreign(two_layers()))


def test_convolutions_alone_ask_how_their_windows_lie():
    arrays = {k: v for k, v in state_dict(NETS["lenet"]).items()}
    with pytest.raises(ConfigError, match="--layers 'conv"):
        exchange.load(foreign(arrays), Told(activation="relu"))


def test_layers_told_that_are_not_the_files_are_refused():
    arrays = {k: v for k, v in state_dict(NETS["convolutional"]).items()}
    wrong = CONV.replace("conv 8 5x5", "conv 8 3x3")
    with pytest.raises(ConfigError, match="not those of 'conv 8 3x3'"):
        exchange.load(foreign(arrays), Told(activation="relu", layers=wrong))


@pytest.mark.parametrize(("name", "what"), [
    ("encoder.self_attn.in_proj.weight", "attention"), ("lstm.weight_ih_l0", "LSTM"),
    ("embedding.weight", "an embedding"),
])  # fmt: skip
def test_what_has_no_place_is_named(name, what):
    strange = {name: np.zeros((4, 4), np.float32)}
    with pytest.raises(FormatError, match=f"{name}.*{what}"):
        exchange.load(foreign(two_layers(**strange)), Told(activation="relu"))


# Damage ------------------------------------------------------------------------------------

ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(("header", "body", "fault"), [
    ({"a": ENTRY | {"dtype": "F8_E4M3"}}, bytes(8), "has the type 'F8_E4M3'"),
    ({"a": ENTRY | {"shape": [3]}}, bytes(8), "takes 12 bytes"),
    ({"a": ENTRY | {"shape": [2**40, 2**40]}}, bytes(8), "cut short or damaged"),
    ({"a": ENTRY | {"shape": [-2]}}, bytes(8), "make no array"),
    ({"a": ENTRY | {"data_offsets": [8, 0]}}, bytes(8), "cut short or damaged"),
    ({"a": ENTRY}, bytes(12), "12 bytes of numbers, its tensors take 8"),
    ({"a": ENTRY}, bytes(4), "of 4: cut short"),
    ({"a": ENTRY, "b": ENTRY}, bytes(8), "lie one behind the other"),
    ({"__metadata__": {"a": 1}}, b"", "no object of strings"),
    (b'{"a": [', b"", "not JSON"),
])  # fmt: skip
def test_damage_is_named(header, body, fault):
    with pytest.raises(FormatError, match=fault):
        exchange.load(packed(header, body))


def test_a_header_longer_than_the_file_was_cut_short():
    data = exchange.to_bytes(NETS["one layer"], "safetensors")
    with pytest.raises(FormatError, match="cut short"):
        exchange.load(data[:100])


def test_metadata_that_claim_more_than_the_file_holds_set_no_memory_aside():
    net = Network.build([784, 10], rng=0)
    data = exchange.to_bytes(net, "safetensors")
    head = header_of(data)
    ours = json.loads(head["__metadata__"]["nnengine"])
    ours |= {"sizes": [2**20, 2**20], "class_names": None, "image_shape": None}
    head["__metadata__"]["nnengine"] = json.dumps(ours)
    body = data[8 + int.from_bytes(data[:8], "little") :]
    with pytest.raises(FormatError, match="other tools have changed"):
        exchange.load(packed(head, body))


def test_numbers_that_are_not_finite_are_refused():
    arrays = two_layers()
    arrays["fc1.weight"][0, 0] = np.nan
    with pytest.raises(FormatError, match="not finite"):
        exchange.load(foreign(arrays), Told(activation="relu"))


def test_an_old_pickle_of_pytorch_is_named_with_the_way_out():
    with pytest.raises(FormatError, match="never is.*safetensors.torch.save_file"):
        exchange.load(b"\x80\x02ctorch")
