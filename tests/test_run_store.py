"""The store of runs: what lasts when a program ends, however it ends."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from nnengine import Network, TrainingConfig
from nnengine.data.dataset import Dataset
from nnengine.errors import ConfigError, FormatError
from nnengine.storage import runfile, runs, runsets
from nnengine.storage.runs import INTERRUPTED, LEASE_S, UNDER_WAY, Store
from nnengine.training import EpochFinished, TrainingState, training

CONFIG = TrainingConfig(epochs=6, batch_size=32, optimizer="adam", learning_rate=0.01, seed=3)


class Clock:
    """Seconds since 1970, as a test says."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(tmp_path, clock):
    with Store(tmp_path / "runs.sqlite", clock=clock) as made:
        yield made


@pytest.fixture
def data(stripes):
    return Dataset(*stripes)


def new_network() -> Network:
    return Network.build("64-12-3", rng=5)


def train(network: Network, data: Dataset, state: TrainingState, epochs: int | None = None) -> None:
    """Train to the end, or until so many epochs are done."""
    events = training(network, data, CONFIG, state=state)
    with contextlib.closing(events):
        for event in events:
            if epochs and isinstance(event, EpochFinished) and event.epoch >= epochs:
                return


def broken_off(store: Store, data: Dataset, epochs: int = 2, **about: str) -> str:
    """Keep a run that has done so many epochs; return its id."""
    network, state = new_network(), TrainingState()
    run = store.begin({"data": ["stripes"]}, **about)
    train(network, data, state, epochs)
    store.keep(run, network, state)
    return run


# Going on


def test_a_run_goes_on_to_the_bits_of_one_that_was_never_broken_off(store, clock, data):
    run = broken_off(store, data)
    clock.now += LEASE_S + 1
    network, state = store.take_up(run)
    train(network, data, state)
    whole, course = new_network(), TrainingState()
    train(whole, data, course)
    np.testing.assert_array_equal(whole.theta, network.theta)
    assert whole.training[-1]["history"] == network.training[-1]["history"]


def test_a_run_under_way_is_nobody_elses_until_it_is_silent(store, clock, data, tmp_path):
    run = broken_off(store, data)
    with Store(tmp_path / "runs.sqlite", clock=clock) as other:
        assert UNDER_WAY == other.run(run).state
        with pytest.raises(ConfigError, match="under way in another program"):
            other.take_up(run)
        with pytest.raises(ConfigError, match="another program's"):
            other.delete(run)
        clock.now += LEASE_S + 1
        assert INTERRUPTED == other.run(run).state
        network, state = other.take_up(run)
        assert UNDER_WAY == store.run(run).state
        with pytest.raises(ConfigError, match="taken up elsewhere"):
            store.keep(run, network, state)
        other.end(run, "stopped")
        with pytest.raises(ConfigError, match="is stopped: only an interrupted one"):
            store.take_up(run)


def test_what_was_asked_for_and_what_was_reached_are_on_the_record(store, data):
    run = broken_off(store, data, name="a first try")
    (kept,) = store.runs()
    assert (run, "", "a first try", UNDER_WAY) == (kept.id, kept.owner, kept.name, kept.state)
    assert {"data": ["stripes"]} == kept.request
    assert 2 * 10 == kept.step == kept.record["steps"]
    assert data.digest == kept.record["data_digest"]
    assert 2 == kept.record["history"]["epoch"][-1]
    assert kept.bytes > 4 * 3 * new_network().parameter_count  # weights and two moments of Adam


def test_a_run_before_its_first_checkpoint_is_kept_and_has_nothing_to_go_on_with(store, clock):
    run = store.begin({"data": ["stripes"]})
    clock.now += LEASE_S + 1
    assert (INTERRUPTED, 0, {}) == (
        store.run(run).state,
        store.run(run).step,
        store.run(run).record,
    )
    with pytest.raises(ConfigError, match="left no checkpoint: train it anew"):
        store.take_up(run)
    assert INTERRUPTED == store.run(run).state  # whoever tried does not hold it


# Names, owners, ends


