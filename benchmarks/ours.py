"""This engine as a learner among its peers, through its public API alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from peers import Learner, Problem, Weights

from nnengine import Dataset, Evaluated, Network, StepFinished, TrainingConfig, training

NEVER = 10**9
ASIDE = 1_000  # training images measured with the test images, which alone decide


class Engine(Learner):
    """`nnengine.training` on bytes as they came from the file."""

    name = "nnengine"
    note = "nnengine.training on uint8 images, one event a step"

    def __init__(self, problem: Problem, *, epochs: int | None = None) -> None:
        """Be ready to train; `epochs`: how long a run with a falling rate is, None: for ever."""
        super().__init__(problem)
        self.network = network_of(problem)
        self.config = config_of(problem, epochs)
        self._events = training(self.network, Dataset(problem.images, problem.labels), self.config)

    def epochs(self, count: int) -> None:
        self.timed(count)

    def timed(self, count: int) -> float:
        """Do `epochs`; return the mean seconds of one.

        The engine's curves are measured outside the clock: peers draw none.
        """
        seconds = 0.0
        for _ in range(count):
            if self.taken == 0 or self.problem.batch_size is not None:
                self._see_curves()
            began = time.perf_counter()
            for _ in range(self.problem.steps_per_epoch):
                self._take_step()
            seconds += time.perf_counter() - began
        return seconds / count

    def _take_step(self) -> None:
        while not isinstance(next(self._events), StepFinished):
            pass
        self.taken += 1

    def _see_curves(self) -> None:
        """Have the measurement made that stands before the next step."""
        while not isinstance(next(self._events), Evaluated):
            pass

    def weights(self) -> Weights:
        return [(layer.weights.copy(), layer.biases.copy()) for layer in self.network.layers]

    def asker(self, images: np.ndarray) -> Callable[[], np.ndarray]:
        """Return what predicts; images: uint8, as everybody has them who uses the engine."""
        return lambda: self.network.predict_proba(images)


def network_of(problem: Problem) -> Network:
    """Return the untrained network that everybody starts from."""
    if layers := getattr(problem, "layers", None):
        shape, classes = problem.images.shape[1:], problem.sizes[-1]
        return Network.build(layers, image_shape=shape, classes=classes, rng=problem.seed)
    network = Network.build(problem.sizes, rng=problem.seed)
    for layer, (w, b) in zip(network.layers, problem.start, strict=True):
        layer.weights[:], layer.biases[:] = w, b
    return network


def config_of(problem: Problem, epochs: int | None = None) -> TrainingConfig:
    """Return the settings that mean the same to the engine as the problem does to its peers."""
    return TrainingConfig(
        epochs=epochs,
        iterations=None if epochs else NEVER,
        batch_size=problem.batch_size,
        optimizer=problem.optimizer,
        learning_rate=problem.rate,
        seed=problem.seed,
        schedule="cosine" if problem.schedule else "constant",
        evaluate_every=None if epochs else NEVER,
    )


def until(
    problem: Problem, test: Dataset, target: float, epochs: int
) -> Iterator[tuple[int, float]]:
    """Train from the start; yield (epoch, accuracy on the test images) until the target."""
    events = training(
        network_of(problem),
        Dataset(problem.images, problem.labels),
        replace(config_of(problem, epochs), train_sample=ASIDE),
        test,
    )
    for event in events:
        if isinstance(event, Evaluated) and event.step:
            yield round(event.epoch), event.val_accuracy
            if event.val_accuracy >= target:
                return
