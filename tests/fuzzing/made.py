"""Made: one input of each kind, whole or nearly so, from a generator of random numbers."""

from __future__ import annotations

import functools
import gzip
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from dashboard.runs.fields import hideable, rows
from nnengine import Network, TrainingConfig, training
from nnengine.data.dataset import Dataset
from nnengine.storage import checkpoint, links, modelfile
from nnengine.training.state import TrainingState
from tests.fuzzing import stills, torches
from tests.fuzzing.damage import (
    ODD,
    SIDES,
    as_png,
    as_text,
    dented,
    odd_json,
    png_chunks,
    tarred,
    zipped,
)  # fmt: skip

RARE = 0.001  # share of inputs that unpack to far more than they are: each takes up to a second
_KINDS = ("|u1", "<u2", "<i4", "<i8", "<f2", "<f4", ">f8", "|b1", "|i1", "<U4", "|O", "<c16", "|V9")


def _pixels(rng: Random, count: int) -> bytes:
    return (
        rng.randbytes(count) if rng.random() < 0.8 else bytes([rng.choice((0, 1, 9, 255))]) * count
    )


def idx(rng: Random) -> bytes:
    """Return an IDX file, of images or labels more often than of anything else."""
    code = rng.choice((8,) * 12 + (9, 0x0B, 0x0C, 0x0D, 0x0E, 0x0A, 0))
    shape = [rng.randint(1, 6) for _ in range(rng.choice((0, 1, 1, 1, 2, 3, 3, 3, 3, 4, 5)))]
    size = {9: 1, 8: 1, 0x0B: 2, 0x0E: 8}.get(code, 4)
    data = _pixels(rng, int(np.prod(shape)) * size)
    if shape and rng.random() < 0.2:
        shape[rng.randrange(len(shape))] = rng.choice(SIDES)
    return dented(rng, struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape) + data)


def _npy(rng: Random, shape: tuple[int, ...], kind: str | None = None) -> bytes:
    kind = kind or rng.choice((*_KINDS, *("|u1",) * 12))
    size = int(kind[2:]) if kind[2:].isdigit() else 8
    data = (
        _pixels(rng, int(np.prod(shape)) * size)
        if rng.random() < 0.6
        else bytes(int(np.prod(shape)) * size)
    )
    said = list(map(str, shape))
    if rng.random() < 0.12:
        said = rng.choice((
            ["1"] * 65, ["0", "1" + "0" * 17, "9" * 18], ["9" * 25], [*said, "0"], [],
            [str(side) for side in rng.sample(SIDES, 3)],
        ))  # fmt: skip
    order = "True" if rng.random() < 0.1 else "False"
    text = f"{{'descr': '{kind}', 'fortran_order': {order}, 'shape': ({', '.join(said)},), }}"
    text = text.replace("(,)", "()")
    version = rng.choice((1,) * 12 + (2, 3, 9))
    body = text.encode() + b" " * (-(len(text) + 11) % 64) + b"\n"
    length = len(body).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + body + data


def npy(rng: Random) -> bytes:
    """Return a NumPy array, of any type and order."""
    count = rng.randint(0, 9)
    shape = rng.choice(
        ((count,), (count, 16), (count, 4, 4), (count, 3, 4, 4), (count, 4, 4, 3), (), (count, 5))
    )
    return dented(rng, _npy(rng, shape))


def npz(rng: Random) -> bytes:
    """Return arrays of images and labels in a zip."""
    members, count = {}, rng.randint(1, 9)
    for part in rng.choice(
        (("_train", "_test"), ("",), ("",), ("_train", "_test", "_val"), ("_train", ""))
    ):
        kind = rng.choice(("|u1", "|u1", "|u1", "|u1", "<f4", None))
        members[f"x{part}.npy"] = _npy(
            rng, rng.choice(((count, 4, 4), (count, 16), (count, 3, 4, 4))), kind
        )
        label_kind = rng.choice(("|u1", "|u1", "|u1", "|b1", "<i8"))
        members[f"y{part}.npy"] = _npy(rng, rng.choice(((count,),) * 5 + ((count, 3),)), label_kind)
    if rng.random() < 0.2:
        members[
            rng.choice(("a.txt", "header.npy", "deep/x.npy", "../x.npy", ".hidden", "z.zip"))
        ] = rng.randbytes(20)
    raw = zipped(rng, members)
    return dented(rng, raw) if rng.random() < 0.4 else raw


