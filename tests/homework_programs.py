"""Programs as learners write them, each with its own mistake: what they ask about in public.

Remade here in few lines, each from the probe's arrays alone; every function returns what its
program would save. Where the question stands says `mistake.SOURCES`, or nowhere: it is asked often.
"""

from __future__ import annotations

import numpy as np

from nnengine.homework.probe import probe

ROWS, COLUMNS = probe().arrays(columns=False), probe().arrays(columns=True)


def begin(columns):
    arrays = COLUMNS if columns else ROWS
    return [arrays[name].copy() for name in ("X", "Y", "W1", "b1", "W2", "b2")]


def accuracy_near_ten_percent_with_softmax_over_the_batch():
    """Rows are images, and Python's sum() goes down the rows."""
    a0, y, w1, b1, w2, b2 = begin(columns=False)
    z1 = a0.dot(w1) + b1
    a1 = np.maximum(z1, 0)
    z2 = a1.dot(w2) + b2
    a2 = np.exp(z2) / sum(np.exp(z2))
    d = a2 - np.eye(10)[y]
    hidden = w2.dot(d.T).T * (z1 > 0)
    return {
        "z1": z1,
        "a1": a1,
        "z2": z2,
        "a2": a2,
        "dw2": a1.T.dot(d) / 20,
        "db2": d.sum(axis=0) / 20,
        "dw1": a0.T.dot(hidden) / 20,
        "db1": hidden.sum(axis=0) / 20,
    }


def always_one_class_with_biases_moved_alike():
    """np.sum without an axis."""
    x, y, w1, b1, w2, b2 = begin(columns=True)
    z1 = w1 @ x + b1
    a1 = np.maximum(z1, 0)
    z2 = w2 @ a1 + b2
    e = np.exp(z2 - z2.max(axis=0))
    a2 = e / e.sum(axis=0)
    dz2 = a2 - np.eye(10)[y].T
    dz1 = w2.T @ dz2 * (z1 > 0)
    return {
        "Z1": z1,
        "A1": a1,
        "Z2": z2,
        "A2": a2,
        "dZ2": dz2,
        "dW2": dz2 @ a1.T / 20,
        "db2": np.sum(dz2) / 20,
        "dZ1": dz1,
        "dW1": dz1 @ x.T / 20,
        "db1": np.sum(dz1) / 20,
    }


def nan_after_some_steps_with_pixels_up_to_255():
    x, y, w1, b1, w2, b2 = begin(columns=True)
    x = x * 255
    z1 = w1 @ x + b1
    a1 = np.maximum(z1, 0)
    z2 = w2 @ a1 + b2
    e = np.exp(z2 - z2.max(axis=0))
    return {"X": x, "Z1": z1, "A1": a1, "Z2": z2, "A2": e / e.sum(axis=0)}


def nan_at_once_with_exp_of_large_sums():
    x, y, w1, b1, w2, b2 = begin(columns=True)
    w2 = w2 * 1000
    a1 = np.maximum(w1 @ x + b1, 0)
    z2 = w2 @ a1 + b2
    with np.errstate(all="ignore"):
        a2 = np.exp(z2) / np.sum(np.exp(z2), axis=0)
    return {"W2": w2, "A1": a1, "Z2": z2, "A2": a2}


def cost_stops_falling_without_the_hidden_slope():
    """Sigmoid, and the first step back has no derivative; gradients are sums."""
    x, y, w1, b1, w2, b2 = begin(columns=True)
    a1 = 1 / (1 + np.exp(-(w1 @ x + b1)))
    e = np.exp(w2 @ a1 + b2)
    a2 = e / e.sum(axis=0)
    d2 = a2 - np.eye(10)[y].T
    d1 = w2.T @ d2
    return {
        "A1": a1,
        "A2": a2,
        "delta2": d2,
        "delta1": d1,
        "dW2": d2 @ a1.T,
        "db2": d2.sum(axis=1, keepdims=True),
        "dW1": d1 @ x.T,
    }


