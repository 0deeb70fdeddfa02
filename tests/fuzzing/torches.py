"""Torches: PyTorch's files of state dicts, as it writes them, without it; and then damaged.

torch.save has Python's own pickle write what it has, with storages aside. Here that very pickle
meets classes that are called as PyTorch's are.
"""

from __future__ import annotations

import functools
import io
import pickle
import sys
import types
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import numpy as np

from nnengine import Network
from nnengine.exchange.safetensors import state_dict
from nnengine.exchange.torch_pt import _STORAGES
from tests.fuzzing.damage import dented

_CALLED = {kind: name for name, kind in _STORAGES.items()}


class _Kind:
    """A class of storages, or a function, by its name alone."""

    def __init__(self, module: str, name: str) -> None:
        self.__module__, self.__qualname__, self.__name__ = module, name, name

    def __call__(self, *given: Any) -> None:
        raise AssertionError("called")

    def __reduce__(self) -> str:
        return self.__name__


class _Aside:
    """A storage, which a pickle refers to and does not hold."""

    def __init__(self, *words: Any) -> None:
        self.words = words


class _Tensor:
    def __init__(self, *given: Any) -> None:
        self.given = given

    def __reduce__(self) -> tuple:
        return LIKE.rebuild, self.given


class _Pickler(pickle.Pickler):
    def persistent_id(self, obj: Any) -> Any:
        return obj.words if isinstance(obj, _Aside) else None


class _Like:
    """What is called as PyTorch's things are."""

    def __init__(self) -> None:
        self.rebuild = _Kind("torch._utils", "_rebuild_tensor_v2")
        self.storages = {name: _Kind("torch", name) for name in _STORAGES}

    def tensor(self, kind: str, key: str, count: int, *view: Any) -> _Tensor:
        aside = _Aside("storage", self.storages[kind], key, "cpu", count)
        return _Tensor(aside, *view, False, OrderedDict())

    def pickled(self, what: Any, protocol: int = 2) -> bytes:
        stream = io.BytesIO()
        with self._known():
            _Pickler(stream, protocol).dump(what)
        return stream.getvalue()

    @contextmanager
    def _known(self) -> Iterator[None]:
        """Have pickle find these names where they would be, as long as it writes."""
        before = {name: sys.modules.get(name) for name in ("torch", "torch._utils")}
        top, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
        vars(top).update(self.storages)
        vars(utils)["_rebuild_tensor_v2"] = self.rebuild
        sys.modules |= {"torch": top, "torch._utils": utils}
        try:
            yield
        finally:
            for name, module in before.items():
                sys.modules.pop(name)
                if module is not None:
                    sys.modules[name] = module


LIKE = _Like()


class _StateDict(OrderedDict):
    """One with versions of layers beside it, as PyTorch's have."""

    def __reduce__(self) -> tuple:
        versions = OrderedDict({"": {"version": 1}, "0": {"version": 1}})
        return OrderedDict, (), {"_metadata": versions}, None, iter(self.items())


def state_file(
    arrays: dict[str, np.ndarray], *, kind: str = "", wrapped: str = "", shared: bool = False,
    big: bool = False, protocol: int = 2,
) -> bytes:  # fmt: skip
    """Return what torch.save makes of a state dict with these arrays.

    kind: of numbers, where they are no longer what they are. wrapped: the key that it lies under,
    beside other things. shared: all are views of what the first one is a view of.
    """
    storages: list[bytes] = []
    tensors, bases = _StateDict(), {}
    for name, array in arrays.items():
        base = next(iter(arrays.values())).base if shared else array
        if id(base) not in bases:
            bases[id(base)] = str(len(storages))
            storages.append(_raw(base, kind, big))
        held = kind or base.dtype.str[1:]
        offset = (_begins(array) - _begins(base)) // array.itemsize
        strides = tuple(side // array.itemsize for side in array.strides)
        tensors[name] = LIKE.tensor(
            _CALLED[held], bases[id(base)], base.size, offset, array.shape, strides
        )
    what: Any = tensors
    if wrapped:
        steps = {"state": {0: {"step": 3, "lr": 0.5}}, "param_groups": [{"params": [0, 1]}, None]}
        what = {"epoch": 70_000, wrapped: tensors, "optimizer": steps, "loss": 0.25, "best": True}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("model/data.pkl", LIKE.pickled(what, protocol))
        archive.writestr("model/byteorder", b"big" if big else b"little")
        for number, raw in enumerate(storages):
            archive.writestr(f"model/data/{number}", raw)
        archive.writestr("model/version", b"3\n")
    return stream.getvalue()


def _begins(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def _raw(base: np.ndarray, kind: str, big: bool) -> bytes:
    flat = base.ravel(order="K")
    if kind == "bf16":
        flat = (np.ascontiguousarray(flat, np.float32).view(np.uint32) >> 16).astype(np.uint16)
    elif kind:
        flat = flat.astype(kind)
    return flat.astype(flat.dtype.newbyteorder(">" if big else "<")).tobytes()


# Damaged -------------------------------------------------------------------------------------


@functools.cache
def _whole() -> list[bytes]:
    nets = [Network.build([16, 3], rng=1), Network.build([64, 5], rng=2, dtype=np.float64)]
    return [
        state_file(state_dict(net), **more)
        for net in nets
        for more in ({}, {"kind": "f2"}, {"kind": "bf16"}, {"big": True}, {"wrapped": "model"},
                     {"protocol": 3})
    ]  # fmt: skip


def pt(rng: Random) -> bytes:
    """Return a .pt whose pickle, or whose zip, is now and then false."""
    raw, what = rng.choice(_whole()), rng.random()
    if what < 0.2:
        return raw
    if what < 0.4:
        return dented(rng, raw)
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["model/data.pkl"] = _odd_pickle(rng, members["model/data.pkl"])
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, held in members.items():
            archive.writestr(name, held)
    return stream.getvalue()


def _odd_pickle(rng: Random, raw: bytes) -> bytes:
    data = bytearray(raw)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(2, len(data))
        kind = rng.random()
        if kind < 0.4:
            data[at] = rng.choice(b"(.NKMJ\x88\x89\x8aGX)t]ae}suqrhjcQRb\x85\x86\x87\x8c\x93\x81i")
        elif kind < 0.7:
            data[at] = rng.choice((0, 1, 2, 127, 128, 255, rng.randrange(256)))
        elif kind < 0.8:
            data[at : at + 4] = rng.choice((b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\xff" * 4))
        elif kind < 0.9:
            piece = data[at : at + rng.randint(1, 40)]
            data[at:at] = piece * rng.choice((1, 3, 300))
        else:
            evil = (
                b"cos\nsystem\n",
                b"c__builtin__\neval\n(X\1\0\0\x001tR",
                b"(" * 9000,
                b"}" * 9000,
            )
            data[at:at] = rng.choice(evil)
    return bytes(data)


def bombs() -> list[bytes]:
    """Return pickles of as many bytes as are read, of what takes the most time or memory."""
    most = 2**20 - 3
    found = []
    for piece in (b"}", b"(", b")\x85", b"Nq\0", b"]", b"}h\0", b"N\x85" + b"\x85" * 7, b"}q\0N"):
        raw = b"\x80\x02}q\0" + piece * (most // len(piece) - 8) + b"."
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("m/data.pkl", raw)
        found.append(stream.getvalue())
    assert all(zlib.crc32(raw) for raw in found)
    return found
