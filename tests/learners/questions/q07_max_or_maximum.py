"""np.max or np.maximum? The second argument of np.max is an axis, and not a zero to compare with.

How to write ReLU in NumPy is asked in
https://stackoverflow.com/questions/32109319/how-to-implement-the-relu-function-in-numpy
"""

import numpy as np

ANSWER = {
    "right": False,
    "name": "np.max in place of np.maximum",
    "first_wrong": "A1",
    "mistakes": [
        "ReLU is written with np.max, which takes the zero for an axis and gives the largest sum "
        "of an image, so that all hidden units of that image hold this one number."
    ],
}


def relu(v):
    return np.max(v, 0)


def run(probe):
    data = probe["X"].T
    w_h, b_h = probe["W1"].T, probe["b1"].ravel()
    w_o, b_o = probe["W2"].T, probe["b2"].ravel()
    n = data.shape[0]

    net = data.dot(w_h) + b_h
    hidden = np.zeros((n, 10))
    for i in range(n):
        hidden[i] = relu(net[i])
    scores = hidden.dot(w_o) + b_o
    probs = np.exp(scores - scores.max(axis=1, keepdims=True))
    probs /= probs.sum(axis=1, keepdims=True)

    d_scores = probs.copy()
    for i in range(n):
        d_scores[i, probe["Y"][i]] -= 1
    d_scores /= n
    d_net = d_scores.dot(w_o.T) * (net > 0)
    return {
        "z1": net,
        "hidden": hidden,
        "scores": scores,
        "probs": probs,
        "dscores": d_scores,
        "dW2": hidden.T.dot(d_scores),
        "db2": d_scores.sum(axis=0),
        "dz1": d_net,
        "dW1": data.T.dot(d_net),
        "db1": d_net.sum(axis=0),
    }
