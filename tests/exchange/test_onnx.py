"""ONNX: what runtimes make of our files, what we make of theirs, and what is refused by name."""

from __future__ import annotations

import io
import json
import warnings

import numpy as np
import pytest

from nnengine import EngineError, FormatError, Network, exchange
from nnengine.exchange import Told
from nnengine.exchange.onnx_graph import graph_of
from nnengine.exchange.protobuf import fields_of, message, signed, varint, wholes
from tests.exchange.nets import NETS, answers, images_for

by_net = pytest.mark.parametrize("net", NETS.values(), ids=NETS)
CONV = NETS["convolutional"]


def channels_first(images: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))


# Out ---------------------------------------------------------------------------------------


@by_net
def test_names_and_the_shape_of_images_come_back(net):
    back = exchange.load(exchange.to_bytes(net, "onnx"))
    assert (net.class_names, net.shape) == (back.class_names, back.shape)


def test_versions_are_those_that_old_readers_take():
    library = pytest.importorskip("onnx", reason="onnx is not installed")
    model = library.load_from_string(exchange.to_bytes(CONV, "onnx"))
    assert (8, 17) == (model.ir_version, model.opset_import[0].version)


def test_a_message_is_worked_by_hand():
    """From "Encoding": 150 in field 1 is 08 96 01, "testing" in field 2 is 12 07 and the text."""
    raw = message((1, 150), (2, "testing"))
    assert bytes.fromhex("08 96 01 12 07 74 65 73 74 69 6e 67") == raw
    found = fields_of(raw)
    assert (150, b"testing") == (found[1][0], bytes(found[2][0]))
    assert bytes.fromhex("fe ff ff ff ff ff ff ff ff 01") == varint(-2)
    assert -2 == signed(fields_of(b"\x08" + varint(-2))[1][0])
    assert [3, 270, 86942] == wholes([memoryview(bytes.fromhex("03 8e 02 9e a7 05"))])


# In: what others write ---------------------------------------------------------------------


def exported(module, sides, how: bool) -> bytes:
    """Return what torch.onnx.export makes of a module; how: by its newer way."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    pytest.importorskip("onnx", reason="onnx is not installed")
    if how:
        pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    stream, example = io.BytesIO(), (torch.zeros(2, *sides),)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module.eval(), example, stream, dynamo=how)
    return stream.getvalue()


def check(module, net: Network, made=lambda x: x / 255, flat: bool = False) -> None:
    """Hold a network to the module that it was made of."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    images = images_for(net, 200)
    x = torch.tensor(made(channels_first(images).astype(np.float32)))
    with torch.no_grad():
        wanted = torch.softmax(module.eval()(x.flatten(1) if flat else x), dim=1).numpy()
    np.testing.assert_allclose(wanted, answers(net, images), atol=1e-5, rtol=0)


