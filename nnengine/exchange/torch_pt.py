"""PyTorch's .pt: state dicts read by a walker that can build tensors, and nothing else.

Such a file is a zip of a pickle, `data.pkl`, and of the numbers it speaks of. A pickle is a
program, so it is never loaded: a fixed list of its instructions is gone through here, in which a
name is one of a fixed few, looked up in a table and never imported, and a call is one of three
things that are written out below. Whatever else stands in it is refused by name.
"""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..core.network import Network
from ..errors import FormatError
from ..storage.modelfile import zip_faults
from .loose import Told, network_of

MAX_PICKLE_BYTES = 2**20  # a state dict of a thousand tensors has 150 kB
MAX_MEMBERS = 5000
MAX_TENSORS = 1000
_HELD_IN = ("state_dict", "model_state_dict", "model")  # beside an epoch and an optimizer
_FIRST = re.compile(rb"[^/]{1,200}/(data\.pkl|constants\.pkl|data/\d+)")
_WAY_OUT = (
    'safetensors.torch.save_file(model.state_dict(), "model.safetensors") makes a file that is read'
)
# PyTorch's storages, and how their numbers lie. bfloat16: the upper half of a float32.
_STORAGES = {
    "DoubleStorage": "f8", "FloatStorage": "f4", "HalfStorage": "f2", "BFloat16Storage": "bf16",
    "LongStorage": "i8", "IntStorage": "i4", "ShortStorage": "i2", "CharStorage": "i1",
    "ByteStorage": "u1", "BoolStorage": "b1",
}  # fmt: skip
_NAMES = {
    ("collections", "OrderedDict"), ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"), *(("torch", name) for name in _STORAGES),
}  # fmt: skip


def matches(head: bytes, size: int) -> bool:
    """Tell whether a file is a zip that begins as PyTorch's do, programs (torch.jit) among them."""
    name = head[30 : 30 + int.from_bytes(head[26:28], "little")]
    return head.startswith(b"PK\x03\x04") and _FIRST.fullmatch(name) is not None


def read(data: bytes, told: Told) -> Network:
    """Return the network that a state dict is; `told` says what stands between its layers.

    Raises FormatError for what is no state dict, and what `loose.network_of` does.
    """
    return network_of(state_dict_of(data), told)


def state_dict_of(data: bytes) -> dict[str, np.ndarray]:
    """Return the arrays in a state dict by their names, copies; halves become float32.

    Raises FormatError for a file that is damaged, or holds anything but tensors by name.
    """
    if data.count(b"PK\x01\x02") > MAX_MEMBERS:
        raise FormatError(f"a zip with more than {MAX_MEMBERS:,} members: no model has as many")
    with zip_faults(), zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = _Files(archive, len(data))
        tensors = _named(Walker(files.pickle()).value())
        arrays = {name: files.array(name, tensor) for name, tensor in tensors.items()}
    strange = [name for name, one in arrays.items() if one.dtype.kind != "f" and one.ndim]
    if strange:
        kind = arrays[strange[0]].dtype
        raise FormatError(f"{strange[0][:80]!r} holds {kind}: data, or no weights: {_WAY_OUT}")
    return arrays


# What a pickle may speak of ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Name:
    """A name of the table above: a word, and nothing that could be called."""

    module: str
    name: str


@dataclass(frozen=True, slots=True)
class Storage:
    """Numbers in a member of the zip."""

    key: str
    kind: str
    count: int


