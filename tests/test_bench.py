"""Benchmarks: peers learn the same, turns are fair, and what is written down is what was timed."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nnengine import Dataset, kernels, write_idx
from nnengine.fast.reference import Reference
from nnengine.fast.sparse import Sparse

pytest.importorskip("threadpoolctl", reason="the benchmarks grant threads through threadpoolctl")
BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import apart  # noqa: E402
import before  # noqa: E402
import bench  # noqa: E402
import cases  # noqa: E402
import ours  # noqa: E402
import peers  # noqa: E402
import picture  # noqa: E402
import roofline  # noqa: E402
import rounds  # noqa: E402
import table  # noqa: E402
import windows  # noqa: E402

# One case of each kind that ends within seconds on a few hundred images.
SWIFT = "full-mnist,mini-64,dense,predict-1,to-98,cost,busy,roofline"


@pytest.fixture(autouse=True)
def as_it_was():
    """Leave the back end and the threads as other tests expect them."""
    before = kernels.name
    yield
    kernels.use(before)


def some_images(count: int, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Return images of MNIST's shape and density whose classes can be told apart."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, count).astype(np.uint8)
    marks = np.random.default_rng(1).random((10, 28, 28)) < 0.19
    noise = rng.integers(1, 256, (count, 28, 28))
    return np.where(marks[labels], noise, 0).astype(np.uint8), labels


def problem(batch_size, optimizer, rate, sizes=(784, 16, 12, 10), count=330, **more):
    return peers.Problem(*some_images(count), sizes, batch_size, optimizer, rate, 3, **more)


def present(kind):
    """Skip, with words, where a peer is not installed."""
    if package := peers.missing([kind]).get(kind):
        pytest.skip(f"{kind.name}: {package} is not installed (requirements-bench.txt)")
    return kind


def furthest(a: peers.Weights, b: peers.Weights) -> float:
    """Return the largest difference between two networks' coefficients."""
    return max(
        float(np.abs(one - other).max())
        for layer, twin in zip(a, b, strict=True)
        for one, other in zip(layer, twin, strict=True)
    )


# The peers compute what the engine computes.


@pytest.mark.parametrize("back_end", kernels.BACK_ENDS)
@pytest.mark.parametrize("kind", peers.PEERS, ids=lambda kind: kind.__name__)
def test_full_batch_iterations_leave_a_peer_with_our_weights(kind, back_end):
    if reason := kernels.available()[back_end]:
        pytest.skip(reason)
    task = problem(None, "sgd", 0.1, sizes=(784, 10, 10))
    with rounds.conditions(1, back_end):
        mine, theirs = ours.Engine(task), present(kind)(task)
        for learner in (mine, theirs):
            learner.epochs(4)
            learner.epochs(6)
    assert furthest(task.start, mine.weights()) > 0.01
    assert furthest(mine.weights(), theirs.weights()) < 1e-6


@pytest.mark.parametrize("kind", peers.PEERS[1:], ids=lambda kind: kind.__name__)
def test_mini_batches_leave_a_peer_with_our_weights(kind):
    """330 images in batches of 64 end with a batch of 10; two epochs show the order's renewal."""
    task = problem(64, "sgd", 0.1)
    mine, theirs = ours.Engine(task), present(kind)(task)
    for learner in (mine, theirs):
        learner.epochs(2)
    assert furthest(task.start, mine.weights()) > 0.01
    assert furthest(mine.weights(), theirs.weights()) < 1e-6


@pytest.mark.parametrize("kind", peers.PEERS[1:], ids=lambda kind: kind.__name__)
def test_adam_leaves_a_peer_with_our_weights(kind):
    """scikit-learn adds its epsilon at another place, which shows where gradients are tiny."""
    task = problem(64, "adam", 0.001)
    mine, theirs = ours.Engine(task), present(kind)(task)
    for learner in (mine, theirs):
        learner.epochs(2)
    assert furthest(task.start, mine.weights()) > 0.005
    tolerance = 2e-3 if kind is peers.ScikitLearn else 1e-5
    assert furthest(mine.weights(), theirs.weights()) < tolerance


@pytest.mark.parametrize("batch", [None, 64])
@pytest.mark.parametrize(
    "kind",
    [windows.WindowTorch, windows.WindowTorchLast, windows.WindowJax],
    ids=lambda kind: kind.__name__,
)
def test_convolutions_leave_a_peer_with_our_weights(kind, batch):
    layers = "conv 3 5x5 pad 2, pool 2, conv 4 3x3 stride 2, dense 9"
    task = windows.WindowProblem(*some_images(330), (784, 10), batch, "sgd", 0.1, 3, layers=layers)
    mine, theirs = windows.WindowEngine(task), present(kind)(task)
    for learner in (mine, theirs):
        learner.epochs(2)
    assert furthest(task.start, mine.weights()) > 0.001
    assert furthest(mine.weights(), theirs.weights()) < 1e-5


