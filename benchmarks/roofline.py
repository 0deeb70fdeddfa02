"""The roofline: what this machine could do at most, and how near the engine comes.

Two limits hold any program (Williams, Waterman & Patterson 2009): its operations cannot run
faster than the processor's best product, nor its bytes come faster than memory gives them.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import cases
import numpy as np
from peers import Problem
from rounds import Result, conditions

_SIDE = 2048  # of the square product: 17 GFLOP, past every cache
_COPY = 1 << 26  # bytes a thread copies at a time: past every cache


@dataclass(frozen=True)
class Need:
    """What an epoch takes: operations as a dense product has them, those left when multiplications
    by zero pixels are skipped, and bytes that must come from memory (pixels as bytes, once)."""

    dense_flop: float
    sparse_flop: float
    memory_bytes: float


def need(problem: Problem) -> Need:
    """Count the operations and bytes of one epoch; a multiply-add is two operations.

    The first layer is taken forward and its weights backward; the others' inputs backward too.
    Adam takes about 12 operations a parameter and step, plain descent 2. Parameters, gradients
    and moments stay in cache and are not counted as traffic.
    """
    sizes, n = problem.sizes, len(problem)
    first = 2 * 2 * sizes[0] * sizes[1] * n
    rest = sum(3 * 2 * a * b * n for a, b in zip(sizes[1:], sizes[2:], strict=False))
    parameters = sum((a + 1) * b for a, b in zip(sizes, sizes[1:], strict=False))
    step = (12 if problem.optimizer == "adam" else 2) * parameters * problem.steps_per_epoch
    density = np.count_nonzero(problem.images) / problem.images.size
    return Need(first + rest + step, first * density + rest + step, float(problem.images.nbytes))


def product_peak(threads: int, tries: int = 5) -> float:
    """Return the best float32 operations a second of BLAS on a large square product."""
    a = np.random.default_rng(0).random((_SIDE, _SIDE), np.float32)
    out = np.empty_like(a)
    with conditions(threads):
        best = min(_timed(lambda: np.matmul(a, a, out=out)) for _ in range(tries))
    return 2 * _SIDE**3 / best


def bandwidth(threads: int, tries: int = 5) -> float:
    """Return the best bytes a second that threads read and write together, copying."""
    pairs = [(np.ones(_COPY, np.uint8), np.empty(_COPY, np.uint8)) for _ in range(threads)]

    def copy_all() -> None:
        workers = [threading.Thread(target=np.copyto, args=(b, a)) for a, b in pairs]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    copy_all()  # the first touch
    return 2 * _COPY * threads / min(_timed(copy_all) for _ in range(tries))


def _timed(work) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def roofline(plan: cases.Plan, name: str, title: str) -> Result:
    """Measure the machine and the engine, and set them side by side."""
    data = {
        str(count): {"sgemm_flop_per_s": product_peak(count), "copy_bytes_per_s": bandwidth(count)}
        for count in cases.thread_counts()
    }
    limits = data[str(cases.thread_counts()[0])]
    rows, found = [], []
    for what, problem, epochs in cases.roofs(plan):
        seconds = cases.time_of(problem, epochs, plan.few)
        entry = held_against(need(problem), seconds, **limits)
        found.append({"case": what, "seconds": seconds, **entry})
        rows.append(
            [
                what,
                f"{entry['dense_flop'] / 1e9:.2f} / {entry['sparse_flop'] / 1e9:.2f}",
                f"{entry['memory_bytes'] / 1e6:.0f}",
                f"{entry['dense_limit_s'] * 1e3:.1f} ms",
                f"{entry['limit_s'] * 1e3:.1f} ms",
                f"{seconds * 1e3:.1f} ms",
                f"{entry['limit_s'] / seconds:.0%}",
                f"{entry['dense_limit_s'] / seconds:.2f} x",
            ]
        )
    peaks = "; ".join(
        f"{count} thread{'s' if count != '1' else ''}: sgemm {v['sgemm_flop_per_s'] / 1e9:.0f} "
        f"GFLOP/s, copying {v['copy_bytes_per_s'] / 1e9:.1f} GB/s"
        for count, v in data.items()
    )
    columns = (
        "an epoch of", "GFLOP, dense / zeros skipped", "MB from memory", "dense limit",
        "limit with zeros skipped", "this engine", "of that limit", "speed against dense limit",
    )  # fmt: skip
    note = f"Measured peaks, {peaks}. All cores, {cases.back_ends()[0]}."
    return Result(name, title, columns, rows, note, {"machine": data, "cases": found})


def held_against(
    wanted: Need, seconds: float, *, sgemm_flop_per_s: float, copy_bytes_per_s: float
) -> dict[str, float]:
    """Return the least seconds that the limits allow, and the counts they follow from."""
    memory_s = wanted.memory_bytes / copy_bytes_per_s
    return {
        "dense_flop": wanted.dense_flop,
        "sparse_flop": wanted.sparse_flop,
        "memory_bytes": wanted.memory_bytes,
        "dense_limit_s": max(wanted.dense_flop / sgemm_flop_per_s, memory_s),
        "limit_s": max(wanted.sparse_flop / sgemm_flop_per_s, memory_s),
        "flop_per_s": wanted.sparse_flop / seconds,
    }
