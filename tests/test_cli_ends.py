"""How commands end: whatever ends them, one line, the status a shell expects, and nothing lost."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import random
import select
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import nnengine
from nnengine import Network, cli, write_idx
from nnengine.cli import ends, files, keeping
from nnengine.cli.progress import Progress
from nnengine.training import StepFinished

ROOT = Path(__file__).resolve().parent.parent
NNENGINE = shlex.join([sys.executable, "-m", "nnengine"])
SHELL = pytest.mark.skipif(os.name != "posix", reason="there is no such shell on this system")
FULL = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
ENDLESS = ("--iterations", "100000000", "--batch-size", "all")


@pytest.fixture
def pair(stripes, tmp_path, monkeypatch) -> list[str]:
    """IDX files of the stripes in the working folder: images and labels; NumPy computes."""
    images, labels = stripes
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("NNENGINE_KERNELS", "numpy")  # in processes: nothing is compiled there
    monkeypatch.delenv("COLUMNS", raising=False)
    write_idx("images", images)
    write_idx("labels", labels)
    return ["images", "labels"]


@pytest.fixture
def model(pair) -> str:
    Network.build([64, 3], rng=1, image_shape=(8, 8), class_names=("top", "middle", "low")).save(
        "model.npz"
    )
    return "model.npz"


def shell(line: str, **options) -> tuple[int, str, str]:
    """Have a shell run a line in which `nnengine` stands for the command; return the same."""
    line = line.replace("nnengine ", f"{NNENGINE} ")
    done = subprocess.run(["bash", "-c", line], capture_output=True, timeout=120, **options)
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode()


@contextlib.contextmanager
def started(*arguments: str, **options):
    """Start a command that will not end by itself; end it at the latest with the block."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # and one begun by nohup this
    command = [sys.executable, "-m", "nnengine", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes | options) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(path: str, process: subprocess.Popen) -> None:
    """Wait until a file is there."""
    for _ in range(1200):
        if os.path.exists(path):
            return
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    raise AssertionError(f"{path} was not there within a minute")


def one_line(err: str) -> bool:
    return err.startswith("nnengine: ") and 1 == err.count("\n")


# a run that is ended


@SHELL
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_a_run_with_its_weights_kept_and_a_shells_status(pair, name):
    number = getattr(signal, name)
    often = ("--checkpoint-every", "0.1")
    with started("train", *pair, *ENDLESS, *often, "--out", "a.npz") as process:
        wait_for("a.npz.checkpoint", process)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (128 + number, "") == (process.returncode, out)
    assert one_line(err) and "iterations; the weights it had by then are in a.npz" in err
    assert ("interrupted" if name == "SIGINT" else f"ended by {name}") in err
    stopped = nnengine.load("a.npz")
    assert "stopped" == stopped.training[0]["outcome"]
    kept, step = files.in_checkpoint("a.npz.checkpoint")
    assert step == stopped.training[0]["steps"]
    np.testing.assert_array_equal(stopped.theta, kept.theta)
    assert {"a.npz", "a.npz.checkpoint", *pair} == set(os.listdir())


def test_a_killed_run_goes_on_to_the_weights_of_one_that_never_stopped(pair):
    """Killed while it wrote, it leaves a .part beside: nobody is there who could take it away."""
    flags = ("--epochs", "900", "--batch-size", "all", "--optimizer", "adam", "--out", "a.npz")
    with started("train", *pair, *flags, "--checkpoint-every", "0.01") as process:
        wait_for("a.npz.checkpoint", process)
        process.kill()
        process.wait(timeout=60)
    assert not os.path.exists("a.npz")
    reached = files.in_checkpoint("a.npz.checkpoint")[1]
    status, out, err = shell(f"nnengine train {shlex.join([*pair, *flags])} --resume --json")
    result = json.loads(out)
    assert (0, reached, 900) == (status, result["resumed_at"], result["iterations"])
    assert f"a.npz.checkpoint: going on after {reached:,} iterations\n" == err
    assert {"a.npz", *pair} == {name for name in os.listdir() if not name.endswith(".part")}
    assert 0 == shell(f"nnengine train {shlex.join([*pair, *flags[:-1]])} b.npz")[0]
    actual, expected = nnengine.load("a.npz"), nnengine.load("b.npz")
    np.testing.assert_array_equal(expected.theta, actual.theta)
    assert expected.training[0]["history"] == actual.training[0]["history"]