@pytest.mark.parametrize("kind", [peers.Float32, peers.Torch, peers.TorchByHand, peers.Jax])
def test_a_falling_rate_falls_for_peers_as_for_us(kind):
    plain = problem(64, "adam", 0.002)
    settings = ours.config_of(problem(64, "adam", 0.002, schedule=abs), epochs=2)
    task = problem(64, "adam", 0.002, schedule=lambda step: settings.rate_at(step, len(plain)))
    assert 0.002 == task.schedule(1)
    assert task.schedule(12) < 1e-4
    mine, theirs = ours.Engine(task, epochs=2), present(kind)(task)
    theirs.epochs(2)
    mine.timed(1)
    for _ in mine._events:  # the last epoch ends the run
        pass
    assert furthest(mine.weights(), theirs.weights()) < 1e-5


def test_in_a_race_the_engine_asks_as_many_training_images_as_the_table_says(monkeypatch):
    asked = []
    for kind in (Reference, Sparse):

        def spy(executor, part, loss=kind.loss):
            asked.append(len(part))
            return loss(executor, part)

        monkeypatch.setattr(kind, "loss", spy)
    monkeypatch.setattr(ours, "ASIDE", 100)
    test = Dataset(*some_images(40, seed=6), classes=10)
    race = list(ours.until(problem(64, "adam", 0.002), test, target=2.0, epochs=2))
    assert [1, 2] == [epoch for epoch, _ in race]
    assert [100, 40] * 3 == asked  # before the first step, and after either epoch


@pytest.mark.parametrize("kind", peers.PEERS, ids=lambda kind: kind.__name__)
def test_everybody_predicts_the_same_probabilities(kind):
    task = problem(None, "sgd", 0.1, sizes=(784, 10, 10), count=20)
    expected = ours.Engine(task).asker(task.images)()
    found = np.asarray(present(kind)(task).asker(task.floats)())
    found = found.T if kind is peers.Float64 else found  # the original has images as columns
    np.testing.assert_allclose(expected, found, atol=1e-5)


@pytest.mark.parametrize("kind", [peers.Float32, peers.Torch, peers.ScikitLearn, peers.Jax])
def test_accuracy_counts_right_answers(kind):
    task = problem(32, "adam", 0.01)
    learner = present(kind)(task)
    learner.epochs(5)
    assert learner.accuracy(task.floats, task.labels) > 0.95
    assert learner.accuracy(task.floats, (task.labels + 1) % 10) < 0.05


# Turns, ratios, tables.


def test_each_round_begins_with_another_side_and_the_first_go_does_not_count(monkeypatch):
    monkeypatch.setattr(rounds, "REST_S", 0)
    seen = []

    def side(name):
        return rounds.Side(name, lambda: seen.append(name) or float(len(seen)), 1)

    times = rounds.take_turns([side("a"), side("b"), side("c")], 3)
    assert "abc" + "abc" + "bca" + "cab" == "".join(seen)
    assert [[4.0, 9.0, 11.0], [5.0, 7.0, 12.0], [6.0, 8.0, 10.0]] == times


def test_conditions_reach_the_engine_and_are_taken_back(monkeypatch):
    monkeypatch.setenv("NNENGINE_THREADS", "5")
    with rounds.conditions(3, "numpy"):
        assert ("3", "numpy") == (os.environ["NNENGINE_THREADS"], kernels.name)
    assert "5" == os.environ["NNENGINE_THREADS"]


def test_all_cores_and_one_are_tried(monkeypatch):
    monkeypatch.setenv("NNENGINE_THREADS", "4")
    assert [4, 1] == cases.thread_counts()
    monkeypatch.setenv("NNENGINE_THREADS", "1")
    assert [1] == cases.thread_counts()


def test_who_cannot_be_held_to_one_thread_has_all_cores(monkeypatch):
    monkeypatch.setenv("NNENGINE_THREADS", "4")
    kinds = (peers.Float32, present(peers.Jax))
    task = problem(64, "adam", 0.001, count=64)
    sides = cases.everybody(cases.Plan(Path()), task, kinds, lambda one: 0.0, alone=kinds)
    found = [(side.name, side.threads) for side in sides if not side.ours]
    assert [("NumPy float32", 4), ("NumPy float32", 1), ("JAX", 4)] == found
    assert 4 == cases.best_threads(peers.Jax, task)


