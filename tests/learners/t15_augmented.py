"""Columns with a one put on top of each, so that a weight matrix holds its bias first."""

import numpy as np

ANSWER = {
    "right": False,
    "first_wrong": "dA1",
    "mistakes": [
        "On the way back the wrong column of the augmented W2 is dropped: its last instead of its "
        "first, so the bias stands for the first hidden unit and every other unit gets the "
        "weights of the one before it."
    ],
}


def with_one(a):
    return np.vstack((np.ones((1, a.shape[1])), a))


def softmax_cols(v):
    v = np.exp(v - v.max(axis=0, keepdims=True))
    return v / v.sum(axis=0, keepdims=True)


def run(probe):
    M1 = np.column_stack((probe["b1"], probe["W1"]))  # 10 x 785
    M2 = np.column_stack((probe["b2"], probe["W2"]))  # 10 x 11
    X = with_one(probe["X"])
    N = X.shape[1]
    T = np.zeros((10, N))
    T[probe["Y"], range(N)] = 1.0

    Z1 = M1 @ X
    A1 = np.maximum(Z1, 0.0)
    Z2 = M2 @ with_one(A1)
    P = softmax_cols(Z2)

    D2 = (P - T) / N
    G2 = D2 @ with_one(A1).T
    dA1 = M2[:, :-1].T @ D2
    D1 = dA1 * (Z1 > 0)
    G1 = D1 @ X.T

    M1 = M1 - probe["learning_rate"] * G1
    M2 = M2 - probe["learning_rate"] * G2
    return {
        "Z1": Z1,
        "A1": A1,
        "Z2": Z2,
        "P": P,
        "dZ2": D2,
        "dA1": dA1,
        "dZ1": D1,
        "dW2": G2[:, 1:],
        "db2": G2[:, 0],
        "dW1": G1[:, 1:],
        "db1": G1[:, 0],
        "W1": M1[:, 1:],
        "b1": M1[:, 0],
        "W2": M2[:, 1:],
        "b2": M2[:, 0],
    }
