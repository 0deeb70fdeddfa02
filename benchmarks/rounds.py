"""Rounds: sides take turns on one machine, so that whoever is compared met the same weather."""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from threadpoolctl import threadpool_limits

from nnengine import kernels
from nnengine.kernels.workers import threads as threads_in_use

# Before each side: OpenBLAS' threads spin for about 50 ms after the last product of another.
REST_S = 0.1


@dataclass(frozen=True)
class Side:
    """One who takes part: `burst` works for a while and returns seconds for one unit of work.

    threads: for BLAS, OpenMP and PyTorch as for this engine's workers; back_end: of this engine,
    None for a peer.
    """

    name: str
    burst: Callable[[], float]
    threads: int
    back_end: str | None = None
    note: str = ""
    learner: Any = None  # who does the work, for those who want to see what came of it

    @property
    def ours(self) -> bool:
        """Whether this engine is at work."""
        return self.back_end is not None

    @property
    def label(self) -> str:
        """The name with what else matters."""
        what = f"{self.name}, {self.back_end}" if self.back_end else self.name
        return f"{what}, {self.threads} thread{'s' if self.threads > 1 else ''}"


@contextlib.contextmanager
def conditions(threads: int, back_end: str | None = None) -> Iterator[None]:
    """Grant so many threads to everybody, and choose the engine's back end."""
    before = os.environ.get("NNENGINE_THREADS")
    os.environ["NNENGINE_THREADS"] = str(threads)
    if back_end and back_end != kernels.name:
        kernels.use(back_end)
    if threads_in_use() != threads:
        raise RuntimeError(f"asked for {threads} threads, the engine takes {threads_in_use()}")
    try:
        with threadpool_limits(threads):
            if "torch" in sys.modules:
                sys.modules["torch"].set_num_threads(threads)
            yield
    finally:
        if before is None:
            del os.environ["NNENGINE_THREADS"]
        else:
            os.environ["NNENGINE_THREADS"] = before


def take_turns(sides: Sequence[Side], rounds: int, *, warm: bool = True) -> list[list[float]]:
    """Return for every side its seconds, one for each round.

    warm: let everybody have a go first that does not count: compilers, caches, first touches.
    Each round begins with another side, so that nobody always follows the same one.
    """
    times: list[list[float]] = [[] for _ in sides]
    for turn in range(-int(warm), rounds):
        order = [(n + max(turn, 0)) % len(sides) for n in range(len(sides))]
        for n in order:
            with conditions(sides[n].threads, sides[n].back_end):
                time.sleep(REST_S)
                seconds = sides[n].burst()
            if turn >= 0:
                times[n].append(seconds)
    return times


@dataclass
class Result:
    """What a case found: a table of words for readers, and the numbers behind it."""

    name: str
    title: str
    columns: Sequence[str]
    rows: list[Sequence[str]]
    note: str = ""
    data: dict[str, Any] = field(default_factory=dict)


def compare(
    name: str, title: str, sides: Sequence[Side], times: Sequence[Sequence[float]], unit: str
) -> Result:
    """Return a table of medians; what is said to be faster is so by the median over rounds.

    Ours are held against the best peer; everybody against our fastest back end, which is the
    first, on each number of threads. unit: a key of `UNITS`.
    """
    medians = [statistics.median(row) for row in times]
    peers = [n for n, side in enumerate(sides) if not side.ours]
    best = min(peers, key=medians.__getitem__, default=None)
    first = next((side.back_end for side in sides if side.ours), None)
    yardsticks = [n for n, side in enumerate(sides) if side.ours and side.back_end == first]
    rows, found = [], []
    for n, side in enumerate(sides):
        entry = {
            "name": side.label, "ours": side.ours, "threads": side.threads, "note": side.note,
            "median_s": medians[n], "seconds": list(times[n]), "takes": {},
        }  # fmt: skip
        row = [side.label, f"{shown(medians[n], unit)} {unit}", _span(times[n], unit), ""]
        if side.ours and best is not None:
            entry["ratio"], entry["ratio_range"] = paired(times[best], times[n])
            low, high = entry["ratio_range"]
            row[-1] = f"{entry['ratio']:.2f} x ({low:.2f} to {high:.2f})"
        for ours in yardsticks:
            ratio, span = paired(times[n], times[ours])
            entry["takes"][sides[ours].label] = {"ratio": ratio, "ratio_range": span}
            row.append(f"{ratio:.2f}")
        rows.append(row)
        found.append(entry)
    columns = [
        "who", "median", "least to most", "faster than the best peer",
        *(f"time over {sides[n].back_end}, {sides[n].threads} thr." for n in yardsticks),
    ]  # fmt: skip
    label = None if best is None else sides[best].label
    return Result(
        name, title, columns, rows, data={"unit": unit, "best_peer": label, "sides": found}
    )


def paired(theirs: Sequence[float], ours: Sequence[float]) -> tuple[float, list[float]]:
    """Return the median over rounds of their time over ours, and [the least, the most] of it."""
    ratios = [a / b for a, b in zip(theirs, ours, strict=True)]
    return statistics.median(ratios), [min(ratios), max(ratios)]


def _span(seconds: Sequence[float], unit: str) -> str:
    return f"{shown(min(seconds), unit)} to {shown(max(seconds), unit)}"


UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6}  # seconds into each


def shown(seconds: float, unit: str) -> str:
    """Return seconds in a unit, with three digits that mean something."""
    value = seconds * UNITS[unit]
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"
