"""Fuzz: damaged inputs of every kind are read, and used where they open.

    python tests/fuzz.py --count 200000

Every input is made from its number and the seed alone, so that any of them can be made again:
--only NUMBER. What may come of one: it is refused, by an EngineError, or it is accepted, and then
paired, learnt from, shown, saved and read again without any fault. None may take over 2 s of this
process's own time (other programs on the machine do not count), or 300 MB at any moment above what
the process had before its first input: Linux keeps the highest resident size, and is told before
each input to begin anew, so memory of decoders counts too. Workers that hang or die are told by
the number they stood at, and replaced.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

MOST_S, MOST_MB, HUNG_S = 2.0, 300.0, 60.0
STANDS_S = 600.0  # of the clock: on a busy machine a worker may have had little of the processor
NUMPY = {"NNENGINE_KERNELS": "numpy"}  # nothing is compiled for single steps
FAULTS = ("escaped", "later", "slow", "large", "hung")


@dataclass(frozen=True)
class Kind:
    """One kind of input: who makes it, who reads it, and who uses what was accepted."""

    make: Callable[[Random], Any]
    read: Callable[[Any], Any]
    use: Callable[[Any], None]


def kinds() -> dict[str, Kind]:
    """Return all kinds by name."""
    from nnengine.storage import links
    from tests.fuzzing import foreign, formats, made, stills, used

    known = {
        name: Kind(getattr(made, name), used.read_data, used.use_data)
        for name in ("idx", "npy", "npz", "csv", "pictures", "archive")
    }
    known |= {
        name: Kind(make, used.read_data, used.use_data) for name, make in formats.kinds().items()
    }
    known |= {
        name: Kind(make, used.read_foreign, used.use_network)
        for name, make in foreign.kinds().items()
    }
    known |= {
        name: Kind(make, used.read_drawing, used.use_picture)
        for name, make in stills.kinds().items()
    }
    known |= {
        "drawing": Kind(made.picture, used.read_drawing, used.use_picture),
        "model": Kind(made.model, used.read_model, used.use_network),
        "checkpoint": Kind(made.run, used.read_checkpoint, used.use_checkpoint),
        "link": Kind(made.link, links.decode, used.use_link),
        "address": Kind(made.address, used.read_address, used.use_address),
    }
    bomb = Kind(
        lambda rng: rng.choice(made.bombs()),
        lambda given: (known[given[0]], known[given[0]].read(given[1])),
        lambda found: found[0].use(found[1]),
    )
    return known | {"bomb": bomb}


def tried(kind: Kind, given: Any) -> tuple[str, str]:
    """Return what came of an input (accepted, refused or a fault), and a fault's traceback."""
    from nnengine.errors import EngineError

    try:
        found = kind.read(given)
    except EngineError:
        return "refused", ""
    except Exception:
        return "escaped", traceback.format_exc()
    try:
        kind.use(found)
    except Exception:
        return "later", traceback.format_exc()
    return "accepted", ""


# Workers ---------------------------------------------------------------------------------


def made_of(seed: int, number: int, names: list[str]) -> tuple[str, Random]:
    """Return the kind of an input and the random numbers it is made from."""
    from tests.fuzzing.made import RARE

    rng = Random(f"{seed}:{number}")
    often = [name for name in names if name != "bomb"] or names
    return ("bomb" if "bomb" in names and rng.random() < RARE else rng.choice(often)), rng


def work(seed: int, numbers: range, known: dict[str, Kind], mark: Callable[[int], None]) -> None:
    """Try these inputs, and print a line of JSON for each fault and every thousand inputs."""
    warnings.simplefilter("error", RuntimeWarning)  # as under np.seterr(all="raise")
    for kind in known.values():  # what is made once only is not laid to the first input's charge
        with contextlib.suppress(Exception):
            tried(kind, kind.make(Random(0)))
    tally: dict[str, dict[str, float]] = {}
    base = _resident()
    for count, number in enumerate(numbers, 1):
        mark(number)
        name, rng = made_of(seed, number, list(known))
        given = known[name].make(rng)
        _begin_anew()
        started = time.process_time()
        came, why = tried(known[name], given)
        seconds, mb = time.process_time() - started, (_highest() - base) / 2**20
        row = tally.setdefault(name, {"accepted": 0, "refused": 0, "slowest": 0, "largest": 0})
        row["slowest"], row["largest"] = max(row["slowest"], seconds), max(row["largest"], mb)
        row[came] = row.get(came, 0) + 1
        faults = [f for f, is_so in (("slow", seconds > MOST_S), ("large", mb > MOST_MB)) if is_so]
        for fault in faults + [came] * (came in FAULTS):
            said = why or f"{seconds:.1f} s, {mb:.0f} MB"
            print(json.dumps({"fault": fault, "kind": name, "number": number, "why": said}))
        if count % 1000 == 0 or number + numbers.step not in numbers:
            print(json.dumps({"tally": tally}), flush=True)
            tally = {}


