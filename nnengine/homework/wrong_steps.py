"""Mistakes of the step: what becomes of weights and biases once the gradients are there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .formulas import State, Terms
from .mistake import Mistake

Row = tuple[str, Callable, str, str, str]
OTHER = {"W1": "", "b1": "b2", "W2": "", "b2": "b1"}


def _step(w: str, s: State, t: Terms) -> np.ndarray:
    """Return rate times gradient, as it is to be taken away from the weights."""
    g = s["d" + w] / (len(s["X"]) if t.share == "step" else 1)
    return s["rate"] * (-g if t.sign else g)


def _swapped(w: str) -> Callable:
    def line(s: State, t: Terms) -> np.ndarray | None:
        other = OTHER[w]
        if np.shape(s["d" + other]) != s[w].shape:
            return None
        return s[w] - _step(other, {**s, w: s[w]}, t)

    return line


def _adam(w: str, m: float, v: float) -> Callable:
    def line(s: State, t: Terms) -> np.ndarray:
        g = _step(w, s, t) / s["rate"]
        return s[w] - s["rate"] * m * g / (np.sqrt(v) * np.abs(g) + 1e-8)

    return line


def _rate_in_root(w: str) -> Callable:
    def line(s: State, t: Terms) -> np.ndarray:
        g = _step(w, s, t) / s["rate"]
        return s[w] - g / (np.sqrt(s["rate"] * g * g) + 1e-8)

    return line


def _wrong_rate(w: str, d: str, new: str) -> list[Row]:
    return [
        ("not_updated", lambda s, t: s[w], f"{new} = {w}",
         "it is as it was before the step: what a function changes has to be returned, and kept",
         "own"),
        ("step_uphill", lambda s, t: s[w] + _step(w, s, t), f"{new} = {w} + rate * {d}",
         "the step goes uphill: the gradient is added", "contrary"),
        ("learning_rate_twice", lambda s, t: s[w] - s["rate"] * _step(w, s, t),
         f"{new} = {w} - rate * rate * {d}", "the learning rate is multiplied twice", "own"),
        ("learning_rate_missing", lambda s, t: s[w] - _step(w, s, t) / s["rate"],
         f"{new} = {w} - {d}", "the learning rate is missing", "own"),
        ("learning_rate_divides", lambda s, t: s[w] - _step(w, s, t) / s["rate"] ** 2,
         f"{new} = {w} - {d} / rate", "the gradient is divided by the learning rate", "own"),
        ("step_for_weights", lambda s, t: -_step(w, s, t), f"{new} = -rate * {d}",
         "the step is kept in the place of the weights: = for -=", "own"),
        ("step_turned_round", lambda s, t: _step(w, s, t) - s[w], f"{new} = rate * {d} - {w}",
         "the difference is the wrong way round", "own"),
        ("step_multiplies", lambda s, t: s[w] * _step(w, s, t), f"{new} = {w} * rate * {d}",
         "the step is multiplied, and not taken away", "own"),
        ("step_in_proportion", lambda s, t: s[w] * (1 - _step(w, s, t)),
         f"{new} = {w} * (1 - rate * {d})", "the step is made in proportion to the weights", "own"),
    ]  # fmt: skip


def _wrong_weights(w: str, d: str, new: str) -> list[Row]:
    return [
        ("rate_of_weights", lambda s, t: (1 - s["rate"]) * s[w] - _step(w, s, t),
         f"{new} = {w} - rate * ({d} + {w})", "the weights are in the step: they decay", "own"),
        ("rate_of_weights_alone", lambda s, t: s[w] - s["rate"] * s[w],
         f"{new} = {w} - rate * {w}", "the weights are taken for their gradient", "own"),
        ("updated_twice", lambda s, t: s[w] - 2 * _step(w, s, t), f"{w} -= rate * {d}  # twice",
         "the step is taken twice", "own"),
        ("updated_for_each_image", lambda s, t: s[w] - len(s["X"]) * _step(w, s, t),
         f"for n in range(N): {w} -= rate * {d}",
         "the step of the whole batch is taken once for each image", "own"),
        ("divided_twice", lambda s, t: s[w] - _step(w, s, t) / len(s["X"]),
         f"{new} = {w} - rate * {d} / N",
         "it is divided by N twice: steps are N times too short", "averaged"),
        ("weights_whole_numbers", lambda s, t: np.trunc(s[w] - _step(w, s, t)),
         f"{new} = ({w} - rate * {d}).astype(int)", "weights are cut to whole numbers", "own"),
    ]  # fmt: skip


def _wrong_gradient(w: str, d: str, new: str) -> list[Row]:
    return [
        ("gradient_of_the_other_layer", _swapped(w), f"{new} = {w} - rate * d{OTHER[w]}",
         "it is updated with the other layer's gradient", "own"),
        ("gradient_summed_in_step", lambda s, t: s[w] - np.sum(_step(w, s, t)),
         f"{new} = {w} - rate * {d}.sum()", "the gradient is summed to one number", "scalar"),
        ("gradient_sign_alone", lambda s, t: s[w] - s["rate"] * np.sign(_step(w, s, t)),
         f"{new} = {w} - rate * np.sign({d})", "only the gradient's sign is used", "own"),
        ("gradient_transposed_in_step", lambda s, t: s[w] - _step(w, s, t).T
         if s[w].ndim == 2 and s[w].shape[0] == s[w].shape[1]
         and _step(w, s, t).shape == s[w].shape else None,
         f"{new} = {w} - rate * {d}.T", "the gradient is transposed, which happens to fit", "own"),
        ("adam_without_correction", _adam(w, 0.1, 0.001),
         "m = 0.1 * g; v = 0.001 * g**2  # not over 1 - beta**t",
         "Adam's means are not corrected: its first step is 3.2 times too long", "Kingma"),
        ("adam_first_mean_corrected_alone", _adam(w, 1.0, 0.001), "m_hat = m / (1 - 0.9**t)",
         "only Adam's first mean is corrected: its first step is 32 times too long", "Kingma"),
        ("adam_second_mean_corrected_alone", _adam(w, 0.1, 1.0), "v_hat = v / (1 - 0.999**t)",
         "only Adam's second mean is corrected: its first step is a tenth", "Kingma"),
        ("adam_rate_inside_root", _rate_in_root(w), f"{new} = {w} - m_hat / np.sqrt(rate * v_hat)",
         "the learning rate stands inside the root: a smaller rate makes longer steps", "Kingma"),
    ]  # fmt: skip


def _of(w: str) -> list[Mistake]:
    """Return mistakes of the step of one array."""
    d, new = "d" + w, w + "_new"
    rows = [*_wrong_rate(w, d, new), *_wrong_weights(w, d, new), *_wrong_gradient(w, d, new)]
    no_such = "gradient_transposed_in_step" if OTHER[w] else "gradient_of_the_other_layer"
    return [
        Mistake(name=n, node=new, make=m, line=li, what=wh, source=src,
                bent=10.0 if n == "weights_whole_numbers" and not OTHER[w] else 1.0)
        for n, m, li, wh, src in rows
        if n != no_such  # weights of two layers have two shapes, biases none to turn
    ] + [
        Mistake(
            name="not_divided", node=new, when=lambda t: t.share == "step",
            make=lambda s, t: s[w] - len(s["X"]) * _step(w, s, t), line=f"{new} = {w} - rate * {d}",
            what="gradients are sums over the images, and nobody divides: steps are N times too "
            "long", source="averaged",
        )
    ]  # fmt: skip


MISTAKES: list[Mistake] = [mistake for w in OTHER for mistake in _of(w)]
