"""Lists and math only, "to really understand it"; NumPy at the door and nowhere else."""

import math

import numpy as np

ANSWER = {"right": True}


def layer(inputs, weights, biases):
    out = []
    for unit in range(len(weights)):
        s = biases[unit]
        for w, i in zip(weights[unit], inputs, strict=True):
            s += w * i
        out.append(s)
    return out


def softmax(values):
    top = max(values)
    exps = [math.exp(v - top) for v in values]
    total = sum(exps)
    return [e / total for e in exps]


def run(probe):
    images = probe["X"].T.tolist()
    labels = probe["Y"].tolist()
    w1, w2 = probe["W1"].tolist(), probe["W2"].tolist()
    b1, b2 = probe["b1"].ravel().tolist(), probe["b2"].ravel().tolist()
    n = len(images)
    dw1 = [[0.0] * 784 for _ in range(10)]
    dw2 = [[0.0] * 10 for _ in range(10)]
    db1, db2 = [0.0] * 10, [0.0] * 10
    all_h, all_p, loss = [], [], 0.0

    for image, label in zip(images, labels, strict=True):
        h = [max(0.0, s) for s in layer(image, w1, b1)]
        p = softmax(layer(h, w2, b2))
        all_h.append(h)
        all_p.append(p)
        loss -= math.log(p[label]) / n
        delta2 = [(p[k] - (1.0 if k == label else 0.0)) / n for k in range(10)]
        for j in range(10):
            back = 0.0
            for k in range(10):
                back += w2[k][j] * delta2[k]
                dw2[k][j] += delta2[k] * h[j]
            if h[j] > 0:
                db1[j] += back
                row = dw1[j]
                for i, pixel in enumerate(image):
                    row[i] += back * pixel
        for k in range(10):
            db2[k] += delta2[k]

    return {
        "h": np.array(all_h),
        "probs": np.array(all_p),
        "loss": loss,
        "dw1": np.array(dw1),
        "db1": np.array(db1),
        "dw2": np.array(dw2),
        "db2": np.array(db2),
    }
