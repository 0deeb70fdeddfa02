"""A learner's own network is held to the formulas, and what is wrong with it is called by name."""

from __future__ import annotations

import json

import numpy as np
import pytest

import nnengine
from nnengine import ConfigError, FormatError
from nnengine.analysis import doctor
from nnengine.cli import main
from nnengine.homework import bench, fromcurve, handing, lessons, naming, reading
from nnengine.homework.catalogue import CATALOGUE
from nnengine.homework.checking import check
from nnengine.homework.lessons import broken, curves


@pytest.fixture(autouse=True)
def time_enough(monkeypatch):
    """What is found must not hang on how busy the machine is."""
    monkeypatch.setattr(bench, "MOST_SECONDS", 60.0)


def the(name, node):
    return next(m for m in CATALOGUE if (m.name, m.node) == (name, node))


def test_a_search_that_takes_too_long_ends_and_says_so(monkeypatch):
    saved = broken([the("slope_missing", "dZ1")])
    for bound in ("MOST_SECONDS", "MOST_TRIALS"):
        monkeypatch.setattr(bench, bound, 0)
        report = check(saved)
        assert (("dZ1",), (), True) == (report.wrong, report.names, report.cut_short)
        assert "dZ1 is wrong, not looked for further" in repr(report)
        monkeypatch.undo()


def test_an_array_of_one_number_is_told_as_it_is_and_not_searched():
    saved = broken()
    saved["dZ1"] = np.zeros_like(saved["dZ1"])
    report = check({name: saved[name] for name in ("Z1", "A1", "A2", "dZ2", "dZ1")})
    assert {"dZ1": "it is all zero"} == report.unknown
    assert "not looked for further" in repr(report)


def test_weights_that_are_given_and_all_zero_are_named():
    report = check(W1=np.zeros((10, 784)), W2=np.zeros((10, 10)), A2=np.full((10, 20), 0.1),
                   b2=np.zeros(10), b1=np.zeros(10))  # fmt: skip
    assert (("all_weights_start_at_zero",), "W1") == (report.names, report.first_wrong)
    assert ("A2",) == report.right


def test_lines_are_written_for_images_as_rows_and_weights_as_rows_of_units():
    saved = broken([the("not_divided", "dW2")], columns=False)
    report = check({name: a.T if "W" in name else a for name, a in saved.items()})
    assert ("dW2 = N * dW2",) == report.findings[0].wrote
    assert ("dW2 = (A1.T @ dZ2 / N).T",) == report.findings[0].write


def test_of_mistakes_that_cannot_be_told_apart_no_line_is_written():
    saved = broken([the("slope_missing", "dZ1")])
    alike = check({name: saved[name] for name in ("A1", "dA1", "dZ1")})
    assert len(alike.names) > 1 and " or " in repr(alike)
    assert ((), ()) == (alike.findings[0].wrote, alike.findings[0].write)


def test_one_mistake_accuses_no_line_behind_it():
    assert ("A2",) == check(broken([the("softmax_over_images", "A2")])).wrong


def test_a_hidden_line_is_named_by_what_follows_from_it():
    saved = broken([the("slope_missing", "dZ1")])
    few = {name: saved[name] for name in ("dZ2", "dW1", "db1")}
    assert "slope_missing" in check(few).names


def test_what_nothing_known_gives_is_said_to_be_so_and_how_it_is_wrong():
    saved = broken()
    saved["dW2"] = saved["dW2"] * 3.7
    report = check({name: saved[name] for name in ("A1", "A2", "dZ2", "dW2", "db2")})
    assert (("dW2",), ()) == (report.wrong, report.names)
    assert {"dW2": "it is 3.7 times what is right, everywhere"} == report.unknown


@pytest.mark.parametrize(
    ("name", "meaning"),
    [("grad_W2", "dW2"), ("new_w1", "W1_new"), ("W1_after", "W1_new"), ("y_hat", "A2"),
     ("fc1.weight.grad", "dW1"), ("dL/dW1", "dW1"), ("delta2", "dZ2"), ("cheese", None)],
)  # fmt: skip
def test_usual_names_mean_their_arrays(name, meaning):
    assert meaning == naming.meant(name)


