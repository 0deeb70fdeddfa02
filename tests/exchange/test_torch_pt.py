"""PyTorch's .pt: state dicts are read, and nothing that such a file says is ever run."""

from __future__ import annotations

import io
import os
import pickle
import re
import struct
import sys
import types
import zipfile
from collections import OrderedDict
from random import Random
from typing import Any

import numpy as np
import pytest

from nnengine import EngineError, FormatError, Network, exchange
from nnengine.exchange import Told, torch_pt
from nnengine.exchange.safetensors import state_dict
from tests.exchange.nets import NETS, images_for
from tests.fuzzing.torches import LIKE, state_file

NET = NETS["dense"]
TOLD = Told(activation="relu")


def same_answers(network: Network, found: Network) -> None:
    images = images_for(network, 100).reshape(100, -1)
    np.testing.assert_allclose(
        network.predict_proba(images), found.predict_proba(images), atol=1e-5, rtol=0
    )


def with_pickle(raw: bytes, **members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("m/data.pkl", raw)
        for name, held in members.items():
            archive.writestr(f"m/{name}", held)
    return stream.getvalue()


def test_a_state_dict_is_read_to_the_bit():
    arrays = state_dict(NETS["lenet"])
    found = torch_pt.state_dict_of(state_file(arrays))
    assert list(arrays) == list(found)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, found[name])
        assert found[name].flags.c_contiguous and found[name].dtype.isnative
    layers = NETS["lenet"].description
    told = Told(activation="tanh", layers=layers)
    assert layers == exchange.load(state_file(arrays), told).description


@pytest.mark.parametrize("wrapped", ["state_dict", "model_state_dict", "model", ""])
def test_a_network_comes_alone_or_beside_an_epoch_and_an_optimizer(wrapped):
    arrays, network = state_dict(NETS["double"]), NETS["double"]
    found = exchange.load(state_file(arrays, wrapped=wrapped), Told(activation="sigmoid"))
    same_answers(network, found)
    assert np.float64 == found.dtype


@pytest.mark.parametrize("kind", ["f2", "bf16"])
def test_halves_become_single_precision(kind):
    arrays = {"w": np.float32([[1.5, -2.25], [0, 65504]]), "b": np.float32([1, 0.5])}
    found = torch_pt.state_dict_of(state_file(arrays, kind=kind))
    for name, array in arrays.items():
        wanted = array.astype(np.float16) if kind == "f2" else array
        if kind == "bf16":
            wanted = (array.view(np.uint32) & 0xFFFF0000).view(np.float32)
        np.testing.assert_array_equal(wanted.astype(np.float32), found[name])
        assert np.float32 == found[name].dtype


def test_views_of_one_storage_and_other_orders_are_what_they_were():
    arrays = {"a.weight": np.arange(12, dtype=np.float32).reshape(3, 4).T}
    arrays["b.weight"] = arrays["a.weight"][1:, ::2]
    for big in (False, True):
        found = torch_pt.state_dict_of(state_file(arrays, shared=True, big=big))
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, found[name])


def test_what_pytorch_itself_saves_is_read_to_the_bit():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten(),
        torch.nn.Linear(4 * 26 * 26, 10),
    )  # fmt: skip
    for kind in (torch.float32, torch.float64, torch.float16, torch.bfloat16):
        held = module.to(kind).state_dict()
        for what in (held, {"epoch": 1, "model_state_dict": held, "rest": [1.5, None, (True,)]}):
            stream = io.BytesIO()
            torch.save(what, stream)
            found = torch_pt.state_dict_of(stream.getvalue())
            assert list(held) == list(found)
            for name, tensor in held.items():
                wide = tensor.float() if kind in (torch.float16, torch.bfloat16) else tensor
                np.testing.assert_array_equal(wide.numpy(), found[name])
    stream = io.BytesIO()
    torch.jit.save(torch.jit.script(module.float()), stream)
    with pytest.raises(FormatError, match="as torch.jit.save writes it"):
        exchange.load(stream.getvalue())
    stream = io.BytesIO()
    torch.save(module, stream)
    with pytest.raises(FormatError, match="Sequential', an object.*save_file"):
        exchange.load(stream.getvalue())


# What is refused, by name ------------------------------------------------------------------


class Runs:
    """What a pickle of bad faith asks for: a file is the proof that somebody did it."""

    def __init__(self, call: Any, *given: Any) -> None:
        self.how = call, given

    def __reduce__(self) -> tuple:
        return self.how


CALLS = [
    (os.mkdir,), (eval, "1"), (exec, "1"), (getattr, "a", "b"), (print, "a"), (__import__, "os"),
    (pickle.loads, b"."), (types.SimpleNamespace,), (re.compile, "a"), (io.open, "x", "w"),
]  # fmt: skip


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call[0].__name__)
@pytest.mark.parametrize("protocol", [2, 3])
def test_nothing_that_a_pickle_calls_is_ever_called(call, protocol, tmp_path):
    given = (str(tmp_path / "made"),) if call[0] is os.mkdir else call[1:]
    raw = pickle.dumps({"w": Runs(call[0], *given)}, protocol)
    with pytest.raises(FormatError, match="holds '.*no tensors alone.*never is.*save_file"):
        exchange.load(with_pickle(raw))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["never_there_before", "antigravity", "this"])
def test_no_name_is_imported(name):
    raw = b"\x80\x02c" + name.encode() + b"\nthing\n."
    before = set(sys.modules)
    with pytest.raises(FormatError, match=f"'{name}.thing'"):
        exchange.load(with_pickle(raw))
    assert name not in set(sys.modules) - before


