"""A class with a dict of parameters, rows, labels left as integers, "scores" for logits."""

import numpy as np

ANSWER = {"right": True}


class TwoLayerNet:
    def __init__(self, W1, b1, W2, b2):
        self.params = {"W1": W1, "b1": b1, "W2": W2, "b2": b2}

    def loss(self, X, y):
        p = self.params
        N = X.shape[0]
        pre = X.dot(p["W1"]) + p["b1"]
        hidden = np.maximum(0, pre)
        scores = hidden.dot(p["W2"]) + p["b2"]

        shifted = scores - scores.max(axis=1, keepdims=True)
        log_probs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        probs = np.exp(log_probs)
        loss = -log_probs[np.arange(N), y].mean()

        dscores = probs.copy()
        dscores[np.arange(N), y] -= 1
        dscores /= N
        grads = {}
        grads["W2"] = hidden.T.dot(dscores)
        grads["b2"] = dscores.sum(axis=0)
        dhidden = dscores.dot(p["W2"].T)
        dhidden[hidden <= 0] = 0
        grads["W1"] = X.T.dot(dhidden)
        grads["b1"] = dhidden.sum(axis=0)
        seen = {"hidden": hidden, "scores": scores, "probs": probs, "dscores": dscores}
        return loss, grads, seen

    def step(self, grads, learning_rate):
        for k in self.params:
            self.params[k] = self.params[k] - learning_rate * grads[k]


def run(probe):
    net = TwoLayerNet(
        probe["W1"].T, probe["b1"].ravel(), probe["W2"].T, probe["b2"].ravel()
    )  # fmt: skip
    loss, grads, seen = net.loss(probe["X"].T, probe["Y"])
    net.step(grads, probe["learning_rate"])
    out = dict(seen, loss=loss)
    for k in grads:
        out["grad_" + k] = grads[k]
        out["new_" + k] = net.params[k]
    return out