class _Ended(Progress):
    """Sends this process a signal after a step, and others after that."""

    signals: tuple[int, ...] = (signal.SIGINT,)
    pause_s = 0.0
    step = 7

    def show(self, event):
        super().show(event)
        if isinstance(event, StepFinished) and event.step == self.step:
            for number in self.signals:
                signal.raise_signal(number)
                time.sleep(self.pause_s)


@pytest.fixture
def ended(monkeypatch):
    """Have the next run ended after its seventh step."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(cli.train, "Progress", _Ended)
    return lambda **how: [monkeypatch.setattr(_Ended, name, value) for name, value in how.items()]


FLAGS = ("--batch-size", "all", "--iterations", "20")


def test_a_run_that_was_stopped_is_offered_to_be_gone_on_with(pair, run, ended):
    status, _, err = run("train", *pair, *FLAGS, "--out", "a.npz")
    assert 130 == status and err.endswith("are in a.npz, and --resume goes on from there\n")
    assert 7 == files.in_checkpoint("a.npz.checkpoint")[1]


def test_one_order_that_comes_twice_is_one(pair, run, ended):
    """As `timeout` gives it, and a terminal that is closed."""
    ended(signals=(signal.SIGTERM, signal.SIGTERM))
    assert 143 == run("train", *pair, *FLAGS, "--out", "a.npz")[0]
    assert "stopped" == nnengine.load("a.npz").training[0]["outcome"]


def test_a_second_signal_ends_at_once(pair, run, ended, monkeypatch):
    monkeypatch.setattr(ends, "ECHO_S", 0.01)
    ended(signals=(signal.SIGTERM, signal.SIGINT), pause_s=0.05)
    assert (130, "", "nnengine: interrupted\n") == run("train", *pair, *FLAGS, "--out", "a.npz")
    assert {*pair} == set(os.listdir())


def test_what_answered_signals_before_does_so_again(pair, run, ended):
    before = [signal.getsignal(number) for number in ends.SIGNALS]
    run("train", *pair, *FLAGS, "--out", "a.npz")
    assert before == [signal.getsignal(number) for number in ends.SIGNALS]


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="nothing hangs up here")
def test_under_nohup_a_run_outlives_its_terminal(pair, run, ended):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        ended(signals=(signal.SIGHUP,))
        assert 0 == run("train", *pair, *FLAGS, "--out", "a.npz")[0]
    finally:
        signal.signal(signal.SIGHUP, before)
    assert 20 == nnengine.load("a.npz").trained_steps


def test_a_signal_without_out_says_that_nothing_was_saved(pair, run, ended):
    assert "nothing was saved (no --out)" in run("train", *pair, *FLAGS)[2]
    assert {*pair} == set(os.listdir())


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no such terminals here")
def test_a_terminal_that_is_closed_ends_a_run_with_its_weights_kept(pair):
    pytest.importorskip("tqdm")
    import fcntl
    import termios

    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    with started(
        "train", *pair, *ENDLESS, "--out", "a.npz", "--checkpoint-every", "0.1",
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    ) as process:  # fmt: skip
        os.close(theirs)
        wait_for("a.npz.checkpoint", process)
        os.close(ours)
        assert 129 == process.wait(timeout=60)
    assert "stopped" == nnengine.load("a.npz").training[0]["outcome"]


# going on


def stopped(run, pair, *flags: str, monkeypatch) -> None:
    """Leave a checkpoint at a.npz of a run that was stopped after seven steps."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with monkeypatch.context() as patch:
        patch.setattr(cli.train, "Progress", _Ended)
        assert 130 == run("train", *pair, *FLAGS, *flags, "--out", "a.npz")[0]