def settled(module):
    """Return a module whose norms have seen something."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    for layer in module.modules():
        if hasattr(layer, "running_mean"):
            torch.nn.init.uniform_(layer.running_mean, -0.5, 0.5)
            torch.nn.init.uniform_(layer.running_var, 0.5, 2)
    return module


def modules():
    """Return PyTorch modules as people write them, by name."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    nn, functional = torch.nn, torch.nn.functional
    torch.manual_seed(3)

    class Tutorial(nn.Module):
        """ReLU behind pooling, view(x.size(0), -1), log_softmax: as many tutorials have it."""

        def __init__(self):
            super().__init__()
            self.conv1, self.conv2 = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 8, 3, padding=1, stride=2)
            self.drop = nn.Dropout(0.25)
            self.fc1, self.fc2 = nn.Linear(8 * 3 * 3, 20), nn.Linear(20, 10)

        def forward(self, x):
            x = functional.relu(functional.max_pool2d(self.conv1(x), 2))
            x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
            x = self.drop(x.view(x.size(0), -1))
            return functional.log_softmax(self.fc2(torch.tanh(self.fc1(x))), dim=1)

    class Normalising(nn.Module):
        """Takes pixels of 0 to 1 and normalises them itself, before a framed convolution."""

        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(
                nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4, eps=1e-3), nn.ReLU(),
                nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10), nn.BatchNorm1d(10),
            )  # fmt: skip

        def forward(self, x):
            return self.net((x - 0.1307) / 0.3081)

    return {
        "tutorial": Tutorial(),
        "normalising": Normalising(),
        "no dense layer": nn.Sequential(
            nn.Conv2d(1, 5, 3), nn.LeakyReLU(0.01), nn.AvgPool2d(3, 2), nn.Sigmoid(),
            nn.Conv2d(5, 10, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        ),
        "perceptron": nn.Sequential(nn.Flatten(), nn.Linear(784, 30), nn.Tanh(), nn.BatchNorm1d(30),
                                    nn.Linear(30, 10), nn.Softmax(1)),
    }  # fmt: skip


@pytest.mark.parametrize("how", [False, True], ids=["torchscript", "dynamo"])
@pytest.mark.parametrize("name", ["tutorial", "normalising", "no dense layer", "perceptron"])
def test_what_torch_exports_answers_the_same(name, how):
    module = settled(modules()[name])
    if name == "perceptron":
        data = exported(module, (1, 28, 28), how)
        module = module[:-1]  # its softmax is ours
    else:
        data = exported(module, (1, 28, 28), how)
    check(module, exchange.load(data))


def test_flat_pixels_with_a_free_batch_are_a_square():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    module = torch.nn.Sequential(torch.nn.Linear(784, 16), torch.nn.ReLU(), torch.nn.Linear(16, 10))
    net = exchange.load(exported(module, (784,), False))
    assert ((28, 28), 784) == (net.image_shape, net.inputs)
    check(module, net, flat=True)


# In: graphs by hand ------------------------------------------------------------------------


def built(nodes, weights, *, shape=("N", 784), kind=1, outputs=("y",)) -> bytes:
    """Return a graph of (op, inputs, output, attributes), made by onnx itself."""
    pytest.importorskip("onnx", reason="onnx is not installed")
    from onnx import helper, numpy_helper

    made = [helper.make_node(op, inputs, [out], **more) for op, inputs, out, more in nodes]
    graph = helper.make_graph(
        made, "g", [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info(out, 1, None) for out in outputs],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )  # fmt: skip
    return helper.make_model(graph).SerializeToString()


RNG = np.random.default_rng(11)
W, B = RNG.normal(0, 0.05, (784, 10)).astype(np.float32), RNG.normal(0, 1, 10).astype(np.float32)
K = RNG.normal(0, 0.3, (2, 1, 4, 4)).astype(np.float32)
D = RNG.normal(0, 0.1, (2 * 14 * 14, 10)).astype(np.float32)


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def test_matmul_and_add_are_a_layer_and_a_transposed_weight_is_turned():
    nodes = [("Transpose", ["wt"], "w", {"perm": [1, 0]}), ("MatMul", ["x", "w"], "z", {}),
             ("Add", ["b", "z"], "y", {})]  # fmt: skip
    net = exchange.load(built(nodes, {"wt": W.T.copy(), "b": B}))
    images = images_for(NETS["dense"], 50)
    wanted = softmax(images.reshape(50, -1) / 255 @ W + B)
    np.testing.assert_allclose(wanted, answers(net, images), atol=1e-5)
    assert net.is_dense and 1 / 255 == net.input_scale


@pytest.mark.parametrize(("nodes", "kind", "factor", "added"), [
    ([], 2, 1, 0),
    ([("Div", ["x", "c255"], "p", {})], 1, 1 / 255, 0),
    ([("Sub", ["x", "c127"], "q", {}), ("Div", ["q", "c127"], "p", {})], 1, 1 / 127.5, -1),
    ([("Mul", ["x", "c2"], "q", {}), ("Sub", ["c1", "q"], "p", {})], 1, -2 / 255, 1),
], ids=["bytes", "divided by 255", "bytes to -1 and 1", "0 to 1, turned round"])  # fmt: skip
def test_what_a_graph_does_to_pixels_first_becomes_part_of_the_model(nodes, kind, factor, added):
    weights = {"w": W, "b": B} | {
        f"c{n}": np.float32(v) for n, v in ((255, 255), (127, 127.5), (1, 1), (2, 2))
    }
    cast = [("Cast", ["x"], "f", {"to": 1})] if kind == 2 else []
    last = nodes[-1][2] if nodes else "f" if cast else "x"
    gemm = [("Gemm", [last, "w", "b"], "y", {})]
    net = exchange.load(built([*cast, *nodes, *gemm], weights, kind=kind))
    images = images_for(NETS["dense"], 50)
    x = images.reshape(50, -1) * factor + added
    np.testing.assert_allclose(softmax(x @ W + B), answers(net, images), atol=1e-5)


def test_white_may_be_told_where_a_file_does_not_say_it():
    data = built([("Gemm", ["x", "w", "b"], "y", {})], {"w": W / 255, "b": B})
    images = images_for(NETS["dense"], 50)
    net = exchange.load(data, Told(white=255))
    np.testing.assert_allclose(
        softmax(images.reshape(50, -1) @ (W / 255) + B), answers(net, images), atol=1e-5
    )


@pytest.mark.parametrize("where", ["SAME_UPPER", "SAME_LOWER"])
def test_a_frame_on_one_side_becomes_zeros_of_a_wider_window(where):
    """TensorFlow frames an even window by one more pixel at its end: here pads are even."""
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    nodes = [("Conv", ["x", "k"], "c", {"auto_pad": where, "strides": [2, 2],
                                        "kernel_shape": [4, 4]}),
             ("Relu", ["c"], "r", {}), ("Flatten", ["r"], "f", {}), ("MatMul", ["f", "d"], "z", {}),
             ("Softmax", ["z"], "y", {"axis": 1})]  # fmt: skip
    data = built(nodes, {"k": K, "d": D}, shape=("N", 1, 28, 28))
    nodes[0][3]["auto_pad"] = "NOTSET"
    nodes[0][3]["pads"] = [1, 0, 1, 2]
    other = built(nodes, {"k": K, "d": D}, shape=("N", 1, 28, 28))
    images = images_for(CONV, 100)
    for one in (data, other):
        session = runtime.InferenceSession(_older(one))
        (wanted,) = session.run(None, {"x": channels_first(images).astype(np.float32) / 255})
        np.testing.assert_allclose(wanted, answers(exchange.load(one), images), atol=1e-5)


def _older(data: bytes) -> bytes:
    """Return a graph with the stamp that onnxruntime takes."""
    import onnx

    model = onnx.load_from_string(data)
    model.ir_version, model.opset_import[0].version = 8, 17
    return model.SerializeToString()


def test_channels_last_as_tensorflow_has_them_are_read():
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    nodes = [("Transpose", ["x"], "n", {"perm": [0, 3, 1, 2]}),
             ("Conv", ["n", "k"], "c", {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
             ("Transpose", ["c"], "l", {"perm": [0, 2, 3, 1]}),
             ("Reshape", ["l", "s"], "f", {}), ("MatMul", ["f", "d"], "z", {}),
             ("Softmax", ["z"], "y", {})]  # fmt: skip
    weights = {"k": K, "d": D, "s": np.array([-1, 392])}
    data = built(nodes, weights, shape=("N", 28, 28, 1))
    images = images_for(CONV, 100)
    (wanted,) = runtime.InferenceSession(_older(data)).run(None, {"x": images / np.float32(255)})
    np.testing.assert_allclose(wanted, answers(exchange.load(data), images), atol=1e-5)


# Refused -----------------------------------------------------------------------------------

IMAGE = {"shape": ("N", 1, 28, 28)}


@pytest.mark.parametrize(("nodes", "more", "fault"), [
    ([("LSTM", ["x", "w", "w"], "y", {"hidden_size": 4})], {}, "LSTM: a recurrent layer"),
    ([("Attention", ["x", "w", "w"], "y", {})], {}, "Attention: attention"),
    ([("Gemm", ["x", "w", "b"], "z", {}), ("Add", ["z", "x"], "y", {})], {},
     "two paths joined"),
    ([("Gemm", ["x", "w", "b"], "z", {}), ("Relu", ["z"], "r", {}), ("Add", ["r", "z"], "s", {}),
      ("Softmax", ["s"], "y", {})], {}, "two paths joined"),
    ([("Gemm", ["x", "w", "b"], "z", {}), ("Relu", ["x"], "y", {})], {}, "two paths"),
    ([("Conv", ["x", "k"], "y", {"dilations": [2, 2]})], IMAGE, "dilations"),
    ([("Conv", ["x", "k"], "y", {"strides": [1, 2]})], IMAGE, "expected one stride"),
    ([("MaxPool", ["x"], "y", {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1})], IMAGE,
     "ceil_mode"),
    ([("MaxPool", ["x"], "p", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
      ("Flatten", ["p"], "f", {}), ("Gemm", ["f", "w", "b"], "y", {})], IMAGE, "frame of 1"),
    ([("Clip", ["x", "o", "t"], "y", {})], IMAGE, "ReLU6"),
    ([("Gemm", ["x", "w", "b"], "z", {}), ("Sigmoid", ["z"], "y", {})], {}, "ends in sigmoid"),
    ([("LeakyRelu", ["x"], "y", {"alpha": 0.2})], {}, "slope of 0.2"),
    ([("MatMul", ["x", "m"], "y", {})], IMAGE, "acts on each row"),
    ([("Gemm", ["x", "w", "b"], "y", {"transA": 1})], {}, "turns what goes in"),
    ([("DynamicQuantizeLinear", ["x"], "y", {})], {}, "no place here"),
])  # fmt: skip
def test_what_has_no_place_here_is_named(nodes, more, fault):
    weights = {"w": W, "b": B, "k": K, "m": np.ones((28, 28), np.float32)}
    weights |= {"o": np.float32(0), "t": np.float32(6)}
    with pytest.raises(FormatError, match=fault):
        exchange.load(built(nodes, weights, **more))


def test_weights_in_a_second_file_are_asked_for():
    library = pytest.importorskip("onnx", reason="onnx is not installed")
    model = library.load_from_string(exchange.to_bytes(CONV, "onnx"))
    tensor = model.graph.initializer[1]
    tensor.ClearField("raw_data")
    tensor.data_location = library.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "model.onnx.data"
    with pytest.raises(FormatError, match=r"second file.*\.onnx\.data.*onnx\.save"):
        exchange.load(model.SerializeToString())


def test_weights_that_are_not_all_there_are_refused():
    data = exchange.to_bytes(NETS["one layer"], "onnx")
    wrong = data.replace(message((1, [10, 784]), (2, 1)), message((1, [10, 785]), (2, 1)))
    assert data != wrong
    with pytest.raises(FormatError, match="promises 7,850 numbers, 7,840 are there"):
        exchange.load(wrong)


def test_a_file_cut_anywhere_is_refused():
    data = exchange.to_bytes(Network.build([9, 4, 3], rng=0), "onnx")
    for end in range(4, len(data) - 60):  # what follows holds the opset and names alone
        with pytest.raises(EngineError):
            exchange.load(data[:end])


@pytest.mark.parametrize("kind", ["onnx", "safetensors"])
def test_damage_ends_in_a_network_or_in_a_refusal(kind):
    nets = [Network.build("conv 2 3x3 pad 1, norm, pool 2, dense 4", image_shape=(6, 6), classes=3)]
    nets.append(Network.build([9, 4, 3], rng=0))
    rng = np.random.default_rng(4)
    for data in (exchange.to_bytes(net, kind) for net in nets):
        read = 0
        for _ in range(1500):
            wrong = bytearray(data)
            for at in rng.integers(0, len(data), rng.integers(1, 4)):
                wrong[at] = rng.integers(0, 256)
            try:
                read += bool(exchange.load(bytes(wrong)))
            except EngineError:
                continue
        assert 1500 > read


def test_names_of_classes_come_along():
    graph = graph_of(exchange.to_bytes(NETS["lenet"], "onnx"))
    assert list(NETS["lenet"].class_names) == json.loads(graph.metadata["class_names"])