def csv(rng: Random) -> bytes:
    """Return a table of small images, with or without a header, its numbers now and then odd."""
    columns, mark = rng.choice((2, 3, 5, 10, 17, 65)), rng.choice(",,,;\t")
    lines = []
    if rng.random() < 0.6:
        names = [rng.choice(("label", "class", "y", "id", "", "index"))] + [
            f"pixel{i}" for i in range(columns - 1)
        ]
        if rng.random() < 0.3:
            names[-1] = rng.choice(
                ("28x28", "1x4", "9" * 5000 + "x1", "4x4", "label", '"q', "label\u0663x4")
            )
        rng.random() < 0.2 and rng.shuffle(names)
        lines.append(mark.join(names))
    odd = rng.random() < 0.3
    numbers = (
        "1e999",
        "nan",
        "-1",
        "256",
        ".5",
        '"3"',
        " 7 ",
        "1_0",
        "\u0663",
        "1" * 400,
        "x",
        "",
        "0x1",
        "1e-400",
    )
    for _ in range(rng.randint(0, 12)):
        row = [str(rng.randint(0, 9)), *(str(b) for b in rng.randbytes(columns - 1))]
        if odd and rng.random() < 0.5:
            row[rng.randrange(columns)] = rng.choice(numbers)
        lines.append(mark.join(row))
    end = rng.choice(("\n", "\n", "\r\n", "\r", f"{mark}\n", " \n"))
    text = end.join(lines) + rng.choice(("", "\n", "\n\n", end))
    if rng.random() < 0.1:
        text = text.replace(mark, rng.choice((" ", "  ", "\t ")))
    raw = rng.choice((b"", b"", b"\xef\xbb\xbf", b"\n", b"sep=;\n")) + text.encode()
    raw = text.encode("utf-16") if rng.random() < 0.08 else raw
    return dented(rng, raw) if rng.random() < 0.6 else raw


# Pictures --------------------------------------------------------------------------------


@functools.cache
def pictures_of_all_kinds() -> list[bytes]:
    """Return whole pictures in all the ways that PNG and JPEG know."""
    rng, found = np.random.default_rng(0), []
    for mode, shape in (
        ("L", (8, 8)),
        ("RGB", (8, 8, 3)),
        ("RGBA", (9, 7, 4)),
        ("LA", (5, 5, 2)),
        ("L", (40, 30)),
    ):
        image = Image.fromarray(rng.integers(0, 256, shape, np.uint8), mode)
        for options in ({}, {"interlace": 1}, {"compress_level": 0}):
            found.append(_saved(image, "PNG", **options))
        found.append(_saved(image.convert("P"), "PNG", transparency=3))
        found.append(_saved(image.convert("1"), "PNG"))
        for options in (
            {},
            {"progressive": True},
            {"subsampling": 0, "quality": 100},
            {"exif": b"Exif\0\0II*\0\10\0\0\0\0\0"},
        ):
            found.append(_saved(image.convert("RGB"), "JPEG", **options))
        found.append(_saved(image.convert("CMYK"), "JPEG"))
        found += [_saved(image.convert("RGB"), kind) for kind in ("BMP", "GIF", "TIFF", "WEBP")]
        found.append(_saved(image.convert("L"), "TIFF", compression="tiff_lzw"))
    found.append(_saved(Image.fromarray(rng.integers(0, 65536, (8, 8)).astype(np.uint16)), "PNG"))
    return found


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def picture(rng: Random) -> bytes:
    """Return a PNG or JPEG: its chunks moved, its header made false, its segments repeated."""
    raw, what = rng.choice(pictures_of_all_kinds()), rng.random()
    if what < 0.25:
        return raw
    if what < 0.5:
        return dented(rng, raw)
    if raw.startswith(b"\xff\xd8"):
        return _odd_jpeg(rng, raw)
    if not raw.startswith(b"\x89PNG"):
        return dented(rng, dented(rng, raw))
    chunks = png_chunks(raw)
    for _ in range(rng.randint(1, 3)):
        _odd_chunk(rng, chunks)
    return as_png(chunks)