def test_resume_begins_where_there_is_nothing_to_go_on_with_and_says_so(pair, run):
    status, out, err = run("train", *pair, *FLAGS, "--out", "a.npz", "--resume", "--json")
    assert (0, None) == (status, json.loads(out)["resumed_at"])
    assert "a.npz.checkpoint: there is none: the run begins\n" == err


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (("--learning-rate", "0.5"), "begun with --learning-rate 0.1: give the same"),
        (("--optimizer", "adam"), "begun with --optimizer sgd"),
        (("--layers", "64,5,3"), "begun with --layers 64-10-3"),
        (("--dtype", "float64"), "begun with --dtype float32"),
        (("--batch-size", "10"), "begun with --batch-size full"),
        (("--iterations", "30"), "begun with --iterations 20"),
        (("--train-sample", "50"), "begun with no --train-sample"),
        (("--augment", "gentle"), "begun with --augment none"),
        (("--test", "images", "labels"), "measured with other images"),
    ],
)
def test_a_run_goes_on_with_its_own_settings_alone(pair, run, monkeypatch, other, message):
    stopped(run, pair, monkeypatch=monkeypatch)
    before = Path("a.npz.checkpoint").read_bytes()
    status, _, err = run("train", *pair, *FLAGS, *other, "--out", "a.npz", "--resume")
    assert 2 == status and one_line(err) and message in err
    assert before == Path("a.npz.checkpoint").read_bytes()


TEXT = "conv 2 3x3, norm, pool 2, dropout 0.2"


def test_a_run_of_layers_in_words_goes_on_to_the_same_weights(pair, run, monkeypatch):
    flags = ("--layers", TEXT, "--activation", "tanh", "--early-stopping", "3", "--l2", "0.001")
    assert 0 == run("train", *pair, *FLAGS, *flags, "--out", "whole.npz")[0]
    stopped(run, pair, *flags, monkeypatch=monkeypatch)
    status, out, _ = run("train", *pair, *FLAGS, *flags, "--out", "a.npz", "--resume", "--json")
    assert (0, 7, TEXT) == (status, *map(json.loads(out).get, ("resumed_at", "description")))
    expected, found = nnengine.load("whole.npz"), nnengine.load("a.npz")
    assert expected.theta.tobytes() == found.theta.tobytes()


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (("--layers", f"{TEXT}, dense 9"), f"begun with --layers '{TEXT}': give the same"),
        (("--activation", "relu"), "begun with --activation tanh"),
        (("--l2", "0.5"), "begun with --l2 0: give the same"),
        (("--early-stopping", "4"), "begun with --early-stopping 0: give the same"),
    ],
)
def test_a_run_of_layers_in_words_goes_on_with_its_own_settings(
    pair, run, monkeypatch, other, message
):
    flags = ("--layers", TEXT, "--activation", "tanh")
    stopped(run, pair, *flags, monkeypatch=monkeypatch)
    status, _, err = run("train", *pair, *FLAGS, *flags, *other, "--out", "a.npz", "--resume")
    assert 2 == status and one_line(err) and message in err


def test_a_mark_stands_beneath_its_word_where_letters_before_it_are_shown_as_codes(pair, run):
    status, out, err = run("train", *pair, "--layers", "\x1b conv")
    assert (2, "") == (status, out)
    first, text, mark = err.splitlines()
    assert first.startswith(r"nnengine: layers: '\x1b' where")
    assert (r"  \x1b conv", "  ^^^^") == (text, mark)


def test_a_run_goes_on_with_its_own_data_alone(pair, run, monkeypatch, stripes):
    stopped(run, pair, monkeypatch=monkeypatch)
    write_idx("others", stripes[0] ^ 1)
    status, _, err = run("train", "others", "labels", *FLAGS, "--out", "a.npz", "--resume")
    assert 2 == status and "a.npz.checkpoint: that run was trained on other images" in err


def test_a_new_run_says_what_it_replaces_and_leaves_time_to_think_again(pair, run, monkeypatch):
    stopped(run, pair, monkeypatch=monkeypatch)
    before = Path("a.npz.checkpoint").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(cli.train, "Progress", _Ended)
        status, _, err = run("train", *pair, *FLAGS, "--seed", 5, "--out", "a.npz")
    assert 130 == status and "a run that was broken off; --resume goes on with it" in err
    assert err.endswith("a.npz.checkpoint is still the earlier run's\n")
    assert before == Path("a.npz.checkpoint").read_bytes()
    assert 0 == run("train", *pair, *FLAGS, "--out", "a.npz", "--resume")[0]


def test_a_run_that_is_over_leaves_no_checkpoint(pair, run, monkeypatch):
    stopped(run, pair, monkeypatch=monkeypatch)
    assert (
        0 == run("train", *pair, *FLAGS, "--out", "a.npz", "--checkpoint-every", 0, "--resume")[0]
    )
    assert {"a.npz", *pair} == set(os.listdir())
    wild = ("--learning-rate", "1e30", "--checkpoint-every", 1e-6)
    assert "diverged" in run("train", *pair, *FLAGS, *wild, "--out", "a.npz")[2]
    assert {"a.npz", *pair} == set(os.listdir())


