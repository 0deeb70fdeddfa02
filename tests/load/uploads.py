"""Uploads: more large files at once than a server has room for, while others train and look on.

    python tests/load/uploads.py --uploads 50

Every visitor drops a file of 47 MB that nobody else has. As many as the budget allows are held, the
rest are told why and when to come again, and those who train notice little. Exit status 1 when a
goal is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from nnengine.data.idxheader import encode_header  # noqa: E402
from tests.load.visitor import Visitor  # noqa: E402
from tests.load.visitors import Server, _settled, server  # noqa: E402

HELD, TICK_S, MEMORY_MB = 18, 1.0, 1300
COUNT, SIDE = 60_000, 28  # of images in a file: MNIST's
# The original's recipe, for longer than the crowd needs: who has finished asks for nothing more.
LONG = (
    "hidden=10&activation=relu&initializer=uniform&optimizer=sgd&rate=0.1&batch=full"
    "&iterations=100000"
)


class Reader(Visitor):
    """A visitor who reads what the cards of the files say."""

    def _take_delta(self, delta) -> None:
        super()._take_delta(delta)
        element = delta.new_element
        if element.WhichOneof("type") == "markdown":
            self.words.append(element.markdown.body)

    def says(self, text: str) -> bool:
        """Return whether the page says this, marks that shield Markdown aside."""
        return any(text in words.replace("\\", "") for words in self.words)


@dataclass
class Report:
    """What was seen; `missed` names the goals that were not reached."""

    uploads: int
    held: int
    told: list[str]
    silent: int  # neither held nor told
    ticks_s: list[float]
    rss_idle_mb: float
    rss_peak_mb: float
    again: bool | None  # whether who came again, when others had left, was let in
    faults: list[str] = field(default_factory=list)

    def missed(self) -> list[str]:
        """Return the goals missed, in words."""
        soon = sum("try again in" in words for words in self.told)
        goals = {
            f"{self.held} held at a time, goal {HELD}": self.held >= min(HELD, self.uploads),
            f"{self.silent} neither held nor told why": self.silent == 0,
            f"{soon} of {len(self.told)} told when to come again": soon == len(self.told),
            f"longest tick {max(self.ticks_s):.2f} s, goal {TICK_S}": max(self.ticks_s) < TICK_S,
            f"memory {self.rss_peak_mb:.0f} MB, goal {MEMORY_MB}": self.rss_peak_mb < MEMORY_MB,
            "who comes again when others have left is let in": self.again is not False,
            f"nothing crashes: {self.faults[:3]}": not self.faults,
        }
        return [words for words, reached in goals.items() if not reached]

    def __str__(self) -> str:
        ticks = f"median {np.median(self.ticks_s):.3f} s, longest {max(self.ticks_s):.3f} s"
        return "\n".join(
            (
                f"uploads               {self.uploads}, held at a time {self.held}, told why not "
                f"{len(self.told)}",
                f"what they are told    {next(iter(self.told), 'nothing')}",
                f"ticks of who trains   {len(self.ticks_s)}, {ticks}",
                f"server memory         idle {self.rss_idle_mb:.0f} MB, peak "
                f"{self.rss_peak_mb:.0f} MB",
                f"faults                {self.faults or 'none'}",
            )
        )


def large_file(base: bytes, number: int) -> bytes:
    """Return an IDX file of images that differs from all others in its first pixels."""
    return base[:16] + number.to_bytes(4, "big") + base[20:]


def base_file(count: int) -> bytes:
    """Return `count` images of noise as an IDX file."""
    images = np.random.default_rng(0).integers(0, 256, (count, SIDE, SIDE), dtype=np.uint8)
    return encode_header(images) + images.tobytes()


async def drop(address: str, base: bytes, number: int) -> Reader:
    """Come, and drop a file."""
    reader = Reader(address)
    await reader.open()
    await reader.go("Data")
    await reader.upload("Drop image", [(f"images-{number}", large_file(base, number))])
    return reader


async def drop_all(address: str, uploads: int, count: int) -> None:
    """Drop many files at once, say as JSON what became of them, and stay until told to leave.

    In a process of its own: what sends so much would put off the answers to who trains.
    """
    base = base_file(count)
    staying: list[asyncio.Task] = []

    async def come(number: int) -> Reader:
        reader = await drop(address, base, number)
        staying.append(asyncio.create_task(reader.poll()))
        return reader

    readers = await asyncio.gather(*map(come, range(uploads)))
    for reader in readers:
        reader.leaving = True
    await asyncio.gather(*staying)
    for reader in readers:  # what is there now, all at a time
        await reader.rerun()
    held = [one for one in readers if one.says(f"{count:,} images")]
    told = [
        next((words for words in one.words if " takes " in words), "")
        for one in readers
        if one not in held
    ]
    faults = [fault for one in readers for fault in one.faults]
    print(json.dumps({"held": len(held), "told": told, "faults": faults}), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for reader in readers:
        await reader.close()


async def crowd(
    app: Server, uploads: int, trainers: int, count: int = COUNT, again_s: float | None = None
) -> Report:
    """Let some train, and many drop their files at once.

    again_s: so long after they have left one comes again; None: nobody does.
    """
    first = Visitor(app.base)
    await first.open()
    idle = await _settled(app)
    others = []
    for _ in range(trainers):
        others.append(Visitor(app.base, query=LONG))
        await others[-1].open()
        await others[-1].go("Train")
        await others[-1].click("Start training")
    ticking = [asyncio.create_task(one.poll()) for one in others]
    await asyncio.sleep(3)
    for one in others:
        one.ticks_s.clear()
    command = [__file__, "--drop-at", app.base, "--uploads", str(uploads), "--images", str(count)]
    crowd = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    seen = json.loads(await crowd.stdout.readline() or b"{}")
    peak, ticks = max(app.rss_mb), [tick for one in others for tick in one.ticks_s]
    crowd.stdin.close()
    await crowd.wait()
    again = None
    if again_s is not None:
        await asyncio.sleep(again_s)
        back = await drop(app.base, base_file(count), uploads)
        again = back.says(f"{count:,} images")
    for one in others:
        one.leaving = True
    ended = await asyncio.gather(*ticking, return_exceptions=True)
    faults = [repr(fault) for fault in ended if fault is not None] + seen.get("faults", ["none"])
    told = seen.get("told", [])
    return Report(
        uploads=uploads, held=seen.get("held", 0), told=[words for words in told if words],
        silent=told.count(""), ticks_s=ticks, rss_idle_mb=idle, rss_peak_mb=peak,
        again=again, faults=faults,
    )  # fmt: skip


def main() -> int:
    """Run with the options given; print the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--uploads", type=int, default=50)
    parser.add_argument("--trainers", type=int, default=4)
    parser.add_argument("--images", type=int, default=COUNT, help="in a file")
    parser.add_argument("--drop-at", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.drop_at:
        os.nice(10)  # a browser computes on another machine
        asyncio.run(drop_all(options.drop_at, options.uploads, options.images))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "server.log"
        with server(log, forget_s=3600) as app:
            began = time.monotonic()
            report = asyncio.run(crowd(app, options.uploads, options.trainers, options.images))
        print(report, f"took                  {time.monotonic() - began:.0f} s", sep="\n")
        if missed := report.missed():
            print("missed: " + "; ".join(missed), log.read_text()[-3000:], sep="\n")
        return bool(report.missed())


if __name__ == "__main__":
    sys.exit(main())
