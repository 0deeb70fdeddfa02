"""Cases: what is timed side by side in one process, and how each side is set up for it."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
import timeit
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import peers
from ours import ASIDE, Engine, config_of, until
from peers import Float32, Float64, Jax, Learner, Problem, ScikitLearn, Torch, TorchByHand
from rounds import Result, Side, compare, conditions, shown, take_turns
from windows import WindowEngine, WindowJax, WindowProblem, WindowTorch, WindowTorchLast

from nnengine import Dataset, kernels, read_idx
from nnengine.kernels.workers import threads as all_threads

WIDE = (784, 512, 256, 10)
SEED = 7


@dataclass(frozen=True)
class Plan:
    """How much is asked for: where the data lies, how many rounds, how many images at most."""

    data: Path
    rounds: int = 7
    images: int = 60_000  # of a training set, at most
    quick: bool = False

    @property
    def few(self) -> int:
        """Rounds of cases that take long each time."""
        return max(1, min(3, self.rounds))

    def images_of(self, name: str, part: str = "train") -> tuple[np.ndarray, np.ndarray]:
        """Return images and labels of a data set."""
        images, labels = _read(self.data / name, part)
        return images[: self.images], labels[: self.images]


@cache
def _read(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    return (
        read_idx(folder / f"{part}-images-idx3-ubyte.gz"),
        read_idx(folder / f"{part}-labels-idx1-ubyte.gz"),
    )


def back_ends() -> list[str]:
    """Return this engine's back ends that work here, the fastest first."""
    return [name for name, fault in kernels.available().items() if fault is None]


def thread_counts() -> list[int]:
    """Return all cores, and one."""
    return sorted({all_threads(), 1}, reverse=True)


def everybody(
    plan: Plan,
    problem: Problem,
    kinds: Sequence[type[Learner]],
    burst: Callable[[Learner], float],
    *,
    alone: Sequence[type[Learner]] = (),
    engine: type[Engine] = Engine,
) -> list[Side]:
    """Return this engine, every back end on all cores and on one, and the peers that are here.

    kinds: the peers on all cores; alone: those who try one thread as well, where that may be
    their best. Learners are made under the conditions they will work in. Where it has to go
    quickly the slower back ends have one thread: with two, NumPy's crawls beside a busy process.
    """
    best, *others = back_ends()
    few = thread_counts()[-1:] if plan.quick else thread_counts()
    wanted = [(engine, best, count) for count in thread_counts()]
    wanted += [(engine, name, count) for name in others for count in few]
    absent = peers.missing(kinds)
    for kind in kinds:
        counts = thread_counts()[: None if kind in alone and not kind.all_cores else 1]
        wanted += [(kind, None, count) for count in counts if kind not in absent]
    sides = []
    for kind, back_end, count in wanted:
        with conditions(count, back_end):
            learner = kind(problem)
        bursting = _bind(burst, learner)
        sides.append(Side(kind.name, bursting, count, back_end, kind.note, learner))
    return sides


def _bind(burst: Callable[[Learner], float], learner: Learner) -> Callable[[], float]:
    return lambda: burst(learner)


def absent_note(kinds: Sequence[type[Learner]]) -> str:
    """Return which peers are not here, in words."""
    return "".join(f" {k.name} is not installed." for k in peers.missing(kinds))


# ------------------------------------------------------------------------------------- training


def full_batch(plan: Plan, name: str, title: str, data: str) -> Result:
    """Time an iteration of 784-10-10 on all images of a data set."""
    problem = Problem(*plan.images_of(data), (784, 10, 10), None, "sgd", 0.1, SEED)
    kinds = (Float64, Float32, ScikitLearn, Torch, TorchByHand, Jax)
    steps = 5 if plan.quick else 10

    def burst(learner: Learner) -> float:
        learner.epochs(1)  # its own data back into cache: steady running is what is compared
        return learner.timed(steps)

    # NumPy on one thread too, so that our one thread can be compared with its like.
    sides = everybody(plan, problem, kinds, burst, alone=(Float64, Float32))
    result = compare(name, title, sides, take_turns(sides, plan.rounds), "ms")
    result.data["apart"] = agreement(sides)
    result.note = (
        f"One iteration on {len(problem):,} images; {steps} a turn. Afterwards the weights of the "
        f"first are within {result.data['apart']:.1g} of the original's equations'."
        f"{absent_note(kinds)}"
    )
    return result


def agreement(sides: Sequence[Side]) -> float:
    """Return how far our first side's weights are from float64's after as many iterations."""
    learners = [side.learner for side in sides]
    ours = next(one for one in learners if isinstance(one, Engine))
    exact = next(one for one in learners if isinstance(one, Float64))
    assert exact.taken == ours.taken
    pairs = zip(ours.weights(), exact.weights(), strict=True)
    return max(float(np.abs(a - b).max()) for layer in pairs for a, b in zip(*layer, strict=True))


