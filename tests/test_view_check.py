"""Check page: somebody's own arrays in, the wrong line out; and what a curve alone allows."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.present import checking
from dashboard.sections import check_files, check_probe
from dashboard.store.budget import holdings
from nnengine.errors import FormatError
from nnengine.homework import curvetext, fromcurve, lessons
from nnengine.homework.catalogue import CATALOGUE
from nnengine.homework.checking import check
from nnengine.homework.handing import npz
from tests import hostile
from tests.pages import APP, click, component, new_visit, open_page, words


def mistake(name: str):
    return next(one for one in CATALOGUE if one.name == name)


def saved(*names: str, **how) -> bytes:
    """Return what a learner with these mistakes would save."""
    return npz(lessons.broken([mistake(name) for name in names], **how))


def give(at, *files: tuple[str, bytes]):
    """Drop files, and have the page drawn as it is then."""
    at.file_uploader[0].set_value(
        [(name, data, "application/octet-stream") for name, data in files]
    )
    return at.run()


def paste(at, text: str):
    at.text_area[0].set_value(text)
    return click(at, "Check this text")


@pytest.fixture
def visit():
    return new_visit({})


@pytest.fixture
def page(visit):
    return open_page("check", visit)


# What is given ---------------------------------------------------------------------------


def test_an_empty_page_says_how_it_goes_and_offers_the_probe(page):
    assert not page.exception
    assert "Take the probe" in words(page) and "Your code is never run" in words(page)
    assert ["Download the probe"] == [one.proto.label for one in page.get("download_button")]


@pytest.mark.parametrize("lies", ["columns", "rows"])
def test_a_step_taken_on_the_downloaded_probe_is_right(page, lies):
    with zipfile.ZipFile(io.BytesIO(check_probe.packed(check_probe.chosen()))) as archive:
        begun = np.load(io.BytesIO(archive.read(f"probe_{lies}.npz")))
        assert {"formulas.md", "begin.py", f"csv_{lies}/W1.csv"} <= set(archive.namelist())
    turn = np.transpose if lies == "columns" else np.asarray
    x, w1, w2 = (turn(begun[name]) for name in ("X", "W1", "W2"))
    z1 = x @ w1 + begun["b1"].ravel()
    a1 = np.maximum(z1, 0)
    z2 = a1 @ w2 + begun["b2"].ravel()
    e = np.exp(z2)
    mine = {"Z1": z1, "A1": a1, "Z2": z2, "A2": e / e.sum(axis=1, keepdims=True)}
    at = give(page, ("mine.npz", npz({name: turn(array) for name, array in mine.items()})))
    assert not at.exception
    assert "## All 4 arrays are right" in words(at)


def test_what_is_right_is_praised_by_name_and_a_mistake_is_named_with_both_lines(page):
    at = give(page, ("mine.npz", saved("softmax_over_images")))
    said = words(at)
    assert "## A2 is the first array that is wrong" in said
    assert "✓ Z2</span>" in said and "× A2 · wrong first</span>" in said
    assert "## Softmax over images" in said
    wrong, right = "np.exp(Z2).sum(axis=1, keepdims=True)", "A2 = E / E.sum(axis=0, keepdims=True)"
    assert said.index(wrong) < said.index(right)


def test_the_mistaken_network_is_trained_beside_the_right_one(page):
    mine = lessons.broken([mistake("softmax_over_images")])
    wrong, right = lessons.effect(check(mine))
    at = give(page, ("mine.npz", npz(mine)))
    shown = component(at, "check.effect")
    with_it = {one["name"]: one["y"] for one in json.loads(shown["figure"])["data"]}
    assert {"with it": list(wrong.accuracy), "without the mistake": list(right.accuracy)} == with_it
    assert "after 120 steps 93\u00a0% are read rightly, with the mistake 10\u00a0%" in words(at)


def test_nothing_is_said_of_training_where_the_mistake_cannot_be_trained_with(page, monkeypatch):
    mine = lessons.broken([mistake("gradient_of_other_delta")])
    none = lessons.Curves(loss=(), accuracy=())
    monkeypatch.setattr(lessons, "effect_of", lambda mistakes, terms: (none, none))
    at = give(page, ("mine.npz", npz(mine)))
    assert "## Gradient of other delta" in words(at)
    assert (
        "training" not in words(at).partition("Gradient of other delta")[2].partition("Only a")[0]
    )


def test_lines_are_written_in_the_learners_names(page):
    mine = lessons.broken([mistake("softmax_over_images")], columns=False)
    mine["probs"] = mine.pop("A2")
    at = give(page, ("mine.npz", npz(mine)))
    assert "probs = E / E.sum(axis=1, keepdims=True)" in words(at)


def test_what_matches_no_known_mistake_gets_no_name(page):
    mine = lessons.broken()
    mine["dW2"] = mine["dW2"] * 1.7
    at = give(page, ("mine.npz", npz({name: mine[name] for name in ("A1", "dZ2", "dW2")})))
    assert "**dW2**: it is 1.7 times what is right, everywhere" in words(at)
    assert "## Wrong, without a name" in words(at)


def test_several_files_are_one_step_and_one_that_cannot_be_read_says_why(page):
    mine = lessons.broken()
    rows = "\n".join(",".join(map(repr, row)) for row in mine["Z1"].tolist()).encode()
    text = json.dumps({"A1": mine["A1"].tolist()}).encode()
    at = give(page, ("Z1.csv", rows), ("more.json", text), ("bad.csv", b"hello,world\n1,2"))
    assert "## All 2 arrays are right" in words(at)
    assert ["bad.csv: no table of numbers"] == [
        one.value.replace("\\", "")[:28] for one in at.error
    ]


def test_pasted_text_joins_what_was_pasted_before(page):
    mine = lessons.broken()
    at = paste(page, f"A2 = {mine['A2'].tolist()}")
    at = paste(at, f"dZ2 = {mine['dZ2'].tolist()}")
    assert "**pasted text** · 2 arrays" in words(at)
    assert "" == at.text_area[0].value


@pytest.mark.parametrize("text", ["Z1 = [1, 2", "dW2 = [[0.1, ..., 0.2]]", "  "])
def test_text_that_cannot_be_read_stays_to_be_mended_and_nothing_is_lost(page, text):
    at = paste(give(page, ("mine.npz", saved())), text)
    assert text == at.text_area[0].value
    assert 1 == len(at.error)
    assert "## All 16 arrays are right" in words(at)


def test_a_file_of_the_same_name_takes_the_place_of_the_older(page):
    at = give(page, ("mine.npz", saved("softmax_over_images")))
    at = give(at, ("mine.npz", saved()))
    assert "## All 16 arrays are right" in words(at)
    assert 1 == len([one for one in at.button if one.label == "Remove"])


def test_a_file_of_another_step_takes_the_place_of_the_whole_older_one(page):
    rows, columns = lessons.broken(columns=False), lessons.broken()
    del columns["dW1"]  # that of the other step lies the other way
    at = give(give(page, ("first.npz", npz(rows))), ("second.npz", npz(columns)))
    assert "second.npz took the place of first.npz." in words(at)
    assert "## All 15 arrays are right" in words(at)


def test_an_array_that_is_pasted_anew_is_said_to_replace_the_older(page):
    mine, wrong = lessons.broken(), lessons.broken([mistake("softmax_over_images")])
    at = give(page, ("mine.npz", npz({"Z2": mine["Z2"], "A2": mine["A2"]})))
    at = paste(at, f"A2 = {wrong['A2'].tolist()}")
    assert "pasted text took the place of A2 of mine.npz." in words(at)
    assert "## A2 is the first array that is wrong" in words(at)


def test_of_two_files_dropped_together_with_the_same_array_the_second_is_refused(page):
    at = give(page, ("a.npz", saved()), ("b.npz", saved()))
    assert "b.npz: A1 came in a.npz as well" in words(at)


def test_arrays_that_fit_nothing_say_so_and_stay(page):
    mine = lessons.broken()
    mine["dW2"] = np.hstack([mine["dW2"], mine["dW2"][:, :1]])
    at = give(page, ("mine.npz", npz(mine)))
    assert "## Not checked yet" in words(at) and "with their biases in them" in words(at)
    at = give(at, ("mine.npz", saved()))
    assert "## All 16 arrays are right" in words(at)


def test_a_name_that_is_not_known_is_asked_about(page):
    mine = lessons.broken()
    mine["second"] = mine.pop("dW2") * 2
    at = give(page, ("mine.npz", npz(mine)))
    assert "## All 15 arrays are right" in words(at)
    asked = next(one for one in at.selectbox if one.label == "What is second?")
    at = asked.set_value("dW2").run()
    assert "## second is the first array that is wrong" in words(at)


def test_another_probe_is_another_check(page):
    images, sizes = check_probe.SIZES["784-10-10, 5 images"]
    mine = lessons.broken(start=check_probe.probe(images, sizes))
    at = give(page, ("mine.npz", npz(mine)))
    assert "are right" not in words(at)
    at = next(one for one in at.selectbox if one.label == "Size of the probe").set_value(
        "784-10-10, 5 images"
    ).run()  # fmt: skip
    assert "## All 16 arrays are right" in words(at)


def test_the_report_is_there_again_after_another_page(page):
    at = give(page, ("mine.npz", saved("softmax_over_images")))
    at.switch_page("views/about.py").run()
    at = at.switch_page("views/check.py").run()
    assert "## Softmax over images" in words(at)


# What a teacher's link hides -------------------------------------------------------------


def sent(at) -> str:
    """Return all that the browser is sent of the page, in whatever form."""
    return repr(at._tree) + "".join(str(one.proto) for one in at.main if hasattr(one, "proto"))


SOLVED = ("radient of mask", "gradient_of_mask", "Write", "dZ2 @ A1.T / N", "without the mistake")


def test_a_teachers_link_has_the_wrong_array_and_how_it_is_wrong_and_no_solution():
    at = AppTest.from_file(str(APP), default_timeout=240)
    at.query_params["hide"] = "solutions"
    at = at.run().switch_page("views/check.py").run()
    assert "The formulas of one step" not in sent(at)
    at = give(at, ("mine.npz", saved("gradient_of_mask")))
    for _ in range(2):
        said = words(at)
        assert "## dW2 is the first array that is wrong" in said
        assert "## How it is wrong" in said and "**dW2**: most of its numbers are wrong" in said
        everything = sent(at)
        assert [] == [hidden for hidden in SOLVED if hidden in everything]
        at = at.switch_page("views/about.py").run().switch_page("views/check.py").run()


def test_without_such_a_link_all_of_that_is_sent(page):
    everything = sent(give(page, ("mine.npz", saved("gradient_of_mask"))))
    assert [] == [shown for shown in SOLVED[:1] + SOLVED[2:] if shown not in everything]


def test_what_a_teachers_link_hides_is_not_in_the_downloaded_probe():
    for solved in (True, False):
        data = check_probe.packed(check_probe.chosen(), solved)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            assert solved == ("formulas.md" in archive.namelist())


# What is held ----------------------------------------------------------------------------


def test_what_is_kept_counts_in_the_visits_budget_until_it_is_removed(page, visit):
    data = saved()
    at = give(page, ("mine.npz", data))
    kept = sum(array.nbytes for array in np.load(io.BytesIO(data)).values())
    assert [kept] == [one.bytes for one in holdings(visit) if one.name == "Check"]
    at = click(at, "Remove")
    assert "Take the probe" in words(at)
    assert 0 == sum(one.bytes for one in holdings(visit))


def test_no_part_of_the_step_itself_is_kept(page, visit):
    give(page, ("mine.npz", saved("softmax_over_images")))
    _, kept = visit.pinned["Check"]
    assert not any(isinstance(getattr(kept.checked, name), np.ndarray | checking.Report)
                   for name in checking.Checked.__slots__)  # fmt: skip


def test_more_than_a_step_is_refused_and_says_what_to_give(page, monkeypatch):
    monkeypatch.setattr(check_files, "MOST_HELD", 10_000)
    monkeypatch.setattr(check_files, "MOST_TEXT", 1_000)
    at = give(page, ("all.npz", saved()), ("long.csv", b"1,2,3\n" * 400))
    first, second = (one.value.replace("\\", "") for one in at.error)
    assert "all.npz: with it there are" in first and "one step of one small batch" in first
    assert "long.csv: 2.4 kB of text" in second and "save it as .npz" in second


def test_a_zip_that_unpacks_to_more_than_is_read_is_refused(visit, monkeypatch):
    stream = io.BytesIO()
    np.savez_compressed(stream, Z1=np.zeros((500, 400)))
    monkeypatch.setattr(check_files, "MOST_FILE", 10**6)
    at = give(open_page("check", visit), ("small.npz", stream.getvalue()))
    assert "claims 1,600,000 bytes" in words(at)


@pytest.mark.parametrize(
    "data, said",
    [
        (b"PK\x03\x04cut", "a damaged .npz, perhaps cut short"),
        (b'{"Z1": ' + b"9" * 400 + b"}", "no JSON object of arrays"),
        (b"\xff\xfe\x00", "neither .npz"),
    ],
)
def test_a_file_that_is_no_array_is_refused_in_words_for_learners(page, data, said):
    at = give(page, ("mine", data))
    assert not at.exception
    assert said in words(at) and "model" not in at.error[0].value


def test_the_probe_itself_is_known_for_a_zip_of_files(page):
    at = give(page, ("probe.zip", check_probe.packed(check_probe.chosen())))
    assert "a zip of files (formulas.md), not an .npz: unpack it" in words(at)


def test_names_of_files_and_arrays_are_shown_as_they_are(page):
    written = [name.encode("utf-8", "replace").decode() for name in hostile.MAKING]
    text = json.dumps({"Z1": lessons.broken()["Z1"].tolist()} | dict.fromkeys(written, [1, 2]))
    bad = [(f"{name}.csv", b"no") for name in written]
    at = give(page, (f"{written[0]}.json", text.encode()), *bad)
    assert not at.exception and "## Right" in words(at)
    assert len(bad) == len(at.error)
    raw = [one.value for one in (*at.markdown, *at.caption, *at.error)]
    raw += [one.label for one in at.selectbox] + [one.help or "" for one in at.button]
    raw += [one.proto.body for one in at.get("html")]
    assert not [name for name in written for text in raw if name in text]


# From a run alone ------------------------------------------------------------------------


def ask(at, losses: str = "", accuracy: float | None = None):
    next(one for one in at.text_area if one.label == "Losses, in order").set_value(losses)
    if accuracy is not None:
        at.number_input[0].set_value(accuracy)
    return click(at, "What may be wrong?")


def test_a_curve_is_ranked_with_an_experiment_each(page):
    at = ask(page, "2.31\n2.30\n2.30\n2.302")
    found = fromcurve.from_curve([2.31, 2.30, 2.30, 2.302])
    lines = [f"1. **{one.name.replace('_', ' ')}**: {one.experiment}" for one in found]
    assert "\n".join(lines) in words(at)


def test_an_accuracy_alone_is_ranked_as_well(page):
    at = ask(page, accuracy=9.8)
    assert "Accuracy 9.8%; guessing reaches 10%" in words(at)
    assert "1. **one class of data**" in words(at) and "**labels shuffled**" in words(at)


def test_a_run_that_learns_is_said_to_learn(page):
    assert "nothing speaks for a mistake" in words(ask(page, "2.3\n1.2\n0.7\n0.4\n0.3\n0.28\n0.27"))


def test_without_a_curve_and_with_no_numbers_the_box_says_what_it_wants(page):
    at = ask(page)
    assert "Give losses, or an accuracy" in words(at)
    at = ask(at, "it does not fall")
    assert "no table of numbers" in words(at)
    assert "it does not fall" == at.text_area[1].value


@pytest.mark.parametrize(
    "text",
    [
        "epoch 1, loss: 2.31, acc 0.11\nepoch 2, loss: 2.25, acc 0.18\nepoch 3, loss: nan, acc .2",
        "Epoch 1/3 - loss 2.31 - accuracy: 11.0\nEpoch 2/3 - loss=2.25 - accuracy: 18.0\n"
        "Epoch 3/3 - loss nan - accuracy: 20",
        "2.31,0.11\n2.25,0.18\nnan,0.2",
        "epoch,train_loss,accuracy\n1,2.31,0.11\n2,2.25,0.18\n3,nan,0.2",
    ],
)
def test_logs_and_tables_are_read_as_losses_with_accuracies(text):
    losses, shares = curvetext.read(text)
    np.testing.assert_equal(losses, [2.31, 2.25, np.nan])
    assert 3 == len(shares)


def test_a_list_as_it_is_printed_is_a_curve():
    assert ([2.3, 2.2, 2.1], None) == curvetext.read("[2.3, 2.2, 2.1]")


def test_a_curve_of_no_number_is_refused():
    with pytest.raises(FormatError, match="before it failed"):
        curvetext.read("nan\nnan\nnan")


def test_an_accuracy_far_below_guessing_speaks_for_labels_or_the_step():
    names = [one.name for one in fromcurve.from_accuracy(0.02)]
    assert {"labels_shifted", "step_uphill"} <= set(names)
    assert [] == fromcurve.from_accuracy(0.97)
    with pytest.raises(FormatError, match="a share from 0 to 1"):
        fromcurve.from_accuracy(97)
