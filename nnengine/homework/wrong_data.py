"""Mistakes in the data: pixels of another scale, labels of another class, rows of another image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .formulas import State, Terms, one_hot
from .mistake import INPUT, Mistake

MEMO = 100_000  # pixels of a batch up to which what was made of them is kept


def _raw(s: State) -> np.ndarray:
    return np.round(s["P"] * 255)


def _wrapped(doubled: np.ndarray) -> np.ndarray:
    """Return what uint8 makes of up to 511: % 256, which takes five times as long."""
    return np.where(doubled < 256, doubled, doubled - 256)


def _per_image(p: np.ndarray, spread: Callable) -> np.ndarray:
    size = spread(p)
    return np.where(size > 0, p / np.where(size > 0, size, 1), p)


def _turned(p: np.ndarray) -> np.ndarray:
    side = int(p.shape[1] ** 0.5)
    if side * side != p.shape[1]:
        return np.full(p.shape, np.nan)  # nothing to turn: agrees with nothing
    return p.reshape(-1, side, side).swapaxes(1, 2).reshape(p.shape)


def _standard(p: np.ndarray, axis: int | None) -> np.ndarray:
    spread = p.std(axis=axis, keepdims=True)
    return (p - p.mean(axis=axis, keepdims=True)) / np.where(spread > 0, spread, 1)


# Name; pixels from the state; how it is written; what it is; source.
_PIXELS: list[tuple[str, Callable[[State], np.ndarray], str, str, str]] = [
    ("pixels_not_scaled", lambda s: 255 * s["P"], "X = pixels",
     "pixels go in as 0 to 255, not as 0 to 1: sums are 255 times too large, units saturate or "
     "die, "
     "and exp overflows", "one number"),
    ("pixels_scaled_twice", lambda s: s["P"] / 255, "X = X / 255",
     "pixels are divided by 255 a second time: the network sees next to nothing but its biases",
     "own"),
    ("pixels_over_256", lambda s: _raw(s) / 256, "X = pixels / 256",
     "pixels are divided by 256: the largest is 255", "own"),
    ("pixels_whole_division", lambda s: (_raw(s) // 255), "X = pixels // 255",
     "// divides whole numbers: all but the whitest pixels become 0", "own"),
    ("pixels_minus_one_to_one", lambda s: 2 * s["P"] - 1, "X = 2 * X - 1",
     "pixels lie in -1 to 1, the sheet has 0 to 1", "own"),
    ("pixels_standardised_per_image", lambda s: _standard(s["P"], 1),
     "X = (X - X.mean(axis=1)) / X.std(axis=1)",
     "each image is standardised by its own mean and spread", "LeCun"),
    ("pixels_standardised_per_pixel", lambda s: _standard(s["P"], 0),
     "X = (X - X.mean(axis=0)) / X.std(axis=0)",
     "each pixel is standardised over the batch, and not by the training set's figures", "LeCun"),
    ("pixels_standardised", lambda s: _standard(s["P"], None), "X = (X - X.mean()) / X.std()",
     "all pixels are standardised by the batch's own mean and spread", "LeCun"),
    ("pixels_mean_taken_away", lambda s: s["P"] - s["P"].mean(axis=0),
     "X = X - X.mean(axis=0)", "the batch's mean image is taken away", "LeCun"),
    ("pixels_all_mean_taken_away", lambda s: s["P"] - s["P"].mean(),
     "X = X - X.mean()", "the batch's mean is taken away", "LeCun"),
    ("pixels_inverted", lambda s: 1 - s["P"], "X = 1 - X", "ink and paper are exchanged", "own"),
    ("pixels_black_or_white", lambda s: (s["P"] > 0) * 1.0, "X = X > 0",
     "pixels are only on or off: shades are lost", "own"),
    ("pixels_rounded", lambda s: np.round(s["P"]), "X = np.round(X)",
     "pixels are rounded to 0 or 1: shades are lost", "own"),
    ("pixels_wrapped_uint8", lambda s: (_raw(s).astype(np.uint8) - np.uint8(128)) / 255,
     "X = (pixels - 128) / 255  # pixels is uint8",
     "uint8 has no negative numbers: 100 - 128 is 228", "own"),
    ("pixels_wrapped_doubled", lambda s: _wrapped(2 * _raw(s)) / 255,
     "X = 2 * pixels / 255  # pixels is uint8", "uint8 ends at 255: 2 * 200 is 144", "own"),
    ("pixels_over_length",
     lambda s: _per_image(s["P"], lambda p: np.linalg.norm(p, axis=1, keepdims=True)),
     "X = X / np.linalg.norm(X, axis=1)", "each image is divided by its length", "own"),
    ("images_turned", lambda s: _turned(s["P"]), "X = pixels.transpose(0, 2, 1)",
     "rows and columns of each image are exchanged", "own"),
    ("images_upside_down", lambda s: s["P"][:, ::-1], "X = X[:, ::-1]",
     "the pixels of each image stand in the opposite order", "own"),
    ("images_in_reversed_order", lambda s: s["P"][::-1], "X = X[::-1]",
     "images stand in the opposite order of their labels", "own"),
    ("label_column_kept",
     lambda s: np.concatenate([s["L"][:, None] / 255, s["P"][:, :-1]], axis=1),
     "X = table[:, :784] / 255",
     "the column of labels was taken for the first pixel, and all others moved on by one", "own"),
    ("pixels_reshaped_not_transposed",
     lambda s: s["P"].reshape(s["P"].shape[1], -1).T, "X = X.reshape(784, N)",
     "reshape does not transpose: pixels of different images are mixed; X.T is meant", "axes"),
]  # fmt: skip


def shuffled(like: np.ndarray | None, rows: np.ndarray) -> np.ndarray:
    """Return rows in the order in which `like` has them, by lot where nothing says one."""
    if like is None:
        return rows[np.random.default_rng(0).permutation(len(rows))]
    order = []
    left = list(range(len(rows)))
    for row in like:
        near = min(left, key=lambda n: float(np.abs(rows[n] - row).sum()))
        order.append(near)
        left.remove(near)
    return rows[order]


def _mixed(s: State) -> np.ndarray:
    """Return the pixels in the order that a learner's sums betray."""
    sums = s.get("given", {}).get("Z1")
    like = s.get("given", {}).get("X")
    rows = s["P"]
    if like is not None and like.shape == rows.shape:
        return shuffled(like, rows)
    if sums is None or sums.shape != (len(rows), len(s["b1"])):
        return shuffled(None, rows)
    z = rows @ s["W1"] + s["b1"]
    order = [int(np.abs(z - row).sum(axis=1).argmin()) for row in sums]
    return rows[order] if len(set(order)) == len(order) else shuffled(None, rows)


