"""Estimator: NetworkClassifier beside scikit-learn's MLPClassifier, fit for fit, on MNIST.

Same widths, batches, optimizer, rate and epochs, no penalty; each takes the images in the form it
is quickest at, bytes here and float32 in [0, 1] there. Fits alternate, and the figure is the ratio
of each pair, so that what else the machine does falls on both. On a machine that others use too,
OMP_NUM_THREADS=1 and the processor's time (cpu) tell more: BLAS's threads spin while they wait.

    python benchmarks/estimator.py --epochs 5 --seeds 3
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from typing import Any

import numpy as np

from nnengine import catalogue
from nnengine.estimator import NetworkClassifier


def classifiers(epochs: int, seed: int) -> tuple[Any, Any]:
    """Return (ours, theirs), which are to learn alike."""
    from sklearn.neural_network import MLPClassifier

    ours = NetworkClassifier(hidden=(128,), batch_size=128, epochs=epochs, random_state=seed)
    theirs = MLPClassifier(
        (128,), batch_size=128, max_iter=epochs, n_iter_no_change=epochs, alpha=0, random_state=seed
    )
    return ours, theirs


def timed(classifier: Any, X: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Return how many seconds a fit takes: of the clock, and of all processors together."""
    started, busy = time.perf_counter(), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs warns that it was told when to stop
        classifier.fit(X, y)
    return time.perf_counter() - started, time.process_time() - busy


def compared(epochs: int, seeds: int, name: str = "mnist") -> list[dict[str, float]]:
    """Return seconds, accuracies on the test set and their ratio, for each seed."""
    train, test = catalogue.load(name)
    bytes_, floats = (
        [data.images.reshape(len(data), -1) for data in (train, test)],
        [(data.images.reshape(len(data), -1) / np.float32(255)) for data in (train, test)],
    )
    timed(classifiers(1, 0)[0], bytes_[0][:1000], train.labels[:1000])  # kernels are compiled
    found = []
    for seed in range(seeds):
        ours, theirs = classifiers(epochs, seed)
        pair = timed(ours, bytes_[0], train.labels), timed(theirs, floats[0], train.labels)
        found.append({
            "ours_s": pair[0][0], "theirs_s": pair[1][0], "ratio": pair[1][0] / pair[0][0],
            "cpu_ratio": pair[1][1] / pair[0][1],
            "ours": ours.score(bytes_[1], test.labels),
            "theirs": theirs.score(floats[1], test.labels),
        })  # fmt: skip
    return found


def main() -> None:
    """Print a row a seed, and the median ratio; with --json one object."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows = compared(given.epochs, given.seeds)
    ratio = float(np.median([row["ratio"] for row in rows]))
    if given.json:
        print(json.dumps({"fits": rows, "median_ratio": ratio}))
        return
    print("seed   ours  MLPClassifier  ratio   cpu  accuracy of both on the test set")
    for seed, row in enumerate(rows):
        print(
            f"{seed:4}  {row['ours_s']:4.1f} s  {row['theirs_s']:10.1f} s  {row['ratio']:5.1f} "
            f"{row['cpu_ratio']:5.1f}  {row['ours']:.2%}  {row['theirs']:.2%}"
        )
    print(f"median ratio {ratio:.1f}")


if __name__ == "__main__":
    main()
