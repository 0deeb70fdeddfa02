"""Formats: inputs that optional libraries read, each made by that library and then damaged."""

from __future__ import annotations

import functools
import io
import itertools
import struct
import zlib
from collections.abc import Callable
from importlib.util import find_spec
from random import Random
from typing import Any

import numpy as np

from tests.fuzzing.damage import SIDES, dented, zipped
from tests.fuzzing.made import pictures_of_all_kinds

_COUNT = 6  # rows


def kinds() -> dict[str, Callable[[Random], bytes]]:
    """Return who makes what, of the formats whose libraries are installed."""
    return {name: make for name, (make, library) in _MAKERS.items() if find_spec(library)}


# Parquet ---------------------------------------------------------------------------------


def _tables() -> list[dict[str, Any]]:
    """Return columns of all the ways that images lie in tables."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (_COUNT, 4, 4), np.uint8)
    labels = (np.arange(_COUNT) % 3).tolist()
    raw = pictures_of_all_kinds()[:_COUNT]
    words = [("cat", "dog", "owl")[label] for label in labels]
    pixels = images.reshape(_COUNT, -1)
    return [
        {"image": [{"bytes": one, "path": None} for one in raw], "label": labels},
        {"image": [{"bytes": raw[0], "path": "a.png"}] * _COUNT, "label": words},
        {"image": raw, "n": labels},
        {"pixels": pixels.tolist(), "label": labels},
        {"pixels": (images / 255).tolist(), "class": words},
        {"label": labels} | {f"pixel{i}": column for i, column in enumerate(pixels.T)},
        {f"pixel{i}": column for i, column in enumerate(pixels.T)} | {"y": words},
        {"image": [{"bytes": None, "path": "a.png"}] * _COUNT, "label": labels},
        {"a": labels, "b": words},
        {"label": [-1] * _COUNT, "pixels": pixels.tolist()},
    ]


@functools.cache
def _parquets() -> list[bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    how = itertools.product(
        ("snappy", "none", "zstd", "gzip"),
        ({}, {"use_dictionary": False, "data_page_version": "2.0"}, {"row_group_size": 2}),
    )
    found = []
    for (packing, more), columns in itertools.product(how, _tables()):
        stream = io.BytesIO()
        pq.write_table(pa.table(columns), stream, compression=packing, **more)
        found.append(stream.getvalue())
    return found


def parquet(rng: Random) -> bytes:
    """Return a Parquet table, its pages, footer or pictures now and then false."""
    raw = rng.choice(_parquets())
    if rng.random() < 0.5:
        raw = _told_false(rng, raw)
    if rng.random() < 0.1:
        names = ("train-00000-of-00002.parquet", "train-00001-of-00002.parquet", "test.parquet")
        return zipped(rng, {name: raw for name in rng.sample(names, rng.randint(1, 3))})
    return dented(rng, raw)


def _told_false(rng: Random, raw: bytes) -> bytes:
    """Change bytes where a table says of itself what it holds: pages' heads, and the footer."""
    data = bytearray(raw)
    footer = int.from_bytes(data[-8:-4], "little")
    begins = max(4, len(data) - 8 - footer)
    for _ in range(rng.randint(1, 3)):
        at = rng.choice((rng.randint(4, min(60, begins)), rng.randrange(begins, len(data))))
        what = rng.random()
        if what < 0.5:
            data[at] = rng.choice((0, 1, 2, 0x15, 0x7F, 0x80, 0xFE, 0xFF, rng.randrange(256)))
        elif what < 0.8:  # a number of several bytes that says much more
            data[at : at + rng.randint(1, 5)] = b"\xff\xff\xff\xff\x0f"
        else:
            data[at : at + 4] = (rng.choice(SIDES) % 2**32).to_bytes(4, "little")
    return bytes(data)


# MATLAB and HDF5 -------------------------------------------------------------------------