def _status(name: str) -> int:
    """Return bytes that Linux tells of this process; elsewhere the highest there ever were."""
    try:
        text = Path("/proc/self/status").read_text()
        return 1024 * int(text.partition(f"{name}:")[2].split()[0])
    except (OSError, IndexError):
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _took_s(pid: int) -> float:
    """Return how much of a processor another process has taken; where none tells, the clock's."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
        user, system = text.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        return time.monotonic()


def _resident() -> int:
    return _status("VmRSS")


def _highest() -> int:
    return _status("VmHWM")


def _begin_anew() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


# The whole -------------------------------------------------------------------------------


class Worker:
    """A process that tries some of the inputs, watched, and replaced where it does not go on."""

    def __init__(self, seed: int, numbers: range, only: str) -> None:
        self.seed, self.numbers, self.only = seed, numbers, only
        self.place = tempfile.TemporaryFile()  # noqa: SIM115, kept open with the process
        self.out = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.seen, self.moved, self.took = -1, time.monotonic(), 0.0
        words = [str(seed), str(numbers.start), str(numbers.stop), str(numbers.step), only]
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--worker", *words, str(self.place.fileno())],
            stdout=self.out, pass_fds=[self.place.fileno()], cwd=ROOT,
            env={**NUMPY, **os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip

    def at(self) -> int:
        """Return the number of the input in hand, -1 before the first."""
        raw = os.pread(self.place.fileno(), 8, 0)
        return int.from_bytes(raw, "little") if raw else -1

    def ended(self) -> Iterator[dict[str, Any]]:
        """Yield what it said, once it has ended or does not go on; nothing while it does."""
        at = self.at()
        if at != self.seen:
            self.seen, self.moved, self.took = at, time.monotonic(), _took_s(self.process.pid)
        stood = time.monotonic() - self.moved
        hung = stood > HUNG_S and (
            stood > STANDS_S or _took_s(self.process.pid) - self.took > HUNG_S
        )
        if self.process.poll() is None and not hung:
            return
        if hung:
            self.process.kill()
            self.process.wait()
        self.out.seek(0)
        yield from map(json.loads, self.out)
        if hung or self.process.returncode:
            why = f"{HUNG_S:.0f} s" if hung else f"ended by {self.process.returncode}"
            yield {"fault": "hung", "kind": "?", "number": at, "why": why}
        goes_on = at >= 0 and (hung or self.process.returncode)  # else it never came to begin
        yield {"next": at + self.numbers.step if goes_on else None}


def fuzz(seed: int, count: int, workers: int, only: str = "") -> tuple[dict, list[dict]]:
    """Return the table by kind, and every fault, of so many inputs."""
    running = [Worker(seed, range(n, count, workers), only) for n in range(min(workers, count))]
    table: dict[str, dict[str, float]] = {}
    faults: list[dict] = []
    while running:
        time.sleep(0.2)
        for worker in list(running):
            for said in worker.ended():
                if "tally" in said:
                    _add(table, said["tally"])
                elif "fault" in said:
                    faults.append(said)
                else:
                    running.remove(worker)
                    if said["next"] is not None and said["next"] < count:
                        rest = range(said["next"], count, worker.numbers.step)
                        running.append(Worker(seed, rest, only))
    return table, faults


def _add(table: dict, tally: dict) -> None:
    for name, row in tally.items():
        into = table.setdefault(name, {})
        for what, value in row.items():
            join = max if what in ("slowest", "largest") else float.__add__
            into[what] = join(float(into.get(what, 0)), float(value))


def lines(table: dict, faults: list[dict], most: int = 12) -> Iterator[str]:
    """Say what came of the inputs, and of each fault where it lies."""
    yield f"{'kind':<12}{'inputs':>9}{'accepted':>10}{'refused':>9}{'slowest':>10}{'largest':>10}"
    for name, row in sorted(table.items()):
        inputs = sum(v for what, v in row.items() if what not in ("slowest", "largest"))
        yield (
            f"{name:<12}{inputs:>9,.0f}{row['accepted']:>10,.0f}{row['refused']:>9,.0f}"
            f"{row['slowest'] * 1000:>7,.0f} ms{row['largest']:>7,.0f} MB"
        )
    counts = {fault: sum(one["fault"] == fault for one in faults) for fault in FAULTS}
    yield ", ".join(f"{count} {fault}" for fault, count in counts.items())
    alike: dict[str, list[dict]] = {}
    for one in faults:  # of one place in the code, or slow and large of one kind
        where = "\n".join(one["why"].strip().splitlines()[-5:])
        alike.setdefault(where if "\n" in where else one["kind"] + one["fault"], []).append(one)
    for where, ones in list(alike.items())[:most]:
        first = ones[0]
        yield f"{len(ones)} like --only {first['number']} ({first['kind']}, {first['fault']}):"
        yield where if "\n" in where else first["why"]


def main(words: list[str]) -> int:
    """Do what the command line asks; return 1 where there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000, help="inputs (20,000)")
    parser.add_argument("--seed", type=int, default=14, help="of all inputs (14)")
    parser.add_argument("--workers", type=int, default=2, help="processes (2)")
    parser.add_argument("--kind", default="", help="inputs of one kind alone")
    parser.add_argument("--only", type=int, help="try one input again, and show what comes of it")
    asked = parser.parse_args(words)
    known = {n: k for n, k in kinds().items() if asked.kind in ("", n)}
    if asked.only is not None:
        name, rng = made_of(asked.seed, asked.only, list(known))
        given = known[name].make(rng)
        print(name, repr(given)[:2000], *tried(known[name], given), sep="\n")
        return 0
    started = time.monotonic()
    table, faults = fuzz(asked.seed, asked.count, asked.workers, asked.kind)
    print(*lines(table, faults), f"{time.monotonic() - started:.0f} s", sep="\n")
    return bool(faults)


def _as_worker(seed: str, start: str, stop: str, step: str, only: str, place: str) -> None:
    known = {name: kind for name, kind in kinds().items() if only in ("", name)}
    numbers = range(int(start), int(stop), int(step))
    from nnengine.data import apart

    with apart.kept():  # by itself each file that is read apart would take 0.4 s longer
        work(int(seed), numbers, known, lambda n: os.pwrite(int(place), n.to_bytes(8, "little"), 0))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        _as_worker(*sys.argv[2:])
    else:
        sys.exit(main(sys.argv[1:]))
