"""Mistakes of a factor, which any line may have; and how rows of a table become mistakes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .formulas import State, Terms
from .mistake import OUTPUT, Mistake

Row = tuple[str, str, Callable, str, str, str]


_FACTORS: list[tuple[str, Callable[[State, Terms], float], str, str, str]] = [
    ("sign", lambda s, t: -1.0, "-{0}", "the sign is wrong: it goes uphill", "contrary"),
    ("divided_by_two", lambda s, t: 0.5, "{0} / 2", "it is half of what it should be", "own"),
    ("doubled", lambda s, t: 2.0, "2 * {0}", "it is twice what it should be", "own"),
    ("divided_by_pixels", lambda s, t: over(s, t) / len(s["W1"]), "{0} / X.shape[1]",
     "it is divided by the number of pixels", "own"),
    ("divided_by_classes", lambda s, t: over(s, t) / s["W2"].shape[1], "{0} / C",
     "it is divided by the number of classes", "own"),
    ("divided_by_hidden_units", lambda s, t: over(s, t) / len(s["W2"]), "{0} / H",
     "it is divided by the number of hidden units", "own"),
    ("divided_by_classes_too", lambda s, t: 1 / s["W2"].shape[1], "{0} / C",
     "it is divided by the number of classes besides", "own"),
    ("divided_by_one_less", lambda s, t: over(s, t) / (len(s["X"]) - 1), "{0} / (N - 1)",
     "it is divided by N - 1: that is for a variance", "own"),
    ("divided_twice", lambda s, t: 1 / len(s["X"]), "{0} / N",
     "it is divided by N twice: steps are N times too short", "averaged"),
    ("learning_rate_already_in", lambda s, t: float(s["rate"]), "rate * {0}",
     "the learning rate is in the gradient already, and the step multiplies by it again", "own"),
]  # fmt: skip


def over(s: State, t: Terms) -> float:
    """Return what a sum that was divided by N has to be multiplied by to have it back."""
    return float(len(s["X"])) if t.share != "step" else 1.0


def scaled(node: str, only: tuple[str, ...] = ()) -> list[Mistake]:
    def of(factor: Callable) -> Callable:
        return lambda v, s, t: v * factor(s, t)

    return [
        Mistake(name=n, node=node, kind=OUTPUT, make=of(f), line=f"{node} = " + li.format(node),
                what=w, source=src)
        for n, f, li, w, src in _FACTORS
        if not only or n in only
    ]  # fmt: skip


def not_divided(node: str, share: str) -> Mistake:
    return Mistake(
        name="not_divided", node=node, kind=OUTPUT, when=lambda t: t.share == share,
        make=lambda v, s, t: v * len(s["X"]), line=f"{node} = N * {node}",
        what="it is a sum over the images, not their mean: steps are N times too long, and longer "
        "with a larger batch", source="averaged",
    )  # fmt: skip


def signed(gradient: np.ndarray, s: State, t: Terms) -> np.ndarray:
    """Return a mean over images in whatever share and sign gradients have here."""
    by = 1.0 if t.share == "gradient" else float(len(s["X"]))
    return gradient * by * (-1 if t.sign == "gradient" else 1)


def made(node: str, rows: list[Row]) -> list[Mistake]:
    return [
        Mistake(name=n, node=node, kind=k, make=m, line=li, what=w, source=src)
        for n, k, m, li, w, src in rows
    ]


SOME = ("sign", "divided_by_two", "doubled", "divided_twice", "divided_by_classes_too")