def test_a_ratio_is_the_median_over_rounds_against_the_best_peer():
    sides = [
        rounds.Side("nnengine", float, 2, "numba"),
        rounds.Side("slow", float, 2),
        rounds.Side("good", float, 2),
    ]
    result = rounds.compare(
        "x", "X", sides, [[1.0, 2.0, 1.0], [9.0, 9.0, 9.0], [3.0, 8.0, 5.0]], "s"
    )
    engine, slow, good = result.data["sides"]
    assert "good, 2 threads" == result.data["best_peer"]
    assert (4.0, [3.0, 5.0]) == (engine["ratio"], engine["ratio_range"])  # of 3, 4 and 5
    assert 9.0 == slow["takes"]["nnengine, numba, 2 threads"]["ratio"]  # of 9, 4.5 and 9
    assert "ratio" not in good
    assert "4.00 x (3.00 to 5.00)" == result.rows[0][3]


@pytest.mark.parametrize(
    ("words", "seconds", "unit"),
    [("1.23", 0.001234, "ms"), ("0.0568", 0.0568, "s"), ("1,235", 0.0012346, "us")],
)
def test_figures_keep_three_digits(words, seconds, unit):
    assert words == rounds.shown(seconds, unit)


def test_a_table_is_the_same_in_text_and_in_markdown():
    result = rounds.Result("x", "Title", ("who", "s"), [["me", "1"], ["you all", "22"]], "Note.")
    expected = ["== Title [x]", "Note.", "who       s", "me        1", "you all  22"]
    assert expected == table.as_text(result).splitlines()
    found = {
        "processor": {"name": "P", "vectors": ""}, "cores": 2, "memory_gb": 8.0, "system": "S",
        "python": "3", "packages": {}, "taken": "now", "commit": "c", "load": [0.5, 0, 0],
    }  # fmt: skip
    text = table.as_markdown([result], found, "How.")
    assert "| who | s |\n| --- | ---: |\n| me | 1 |\n| you all | 22 |" in text
    assert "P, 2 cores, 8 GB" in text


# The roofline, by hand.


def test_operations_of_a_network_worked_by_hand():
    """4 pixels, half of them zero, 3 hidden units, 2 classes, 5 images, one step of descent."""
    images = np.array([[[0, 9], [7, 0]]] * 5, np.uint8)
    task = peers.Problem(images, np.zeros(5, np.uint8), (4, 3, 2), None, "sgd", 0.1)
    first, second, step = 2 * 2 * 4 * 3 * 5, 3 * 2 * 3 * 2 * 5, 2 * (15 + 8)
    found = roofline.need(task)
    assert first + second + step == found.dense_flop
    assert first / 2 + second + step == found.sparse_flop
    assert 20 == found.memory_bytes


def test_the_tighter_limit_holds():
    wanted = roofline.Need(dense_flop=100.0, sparse_flop=20.0, memory_bytes=30.0)
    found = roofline.held_against(wanted, 6.0, sgemm_flop_per_s=10.0, copy_bytes_per_s=10.0)
    assert (10.0, 3.0) == (found["dense_limit_s"], found["limit_s"])
    assert 20 / 6 == found["flop_per_s"]


# One command.