def epoch(
    plan: Plan, name: str, title: str, sizes: tuple[int, ...], batch: int, share: int, dense: bool
) -> Result:
    """Time an epoch of Adam; share: one in so many images is enough, the time is scaled."""
    images, labels = plan.images_of("mnist")
    some = len(images) // (share * 4 if plan.quick else share)
    images, labels = images[:some], labels[:some]
    if dense:
        images = np.random.default_rng(SEED).integers(1, 256, images.shape, np.uint8)
    problem = Problem(images, labels, sizes, batch, "adam", 0.001, SEED)
    scale = 60_000 / len(problem)
    kinds = (Float32, ScikitLearn, Torch, TorchByHand, Jax)
    sides = everybody(plan, problem, kinds, lambda one: one.timed(1) * scale, alone=kinds)
    result = compare(name, title, sides, take_turns(sides, plan.rounds), "s")
    steps = problem.steps_per_epoch
    result.note = (
        f"Seconds for 60,000 images, from whole epochs of {len(problem):,} ({steps:,} steps); "
        f"shuffling counts, curves do not.{absent_note(kinds)}"
    )
    return result


def window_epoch(plan: Plan, name: str, title: str, layers: str, batch: int, share: int) -> Result:
    """Time an epoch of Adam of a network with convolutions and pools; share: as for `epoch`."""
    images, labels = plan.images_of("mnist")
    some = len(images) // (share * 4 if plan.quick else share)
    ends = images[0].size, 10
    problem = WindowProblem(
        images[:some], labels[:some], ends, batch, "adam", 0.001, SEED, layers=layers
    )
    scale = 60_000 / len(problem)
    kinds = (WindowTorch, WindowTorchLast, WindowJax)
    sides = everybody(
        plan, problem, kinds, lambda one: one.timed(1) * scale, alone=kinds, engine=WindowEngine
    )
    result = compare(name, title, sides, take_turns(sides, plan.rounds), "s")
    result.note = (
        f"Seconds for 60,000 images, from whole epochs of {len(problem):,} "
        f"({problem.steps_per_epoch:,} steps) of {layers!r}; curves do not count."
        f"{absent_note(kinds)}"
    )
    return result


# ----------------------------------------------------------------------------------- prediction


def predict(plan: Plan, name: str, title: str, count: int) -> Result:
    """Time the probabilities of some images, 784-10-10 through each one's public API."""
    kinds = (Float64, Float32, ScikitLearn, Torch, TorchByHand, Jax)
    problem = Problem(*_some(plan), (784, 10, 10), 64, "sgd", 0.1, SEED)
    return _asked(plan, name, title, count, problem, kinds, (Torch, TorchByHand), Engine)


def window_predict(plan: Plan, name: str, title: str, layers: str, count: int) -> Result:
    """Time the same of a network with convolutions and pools."""
    kinds = (WindowTorch, WindowTorchLast, WindowJax)
    problem = WindowProblem(*_some(plan), (784, 10), 64, "adam", 0.001, SEED, layers=layers)
    return _asked(plan, name, title, count, problem, kinds, kinds, WindowEngine)


def _some(plan: Plan) -> tuple[np.ndarray, np.ndarray]:
    """Return a hundred images to be a learner with: nobody learns them."""
    images, labels = plan.images_of("mnist")
    return images[:100], labels[:100]


def _asked(
    plan: Plan, name: str, title: str, count: int, problem: Problem,
    kinds: Sequence[type[Learner]], alone: Sequence[type[Learner]], engine: type[Engine],
) -> Result:  # fmt: skip
    images = plan.images_of("mnist", "t10k")[0][:count]
    floats = np.multiply(images.reshape(count, -1), np.float32(1 / 255), dtype=np.float32)

    def burst(learner: Learner) -> float:
        ask = learner.asker(images if isinstance(learner, Engine) else floats)
        timer = timeit.Timer(ask)
        timer.timeit(few)
        return timer.timeit(calls) / calls

    few, calls = (20, 2000) if count < 100 else (2, 20)
    if engine is WindowEngine:  # some fifty times the work
        few, calls = (20, 200) if count < 100 else (1, 1)
    sides = everybody(plan, problem, kinds, burst, alone=alone, engine=engine)
    unit = "us" if count < 100 else "ms"
    result = compare(name, title, sides, take_turns(sides, plan.rounds), unit)
    result.note = (
        "This engine reads the bytes as they are; peers get floats that were made before."
        f"{absent_note(kinds)}"
    )
    return result


# ------------------------------------------------------------------------------- to a target


