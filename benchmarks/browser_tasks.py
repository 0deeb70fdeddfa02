"""What is timed in a browser and beside it: the same lines on a server and in Pyodide."""

from __future__ import annotations

import statistics
import time

from nnengine import (
    Dataset,
    EpochFinished,
    Evaluated,
    Network,
    StepFinished,
    TrainingConfig,
    kernels,
    training,
)

MINI = {"sizes": [784, 128, 10], "epochs": 1, "batch_size": 128, "optimizer": "adam",
        "learning_rate": 0.001}  # fmt: skip
FULL = {"sizes": [784, 10, 10], "batch_size": None, "optimizer": "sgd", "learning_rate": 0.1}


def steps(data: Dataset, sizes: list[int], **settings) -> tuple[float, int, float]:
    """Return the seconds that all steps of a run took, their number, and the last loss.

    What comes before the first step and after the last, lists of pixels and measurements, is left
    out: it is done once a run.
    """
    network, started, ended, count, loss = Network.build(sizes, rng=7), 0.0, 0.0, 0, 0.0
    for event in training(network, data, TrainingConfig(**settings)):
        if type(event) in (Evaluated, EpochFinished) and not count:
            started = time.perf_counter()
        if isinstance(event, StepFinished):
            ended, count, loss = time.perf_counter(), event.step, event.loss
    return ended - started, count, loss


def measure(images, labels, back_end: str, task: str, rounds: int, iterations: int = 0) -> dict:
    """Return seconds an epoch (task "mini") or an iteration ("full"), median and all; and the loss.

    iterations: of a full-batch run; of mini-batches every run takes a whole epoch.
    """
    kernels.use(back_end)
    kernels.warm_up()
    data, settings = Dataset(images, labels), dict(MINI if task == "mini" else FULL)
    if task == "full":
        settings |= {"iterations": iterations, "evaluate_every": iterations}
    found = [steps(data, **settings) for _ in range(rounds)]
    seconds = [took / (count if task == "full" else 1) for took, count, _ in found]
    return {"seconds": statistics.median(seconds), "all": seconds, "loss": found[-1][2]}
