"""Run sets: the data that kept runs need to go on, once for all that need the same ones.

Images and labels are found by their digest and shared; what a run calls them and their classes is
its own, so that no run tells of another. A set is packed as IDX files are.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..data.dataset import Dataset
from ..data.idx import read_idx, write_idx
from ..data.limits import MAX_BYTES
from ..errors import FormatError
from .runfile import RunFile

SIZE = (  # of a run
    "LENGTH(request) + LENGTH(record) + IFNULL(LENGTH(checkpoint), 0) "
    "+ IFNULL((SELECT LENGTH(packed) FROM moments WHERE moments.run = runs.id), 0)"
)
_QUICK = 1  # zlib's level: MNIST in a third of a second, a tenth larger than at the usual one


class RunSets(RunFile):
    """The sets in a store's file, each for as long as a run that has not ended needs it."""

    most_bytes: int

    def need(self, run: str, sets: Mapping[str, Dataset]) -> list[str]:
        """Keep what a run needs to go on, by the part it plays; return the parts that had no room.

        No run makes room for it: where there is none its owner is asked for the set again.
        """
        left = []
        for part, data in sets.items():
            (known,) = self._rows("SELECT COUNT(*) FROM sets WHERE digest = ?", data.digest)[0]
            packed = ("", b"", b"") if known else (data.digest, *_packed(data))
            with self._writing():
                if not known and not self._has_room(sum(map(len, packed[1:]))):
                    left.append(part)
                    continue
                if not known:
                    self._base.execute("INSERT OR IGNORE INTO sets VALUES (?, ?, ?)", packed)
                self._base.execute(
                    "INSERT OR REPLACE INTO needs VALUES (?, ?, ?, ?)",
                    (run, part, data.digest, json.dumps(_about(data))),
                )
        return left

    def sets(self, run: str) -> dict[str, Dataset]:
        """Return the sets that are kept for a run, by the part each plays.

        Raises FormatError where one is damaged.
        """
        rows = self._rows(
            "SELECT part, sets.digest, about, images, labels FROM needs JOIN sets USING (digest) "
            "WHERE run = ?",
            run,
        )
        return {part: _unpacked(*row) for part, *row in rows}

    def sets_bytes(self, run: str) -> int:
        """Return about how much memory the sets take that are kept for a run, unpacked."""
        rows = self._rows("SELECT about FROM needs WHERE run = ?", run)
        return sum(json.loads(about)["bytes"] for (about,) in rows)

    def _has_room(self, size: int) -> bool:
        return self._taken() + size <= self.most_bytes

    def _taken(self, but: str = "") -> int:
        """Return how many bytes all runs but one take, and the sets that are kept for them."""
        runs = f"(SELECT IFNULL(SUM({SIZE}), 0) FROM runs WHERE id != ?)"
        sets = "(SELECT IFNULL(SUM(LENGTH(images) + LENGTH(labels)), 0) FROM sets)"
        points = "(SELECT IFNULL(SUM(LENGTH(packed)), 0) FROM points)"  # those of `but` as well
        return self._base.execute(f"SELECT {runs} + {sets} + {points}", (but,)).fetchone()[0]

    def _let_go_of_sets(self) -> None:
        """Forget, inside a transaction, what no run needs that could go on, or be looked at."""
        self._base.execute("DELETE FROM moments WHERE run NOT IN (SELECT id FROM runs)")
        self._base.execute("DELETE FROM points WHERE run NOT IN (SELECT id FROM runs)")
        self._base.execute("DELETE FROM needs WHERE run NOT IN (SELECT id FROM runs)")
        self._base.execute("DELETE FROM sets WHERE digest NOT IN (SELECT digest FROM needs)")


def _about(data: Dataset) -> dict[str, Any]:
    size = data.images.nbytes + data.labels.nbytes
    return {"name": data.name, "class_names": data.class_names, "bytes": size}


def _packed(data: Dataset) -> tuple[bytes, bytes]:
    return _idx(data.images), _idx(data.labels)


def _idx(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    with gzip.GzipFile("", "wb", compresslevel=_QUICK, fileobj=stream, mtime=0) as packed:
        write_idx(packed, array)
    return stream.getvalue()


def _unpacked(digest: str, about: str, images: bytes, labels: bytes) -> Dataset:
    said = json.loads(about)
    found = Dataset(
        read_idx(images, max_bytes=MAX_BYTES), read_idx(labels, max_bytes=MAX_BYTES),
        class_names=said["class_names"], name=said["name"],
    )  # fmt: skip
    if found.digest != digest:
        raise FormatError(f"{said['name']}: the images that were kept are damaged")
    return found