def _mixed_on_the_way_back(s: State) -> np.ndarray:
    """Return the pixels in the order that the gradient of the first weights betrays.

    X.T @ dZ1 with X in another order has one solution for the deltas where images are independent:
    those of dZ1 in that order, in whatever share.
    """
    rows, deltas, gradient = s["P"], s.get("dZ1"), s.get("given", {}).get("dW1")
    if deltas is None or gradient is None or gradient.shape != s["W1"].shape:
        return _mixed(s)
    if deltas.shape != (len(rows), len(s["b1"])):
        return _mixed(s)
    solved = np.linalg.lstsq(rows.T, np.nan_to_num(gradient), rcond=None)[0]
    length = [np.linalg.norm(a, axis=1, keepdims=True) for a in (solved, deltas)]
    if not all(of.all() for of in length):
        return _mixed(s)
    likeness = np.abs((solved / length[0]) @ (deltas / length[1]).T)
    order = np.argmax(likeness, axis=0)  # whose pixels met each image's deltas
    return rows[order] if len(set(order)) == len(order) else _mixed(s)


def _mixed_labels(s: State) -> np.ndarray:
    """Return the targets in the order that a learner's deltas betray."""
    right = one_hot(s["L"], s["W2"].shape[1])
    given = s.get("given", {})
    if (delta := given.get("dZ2")) is None or "A2" not in s or delta.shape != right.shape:
        return shuffled(given.get("T") if np.shape(given.get("T")) == right.shape else None, right)
    labels = delta.argmin(axis=1)  # a - 1 stands at the label, in whatever share
    if sorted(labels) != sorted(s["L"]):
        return shuffled(None, right)
    return one_hot(labels, right.shape[1])


def _reshaped(y: np.ndarray) -> np.ndarray:
    return y.reshape(y.shape[1], -1).T