def target(
    plan: Plan, name: str, title: str, sizes: tuple[int, ...], goal: float, epochs: int, rate: float
) -> Result:
    """Time from prepared arrays until the test images are told apart so well.

    The last epoch of a cosine ends at rate zero; epochs: its length, also the most granted.
    """
    test = Dataset(*plan.images_of("mnist", "t10k"))
    cosine = goal > 0.975
    problem = Problem(*plan.images_of("mnist"), sizes, 128, "adam", rate, SEED)
    if cosine:
        settings = config_of(replace(problem, schedule=lambda step: rate), epochs)
        problem = replace(problem, schedule=lambda step: settings.rate_at(step, len(problem)))
    problem.floats, problem.start  # noqa: B018  made once, before any clock starts
    # scikit-learn offers no such schedule.
    kinds = (
        (Float32, Torch, TorchByHand) if cosine else (Float32, ScikitLearn, Torch, TorchByHand, Jax)
    )
    reached: dict[str, list[tuple[int, float]]] = {}
    sides = _racers(problem, test, goal, epochs, kinds, reached)
    result = compare(name, title, sides, take_turns(sides, plan.few, warm=False), "s")
    result.columns = [*result.columns, "reached"]
    for side, row, entry in zip(sides, result.rows, result.data["sides"], strict=True):
        entry["reached"] = reached[side.label]
        passes, accuracy = reached[side.label][-1]
        missed = "" if accuracy >= goal else ": not reached"
        row.append(f"{accuracy:.2%} after {passes} of {epochs} epochs{missed}")
    shape = "-".join(map(str, sizes))
    fall = ", falling along a cosine" if cosine else ""
    result.note = (
        f"{shape}, Adam at {rate:g}{fall}, batches of 128; the {len(test):,} test images are asked "
        "after every epoch, within the clock; this engine asks them before the first step as well, "
        f"and {ASIDE:,} training images each time, for its curves. "
        "Peers have as many threads as a trial showed them to be faster with."
        f"{absent_note(kinds)}"
    )
    return result


def _racers(
    problem: Problem,
    test: Dataset,
    goal: float,
    epochs: int,
    kinds: Sequence[type[Learner]],
    reached: dict[str, list[tuple[int, float]]],
) -> list[Side]:
    """Return sides whose burst is a whole run; `reached` notes (epochs, accuracy) of each."""
    floats = np.multiply(test.images.reshape(test.count, -1), np.float32(1 / 255), dtype=np.float32)
    sides: list[Side] = []

    def ours() -> list[tuple[int, float]]:
        return list(until(problem, test, goal, epochs))

    def theirs(kind: type[Learner]) -> list[tuple[int, float]]:
        learner, seen = kind(problem), []
        for n in range(1, epochs + 1):
            learner.epochs(1)
            seen.append((n, learner.accuracy(floats, test.labels)))
            if seen[-1][1] >= goal:
                break
        return seen

    def add(run: Callable[[], list], *what) -> None:
        def burst() -> float:
            gc.collect()
            began = time.perf_counter()
            last = run()[-1]
            seconds = time.perf_counter() - began
            reached.setdefault(side.label, []).append(last)
            return seconds

        side = Side(what[0], burst, *what[1:])
        sides.append(side)

    for count in thread_counts():
        add(ours, Engine.name, count, back_ends()[0], "nnengine.training with test images")
    absent = peers.missing(kinds)
    for kind in kinds:
        if kind not in absent:
            count = best_threads(kind, problem)
            add(lambda kind=kind: theirs(kind), kind.name, count, None, kind.note)
    return sides


def best_threads(kind: type[Learner], problem: Problem) -> int:
    """Return on how many threads a peer gets through some of the images faster."""
    some = replace(problem, images=problem.images[:3000], labels=problem.labels[:3000])
    sides = []
    for count in thread_counts()[: 1 if kind.all_cores else None]:
        with conditions(count):
            learner = kind(some)
        sides.append(Side(kind.name, _bind(lambda it: it.timed(1), learner), count))
    medians = [float(np.median(row)) for row in take_turns(sides, 3)]
    return sides[medians.index(min(medians))].threads


# ------------------------------------------------------------------------------- cost, company