def test_without_a_timer_a_run_that_is_stopped_leaves_its_weights_alone(pair, run, monkeypatch):
    stopped(run, pair, "--checkpoint-every", "0", monkeypatch=monkeypatch)
    assert {"a.npz", *pair} == set(os.listdir())


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04", bytes(100)])
def test_a_damaged_checkpoint_is_one_line_with_its_name(pair, run, damage):
    Path("a.npz.checkpoint").write_bytes(damage)
    status, _, err = run("train", *pair, *FLAGS, "--out", "a.npz", "--resume")
    assert 2 == status and one_line(err) and "a.npz.checkpoint: " in err
    assert damage == Path("a.npz.checkpoint").read_bytes()


@pytest.mark.parametrize("given", ["nan", "-1", "inf", "often"])
def test_seconds_that_are_none_are_refused(pair, run, given):
    status, _, err = run("train", *pair, f"--checkpoint-every={given}")
    assert 2 == status and "invalid seconds value" in err


def test_resume_needs_to_be_told_where_the_checkpoint_lies(pair, run):
    assert "give --out" in run("train", *pair, "--resume")[2]


def test_a_checkpoint_is_a_model_too(pair, run, monkeypatch):
    stopped(run, pair, monkeypatch=monkeypatch)
    status, out, _ = run("info", "a.npz.checkpoint")
    assert 0 == status and "64-10-3" in out and "a checkpoint after 7 steps" in out
    for arguments in (("evaluate", "a.npz", *pair), ("predict", "a.npz", "images")):
        expected = run(*arguments, "--json")
        assert expected == run(arguments[0], "a.npz.checkpoint", *arguments[2:], "--json")
    assert 0 == run("convert", "a.npz.checkpoint", "b.npz")[0]
    np.testing.assert_array_equal(nnengine.load("a.npz").theta, nnengine.load("b.npz").theta)


def test_the_longest_name_that_a_file_may_have_has_a_checkpoint(pair, run, monkeypatch):
    out = "a" * 251 + ".npz"
    with monkeypatch.context() as patch:
        patch.setattr(cli.train, "Progress", _Ended)
        assert 130 == run("train", *pair, *FLAGS, "--out", out)[0]
    assert 255 >= len(keeping.beside(out).name) and keeping.beside(out).is_file()
    assert keeping.beside(out) != keeping.beside("a" * 250 + "b.npz")
    status, said, _ = run("train", *pair, *FLAGS, "--out", out, "--resume", "--json")
    assert (0, 7) == (status, json.loads(said)["resumed_at"])
    assert {out, *pair} == set(os.listdir())


def test_a_checkpoint_lies_beside_the_file_that_a_link_leads_to(pair, run, monkeypatch):
    os.mkdir("far")
    os.symlink("far/b.npz", "a.npz")
    stopped(run, pair, monkeypatch=monkeypatch)
    assert {"b.npz", "b.npz.checkpoint"} == set(os.listdir("far"))
    assert os.path.islink("a.npz")


# full disks


def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_run_goes_on_without_a_checkpoint_that_finds_no_room(pair, run, monkeypatch):
    monkeypatch.setattr(keeping.checkpoint, "save", full)
    flags = ("--out", "a.npz", "--checkpoint-every", "1e-6")
    status, _, err = run("train", *pair, *FLAGS, *flags)
    assert 0 == status and 1 == err.count("training goes on without a checkpoint")
    assert 20 == nnengine.load("a.npz").trained_steps


def test_a_network_that_finds_no_room_is_saved_elsewhere(pair, run, monkeypatch, tmp_path):
    """Every file of the working folder is refused, as on a disk that filled up while it learnt."""
    Path("a.npz").write_bytes(b"old")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setattr(keeping.tempfile, "tempdir", str(tmp_path / "elsewhere"))
    save = Network.save

    def refused(network, target):
        return full() if str(target) == "a.npz" else save(network, target)

    monkeypatch.setattr(Network, "save", refused)
    status, out, err = run("train", *pair, *FLAGS, "--out", "a.npz")
    assert (2, "") == (status, out) and one_line(err) and os.strerror(errno.ENOSPC) in err
    (kept,) = (tmp_path / "elsewhere").glob("*/*.npz")
    assert f"the network is in {kept}" in err and b"old" == Path("a.npz").read_bytes()
    assert 20 == nnengine.load(kept).trained_steps


