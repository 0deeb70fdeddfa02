"""This checkout beside another one, such as the commit before: paired ratios, case by case.

    git worktree add ../before HEAD~1
    python benchmarks/before.py ../before                           # everything, 21 pairs
    python benchmarks/before.py ../before --only mini-64,mini-128 --pairs 41

Each side is a process of its own that stays; the two take turns, first one and then the other, and
what counts is the other's time over ours of each pair: whatever else the machine does meets both.
Printed are the median of the ratios (above 1: this checkout is faster, or takes less memory) and
an interval that holds their true median in 95 of 100 cases. Peak memory and compiling take a new
process each time, and fewer pairs. Both sides run on this Python and its packages; of the other
checkout only the public API is used, and nothing is written there.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MINI, WIDE, SMALL = (784, 128, 10), (784, 512, 256, 10), (784, 10, 10)
NEVER = 10**9
FEW = 5  # pairs of what takes a process each time


# The parent ------------------------------------------------------------------------------------


class Checkout:
    """A process that does what cases ask for with the engine of one checkout."""

    def __init__(self, folder: Path, data: Path, cache: Path) -> None:
        self.folder, self.data, self.cache = folder, data, cache
        self.process: subprocess.Popen | None = None

    def start(self, **environment: str) -> subprocess.Popen:
        """Return a new process that waits for the names of cases."""
        given = {"PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        given |= {"NUMBA_CACHE_DIR": str(self.cache), **environment}
        return subprocess.Popen(
            [sys.executable, __file__, str(self.folder), "--work", "--data", str(self.data)],
            env=os.environ | given, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def ask(self, name: str) -> float:
        """Return what a case measures in the process that stays."""
        if self.process is None:
            self.process = self.start()
        return _answer(self.process, name)

    def ask_once(self, name: str) -> float:
        """Return what a case measures in a new process."""
        with self.start() as process:
            return _answer(process, name)

    def ask_anew(self, name: str) -> float:
        """Do the same with nothing compiled yet."""
        with tempfile.TemporaryDirectory() as cache, self.start(NUMBA_CACHE_DIR=cache) as process:
            return _answer(process, name)

    def close(self) -> None:
        """End the process that stays."""
        if self.process is not None:
            self.process.communicate()


def _answer(process: subprocess.Popen, name: str) -> float:
    assert process.stdin and process.stdout
    process.stdin.write(f"{name}\n")
    process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"{name}: the process at {process.args[2]} ended; it says why above")
    return json.loads(line)


def pairs_of(
    other: Callable[[str], float], ours: Callable[[str], float], name: str, count: int
) -> list[tuple[float, float]]:
    """Return what either side measured, turn by turn; whoever begins, ends the next turn."""
    other(name), ours(name)  # caches, first touches, the first compilation: they do not count
    pairs = []
    for turn in range(count):
        if turn % 2:
            mine = ours(name)
            pairs.append((other(name), mine))
        else:
            pairs.append((other(name), ours(name)))
    return pairs


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return two of the values that hold the true median between them in 95 of 100 cases.

    By order: how many of n values are below the median is as if coins were thrown. Fewer than six
    values cannot be as sure: the least and the most.
    """
    ordered, n = sorted(values), len(values)
    rank, outside = 0, 2 / 2**n
    while outside <= 0.05 and rank < n // 2:
        rank += 1
        outside += 2 * math.comb(n, rank) / 2**n
    rank = max(rank - 1, 0)
    return ordered[rank], ordered[n - 1 - rank]


def row_of(name: str, pairs: Sequence[tuple[float, float]]) -> str:
    """Return a line of the table."""
    ratios = [other / ours for other, ours in pairs]
    low, high = interval(ratios)
    unit, scale = CASES[name][1]
    middles = [statistics.median(side) * scale for side in zip(*pairs, strict=True)]
    found = f"{statistics.median(ratios):.3f}  ({low:.3f} to {high:.3f})"
    return f"{name:14}{found:28}{middles[0]:9.4g} {middles[1]:9.4g} {unit:3}{len(pairs):4} pairs"


