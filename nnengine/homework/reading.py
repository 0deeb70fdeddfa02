"""Reading: the arrays of a learner by name, from whatever they were saved in or printed as.

Nothing is run and nothing unpickled: text is read as brackets and numbers, and as nothing else.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..data.npy import read_head, read_values
from ..data.readers import matfile
from ..data.readers.contract import Request
from ..data.sources import opened
from ..errors import FormatError
from ..exchange.weights import KINDS, array_in, room_in
from ..storage.modelfile import members_of, zip_faults

MAX_BYTES = 2**27
MAX_FILES = 200
ENDINGS = (".npz", ".npy", ".csv", ".mat", ".json", ".txt", ".tsv")
_NAMED = re.compile(r"^[ \t]*([A-Za-z][\w.']*)[ \t]*(?:\([^()\n]*\))?[ \t]*[=:]", re.MULTILINE)
_TOKEN = re.compile(r"\[|\]|[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf)\b", re.I)
_WRAPPING = re.compile(r"\b(?:np\.|numpy\.|torch\.|jnp\.)?(?:array|tensor|Array|matrix)\(|"
                       r"dtype\s*=\s*[\w.]+|shape\s*=\s*\([^)]*\)|grad_fn=<\w+>")  # fmt: skip

_NO_NUMBERS = re.compile(r"[A-Za-z_]\w*\(|[\"']")


def read_files(files: Iterable[str | Path]) -> dict[str, np.ndarray]:
    """Return the arrays in files, and in the files of folders, by name.

    An .npy or .csv is one array, called as its file. Raises FormatError for what is no such file,
    for two arrays of one name, and for more than 200 files or 128 MB; OSError.
    """
    paths: list[Path] = []
    for file in map(Path, files):
        paths += sorted(p for p in file.iterdir() if p.suffix.lower() in ENDINGS) if (
            file.is_dir()) else [file]  # fmt: skip
    if len(paths) > MAX_FILES:
        raise FormatError(f"{len(paths):,} files: at most {MAX_FILES} are read")
    found: dict[str, np.ndarray] = {}
    for path in paths:
        if path.stat().st_size > MAX_BYTES:
            raise FormatError(f"{path.name}: more than {MAX_BYTES:,} bytes: save one small batch")
        for name, array in read(path.read_bytes(), path.name).items():
            if name in found:
                raise FormatError(
                    f"{path.name}: {name} came in another file already: leave one out"
                )
            found[name] = array
    return found


def read(data: bytes, name: str, max_bytes: int = MAX_BYTES) -> dict[str, np.ndarray]:
    """Return the arrays in the bytes of one file, by name; `name` is the file's.

    max_bytes: how much what is packed may come to. Raises FormatError, which begins with the
    file's name.
    """
    stem = re.sub(r"\.\w+$", "", Path(name).name)
    try:
        if data.startswith(b"PK"):
            return dict(_of_zip(data, max_bytes))
        if data.startswith(b"\x93NUMPY"):
            stream = io.BytesIO(data)
            return {stem: read_values(stream, read_head(stream, name, kinds=KINDS), name)}
        if matfile.is_mat(data[:128]):
            with opened(data) as stream:
                return matfile.arrays_in(stream, Request(name=name, max_bytes=max_bytes))
        return _of_text(data, stem)
    except FormatError as fault:
        raise FormatError(f"{name}: {str(fault).removeprefix(f'{name}: ')}") from None


def _of_zip(data: bytes, max_bytes: int) -> Iterator[tuple[str, np.ndarray]]:
    if data.count(b"PK\x01\x02") > MAX_FILES:
        raise FormatError(f"a zip with more than {MAX_FILES} members")
    with zip_faults(), zipfile.ZipFile(io.BytesIO(data)) as archive:
        left = min(room_in(data), max_bytes)
        for name, info in members_of(archive).items():
            array = array_in(archive, info, left)
            left -= array.nbytes
            yield name.removesuffix(".npy"), array


def _of_text(data: bytes, stem: str) -> dict[str, np.ndarray]:
    """Return what text holds: JSON, named arrays as they are printed, or one table of numbers."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FormatError(
            "neither .npz, .npy, .mat nor text: save with np.savez('mine.npz', Z1=Z1, A1=A1, ...)"
        ) from None
    if text.lstrip().startswith("{"):
        return _of_json(text)
    if _NAMED.search(text):
        return dict(_printed(text))
    return {stem: _table(text)}


def _of_json(text: str) -> dict[str, np.ndarray]:
    try:
        held = json.loads(text)
        return {
            str(name): np.asarray(value, dtype=np.float64)
            for name, value in held.items()
            if not isinstance(value, str | dict)
        }
    except (ValueError, TypeError, OverflowError, RecursionError) as fault:
        raise FormatError(
            f"no JSON object of arrays ({str(fault)[:80]}): write {{name: list of rows}}"
        ) from None


def _printed(text: str) -> Iterator[tuple[str, np.ndarray]]:
    """Yield arrays as Python prints them, each behind its name and `=` or `:`."""
    marks = list(_NAMED.finditer(text))
    for mark, after in zip(marks, [*marks[1:], None], strict=True):
        body = text[mark.end() : after.start() if after else len(text)]
        if "..." in body:
            raise FormatError(
                f"{mark[1]} was printed in part (...): print all of it after "
                "np.set_printoptions(threshold=10**9), or save it"
            )
        yield mark[1], _bracketed(_WRAPPING.sub(" ", body), mark[1])


def _bracketed(body: str, name: str) -> np.ndarray:
    """Return the numbers between brackets as an array."""
    if _NO_NUMBERS.search(body):  # digits in it are no array
        raise FormatError(
            f"{name}: a call or words in quotes: give the numbers, as print shows them"
        )
    stack: list[list[Any]] = [[]]
    for token in _TOKEN.findall(body):
        if token == "[":
            if len(stack) > 5:
                raise FormatError(f"{name}: brackets lie in brackets more than four deep")
            stack.append([])
        elif token == "]":
            if len(stack) < 2:
                raise FormatError(f"{name}: a bracket is closed that was never opened")
            done = stack.pop()
            stack[-1].append(done)
        else:
            stack[-1].append(float(token))
    if len(stack) != 1 or not stack[0]:
        raise FormatError(f"{name}: no whole array of numbers stands behind the name")
    value = stack[0][0] if len(stack[0]) == 1 else _rows(body, stack[0])
    try:
        return np.asarray(value, np.float64)
    except (ValueError, TypeError):
        raise FormatError(f"{name}: its rows are of different lengths") from None


def _rows(body: str, flat: list[Any]) -> list[Any]:
    """Return numbers without brackets as the lines that they were printed in."""
    lines = [[float(x) for x in _TOKEN.findall(line)] for line in body.splitlines()
             if "[" not in line and _TOKEN.search(line)]  # fmt: skip
    return lines if len(lines) > 1 and all(isinstance(x, float) for x in flat) else flat


def _table(text: str) -> np.ndarray:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    mark = next((m for m in (",", ";", "\t") if lines and m in lines[0]), None)
    try:
        return np.array([[float(x) for x in line.split(mark)] for line in lines], np.float64)
    except ValueError:
        raise FormatError(
            "no table of numbers: rows of one length, numbers alone, are read; or `name = [[...]]`"
        ) from None
