"""Layer objects with forward and backward; each layer updates itself on the way back."""

import numpy as np

ANSWER = {
    "right": False,
    "first_wrong": "dZ1",
    "mistakes": [
        "The second layer updates its weights before it sends the error back, so the hidden "
        "layer's error goes through the new W2 and not through the one of the forward pass."
    ],
}


class Dense:
    def __init__(self, weights, bias):
        self.weights = weights.copy()
        self.bias = bias.copy()

    def forward(self, inputs):
        self.inputs = inputs
        return inputs @ self.weights + self.bias

    def backward(self, grad, lr):
        self.grad_weights = self.inputs.T @ grad
        self.grad_bias = grad.sum(axis=0)
        self.weights -= lr * self.grad_weights
        self.bias -= lr * self.grad_bias
        return grad @ self.weights.T


class ReLU:
    def forward(self, inputs):
        self.mask = inputs > 0
        return np.where(self.mask, inputs, 0.0)

    def backward(self, grad):
        return np.where(self.mask, grad, 0.0)


def run(probe):
    lr = probe["learning_rate"]
    images, labels = probe["X"].T, probe["Y"]
    first = Dense(probe["W1"].T, probe["b1"][:, 0])
    act = ReLU()
    second = Dense(probe["W2"].T, probe["b2"][:, 0])

    hidden = act.forward(first.forward(images))
    logits = second.forward(hidden)
    e = np.exp(logits - logits.max(1)[:, None])
    probs = e / e.sum(1)[:, None]

    grad_logits = probs.copy()
    grad_logits[range(len(labels)), labels] -= 1.0
    grad_logits /= len(labels)
    grad_z1 = act.backward(second.backward(grad_logits, lr))
    first.backward(grad_z1, lr)
    return {
        "hidden": hidden,
        "logits": logits,
        "probs": probs,
        "grad_logits": grad_logits,
        "grad_W2": second.grad_weights,
        "grad_b2": second.grad_bias,
        "grad_z1": grad_z1,
        "grad_W1": first.grad_weights,
        "grad_b1": first.grad_bias,
        "W1_after": first.weights,
        "b1_after": first.bias,
        "W2_after": second.weights,
        "b2_after": second.bias,
    }
