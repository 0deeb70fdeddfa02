"""Cells of a notebook pasted one after another; rows; divides where the gradients are made."""

import numpy as np

ANSWER = {
    "right": False,
    "first_wrong": "db2",
    "mistakes": [
        "The gradients of both biases are sums over the batch while those of the weights are "
        "means, so the biases take a step that is as many times too large as there are images."
    ],
}


def ReLU(x):
    return (np.abs(x) + x) / 2


def dReLU(x):
    return 1.0 * (x > 0)


def Softmax(x):
    e = np.exp(x - x.max(axis=1).reshape(-1, 1))
    return e / e.sum(axis=1).reshape(-1, 1)


def run(probe):
    X_batch = probe["X"].T
    y_batch = np.zeros((X_batch.shape[0], 10))
    for row, digit in enumerate(probe["Y"]):
        y_batch[row, digit] = 1
    W_1 = probe["W1"].T
    b_1 = probe["b1"].reshape(1, 10)
    W_2 = probe["W2"].T
    b_2 = probe["b2"].reshape(1, 10)
    batch_size = X_batch.shape[0]

    # In [5]
    Z_1 = X_batch.dot(W_1) + b_1
    A_1 = ReLU(Z_1)
    Z_2 = A_1.dot(W_2) + b_2
    A_2 = Softmax(Z_2)

    # In [6]
    delta_2 = A_2 - y_batch
    delta_1 = delta_2.dot(W_2.T) * dReLU(Z_1)

    # In [7]
    dW_2 = A_1.T.dot(delta_2) / batch_size
    db_2 = np.sum(delta_2, axis=0)
    dW_1 = X_batch.T.dot(delta_1) / batch_size
    db_1 = np.sum(delta_1, axis=0)

    # In [8]
    alpha = probe["learning_rate"]
    W_2 = W_2 - alpha * dW_2
    b_2 = b_2 - alpha * db_2
    W_1 = W_1 - alpha * dW_1
    b_1 = b_1 - alpha * db_1

    return {
        "Z_1": Z_1, "A_1": A_1, "Z_2": Z_2, "A_2": A_2,
        "delta_2": delta_2, "delta_1": delta_1,
        "dW_2": dW_2, "db_2": db_2, "dW_1": dW_1, "db_1": db_1,
        "W_1": W_1, "b_1": b_1, "W_2": W_2, "b_2": b_2,
    }  # fmt: skip
