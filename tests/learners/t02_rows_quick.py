"""A script of one evening: rows, short names, everything in one function."""

import numpy as np

ANSWER = {
    "right": False,
    "first_wrong": "dZ1",
    "mistakes": [
        "The error goes back through the hidden layer without being multiplied by the "
        "derivative of its ReLU."
    ],
}


def softmax(s):
    e = np.exp(s - np.max(s, axis=1, keepdims=True))
    return e / np.sum(e, axis=1, keepdims=True)


def run(probe):
    x = probe["X"].T
    y = np.eye(10)[probe["Y"]]
    w1, b1 = probe["W1"].T, probe["b1"].T
    w2, b2 = probe["W2"].T, probe["b2"].T
    lr = probe["learning_rate"]
    n = len(x)

    # forward
    z1 = x @ w1 + b1
    a1 = np.maximum(z1, 0)
    z2 = a1 @ w2 + b2
    y_hat = softmax(z2)
    loss = -np.mean(np.sum(y * np.log(y_hat + 1e-12), axis=1))

    # backward
    dz2 = (y_hat - y) / n
    dw2 = a1.T @ dz2
    db2 = dz2.sum(axis=0, keepdims=True)
    dz1 = dz2 @ w2.T
    dw1 = x.T @ dz1
    db1 = dz1.sum(axis=0, keepdims=True)

    return {
        "z1": z1,
        "a1": a1,
        "z2": z2,
        "y_hat": y_hat,
        "loss": loss,
        "dz2": dz2,
        "dw2": dw2,
        "db2": db2,
        "dz1": dz1,
        "dw1": dw1,
        "db1": db1,
        "w1_new": w1 - lr * dw1,
        "b1_new": b1 - lr * db1,
        "w2_new": w2 - lr * dw2,
        "b2_new": b2 - lr * db2,
    }