def test_runs_are_found_by_owner_and_by_the_beginning_of_an_id(store, clock):
    first = store.begin({}, owner="ann")
    clock.now += 1
    second = store.begin({}, owner="ben")
    assert [second, first] == [run.id for run in store.runs()]
    assert [first] == [run.id for run in store.runs("ann")]
    assert [] == store.runs("")
    assert first == store.run(first[:8]).id
    with pytest.raises(ConfigError, match="no run 'x' in .*`nnengine runs list` shows them all"):
        store.run("x")
    with pytest.raises(ConfigError, match="no run '%'"):
        store.run("%")
    with pytest.raises(ConfigError, match="no run ''"):
        store.run("")


def test_a_run_is_renamed_noted_and_deleted(store):
    run = store.begin({})
    store.rename(run, "x" * 5_000)
    store.note(run, "it learned nothing")
    assert (4_000, "it learned nothing") == (len(store.run(run).name), store.run(run).notes)
    store.delete(run)
    assert [] == store.runs()
    for act in (store.delete, lambda run: store.end(run, "stopped"), lambda r: store.rename(r, "")):
        with pytest.raises(ConfigError, match="it was deleted"):
            act(run)
    with pytest.raises(ConfigError, match="not 'lost'"):
        store.end(run, "lost")


# Bounds


def test_the_runs_that_ended_longest_ago_make_room(data, tmp_path, clock):
    with Store(tmp_path / "runs.sqlite", clock=clock) as store:
        size = store.run(broken_off(store, data, name="measured")).bytes
        store.end(store.runs()[0].id, "finished")
        store.most_bytes = int(3.5 * size)
        for name in ("second", "third"):
            clock.now += 1
            store.end(broken_off(store, data, name=name), "finished")
        clock.now += 1
        network, state = new_network(), TrainingState()
        train(network, data, state, 2)
        run = store.begin({}, name="fourth")
        assert ["measured"] == store.keep(run, network, state)
        assert [] == store.keep(run, network, state)
        assert ["fourth", "third", "second"] == [kept.name for kept in store.runs()]


def test_interrupted_runs_make_room_when_no_ended_one_is_left(data, tmp_path, clock):
    with Store(tmp_path / "runs.sqlite", clock=clock) as store:
        broken_off(store, data, name="killed")
        clock.now += LEASE_S + 1
        store.end(broken_off(store, data, name="done"), "finished")
        store.most_bytes = int(1.5 * store.runs()[0].bytes)
        broken_off(store, data, name="new")
        assert ["new"] == [kept.name for kept in store.runs()]


def test_where_runs_under_way_take_all_room_another_goes_on_without(data, tmp_path, clock):
    with Store(tmp_path / "runs.sqlite", clock=clock) as store:
        first = broken_off(store, data)
        store.most_bytes = int(1.5 * store.run(first).bytes)
        with pytest.raises(ConfigError, match="goes on without being kept"):
            broken_off(store, data)
        assert store.open(first)[1].step


def test_a_visitors_run_takes_no_room_from_what_was_kept_on_the_command_line(data, tmp_path, clock):
    with Store(tmp_path / "runs.sqlite", clock=clock) as store:
        mine = broken_off(store, data, name="mine")
        store.end(mine, "finished")
        store.most_bytes = int(1.5 * store.run(mine).bytes)
        with pytest.raises(ConfigError, match="goes on without being kept"):
            broken_off(store, data, owner="ann")
        assert mine in [run.id for run in store.runs()]


def test_visitors_runs_are_forgotten_after_a_time_and_ones_own_are_not(store, clock, data):
    mine, old = broken_off(store, data), broken_off(store, data, owner="ann")
    clock.now += 100
    new = broken_off(store, data, owner="ann")
    assert 1 == store.prune(50)
    assert {mine, new} == {run.id for run in store.runs()}
    assert old not in {run.id for run in store.runs()}


# Data that runs need


