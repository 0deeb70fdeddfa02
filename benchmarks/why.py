"""How exactly a margin's parts add up, and how an answer is turned, on MNIST's test images.

    python benchmarks/why.py [--images 1000] [--turned 100]

Parts: |engine's margin - sum of parts| by the largest part, the worst of all images, for five
networks on each back end. Turned: how many answers, how many of these need every changed pixel,
pixels, and the processor's time for 784-400-128-10 trained for one epoch. NNENGINE_DATA: the folder
of mnist/.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from nnengine import Network, TrainingConfig, catalogue, kernels, shipped, training
from nnengine.analysis import why
from nnengine.analysis.counterfactual import least_change

LAYERS = (
    "dense 400, dense 128",
    "dense 10",
    "conv 4 5x5, norm, pool 2, dense 32",
    "dense 64, norm",
)


def made(layers: str, train) -> Network:
    """Return a network that has learnt something: one epoch of 5,000 images."""
    network = Network.build(layers, rng=1, image_shape=(28, 28), classes=10)
    config = TrainingConfig(epochs=1, optimizer="adam", learning_rate=0.003)
    for _ in training(network, train.take(slice(0, 5_000)), config):
        pass
    return network.snapshot()


def worst(network: Network, images: np.ndarray) -> dict[str, float]:
    """Return by back end how far parts are from the margin at most, by the largest part."""
    found = [why.shares(network, image) for image in images]
    result = {}
    for name in (n for n, missing in kernels.available().items() if not missing):
        kernels.use(name)
        logits = np.concatenate(
            [network.logits(images[i : i + 50]) for i in range(0, len(images), 50)]
        )
        result[name] = max(map(_off, found, logits))
    return result


def _off(one: why.Shares, logits: np.ndarray) -> float:
    parts = np.array([*one.pixels.ravel(), *one.biases.values()])
    margin = float(logits[one.first]) - float(logits[one.second])
    return abs(margin - parts.sum()) / np.abs(parts).max()


def turning(network: Network, images: np.ndarray) -> None:
    """Say how answers were turned."""
    right = needed = 0
    counts, spent = [], []
    for image in images:
        start = time.process_time()
        found = least_change(network, image)
        spent.append(time.process_time() - start)
        if found is None or network.predict(found.image)[0] == found.before:
            continue
        right += 1
        counts.append(len(found.places))
        without = np.repeat(found.image.reshape(1, -1), counts[-1], axis=0)
        without[np.arange(counts[-1]), found.places] = image.ravel()[found.places]
        needed += all(network.predict(one)[0] == found.before for one in without)
    print(
        f"turned {right} of {len(images)}, all pixels needed in {needed}; pixels: mean "
        f"{np.mean(counts):.1f}, most {max(counts)}; CPU: mean {1e3 * np.mean(spent):.0f} ms, "
        f"most {1e3 * max(spent):.0f} ms"
    )


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--turned", type=int, default=100)
    asked = parser.parse_args()
    train, test = catalogue.load("mnist")
    networks = {layers: made(layers, train) for layers in LAYERS} | {"shipped": shipped("drawing")}
    for layers, network in networks.items():
        off = worst(network, test.images[: asked.images])
        print(layers, {name: f"{value:.1e}" for name, value in off.items()}, flush=True)
    turning(networks[LAYERS[0]], test.images[: asked.turned])


if __name__ == "__main__":
    main()
