"""Why does it always answer with the same digit? Wrong answers it is sure of hardly move it.

A network that settled on always picking one digit was asked about in
https://stackoverflow.com/questions/75378819/issues-with-calculating-new-weights-in-a-neural-network
"""

import numpy as np

ANSWER = {
    "right": False,
    "name": "derivative of the output counted twice",
    "first_wrong": "dZ2",
    "mistakes": [
        "The output's error is multiplied by p (1 - p), although output minus target is already "
        "the derivative of cross-entropy through softmax."
    ],
}


class Net:
    def __init__(self, w1, b1, w2, b2):
        self.w1, self.b1, self.w2, self.b2 = w1, b1, w2, b2

    def feedforward(self, x):
        self.x = x
        self.z1 = self.w1 @ x + self.b1
        self.a1 = np.maximum(self.z1, 0)
        self.z2 = self.w2 @ self.a1 + self.b2
        e = np.exp(self.z2 - self.z2.max(axis=0))
        self.output = e / e.sum(axis=0)
        return self.output

    def backprop(self, expected):
        m = expected.shape[1]
        delta2 = (self.output - expected) * self.output * (1 - self.output)
        delta1 = (self.w2.T @ delta2) * (self.z1 > 0)
        return {
            "delta2": delta2,
            "delta1": delta1,
            "grad_w2": delta2 @ self.a1.T / m,
            "grad_b2": delta2.sum(axis=1, keepdims=True) / m,
            "grad_w1": delta1 @ self.x.T / m,
            "grad_b1": delta1.sum(axis=1, keepdims=True) / m,
        }


def run(probe):
    net = Net(probe["W1"], probe["b1"], probe["W2"], probe["b2"])
    out = net.feedforward(probe["X"])
    expected = np.eye(10)[:, probe["Y"]]
    return {"a1": net.a1, "z2": net.z2, "output": out, **net.backprop(expected)}
