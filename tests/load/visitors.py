"""Visitors: many train at once on one real server; is it fair, quick and frugal?

    python tests/load/visitors.py --visitors 50 --seconds 60

Each visitor uploads its own files, starts a run on the Train page and polls it as a browser
would, as often as the page asks. All of them are one process beside the server, on the same cores:
what they take, some 7 % of one for 50 visitors, the server has not. Exit status 1 when a goal is
missed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gzip
import io
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from dashboard.host.sessions import EVERY_S  # noqa: E402
from dashboard.runs.recipe import PRESETS  # noqa: E402
from nnengine.data.idx import write_idx  # noqa: E402
from tests.conftest import find_data  # noqa: E402
from tests.load.visitor import Visitor  # noqa: E402

FAIR, TICK_S, MEMORY_MB = 0.80, 0.5, 600
WAIT_S = 20  # from one turn to the next
GROWN = 0.05  # of the memory before, when all have left
FORGET_S = 20  # in place of an hour, so that "when they leave" can be seen
SESSION_S = 4  # in place of two minutes, how long Streamlit waits for somebody to come back


@dataclass
class Server:
    """The app as `nnengine app` starts it, and its memory as the system sees it."""

    base: str
    process: subprocess.Popen
    rss_mb: list[float] = field(default_factory=list)
    alone: bool = False  # without helpers that compile

    def watch(self) -> None:
        """Note resident memory twice a second, children included.

        What they have mapped of the same files, LLVM above all, is there once: the most that one
        of them has is counted.
        """
        while self.process.poll() is None:
            with contextlib.suppress(psutil.Error):  # one of them has just ended
                family = [psutil.Process(self.process.pid)]
                family += family[0].children(recursive=True)
                found = [process.memory_info() for process in family]
                files = max(one.shared for one in found)
                self.rss_mb.append((sum(one.rss - one.shared for one in found) + files) / 2**20)
                self.alone = len(family) == 1
            time.sleep(0.5)


@contextlib.contextmanager
def server(log: Path, forget_s: int = FORGET_S) -> Iterator[Server]:
    """Start the app on a free port, behind its door; end it afterwards.

    forget_s: after how long it forgets who was not seen.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "streamlit", "run", str(ROOT / "dashboard" / "server.py"),
        "--server.port", str(port), "--server.address", "127.0.0.1", "--server.headless", "true",
        "--server.disconnectedSessionTTL", str(SESSION_S), "--server.fileWatcherType", "none",
    ]  # fmt: skip
    # A folder of its own for runs: a crowd's do not belong among those of who starts this.
    home = {"NNENGINE_HOME": str(log.parent / "home")}
    settings = os.environ | home | {"NNENGINE_UNSEEN_FORGET_S": str(forget_s)}
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=settings, stdout=out, stderr=subprocess.STDOUT)
    found = Server(f"127.0.0.1:{port}", process)
    try:
        _wait_until_up(found, log)
        threading.Thread(target=found.watch, daemon=True).start()
        yield found
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_up(found: Server, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and found.process.poll() is None:
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"http://{found.base}/_stcore/health", timeout=2),
        ):
            return
        time.sleep(0.2)
    raise RuntimeError(f"the server did not come up:\n{log.read_text()[-2000:]}")


