"""Why do my activations turn into ones and zeros? The derivative overwrites what it is given.

https://stackoverflow.com/questions/50121887/relu-derivative-with-numpy
"""

import numpy as np

ANSWER = {
    "right": False,
    "name": "derivative of ReLU computed in place, over the activations",
    "first_wrong": "A1",
    "mistakes": [
        "The derivative of ReLU is written into the array of the activations themselves, so what "
        "is kept of them, and the gradient of W2 made from it, is ones and zeros."
    ],
}


def activation(v):
    return np.maximum(v, 0)


def activation_prime(v):
    v[v > 0] = 1
    v[v <= 0] = 0
    return v


def run(probe):
    W1, b1, W2, b2 = (probe[k] for k in ("W1", "b1", "W2", "b2"))
    X, m = probe["X"], probe["X"].shape[1]
    Y = np.eye(10)[probe["Y"]].T

    Z1 = W1 @ X + b1
    A1 = activation(Z1)
    Z2 = W2 @ A1 + b2
    expZ = np.exp(Z2 - Z2.max(axis=0))
    A2 = expZ / expZ.sum(axis=0)

    dZ2 = A2 - Y
    dA1 = W2.T @ dZ2
    dZ1 = dA1 * activation_prime(A1)

    dW2 = dZ2 @ A1.T / m
    db2 = dZ2.mean(axis=1, keepdims=True)
    dW1 = dZ1 @ X.T / m
    db1 = dZ1.mean(axis=1, keepdims=True)
    return {
        "Z1": Z1, "A1": A1, "Z2": Z2, "A2": A2,
        "dZ2": dZ2, "dA1": dA1, "dZ1": dZ1,
        "dW2": dW2, "db2": db2, "dW1": dW1, "db1": db1,
    }  # fmt: skip
