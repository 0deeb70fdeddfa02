"""Cases that need processes of their own: memory, the start, and training from the Train page."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import alone
import cases
import numpy as np
import peers
import windows
from rounds import Result, Side, compare, take_turns

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PATIENCE_S = 300


def run_alone(*words: object, back_end: str = "numpy", threads: int | None = None, **more) -> dict:
    """Run `alone.py` with these words; return what it measured."""
    command = [sys.executable, str(HERE / "alone.py"), *map(str, words)]
    return json.loads(_run(command, back_end, threads, **more))


def _run(command: list[str], back_end: str, threads: int | None = None, **more: str) -> str:
    """Return a command's output; raise RuntimeError with its last words when it fails."""
    settings = os.environ | {"NNENGINE_KERNELS": back_end, "PYTHONPATH": str(ROOT)} | more
    if threads:
        settings["NNENGINE_THREADS"] = str(threads)
    done = subprocess.run(
        command, env=settings, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[1:4])} failed: {done.stderr[-500:]}")
    return done.stdout


def files_of(plan: cases.Plan) -> list[Path]:
    """Return MNIST's training images and labels as files."""
    folder = plan.data / "mnist"
    return [folder / f"train-{name}-ubyte.gz" for name in ("images-idx3", "labels-idx1")]


def present(*kinds: type[peers.Learner]) -> list[type[peers.Learner]]:
    """Return the peers that can run here."""
    absent = peers.missing(kinds)
    return [kind for kind in kinds if kind not in absent]


def memory(plan: cases.Plan, name: str, title: str) -> Result:
    """Measure the peak memory of reading MNIST and training, each in a process of its own."""
    rows, data = [], {}
    tasks = {"full batch": ["--full"], "epoch": [], "LeNet-5": ["--layers", windows.LENET]}
    everyone = [(f"nnengine, {b}", "nnengine", b) for b in cases.back_ends()]
    everyone += [(kind.name, kind.__name__, "numpy") for kind in present(*peers.PEERS)]
    for label, who, back_end in everyone:
        row, found = [label], {}
        for task, more in tasks.items():
            # The original knows the full batch only, peers of LeNet-5 stand in `windows`.
            if (who == "Float64" and task == "epoch") or (who != "nnengine" and task == "LeNet-5"):
                row.append("")
                continue
            words = ["train", who, *files_of(plan), *more]
            found[task] = run_alone(*words, back_end=back_end)
            row.append(f"{found[task]['peak_mb']:,.0f} MB")
        rows.append(row)
        data[label] = {task: entry["peak_mb"] for task, entry in found.items()}
    note = (
        f"From the gzipped files on, interpreter included; {alone.FULL_STEPS} iterations, and an "
        f"epoch of Adam in batches of {alone.BATCH}. {cases.absent_note(peers.PEERS)}".strip()
    )
    columns = ("who", "784-10-10, full batch", "784-128-10, mini-batches", "LeNet-5, mini-batches")
    return Result(name, title, columns, rows, note, {"peak_mb": data})


def start(plan: cases.Plan, name: str, title: str) -> Result:
    """Time from starting a process to the end of its first epoch, cold and warm."""
    with tempfile.TemporaryDirectory() as folder:
        count = cases.thread_counts()[0]
        sides = [
            Side("nnengine", _starting("nnengine", plan, back_end, folder), count, back_end)
            for back_end in cases.back_ends()
        ]
        for kind in present(peers.Float32, peers.ScikitLearn, peers.Torch):
            sides.append(Side(kind.name, _starting(kind.__name__, plan, "numpy", folder), count))
        cold = [] if plan.quick or "numba" not in cases.back_ends() else _cold(plan)
        times = take_turns(sides, plan.few)
    result = compare(name, title, sides, times, "s")
    if cold:
        middle = float(np.median(cold))
        span = f"{min(cold):.3g} to {max(cold):.3g}"
        label = "nnengine, numba, cold: its kernels are compiled first"
        blank = [""] * (len(result.columns) - 3)
        result.rows.append([label, f"{middle:.3g} s", span, *blank])
        result.data["cold_s"] = cold
    result.note = (
        "Process start, imports, gzipped files, an epoch of 784-128-10 with Adam in batches of "
        f"{alone.BATCH}, end. Files are in the system's cache; kernels come from numba's cache "
        f"but for the cold start.{cases.absent_note(peers.PEERS)}"
    )
    return result


