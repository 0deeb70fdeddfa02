"""Why is everything NaN? Raw pixels make logits of hundreds, and exp() of these is infinite.

https://forums.fast.ai/t/cross-entropy-error-log-1-1-inf/1441 has the same cause, and there the
loss became infinite.
"""

import numpy as np

ANSWER = {
    "right": False,
    "name": "pixels not scaled to 0..1, and a softmax that overflows",
    "first_wrong": "Z1",
    "mistakes": [
        "The pixels go in as 0 to 255 and not as 0 to 1, so all sums are 255 times too large.",
        "The softmax takes exp() of the logits without subtracting their largest first, so that "
        "large ones overflow and give NaN.",
    ],
}


def softmax(z):
    return np.exp(z) / np.sum(np.exp(z), axis=0)


def run(probe):
    # as read from the file, in single precision
    images = np.rint(probe["X"] * 255).astype(np.uint8).astype(np.float32)
    W1, b1, W2, b2 = (probe[k].astype(np.float32) for k in ("W1", "b1", "W2", "b2"))
    labels = np.zeros((10, images.shape[1]), dtype=np.float32)
    labels[probe["Y"], np.arange(images.shape[1])] = 1
    n = images.shape[1]

    with np.errstate(all="ignore"):
        z1 = W1 @ images + b1
        a1 = np.maximum(z1, 0)
        z2 = W2 @ a1 + b2
        probs = softmax(z2)
        loss = -np.sum(labels * np.log(probs)) / n
        dz2 = probs - labels
        dW2 = dz2 @ a1.T / n
        dz1 = (W2.T @ dz2) * (z1 > 0)
        dW1 = dz1 @ images.T / n
    return {
        "z1": z1,
        "a1": a1,
        "z2": z2,
        "probs": probs,
        "loss": loss,
        "dW2": dW2,
        "dW1": dW1,
        "W1": W1 - np.float32(probe["learning_rate"]) * dW1,
        "W2": W2 - np.float32(probe["learning_rate"]) * dW2,
    }