def always_zero_with_the_delta_times_the_output():
    x, y, w1, b1, w2, b2 = begin(columns=False)
    h = np.maximum(x @ w1 + b1, 0)
    e = np.exp(h @ w2 + b2)
    out = e / e.sum(axis=1, keepdims=True)
    delta2 = (out - np.eye(10)[y]) * out
    return {"hidden": h, "output": out, "delta2": delta2, "grad_W2": h.T @ delta2 / 20}


def the_contrary_is_learnt_with_the_step_uphill():
    x, y, w1, b1, w2, b2 = begin(columns=False)
    h = np.maximum(x @ w1 + b1, 0)
    e = np.exp(h @ w2 + b2)
    out = e / e.sum(axis=1, keepdims=True)
    d2 = (out - np.eye(10)[y]) / 20
    dw2 = h.T @ d2
    return {"H": h, "probs": out, "d2": d2, "dW2": dw2, "W2_new": w2 + 0.1 * dw2}


def sigmoid_prime_of_what_was_through_sigmoid():
    x, y, w1, b1, w2, b2 = begin(columns=False)

    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    def prime(z):
        return sigmoid(z) * (1 - sigmoid(z))

    a1 = sigmoid(x @ w1 + b1)
    e = np.exp(a1 @ w2 + b2)
    a2 = e / e.sum(axis=1, keepdims=True)
    dz2 = (a2 - np.eye(10)[y]) / 20
    da1 = dz2 @ w2.T
    return {"Z1": x @ w1 + b1, "A1": a1, "A2": a2, "dZ2": dz2, "dA1": da1, "dZ1": da1 * prime(a1)}


def slow_with_the_deltas_divided_and_the_gradients_again():
    x, y, w1, b1, w2, b2 = begin(columns=False)
    h = np.maximum(x @ w1 + b1, 0)
    e = np.exp(h @ w2 + b2)
    out = e / e.sum(axis=1, keepdims=True)
    d2 = (out - np.eye(10)[y]) / 20
    d1 = d2 @ w2.T * (h > 0)
    return {
        "A1": h,
        "A2": out,
        "dZ2": d2,
        "dW2": h.T @ d2 / 20,
        "db2": d2.sum(axis=0) / 20,
        "dZ1": d1,
        "dW1": x.T @ d1 / 20,
        "db1": d1.sum(axis=0) / 20,
    }


def biases_become_matrices_with_deltas_never_summed():
    x, y, w1, b1, w2, b2 = begin(columns=True)
    a1 = np.maximum(w1 @ x + b1, 0)
    e = np.exp(w2 @ a1 + b2)
    a2 = e / e.sum(axis=0)
    dz2 = a2 - np.eye(10)[y].T
    db2 = dz2 / 20
    return {
        "A1": a1,
        "A2": a2,
        "dZ2": dz2,
        "dW2": dz2 @ a1.T / 20,
        "db2": db2,
        "b2_new": b2 - 0.1 * db2,
    }


# Each with what it has to be called; what else is in brackets gives the same numbers.
QUESTIONS = {
    accuracy_near_ten_percent_with_softmax_over_the_batch: {"softmax_over_images"},
    always_one_class_with_biases_moved_alike: {"bias_gradient_one_number"},
    nan_after_some_steps_with_pixels_up_to_255: {"pixels_not_scaled"},
    nan_at_once_with_exp_of_large_sums: {"softmax_overflow"},
    cost_stops_falling_without_the_hidden_slope: {"slope_missing"},
    always_zero_with_the_delta_times_the_output: {"delta_times_answers"},
    the_contrary_is_learnt_with_the_step_uphill: {"step_uphill"},
    sigmoid_prime_of_what_was_through_sigmoid: {"slope_applied_twice"},
    slow_with_the_deltas_divided_and_the_gradients_again: {"divided_twice"},
    biases_become_matrices_with_deltas_never_summed: {"bias_gradient_not_summed"},
}  # fmt: skip
