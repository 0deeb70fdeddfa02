"""Pages after their server has ended: the run is there, says so, goes on, and can be forgotten."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest

from dashboard import state
from dashboard.runs.recipe import Recipe
from dashboard.state import kept_runs, session
from dashboard.store import library, runwriter
from nnengine.data.dataset import Dataset
from nnengine.storage.runs import Store
from tests.pages import click, idx, open_page, words

# Whole sets at a time through wide layers: minutes on any machine.
LONG = Recipe(
    hidden=(512, 512), batch_size=None, epochs=None, iterations=100_000, validation="none"
)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty store, and a server that nobody has visited yet."""
    monkeypatch.setenv("NNENGINE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(session, "_made", [])
    monkeypatch.setattr(runwriter, "EVERY_S", 0.0)  # whenever runs are looked at
    # Each server would write the digits anew, some seconds of work.
    few = Dataset(np.zeros((20, 28, 28), np.uint8), np.arange(20, dtype=np.uint8) % 10)
    monkeypatch.setattr(library, "_parts", lambda name: (few, few))
    yield tmp_path / "home"
    end()


def end() -> None:
    """End this server; nothing that it holds is let go of, as when it is killed."""
    for registry in session._made:
        registry.scheduler.close()
        if registry.run_keeper:
            with registry.run_keeper._writing:
                registry.run_keeper._closed = True
                if store := registry.run_keeper._store:
                    store._base.close()
                    if store._sign is not None:
                        os.close(store._sign)
                    registry.run_keeper._store = None
    session._made.clear()


def trained(stripes):
    """Start a run of a visitor with files, and return it when some steps of it are kept."""
    visit = state.registry().create()
    load = state.registry().shelf.load
    visit.files = [load(name, idx(a)) for name, a in zip("xy", stripes, strict=True)]
    keeper = kept_runs.keeper()
    visit.run_sources[visit.reserved] = "files"
    run = state.scheduler().start(
        LONG, *kept_runs.training.split(LONG, *kept_runs.sets.sets_of(visit, "files")[:2]),
        owner=visit.owner, name="Mine", run_id=visit.reserved,
    )  # fmt: skip
    state.registry().add_run(visit, run)
    while run.step < 3:
        time.sleep(0.01)
    return visit, run, keeper


def until(done):
    """Wait until it is so; a machine under load may take its time, and pytest ends what hangs."""
    while not done():
        time.sleep(0.01)


def test_after_a_kill_the_page_shows_the_run_as_interrupted_and_resume_goes_on(stripes):
    visit, run, keeper = trained(stripes)
    until(lambda: (kept := keeper._opened().visitors_run(run.id)) and kept.step)
    end()
    kept = Store().visitors_run(run.id)

    at = open_page("train", run_id=run.id)
    assert not at.exception
    assert f"Interrupted: the server ended. At step {kept.step:,}." in words(at)
    assert ":orange-badge[Interrupted]" in words(at)
    (again,) = state.registry().find(run.id).runs
    assert ("Mine", "paused", kept.step) == (again.name, again.state, again.step)
    click(at, "Resume")
    until(lambda: again.step > kept.step)
    assert not at.exception
    assert "Interrupted" not in words(at.run())


def test_what_is_kept_is_said_beneath_the_page_and_all_of_it_can_be_deleted(stripes):
    visit, run, keeper = trained(stripes)
    at = open_page("draw", visit, run_id=run.id)
    assert "kept on this server's disk for 30 days" in words(at)
    until(lambda: keeper._opened().visitors_run(run.id))
    click(at, "Delete everything kept here")
    assert not at.exception
    assert [] == keeper._opened().runs(visit.owner)
    assert state.registry().find(run.id) is None
    assert "no longer on the server" in words(open_page("start", run_id=run.id))


def test_a_fault_of_the_disk_is_told_until_it_is_read(stripes, home):
    home.write_text("no folder")
    visit, run, keeper = trained(stripes)
    until(lambda: keeper.why_not(visit))
    at = open_page("train", run_id=run.id)
    assert "Your runs go on in memory and are not kept: " in words(at)
    click(at, "I have read this")
    assert "are not kept" not in words(at)
    assert "kept on this server's disk" not in words(at)
    assert run.live


def test_a_server_that_keeps_no_runs_writes_nothing(stripes, home, monkeypatch):
    monkeypatch.setenv("NNENGINE_KEEP_RUNS", "0")
    visit, run, keeper = trained(stripes)
    at = open_page("train", run_id=run.id)
    assert keeper is None
    assert "kept on this server's disk" not in words(at)
    assert not home.exists()
