"""Mistakes on the way to the answer and in the loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .formulas import State, Terms, log_of_right, shared, sigmoid, softmax, stepped
from .mistake import INPUT, LINE, Mistake


def _square(w: np.ndarray) -> bool:
    return w.shape[0] == w.shape[1]


def later(w: str, s: State, t: Terms) -> np.ndarray:
    """Return weights of the second layer as they are after the step."""
    gradient = shared(s["A1"].T @ s["dZ2"], s, t)
    return stepped(w, {**s, "d" + w: s.get("given", {}).get("d" + w, gradient)}, t)


def _sums(layer: int, x: str) -> list[Mistake]:
    """Return mistakes of the sums of a layer, whose inputs are called x."""
    node, w, b, other = f"Z{layer}", f"W{layer}", f"b{layer}", f"b{3 - layer}"

    def swapped(s: State, t: Terms) -> Any:
        return s[x] @ s[w] + s[other] if s[other].shape == s[b].shape else None

    rows: list[tuple[str, str, Callable, str, str]] = [
        ("bias_not_added", LINE, lambda s, t: s[x] @ s[w], f"{node} = {x} @ {w}",
         "the biases are never added: they do nothing, and the answer to a blank image is fixed"),
        ("bias_taken_away", LINE, lambda s, t: s[x] @ s[w] - s[b], f"{node} = {x} @ {w} - {b}",
         "the biases are taken away, so that every step moves them the wrong way"),
        ("bias_added_twice", LINE, lambda s, t: s[x] @ s[w] + 2 * s[b],
         f"{node} = {x} @ {w} + {b} + {b}", "the biases are added twice"),
        ("bias_of_the_other_layer", LINE, swapped, f"{node} = {x} @ {w} + {other}",
         "the biases are those of the other layer"),
        ("bias_for_each_weight", LINE, lambda s, t: s[x] @ (s[w] + s[b]),
         f"{node} = {x} @ ({w} + {b})",
         "the biases join the weights before the product: they count once for every input"),
        ("bias_one_for_all", LINE, lambda s, t: s[x] @ s[w] + s[b].sum(),
         f"{node} = {x} @ {w} + {b}.sum()", "every unit gets the sum of all biases"),
        ("sums_averaged", LINE, lambda s, t: s[x] @ s[w] / len(s[w]) + s[b],
         f"{node} = {x} @ {w} / len({w}) + {b}", "the products are averaged, not summed"),
    ]  # fmt: skip
    return [
        Mistake(name=n, node=node, kind=k, make=m, line=li, what=wh, source="own")
        for n, k, m, li, wh in rows
    ]


_HIDDEN: list[tuple[str, Callable, str, str, str, str]] = [
    ("activation_missing", lambda z: z, "A1 = Z1",
     "there is no activation: two layers without one are one layer", "", "Bishop"),
    ("activation_absolute", np.abs, "A1 = np.abs(Z1)", "negative sums change their sign, not to 0",
     "relu", "own"),
    ("relu_upside_down", lambda z: np.minimum(z, 0), "A1 = np.minimum(0, Z1)",
     "the negative sums are kept, and not the positive ones", "relu", "own"),
    ("relu_mask_for_values", lambda z: (z > 0) * 1.0, "A1 = Z1 > 0",
     "A1 is only whether a sum is positive, and not how large", "relu", "own"),
    ("relu_not_below_one", lambda z: np.maximum(z, 1), "A1 = np.maximum(1, Z1)",
     "sums are raised to 1, not to 0", "relu", "own"),
    ("relu_cut_at_one", lambda z: np.clip(z, 0, 1), "A1 = np.clip(Z1, 0, 1)",
     "answers end at 1", "relu", "own"),
    ("relu_cut_at_six", lambda z: np.clip(z, 0, 6), "A1 = np.clip(Z1, 0, 6)",
     "answers end at 6", "relu", "own"),
    ("relu_negated", lambda z: np.maximum(-z, 0), "A1 = np.maximum(0, -Z1)",
     "the sums are negated before ReLU", "relu", "own"),
    ("softplus_for_relu", lambda z: np.logaddexp(0, z), "A1 = np.log(1 + np.exp(Z1))",
     "that is softplus", "relu", "own"),
    ("relu_maximum_of_units",
     lambda z: np.broadcast_to(z.max(axis=1, keepdims=True), z.shape), "A1[n] = np.max(Z1[n], 0)",
     "np.max takes 0 for an axis, and gives one number for all units: np.maximum is meant",
     "relu", "max"),
    ("leak_of_a_tenth", lambda z: np.where(z > 0, z, 0.1 * z), "A1 = np.maximum(0.1 * Z1, Z1)",
     "negative sums leak through at a tenth", "relu", "own"),
    ("leak_of_a_fifth", lambda z: np.where(z > 0, z, 0.2 * z), "A1 = np.maximum(0.2 * Z1, Z1)",
     "negative sums leak through at a fifth", "relu", "own"),
    ("softmax_in_the_hidden_layer", lambda z: softmax(z), "A1 = softmax(Z1)",
     "softmax belongs to the output: hidden units compete, and gradients shrink", "", "always 0"),
    ("activation_applied_twice_sigmoid", lambda z: sigmoid(sigmoid(z)), "A1 = sigmoid(sigmoid(Z1))",
     "sigmoid is applied twice: answers lie between 0.5 and 0.73", "sigmoid", "own"),
    ("sigmoid_of_minus_z", lambda z: sigmoid(-z), "A1 = 1 / (1 + np.exp(Z1))",
     "the minus in the exponent is missing", "sigmoid", "own"),
    ("tanh_halved", lambda z: np.tanh(z / 2), "A1 = np.tanh(Z1 / 2)", "the sums are halved", "tanh",
     "own"),
]  # fmt: skip


def _hidden() -> list[Mistake]:
    def of(make: Callable) -> Callable:
        return lambda s, t: make(s["Z1"])

    def for_(kind: str) -> Callable[[Terms], bool]:
        return lambda t: not kind or t.activation == kind

    return [
        Mistake(name=n, node="A1", make=of(m), line=li, what=w, source=src, when=for_(kind))
        for n, m, li, w, kind, src in _HIDDEN
    ]


def _plain_exp(z: np.ndarray) -> np.ndarray:
    e = np.exp(z)
    return e / e.sum(axis=1, keepdims=True)


def _over(e: np.ndarray, axis: int | None) -> np.ndarray:
    return e / e.sum(axis=axis, keepdims=True)


_OUTPUT: list[tuple[str, Callable, str, str, str]] = [
    ("softmax_over_images", lambda z: softmax(z, 0),
     "A2 = np.exp(Z2) / np.exp(Z2).sum(axis=0)",
     "softmax runs over the images and not over the classes: the answer to one image depends on "
     "the others", "one number"),
    ("softmax_over_everything", lambda z: softmax(z, None), "A2 = np.exp(Z2) / np.exp(Z2).sum()",
     "softmax is divided by the sum over the whole batch: each image's answers sum to far less "
     "than 1", "stops"),
    ("softmax_without_exp", lambda z: _over(z, 1), "A2 = Z2 / Z2.sum(axis=1)",
     "the exponential is missing: answers may be negative", "own"),
    ("softmax_not_normalised", lambda z: np.exp(z), "A2 = np.exp(Z2)",
     "the division by the sum is missing: answers are no probabilities", "own"),
    ("softmax_normalised_by_largest", lambda z: np.exp(z - z.max(axis=1, keepdims=True)),
     "A2 = np.exp(Z2 - Z2.max(axis=1))",
     "the division by the sum is missing: the largest answer is always 1", "own"),
    ("softmax_missing", lambda z: z, "A2 = Z2", "there is no softmax at all", "own"),
    ("softmax_twice", lambda z: softmax(softmax(z)), "A2 = softmax(softmax(Z2))",
     "softmax is applied to what is softmaxed already: answers are nearly even", "own"),
    ("softmax_of_minus_z", lambda z: softmax(-z), "A2 = softmax(-Z2)",
     "the sums are negated before softmax", "own"),
    ("softmax_after_relu", lambda z: softmax(np.maximum(z, 0)), "A2 = softmax(relu(Z2))",
     "ReLU stands before softmax: all classes with negative sums get one answer", "own"),
    ("softmax_after_sigmoid", lambda z: softmax(sigmoid(z)), "A2 = softmax(sigmoid(Z2))",
     "sigmoid stands before softmax: answers are nearly even", "own"),
    ("softmax_after_tanh", lambda z: softmax(np.tanh(z)), "A2 = softmax(np.tanh(Z2))",
     "tanh stands before softmax: answers are nearly even", "own"),
    ("log_softmax_for_softmax", lambda z: z - z.max(axis=1, keepdims=True)
     - np.log(np.exp(z - z.max(axis=1, keepdims=True)).sum(axis=1, keepdims=True)),
     "A2 = np.log(softmax(Z2))", "these are logarithms of probabilities", "own"),
    ("softmax_base_two", lambda z: softmax(z * np.log(2)), "A2 = 2**Z2 / (2**Z2).sum(axis=1)",
     "the base is 2, and not e", "own"),
    ("softmax_base_ten", lambda z: softmax(z * np.log(10)), "A2 = 10**Z2 / (10**Z2).sum(axis=1)",
     "the base is 10, and not e", "own"),
    ("softmax_maximum_in_part", lambda z: np.exp(z - z.max(axis=1, keepdims=True))
     / np.exp(z).sum(axis=1, keepdims=True),
     "A2 = np.exp(Z2 - Z2.max(axis=1)) / np.exp(Z2).sum(axis=1)",
     "the maximum is taken away above and not below", "own"),
    ("softmax_whole_maximum_in_part", lambda z: np.exp(z - z.max())
     / np.exp(z).sum(axis=1, keepdims=True),
     "A2 = np.exp(Z2 - Z2.max()) / np.exp(Z2).sum(axis=1)",
     "the maximum is taken away above and not below", "own"),
    ("softmax_maximum_over_images", lambda z: _plain_exp(z - z.max(axis=0, keepdims=True)),
     "A2 = softmax(Z2 - Z2.max(axis=0))",
     "each class has its largest sum over the batch taken away: that changes the answers", "own"),
    ("softmax_hard", lambda z: (z == z.max(axis=1, keepdims=True)) * 1.0,
     "A2 = Z2 == Z2.max(axis=1)", "that is the decision, and not the probabilities", "own"),
    ("softmax_of_standardised", lambda z: softmax(
        (z - z.mean(axis=1, keepdims=True)) / z.std(axis=1, keepdims=True)),
     "A2 = softmax((Z2 - Z2.mean(axis=1)) / Z2.std(axis=1))",
     "the sums are standardised before softmax", "own"),
    ("softmax_by_first_image", lambda z: np.exp(z) / np.exp(z[0]).sum(),
     "A2 = np.exp(Z2) / np.exp(Z2[0]).sum()", "all images are divided by the first one's sum",
     "own"),
    ("relu_for_softmax", lambda z: np.maximum(z, 0), "A2 = relu(Z2)",
     "the output has ReLU in the place of softmax", "own"),
    ("tanh_for_softmax", np.tanh, "A2 = np.tanh(Z2)",
     "the output has tanh in the place of softmax", "thirds"),
]  # fmt: skip


def _overflowing(s: State, t: Terms) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        return _plain_exp(s["Z2"])


def _overflowing_single(s: State, t: Terms) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        return _plain_exp(s["Z2"].astype(np.float32)).astype(np.float64)


def _output() -> list[Mistake]:
    def of(make: Callable) -> Callable:
        return lambda s, t: make(s["Z2"])

    def given_softmax(t: Terms) -> bool:
        return t.output == "softmax"

    said = {"node": "A2", "when": given_softmax}
    overflow = {
        "name": "softmax_overflow", "line": "A2 = np.exp(Z2) / np.exp(Z2).sum(axis=1)",
        "what": "exp of large sums is infinite, and infinite over infinite is NaN: take the "
        "largest sum away first, which changes nothing else",
        "source": "one number", "bent": 500.0,  # some rows overflow and some do not
    }  # fmt: skip
    return [
        *(Mistake(name=n, make=of(m), line=li, what=w, source=src, **said)
          for n, m, li, w, src in _OUTPUT),
        Mistake(make=_overflowing, **said, **overflow),
        Mistake(make=_overflowing_single, **said, **overflow),
    ]  # fmt: skip


def _both_sides(a: np.ndarray, y: np.ndarray) -> Any:
    return -(y * np.log(a) + (1 - y) * np.log(1 - a)).sum(axis=1).mean()


_LOSS: list[tuple[str, Callable, str, str]] = [
    ("loss_summed", lambda a, y: -log_of_right(a, y).sum(), "loss = -np.sum(Y * np.log(A2))",
     "the loss is summed over the images, not averaged: it grows with the batch"),
    ("loss_over_classes_too", lambda a, y: -log_of_right(a, y).mean() / y.shape[1],
     "loss = -np.mean(Y * np.log(A2))",
     "np.mean divides by images and classes: the loss is that many times too small"),
    ("loss_log_ten", lambda a, y: -log_of_right(a, y).mean() / np.log(10),
     "loss = -np.sum(Y * np.log10(A2)) / N", "the logarithm is that of base 10"),
    ("loss_log_two", lambda a, y: -log_of_right(a, y).mean() / np.log(2),
     "loss = -np.sum(Y * np.log2(A2)) / N", "the logarithm is that of base 2"),
    ("loss_sign", lambda a, y: log_of_right(a, y).mean(), "loss = np.sum(Y * np.log(A2)) / N",
     "the minus is missing: the loss is negative, and falls as it gets worse"),
    ("loss_without_log", lambda a, y: -(a * y).sum(axis=1).mean(), "loss = -np.sum(Y * A2) / N",
     "the logarithm is missing"),
    ("loss_both_sides", _both_sides,
     "loss = -np.sum(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)) / N",
     "that is the loss of sigmoid outputs: the wrong classes count besides"),
    ("loss_both_sides_averaged", lambda a, y: _both_sides(a, y) / y.shape[1],
     "loss = -np.mean(Y * np.log(A2) + (1 - Y) * np.log(1 - A2))",
     "that is the loss of sigmoid outputs, averaged over classes"),
    ("loss_squared", lambda a, y: ((a - y) ** 2).sum(axis=1).mean(),
     "loss = np.sum((A2 - Y)**2) / N",
     "that is the squared error, the gradient is cross-entropy's"),
    ("loss_squared_averaged", lambda a, y: ((a - y) ** 2).mean(), "loss = np.mean((A2 - Y)**2)",
     "that is the squared error, the gradient is cross-entropy's"),
    ("loss_squared_halved", lambda a, y: ((a - y) ** 2).sum(axis=1).mean() / 2,
     "loss = np.sum((A2 - Y)**2) / (2 * N)",
     "that is the squared error, the gradient is cross-entropy's"),
    ("loss_of_all_classes", lambda a, y: -np.log(a).sum(axis=1).mean(),
     "loss = -np.sum(np.log(A2)) / N", "the labels are missing: all classes count"),
    ("loss_of_one_image", lambda a, y: -log_of_right(a, y)[0], "loss = -np.log(A2[0, labels[0]])",
     "it is the loss of the first image alone"),
    ("loss_of_the_last_image", lambda a, y: -log_of_right(a, y)[-1],
     "loss = -np.log(A2[-1, labels[-1]])", "it is the loss of the last image alone"),
    ("loss_halved", lambda a, y: -log_of_right(a, y).mean() / 2,
     "loss = -np.sum(Y * np.log(A2)) / (2 * N)", "the loss is divided by two"),
    ("loss_logarithm_of_mean", lambda a, y: -np.log((a * y).sum(axis=1).mean()),
     "loss = -np.log(np.mean(A2[np.arange(N), labels]))",
     "the mean is taken before the logarithm"),
    ("loss_other_way_round", lambda a, y: -(a * np.log(y + 1e-8)).sum(axis=1).mean(),
     "loss = -np.sum(A2 * np.log(Y + 1e-8)) / N", "answers and targets are exchanged"),
    ("loss_of_zero", lambda a, y: -(y * np.log(a)).sum(axis=1).mean(),
     "loss = -np.sum(Y * np.log(A2)) / N",
     "log(0) is -inf, and 0 * -inf is NaN: pick the right class first"),
]  # fmt: skip


_OF_ZERO: dict[str, Any] = {"bent": 2000.0, "right": "loss = -np.sum(np.log(A2[Y == 1])) / N"}


def _loss() -> list[Mistake]:
    def of(make: Callable) -> Callable:
        def loss(s: State, t: Terms) -> Any:
            with np.errstate(all="ignore"):
                return make(s["A2"], s["T"])

        return loss

    return [
        Mistake(name=n, node="loss", make=of(m), line=li, what=w,
                when=lambda t: t.loss == "cross_entropy",
                **(_OF_ZERO if n == "loss_of_zero" else {}))
        for n, m, li, w in _LOSS
    ]  # fmt: skip


def _second() -> list[Mistake]:
    def of(name: str, make: Callable, line: str, what: str) -> Mistake:
        return Mistake(name=name, node="Z2", make=make, line=line, what=what, kind=INPUT)

    return [
        of("z_for_a", lambda s, t: {"A1": s["Z1"]}, "Z2 = Z1 @ W2 + b2",
           "the second layer gets the sums, and not the answers of the first"),
        of("weights_transposed", lambda s, t: {"W2": s["W2"].T} if _square(s["W2"]) else {},
           "Z2 = A1 @ W2.T + b2", "the weights are transposed, which happens to fit"),
    ]  # fmt: skip


MISTAKES: list[Mistake] = [
    *_sums(1, "X"), *_hidden(), *_sums(2, "A1"), *_second(), *_output(), *_loss(),
]  # fmt: skip
