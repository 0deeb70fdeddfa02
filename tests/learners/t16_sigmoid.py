"""A sigmoid in the hidden layer, whose derivative is taken of its output; rows, late division."""

import numpy as np

ANSWER = {"right": True, "hidden": "sigmoid"}


def nonlin(x, deriv=False):
    if deriv:
        return x * (1 - x)
    return 1 / (1 + np.exp(-x))


def softmax(x):
    return np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)


def run(probe):
    syn0 = probe["W1"].T
    syn1 = probe["W2"].T
    bias0 = probe["b1"].T
    bias1 = probe["b2"].T
    y = np.eye(10)[probe["Y"]]

    l0 = probe["X"].T
    l1 = nonlin(l0 @ syn0 + bias0)
    l2 = softmax(l1 @ syn1 + bias1)

    l2_delta = l2 - y
    l1_error = l2_delta @ syn1.T
    l1_delta = l1_error * nonlin(l1, deriv=True)

    m = len(y)
    step = probe["learning_rate"]
    syn1_grad = l1.T @ l2_delta / m
    syn0_grad = l0.T @ l1_delta / m
    return {
        "l1": l1,
        "l2": l2,
        "l2_delta": l2_delta,
        "l1_error": l1_error,
        "l1_delta": l1_delta,
        "syn1_grad": syn1_grad,
        "syn0_grad": syn0_grad,
        "syn0": syn0 - step * syn0_grad,
        "syn1": syn1 - step * syn1_grad,
        "bias0": bias0 - step * l1_delta.mean(axis=0),
        "bias1": bias1 - step * l2_delta.mean(axis=0),
    }
