"""Mistakes of the catalogue are called by their names, alone and in pairs; right networks right."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest

from nnengine.homework import lessons
from nnengine.homework.alike import FAMILIES, OTHER_IMAGES, OTHER_SIZES, same, why_alike
from nnengine.homework.catalogue import CATALOGUE, NAMES
from nnengine.homework.checking import check
from nnengine.homework.formulas import Terms
from nnengine.homework.making import broken, example, suiting
from nnengine.homework.mistake import LINE
from nnengine.homework.probe import probe
from tests.test_homework import the, time_enough  # noqa: F401 (a fixture)

LONG = bool(os.environ.get("NNENGINE_LONG"))
WALK = CATALOGUE if LONG else CATALOGUE[::6]
PAIRS, SEED = 500 if LONG else 10, 11
RIGHT = 500 if LONG else 4  # of either precision


def in_words(mistake):
    return f"{mistake.name}-{mistake.node}"


def test_the_catalogue_has_more_than_sixty_mistakes_each_with_a_source_and_a_line():
    assert len(NAMES) > 60
    assert (
        len(CATALOGUE) == len({in_words(m) for m in CATALOGUE if m.name != "softmax_overflow"}) + 2
    )
    assert all(m.origin and m.line and m.what for m in CATALOGUE)


@pytest.mark.parametrize("mistake", WALK, ids=in_words)
def test_a_mistake_is_called_by_its_name_and_by_no_other_that_gives_other_numbers(mistake):
    """Both ways of laying images; what else it may be is held to its own numbers."""
    for columns in (True, False) if LONG else (bool(CATALOGUE.index(mistake) % 40),):
        made = example(mistake, columns=columns)
        assert made is not None
        report = check(made.saved, start=made.start)
        assert 1 == len(report.findings), report
        assert mistake.name in report.names, report
        assert not report.unknown
        assert len(report.lines()) < 15
        for other in report.verdict.named:
            for m in (other.mistake, *other.or_else):
                made_by_it = broken([m], made.terms, start=made.start, columns=columns,
                                    bent=mistake.bent)  # fmt: skip
                if m.name != mistake.name:
                    assert same(made_by_it, made.saved), (m.name, report)


@pytest.mark.parametrize(
    ("nodes", "names"), [(nodes, names) for nodes, names, _ in FAMILIES], ids=lambda f: f[:24]
)
def test_mistakes_that_no_numbers_tell_apart_give_the_same_on_probes_of_any_size(nodes, names):
    square = "gradient_transposed" in names  # of other shapes it cannot be run
    for seed, images, sizes in ((1, OTHER_IMAGES, OTHER_SIZES), (2, 9, (30, 5, 4))):
        sizes = (sizes[2],) * 3 if square else sizes
        start = probe(images, sizes, seed)
        for node in nodes.split():
            terms = suiting(the("not_divided", node)) if "not_divided" in names else Terms()
            one, *others = (broken([the(name, node)], terms, start=start) for name in names)
            assert one is not None
            assert all(same(one, other) for other in others)


@pytest.mark.skipif(not LONG, reason="a minute and a half: set NNENGINE_LONG to run it")
def test_on_a_probe_of_other_sizes_only_what_no_numbers_tell_apart_has_several_names():
    start = probe(OTHER_IMAGES, OTHER_SIZES)
    for mistake in CATALOGUE:
        made = example(mistake, start=start)
        report = check(made.saved, start=start) if made else None
        if report is None or not report.wrong or mistake.name == "loss_of_zero":
            continue  # no such line fits its shapes; no number shows it; NaN is like any other
        assert mistake.name in report.names, report
        if len(report.names) > 1:
            assert why_alike([mistake.node], report.names), report


def pairs(count):
    """Yield two mistakes, in one line or in two, what a program with both saves, and how."""
    rng = np.random.default_rng(SEED)
    usual = [m for m in CATALOGUE if m.when(Terms()) and not m.guessed]
    while count:
        first, second = (usual[i] for i in rng.choice(len(usual), 2, replace=False))
        if first.node == second.node and LINE == first.kind == second.kind:
            continue  # one line is written in one way
        columns = bool(count % 2)
        bent = max(first.bent, second.bent)
        if saved := broken([first, second], columns=columns, bent=bent):
            count -= 1
            yield first, second, saved, {"columns": columns, "bent": bent}


def untold(report, saved, made):
    """Tell whether the mistakes that were named, two at most, give all the numbers of the pair."""
    named = [one.mistake for one in report.verdict.named]
    right = Terms() == report.verdict.bench.terms and not report.unknown
    return right and len(named) < 3 and same(broken(named, **made), saved)


@pytest.mark.timeout(1800 if LONG else 300)
def test_of_two_mistakes_at_once_both_are_named():
    """Or two others that give the same numbers, or one of them that leaves the other no trace."""
    missed, alike, false = [], [], []
    for first, second, saved, made in pairs(PAIRS):
        report = check(saved)
        told = f"{in_words(first)} {in_words(second)}: {report.names}"
        stray = any(not {first.name, second.name} & set(one.names) for one in report.findings)
        if untold(report, saved, made):
            if stray or not {first.name, second.name} <= set(report.names):
                alike.append(told)
            continue
        if not {first.name, second.name} <= set(report.names):
            missed.append(told)
        if stray:
            false.append(told)
    print(*("alike " + told for told in alike), *("missed " + told for told in missed), sep="\n")
    assert [] == false
    assert len(missed) + len(alike) <= 0.05 * PAIRS + 1, (missed, alike)


def right_step(rng, dtype):
    """Return a right step of some size, precision, order of sums and convention, as saved."""
    start = probe()
    if rng.random() < 0.5:
        sizes = [(784, int(rng.integers(3, 40)), 10), (100, 7, 4), (49, 16, 3), (300, 30, 10)]
        start = probe(int(rng.integers(5, 40)), sizes[rng.integers(4)], int(rng.integers(3)))
    x, y, w1, b1, w2, b2 = (
        a.astype(dtype) if a.dtype.kind == "f" else a
        for name, a in start.arrays(columns=False).items() if name != "learning_rate"
    )  # fmt: skip
    order = rng.permutation(x.shape[1])
    n, act = len(y), rng.choice(["relu", "sigmoid", "tanh"])
    z1 = (x[:, order] @ w1[order] + b1).astype(dtype)
    a1 = {"relu": np.maximum(z1, 0), "tanh": np.tanh(z1), "sigmoid": 1 / (1 + np.exp(-z1))}[act]
    slope = {"relu": (z1 > 0).astype(dtype), "tanh": 1 - a1 * a1, "sigmoid": a1 * (1 - a1)}[act]
    z2 = sum(a1[:, k : k + 1] * w2[k] for k in rng.permutation(a1.shape[1])) + b2
    e = np.exp(z2 - z2.max(axis=1, keepdims=True))
    a2 = e / e.sum(axis=1, keepdims=True)
    share, sign = rng.choice(["delta", "gradient", "step"]), rng.choice([1, -1])
    d2 = sign * (a2 - np.eye(len(b2), dtype=dtype)[y]) / (n if share == "delta" else 1)
    d2 = d2.astype(dtype)
    da1 = d2 @ w2.T
    d1 = da1 * slope
    by = dtype(n if share == "gradient" else 1)
    made = {"Z1": z1, "A1": a1, "Z2": z2, "A2": a2, "dZ2": d2, "dW2": a1.T @ d2 / by,
            "db2": d2.sum(axis=0) / by, "dA1": da1, "dZ1": d1, "dW1": x.T @ d1 / by,
            "db1": d1.sum(axis=0) / by}  # fmt: skip
    made["loss"] = -np.log(a2[np.arange(n), y]).mean()
    rate = dtype(sign * 0.1 / (n if share == "step" else 1))
    for name, w in (("W1", w1), ("b1", b1), ("W2", w2), ("b2", b2)):
        made[f"{name}_new"] = w - rate * made[f"d{name}"]
    kept = {name: a for name, a in made.items() if rng.random() < 0.7}
    if rng.random() < 0.5:
        kept = {name: np.asarray(a).T for name, a in kept.items()}
    return kept, start


@pytest.mark.timeout(1800 if LONG else 300)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_right_network_is_accused_of_nothing(dtype):
    rng = np.random.default_rng(5)
    for n in range(RIGHT):
        kept, start = right_step(rng, dtype)
        report = check(kept, start=start)
        assert () == report.wrong, (n, sorted(kept), report)


@pytest.mark.parametrize(
    ("node", "names"),
    [("dW2", ("gradient_of_mask", "sign")), ("Z1", ("pixels_inverted", "bias_not_added")),
     ("dZ2", ("labels_reversed", "delta_times_answers"))],
)  # fmt: skip
def test_two_mistakes_in_one_line_are_both_named(node, names):
    saved = broken([the(name, node) for name in names])
    report = check(saved)
    assert (node,) == report.wrong
    assert all(any(name in one.names for one in report.findings) for name in names), report
    assert len(report.findings) == len(names)


@pytest.mark.parametrize(
    "pair",
    [(("pixels_over_length", "Z1"), ("relu_not_below_one", "A1")),
     (("softmax_by_first_image", "A2"), ("delta_times_softmax_slope", "dZ2"))],
)  # fmt: skip
def test_units_that_are_all_one_and_answers_that_are_no_sigmoids_hide_no_mistake(pair):
    report = check(broken([the(*one) for one in pair]))
    assert tuple(name for name, _ in pair) == report.names, report
    assert not report.unknown


def test_an_array_of_one_number_that_no_mistake_gives_has_no_name():
    saved = broken()
    assert saved is not None
    for filled in (0.0, 1.0):
        report = check(saved | {"A1": np.full_like(saved["A1"], filled)})
        assert (("A1",), ()) == (report.wrong, report.names), report


def test_of_too_few_digits_no_pair_is_told():
    saved = broken([the("loss_log_two", "loss"), the("one_hot_reshaped", "loss")])
    assert saved is not None
    assert {"loss_log_two", "one_hot_reshaped"} <= set(check(saved).names)
    coarse = check(saved | {"loss": saved["loss"].astype(np.float32)})
    assert (("loss",), ()) == (coarse.wrong, coarse.names)


def test_a_mistake_is_looked_for_in_each_line_that_it_may_have_been_made_in():
    """The pixels before the sums would be those of the gradient as well, which has its own."""
    saved = broken([the("pixels_minus_one_to_one", "Z1"), the("gradient_of_last_image", "dW1")])
    report = check(saved)
    assert {"pixels_minus_one_to_one", "gradient_of_last_image"} == set(report.names)
    assert not report.unknown


def test_one_loss_does_not_say_in_which_order_its_labels_were_shuffled():
    """There are more orders than losses that double precision holds apart: the pigeonhole."""
    saved = broken(columns=False)
    assert saved is not None
    judged = check({name: saved[name] for name in ("A2", "loss")}).verdict.bench
    costs = -np.log(saved["A2"])
    between = (costs.max(axis=1) - costs.min(axis=1)).mean()  # no order costs less or more
    places = between / (2 * float(judged._off("loss", judged.values)))
    alike = math.prod(math.factorial(int(n)) for n in np.bincount(probe().labels))
    assert math.factorial(len(probe().labels)) / alike > 5 * places


def test_the_page_lists_what_no_numbers_tell_apart():
    page = (Path(__file__).parent.parent / "docs" / "check.md").read_text(encoding="utf-8")
    for nodes, names, why in FAMILIES:
        said = ", ".join(f"`{name}`" for name in names)
        assert f"| {', '.join(nodes.split())} | {said} | {why} |" in page


@pytest.mark.parametrize("name", NAMES if LONG else NAMES[::25])
def test_every_mistake_has_a_lesson_that_shows_where_it_is_seen(name):
    one = lessons.lesson(name, steps=3)
    assert one.seen and one.why and one.source
    assert one.wrong != one.right
    assert (one.wrong_curve is None) == (one.right_curve is None)
