"""Rows; a hidden layer "kept in range"; pixels brought to 0..1 wherever they are met."""

import numpy as np

ANSWER = {
    "right": False,
    "first_wrong": "A1",
    "mistakes": [
        "The hidden activations of each image are divided by their length after the ReLU, which "
        "is no part of the network and which the way back knows nothing of.",
        "The gradient of W1 takes the pixels divided by 255 once more, so it is 255 times too "
        "small.",
    ],
}

PIXEL = 255.0


def norm_rows(m):
    return m / (np.linalg.norm(m, axis=1, keepdims=True) + 1e-8)


def softmax(z):
    z = z - np.max(z, axis=-1, keepdims=True)
    return np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)


def forward(x, p):
    z1 = x @ p["W1"].T + p["b1"].T
    a1 = norm_rows(np.maximum(0, z1))
    z2 = a1 @ p["W2"].T + p["b2"].T
    return z1, a1, z2, softmax(z2)


def backward(x, y, p, z1, a1, y_hat):
    d2 = (y_hat - y) / len(y)
    d1 = (d2 @ p["W2"]) * (z1 > 0)
    pixels = x / PIXEL
    return {
        "delta2": d2,
        "delta1": d1,
        "dW2": d2.T @ a1,
        "db2": d2.sum(0)[:, None],
        "dW1": d1.T @ pixels,
        "db1": d1.sum(0)[:, None],
    }


def run(probe):
    x = probe["X"].T
    y = np.eye(10)[probe["Y"]]
    z1, a1, z2, y_hat = forward(x, probe)
    loss = -(y * np.log(y_hat)).sum(1).mean()
    g = backward(x, y, probe, z1, a1, y_hat)
    new = {
        k + "_new": probe[k] - probe["learning_rate"] * g["d" + k] for k in ("W1", "b1", "W2", "b2")
    }
    return {"z1": z1, "a1": a1, "z2": z2, "y_hat": y_hat, "loss": loss, **g, **new}