def test_weights_saved_after_the_step_under_plain_names_are_taken_for_what_they_are():
    saved = broken()
    for w in ("W1", "b1", "W2", "b2"):
        saved[w] = saved.pop(f"{w}_new")
    report = check(saved)
    assert () == report.wrong
    assert any("after the step" in note for note in report.notes)


@pytest.mark.parametrize("kind", ["npz", "mat", "json", "printed", "csv"])
def test_every_kind_of_file_gives_the_same_report(kind, tmp_path):
    saved = {name: a for name, a in broken().items() if name in ("Z1", "A1", "dZ2", "dW2", "db2")}
    saved["db2"] = np.asarray(saved["dZ2"].sum() / 20)
    if kind == "csv":
        for name, array in saved.items():
            (tmp_path / f"{name}.csv").write_bytes(handing.csv(array))
        found = reading.read_files([tmp_path])
    else:
        with np.printoptions(threshold=10**9, precision=8):
            data = {
                "npz": lambda: handing.npz(saved),
                "mat": lambda: handing.mat(saved),
                "json": lambda: json.dumps({n: a.tolist() for n, a in saved.items()}).encode(),
                "printed": lambda: "\n".join(f"{n} = {a!r}" for n, a in saved.items()).encode(),
            }[kind]()
        found = reading.read(data, f"mine.{kind}")
    assert "bias_gradient_one_number" in check(found).names