# The same of targets, one-hot (N, C).
_LABELS: list[tuple[str, Callable[[State], np.ndarray], str, str, str]] = [
    ("labels_one_up", lambda s: one_hot((s["L"] + 1), s["W2"].shape[1]),
     "Y[np.arange(N), labels + 1] = 1", "every label is one class too high", "own"),
    ("labels_one_up_round", lambda s: one_hot((s["L"] + 1) % s["W2"].shape[1], s["W2"].shape[1]),
     "Y[np.arange(N), (labels + 1) % C] = 1",
     "every label is one class too high, the last is the first", "own"),
    ("labels_one_down", lambda s: one_hot((s["L"] - 1) % s["W2"].shape[1], s["W2"].shape[1]),
     "Y[np.arange(N), labels - 1] = 1",
     "every label is one class too low, and 0 is the last, for index -1 counts from the end",
     "own"),
    ("labels_reversed", lambda s: one_hot(s["L"], s["W2"].shape[1])[:, ::-1],
     "Y = np.eye(C)[:, ::-1][labels]", "classes are counted from the last", "own"),
    ("labels_in_reversed_order", lambda s: one_hot(s["L"][::-1], s["W2"].shape[1]),
     "Y = Y[::-1]", "labels stand in the opposite order of their images", "own"),
    ("labels_sorted", lambda s: one_hot(np.sort(s["L"]), s["W2"].shape[1]),
     "Y = np.sort(labels)", "labels were sorted without their images", "own"),
    ("one_hot_reshaped", lambda s: _reshaped(one_hot(s["L"], s["W2"].shape[1])),
     "Y = Y.reshape(C, N)",
     "the one-hot matrix was reshaped, which mixes images; Y.T is meant", "axes"),
    ("one_hot_missing",
     lambda s: np.repeat(s["L"][:, None] * 1.0, s["W2"].shape[1], axis=1),
     "A2 - labels", "the label's number is taken away from every output: there is no one-hot",
     "own"),
    ("one_hot_minus_one", lambda s: 2 * one_hot(s["L"], s["W2"].shape[1]) - 1,
     "Y = 2 * Y - 1", "targets are -1 and 1, which no probability reaches", "own"),
    ("one_hot_all_zero", lambda s: 0 * one_hot(s["L"], s["W2"].shape[1]), "Y = np.zeros((N, C))",
     "the targets were never filled in", "own"),
    ("one_hot_all_ones", lambda s: 0 * one_hot(s["L"], s["W2"].shape[1]) + 1,
     "Y[:, labels] = 1", "Y[:, labels] marks whole columns, not one place in each row", "own"),
    ("one_hot_first_class",
     lambda s: one_hot(0 * s["L"], s["W2"].shape[1]), "Y[:, 0] = 1",
     "every image is said to be of the first class", "own"),
    ("one_hot_too_wide", lambda s: one_hot(s["L"], s["W2"].shape[1] + 1),
     "Y = np.zeros((N, C + 1))", "there is a column for a class that does not exist", "own"),
    ("one_hot_too_narrow", lambda s: one_hot(s["L"], s["W2"].shape[1] - 1),
     "Y = np.zeros((N, labels.max()))", "there is no column for the last class", "own"),
]  # fmt: skip

_MIXED_X = ("images_shuffled_alone", _mixed, "X = X[rng.permutation(N)]",
            "images were shuffled without their labels", "own")  # fmt: skip
_MIXED_T = ("labels_shuffled_alone", _mixed_labels, "rng.shuffle(labels)",
            "labels were shuffled without their images", "own")  # fmt: skip


def _of(row: tuple, name: str, users: tuple[str, ...]) -> list[Mistake]:
    """Return a mistake of the array by itself, and of each line that uses it by itself."""
    called, work, line, what, source = row
    guessed = called.endswith("_shuffled_alone")

    def make(s: State) -> Any:
        """Make it once for a batch: many trials begin with the same pixels and labels."""
        memo = s.get("memo")
        if memo is None or guessed or s["P"].size > MEMO:
            return work(s)
        if called not in memo:
            memo[called] = work(s)
        return memo[called]

    def whole(s: State, t: Terms) -> Any:
        return make(s)

    def seen(s: State, t: Terms) -> dict[str, Any]:
        return {name: make(s)}

    if called in ("one_hot_too_wide", "one_hot_too_narrow"):  # no line takes such targets
        users = ()
    if called == "labels_shuffled_alone":  # one number says no order: docs/check.md has the proof
        users = tuple(user for user in users if user != "loss")
    said = {"name": called, "line": line, "what": what, "source": source,
            "guessed": guessed}  # fmt: skip
    return [Mistake(node=name, make=whole, **said)] + [
        Mistake(node=user, make=seen, kind=INPUT, **said) for user in users
    ]


MISTAKES: list[Mistake] = [
    *(m for row in _PIXELS for m in _of(row, "X", ("Z1", "dW1"))),
    *_of(_MIXED_X, "X", ("Z1",)),
    *_of(("images_shuffled_alone", _mixed_on_the_way_back, *_MIXED_X[2:]), "X", ("dW1",))[1:],
    *(m for row in [*_LABELS, _MIXED_T] for m in _of(row, "T", ("loss", "dZ2"))),
]