def _sets() -> list[dict[str, np.ndarray]]:
    """Return arrays by the names and in the orders that such files have."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (_COUNT, 4, 4), np.uint8)
    labels = (np.arange(_COUNT) % 3).astype(np.uint8)
    codes = np.array([[label, 65 + label, 97 + label] for label in range(3)], float)
    rows = images.reshape(_COUNT, -1)
    return [
        {"x": images, "y": labels},
        {"X": images.transpose(1, 2, 0), "y": labels[:, None].astype(float)},
        {"data": rows.T, "label": labels[None]},
        {"dataset.train.images": rows, "dataset.train.labels": labels[:, None], "mapping": codes},
        {"x_train": images / 255, "y_train": labels, "x_test": images, "y_test": labels},
        {"train0": rows, "train1": rows, "test0": rows, "test1": rows},
        {"x": images.astype(np.int64), "y": labels, "z": np.zeros(0), "n": np.ones((2, 3, 4, 5))},
    ]


def mat(rng: Random) -> bytes:
    """Return a .mat file of version 5, its tags now and then false."""
    order = rng.choice("<<<>")
    elements = [
        _variable(rng, order, name.split("."), array) for name, array in rng.choice(_sets()).items()
    ]
    if rng.random() < 0.1:
        deep = _matrix(rng, order, "", np.ones((1, 1)))
        for _ in range(rng.choice((3, 9, 300))):
            deep = _struct(rng, order, "", "f", deep)
        elements.append(deep)
    if rng.random() < 0.5:
        elements = [_tag(order, 15, len(p)) + p for e in elements for p in [zlib.compress(e, 1)]]
    head = b"MATLAB 5.0 MAT-file, made here".ljust(124)
    head += struct.pack(order + "H", 0x0100) + (b"IM" if order == "<" else b"MI")
    raw = head + b"".join(elements)
    return dented(rng, raw) if rng.random() < 0.4 else raw


def _tag(order: str, kind: int, size: int) -> bytes:
    return struct.pack(order + "2L", kind, size)


def _element(rng: Random, order: str, kind: int, body: bytes) -> bytes:
    """Return an element, a small one as MATLAB packs it, with what it says now and then false."""
    size = rng.choice(SIDES) % 2**32 if rng.random() < 0.01 else len(body)
    kind = rng.randrange(20) if rng.random() < 0.01 else kind
    if len(body) <= 4 and size <= 4:
        return struct.pack(order + "L", size << 16 | kind) + body.ljust(4, b"\0")
    return _tag(order, kind, size) + body + bytes(-len(body) % 8)


def _matrix(rng: Random, order: str, name: str, array: np.ndarray) -> bytes:
    kind = {"u1": 2, "i8": 12, "f8": 9}[array.dtype.str[1:]]
    shape = [*array.shape, *[1] * (2 - array.ndim)]
    if rng.random() < 0.02:
        shape[rng.randrange(len(shape))] = rng.choice(SIDES) % 2**32
    flags = rng.choice((6, 9, 12, 1, 2, 4, 5, 17, 0x0806)) if rng.random() < 0.05 else 6
    body = array.astype(array.dtype.newbyteorder(order)).tobytes(order="F")
    return _wrapped(rng, order, flags, shape, name) + _element(rng, order, kind, body)


def _wrapped(rng: Random, order: str, flags: int, shape: list[int], name: str) -> bytes:
    parts = (
        (6, struct.pack(order + "2L", flags, 0)),
        (5, struct.pack(f"{order}{len(shape)}L", *shape)),
        (1, name.encode()),
    )
    return b"".join(_element(rng, order, kind, body) for kind, body in parts)


def _struct(rng: Random, order: str, name: str, field: str, inside: bytes) -> bytes:
    """Return the body of a struct with one field, of which the body is given."""
    fields = _element(rng, order, 5, struct.pack(order + "L", 32))
    fields += _element(rng, order, 1, field.encode().ljust(32, b"\0"))
    return _wrapped(rng, order, 2, [1, 1], name) + fields + _element(rng, order, 14, inside)


def _variable(rng: Random, order: str, path: list[str], array: np.ndarray) -> bytes:
    """Return an array as a variable of its own, in structs where its path has several names."""
    body = _matrix(rng, order, path[0] if len(path) == 1 else "", array)
    for place in range(len(path) - 1, 0, -1):
        body = _struct(rng, order, path[0] if place == 1 else "", path[place], body)
    return _element(rng, order, 14, body)


@functools.cache
def _hdf5s() -> list[bytes]:
    import h5py

    ways = (
        {}, {"compression": "gzip"}, {"compression": "gzip", "shuffle": True, "fletcher32": True},
        {"chunks": True}, {"compression": "lzf"},
    )  # fmt: skip
    found = []
    for how, arrays, matlab, version in itertools.product(
        ways, _sets(), (False, True), ("earliest", "latest")
    ):
        stream = io.BytesIO()
        with h5py.File(stream, "w", libver=version, userblock_size=512 * matlab) as file:
            for name, array in arrays.items():
                more = how if array.size else {}
                file.create_dataset(name.replace(".", "/"), data=array, **more)
        raw = stream.getvalue()
        found.append(b"MATLAB 7.3 MAT-file".ljust(512) + raw[512:] if matlab else raw)
    return found


def hdf5(rng: Random) -> bytes:
    """Return an HDF5 file, or one of MATLAB's, with numbers in it that are false."""
    raw = bytearray(rng.choice(_hdf5s()))
    for _ in range(rng.choice((0, 0, 0, 1, 1, 2, 4))):
        at = rng.randrange(len(raw))
        if rng.random() < 0.6:  # where something is said, and not in what fills the space
            marks = [m for m in (b"OHDR", b"TREE", b"SNOD", b"HEAP", b"BTHD", b"FRHP") if m in raw]
            at = raw.find(rng.choice(marks)) if marks else 0
            at += rng.randrange(200)
        what = rng.choice(
            (b"\0", b"\xff", b"\xff" * 8, b"\0" * 8, rng.randbytes(1), rng.randbytes(4))
        )
        raw[at : at + len(what)] = what
    return dented(rng, bytes(raw)) if rng.random() < 0.3 else bytes(raw)


