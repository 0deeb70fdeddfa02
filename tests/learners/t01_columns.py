"""Plain functions and a cache, a column for each image, as one course teaches it."""

import numpy as np

ANSWER = {"right": True}


def relu(Z):
    return np.maximum(0, Z)


def softmax(Z):
    E = np.exp(Z - Z.max(axis=0, keepdims=True))
    return E / E.sum(axis=0, keepdims=True)


def one_hot(Y):
    out = np.zeros((10, Y.size))
    out[Y, np.arange(Y.size)] = 1
    return out


def forward_propagation(X, W1, b1, W2, b2):
    Z1 = np.dot(W1, X) + b1
    A1 = relu(Z1)
    Z2 = np.dot(W2, A1) + b2
    A2 = softmax(Z2)
    return {"Z1": Z1, "A1": A1, "Z2": Z2, "A2": A2}


def compute_cost(A2, T):
    m = T.shape[1]
    return -np.sum(T * np.log(A2)) / m


def backward_propagation(cache, X, T, W2):
    m = X.shape[1]
    dZ2 = cache["A2"] - T
    dW2 = 1 / m * np.dot(dZ2, cache["A1"].T)
    db2 = 1 / m * np.sum(dZ2, axis=1, keepdims=True)
    dA1 = np.dot(W2.T, dZ2)
    dZ1 = dA1 * (cache["Z1"] > 0)
    dW1 = 1 / m * np.dot(dZ1, X.T)
    db1 = 1 / m * np.sum(dZ1, axis=1, keepdims=True)
    return {
        "dZ2": dZ2, "dW2": dW2, "db2": db2,
        "dA1": dA1, "dZ1": dZ1, "dW1": dW1, "db1": db1,
    }  # fmt: skip


def run(probe):
    X, W2 = probe["X"], probe["W2"]
    T = one_hot(probe["Y"])
    cache = forward_propagation(X, probe["W1"], probe["b1"], W2, probe["b2"])
    cost = compute_cost(cache["A2"], T)
    grads = backward_propagation(cache, X, T, W2)
    new = {}
    for name in ("W1", "b1", "W2", "b2"):
        new[name + "_new"] = probe[name] - probe["learning_rate"] * grads["d" + name]
    return {**cache, "cost": cost, **grads, **new}