def test_text_is_never_run_and_objects_never_unpickled(tmp_path):
    trap = tmp_path / "trap"
    with pytest.raises(FormatError):
        reading.read(f"Z1 = open({str(trap)!r}, 'w')".encode(), "mine.txt")
    np.save(tmp_path / "o.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(FormatError, match="objects"):
        reading.read_files([tmp_path / "o.npy"])
    assert not trap.exists()


def test_the_command_writes_a_probe_and_checks_a_file(tmp_path, capsys):
    assert 0 == main(["check", "--probe", str(tmp_path)])
    with np.load(tmp_path / "probe_columns.npz") as held:
        shapes = {name: held[name].shape for name in ("X", "Y", "W1", "b1")}
    assert {"X": (784, 20), "Y": (20,), "W1": (10, 784), "b1": (10, 1)} == shapes
    saved = broken([the("mask_from_delta", "dZ1")])
    (tmp_path / "mine.npz").write_bytes(handing.npz(saved))
    capsys.readouterr()
    assert 0 == main(["check", str(tmp_path / "mine.npz"), "--effect"])
    said = capsys.readouterr().out
    assert "mask from delta" in said
    assert "dZ1 = dA1 * (Z1 > 0)" in said
    assert "accuracy" in said


def test_an_exercise_has_twelve_networks_and_hides_its_solutions():
    files = lessons.exercises(3, hide=True)
    assert 12 == sum(name.endswith(".npz") for name in files)
    assert "solutions.md" not in files


def test_a_right_network_learns_the_probes_digits_and_one_that_goes_uphill_does_not():
    uphill = [m for m in CATALOGUE if m.name == "step_uphill"]
    assert curves(steps=60).accuracy[-1] > 0.5
    assert curves(uphill, steps=60).accuracy[-1] < 0.3


@pytest.mark.parametrize(
    ("losses", "first"),
    [([2.3, 5.0, np.nan, np.nan], "loss_exploding"),
     ([2.31, 2.3, 2.3, 2.3, 2.3], "labels_shuffled"),
     ([2.3, 3.0, 4.0, 5.0, 6.0], "step_uphill"),
     ([30.0, 5.0, np.nan], "pixels_scaled"), ([2.3, 9.0, 30.0], "loss_exploding"),
     ([2.3, 2.1, 1.9, 1.8, 1.7, 1.6], "rate_too_low"), ([2.3, 1.9, 2.4, 1.8, 2.5], "rate_too_high"),
     ([2.3, 1.5, 1.2, 1.2, 1.2, 1.2, 1.2, 1.2], "gradient_wrong"),
     ([-1.0, -2.0, -3.0], "loss_sign"),
     ([2.3, 2.3, 2.3], "not_updated")],
)  # fmt: skip
def test_a_curve_alone_has_its_candidates_ranked_with_an_experiment(losses, first):
    found = fromcurve.from_curve(losses)
    assert first == found[0].name
    assert all(one.experiment for one in found)


@pytest.mark.parametrize(
    ("losses", "symptom"),
    [([2.31, 2.3, 2.3, 2.3, 2.3], "flat_loss"), ([2.3, 2.1, 1.9, 1.8, 1.7, 1.6], "too_few_steps"),
     ([30.0, 5.0, np.nan], "loss_exploding")],
)  # fmt: skip
def test_what_a_curve_shows_and_what_is_behind_it_are_the_doctors(losses, symptom):
    """In its words and in its order; what it has no question for stands among them."""
    found = doctor.of_curve(losses)
    ranked = fromcurve.from_curve(losses)
    names = [one.name for one in ranked if one.name in {ask.__name__ for ask in doctor.QUESTIONS}]
    assert found is not None and symptom == found.name
    assert ranked[0].evidence.startswith(found.sentence.rstrip("."))
    asked = [n for n in (*doctor.causes(symptom), symptom) if n in names]
    assert asked == names and len(names) > 1


@pytest.mark.parametrize("accuracy", [0.1, 0.5])
def test_what_is_behind_one_accuracy_is_ranked_as_the_doctor_asks(accuracy):
    asked = [ask.__name__ for ask in doctor.QUESTIONS]
    names = [one.name for one in fromcurve.from_accuracy(accuracy) if one.name in asked]
    assert sorted(names, key=asked.index) == names and len(names) > 5


def test_every_question_of_the_doctor_that_explains_a_flat_loss_has_an_experiment():
    assert set(doctor.causes("flat_loss")) <= {n.name for n in fromcurve.from_accuracy(0.1)}


def test_a_curve_that_falls_as_it_should_speaks_for_no_mistake():
    assert [] == fromcurve.from_curve([2.3, 1.2, 0.6, 0.35, 0.25, 0.2, 0.18, 0.17])


def test_check_is_at_hand_in_a_notebook():
    assert "No mistake was found." in repr(nnengine.check(**broken()))


@pytest.mark.parametrize("name", ["not_divided", "step_uphill", "one_hot_too_wide", "loss_summed"])
def test_a_lesson_has_both_lines_what_is_seen_and_both_curves_where_there_are_any(name):
    one = lessons.lesson(name, steps=30)
    page = one.as_text()
    assert f"Wrong: `{one.wrong}`" in page and f"Right: `{one.right}`" in page
    assert one.seen and one.wrong != one.right
    if name == "one_hot_too_wide":
        assert (None, None) == (one.wrong_curve, one.right_curve)
    else:
        assert 30 == len(one.right_curve.accuracy) == len(one.wrong_curve.accuracy)
        assert (name == "loss_summed") == (one.wrong_curve == one.right_curve)


def test_a_lesson_that_there_is_not_says_what_is_like_it():
    with pytest.raises(ConfigError, match="not_divided"):
        lessons.lesson("not divide")
    with pytest.raises(ConfigError, match="in loss: no such mistake"):
        lessons.lesson("step_uphill", "loss")


def test_beside_a_network_that_goes_uphill_the_right_one_learns():
    wrong, right = lessons.beside(the("step_uphill", "W2_new"), steps=60)
    assert wrong.accuracy[0] == right.accuracy[0]
    assert wrong.accuracy[-1] < 0.3 < 0.5 < right.accuracy[-1]


def test_the_command_prints_a_lesson(capsys):
    assert 0 == main(["check", "--lesson", "slope missing"])
    said = capsys.readouterr().out
    assert "# Slope missing" in said and "dZ1 = dA1 * (Z1 > 0)" in said
