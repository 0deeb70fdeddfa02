"""Why does it go for one number, with rows? sum() of a matrix adds the rows, which are images.

https://stackoverflow.com/questions/76450489/mnist-nn-from-scratch-output-converge-on-one-number
"""

import numpy as np

ANSWER = {
    "right": False,
    "name": "softmax over the images in place of the classes",
    "first_wrong": "A2",
    "mistakes": [
        "The softmax divides by a sum over the images of the batch for each class, in place of a "
        "sum over the classes for each image."
    ],
}


def softmax(z):
    return np.exp(z) / sum(np.exp(z))


def forward(a0, w1, b1, w2, b2):
    z1 = a0.dot(w1) + b1
    a1 = np.maximum(z1, 0)
    z2 = a1.dot(w2) + b2
    return z1, a1, z2, softmax(z2)


def run(probe):
    a0 = probe["X"].T
    w1, b1, w2, b2 = (probe[k].T for k in ("W1", "b1", "W2", "b2"))
    m = a0.shape[0]
    one_hot = np.zeros((m, 10))
    one_hot[np.arange(m), probe["Y"]] = 1

    z1, a1, z2, a2 = forward(a0, w1, b1, w2, b2)
    delta = a2 - one_hot
    dw2 = 1 / m * a1.T.dot(delta)
    db2 = 1 / m * np.sum(delta, axis=0)
    hidden_delta = delta.dot(w2.T) * (z1 > 0)
    dw1 = 1 / m * a0.T.dot(hidden_delta)
    db1 = 1 / m * np.sum(hidden_delta, axis=0)

    alpha = probe["learning_rate"]
    return {
        "z1": z1, "a1": a1, "z2": z2, "a2": a2,
        "dw2": dw2, "db2": db2, "dw1": dw1, "db1": db1,
        "w1": w1 - alpha * dw1, "b1": b1 - alpha * db1,
        "w2": w2 - alpha * dw2, "b2": b2 - alpha * db2,
    }  # fmt: skip