def _odd_jpeg(rng: Random, raw: bytes) -> bytes:
    at = raw.find(b"\xff\xda") if rng.random() < 0.5 else 2
    scan = b"\xff\xda\0\10\1\1\0\0\77\0"
    parts = (b"\xff\xfe\0\2", b"\xff\xff", b"\xff\xe1\0\10Exif\0\0", scan, raw[at : at + 40])
    return raw[:at] + rng.choice(parts) * rng.choice((1, 5, 100, 3000)) + raw[at:]


def _odd_chunk(rng: Random, chunks: list[tuple[bytes, bytes]]) -> None:
    """Change, repeat or add one chunk of a PNG; its header is made false in what it says."""
    at = rng.randrange(len(chunks))
    name, content = chunks[at]
    what = rng.randrange(4)
    if name == b"IHDR" and what < 2:
        sides = struct.pack(">2L", rng.choice(SIDES), rng.choice(SIDES))
        depth, colour = rng.choice((1, 2, 4, 8, 16, 3)), rng.choice((0, 2, 3, 4, 6, 9))
        said = bytes([depth, colour, 0, 0, rng.choice((0, 1))])
        chunks[at] = name, (sides + content[8:], content[:8] + said)[what]
    elif what == 2:
        chunks[at:at] = [chunks[at]] * rng.choice((1, 3, 300))
    elif what == 3:
        text = b"k\0\0" + zlib.compress(bytes(rng.choice((10, 10**6))))
        more = ((b"zTXt", text), (b"iCCP", text), (b"acTL", bytes(8)), (b"IDAT", b""))
        chunks.insert(at, rng.choice((*more, (b"tRNS", rng.randbytes(3)))))
    else:
        chunks[at] = name, dented(rng, content)


def pictures(rng: Random) -> bytes:
    """Return a zip of pictures in folders or named by class, with other files among them."""
    members = {}
    deep = rng.random() < 0.6
    for number in range(rng.randint(1, 6)):
        label = rng.choice(("0", "1", "7", "cat", "9" * 30, "\u0667", "..", "a b", "test", "train"))
        end = rng.choice((".png", ".png", ".jpg", "", ".PNG"))
        name = f"{label}/{number}{end}" if deep else f"{label}_{number}{end}"
        members[name] = rng.choice(pictures_of_all_kinds()) if rng.random() < 0.8 else picture(rng)
    if rng.random() < 0.3:
        members[rng.choice(("notes.txt", "a.csv", "x.npy", "Thumbs.db"))] = rng.choice(
            (b"hello", csv(rng), npy(rng))
        )
    raw = zipped(rng, members)
    return dented(rng, raw) if rng.random() < 0.3 else raw


def archive(rng: Random) -> bytes:
    """Return a zip or tar of files of data, gzip among them, and of what is none."""
    makers: dict[str, Callable[[Random], bytes]] = {
        "train-images": idx, "train-labels": idx, "t10k-images.gz": idx, "train.csv": csv,
        "test.csv": csv, "x.npy": npy, "a.zip": npz, "p.png": picture, "e.txt": lambda rng: b"",
        "a.npz": npz, "0_q.png": picture,
        "labels.csv": lambda rng: dented(rng, b"p,1\n0_q.png,2\n"),
    }  # fmt: skip
    if rng.random() < 0.35:
        count = rng.randint(1, 5)
        images = struct.pack(">HBB3I", 0, 8, 3, count, 4, 4) + _pixels(rng, 16 * count)
        labels = struct.pack(">HBBI", 0, 8, 1, count) + bytes(count)
        members = {"train-images-idx3-ubyte": images, "train-labels-idx1-ubyte": labels}
        members = {
            n: gzip.compress(m, 1, mtime=0) if rng.random() < 0.3 else m for n, m in members.items()
        }
    else:
        names = rng.sample(list(makers), rng.randint(1, 4))
        members = {name: makers[name](rng) for name in names}
    if rng.random() < 0.02:
        members |= {f"{n}.txt": b"x" for n in range(rng.choice((500, 2500)))}
    raw = tarred(rng, members) if rng.random() < 0.3 else zipped(rng, members)
    return dented(rng, raw) if rng.random() < 0.4 else raw


