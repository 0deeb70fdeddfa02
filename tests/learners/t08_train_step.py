"""Columns; keeps only what the training step changes, and the loss that was printed."""

import numpy as np

ANSWER = {
    "right": False,
    "first_wrong": "W1_new",
    "mistakes": [
        "The gradients are added to the weights and biases, so the step climbs the loss instead "
        "of descending it."
    ],
}


def predict(params, x):
    w1, b1, w2, b2 = params
    z1 = w1.dot(x) + b1
    h = np.where(z1 > 0, z1, 0)
    z2 = w2.dot(h) + b2
    ez = np.exp(z2 - z2.max(axis=0))
    return z1, h, ez / ez.sum(axis=0)


def gradients(params, x, labels):
    n = labels.shape[0]
    z1, h, p = predict(params, x)
    loss = -np.log(p[labels, np.arange(n)]).mean()
    d2 = p.copy()
    d2[labels, np.arange(n)] -= 1
    d1 = params[2].T.dot(d2)
    d1[z1 <= 0] = 0
    grads = [
        d1.dot(x.T) / n,
        d1.mean(axis=1, keepdims=True),
        d2.dot(h.T) / n,
        d2.mean(axis=1, keepdims=True),
    ]
    return loss, grads


def train_step(params, grads, lr):
    updated = []
    for p, g in zip(params, grads, strict=True):
        updated.append(p + lr * g)
    return updated


def run(probe):
    params = [probe[name].copy() for name in ("W1", "b1", "W2", "b2")]
    loss, grads = gradients(params, probe["X"], probe["Y"])
    w1, b1, w2, b2 = train_step(params, grads, probe["learning_rate"])
    return {
        "loss": loss,
        "dW1": grads[0],
        "db1": grads[1],
        "dW2": grads[2],
        "db2": grads[3],
        "W1_updated": w1,
        "b1_updated": b1,
        "W2_updated": w2,
        "b2_updated": b2,
    }