def arff(rng: Random) -> bytes:
    """Return an ARFF, its attributes and rows now and then odd."""
    columns = rng.choice((2, 5, 10, 65))
    kinds = ("real", "NUMERIC", "integer", "string", "{0,1,2}", "{a,b}", "", "real {")
    lines = [rng.choice(("% a, b", "@relation x", "@RELATION 'a, b'"))]
    for i in range(columns):
        name = rng.choice((f"pixel{i}",) * 9 + ("class", "'q", "label", "id"))
        lines.append(f"@ATTRIBUTE {name} {kinds[0] if rng.random() < 0.98 else rng.choice(kinds)}")
    lines[-1] = f"@attribute {rng.choice(('class', 'x'))} {rng.choice(('{0,1,2}', 'real'))}"
    lines.append(rng.choice(("@DATA",) * 9 + ("@data  ", "", "@DATA\n% x", "@DATA\n{1 2}")))
    for _ in range(rng.randint(0, 9)):
        row = [*map(str, rng.randbytes(columns - 1)), str(rng.randrange(3))]
        if rng.random() < 0.05:
            row[rng.randrange(columns)] = rng.choice(("?", "'2'", "nan", "", "x", "1e99"))
        lines.append(",".join(row))
    raw = ("\n".join(lines) + "\n").encode()
    return dented(rng, raw) if rng.random() < 0.5 else raw


def libsvm(rng: Random) -> bytes:
    """Return a LIBSVM table, its rows now and then odd."""
    first, pixels = rng.choice((0, 1)), rng.choice((4, 16, 64, 784))
    lines = [] if rng.random() < 0.5 else [f"# indices are {rng.choice(('zero', 'one'))}-based"]
    for _ in range(rng.randint(1, 9)):
        places = sorted(rng.sample(range(pixels), rng.randint(0, min(pixels, 40))))
        if rng.random() < 0.8:
            places = [*range(pixels)]
        value = rng.choice((lambda: rng.randrange(256), lambda: rng.randrange(256), rng.random))
        pairs = [f"{place + first}:{value():.4g}" for place in places]
        if pairs and rng.random() < 0.03:
            pairs[rng.randrange(len(pairs))] = rng.choice(
                ("1:nan", "0:1", "1:1e99", "99999999:1", "2097152:1", "qid:3", "5", ":", "1:1:1")
            )
        odd = rng.choice(("1,2", "1.5", "300", "", "nan")) if rng.random() < 0.03 else ""
        label = odd or rng.choice("0 1 2 3 9 -1 +1".split())
        lines.append(" ".join([label, *pairs]) + rng.choice(("", "", " ", " # x")))
    raw = ("\n".join(lines) + "\n").encode()
    return dented(rng, raw) if rng.random() < 0.5 else raw


def words(rng: Random) -> bytes:
    """Return a CSV with words for labels, or with words among its numbers."""
    columns, mark = rng.choice((64, 64, 100, 3)), rng.choice(",,,;\t")
    place = rng.choice((0, 0, columns, columns, columns // 2))
    header = [f"p{i}" for i in range(columns)]
    header.insert(place, rng.choice(("label", "class", "x")))
    lines = [mark.join(header)] if rng.random() < 0.5 else []
    kinds = (("cat", "dog", "owl"), ("1", "2", "cat"), ('"a, b"', '"c"', "é"), ("a", "", "b c"))
    names = rng.choice((*kinds, ("1", "2", "3"), ("nan", "inf", "0x1"), ('"', 'a"b', "'")))
    for _ in range(rng.randint(1, 9)):
        row = [*map(str, rng.randbytes(columns))]
        if rng.random() < 0.05:
            row[rng.randrange(columns)] = rng.choice(("", "x", "0,5", "1e99", "nan", '"'))
        row.insert(place, rng.choice(names))
        lines.append(mark.join(row))
    raw = ("\n".join(lines) + "\n").encode()
    return dented(rng, raw) if rng.random() < 0.5 else raw


_MAKERS: dict[str, tuple[Callable[[Random], bytes], str]] = {
    "parquet": (parquet, "pyarrow"),
    "mat": (mat, "numpy"),
    "arff": (arff, "numpy"),
    "libsvm": (libsvm, "numpy"),
    "words": (words, "numpy"),
    "hdf5": (hdf5, "h5py"),
}
