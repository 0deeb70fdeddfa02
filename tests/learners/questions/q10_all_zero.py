"""Why does nothing change at all? Weights that are all zero send nothing forward or back.

https://community.deeplearning.ai/t/week-1-programming-assignment-initialization-exercise-1-initialize-parameters-zeros/121049
"""

import numpy as np

ANSWER = {
    "right": False,
    "name": "all weights start at zero",
    "first_wrong": "Z1",
    "mistakes": [
        "Weights and biases start at zero and not at the values given, so every hidden sum is "
        "zero and no gradient reaches any weight."
    ],
}


def initialize(n_in, n_hidden, n_out):
    return (
        np.zeros((n_in, n_hidden)),
        np.zeros(n_hidden),
        np.zeros((n_hidden, n_out)),
        np.zeros(n_out),
    )


def run(probe):
    batch_x = probe["X"].T
    batch_y = np.eye(10)[probe["Y"]]
    size = len(batch_x)
    w1, b1, w2, b2 = initialize(784, 10, 10)

    z1 = batch_x @ w1 + b1
    a1 = np.maximum(z1, 0)
    z2 = a1 @ w2 + b2
    y_pred = np.exp(z2) / np.exp(z2).sum(axis=1, keepdims=True)
    loss = -(batch_y * np.log(y_pred)).sum() / size

    grad_z2 = (y_pred - batch_y) / size
    grad_w2 = a1.T @ grad_z2
    grad_z1 = grad_z2 @ w2.T * (z1 > 0)
    grad_w1 = batch_x.T @ grad_z1
    eta = probe["learning_rate"]
    return {
        "z1": z1,
        "a1": a1,
        "z2": z2,
        "y_pred": y_pred,
        "loss": loss,
        "grad_w2": grad_w2,
        "grad_w1": grad_w1,
        "w1_new": w1 - eta * grad_w1,
        "b1_new": b1 - eta * grad_z1.sum(axis=0),
        "w2_new": w2 - eta * grad_w2,
        "b2_new": b2 - eta * grad_z2.sum(axis=0),
    }