@dataclass(frozen=True, slots=True)
class Tensor:
    """A view of a storage, in numbers of its kind."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _named(found: Any) -> dict[str, Tensor]:
    """Return the tensors of a state dict, which may lie in a dict with an epoch and so on."""
    for key in _HELD_IN:
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
            break
    if not isinstance(found, dict) or not found or len(found) > MAX_TENSORS:
        raise FormatError(f"holds no state dict of at most {MAX_TENSORS:,} tensors: {_WAY_OUT}")
    for name, one in found.items():
        if not isinstance(name, str) or not isinstance(one, Tensor):
            raise FormatError(f"holds {str(name)[:80]!r}, which is no tensor: {_WAY_OUT}")
    return found


# The walker ----------------------------------------------------------------------------------


class Walker:
    """Goes through the instructions of a pickle, of protocol 2 or 3, with a stack and a memo.

    pickletools describes them. What it builds: numbers, texts, tuples, lists, dicts, and the three
    classes above. Each instruction takes some bytes, so that there are no more steps, and nothing
    larger, than the pickle has bytes.
    """

    def __init__(self, raw: bytes) -> None:
        self.raw, self.at = raw, 0
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def value(self) -> Any:
        """Return what the pickle describes; FormatError for what is not in the list."""
        if self._take(1) != b"\x80" or self._number(1) not in (2, 3):
            raise FormatError(f"its pickle is not of protocol 2 or 3: {_WAY_OUT}")
        while True:
            code = self._take(1)
            if code == b".":
                return self._pop()
            step = _STEPS.get(code)
            if step is None:
                raise FormatError(f"its pickle has the instruction {code!r}, which {_NO_TENSOR}")
            step(self)

    def _take(self, size: int) -> bytes:
        found = self.raw[self.at : self.at + size]
        if len(found) < size:
            raise _damaged("ends too soon")
        self.at += size
        return found

    def _number(self, size: int) -> int:
        return int.from_bytes(self._take(size), "little")

    def _pop(self) -> Any:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise _damaged("takes what is not there")
        return self.stack.pop()

    def _from_mark(self) -> list[Any]:
        if not self.marks:
            raise _damaged("takes what is not there")
        at = self.marks.pop()
        found = self.stack[at:]
        del self.stack[at:]
        return found

    def _top(self, kind: type) -> Any:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise _damaged("adds to nothing")
        if type(self.stack[-1]) is not kind:
            raise _damaged("adds to what is none of it")
        return self.stack[-1]

    # One instruction each --------------------------------------------------------------------

    def put(self, size: int) -> None:
        if not self.stack:
            raise _damaged("keeps what is not there")
        self.memo[self._number(size)] = self.stack[-1]

    def get(self, size: int) -> None:
        place = self._number(size)
        if place not in self.memo:
            raise _damaged("uses what was never kept")
        self.stack.append(self.memo[place])

    def long(self) -> None:
        self.stack.append(int.from_bytes(self._take(self._number(1)), "little", signed=True))

    def text(self) -> None:
        try:
            self.stack.append(self._take(self._number(4)).decode("utf-8"))
        except UnicodeDecodeError:
            raise _damaged("has a text that is none") from None

    def tuple_of(self, count: int) -> None:
        found = [self._pop() for _ in range(count)][::-1]
        self.stack.append(tuple(found))

    def set_items(self, found: list[Any]) -> None:
        into = self._top(dict)
        if len(found) % 2 or not all(isinstance(key, (str, int)) for key in found[::2]):
            raise _damaged("has names that are none")
        into.update(zip(found[::2], found[1::2], strict=True))

    def pair(self) -> None:
        value, key = self._pop(), self._pop()
        self.set_items([key, value])

    def name(self) -> None:
        """Look a name up in the table. Nothing is imported, whatever it says."""
        words = []
        for _ in range(2):
            end = self.raw.find(b"\n", self.at, self.at + 200)
            if end < 0:
                raise _damaged("has a name without an end")
            words.append(self._take(end + 1 - self.at)[:-1].decode("latin-1"))
        module, name = words
        if (module, name) not in _NAMES:
            what = "a network as a program" if module.startswith("__torch__") else "an object"
            raise FormatError(
                f"holds {f'{module}.{name}'[:80]!r}, {what}, and no tensors alone; it could run "
                f"any program when loaded, so it never is. {_WAY_OUT}"
            )
        self.stack.append(Name(module, name))

    def storage(self) -> None:
        """Take ("storage", kind, member, where, count) for what it stands for."""
        match self._pop():
            case ("storage", Name("torch", kind), str(key), str(), int(count)):
                if not re.fullmatch(r"[0-9]{1,9}", key, re.ASCII) or not 0 <= count < 2**48:
                    raise _damaged("speaks of numbers that cannot be")
                self.stack.append(Storage(key, _STORAGES[kind], count))
            case _:
                raise _damaged("speaks of what is no storage")

    def call(self) -> None:
        """Do one of the three things that a state dict asks for; no function is ever called."""
        given, called = self._pop(), self._pop()
        match called, given:
            case Name("collections", "OrderedDict"), ():
                self.stack.append({})
            case Name("torch._utils", "_rebuild_tensor_v2"), (
                Storage() as storage, int(offset), tuple(shape), tuple(strides), *_,
            ):  # fmt: skip
                self.stack.append(_view(storage, offset, shape, strides))
            case Name("torch._utils", "_rebuild_parameter"), (Tensor() as tensor, *_):
                self.stack.append(tensor)
            case _:
                raise _damaged("asks for a tensor in a way that none is made")

    def build(self) -> None:
        """Pass over what an OrderedDict carries besides: versions of layers."""
        self._pop()
        self._top(dict)


_NO_TENSOR = f"no state dict needs: {_WAY_OUT}"
_STEPS: dict[bytes, Callable[[Walker], Any]] = {
    b"(": lambda w: w.marks.append(len(w.stack)),
    b"N": lambda w: w.stack.append(None),
    b"\x88": lambda w: w.stack.append(True),
    b"\x89": lambda w: w.stack.append(False),
    b"K": lambda w: w.stack.append(w._number(1)),
    b"M": lambda w: w.stack.append(w._number(2)),
    b"J": lambda w: w.stack.append(struct.unpack("<i", w._take(4))[0]),
    b"\x8a": Walker.long,
    b"G": lambda w: w.stack.append(struct.unpack(">d", w._take(8))[0]),
    b"X": Walker.text,
    b")": lambda w: w.stack.append(()),
    b"\x85": lambda w: w.tuple_of(1),
    b"\x86": lambda w: w.tuple_of(2),
    b"\x87": lambda w: w.tuple_of(3),
    b"t": lambda w: w.stack.append(tuple(w._from_mark())),
    b"]": lambda w: w.stack.append([]),
    b"a": lambda w: [w._pop(), w._top(list)],  # lists of an optimizer: of no use, and left empty
    b"e": lambda w: [w._from_mark(), w._top(list)],
    b"}": lambda w: w.stack.append({}),
    b"s": Walker.pair,
    b"u": lambda w: w.set_items(w._from_mark()),
    b"q": lambda w: w.put(1),
    b"r": lambda w: w.put(4),
    b"h": lambda w: w.get(1),
    b"j": lambda w: w.get(4),
    b"c": Walker.name,
    b"Q": Walker.storage,
    b"R": Walker.call,
    b"b": Walker.build,
}


def _damaged(how: str) -> FormatError:
    return FormatError(f"its pickle {how}: damaged, or written by no PyTorch; save it again")


def _view(storage: Storage, offset: int, shape: tuple, strides: tuple) -> Tensor:
    """Return a view that lies within its storage, and is no larger than it."""
    whole = all(type(n) is int and 0 <= n < 2**48 for n in (offset, *shape, *strides))
    if not whole or len(shape) != len(strides) or len(shape) > 8:
        raise _damaged("asks for a tensor of a shape that cannot be")
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    size = math.prod(shape)
    if size and last >= storage.count or size > storage.count:
        raise FormatError(
            f"a tensor of shape {shape} lies outside its {storage.count:,} numbers: damaged"
        )
    return Tensor(storage, offset, shape, strides)


# Numbers -------------------------------------------------------------------------------------


class _Files:
    """The members of such a zip; together they give no more bytes than the file has."""

    def __init__(self, archive: zipfile.ZipFile, size: int) -> None:
        self.archive, self.left, self.copied = archive, size, 2 * size  # tied weights: twice
        self.members = {info.filename: info for info in archive.infolist()}
        if len(self.members) != len(archive.infolist()):
            raise FormatError("a zip in which two members have the same name: damaged")
        pickles = [name for name in self.members if re.fullmatch(r"[^/]+/data\.pkl", name)]
        if len(pickles) != 1:
            raise FormatError("a zip with several data.pkl, or none in a folder: not of PyTorch")
        self.stem = pickles[0].removesuffix("data.pkl")
        if self.stem + "constants.pkl" in self.members:
            raise FormatError(f"a network as a program, as torch.jit.save writes it: {_WAY_OUT}")
        order = self.stem + "byteorder"
        big = order in self.members and self._raw("byteorder", 16).strip() == b"big"
        self.order: Literal["<", ">"] = ">" if big else "<"
        self.known: dict[Storage, np.ndarray] = {}

    def pickle(self) -> bytes:
        return self._raw("data.pkl", MAX_PICKLE_BYTES)

    def _raw(self, name: str, most: int) -> bytes:
        info = self.members.get(self.stem + name)
        if info is None:
            raise FormatError(f"{name} is not in the zip: cut short, or damaged")
        if info.compress_type != zipfile.ZIP_STORED or info.file_size > min(most, self.left):
            raise FormatError(
                f"{name} is packed, or has {info.file_size:,} bytes, more than are read: "
                f"no file of PyTorch's is so; {_WAY_OUT}"
            )
        self.left -= info.file_size
        with self.archive.open(info) as member:
            return member.read(info.file_size)

    def array(self, name: str, tensor: Tensor) -> np.ndarray:
        """Return a tensor's numbers, in rows, as a copy of its own."""
        held = self._storage(name, tensor.storage)
        steps = tuple(step * held.itemsize for step in tensor.strides)
        view = np.lib.stride_tricks.as_strided(held[tensor.offset :], tensor.shape, steps)
        self.copied -= 2 * view.nbytes if tensor.storage.kind == "bf16" else view.nbytes
        if self.copied < 0:
            raise FormatError("its tensors are more than the file holds: many are views of one")
        if tensor.storage.kind == "bf16":
            return (view.astype(np.uint32) << 16).view(np.float32)
        wide = np.dtype("f4") if tensor.storage.kind == "f2" else held.dtype.newbyteorder("=")
        return np.ascontiguousarray(view.astype(wide)).reshape(tensor.shape)

    def _storage(self, name: str, storage: Storage) -> np.ndarray:
        if storage not in self.known:
            kind = np.dtype("u2" if storage.kind == "bf16" else storage.kind)
            raw = self._raw(f"data/{storage.key}", self.left)
            if len(raw) != storage.count * kind.itemsize:
                raise FormatError(
                    f"{name[:80]!r} has {len(raw):,} bytes of numbers, and is said to have "
                    f"{storage.count:,} of {kind.itemsize}: damaged"
                )
            self.known[storage] = np.frombuffer(raw, kind.newbyteorder(self.order))
        return self.known[storage]
