"""Runs on the command line: kept under a name, listed, resumed, exported, deleted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from nnengine import write_idx
from nnengine.cli import recording
from nnengine.storage import modelfile, runs
from nnengine.storage.runs import INTERRUPTED, Store
from tests.conftest import ROOT, without_rights


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty store, and IDX files of the stripes in the working folder."""
    monkeypatch.setenv("NNENGINE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
def files(stripes, home):
    images, labels = stripes
    write_idx("images", images)
    write_idx("labels", labels)
    return ["images", "labels"]


SETTINGS = ("--layers", "64,12,3", "--batch-size", 32, "--optimizer", "adam", "--seed", 3)


def by_itself(*words: object) -> subprocess.Popen:
    """Start a command in a program of its own, which computes by NumPy: nothing is compiled."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NNENGINE_KERNELS": "numpy"}
    command = [sys.executable, "-m", "nnengine", *map(str, words)]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def broken_off(run, files) -> str:
    """Have a run of its own program ended by a signal; return the run's id."""
    settings = (*SETTINGS, "--epochs", 1_000_000)
    program = by_itself("train", *files, *settings, "--keep", "stripes")
    while not json.loads(run("runs", "list", "--json")[1])["runs"]:
        assert program.poll() is None, program.stderr.read()
        time.sleep(0.1)
    time.sleep(0.5)
    program.send_signal(signal.SIGTERM)
    _, said = program.communicate(timeout=120)
    assert 143 == program.returncode, said
    return json.loads(run("runs", "list", "--json")[1])["runs"][0]["id"]


def test_a_kept_run_is_listed_with_what_it_reached(files, run):
    status, out, _ = run(
        "train", *files, *SETTINGS, "--test", *files, "--epochs", 3, "--keep", "first", "--json"
    )
    assert 0 == status
    result = json.loads(out)
    listed = run("runs", "list")[1]
    assert (
        f"{result['run']}  finished     step 30  {result['test_accuracy']:.2%}  first\n" == listed
    )
    shown = run("runs", "show", result["run"][:5])[1]
    assert "first: finished, step 30" in shown
    assert f"data  {os.path.abspath('images')} {os.path.abspath('labels')}" in shown


def test_nothing_is_kept_unless_asked_for(files, home, run):
    assert 0 == run("train", *files, *SETTINGS, "--epochs", 1)[0]
    assert not home.exists()


def test_an_empty_store_says_how_to_keep_a_run(home, run):
    assert "`nnengine train DATA --keep NAME` keeps one" in run("runs", "list")[1]
    assert [] == json.loads(run("runs", "list", "--json")[1])["runs"]


def test_a_run_ended_by_a_signal_is_resumed_from_any_folder_to_the_same_weights(
    files, run, tmp_path, monkeypatch
):
    whole = tmp_path / "whole.npz"
    kept = broken_off(run, files)
    with Store() as store:
        step = store.run(kept).step
        assert INTERRUPTED == store.run(kept).state
        asked = store.run(kept).request
        asked["config"]["epochs"] = step // 10 + 20  # the rest of a million would take long
        network, state = store.open(kept)
        store.delete(kept)
        network.training[-1]["config"]["epochs"] = asked["config"]["epochs"]
        again = store.begin(asked, name="stripes")
        store.keep(again, network, state)
        store.end(again, INTERRUPTED)
    monkeypatch.chdir("/")
    resumed = by_itself("runs", "resume", again, "--out", tmp_path / "resumed.npz", "--json")
    out, err = resumed.communicate(timeout=60)
    assert 0 == resumed.returncode, err
    assert f"run {again}: going on after {step:,} iterations" in err
    assert step == json.loads(out)["resumed_at"]
    monkeypatch.chdir(tmp_path)
    settings = (*SETTINGS, "--epochs", step // 10 + 20)
    by_itself("train", *files, *settings, "--out", whole).communicate(timeout=60)
    np.testing.assert_array_equal(
        modelfile.load(whole).theta, modelfile.load(tmp_path / "resumed.npz").theta
    )
    assert "finished" == json.loads(run("runs", "show", again, "--json")[1])["state"]
    assert "only an interrupted one can be resumed" in run("runs", "resume", again)[2]


def test_train_resume_goes_on_with_the_kept_run_of_that_name(files, run):
    kept = broken_off(run, files)
    other = run("train", *files, "--layers", "64,9,3", "--keep", "stripes", "--resume")
    assert 2 == other[0]
    assert f"run {kept}: that run was begun with" in other[2]
    status, _, err = run("train", *files, *SETTINGS, "--epochs", 1, "--keep", "new", "--resume")
    assert 0 == status
    assert "no interrupted run is kept as 'new': the run begins" in err


def test_data_that_have_moved_are_asked_for_and_others_refused(files, run, stripes, tmp_path):
    kept = broken_off(run, files)
    os.rename("images", "elsewhere")
    assert (
        "images is not there any more: give the data of the run again"
        in run("runs", "resume", kept)[2]
    )
    images, labels = stripes
    write_idx("others", images[::-1])
    assert "trained on other images" in run("runs", "resume", kept, "others", "labels")[2]
    assert INTERRUPTED == json.loads(run("runs", "show", kept, "--json")[1])["state"]


def test_runs_of_a_servers_visitors_are_shown_to_who_asks_for_all(home, run):
    with Store() as store:
        theirs = store.begin({"data_name": "secret.csv"}, owner="somebody", name="a visitor's")
        mine = store.begin({}, name="mine")
        store.end(theirs, "stopped")
    listed = json.loads(run("runs", "list", "--json")[1])["runs"]
    assert [mine] == [one["id"] for one in listed]
    assert {mine, theirs} == {
        one["id"] for one in json.loads(run("runs", "list", "--all", "--json")[1])["runs"]
    }
    for act in (["show", theirs], ["export", theirs, "m.npz"], ["delete", theirs]):
        assert "those of a server's visitors with --all" in run("runs", *act)[2]
    assert "no run" in run("runs", "resume", theirs)[2]
    assert "data  secret.csv" in run("runs", "show", theirs, "--all")[1]
    assert f"deleted {theirs}" in run("runs", "delete", theirs, "--all")[1]


def test_a_run_is_renamed_and_noted_and_shown_so(files, run):
    with Store() as store:
        kept = store.begin({}, name="stripes")
    assert "stripes is bands from now on" in run("runs", "rename", kept, "bands")[1]
    assert "bands: half the rate" in run("runs", "note", kept[:4], "half the rate")[1]
    said = run("runs", "show", kept)[1]
    assert said.startswith("bands: ")
    assert "half the rate" in said
    assert {"run": kept, "notes": ""} == json.loads(run("runs", "note", kept, "", "--json")[1])


def test_a_visitors_run_is_not_renamed_by_accident(files, run):
    with Store() as store:
        theirs = store.begin({}, owner="visitor", name="theirs")
    for words in (("rename", theirs, "mine"), ("note", theirs, "mine")):
        code, _, fault = run("runs", *words)
        assert 2 == code
        assert "--all" in fault
    assert "theirs is ours" in run("runs", "rename", theirs, "ours", "--all")[1]


def test_a_network_is_exported_and_runs_are_deleted_all_or_none(files, run):
    options = (*SETTINGS, "--epochs", 2, "--keep", "a", "--out", "a.npz", "--json")
    out = run("train", *files, *options)[1]
    kept = json.loads(out)["run"]
    assert "as it was after 20 steps, is in copy.npz" in run("runs", "export", kept, "copy.npz")[1]
    np.testing.assert_array_equal(modelfile.load("a.npz").theta, modelfile.load("copy.npz").theta)
    assert 2 == run("runs", "delete", kept, "nosuch")[0]
    assert kept in run("runs", "list")[1]
    assert f"deleted {kept}  a" in run("runs", "delete", kept)[1]
    assert kept not in run("runs", "list")[1]


def test_a_store_that_fails_under_way_is_told_once_and_the_run_goes_on(files, run, monkeypatch):
    monkeypatch.setattr(recording, "EVERY_S", 0.0)
    monkeypatch.setattr(runs.Store, "keep", _full)
    status, out, err = run(
        "train", *files, *SETTINGS, "--epochs", 3, "--keep", "full", "--out", "m.npz"
    )
    assert 0 == status
    assert 1 == err.count("training goes on, and the run is kept no more")
    assert 3 * 10 == modelfile.load("m.npz").training[-1]["steps"]


def _full(*_: object) -> list[str]:
    raise OSError(28, "No space left on device", "runs.sqlite")


def test_a_folder_where_nothing_can_be_kept_is_told_before_training(files, tmp_path):
    sealed = tmp_path / "sealed"
    sealed.mkdir(mode=0o555)
    done = subprocess.run(
        [*without_rights(), sys.executable, "-m", "nnengine", "train", *files, "--keep", "x"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "NNENGINE_HOME": str(sealed / "home")},
        capture_output=True, text=True,
    )  # fmt: skip
    assert 2 == done.returncode
    assert str(sealed) in done.stderr
    assert 1 == done.stderr.count("\n")


def test_a_run_needs_a_name_to_be_kept(files, run):
    assert "--keep takes a name" in run("train", *files, "--keep", " ")[2]
