"""Parquet: pictures and labels as Hugging Face keeps them, lists of pixels, or columns of pixels.

pyarrow unpacks the columns, a few rows at a time, after their pages were counted
(`parquetpages`). Arrow's extension types are never rebuilt: versions of pyarrow before 14.0.1
unpickled some (CVE-2023-47248), and none of those is admitted.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ...errors import EngineError, FormatError
from ..dataset import MAX_CLASSES
from ..sources import Stream
from .archive import Member
from .arrowtypes import is_binary, is_list, is_nested, is_number, is_picture, is_text, width
from .colours import laid, settled
from .contents import Contents, as_bytes, datasets, frozen
from .contract import Request
from .optional import missing
from .parquetpages import Chunk, chunks, count
from .pictures import decoded, in_order_of_names
from .table import Rows, contents_of
from .tableplan import LABEL, Plan, name_columns

MAX_ROWS = 1 << 20  # of pictures: each becomes an object
_BATCH_BYTES = 1 << 26  # of values unpacked at a time, whatever the pages say
_BATCH_VALUES = 1 << 20
_MOST_ROWS = 1 << 10
_FORM = "Parquet table"


def read(stream: Stream, request: Request) -> Contents:
    """Return the images and labels in a Parquet table; raises FormatError.

    A struct with a column `bytes`, or a column of bytes, holds pictures; a column of lists the
    pixels of an image each; else each column is a pixel, as in a CSV. Classes are called as Hugging
    Face's description in the file says, or by the words that stand for labels.
    """
    file = stream.seekable(request.max_bytes)
    held = chunks(file)
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        raise missing("Parquet", "pyarrow") from None
    try:
        opened = parquet.ParquetFile(
            file, pre_buffer=False, thrift_string_size_limit=1 << 24,
            thrift_container_size_limit=1 << 20,
        )  # fmt: skip
        return _Table(opened, file, held, request).contents(stream)
    except (EngineError, MemoryError):
        raise
    except Exception as error:  # pyarrow raises OSError, ArrowInvalid, NotImplementedError, ...
        said = " ".join(str(error).split())[:160]
        raise FormatError(f"the Parquet table is damaged ({said}): download it again") from None


class _Table:
    """A Parquet file that is open, and which of its columns are what."""

    def __init__(self, opened: Any, file: Any, held: list[Chunk], request: Request) -> None:
        self._opened, self._file, self._request = opened, file, request
        self._chunks = held
        self._schema = opened.schema_arrow
        self._rows = opened.metadata.num_rows
        if self._rows < 1:
            raise FormatError("the Parquet table has no rows: one image a row")

    def contents(self, stream: Stream) -> Contents:
        """Return what the columns make; raises FormatError."""
        fields = [f for f in self._schema if not f.name.startswith("__index_level_")]
        wide = [field for field in fields if is_picture(field) or is_list(field)]
        if not wide:
            return self._flat(fields, stream)
        if len(wide) > 1:
            wide = [f for f in wide if is_picture(f)] if len(wide) > 1 else wide
        if len(wide) != 1:
            raise FormatError(
                f"several columns may be the images, {_named(fields)}: leave one of them"
            )
        label, said = _label([field for field in fields if field is not wide[0]])
        read = self._pictures if is_picture(wide[0]) else self._lists
        images, labels, notes = read(wide[0], label)
        return self._joined(images, labels, label, [*said, *notes])

    def _joined(
        self, images: np.ndarray, labels: _Labels | None, label: Any, notes: list[str]
    ) -> Contents:
        """Return images with their labels, or alone where there are none or all are -1."""
        values, names = labels.done() if labels is not None else (None, None)
        if values is not None and values.dtype.kind == "i" and (values == -1).all():
            values, notes = None, [*notes, "All labels are -1: images without labels."]
        if values is None:
            scaled, more = as_bytes({"the images": images})
            scaled, done = settled(scaled, self._request.colours)
            pictures = frozen(np.ascontiguousarray(scaled["the images"]))
            return Contents(form=_FORM, images=pictures, notes=(*notes, *more, *done))
        names = names or self._class_names(label.name, values)
        return datasets(
            {"": (images, values)}, form=_FORM, name=self._request.name, notes=notes,
            class_names=names, colours=self._request.colours,
        )  # fmt: skip

    def _flat(self, fields: Sequence[Any], stream: Stream) -> Contents:
        """Return a table of one pixel a column, its label found as that of a CSV."""
        plan = Plan(0, len(fields), header=True)
        name_columns(plan, [field.name for field in fields], stream)
        words = [i for i, field in enumerate(fields) if is_text(field.type)]
        wrong = [fields[i].name for i in words if i != plan.label and i not in plan.dropped]
        wrong += [f.name for f in fields if not is_text(f.type) and not is_number(f.type)]
        if wrong:
            raise FormatError(
                f"its column {wrong[0][:40]} holds no numbers, and no column pictures: give pixels "
                "as numbers, lists of numbers or encoded pictures, and labels beside them"
            )
        if self._rows * len(fields) > self._request.max_bytes:
            raise FormatError(
                f"more than the {self._request.max_bytes:,} bytes of values allowed: give a "
                "smaller table",
                too_large=True,
            )
        rows = Rows(len(fields), self._request.max_bytes, stream)
        labels = _Labels()
        for batch in self._batches([field.name for field in fields]):
            rows.add(_block(batch, labels, plan.label))
        found = contents_of(rows.all(), plan, stream, self._request.name, _FORM)
        if found.train is None or plan.label is None:
            return found
        values, names = labels.done()
        names = names or self._class_names(fields[plan.label].name, values)
        if names is None:
            return found
        made = datasets(
            {"": (found.train.images, values)}, form=_FORM, name=self._request.name,
            class_names=names,
        )  # fmt: skip
        return replace(made, notes=found.notes)

    def _pictures(self, field: Any, label: Any) -> tuple[np.ndarray, _Labels | None, list[str]]:
        """Return the pictures in a column, decoded, and the labels of those that are whole."""
        if self._rows > MAX_ROWS:
            raise FormatError(
                f"{self._rows:,} pictures, and {MAX_ROWS:,} at most are read: give a part of them"
            )
        labels, left, empty = None if label is None else _Labels(), self._request.max_bytes, True
        names = [_leaf(field), *([label.name] if label else [])]
        for batch in self._batches(names):
            sizes = [len(raw or b"") for raw in _encoded(batch, field)]
            left, empty = left - sum(sizes), empty and not any(sizes)
            if left < 0:
                text = f"more than {self._request.max_bytes:,} bytes of pictures"
                raise FormatError(f"{text}: give a smaller table", too_large=True)
            if labels is not None and label is not None:
                labels.add(batch.column(batch.schema.get_field_index(label.name)))
        if empty:
            raise FormatError(
                f"its column {field.name[:40]} holds no pictures, at the most their paths: give "
                "the table with the pictures inside, or a zip of them"
            )
        members = _Members(lambda: self._batches(names[:1]), field, self._rows)
        images, whole, notes = decoded(members, self._request)
        if labels is not None and not whole.all():
            labels.keep(whole)
        return images, labels, notes

    def _lists(self, field: Any, label: Any) -> tuple[np.ndarray, _Labels | None, list[str]]:
        """Return the images in a column of lists: of pixels, or of rows of pixels."""
        parts, labels = [], None if label is None else _Labels()
        for batch in self._batches([field.name, *([label.name] if label else [])]):
            parts.append(_from_lists(batch.column(batch.schema.get_field_index(field.name))))
            if parts[0].shape[1:] != parts[-1].shape[1:]:
                raise FormatError("its images differ in size: give lists of one length")
            if labels is not None and label is not None:
                labels.add(batch.column(batch.schema.get_field_index(label.name)))
        return laid(np.concatenate(parts), field.name), labels, []

    def _batches(self, names: list[str]) -> Iterator[Any]:
        """Yield batches of these columns, of as many rows as their pages allow."""
        metadata = self._opened.metadata
        schema = metadata.schema
        stems = tuple(f"{name}." for name in names)
        leaves = {
            i
            for i in range(metadata.num_columns)
            if schema.column(i).path in names or f"{schema.column(i).path}.".startswith(stems)
        }
        request = self._request
        widest = max((width(schema.column(i)) for i in leaves), default=1)
        chosen = [chunk for chunk in self._chunks if chunk.column in leaves]
        pages = count(self._file, chosen, request.deadline, request.max_bytes)
        if pages.values * widest > 4 * request.max_bytes:
            raise FormatError(
                f"more than the {request.max_bytes:,} bytes of values allowed: give a smaller "
                "table",
                too_large=True,
            )
        by_bytes = _BATCH_BYTES // max(1, pages.largest)
        by_values = _BATCH_VALUES // max(1, pages.values // self._rows)
        size = max(1, min(_MOST_ROWS, by_bytes, by_values))
        seen = 0
        for batch in self._opened.iter_batches(size, columns=names, use_threads=False):
            request.deadline.check()
            seen += batch.num_rows
            if seen > self._rows:
                break
            yield batch
        if seen != self._rows:
            raise FormatError(
                f"the Parquet table promises {self._rows:,} rows and holds another number: "
                "download it again"
            )

    def _class_names(self, label: str, values: np.ndarray) -> list[str] | None:
        """Return the names of classes that Hugging Face's description has for a column."""
        said = (self._schema.metadata or {}).get(b"huggingface", b"")
        try:
            names = json.loads(said)["info"]["features"][label]["names"]
        except (ValueError, LookupError, TypeError, RecursionError):
            return None
        good = isinstance(names, list) and all(isinstance(n, str) and n for n in names)
        enough = good and 0 <= int(values.min()) and int(values.max()) < len(names) <= MAX_CLASSES
        return names if enough and len(set(names)) == len(names) else None


