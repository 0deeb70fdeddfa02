"""Weights with their biases in them are read as any others: right ones right, wrong ones named."""

from __future__ import annotations

import os
from itertools import product

import numpy as np
import pytest

from nnengine import FormatError
from nnengine.homework.catalogue import CATALOGUE
from nnengine.homework.checking import check
from nnengine.homework.making import broken, example
from nnengine.homework.probe import Probe, probe
from tests.test_homework import the, time_enough  # noqa: F401 (a fixture)
from tests.test_mistakes import right_step

LONG = bool(os.environ.get("NNENGINE_LONG"))
WAYS = list(product((True, False), (True, False), ("first", "last")))  # columns, outwards, end
# Nine units and ten classes: folded weights are square, and lie either way.
SIZES = {
    "usual": (20, (784, 10, 10)),
    "square": (20, (784, 9, 10)),
    "all square": (10, (8, 9, 10)),
    "images as units": (20, (49, 19, 7)),
}


def folded(saved, columns, outwards, end):
    """Return what rows and (inputs, units) come to where biases are in the weights, at one end."""
    found = {name: np.asarray(array) for name, array in saved.items()}

    def beside(line, array):
        return np.vstack([line, array] if end == "first" else [array, line])

    def line_of(name):  # what is handed back to the ones may be anything
        count = len(found[name])
        return np.random.default_rng(3).normal(size=count) if name[0] == "d" else np.ones(count)

    for w, which in product(("W1", "W2"), ("{}", "d{}", "{}_new")):
        b = which.format(w.replace("W", "b"))
        w = which.format(w)
        if w in found and b in found:
            found[w] = beside(found.pop(b), found[w])
        if w in found and not outwards:
            found[w] = found[w].T
    for name in ("X", "A1", "dA1", "dZ1"):
        if name in found:
            wide = beside(line_of(name), found[name].T)
            found[name] = wide.T
    if columns:
        images = ("X", "Z1", "A1", "Z2", "A2", "dZ2", "dA1", "dZ1")
        found |= {name: found[name].T for name in images if name in found}
    return found


def whole(saved: dict | None, start: Probe) -> dict:
    """Return a step with all it began with besides."""
    return start.arrays(columns=False) | (saved or {})


@pytest.mark.parametrize(("columns", "outwards", "end"), WAYS)
@pytest.mark.parametrize("sizes", SIZES)
def test_a_right_step_is_accused_of_nothing_whichever_end_its_biases_stand_at(
    sizes, columns, outwards, end
):
    start = probe(*SIZES[sizes])
    saved = whole(broken(start=start, columns=False), start)
    for kept in (saved, {n: a for n, a in saved.items() if n not in ("W1", "b1", "W2", "b2")},
                 {n: a for n, a in saved.items() if n[:2] in ("dW", "db", "dZ")}):  # fmt: skip
        report = check(folded(kept, columns, outwards, end), start=start)
        assert () == report.wrong, report
        assert any(f"biases stand {end} in" in note for note in report.notes)


def test_sizes_of_ones_own_are_read_off_weights_with_biases_in_them():
    start = probe(23, (49, 12, 7))
    saved = whole(broken(start=start, columns=False), start)
    for columns, outwards, end in WAYS:
        report = check(folded(saved, columns, outwards, end))
        assert ((), 16) == (report.wrong, len(report.right) - ("X" in report.right)), report


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_right_steps_of_any_convention_stay_right_with_their_biases_folded(dtype):
    rng = np.random.default_rng(9)
    for n in range(200 if LONG else 6):
        kept, start = right_step(rng, dtype)
        (d, h, c), images = start.sizes, len(start.labels)
        shapes = dict.fromkeys(("Z1", "A1", "dA1", "dZ1"), (images, h))
        shapes |= dict.fromkeys(("Z2", "A2", "dZ2"), (images, c))
        shapes |= dict.fromkeys(("dW1", "W1_new"), (d, h)) | dict.fromkeys(
            ("dW2", "W2_new"), (h, c)
        )
        turned = [kept[name].shape != shape for name, shape in shapes.items()
                  if name in kept and shape[0] != shape[1]]  # fmt: skip
        rows = {name: a.T if any(turned) else a for name, a in kept.items()}
        report = check(folded(rows, *WAYS[n % 8]), start=start)
        assert () == report.wrong, (n, report)


@pytest.mark.parametrize(
    "mistake", CATALOGUE if LONG else CATALOGUE[::12], ids=lambda m: f"{m.name}-{m.node}"
)
def test_a_mistake_has_the_names_that_it_has_where_biases_stand_apart(mistake):
    made = example(mistake, columns=False)
    assert made is not None
    d, h, c = made.start.sizes
    flat = {"db1": (h,), "db2": (c,), "b1_new": (h,), "b2_new": (c,), "dW1": (d, h), "dW2": (h, c),
            "W1_new": (d, h), "W2_new": (h, c), "A1": (len(made.start.labels), h)}  # fmt: skip
    if any(made.saved[name].shape != shape for name, shape in flat.items() if name in made.saved):
        return  # nothing of this shape can be folded
    apart = check(made.saved, start=made.start)
    ways = WAYS if LONG else WAYS[CATALOGUE.index(mistake) % 8 :][:1]
    for way in ways:
        report = check(folded(made.saved, *way), start=made.start)
        assert set(apart.names) == set(report.names), (way, report)
        assert len(apart.wrong) == len(report.wrong), (way, report)


def test_a_line_is_written_for_the_part_of_the_array_that_is_wrong():
    made = broken([the("gradient_of_mask", "dW2")], columns=False)
    assert made is not None
    names = {"A1": "a2", "dZ2": "delta3", "dW2": "Theta2_grad", "dW1": "Theta1_grad"}
    saved = folded({n: made[n] for n in (*names, "db1", "db2")}, False, False, "first")
    report = check({names[n]: array for n, array in saved.items()})
    assert ("Theta2_grad[:, 1:]",) == report.wrong
    assert ("Theta2_grad[:, 1:] = (a2[:, 1:].T @ delta3 / N).T",) == report.findings[0].write


def test_errors_that_hold_more_than_is_handed_back_are_cut_in_the_line_to_write():
    saved = folded(broken([the("mask_from_delta", "dZ1")], columns=False), False, False, "last")
    report = check(saved)
    assert ("dZ1[:, :-1] = dA1[:, :-1] * (Z1 > 0)",) == report.findings[0].write


def test_ones_that_went_through_the_activation_are_wrong():
    saved = folded(broken(columns=False), False, True, "first")
    saved["A1"][:, 0] = np.tanh(1)
    report = check(saved)
    assert ("A1",) == report.wrong


def test_biases_in_the_weights_and_beside_them_are_sent_back():
    saved = folded(broken(columns=False), False, True, "last")
    with pytest.raises(FormatError, match="dW2.*db2 is given besides"):
        check(saved | {"db2": np.ones(10)})


@pytest.mark.parametrize("columns", [True, False])
def test_one_image_more_than_units_does_not_make_errors_look_folded(columns):
    start = probe(11, (49, 10, 7))
    report = check(broken(start=start, columns=columns), start=start)
    assert () == report.wrong and "dZ1" in report.right, report


def test_gradients_image_by_image_are_summed_with_their_biases():
    saved = folded(broken(columns=False), False, True, "last")
    saved["dW2"] = saved["A1"][:, :, None] * saved["dZ2"][:, None] / 20
    assert () == check(saved).wrong