def _starting(who: str, plan: cases.Plan, back_end: str, cache: str):
    """Return a burst: the wall time of one process, from its start to its end."""
    files = list(map(str, files_of(plan)))
    if who == "nnengine":
        words = ["-m", "nnengine", "train", *files, *alone.engine_options()]
    else:
        words = [str(HERE / "alone.py"), "train", who, *files]

    def burst() -> float:
        began = time.perf_counter()
        _run([sys.executable, *words], back_end, NUMBA_CACHE_DIR=cache)
        return time.perf_counter() - began

    return burst


def _cold(plan: cases.Plan) -> list[float]:
    """Return the times of starts that find no compiled kernel."""
    times = []
    for _ in range(min(2, plan.rounds)):
        with tempfile.TemporaryDirectory() as folder:
            times.append(_starting("nnengine", plan, "numba", folder)())
            if not any(Path(folder).rglob("*.nbi")):
                raise RuntimeError("numba kept its kernels elsewhere: this start was not cold")
    return times


def page(plan: cases.Plan, name: str, title: str) -> Result:
    """Compare training behind the Train page with the same recipe in a plain loop."""
    folder, seconds, back_end = plan.data / "mnist", 2 if plan.quick else 4, cases.back_ends()[0]
    epochs, rows, data = 5 if plan.quick else 20, [], {}
    pairs = [
        (
            "784-128-10, Adam, batch 64: the server's engine thread",
            lambda: run_alone("thread", "Quick", folder, "--epochs", epochs, back_end=back_end),
            lambda: run_alone("loop", "Quick", folder, "--epochs", epochs, back_end=back_end),
        )
    ]
    if can_visit():
        pairs.append(
            (
                "784-10-10, full batch: a running server, its Train page open",
                lambda: {"images_per_s": _visited(seconds, back_end)},
                lambda: run_alone(
                    "loop", "The original", folder, "--seconds", seconds, back_end=back_end
                ),
            )
        )
    for what, there, here in pairs:
        found = [[turn()["images_per_s"] for turn in (there, here)] for _ in range(plan.few)]
        ratio = float(np.median([a / b for a, b in found]))
        on_page, by_loop = np.median(found, axis=0)
        rows.append([what, f"{on_page:,.0f}", f"{by_loop:,.0f}", f"{ratio:.2f}"])
        data[what] = {"images_per_s": found, "ratio": ratio}
    columns = ("what", "there, images/s", "plain loop, images/s", "ratio")
    note = (
        "Medians, one after the other; both measure the same curves on the way. The plain loop "
        "has a process to itself, as on the command line."
    )
    if not can_visit():
        note += " Without websockets and pytest no page could be opened."
    return Result(name, title, columns, rows, note, data)


def can_visit() -> bool:
    """Tell whether what the tests' visitor needs is installed."""
    wanted = ("websockets", "streamlit", "psutil", "pytest")
    return all(importlib.util.find_spec(name) for name in wanted)


@contextlib.contextmanager
def _checkout_on_path() -> Iterator[None]:
    """Let the tests' visitor be imported."""
    sys.path.insert(0, str(ROOT))
    try:
        yield
    finally:
        sys.path.remove(str(ROOT))


def _visited(seconds: float, back_end: str) -> float:
    """Return images a second of the original's recipe, as the open page tells them."""
    with _checkout_on_path(), tempfile.TemporaryDirectory() as folder:
        from tests.load import visitors

        before = os.environ.get("NNENGINE_KERNELS")
        os.environ["NNENGINE_KERNELS"] = back_end
        try:
            with visitors.server(Path(folder) / "server.log") as app:
                return asyncio.run(_watch(visitors, app.base, seconds))
        finally:
            os.environ.pop("NNENGINE_KERNELS")
            if before is not None:
                os.environ["NNENGINE_KERNELS"] = before


async def _watch(visitors, base: str, seconds: float) -> float:
    """Start a run as a visitor does; return the slope of the steps that the page shows."""
    visitor = await visitors.visit(base, visitors.the_files(None), "The original")
    polling = asyncio.create_task(visitor.poll())
    seen: list[tuple[float, int]] = []
    deadline = time.perf_counter() + 60
    while time.perf_counter() < deadline:
        now = time.perf_counter()
        if visitor.steps and (not seen or visitor.steps != seen[-1][1]):
            seen.append((now, visitor.steps))
        running = [point for point in seen if point[0] > seen[0][0] + alone.WARM_S]
        if len(running) > 1 and running[-1][0] - running[0][0] >= seconds:
            break
        await asyncio.sleep(0.01)
    visitor.leaving = True
    await polling
    await visitor.close()
    (began, first), (ended, last) = running[0], running[-1]
    return (last - first) * 60_000 / (ended - began)