def mnist_like(count: int, seed: int) -> list[tuple[str, bytes]]:
    """Return image and label files with MNIST's density: 19 % of pixels are not zero."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, count).astype(np.uint8)
    marks = rng.random((10, 28, 28)) < 0.19
    images = np.where(marks[labels], rng.integers(1, 256, (count, 28, 28)), 0).astype(np.uint8)
    files = []
    for name, array in (("images", images), ("labels", labels)):
        stream = io.BytesIO()
        write_idx(stream, array)
        files.append((name, gzip.compress(stream.getvalue(), 1)))
    return files


def the_files(count: int | None) -> list[tuple[str, bytes]]:
    """Return MNIST's four files where they are at hand and all is wanted, else made-up ones."""
    folder = find_data()
    if folder and count is None:
        return [(path.name, path.read_bytes()) for path in sorted(folder.glob("mnist/*.gz"))]
    count = count or 60_000
    parts = (("train", count, 0), ("t10k", max(count // 6, 10), 1))
    return [(f"{p}-{name}", raw) for p, n, seed in parts for name, raw in mnist_like(n, seed)]


@dataclass
class Report:
    """What was seen; `missed` names the goals that were not reached."""

    steps: list[int]
    ticks_s: list[float]
    faults: list[str]
    rss_idle_mb: float
    rss_peak_mb: float
    rss_after_mb: float
    waits_s: list[float]  # of each visitor the longest without a step
    own_s: float = 0.0  # of a processor, that the visitors took for themselves

    @property
    def fairness(self) -> float:
        """Steps of the slowest run over the mean."""
        return min(self.steps) / statistics.mean(self.steps) if any(self.steps) else 0.0

    @property
    def p95_s(self) -> float:
        """The time that 95 of 100 page ticks stay under."""
        return float(np.quantile(self.ticks_s, 0.95))

    def missed(self) -> list[str]:
        """Return the goals missed, in words."""
        grown = self.rss_after_mb / self.rss_idle_mb - 1
        goals = {
            f"every run advances: {self.steps}": min(self.steps) > 0,
            f"slowest over mean {self.fairness:.2f}, goal {FAIR}": self.fairness >= FAIR,
            f"95th percentile of a tick {self.p95_s:.2f} s, goal {TICK_S}": self.p95_s < TICK_S,
            f"longest wait {max(self.waits_s):.1f} s, goal {WAIT_S}": max(self.waits_s) < WAIT_S,
            f"{grown:.1%} more memory than before, goal {GROWN:.0%}": grown <= GROWN,
            f"memory {self.rss_peak_mb:.0f} MB, goal {MEMORY_MB}": self.rss_peak_mb < MEMORY_MB,
            f"nothing crashes: {self.faults[:3]}": not self.faults,
        }
        return [words for words, reached in goals.items() if not reached]

    def __str__(self) -> str:
        ticks = f"{len(self.ticks_s)} ticks, median {statistics.median(self.ticks_s):.3f} s"
        return "\n".join(
            (
                f"steps of every run    {self.steps}",
                f"slowest over mean     {self.fairness:.2f}",
                f"longest without step  {max(self.waits_s):.1f} s",
                f"page tick             {ticks}, 95 % under {self.p95_s:.3f} s, "
                f"longest {max(self.ticks_s):.3f} s",
                f"server memory         idle {self.rss_idle_mb:.0f} MB, peak "
                f"{self.rss_peak_mb:.0f} MB, after they left {self.rss_after_mb:.0f} MB",
                f"visitors themselves   {self.own_s:.1f} s of a processor",
                f"faults                {self.faults or 'none'}",
            )
        )


async def visit(base: str, files: list[tuple[str, bytes]], recipe: str) -> Visitor:
    """Come, upload, choose a recipe and start; return the visitor on the Train page."""
    visitor = Visitor(base)
    await visitor.open()
    await visitor.go("Data")
    await visitor.upload("Drop image", files)
    await visitor.go("Train")
    await visitor.choose("Start from", next(n for n in PRESETS if n.startswith(recipe)))
    await visitor.click("Start training")
    return visitor


async def crowd(
    app: Server, *, visitors: int, seconds: float, files: list, recipe: str, stay: bool = False
) -> Report:
    """Let visitors come one after another, poll together, and leave.

    `stay` spares the wait until they are forgotten: the last memory is then that of the peak.
    """
    idle = await _idle(app, files, recipe, whole=not stay)
    people, waiting = [], []
    for _ in range(visitors):  # those who have come poll while the next ones arrive
        people.append(await visit(app.base, files, recipe))
        waiting.append(asyncio.create_task(people[-1].poll()))
    await asyncio.sleep(2)
    before, own_s = [person.steps for person in people], time.process_time()
    for person in people:
        person.begin()
    await asyncio.sleep(seconds)
    own_s = time.process_time() - own_s
    waits_s = [person.longest_wait_s() for person in people]
    steps = [person.steps - start for person, start in zip(people, before, strict=True)]
    peak = max(app.rss_mb)
    for person in people:
        person.leaving = True
    results = await asyncio.gather(*waiting, return_exceptions=True)
    faults = [repr(fault) for fault in results if fault is not None]
    for person in people:
        await person.close()
    after = peak if stay else await _after(app)
    return Report(
        steps=steps,
        ticks_s=[tick for person in people for tick in person.ticks_s],
        faults=faults + [fault for person in people for fault in person.faults],
        rss_idle_mb=idle,
        rss_peak_mb=peak,
        rss_after_mb=after,
        waits_s=waits_s,
        own_s=own_s,
    )


async def _idle(app: Server, files: list, recipe: str, *, whole: bool) -> float:
    """Return the memory after somebody has looked in or, the `whole` way, has trained and left."""
    if whole:
        first = await visit(app.base, files, recipe)
        polling = asyncio.create_task(first.poll())
        await asyncio.sleep(5)
        first.leaving = True
        await polling
        await first.close()
        await _after(app)
    else:
        first = Visitor(app.base)
        await first.open()
        await first.close()
    return await _settled(app)


async def _settled(app: Server) -> float:
    """Return the memory once it has stood still for two seconds: the kernels are compiled."""
    while len(app.rss_mb) < 10 or np.ptp(app.rss_mb[-4:]) > 2 or not app.alone:
        await asyncio.sleep(0.5)
    return app.rss_mb[-1]


async def _after(app: Server) -> float:
    """Return the memory once everybody has been forgotten, and nobody else has come.

    Pages go before visits, as on any server: memory is given back when the visits are forgotten.
    """
    await asyncio.sleep(SESSION_S + EVERY_S + FORGET_S + 4)
    return app.rss_mb[-1]


def main() -> int:
    """Run with the options given; print the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--visitors", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--images", type=int, help="made-up images each, in place of MNIST")
    parser.add_argument("--recipe", default="The original", help="how a preset's name begins")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "server.log"
        with server(log) as app:
            report = asyncio.run(
                crowd(
                    app, visitors=options.visitors, seconds=options.seconds,
                    files=the_files(options.images), recipe=options.recipe,
                )
            )  # fmt: skip
        print(report)
        missed = report.missed()
        if missed:
            print("missed: " + "; ".join(missed), log.read_text()[-3000:], sep="\n")
        return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