def cost(plan: Plan, name: str, title: str) -> Result:
    """Fit how an epoch's time grows with images, hidden units and layers."""
    images, labels = plan.images_of("mnist")
    some = len(images) // 4
    series = {
        "images": [
            (n, Problem(images[:n], labels[:n], (784, 128, 10), 128, "adam", 0.001, SEED))
            for n in (len(images) >> k for k in (3, 2, 1, 0))
        ],
        "hidden units": [
            (h, Problem(images[:some], labels[:some], (784, h, 10), 128, "adam", 0.001, SEED))
            for h in (32, 64, 128, 256, 512)
        ],
        "hidden layers of 128": [
            (k, Problem(images[:some], labels[:some], (784, *[128] * k, 10), 128, "adam", 1e-3))
            for k in (1, 2, 4, 8)
        ],
    }
    kinds = [Engine, *(k for k in (Torch,) if k not in peers.missing((Torch,)))]
    rows, data = [], {}
    for what, points in series.items():
        for kind in kinds:
            medians = _costs(kind, [problem for _, problem in points], plan.few)
            sizes = [size for size, _ in points]
            exponent = float(np.polyfit(np.log(sizes), np.log(medians), 1)[0])
            times = ", ".join(
                f"{size:,}: {shown(s, 'ms')}" for size, s in zip(sizes, medians, strict=True)
            )
            rows.append([f"{kind.name}, {what}", f"{exponent:.2f}", times])
            data[f"{kind.name}, {what}"] = {
                "exponent": exponent, "sizes": sizes, "seconds": medians
            }  # fmt: skip
    note = (
        "An epoch of Adam, batches of 128, all cores. Time grows as size to the power of the "
        f"exponent, fitted over all points. Units and layers: on {some:,} images."
    )
    return Result(name, title, ("who, with what", "exponent", "ms an epoch"), rows, note, data)


def _costs(kind: type[Learner], problems: Sequence[Problem], rounds: int) -> list[float]:
    """Return the median seconds of an epoch of each problem."""
    back_end = back_ends()[0] if kind is Engine else None
    count = thread_counts()[0]
    sides = []
    for problem in problems:
        with conditions(count, back_end):
            learner = kind(problem)
        sides.append(Side(kind.name, _bind(lambda it: it.timed(1), learner), count, back_end))
    return [float(np.median(row)) for row in take_turns(sides, rounds)]


def busy(plan: Plan, name: str, title: str) -> Result:
    """Time full-batch iterations alone and beside one process that never rests."""
    problem = Problem(*plan.images_of("mnist"), (784, 10, 10), None, "sgd", 0.1, SEED)
    kinds = (Float32, Torch)

    def burst(learner: Learner) -> float:
        learner.epochs(1)
        return learner.timed(5 if plan.quick else 20)

    sides = [side for side in everybody(plan, problem, kinds, burst) if side.back_end != "numpy"]
    take_turns(sides, 0)
    alone: list[list[float]] = [[] for _ in sides]
    beside: list[list[float]] = [[] for _ in sides]
    for turn in range(plan.rounds):  # alone and beside in turn, whichever comes first
        for times, company in ((alone, False), (beside, True))[:: 1 if turn % 2 else -1]:
            for kept, new in zip(times, _in_company(sides, company), strict=True):
                kept.extend(new)
    rows, data = [], {}
    for side, quiet, loud in zip(sides, alone, beside, strict=True):
        ratio = float(np.median([b / a for a, b in zip(quiet, loud, strict=True)]))
        middle = [float(np.median(quiet)), float(np.median(loud))]
        rows.append([side.label, *(f"{shown(s, 'ms')} ms" for s in middle), f"{ratio:.2f} x"])
        data[side.label] = {"alone_s": quiet, "beside_s": loud, "slower": ratio}
    columns = ("who", "alone", "beside a busy process", "slower")
    note = f"784-10-10, full batch, {len(problem):,} images; the other process counts for ever."
    return Result(name, title, columns, rows, note, data)


def _in_company(sides: Sequence[Side], company: bool) -> list[list[float]]:
    """Return a turn of every side, beside a process that counts for ever if asked."""
    if not company:
        return take_turns(sides, 1, warm=False)
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        time.sleep(0.1)
        return take_turns(sides, 1, warm=False)
    finally:
        other.kill()
        other.wait()


def roofs(plan: Plan) -> list[tuple[str, Problem, int]]:
    """Return what is held against the machine's limits: title, problem, epochs a turn."""
    images, labels = plan.images_of("mnist")
    some = len(images) // 4
    noise = np.random.default_rng(SEED).integers(1, 256, images[:some].shape, np.uint8)
    adam = ("adam", 0.001, SEED)
    return [
        ("784-10-10, full batch", Problem(images, labels, (784, 10, 10), None, "sgd", 0.1), 10),
        ("784-128-10, batch 128", Problem(images, labels, (784, 128, 10), 128, *adam), 1),
        ("784-512-256-10, batch 128", Problem(images[:some], labels[:some], WIDE, 128, *adam), 1),
        ("784-128-10, dense", Problem(noise, labels[:some], (784, 128, 10), 128, *adam), 1),
    ]


def time_of(problem: Problem, epochs: int, rounds: int) -> float:
    """Return the median seconds of an epoch with this engine's best back end on all cores."""
    back_end, count = back_ends()[0], thread_counts()[0]
    with conditions(count, back_end):
        learner = Engine(problem)

    def burst() -> float:
        if problem.batch_size is None:
            learner.epochs(1)
        return learner.timed(epochs)

    side = Side(Engine.name, burst, count, back_end)
    return float(np.median(take_turns([side], rounds)[0]))