@pytest.fixture(scope="module")
def made_up(tmp_path_factory) -> Path:
    """A folder of data laid out as the real one, with few images."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("mnist", "fashion-mnist"):
        (folder / name).mkdir()
        for part, count, seed in (("train", 640, 5), ("t10k", 100, 6)):
            images, labels = some_images(count, seed)
            write_idx(folder / name / f"{part}-images-idx3-ubyte.gz", images)
            write_idx(folder / name / f"{part}-labels-idx1-ubyte.gz", labels)
    return folder


@pytest.fixture(scope="module")
def document(made_up, tmp_path_factory) -> tuple[dict, Path]:
    """What the command writes after one round of the swift cases, and where."""
    out = tmp_path_factory.mktemp("out")
    command = [sys.executable, str(BENCHMARKS / "bench.py"), "--quick", "--rounds", "1"]
    command += ["--only", SWIFT, "--data", str(made_up), "--out", str(out)]
    one = os.environ | {"NNENGINE_THREADS": "1"}  # two BLAS threads crawl beside other tests
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, env=one)
    assert (0, "") == (done.returncode, done.stderr if done.returncode else "")
    return json.loads((out / "bench.json").read_text()), out


def test_one_command_makes_the_table_and_the_json_file(document):
    found, out = document
    assert SWIFT.split(",") == [case["name"] for case in found["cases"]]
    text = (out / "bench.md").read_text()
    for case in found["cases"]:
        assert f"## {case['title']}\n" in text
        for side in case.get("sides", ()):
            assert statistics.median(side["seconds"]) == side["median_s"] > 0
            assert f"| {side['name']} |" in text
    assert {"processor", "python", "packages", "load", "commit"} <= set(found["machine"])
    assert str(Path.home()) not in text


def test_every_back_end_and_every_peer_takes_part(document):
    found, _ = document
    full = next(case for case in found["cases"] if case["name"] == "full-mnist")
    names = {side["name"].rsplit(",", 1)[0] for side in full["sides"]}
    absent = peers.missing()
    expected = {kind.name for kind in peers.PEERS if kind not in absent}
    assert expected | {f"nnengine, {name}" for name in cases.back_ends()} == names
    assert 0 < full["apart"] < 1e-6


def test_the_picture_shows_every_comparison(document):
    found, out = document
    compared = {case["title"] for case in found["cases"] if case.get("sides")}
    dots = picture.speed_figure(found).data
    assert compared == {title for trace in dots for title in trace.y}
    assert all(1.0 >= max(t.x) for t in dots if not t.name.startswith("nnengine"))
    page = (out / "bench.html").read_text()
    assert '<script src="http' not in page


def test_memory_is_measured_for_everybody(made_up, monkeypatch):
    monkeypatch.setattr(peers, "PEERS", (peers.Float64, peers.Float32))  # others start slowly
    plan = cases.Plan(made_up, rounds=1, quick=True)
    found = apart.memory(plan, "memory", "Memory").data["peak_mb"]
    expected = {kind.name for kind in peers.PEERS}
    assert expected | {f"nnengine, {name}" for name in cases.back_ends()} == set(found)
    assert {"full batch"} == set(found[peers.Float64.name])
    assert all(20 < peak < 4000 for peaks in found.values() for peak in peaks.values())


def test_a_process_does_not_answer_for_the_memory_of_its_parent(made_up):
    ballast = np.ones(400 << 20, np.uint8)
    files = apart.files_of(cases.Plan(made_up))
    assert apart.run_alone("train", "Float32", *files)["peak_mb"] < ballast.nbytes / 2**20


def test_a_start_is_timed_from_outside(made_up):
    plan = cases.Plan(made_up, rounds=1, quick=True)
    burst = apart._starting("Float32", plan, "numpy", str(made_up))
    assert 0.05 < burst() < 60


def test_the_engine_thread_of_a_server_is_timed(made_up):
    words = ["Quick", made_up / "mnist", "--epochs", 2]
    for task in ("thread", "loop"):
        assert apart.run_alone(task, *words)["images_per_s"] > 100


def test_unknown_cases_are_named(capsys):
    with pytest.raises(SystemExit):
        bench.options_of(["--only", "full-mnist,nonsense"])
    assert "no such case: nonsense" in capsys.readouterr().err


def test_data_that_is_not_there_is_named(tmp_path, capsys):
    with pytest.raises(SystemExit):
        bench.options_of(["--data", str(tmp_path)])
    assert f"no MNIST in {tmp_path}" in capsys.readouterr().err


# Beside another checkout.


@pytest.mark.parametrize(
    ("count", "expected"), [(1, (0, 0)), (5, (0, 4)), (6, (0, 5)), (9, (1, 7)), (21, (5, 15))]
)
def test_an_interval_of_the_median_is_between_two_of_the_values(count, expected):
    """As tables of the sign test have them: of 21 values the 6th from either end."""
    values = [float(n) for n in range(count)][::-1]
    assert expected == before.interval(values)


def test_whoever_begins_ends_the_next_turn_and_the_first_go_does_not_count():
    seen = []

    def side(name):
        return lambda case: seen.append(name) or float(len(seen))

    assert [(3.0, 4.0), (6.0, 5.0)] == before.pairs_of(side("o"), side("m"), "mini-64", 2)
    assert "omommo" == "".join(seen)


def test_a_line_says_how_many_times_faster_this_checkout_is():
    line = before.row_of("mini-64", [(0.2, 0.1), (0.3, 0.1), (0.4, 0.1)])
    assert ["mini-64", "3.000", "(2.000", "to", "4.000)", "0.3", "0.1", "s", "3", "pairs"] == (
        line.split()
    )


def test_this_checkout_is_measured_beside_itself(made_up):
    root = Path(__file__).resolve().parent.parent
    command = [sys.executable, str(BENCHMARKS / "before.py"), str(root), "--data", str(made_up)]
    command += ["--only", "predict-1,mini-128,memory", "--pairs", "2"]
    # Each of some eight processes would first compile its kernels: turns are the same without.
    swift = os.environ | {"NNENGINE_KERNELS": "numpy", "NNENGINE_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, env=swift)
    assert (0, "") == (done.returncode, done.stderr if done.returncode else "")
    found = [line.split() for line in done.stdout.splitlines()[1:]]
    assert ["mini-128", "predict-1", "memory"] == [words[0] for words in found]
    assert all(0 < float(words[1]) < 100 for words in found)


def test_a_folder_without_a_checkout_is_named(tmp_path, capsys):
    with pytest.raises(SystemExit):
        before.options_of([str(tmp_path)])
    assert f"no checkout of this project in {tmp_path}" in capsys.readouterr().err
