"""Unit by unit, each with its own weights and its own delta over the whole batch; tanh."""

import numpy as np

ANSWER = {"right": True, "hidden": "tanh"}


class Unit:
    def __init__(self, w, b):
        self.w = np.array(w)
        self.b = float(b)

    def fire(self, inputs):
        self.inputs = inputs
        self.net = self.b + inputs @ self.w
        return self.net

    def learn(self, delta, lr):
        n = len(delta)
        self.grad_w = sum(d * row for d, row in zip(delta, self.inputs, strict=True)) / n
        self.grad_b = sum(delta) / n
        self.w = self.w - lr * self.grad_w
        self.b = self.b - lr * self.grad_b


def gather(units, what):
    return np.array([getattr(u, what) for u in units])


def run(probe):
    x = probe["X"].T
    hidden = [Unit(probe["W1"][j], probe["b1"][j, 0]) for j in range(10)]
    output = [Unit(probe["W2"][k], probe["b2"][k, 0]) for k in range(10)]

    H = np.array([np.tanh(u.fire(x)) for u in hidden]).T
    scores = np.array([u.fire(H) for u in output])
    e = np.exp(scores - scores.max())
    probs = e / e.sum(axis=0)

    delta_out = [probs[k] - (probe["Y"] == k) for k in range(10)]
    delta_hidden = []
    for j in range(10):
        back = sum(output[k].w[j] * delta_out[k] for k in range(10))
        delta_hidden.append(back * (1 - H[:, j] ** 2))
    for units, deltas in ((output, delta_out), (hidden, delta_hidden)):
        for u, d in zip(units, deltas, strict=True):
            u.learn(d, probe["learning_rate"])

    return {
        "z1": gather(hidden, "net"),
        "h": H,
        "z2": gather(output, "net"),
        "probs": probs,
        "delta_out": np.array(delta_out),
        "delta_hidden": np.array(delta_hidden),
        "dW1": gather(hidden, "grad_w"),
        "db1": gather(hidden, "grad_b"),
        "dW2": gather(output, "grad_w"),
        "db2": gather(output, "grad_b"),
        "W1_new": gather(hidden, "w"),
        "b1_new": gather(hidden, "b"),
        "W2_new": gather(output, "w"),
        "b2_new": gather(output, "b"),
    }