def test_a_disk_that_is_full_leaves_the_old_model_and_the_new_one_elsewhere(
    pair, run, monkeypatch, small_disk, tmp_path
):
    monkeypatch.setattr(keeping.tempfile, "tempdir", str(tmp_path))
    out = small_disk / "a.npz"
    out.write_bytes(b"old")
    wide = ("--layers", "64,400,3", "--checkpoint-every", "1e-6", "--out", out)
    status, _, err = run("train", *pair, *FLAGS, *wide)
    (kept,) = tmp_path.glob("nnengine-*/network.npz")
    assert 2 == status and err.endswith(
        f"what was there is there still; the network is in {kept}\n"
    )
    assert 20 == nnengine.load(kept).trained_steps
    assert b"old" == out.read_bytes() and [out] == list(small_disk.iterdir())


@SHELL
def test_a_model_too_large_for_its_process_leaves_the_old_one(pair):
    """`ulimit -f` is in pieces of 1 kB; nothing can be saved elsewhere either."""
    Path("a.npz").write_bytes(b"old")
    wide = shlex.join([*pair, *FLAGS, "--layers", "64,300,3", "--out", "a.npz"])
    status, out, err = shell(f"ulimit -f 8; nnengine train {wide}")
    assert (2, "") == (status, out) and one_line(err)
    assert os.strerror(errno.EFBIG) in err and "what was there is there still" in err
    assert b"old" == Path("a.npz").read_bytes() and {"a.npz", *pair} == set(os.listdir())


def test_a_full_disk_leaves_the_old_page(model, run, monkeypatch):
    Path("page.html").write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    status, _, err = run("demo", model, "page.html")
    assert 2 == status and err.startswith("nnengine: page.html: No space left on device")
    assert "old" == Path("page.html").read_text()
    assert {"page.html", "model.npz", "images", "labels"} == set(os.listdir())


# inputs are never outputs


@pytest.fixture
def table(pair, stripes) -> str:
    """One file with images and labels, under several names."""
    np.savez("data.npz", x=stripes[0], y=stripes[1])
    os.symlink("data.npz", "link.npz")
    os.link("data.npz", "hard.npz")
    os.mkdir("folder")
    return "data.npz"


SAME = ["data.npz", "./data.npz", "folder/../data.npz", "link.npz", "hard.npz"]


@pytest.mark.parametrize("out", SAME)
@pytest.mark.parametrize("role", ["data", "test"])
def test_a_model_never_takes_the_place_of_data(table, pair, run, monkeypatch, out, role):
    monkeypatch.setattr(cli.train, "training", None)
    before = Path(table).read_bytes()
    given = [table] if role == "data" else [*pair, "--test", table]
    status, _, err = run("train", *given, "--out", out)
    assert 2 == status and f"--out {out}: the same file as data.npz, which is read" in err
    assert before == Path(table).read_bytes()


def test_a_model_takes_no_place_among_the_files_of_a_folder_unless_a_models(
    table, run, monkeypatch
):
    os.rename("data.npz", "folder/data.npz")
    before = Path("folder/data.npz").read_bytes()
    status, _, err = run("train", "folder", "--out", "folder/data.npz")
    assert 2 == status and "a file of folder, which is read, and no model" in err
    assert before == Path("folder/data.npz").read_bytes()


@pytest.mark.parametrize("target", ["model.npz", "./model.npz", "link.npz", "hard.npz"])
def test_a_model_is_not_converted_into_itself(model, run, target):
    os.symlink(model, "link.npz")
    os.link(model, "hard.npz")
    before = Path(model).read_bytes()
    assert "would be lost" in run("convert", model, target)[2]
    assert before == Path(model).read_bytes()


def test_a_page_never_takes_the_place_of_its_model(model, run):
    os.link(model, "page.html")
    before = Path(model).read_bytes()
    assert "would be lost" in run("demo", model, "page.html")[2]
    assert before == Path("page.html").read_bytes()


@pytest.mark.parametrize("line", [("train", "images", "labels", "--out"), ("convert", "model.npz"),
                                  ("demo", "model.npz"), ("site", "--out")])  # fmt: skip