def test_what_runs_need_is_kept_once_and_under_each_owners_own_names(store, stripes):
    names = (("ann's", ("a", "b", "c")), ("ben's", None))
    sets = [Dataset(*stripes, name=name, class_names=classes) for name, classes in names]
    runs = [store.begin({}, owner=data.name) for data in sets]
    for run, data in zip(runs, sets, strict=True):
        assert [] == store.need(run, {"train": data, "validation": data.take(slice(0, 30))})
    assert [(2,)] == store._rows("SELECT COUNT(*) FROM sets")
    for run, data in zip(runs, sets, strict=True):
        found = store.sets(run)
        assert ["train", "validation"] == sorted(found)
        assert (data.digest, data.name) == (found["train"].digest, found["train"].name)
        assert data.class_names == found["train"].class_names
        assert 300 * 65 + 30 * 65 == store.sets_bytes(run)
    store.delete(runs[0])
    assert data.digest == store.sets(runs[1])["train"].digest
    store.end(runs[1], "finished")
    assert [(0,)] == store._rows("SELECT COUNT(*) FROM sets")


def test_data_without_room_are_not_kept_and_go_before_a_run_does(store, data):
    run = store.begin({})
    store.most_bytes = 10_000
    assert ["train"] == store.need(run, {"train": data})
    store.most_bytes = 20_000
    assert [] == store.need(run, {"train": data})
    network, state = new_network(), TrainingState()
    train(network, data, state, 2)
    store.keep(run, network, state)
    assert {} == store.sets(run)


def test_damaged_data_are_told(store, data):
    run = store.begin({})
    store.need(run, {"train": data})
    store._base.execute("UPDATE sets SET labels = ?", (b"nothing",))
    with pytest.raises(FormatError):
        store.sets(run)
    other = Dataset(data.images[::-1].copy(), data.labels)
    store._base.execute("UPDATE sets SET images = ?, labels = ?", runsets._packed(other))
    with pytest.raises(FormatError, match="damaged"):
        store.sets(run)


# Files


def test_a_store_that_has_given_its_memory_back_still_holds_its_runs(store, clock, data, tmp_path):
    run = broken_off(store, data)
    before = store.run(run)
    store.rest()
    assert before == store.run(run)
    with Store(store.path, clock=clock) as other:
        assert other.run(run).state == before.state  # nobody took it for the run of the dead
    store.end(run, "stopped")
    assert "stopped" == store.run(run).state


def test_nobody_else_on_the_machine_may_read_a_store(tmp_path):
    if os.name != "posix":
        pytest.skip("this system knows no such rights")
    with Store(tmp_path / "new" / "runs.sqlite") as store:
        store.begin({})
        made = [tmp_path / "new", *(tmp_path / "new").iterdir()]
    assert len(made) >= 3
    assert {0} == {path.stat().st_mode & 0o077 for path in made if path.exists()}


def test_a_store_of_the_first_version_is_taken_over(tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "runs.sqlite")) as base:
        base.execute(
            "CREATE TABLE runs (id TEXT PRIMARY KEY, owner TEXT NOT NULL, name TEXT NOT NULL, "
            "notes TEXT NOT NULL, state TEXT NOT NULL, holder TEXT NOT NULL, begun REAL NOT NULL, "
            "kept REAL NOT NULL, step INTEGER NOT NULL, request TEXT NOT NULL, "
            "record TEXT NOT NULL, checkpoint BLOB)"
        )
        base.execute(
            "INSERT INTO runs VALUES ('abc', '', 'old', '', 'finished', '', 1, 2, 3, '{}', '{}', "
            "NULL)"
        )
        base.execute("PRAGMA user_version=1")
        base.commit()
    with Store(tmp_path / "runs.sqlite") as store:
        assert ("old", 3, {}) == (
            store.run("abc").name,
            store.run("abc").step,
            store.run("a").about,
        )
        store.begin({}, owner="ann")


def test_a_file_that_is_no_store_is_told_and_left_as_it_is(tmp_path):
    place = tmp_path / "runs.sqlite"
    place.write_bytes(b"a diary" * 1000)
    with pytest.raises(FormatError, match="no store of runs, or a damaged one .*move it away"):
        Store(place)
    assert b"a diary" * 1000 == place.read_bytes()


def test_a_later_versions_store_is_told_and_left_as_it_is(tmp_path):
    Store(tmp_path / "runs.sqlite").close()
    with contextlib.closing(sqlite3.connect(tmp_path / "runs.sqlite")) as base:
        base.execute("PRAGMA user_version=7")
    with pytest.raises(FormatError, match="later version of nnengine .store 7"):
        Store(tmp_path / "runs.sqlite")


