"""Why must I take so small a learning rate? The step goes along the sum over the batch.

https://stats.stackexchange.com/questions/183840/sum-or-average-of-gradients-in-mini-batch-gradient-decent
asks which of the two it should be; the loss here is the mean.
"""

import numpy as np

ANSWER = {
    "right": False,
    "name": "gradients summed over the batch and never divided",
    "first_wrong": "W1_new",
    "mistakes": [
        "The step goes along the gradients' sum over the batch while the loss is a mean, so it is "
        "as many times too large as there are images."
    ],
}


def forward(x, p):
    z = x @ p["W1"].T + p["b1"].T
    h = np.maximum(z, 0)
    s = h @ p["W2"].T + p["b2"].T
    q = np.exp(s - s.max(axis=1, keepdims=True))
    return z, h, s, q / q.sum(axis=1, keepdims=True)


def run(probe):
    p = {k: probe[k].copy() for k in ("W1", "b1", "W2", "b2")}
    x, y = probe["X"].T, probe["Y"]
    z, h, s, q = forward(x, p)
    loss = np.mean([-np.log(row[digit]) for row, digit in zip(q, y, strict=True)])

    err = q.copy()
    err[np.arange(y.size), y] -= 1
    back = (err @ p["W2"]) * (z > 0)
    p["W2"] -= probe["learning_rate"] * (err.T @ h)
    p["b2"] -= probe["learning_rate"] * err.sum(axis=0)[:, None]
    p["W1"] -= probe["learning_rate"] * (back.T @ x)
    p["b1"] -= probe["learning_rate"] * back.sum(axis=0)[:, None]
    return {
        "z1": z,
        "h": h,
        "logits": s,
        "probs": q,
        "loss": loss,
        "W1_new": p["W1"],
        "b1_new": p["b1"],
        "W2_new": p["W2"],
        "b2_new": p["b2"],
    }