def test_the_walker_knows_what_a_state_dict_needs_and_no_more():
    """Of the instructions that find, build or call something, the five here do so from tables."""
    known = set(torch_pt._STEPS)
    assert 29 == len(known) and {b"c", b"R", b"b", b"Q"} <= known
    others = {pickle.INST, pickle.OBJ, pickle.NEWOBJ, pickle.NEWOBJ_EX, pickle.STACK_GLOBAL,
              pickle.EXT1, pickle.EXT2, pickle.EXT4, pickle.PERSID, pickle.NEXT_BUFFER}  # fmt: skip
    assert not known & others
    for code in others:
        with pytest.raises(FormatError, match="has the instruction .*no state dict needs"):
            exchange.load(with_pickle(b"\x80\x02" + code + b"os\nmkdir\n."))


def test_a_module_and_a_program_are_told_from_a_state_dict():
    with pytest.raises(FormatError, match="'__main__.Net', an object.*save_file"):
        exchange.load(with_pickle(b"\x80\x02c__main__\nNet\n)\x81."))
    with pytest.raises(FormatError, match="'__torch__.Net', a network as a program"):
        exchange.load(with_pickle(b"\x80\x02c__torch__\nNet\n)\x81."))
    with pytest.raises(FormatError, match="as torch.jit.save writes it"):
        exchange.load(with_pickle(b"\x80\x02.", **{"constants.pkl": b""}))
    with pytest.raises(FormatError, match="no state dict"):
        exchange.load(with_pickle(b"\x80\x02]."))
    with pytest.raises(FormatError, match="'epoch', which is no tensor"):
        exchange.load(with_pickle(pickle.dumps({"epoch": 3}, 2)))
    with pytest.raises(FormatError, match="not of protocol 2 or 3"):
        exchange.load(with_pickle(pickle.dumps({}, 4)))
    with pytest.raises(FormatError, match="old ones of PyTorch.*save_file"):
        exchange.load(pickle.dumps({}, 2))


def view(offset: int, shape: tuple, strides: tuple, count: int = 6) -> bytes:
    """Return a .pt with one tensor that says so of itself."""
    tensor = LIKE.tensor("FloatStorage", "0", count, offset, shape, strides)
    raw = LIKE.pickled(OrderedDict({"w": tensor}))
    return with_pickle(raw, **{"data/0": np.arange(6, dtype=np.float32).tobytes()})


@pytest.mark.parametrize(("given", "said"), [
    ((0, (2, 4), (4, 1)), "outside its 6"), ((3, (2, 2), (2, 1)), "outside its 6"),
    ((0, (9, 9), (0, 0)), "outside its 6"), ((0, (2**40, 2**40), (0, 0)), "outside its 6"),
    ((-1, (2,), (1,)), "shape that cannot be"), ((0, (2,), (-1,)), "shape that cannot be"),
    ((0, (2, 2), (1,)), "shape that cannot be"), ((0, (1,) * 9, (1,) * 9), "cannot be"),
    ((0, (True,), (1,)), "shape that cannot be"), ((0, (7,), (1,), 7), "24 bytes of numbers"),
])  # fmt: skip
def test_a_view_never_leaves_its_numbers(given, said):
    with pytest.raises(FormatError, match=said):
        exchange.load(view(*given))


def test_what_would_grow_is_refused_before_it_does():
    many = OrderedDict(
        {f"w{n}": LIKE.tensor("FloatStorage", "0", 6, 0, (2, 3), (3, 1)) for n in range(900)}
    )
    raw = with_pickle(LIKE.pickled(many), **{"data/0": bytes(24)})
    assert len(torch_pt.state_dict_of(raw)) == 900  # the pickle is larger than what they hold
    large = OrderedDict(
        {f"w{n}": LIKE.tensor("FloatStorage", "0", 10**6, 0, (10**6,), (1,)) for n in range(9)}
    )
    with pytest.raises(FormatError, match="more than the file holds"):
        exchange.load(with_pickle(LIKE.pickled(large), **{"data/0": bytes(4 * 10**6)}))
    with pytest.raises(FormatError, match="data.pkl is packed, or has 1,048,577 bytes"):
        exchange.load(with_pickle(bytes(2**20 + 1)))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m/data.pkl", b"\x80\x02" + bytes(5000))
    with pytest.raises(FormatError, match="data.pkl is packed"):
        exchange.load(stream.getvalue())


def test_damage_is_refused_or_gives_a_network():
    """Thousands more by tests/fuzz.py, with their time and memory."""
    raw, rng = state_file(state_dict(NETS["one layer"])), Random(5)
    begins = raw.index(b"data.pkl") + 8
    came = {"read": 0, "refused": 0}
    for _ in range(1500):
        data = bytearray(raw)
        for _ in range(rng.randint(1, 3)):
            data[rng.randrange(begins, begins + 700)] = rng.choice((0, 255, rng.randrange(256)))
        at = data.index(b"PK\x01\x02")
        struct.pack_into("<I", data, at + 16, zipfile.crc32(pickle_in(data)))
        try:
            exchange.load(bytes(data))
            came["read"] += 1
        except EngineError:
            came["refused"] += 1
    assert min(came.values()) > 50


def pickle_in(data: bytes) -> bytes:
    """Return the bytes of the first member, whatever its checksum says."""
    size, name, more = struct.unpack_from("<IHH", data, 22)
    return bytes(data[30 + name + more : 30 + name + more + size])
