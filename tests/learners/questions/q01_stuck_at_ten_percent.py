"""Why does my accuracy stay at 10 %? The shapes fit by chance, as both layers have ten units.

Asked, among others, as told in
https://pytroubles.com/en/posts/id1785-fixing-numpy-mnist-training-correct-gradient-axes-bias-reductions-and-stable-softmax
"""

import numpy as np

ANSWER = {
    "right": False,
    "name": "gradient of W2 transposed",
    "first_wrong": "dW2",
    "mistakes": [
        "The gradient of W2 is the transpose of what it should be, which nothing complains of as "
        "the matrix is square."
    ],
}


def softmax(y):
    ex = np.exp(y - y.max(axis=1, keepdims=True))
    return ex / ex.sum(axis=1, keepdims=True)


def run(probe):
    x = probe["X"].T
    w1, w2 = probe["W1"].T, probe["W2"].T
    b1, b2 = probe["b1"].ravel(), probe["b2"].ravel()
    t = np.eye(10)[probe["Y"]]
    m = x.shape[0]

    z1 = x.dot(w1) + b1
    a1 = np.maximum(z1, 0)
    z2 = a1.dot(w2) + b2
    a2 = softmax(z2)

    dz2 = (a2 - t) / m
    dw2 = dz2.T.dot(a1)
    db2 = dz2.sum(axis=0)
    dz1 = dz2.dot(w2.T) * (z1 > 0)
    dw1 = x.T.dot(dz1)
    db1 = dz1.sum(axis=0)

    lr = probe["learning_rate"]
    return {
        "z1": z1, "a1": a1, "z2": z2, "a2": a2,
        "dz2": dz2, "dw2": dw2, "db2": db2, "dz1": dz1, "dw1": dw1, "db1": db1,
        "w1_new": w1 - lr * dw1, "b1_new": b1 - lr * db1,
        "w2_new": w2 - lr * dw2, "b2_new": b2 - lr * db2,
    }  # fmt: skip