class _Members(Sequence[Member]):
    """The pictures of a column, of which one batch is held: MNIST's, encoded, are half its images.

    Who goes through them in order has each batch unpacked once, who begins anew once more.
    """

    def __init__(self, batches: Callable[[], Iterator[Any]], field: Any, rows: int) -> None:
        self._batches, self._field, self._rows = batches, field, rows
        self._open, self._start, self._held = batches(), 0, []

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, at: Any) -> Any:
        if at >= self._rows:
            raise IndexError(at)
        if at < self._start:
            self._open, self._start, self._held = self._batches(), 0, []
        while at >= self._start + len(self._held):
            self._start += len(self._held)
            self._held = _encoded(next(self._open), self._field)
        raw = self._held[at - self._start] or b""
        return Member(f"row {at + 1:,}", len(raw), partial(io.BytesIO, raw))


class _Labels:
    """The labels of a column as they come: numbers, or words that become numbers."""

    def __init__(self) -> None:
        self._parts: list[np.ndarray] = []
        self._words: dict[str, int] = {}

    def add(self, column: Any) -> None:
        """Take in a part of the column; raises FormatError."""
        if column.null_count:
            raise FormatError("a label is missing (null): give one to each image")
        if not is_text(column.type):
            self._parts.append(column.to_numpy(zero_copy_only=False))
            return
        coded = column if hasattr(column, "dictionary") else column.dictionary_encode()
        places = []
        for word in coded.dictionary.to_pylist():
            places.append(self._words.setdefault(str(word)[:200], len(self._words)))
            if len(self._words) > MAX_CLASSES:
                raise FormatError(
                    f"more than {MAX_CLASSES} words for labels: there can be {MAX_CLASSES} classes"
                )
        self._parts.append(np.array(places, np.int64)[coded.indices.to_numpy()])

    def keep(self, whole: np.ndarray) -> None:
        """Leave the labels of these images alone."""
        self._parts = [np.concatenate(self._parts)[whole]]

    def done(self) -> tuple[np.ndarray, list[str] | None]:
        """Return the labels, and the words for them in order, if words they were."""
        values = np.concatenate(self._parts)
        if not self._words:
            return values, None
        words, names = list(self._words), in_order_of_names(list(self._words))
        place = np.array([names.index(word) for word in words], np.int64)
        return place[values], names


