"""Writers: a data set as IDX, .npz, CSV, Parquet or pictures, each as others read it.

What a format cannot say (an IDX file has no names of classes) is for the caller to tell.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ...errors import ConfigError
from ..dataset import Dataset
from ..idx import write_idx
from .optional import missing

_BLOCK = 1 << 22  # values turned into text at a time
_UNSAFE = re.compile(r"""[/\\:*?"<>|\x00-\x1f\x7f-\x9f]""")
# What Windows keeps for devices, and what would be taken for a part of the set.
_RESERVED = re.compile(
    r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)|(train|test|val|t10k|__macosx)", re.IGNORECASE
)
_STEMS = {"train": "train", "test": "t10k"}  # as MNIST's makers called the parts


@dataclass(frozen=True, slots=True)
class Part:
    """What is written: images uint8 (n, h, w) or (n, h, w, 3), labels uint8 (n,) or None."""

    images: np.ndarray
    labels: np.ndarray | None = None
    class_names: tuple[str, ...] = ()

    @classmethod
    def of(cls, data: Dataset) -> Part:
        """Return a data set as a part."""
        return cls(data.images, data.labels, data.class_names)

    @property
    def is_named(self) -> bool:
        """Whether its classes are called otherwise than 0, 1, 2, ..."""
        return self.class_names != tuple(map(str, range(len(self.class_names))))


def to_npz(file: BinaryIO, parts: Mapping[str, Part]) -> None:
    """Write x_train, y_train, x_test, y_test, as Keras' mnist.npz has them; of one part x, y."""
    arrays = {}
    for name, part in parts.items():
        ending = f"_{name}" if len(parts) > 1 else ""
        arrays[f"x{ending}"] = part.images
        if part.labels is not None:
            arrays[f"y{ending}"] = part.labels
    np.savez_compressed(file, **arrays)


def to_csv(file: BinaryIO, part: Part) -> None:
    """Write a header and one image a row, label,pixel0,pixel1,..., as Kaggle's are.

    Raises ConfigError for images in colour, of which a row would tell nothing.
    """
    if part.images.ndim > 3:
        raise ConfigError("a CSV of pixels has no colours: write .npz, .parquet or pictures")
    rows = part.images.reshape(len(part.images), -1)
    names = [f"pixel{i}" for i in range(rows.shape[1])]
    file.write(",".join(["label"] * (part.labels is not None) + names).encode() + b"\n")
    step = max(1, _BLOCK // rows.shape[1])
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        if part.labels is not None:
            block = np.column_stack([part.labels[start : start + step], block])
        cells = _CELLS[block]
        cells[:, -1] = _LAST_CELLS[block[:, -1]]
        file.write(cells[cells > 0].tobytes())


def _as_cells(mark: str) -> np.ndarray:
    """Return each byte as text with a mark behind it, uint8 (256, 4), 0 where there is none."""
    text = b"".join(f"{value}{mark}".encode().ljust(4, b"\0") for value in range(256))
    return np.frombuffer(text, np.uint8).reshape(256, 4)


_CELLS, _LAST_CELLS = _as_cells(","), _as_cells("\n")


def to_parquet(file: BinaryIO, part: Part) -> None:
    """Write pictures and labels as Hugging Face's sets of images have them.

    Raises FormatError where pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError:
        raise missing("Parquet", "pyarrow") from None
    pictures = pyarrow.array([png(image) for image in part.images], pyarrow.binary())
    paths = pyarrow.nulls(len(pictures), pyarrow.string())
    columns = {"image": pyarrow.StructArray.from_arrays([pictures, paths], ["bytes", "path"])}
    features: dict[str, object] = {"image": {"_type": "Image"}}
    if part.labels is not None:
        columns["label"] = pyarrow.array(part.labels, pyarrow.int64())
        features["label"] = {"names": list(part.class_names), "_type": "ClassLabel"}
    said = json.dumps({"info": {"features": features}})
    table = pyarrow.table(columns).replace_schema_metadata({"huggingface": said})
    # Each picture is another: a dictionary of them would be given up at once.
    parquet.write_table(table, file, compression="snappy", use_dictionary=False)


def to_idx_zip(file: BinaryIO, parts: Mapping[str, Part]) -> None:
    """Write a zip of the same files as `to_idx`; equal data give equal bytes."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in _idx_files(parts):
            packed = io.BytesIO()
            with gzip.GzipFile("", "wb", 6, packed, mtime=0) as inner:
                write_idx(inner, array)
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o644 << 16
            archive.writestr(info, packed.getvalue())


def to_idx(folder: Path, parts: Mapping[str, Part]) -> None:
    """Write train-images-idx3-ubyte.gz and so on into a folder."""
    for name, array in _idx_files(parts):
        write_idx(folder / name, array)


def _idx_files(parts: Mapping[str, Part]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each file's name and array."""
    for name, part in parts.items():
        stem = _STEMS.get(name, name)
        yield f"{stem}-images-idx{part.images.ndim}-ubyte.gz", part.images
        if part.labels is not None:
            yield f"{stem}-labels-idx1-ubyte.gz", part.labels


def to_pictures(folder: Path, parts: Mapping[str, Part]) -> None:
    """Write PNG files of 8 bits a pixel into folders named by class, those into train and test.

    Images without labels lie in one folder, in the order of their numbers. Raises ConfigError as
    `folder_names` does.
    """
    for name, part in parts.items():
        above = folder / name if len(parts) > 1 else folder
        above.mkdir(exist_ok=True)
        names = folder_names(part.class_names) if part.labels is not None else []
        for label in names:
            (above / label).mkdir()
        wide = len(str(len(part.images) - 1))
        for i, image in enumerate(part.images):
            place = above if part.labels is None else above / names[part.labels[i]]
            (place / f"{i:0{wide}}.png").write_bytes(png(image))


def folder_names(class_names: Sequence[str]) -> list[str]:
    """Return what the folders of classes are called: as they are, where every disk takes that.

    Raises ConfigError where two would be one folder.
    """
    names = [_UNSAFE.sub("-", name.encode()[:80].decode(errors="ignore")) for name in class_names]
    names = [name.strip(". ") or "-" for name in names]
    names = [f"class {name}" if _RESERVED.match(name) else name for name in names]
    if len({name.lower() for name in names}) < len(names):
        raise ConfigError(
            "two classes would lie in one folder, for on some disks capital letters and marks do "
            "not count: write .parquet, which keeps names"
        )
    return names


def png(image: np.ndarray) -> bytes:
    """Return uint8 (h, w) or (h, w, 3) as a PNG of 8 bits a sample, not interlaced (RFC 2083)."""
    height, width = image.shape[:2]
    rows = np.zeros((height, 1 + image[0].size), np.uint8)  # each begins with its filter: none
    rows[:, 1:] = image.reshape(height, -1)
    colour = 2 if image.ndim == 3 else 0
    parts = (
        (b"IHDR", struct.pack(">2L5B", width, height, 8, colour, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows.tobytes(), 9)),
        (b"IEND", b""),
    )
    chunks = (
        struct.pack(">L", len(body)) + kind + body + struct.pack(">L", zlib.crc32(kind + body))
        for kind, body in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


TABLES: dict[str, Callable[[BinaryIO, Part], None]] = {"csv": to_csv, "parquet": to_parquet}
FOLDERS: dict[str, Callable[[Path, Mapping[str, Part]], None]] = {
    "idx": to_idx,
    "png": to_pictures,
}
