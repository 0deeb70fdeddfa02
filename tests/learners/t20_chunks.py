"""A batch in two chunks, "for memory"; saves the gradients and the weights after the step."""

import numpy as np

ANSWER = {
    "right": False,
    "first_wrong": "dW2",
    "mistakes": [
        "The accumulators are set to zero inside the loop over chunks, so only the second half of "
        "the batch is in the gradients, while the division is by all images.",
        "The hidden layer's error is masked by where the output's logits are positive, which has "
        "the same shape, and not by where its own sums are.",
    ],
}

CHUNK = 10


def fwd(xb, W1, b1, W2, b2):
    z1 = W1 @ xb + b1
    a1 = np.maximum(z1, 0)
    z2 = W2 @ a1 + b2
    e = np.exp(z2 - z2.max(0))
    return z1, a1, z2, e / e.sum(0)


def run(probe):
    X, Y = probe["X"], probe["Y"]
    W1, b1, W2, b2 = (probe[k] for k in ("W1", "b1", "W2", "b2"))
    total = X.shape[1]
    loss = 0.0
    for start in range(0, total, CHUNK):
        acc = {"W1": 0.0, "b1": 0.0, "W2": 0.0, "b2": 0.0}
        xb = X[:, start : start + CHUNK]
        yb = Y[start : start + CHUNK]
        z1, a1, z2, p = fwd(xb, W1, b1, W2, b2)
        loss += -np.log(p[yb, np.arange(len(yb))]).sum() / total

        dz = p - (np.arange(10).reshape(10, 1) == yb)
        acc["W2"] += dz @ a1.T
        acc["b2"] += dz.sum(axis=1, keepdims=True)
        dz = (W2.T @ dz) * (z2 > 0)
        acc["W1"] += dz @ xb.T
        acc["b1"] += dz.sum(axis=1, keepdims=True)

    grads = {k: v / total for k, v in acc.items()}
    out = {"loss": loss}
    for k, g in grads.items():
        out["grad_" + k] = g
        out["new_" + k] = probe[k] - probe["learning_rate"] * g
    return out
