"""Entries: which compiled kernels a browser gets, with the types of their arguments.

`i8`: a number; `u1:2`: an array, C-contiguous, of so many dimensions; `int:1`: an array that is
only read, of whole numbers, which come as int64 (NumPy's own have 32 bits in a browser). The
names are those of the functions marked `compiled`; a kernel is called with the first list of
types that its arguments fit.
"""

from __future__ import annotations

from pathlib import Path

_LISTS = "int:1", "u2:1", "u1:1"
_SLOTS = "int:1", "u2:1", "u1:1", "int:1", "u1:1", "u1:1"
_BATCHES = "int:1", "u1:1", "int:1", "f8:2"
_DATA = _LISTS, "i8:2", "u1:2"
_NETWORK = "int:2", "f4:1", "f4:1", "i8", ("f4:1", "f4:1"), "f4:1", "f4:1"
_ROOMS = "f4:1", "f4:1", "f4:1", "f4:1", "u1:2", "f4:1", "i8:4"
_REST = "f4:1", "int:2", "f8:2", "f4:2"
_WINDOWS = "u1:2", "i8:1", "u1:1", "u1:2", "f4:1", "f8:2", "f4:2"
_SIDE_BY_SIDE = "f4:2", "f4:2", "f4:2", "f4:1", "f4:2"
_BOXES = "u1:1", "u1:1", "u4:1", "u4:1", "i4:1", "i4:1"


def _reals(*types: str) -> list[tuple[str, ...]]:
    """Return the same types for float32 and for float64: `f` stands for either."""
    return [tuple(t.replace("f", real) for t in types) for real in ("f4", "f8")]


ENTRIES: dict[str, list[tuple]] = {
    "_bytes_forward": _reals("u1:2", "f", "f:2", "f:1", "f:2"),
    "_bytes_backward": _reals("u1:2", "f", "f:2", "f:2", "f:1"),
    "count_pixels": [("u1:2", "i8:1")],
    "pack_pixels": [("u1:2", "int:1", "u2:1", "u1:1")],
    "_steps": [
        (
            ("i8", _BATCHES, "f8:1", "i8:1", "i8:1", "i8:1")
            + (_DATA, _NETWORK, ("f4:1", "f4:1", "f4:1"), _ROOMS, _REST)
        )
    ],
    "_window_steps": [
        (
            ("i8", (*_BATCHES, "u1:2"), "f8:1", "i8:1", "i8:1", "i8:1", _WINDOWS)
            + (("int:2", "int:1", "f4:1", "f4:1", "f4:1"), ("f4:1", "f4:1", "f4:1"))
            + (_SIDE_BY_SIDE, ("f4:1", "int:2", "f8:2"))
        )
    ],
    "_sliced_gradient": [(_SLOTS, "i8", "u1:1", "f4", "int:2", *["f4:1"] * 6)],
    "_probabilities": [
        (
            ("u1:2", "f4:1", "int:2", "f4:1", "f4:1", "i8", ("f4:1", "f4:1"))
            + (("i8:1", "u2:1", "u1:1"), "i8:2", "f4:1", "f4:1", "f4:2")
        )
    ],
    "_distort": [
        ("u1:1", "int:1", "i4:2", "i2:1", "i1:1", "i4:1", _BOXES, "i4", "u1:1"),
    ],
    "activate": _reals("f:2", "i8"),
    "activation_backward": _reals("f:2", "f:2", "i8"),
    "softmax": _reals("f:2", "f:2"),
    "softmax_cross_entropy": _reals("f:2", "u1:1", "f", "f:2"),
    "sgd": _reals("f:1", "f:1", "f"),
    "momentum": _reals("f:1", "f:1", "f:1", "f", "f"),
    "adam": _reals("f:1", "f:1", "f:1", "f:1", "f", "f", "f", "f"),
}
GIVES = {  # what kernels return, number by number; others return nothing
    "_steps": "q",
    "_window_steps": "q",
    "_sliced_gradient": "dq",
    "softmax_cross_entropy": "dq",
}

# Words of 64 bits that a kernel reads its arguments from, as objects or numbers, and leaves what
# it returns in: NumPy's type of arrays, which argument did not fit, two numbers, the arguments.
KIND, MISFIT, FOUND, ARGUMENTS = 0, 1, 2, 4
WORDS = 64
FITS = -1

SECTION = "nnengine"  # of the module, where the digest of the sources stands
_HEADER = 8  # bytes of a module before its first section
FILE = Path(__file__).with_name("kernels.wasm")


def flat(types: tuple | str) -> list[str]:
    """Return the types of what a tuple of arguments holds, whatever it is nested in."""
    return [types] if isinstance(types, str) else [t for inner in types for t in flat(inner)]


def symbol(name: str, variant: int) -> str:
    """Return what an entry is called in the module."""
    return f"{name.lstrip('_')}_{variant}"


def made_from(raw: bytes) -> str | None:
    """Return the digest of the sources that a module was made from; None if it names none."""
    at, name = _HEADER, SECTION.encode()
    while at < len(raw):
        size, start = _number(raw, at + 1)
        length, begin = _number(raw, start)
        if raw[at] == 0 and raw[begin : begin + length] == name:
            return raw[begin + length : start + size].decode("ascii", "replace")
        at = start + size
    return None


def _number(raw: bytes, at: int) -> tuple[int, int]:
    """Return a number as modules hold it, seven bits a byte, and where what follows begins."""
    number = shift = 0
    for end, byte in enumerate(raw[at : at + 5], at + 1):
        number |= (byte & 127) << shift
        if byte < 128:
            return number, end
        shift += 7
    return 0, len(raw)  # cut short, or none at all
