"""A real server that is ended in mid-run, started anew and visited again: no run is lost."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs

import numpy as np
import pytest

pytest.importorskip("websockets")

from dashboard.runs import address  # noqa: E402
from dashboard.runs.recipe import Recipe  # noqa: E402
from nnengine import read_idx  # noqa: E402
from nnengine.data.dataset import Dataset  # noqa: E402
from nnengine.storage.runs import FILE, INTERRUPTED, Kept, Store  # noqa: E402
from nnengine.training import StepFinished, TrainingState, training  # noqa: E402
from tests.browser.conftest import free_port, serving  # noqa: E402
from tests.load.visitor import Visitor  # noqa: E402
from tests.load.visitors import mnist_like  # noqa: E402

LONG = "NNENGINE_LONG" in os.environ
STUCK_S, MOST_LOST_S = 120, 10.0
# Whole sets at a time, and never over before its server is ended: a step takes some milliseconds.
ENDLESS = Recipe(hidden=(256,), batch_size=None, epochs=None, iterations=100_000, validation="none")
FILES = [(f"train-{name}", raw) for name, raw in mnist_like(900, seed=1)]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")


@dataclass
class Watcher(Visitor):
    """A visitor whose Train page is open, and who writes down when it saw which step."""

    seen: list[tuple[float, int]] = field(default_factory=list)

    async def watch(self) -> None:
        """Poll the page until the server is gone, or for good."""
        with contextlib.suppress(Exception):  # whatever a connection says when its server ends
            await asyncio.gather(self.poll(), self._write_down())

    async def _write_down(self) -> None:
        while not self.leaving:
            if not self.seen or self.steps != self.seen[-1][1]:
                self.seen.append((time.monotonic(), self.steps))
            await asyncio.sleep(0.05)


class Lost(NamedTuple):
    """What an end lost: steps that the page had shown, the seconds they took at most; its time."""

    steps: int
    seconds: float
    took_s: float


def of(visitor: Visitor) -> str:
    """Return the id of a visitor's run."""
    return parse_qs(visitor.query)["run"][0]


async def until(condition):
    """Return what a condition gives as soon as that is true."""
    deadline = time.monotonic() + STUCK_S
    while not (found := condition()):
        assert time.monotonic() < deadline, "it never came to that"
        await asyncio.sleep(0.05)
    return found


def kept(home: Path, token: str) -> Kept | None:
    """Return what the store says of a run, read as somebody who holds nothing."""
    with Store(home / FILE) as store:
        return store.visitors_run(token)


async def at(visitor: Visitor, page: str, label: str) -> None:
    """Change to a page, and wait until it has what is to be used there."""
    await visitor.go(page)
    deadline = time.monotonic() + STUCK_S
    while not any(known.startswith(label) for known in visitor.widgets):
        assert time.monotonic() < deadline, (label, sorted(visitor.widgets), visitor.words)
        await visitor.rerun()


async def begun(base: str) -> Watcher:
    """Come by a link with a recipe, bring files, and start the run."""
    visitor = Watcher(base, query=address.link(ENDLESS, None))
    await visitor.open()
    await visitor.go("Train")
    await at(visitor, "Data", "Drop image")
    await visitor.upload("Drop image", FILES)
    await at(visitor, "Train", "Start training")
    await visitor.click("Start training")
    return visitor


async def come_again(base: str, query: str) -> Watcher:
    """Open the address that the page had when its server ended."""
    visitor = Watcher(base, query=query)
    await visitor.open()
    await at(visitor, "Train", "Resume")
    return visitor


def ended(process, how: signal.Signals) -> float:
    """End a server; return how many seconds that took."""
    began = time.monotonic()
    process.send_signal(how)
    process.wait(timeout=20)
    return time.monotonic() - began


def after(steps: int) -> np.ndarray:
    """Return the weights of the same run, never broken off, after so many steps."""
    data = Dataset(*(read_idx(gzip.decompress(raw)) for _, raw in FILES))
    network, state = ENDLESS.build(data), TrainingState(steps_per_call=1)
    for event in training(network, data, ENDLESS.config(data.count), state=state):
        if type(event) is StepFinished and event.step == steps:
            break
    return network.theta


async def goes_on(base: str, before: Watcher | None, there: Kept | None) -> Watcher:
    """Begin the run, or find it on its page as it was kept and resume it; return who watches."""
    if before is None or there is None:
        return await begun(base)
    visitor = await come_again(base, before.query)
    said = f"Interrupted: the server ended. At step {there.step:,}."
    assert said in " ".join(visitor.words).replace("\\", ""), visitor.words
    await visitor.click("Resume")
    return visitor


async def end(process, how: signal.Signals, visitor: Watcher, home: Path) -> tuple[Kept, Lost]:
    """End a server while its page is watched; return what is kept of the run, and what is lost."""
    token = of(visitor)
    await until(lambda: kept(home, token).step)
    at, shown = time.monotonic(), visitor.steps
    took_s = await asyncio.to_thread(ended, process, how)
    there = kept(home, token)
    assert there.state == INTERRUPTED
    known = max(moment for moment, step in visitor.seen if step <= there.step)
    lost = max(shown - there.step, 0)
    return there, Lost(lost, at - known if lost else 0.0, took_s)


async def stop(visitor: Watcher, home: Path) -> None:
    """Stop the run by its page, and hold it to one that was never broken off."""
    token = of(visitor)
    await visitor.click("Stop")
    await until(lambda: kept(home, token).state == "stopped")
    assert not visitor.faults
    with Store(home / FILE) as store:
        network, state = store.open(token)
    np.testing.assert_array_equal(after(state.step), network.theta)


async def lived_through(folder: Path, how: signal.Signals, times: int, wait_s: float) -> list[Lost]:
    """End the server of a run so often, each time in mid-run, and stop the run by its page.

    wait_s: the run goes on for up to so long before each. Return what each end lost.
    """
    home, port, found, visitor, there = folder / "home", free_port(), [], None, None
    for number in range(times + 1):
        with serving(folder, port) as (base, process):
            visitor = await goes_on(base.removeprefix("http://"), visitor, there)
            watching = asyncio.create_task(visitor.watch())
            await until(lambda now=visitor, step=there.step if there else 0: now.steps > step)
            await asyncio.sleep(wait_s and random.uniform(wait_s / 2, wait_s))
            if number < times:
                there, lost = await end(process, how, visitor, home)
                found.append(lost)
            visitor.leaving = True
            await watching
            if number == times:
                await stop(visitor, home)
    return found


def alone(coroutine):
    """Run in a thread of its own: after browser tests Playwright's loop runs in this one."""
    with ThreadPoolExecutor(1) as apart:
        return apart.submit(asyncio.run, coroutine).result()


def test_a_server_that_is_told_to_end_keeps_its_run_to_the_last_step_shown(tmp_path):
    (lost,) = alone(lived_through(tmp_path, signal.SIGTERM, 1, 0.0))
    assert 0 == lost.steps
    assert lost.took_s < 10


@pytest.mark.skipif(
    not LONG, reason="ten servers one after another: set NNENGINE_LONG to kill them"
)
@pytest.mark.timeout(1200)
def test_ten_kills_in_a_row_lose_no_run_and_ten_seconds_each_at_most(tmp_path, capsys):
    found = alone(lived_through(tmp_path, signal.SIGKILL, 10, 16.0))
    with capsys.disabled():
        print("\nseconds lost:", *(f"{lost.seconds:.1f}" for lost in found))
    assert 10 == len(found)
    assert max(lost.seconds for lost in found) <= MOST_LOST_S
