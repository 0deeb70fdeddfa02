"""Why did my bias become a matrix? Its gradient keeps a column for each image, and broadcasts.

https://datascience.stackexchange.com/questions/20139/gradients-for-bias-terms-in-backpropagation
asks why one sums there at all.
"""

import numpy as np

ANSWER = {
    "right": False,
    "name": "gradient of the bias not summed over the batch",
    "first_wrong": "db2",
    "mistakes": [
        "The gradients of the biases are not summed over the images: they have a column for each, "
        "and the biases get these columns as well."
    ],
}


def sm(z):
    e = np.exp(z - np.max(z, axis=0))
    return e / np.sum(e, axis=0)


def run(probe):
    x, w1, b1, w2, b2 = (probe[k] for k in ("X", "W1", "b1", "W2", "b2"))
    alpha = probe["learning_rate"]
    y = np.zeros((10, 20))
    for i in range(20):
        y[probe["Y"][i], i] = 1

    z1 = w1 @ x + b1
    h1 = np.maximum(z1, 0)
    z2 = w2 @ h1 + b2
    h2 = sm(z2)

    dz2 = (h2 - y) / 20
    dw2 = dz2 @ h1.T
    db2 = dz2
    dz1 = w2.T @ dz2 * (z1 > 0)
    dw1 = dz1 @ x.T
    db1 = dz1

    w2 = w2 - alpha * dw2
    b2 = b2 - alpha * db2
    w1 = w1 - alpha * dw1
    b1 = b1 - alpha * db1
    return {
        "z1": z1, "h1": h1, "z2": z2, "h2": h2,
        "dz2": dz2, "dw2": dw2, "db2": db2, "dz1": dz1, "dw1": dw1, "db1": db1,
        "w1_new": w1, "b1_new": b1, "w2_new": w2, "b2_new": b2,
    }  # fmt: skip