# Networks --------------------------------------------------------------------------------


@functools.cache
def _runs() -> tuple[list[Network], list[bytes], list[str]]:
    """Return networks with records, checkpoints of runs under way, and links."""
    rng = np.random.default_rng(0)
    data = Dataset(rng.integers(0, 256, (12, 4, 4), np.uint8), np.arange(12) % 3)
    networks, checkpoints = [], []
    for number, optimizer in enumerate(("sgd", "momentum", "adam")):
        network = (
            Network.build([16, 4, 3][: 3 - number // 2 * 1], rng=number)
            if number < 2
            else Network.build([16, 3])
        )
        state = TrainingState(steps_per_call=1)
        config = TrainingConfig(epochs=3, batch_size=4, optimizer=optimizer)
        for event in training(network, data, config, data, state=state):
            if event.step == 5:
                checkpoints.append(checkpoint.to_bytes(network, state))
        networks.append(network)
    networks.append(Network.build([6, 5, 4, 2], activation="tanh", dtype=np.float64))
    networks += _of_layers()
    texts = [
        links.encode(n.copy(), bits, name="n", accuracy=0.5)
        for n in networks[:3]
        for bits in (8, 4)
    ]
    return networks, checkpoints, texts


def _of_layers() -> list[Network]:
    """Return networks of layers of every kind, one of them with a record, and one in colour."""
    rng = np.random.default_rng(0)
    data = Dataset(rng.integers(0, 256, (12, 4, 4), np.uint8), np.arange(12) % 3)
    taught = Network.build(
        "conv 2 3x3 pad 1, norm, pool 2, dropout 0.2, dense 4", image_shape=(4, 4), classes=3
    )
    list(training(taught, data, TrainingConfig(epochs=2, batch_size=4, early_stopping=2), data))
    how = {"image_shape": (4, 4), "channels": 3, "classes": 3}
    return [taught, Network.build("average 2, flatten, norm, 4", **how)]


def _members(raw: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _with_header(rng: Random, raw: bytes) -> bytes:
    """Return an .npz model with its header, or one of its arrays, made odd."""
    members = _members(raw)
    said = json.loads(np.load(io.BytesIO(members["header.npy"])).tobytes())
    if rng.random() < 0.75:
        if rng.random() < 0.7 and said["training"]:
            said["training"][-1] = odd_json(rng, said["training"][-1])
        else:
            said = odd_json(rng, said)
        stream = io.BytesIO()
        np.save(stream, np.frombuffer(as_text(said), np.uint8))
        members["header.npy"] = stream.getvalue()
    else:
        name = rng.choice(list(members))
        members[name] = (
            dented(rng, members[name])
            if rng.random() < 0.5
            else _npy(rng, rng.choice(((16, 4), (4,), (3,), ())), "<f4")
        )
    return zipped(rng, members)


def model(rng: Random) -> bytes:
    """Return a model file of either kind."""
    network = rng.choice(_runs()[0])
    if rng.random() < 0.2:
        vector = modelfile.to_bytes(Network.build([6, 4, 3], rng=1), "nnm")
        body = bytearray(vector)
        if rng.random() < 0.5:
            at = len(body) - 8 * rng.randint(1, 51)
            body[at : at + 8] = struct.pack(
                "<d", rng.choice((0.0, -1.0, 1e308, float("nan"), 2.0**31, 4.5))
            )
        return dented(rng, bytes(body)) if rng.random() < 0.6 else bytes(body)
    raw = _with_header(
        rng, modelfile.to_bytes(network, half=network.dtype == np.float32 and rng.random() < 0.2)
    )
    return dented(rng, raw) if rng.random() < 0.25 else raw


def run(rng: Random) -> bytes:
    """Return a checkpoint of a run under way."""
    members = _members(rng.choice(_runs()[1]))
    what = rng.randrange(4)
    if what == 0:
        members["network.npz"] = _with_header(rng, members["network.npz"])
    elif what == 1:
        members["course.json"] = as_text(odd_json(rng, json.loads(members["course.json"])))
    elif what == 2:
        name = rng.choice(("velocity.npy", "mean.npy", "square.npy", "\u202e.npy", "x"))
        members[name] = _npy(
            rng, rng.choice(((83,), (51,), (), (0,))), rng.choice(("<f4", "<f8", None))
        )
    raw = zipped(rng, members, stored=True)
    return dented(rng, raw) if rng.random() < 0.3 else raw


def link(rng: Random) -> str:
    """Return a network in a link: its header odd under a right checksum, or its text damaged."""
    import base64

    text = rng.choice(_runs()[2])
    if rng.random() < 0.7:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        mark, version, bits, _, _ = struct.unpack_from("<2sBBII", raw)
        body = zlib.decompress(raw[12:])
        (length,) = struct.unpack_from("<H", body)
        said = as_text(odd_json(rng, json.loads(body[2 : 2 + length])))
        rest = body[2 + length :] if rng.random() < 0.8 else dented(rng, body[2 + length :])
        body = struct.pack("<H", len(said) % 2**16) + said + rest
        packed = zlib.compress(body, 1)
        version, bits = rng.choice(
            ((version, bits), (version, bits), (version, rng.choice((8, 4, 0))), (2, 8))
        )
        raw = struct.pack("<2sBBII", mark, version, bits, zlib.crc32(packed), len(packed)) + packed
        text = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    if rng.random() < 0.4:
        text = dented(rng, text.encode()).decode("latin-1")
    return text


_GOOD = {
    "hidden": "32,16", "validation": "0.1", "images": "shift:2", "activation": "tanh", "seed": "7",
    "optimizer": "adam", "initializer": "he", "schedule": "cosine", "rate": "0.01", "batch": "12",
    "momentum": "0.5", "epochs": "3", "iterations": "20", "warmup": "0.1", "stages": "4",
    "drop": "0.5", "decay": "0.02", "l1": "1e-05", "smoothing": "0.1", "classes": "balanced",
}  # fmt: skip


def address(rng: Random) -> dict[str, str]:
    """Return what an address asks for: keys of the form with values good and odd."""
    said, odd = {}, rng.choice((1, 0.9, 0.5))
    known = rows()
    for row in rng.sample(list(known.values()), rng.randint(0, len(known))):
        value = _GOOD.get(row.key, "1")
        said[row.key] = (
            value
            if rng.random() < odd
            else str(rng.choice((*ODD, "1e999", "-1", "9" * 60, "\u0663", "1,,2", "2" * 5000)))
        )
    if rng.random() < 0.3:
        said["data"] = rng.choice(("digits", "mnist", "\0", "x" * 999))
    if rng.random() < 0.3:
        said["hide"] = ",".join(rng.choices((*hideable(), "x", ""), k=3))
    if rng.random() < 0.2:
        said[rng.choice(("utm_x", "zz", "", "optimiser", "hidden"))] = str(rng.choice(ODD))
    return said


# What unpacks to far more than it is --------------------------------------------------------


@functools.cache
def _zeros(size: int) -> bytes:
    return gzip.compress(bytes(size), 1, mtime=0)


def _headed(said: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.frombuffer(as_text(said), np.uint8))
    return stream.getvalue()


@functools.cache
def bombs() -> tuple[tuple[str, bytes], ...]:
    """Return (kind, file) of what claims, or holds, far more megabytes than it has."""
    return (*_data_bombs(), *_picture_bombs(), *_model_bombs())


def _data_bombs() -> Iterator[tuple[str, bytes]]:
    most = 300_000_000
    head = struct.pack(">HBB3I", 0, 8, 3, most // 784, 28, 28)
    large = head[:4] + struct.pack(">3I", 80_000, 28, 28)  # 63 MB: as many as are allowed
    row = b"1" + b",0" * 784 + b"\n"
    yield "idx", gzip.compress(head, 1, mtime=0) + _zeros(most)
    yield "idx", (gzip.compress(head, 1, mtime=0) + _zeros(most))[:-9]
    yield "idx", gzip.compress(large, 1, mtime=0) + _zeros(80_000 * 784)
    yield "npy", gzip.compress(_npy(Random(3), (), "|u1"), 1, mtime=0) + _zeros(most)
    stream = io.BytesIO()
    np.savez_compressed(stream, x=np.zeros((40_000, 28, 28), np.uint8), y=np.zeros(40_000))
    yield "npz", stream.getvalue()
    yield "csv", gzip.compress(row * 600, 1, mtime=0) * 400
    yield "csv", gzip.compress(row * 600, 1, mtime=0) * 60
    yield "csv", gzip.compress(b"", 1) * 20_000
    yield "csv", b"".join(gzip.compress(bytes([b]), 1) for b in row * 4)
    yield "archive", zipped(Random(1), {f"{n}.txt": b"x" for n in range(10_000)})
    yield "archive", zipped(Random(1), {f"{n % 9}/{n}.png": b"" for n in range(10_000)})


def _picture_bombs() -> Iterator[tuple[str, bytes]]:
    deep = _saved(Image.fromarray(np.zeros((4096, 4096), np.uint16)), "PNG")
    clear = _saved(Image.fromarray(np.zeros((4096, 4096, 4), np.uint8)), "PNG")
    photograph = Image.fromarray(np.zeros((4096, 4096, 3), np.uint8))
    baseline, slow = _saved(photograph, "JPEG"), _saved(photograph, "JPEG", progressive=True)
    scan = slow.rfind(b"\xff\xda")
    again = slow[:scan] + slow[scan:-2] * 60 + slow[-2:]
    for raw in (deep, clear, baseline, slow, again, *stills.bombs()):
        yield "drawing", raw
        yield "pictures", zipped(Random(1), {"0/a.png": raw, "1/b.png": raw})
    chunks = png_chunks(pictures_of_all_kinds()[0])
    text = [(b"zTXt", b"k\0\0" + zlib.compress(bytes(10**6)))] * 60
    yield "drawing", as_png(chunks[:1] + text + chunks[1:])
    yield "drawing", as_png(chunks[:1] + [(b"IDAT", b"")] * 60_000 + chunks[1:])
    yield "drawing", b"\xff\xd8" + b"\xff\xfe\0\2" * 60_000 + baseline[2:]


def _model_bombs() -> Iterator[tuple[str, bytes]]:
    yield from (("torch", raw) for raw in torches.bombs())
    said: dict[str, Any] = {
        "format": "nnengine-model", "version": 1, "sizes": [4000, 4000, 10], "dtype": "float32",
        "activations": ["relu", "identity"], "input_scale": 1.0, "class_names": None,
        "image_shape": None, "training": [],
    }  # fmt: skip
    arrays = {}
    for name, shape in (
        ("weights_1", (4000, 4000)), ("biases_1", (4000,)),
        ("weights_2", (4000, 10)), ("biases_2", (10,)),
    ):  # fmt: skip
        stream = io.BytesIO()
        np.save(stream, np.zeros(shape, np.float32))
        arrays[f"{name}.npy"] = stream.getvalue()
    many = said | {"training": [{"note": [[]] * 1_900_000}]}
    tables = said | {"training": [{"config": {f"k{n}": {} for n in range(350_000)}}]}
    for members in (
        {"header.npy": _headed(said), **arrays},
        {"header.npy": _headed(said | {"sizes": [8000, 8000, 10]}), **arrays},
        {"header.npy": _headed(many), **arrays},
        {"header.npy": _headed(tables), **arrays},
    ):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name, raw in members.items():
                archive.writestr(name, raw)
        yield "model", stream.getvalue()
