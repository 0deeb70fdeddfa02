"""Is reshape not the same as a transpose? The shape is, and the labels are another's.

https://community.deeplearning.ai/t/flattening-images-in-the-logistic-regression-assignment-in-course-1-week-2/149
explains it for images.
"""

import numpy as np

ANSWER = {
    "right": False,
    "name": "one-hot labels reshaped in place of transposed",
    "first_wrong": "loss",
    "mistakes": [
        "The one-hot labels, a row for each image, are brought to columns by reshape and not by a "
        "transpose, so they no longer belong to their images."
    ],
}


def to_one_hot(labels, classes=10):
    rows = np.zeros((labels.size, classes))
    rows[np.arange(labels.size), labels] = 1
    return rows.reshape(classes, labels.size)


def softmax(t):
    t = np.exp(t - t.max(axis=0, keepdims=True))
    return t / t.sum(axis=0, keepdims=True)


def run(probe):
    X, target = probe["X"], to_one_hot(probe["Y"])
    m = X.shape[1]

    Z1 = probe["W1"] @ X + probe["b1"]
    A1 = np.clip(Z1, 0, None)
    Z2 = probe["W2"] @ A1 + probe["b2"]
    AL = softmax(Z2)
    cost = np.squeeze(-np.sum(target * np.log(AL)) / m)

    dZ2 = AL - target
    dZ1 = np.multiply(probe["W2"].T @ dZ2, Z1 > 0)
    return {
        "Z1": Z1,
        "A1": A1,
        "Z2": Z2,
        "AL": AL,
        "cost": cost,
        "dZ2": dZ2,
        "dZ1": dZ1,
        "dW2": dZ2 @ A1.T / m,
        "db2": np.sum(dZ2, axis=1, keepdims=True) / m,
        "dW1": dZ1 @ X.T / m,
        "db1": np.sum(dZ1, axis=1, keepdims=True) / m,
    }