def test_a_name_that_is_empty_is_refused_at_once(model, run, monkeypatch, line):
    monkeypatch.setattr(cli.train, "training", None)
    status, out, err = run(*line, "")
    assert (2, "") == (status, out) and one_line(err) and "empty: give the name of a f" in err


# the first seconds


@SHELL
def test_ctrl_c_in_the_first_second_ends_in_silence_or_in_a_line(pair):
    """While Python begins, imports this package, reads data, learns; moments drawn by a seed."""
    moments, told = random.Random(1), []
    for _ in range(6):
        with started("train", *pair, *ENDLESS) as process:
            # Python's own beginning, some 20 ms, is not ours: the first import has begun after it.
            time.sleep(0.15 + 0.7 * moments.random())
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        told.append((process.returncode, out, err))
    # On a busy machine it takes longer, and says so: see the app's below.
    ours = [one for one in told if not one[2].startswith("Fatal Python error: init")]
    assert ours
    for status, out, err in ours:
        assert status in (130, -signal.SIGINT) and "" == out
        assert "" == err or one_line(err)


def test_while_it_is_imported_the_command_ends_in_silence_and_programs_do_as_they_like(pair):
    code = (
        "import signal, sys\n"
        "sys.argv = [sys.argv[1]]\n"
        "import nnengine.early as early\n"
        "print(early.is_command(), signal.getsignal(signal.SIGINT) is signal.SIG_DFL)\n"
    )
    for name, expected in (("/usr/bin/nnengine", "True True"), ("mine.py", "False False")):
        signal.signal(signal.SIGINT, signal.default_int_handler)
        done = subprocess.run([sys.executable, "-c", code, name], capture_output=True, text=True)
        assert expected == done.stdout.strip()


@SHELL
def test_the_app_ends_in_silence_too_while_its_imports_last(pair):
    pytest.importorskip("streamlit")
    told = []
    for moment in (0.6, 1.2, 1.8):
        with started("app", "--headless", "--port", "18517") as process:
            time.sleep(moment)
            process.send_signal(signal.SIGINT)
            told.append(process.communicate(timeout=60)[1])
    # On a busy machine Python itself may not be there yet, and says so: nothing of ours has run.
    ours = [err for err in told if not err.startswith("Fatal Python error: init")]
    assert ours and not any("Traceback" in err for err in ours)


@pytest.mark.parametrize("number", ends.SIGNALS)
def test_a_signal_while_data_are_read_is_one_line(pair, run, monkeypatch, number):
    signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(cli.data.readers, "read", lambda source, **_: signal.raise_signal(number))
    status, out, err = run("train", *pair, "--out", "a.npz")
    assert (128 + number, "") == (status, out) and one_line(err)


# who reads the output