def _label(fields: Sequence[Any]) -> tuple[Any, list[str]]:
    """Return the column of labels beside images, or None, and what is to be said of it."""
    able = [f for f in fields if is_number(f.type) or is_text(f.type)]
    named = [f for f in able if LABEL.fullmatch(f.name)]
    if named:
        return named[0], []
    ending = [f for f in able if f.name.lower().endswith(("label", "class"))]
    numbers = [f for f in able if is_number(f.type)]
    likely = ending or (numbers if len(numbers) == 1 else able if len(able) == 1 else [])
    if likely:
        return likely[0], [f"Labels are those of the column {likely[0].name[:40]}."]
    if able:
        raise FormatError(
            f"no column of labels: beside images there are {_named(able)}: call it “label”"
        )
    return None, []


def _named(fields: Sequence[Any]) -> str:
    return ", ".join(field.name[:20] for field in fields[:4]) + ", …" * (len(fields) > 4)


def _leaf(field: Any) -> str:
    """Return what the column of encoded pictures is called."""
    return field.name if is_binary(field.type) else f"{field.name}.bytes"


def _encoded(batch: Any, field: Any) -> list[bytes | None]:
    """Return the encoded pictures in a batch."""
    column = batch.column(batch.schema.get_field_index(field.name))
    return (column if is_binary(field.type) else column.field("bytes")).to_pylist()


def _block(batch: Any, labels: _Labels, label: int | None) -> np.ndarray:
    """Return a batch as (rows, columns), bytes where all are; labels are taken in besides."""
    columns = []
    for i, column in enumerate(batch.columns):
        if column.null_count:
            raise FormatError(
                f"its column {batch.schema.names[i][:40]} has empty cells (null): give all pixels"
            )
        if i == label:
            labels.add(column)
        text = is_text(column.type)
        columns.append(np.zeros(len(column)) if text else column.to_numpy(zero_copy_only=False))
    small = all(
        c.dtype.kind in "biu" and (not c.size or 0 <= c.min() and c.max() <= 255) for c in columns
    )
    out = np.empty((batch.num_rows, len(columns)), np.uint8 if small else np.float32)
    for i, column in enumerate(columns):
        out[:, i] = column
    return out


def _from_lists(column: Any) -> np.ndarray:
    """Return lists of numbers, nested or not, as an array (rows, ...); raises FormatError."""
    shape = [len(column)]
    while is_nested(column.type):
        if column.null_count:
            raise FormatError("an image is missing (null): give one in each row")
        inner = column.flatten()
        side, rest = divmod(len(inner), max(1, len(column)))
        if rest or not side or len(shape) > 3:
            raise FormatError("its images differ in size: give lists of one length")
        if hasattr(column, "value_lengths") and any(
            length.as_py() != side for length in column.value_lengths().unique()
        ):
            raise FormatError("its images differ in size: give lists of one length")
        shape.append(side)
        column = inner
    if column.null_count:
        raise FormatError("a pixel is missing (null): give all of them")
    return column.to_numpy(zero_copy_only=False).reshape(shape)