def test_a_full_disk_is_told_as_one_and_loses_nothing(data, tmp_path):
    with Store(tmp_path / "runs.sqlite") as store:
        run = broken_off(store, data)
        pages = store._base.execute("PRAGMA page_count").fetchone()[0]
        store._base.execute(f"PRAGMA max_page_count={pages}")
        with pytest.raises(OSError, match="full") as full:
            for _ in range(20):
                broken_off(store, data)
        assert (errno.ENOSPC, str(tmp_path / "runs.sqlite")) == (
            full.value.errno,
            full.value.filename,
        )
        assert 20 == store.open(run)[1].step
        store.delete(run)  # and there is room again
        broken_off(store, data)


def test_the_home_of_runs_is_said_or_the_systems(monkeypatch, tmp_path):
    assert tmp_path == runs.home({"NNENGINE_HOME": str(tmp_path)})
    monkeypatch.setitem(sys.modules, "platformdirs", None)
    monkeypatch.setattr(sys, "platform", "linux")
    assert Path("/here/nnengine") == runs.home({"XDG_DATA_HOME": "/here"})
    assert Path.home() / ".local" / "share" / "nnengine" == runs.home({})


@pytest.mark.skipif(sys.platform == "win32", reason="its folders are found otherwise")
def test_the_home_of_runs_is_where_platformdirs_would_have_it(monkeypatch):
    platformdirs = pytest.importorskip("platformdirs")
    found = platformdirs.user_data_path("nnengine", appauthor=False)
    assert found == runs.home({"XDG_DATA_HOME": os.environ.get("XDG_DATA_HOME", "")})
    monkeypatch.setitem(sys.modules, "platformdirs", None)
    assert found == runs.home({"XDG_DATA_HOME": os.environ.get("XDG_DATA_HOME", "")})


# Several programs

KEEPING = """
import sys, time
from nnengine import Network
from nnengine.storage.runs import Store
from nnengine.training import TrainingState
network, state = Network.build("64-12-3", rng=1), TrainingState()
with Store(sys.argv[1]) as store:
    runs = [store.begin({}, owner=sys.argv[2], name=str(i)) for i in range(20)]
    for step in range(1, int(sys.argv[3]) + 1):
        for run in runs:
            state.step = step
            store.keep(run, network, state)
        print(step, flush=True)
"""


def keeping(place: Path, owner: str, steps: int) -> subprocess.Popen:
    """Start a program that keeps twenty runs."""
    command = [sys.executable, "-c", KEEPING, str(place), owner, str(steps)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_programs_keep_twenty_runs_each_in_one_file_and_nothing_is_lost(tmp_path):
    place = tmp_path / "runs.sqlite"
    both = [keeping(place, owner, 5) for owner in ("ann", "ben")]
    assert [0, 0] == [program.wait(120) for program in both]
    with Store(place) as store:
        for owner in ("ann", "ben"):
            kept = store.runs(owner)
            assert 20 == len(kept)
            assert {5} == {run.step for run in kept}
            assert {5} == {store.open(run.id)[1].step for run in kept}
        assert "ok" == store._base.execute("PRAGMA integrity_check").fetchone()[0]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system knows no SIGKILL")
def test_a_program_that_is_killed_loses_what_came_after_its_last_checkpoint_alone(tmp_path):
    place = tmp_path / "runs.sqlite"
    for kill in range(5):
        program = keeping(place, f"{kill}", 10_000)
        seen = 0
        while seen < 2 + kill:
            seen = int(program.stdout.readline())
        program.send_signal(signal.SIGKILL)
        program.wait(20)
        program.stdout.close()
        # Where a lock tells that it lives no more nobody waits for its lease.
        later = 0 if runfile.fcntl else LEASE_S + 1
        with Store(place, clock=lambda later=later: time.time() + later) as store:
            kept = store.runs(f"{kill}")
            assert 20 == len(kept)
            assert all(run.step >= seen and INTERRUPTED == run.state for run in kept)
            assert kept[0].step == store.take_up(kept[0].id)[1].step
            assert "ok" == store._base.execute("PRAGMA integrity_check").fetchone()[0]