@SHELL
@pytest.mark.parametrize("command", ["nnengine info model.npz", "nnengine --help"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_leaves_is_told_nothing(model, command, unbuffered):
    line = f"{command} | true; exit ${{PIPESTATUS[0]}}"
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    assert (cli.NO_READER, "", "") == shell(line, env=environment)


@SHELL
@FULL
@pytest.mark.parametrize("command", ["nnengine info model.npz --json", "nnengine --version"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_answer_that_cannot_be_printed_is_a_fault(model, command, unbuffered):
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    expected = f"nnengine: standard output: {os.strerror(errno.ENOSPC)}\n"
    assert (2, "", expected) == shell(f"{command} > /dev/full", env=environment)


@SHELL
def test_closed_outputs_are_told_where_there_is_an_ear(model):
    expected = f"nnengine: standard output: {os.strerror(errno.EBADF)}\n"
    assert (2, "", expected) == shell("nnengine info model.npz >&-")
    status, out, _ = shell("nnengine info model.npz --json 2>&-")
    assert 0 == status and "npz" == json.loads(out)["kind"]
    assert (2, "", "") == shell("nnengine info nothing 2>&-")
    assert (2, "", "") == shell("nnengine info nothing <&- >&- 2>&-")


@SHELL
def test_a_model_is_kept_although_nobody_hears_of_it(pair):
    line = shlex.join([*pair, *FLAGS, "--out", "a.npz"])
    assert 2 == shell(f"nnengine train {line} >&- 2>&-")[0]
    assert 20 == nnengine.load("a.npz").trained_steps


# letters


HOSTILE = ("Käfer", "点", "a\x1b[2Jb\u202ec")


@SHELL
@pytest.mark.parametrize(
    ("encoding", "expected"),
    [("ascii", r"K\xe4fer, \u70b9, a"), ("latin-1", "K\ufffdfer, \\u70b9, a"),
     ("utf-8", "Käfer, 点, a")],
)  # fmt: skip
def test_class_names_are_legible_in_whatever_letters_there_are(pair, encoding, expected):
    Network.build([64, 3], image_shape=(8, 8), class_names=HOSTILE).save("a.npz")
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    for command in ("info a.npz", "predict a.npz images --index 0", "evaluate a.npz images labels"):
        status, out, err = shell(f"nnengine {command}", env=environment)
        assert (0, "") == (status, err)
        if command.startswith("info"):
            assert expected + r"\x1b[2Jb\u202ec" in out
        assert not set(out) & {"\x1b", "\u202e"}


@SHELL
def test_a_file_name_that_is_no_utf_8_is_written_read_and_told(model):
    name = os.fsdecode(b"caf\xe9")
    os.rename(model, f"{name}.npz")
    for command in (("info", f"{name}.npz"), ("convert", f"{name}.npz", f"{name}2.npz"),
                    ("demo", f"{name}.npz", f"{name}.html"), ("predict", f"{name}.npz", "images"),
                    ("train", "images", "labels", *FLAGS, "--out", f"{name}2.npz")):  # fmt: skip
        status, out, err = shell(f"nnengine {shlex.join(command)}")
        assert (0, "") == (status, err) and (r"caf\udce9" in out or "predict" == command[0])
    status, _, err = shell(f"nnengine info {name}")
    assert 2 == status and r"nnengine: caf\udce9: No such file" in err
    assert rb"<title>caf\udce9</title>" in Path(f"{name}.html").read_bytes()


# pipes


WAYS = (
    "cat {} | nnengine {} - {}",
    "cat {} | nnengine {} /dev/stdin {}",
    "nnengine {1} <(cat {0}) {2}",
    "nnengine {1} - {2} < {0}",
)


@SHELL
@pytest.mark.parametrize(("command", "rest"), [("info", ""), ("predict", "images")])
def test_no_byte_of_what_is_piped_is_lost(model, command, rest):
    expected = json.loads(shell(f"nnengine {command} {model} {rest} --json")[1])
    for way in WAYS:
        status, out, err = shell(f"{way.format(model, command, rest)} --json")
        assert (0, "") == (status, err)
        assert expected | {"name": 0} == json.loads(out) | {"name": 0}


@SHELL
@pytest.mark.parametrize("kind", ["idx", "gzip", "npy", "npz", "csv"])
def test_data_may_come_through_a_pipe_in_every_format(model, stripes, kind):
    images, labels = stripes
    write_idx("a.idx", images[:9])
    write_idx("a.gzip.gz", images[:9])
    np.save("a.npy", images[:9])
    np.savez("a.npz", x=images[:9], y=labels[:9])
    np.savetxt("a.csv", np.column_stack([labels[:9], images[:9].reshape(9, -1)]), "%d", ",")
    file = {"gzip": "a.gzip.gz"}.get(kind, f"a.{kind}")
    expected = shell(f"nnengine predict {model} {file} --json")
    assert 0 == expected[0]
    assert expected == shell(f"cat {file} | nnengine predict {model} - --json")
    assert 0 == shell(f"cat {file} | nnengine info -")[0]


@SHELL
def test_training_takes_both_files_through_pipes(pair):
    line = f"nnengine train <(gzip -c images) <(cat labels) {shlex.join(FLAGS)} --json"
    assert (0, 20) == ((done := shell(line))[0], json.loads(done[1])["iterations"])


@SHELL
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("cat model.npz | nnengine predict - -", "what is piped comes once"),
        ("cat model.npz | nnengine predict - /dev/stdin", "what is piped comes once"),
        ("nnengine info - < /dev/null", "standard input: is empty"),
        ("nnengine info - <&-", "standard input is closed: give a file's name"),
        ("head -c 900 model.npz | nnengine predict - images", "standard input: a damaged zip"),
        ("nnengine predict . images", "directory"),
    ],
)
def test_what_cannot_be_read_from_a_pipe_is_one_line(model, line, message):
    status, out, err = shell(line)
    assert (2, "") == (status, out) and one_line(err) and message in err


@SHELL
def test_a_named_pipe_is_read_to_its_end(model):
    os.mkfifo("pipe")
    status, out, _ = shell(f"cat {model} > pipe & nnengine info pipe --json")
    assert (0, "pipe") == (status, json.loads(out)["name"])


def test_a_pipe_that_never_ends_is_not_kept(pair, monkeypatch):
    monkeypatch.setattr(files, "MAX_BYTES", 3 << 20)
    with pytest.raises(nnengine.FormatError, match="x: more than 3,145,728 bytes came"):
        files._all(open("/dev/zero", "rb"), "x")  # noqa: SIM115


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no such terminals here")
def test_a_terminal_is_not_waited_for(model):
    ours, theirs = os.openpty()
    with started("info", "-", stdin=theirs) as process:
        _, err = process.communicate(timeout=60)
    os.close(ours), os.close(theirs)
    assert 2 == process.returncode and "a terminal: pipe a file into it" in err


@SHELL
def test_a_model_or_page_goes_through_a_pipe_and_its_summary_beside_it(model):
    status, out, err = shell(f"nnengine convert {model} /dev/stdout | nnengine info - --json")
    assert (0, "model.npz -> /dev/stdout (64-3)\n") == (status, err)
    assert [64, 3] == json.loads(out)["sizes"]
    status, out, err = shell(f"nnengine demo {model} /dev/stdout")
    assert 0 == status and out.rstrip().endswith("</html>") and "is shown by /dev/stdout" in err
    line = shlex.join(["images", "labels", *FLAGS])
    assert 0 == shell(f"nnengine train {line} --out /dev/stdout > a.npz")[0]
    assert 20 == nnengine.load("a.npz").trained_steps


# terminals


def test_a_table_wider_than_its_terminal_comes_in_parts(model, run, monkeypatch):
    """Nine letters for "precision", seven for a number: two columns at once, and two again."""
    whole = run("evaluate", model, "images", "labels")[1].split("\n\n")[1].splitlines()
    monkeypatch.setenv("COLUMNS", "24")
    _, *parts = run("evaluate", model, "images", "labels")[1].split("\n\n")
    left, right = map(str.splitlines, parts)
    assert max(map(len, left + right)) <= 24
    assert whole == [f"{a:<23}{b[9:]}".rstrip() for a, b in zip(left, right, strict=True)]
    monkeypatch.setenv("COLUMNS", "1")
    assert 0 == run("evaluate", model, "images", "labels")[0]


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no such terminals here")
@pytest.mark.parametrize("terminal", ["xterm", None])
def test_progress_is_legible_in_twenty_columns_and_on_a_terminal_without_a_name(pair, terminal):
    pytest.importorskip("tqdm")
    import termios

    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, 20))
    environment = {name: value for name, value in os.environ.items() if name != "TERM"}
    environment |= {"TERM": terminal} if terminal else {}
    seen = ""
    with started("train", *pair, *ENDLESS, stderr=theirs, env=environment):
        os.close(theirs)
        while seen.count("\r") < 4 and select.select([ours], [], [], 60)[0]:
            seen += os.read(ours, 4096).decode(errors="replace")
    os.close(ours)
    drawn = seen.split("\r")[2:4]
    assert all("0% " in line and len(line) <= 20 for line in drawn)


def test_a_bar_whose_terminal_is_gone_does_not_end_the_run(monkeypatch):
    pytest.importorskip("tqdm")

    class Gone(io.StringIO):
        def isatty(self):
            return True

        def write(self, text):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(sys, "stderr", Gone())
    with contextlib.suppress(OSError), Progress(steps=4, images=400) as progress:
        progress.show(StepFinished(step=1, epoch=1.0, loss=0.25, accuracy=0.5, images=100))
    assert 1 == progress.steps


@SHELL
def test_a_class_whose_folder_is_no_utf_8_can_be_trained_on_saved_and_told(pair, run):
    pictures = pytest.importorskip("PIL.Image")
    for number, name in enumerate((b"caf\xe9", b"tea")):
        os.makedirs(b"pictures/" + name)
        shade = np.full((8, 8), 99 * number, np.uint8)
        pictures.fromarray(shade).save(os.fsdecode(b"pictures/" + name + b"/1.png"))
    assert 0 == run("train", "pictures", "--iterations", 3, "--out", "a.npz")[0]
    assert (r"caf\udce9", "tea") == nnengine.load("a.npz").class_names
