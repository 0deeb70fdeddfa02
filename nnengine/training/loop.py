"""The loop: shuffle, forward, loss, backward, step; and a run made of such steps, told as facts.

It knows no pause, stop, screen or thread, and not how steps are taken quickly: it is handed an
executor, of which `learn` is the reference. Pause: do not ask for the next event. Stop: close the
generator. The network keeps what it has learnt so far.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Generator, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.arithmetic import aligned_zeros
from ..core.losses import Loss, softmax_cross_entropy
from ..core.network import Network
from .batches import Part, Split
from .config import TrainingConfig
from .events import Event, StepFinished, TrainingFinished
from .measuring import diverged, measure, samples_of
from .state import GoodWeights, Task

if TYPE_CHECKING:
    from ..fast import Executor

KEEP_EVERY = 32  # steps between two copies of weights known to be good


class Taken(NamedTuple):
    """A step that was taken, and what its batch was like before it."""

    loss: float  # summed over the images
    correct: int
    images: int

    def told(self, step: int, epoch: float) -> StepFinished:
        """Return it as a fact."""
        n = self.images
        loss, accuracy = self.loss / n, self.correct / n
        return StepFinished(step=step, epoch=epoch, loss=loss, accuracy=accuracy, images=n)


def learn(
    network: Network,
    optimizer: Any,
    parts: Iterable[Part],
    descended: Loss = softmax_cross_entropy,
    seed: int = 0,
    step: int = 0,
) -> Generator[Taken | None, None, None]:
    """Train `network` on batches that come shuffled, in parts; yield after each part.

    What is yielded is None until a batch is complete and its step taken. seed, step: of what layers
    draw in training, and how many steps were taken before.
    """
    gradient = aligned_zeros(network.theta.shape, network.dtype)
    loss, correct, seen = 0.0, 0, 0
    for part in parts:  # shuffled anew every epoch; mostly a part is a whole batch
        images, labels = part.images, part.labels
        way = network.practice(seed, step, part.of)(seen, part.count)
        outputs = network.forward(images, way)
        summed, right, blame = descended(outputs[-1], labels, count=part.of)
        network.backward(images, outputs, blame, gradient, way)
        loss, correct, seen = loss + summed, correct + right, seen + part.count
        if not part.last:
            yield None
            continue
        if math.isfinite(loss):
            network.settle(gradient)
            optimizer.step(gradient)
        yield Taken(loss, correct, part.of)
        gradient[:], loss, correct, seen, step = 0, 0.0, 0, 0, step + 1


def run(
    task: Task, executor: Executor, splits: list[Split], measured: Collection[int] = ()
) -> Generator[Event, None, None]:
    """Take every step that is left; yield what happens.

    splits: the training data, and the validation data if any, as the executor reads them.
    measured: steps whose point of the curves is known already.
    """
    config, state, watch, count = task.config, task.state, task.watch, len(splits[0])
    total, seen = config.total_steps(count), config.images_after(state.step, count)
    good, samples = GoodWeights(task.network.theta), samples_of(executor, splits, config)
    due = config.point_after(state.step, count)
    if due and state.step < total and state.step not in measured:
        yield (yield from measure(task, executor, samples, due, seen / count))
    while state.step < total and not (watch and watch.over):
        begun, most = state.step, _until_next(state.step, total, count, config)
        if begun % KEEP_EVERY == 0:
            good.look()
        steps = yield from executor.take(min(most, state.steps_per_call or most))
        if begun % KEEP_EVERY == 0 and math.isfinite(steps[0].loss):
            good.keep()
        state.step += len(steps) - (not math.isfinite(steps[-1].loss))  # the last one, if any
        for number, step in enumerate(steps, begun + 1):
            if not math.isfinite(step.loss):
                good.restore()
                yield diverged(number, seen / count, step.loss, config)
                return
            seen += step.images
            yield task.heartbeat.give(step.told(number, seen / count))
        if state.step < total and (due := config.point_after(state.step, count)):
            yield (yield from measure(task, executor, samples, due, seen / count))
    if watch:
        watch.restore()
    final = [*samples[:1], *splits[1:]] if config.train_sample else splits
    del samples  # before the whole is measured
    end = yield from measure(task, executor, final, TrainingFinished, seen / count)
    if not math.isfinite(end.train_loss):
        good.restore()
        end = diverged(total, seen / count, end.train_loss, config)
    yield end


def _until_next(step: int, total: int, count: int, config: TrainingConfig) -> int:
    """Return how many steps may be taken at once: to the next point, and good weights, at most."""
    most = min(total - step, KEEP_EVERY - step % KEEP_EVERY)
    epoch = config.steps_per_epoch(count) if config.batch_size else total
    return min(most, *(n - step % n for n in (epoch, config.steps_between_points(count))))