def compare(options: argparse.Namespace) -> None:
    """Measure the chosen cases and print each line as soon as it is known."""
    cache = ROOT / "build" / "before"
    cache.mkdir(parents=True, exist_ok=True)
    sides = [Checkout(folder, options.data, cache) for folder in (options.other, ROOT)]
    print(f"{'case':14}{'other / this checkout':28}{'other':>9} {'this':>9}")
    try:
        for name in options.chosen:
            how = CASES[name][2]
            count = options.pairs if how == "ask" else min(options.pairs, FEW)
            other, ours = (getattr(side, how) for side in sides)
            print(row_of(name, pairs_of(other, ours, name, count)), flush=True)
    finally:
        for side in sides:
            side.close()


# The process of a checkout ---------------------------------------------------------------------


class Worker:
    """What cases measure, with the engine that is imported here; all through its public API."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.under_way: dict[str, Iterator[float]] = {}

    def images_of(self, name: str, part: str = "train"):
        """Return a data set."""
        from nnengine import Dataset, read_idx

        folder = self.data / name
        images = read_idx(folder / f"{part}-images-idx3-ubyte.gz")
        return Dataset(images, read_idx(folder / f"{part}-labels-idx1-ubyte.gz"))

    def measure(self, name: str) -> float:
        """Return what a case measures; what it prepared the first time is used again."""
        if name not in self.under_way:
            self.under_way[name] = CASES[name][0](self)
        return next(self.under_way[name])


def settings(**given):
    """Return the settings of a run, whichever way they spell the optimizer."""
    from dataclasses import fields

    from nnengine import TrainingConfig

    if "optimizer" in given and "optimizer" not in {f.name for f in fields(TrainingConfig)}:
        given["optimiser"] = given.pop("optimizer")
    return TrainingConfig(**given)


def _epochs(worker: Worker, sizes, batch: int, share: int = 1) -> Iterator[float]:
    """Yield for ever the seconds of an epoch of Adam; curves are measured outside the clock."""
    from nnengine import Dataset, Evaluated, Network, StepFinished, training

    whole = worker.images_of("mnist")
    some = len(whole.labels) // share
    data = Dataset(whole.images[:some], whole.labels[:some])
    config = settings(
        iterations=NEVER, batch_size=batch, optimizer="adam", learning_rate=0.001, seed=7,
        evaluate_every=NEVER,
    )  # fmt: skip
    events = training(Network.build(sizes, rng=7), data, config)
    while True:
        while not isinstance(next(events), Evaluated):
            pass
        began, steps = time.perf_counter(), -(-some // batch)
        while steps:
            steps -= isinstance(next(events), StepFinished)
        yield time.perf_counter() - began


def _iterations(worker: Worker, name: str) -> Iterator[float]:
    """Yield for ever the seconds of a full-batch iteration, ten at a time."""
    from nnengine import Network, StepFinished, training

    config = settings(
        iterations=NEVER, batch_size=None, optimizer="sgd", learning_rate=0.1, evaluate_every=NEVER
    )
    events = training(Network.build(SMALL, rng=7), worker.images_of(name), config)
    while True:
        for counts in (1, 10):  # the first brings its own data back into cache
            began, steps = time.perf_counter(), counts
            while steps:
                steps -= isinstance(next(events), StepFinished)
        yield (time.perf_counter() - began) / counts


def _answers(worker: Worker, count: int) -> Iterator[float]:
    """Yield for ever the seconds of the answers to so many images."""
    from nnengine import Network

    images, network = worker.images_of("mnist", "t10k").images[:count], Network.build(SMALL, rng=7)
    calls = 2000 if count < 100 else 20
    while True:
        for n in (calls // 10, calls):
            began = time.perf_counter()
            for _ in range(n):
                network.predict_proba(images)
        yield (time.perf_counter() - began) / calls


def _to_97(worker: Worker) -> Iterator[float]:
    """Yield for ever the seconds from data in memory to 97 % of the test images."""
    from nnengine import Evaluated, Network, training

    data, test = worker.images_of("mnist"), worker.images_of("mnist", "t10k")
    config = settings(
        epochs=10, batch_size=128, optimizer="adam", learning_rate=0.001, seed=7, train_sample=1000
    )
    while True:
        began = time.perf_counter()
        for event in training(Network.build(MINI, rng=7), data, config, test):
            if isinstance(event, Evaluated) and event.step and event.val_accuracy >= 0.97:
                break
        yield time.perf_counter() - began


def _memory(worker: Worker) -> Iterator[float]:
    """Yield the most bytes this process has held, behind an epoch."""
    next(_epochs(worker, MINI, 128))
    status = Path("/proc/self/status")
    if status.exists():
        yield int(status.read_text().split("VmHWM:")[1].split()[0]) * 2.0**10
        return
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield float(most if sys.platform == "darwin" else most * 2**10)


def _compiling(_: Worker) -> Iterator[float]:
    """Yield the seconds until all kernels are ready."""
    from nnengine import kernels

    began = time.perf_counter()
    kernels.warm_up()
    yield time.perf_counter() - began


SECONDS, MILLI, MICRO, MEGA = ("s", 1.0), ("ms", 1e3), ("us", 1e6), ("MB", 2.0**-20)
CASES: dict[str, tuple[Callable[[Worker], Iterator[float]], tuple[str, float], str]] = {
    "mini-64": (lambda w: _epochs(w, MINI, 64), SECONDS, "ask"),
    "mini-128": (lambda w: _epochs(w, MINI, 128), SECONDS, "ask"),
    "wide": (lambda w: _epochs(w, WIDE, 128, share=6), SECONDS, "ask"),
    "full-mnist": (lambda w: _iterations(w, "mnist"), MILLI, "ask"),
    "full-fashion": (lambda w: _iterations(w, "fashion-mnist"), MILLI, "ask"),
    "predict-1": (lambda w: _answers(w, 1), MICRO, "ask"),
    "predict-10000": (lambda w: _answers(w, 10_000), MILLI, "ask"),
    "to-97": (_to_97, SECONDS, "ask"),
    "memory": (_memory, MEGA, "ask_once"),
    "compiling": (_compiling, SECONDS, "ask_anew"),
}


def work(data: Path) -> None:
    """Measure what is asked for, line by line, until nothing more is."""
    worker = Worker(data)
    for line in sys.stdin:
        print(json.dumps(worker.measure(line.strip())), flush=True)


# ------------------------------------------------------------------------------------------------


def options_of(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options; what is not there ends the program with words."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("other", type=Path, help="folder of the other checkout")
    parser.add_argument("--only", help=f"cases, with commas between: {', '.join(CASES)}")
    parser.add_argument("--pairs", type=int, default=21, help="of each case (21)")
    parser.add_argument("--data", type=Path, default=default_data(), help="holds mnist/*.gz")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(words)
    options.other, options.data = options.other.resolve(), options.data.resolve()
    chosen = options.only.split(",") if options.only else CASES
    unknown = [name for name in chosen if name not in CASES]
    options.chosen = [name for name in CASES if name in chosen]
    if unknown or options.pairs < 1:
        parser.error(f"no such case: {', '.join(unknown)}" if unknown else "at least one pair")
    if not (options.other / "nnengine" / "__init__.py").exists():
        parser.error(f"no checkout of this project in {options.other}")
    if not (options.data / "mnist" / "train-images-idx3-ubyte.gz").exists():
        parser.error(f"no MNIST in {options.data}: set NNENGINE_DATA or give --data")
    return options


def default_data() -> Path:
    """Return where the data is: `NNENGINE_DATA`, or beside the checkout."""
    given = os.environ.get("NNENGINE_DATA", "").split(os.pathsep)[0]
    return Path(given) if given else ROOT.parent / "shared" / "data"


def main(words: Sequence[str] | None = None) -> int:
    """Compare, or be one of the two that are compared; return the exit status."""
    options = options_of(words)
    if options.work:
        work(options.data)
    else:
        compare(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
