"""One image at a time; the sums of gradients (nabla) are divided only when the step is made."""

import numpy as np

ANSWER = {"right": True}


def vectorized_result(j):
    e = np.zeros((10, 1))
    e[j] = 1.0
    return e


class Network:
    def __init__(self, weights, biases):
        self.weights = weights
        self.biases = biases

    def backprop(self, x, y):
        w1, w2 = self.weights
        b1, b2 = self.biases
        z = w1 @ x + b1
        h = z * (z > 0)
        o = w2 @ h + b2
        p = np.exp(o) / np.exp(o).sum()
        delta = p - y
        nabla_b2 = delta
        nabla_w2 = delta @ h.T
        delta = (w2.T @ delta) * (z > 0)
        return (delta @ x.T, nabla_w2), (delta, nabla_b2)

    def update_mini_batch(self, mini_batch, eta):
        nabla_w = [np.zeros(w.shape) for w in self.weights]
        nabla_b = [np.zeros(b.shape) for b in self.biases]
        for x, y in mini_batch:
            dw, db = self.backprop(x, y)
            nabla_w = [a + b for a, b in zip(nabla_w, dw, strict=True)]
            nabla_b = [a + b for a, b in zip(nabla_b, db, strict=True)]
        k = eta / len(mini_batch)
        self.weights = [w - k * nw for w, nw in zip(self.weights, nabla_w, strict=True)]
        self.biases = [b - k * nb for b, nb in zip(self.biases, nabla_b, strict=True)]
        return nabla_w, nabla_b


def run(probe):
    net = Network([probe["W1"], probe["W2"]], [probe["b1"], probe["b2"]])
    batch = [
        (probe["X"][:, i].reshape(784, 1), vectorized_result(probe["Y"][i]))
        for i in range(probe["X"].shape[1])
    ]
    nabla_w, nabla_b = net.update_mini_batch(batch, probe["learning_rate"])
    return {
        "nabla_w1": nabla_w[0],
        "nabla_w2": nabla_w[1],
        "nabla_b1": nabla_b[0],
        "nabla_b2": nabla_b[1],
        "weights1": net.weights[0],
        "weights2": net.weights[1],
        "biases1": net.biases[0],
        "biases2": net.biases[1],
    }
