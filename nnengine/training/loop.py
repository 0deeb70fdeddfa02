"""The loop: shuffle, forward, loss, backward, step; and a run made of such steps, told as facts.

It knows no pause, stop, screen or thread, and not how steps are taken quickly: it is handed an
executor, of which `learn` is the reference. Pause: do not ask for the next event. Stop: close the
generator. The network keeps what it has learnt so far.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Generator, Iterable
from typing import TYPE_CHECKING, NamedTuple

from ..core.arithmetic import aligned_zeros
from ..core.losses import softmax_cross_entropy
from ..core.network import Network
from ..core.optimizers import Stepper
from .batches import Part, Split
from .config import TrainingConfig
from .events import Evaluated, Event, Progressed, StepFinished, TrainingDiverged, TrainingFinished
from .record import MEASURING
from .state import GoodWeights, Task

if TYPE_CHECKING:
    from ..fast import Executor

SAMPLE = 10_000  # images at most on which a curve's point is measured
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
    network: Network, optimizer: Stepper, parts: Iterable[Part]
) -> Generator[Taken | None, None, None]:
    """Train `network` on batches that come shuffled, in parts; yield after each part.

    What is yielded is None until a batch is complete and its step taken.
    """
    gradient = aligned_zeros(network.theta.shape, network.dtype)
    loss, correct = 0.0, 0
    for part in parts:  # shuffled anew every epoch; mostly a part is a whole batch
        images, labels = part.images, part.labels
        outputs = network.forward(images)
        summed, right, blame = softmax_cross_entropy(outputs[-1], labels, count=part.of)
        network.backward(images, outputs, blame, gradient)
        loss, correct = loss + summed, correct + right
        if not part.last:
            yield None
            continue
        if math.isfinite(loss):
            optimizer.step(gradient)
        yield Taken(loss, correct, part.of)
        gradient[:], loss, correct = 0, 0.0, 0


def run(
    task: Task, executor: Executor, splits: list[Split], measured: Collection[int] = ()
) -> Generator[Event, None, None]:
    """Take every step that is left; yield what happens.

    splits: the training data, and the validation data if any, as the executor reads them.
    measured: steps whose point of the curves is known already.
    """
    config, state, count = task.config, task.state, len(splits[0])
    total, seen = config.total_steps(count), config.images_after(state.step, count)
    good, samples = GoodWeights(task.network.theta), samples_of(executor, splits, config)
    due = config.point_after(state.step, count)
    if due and state.step < total and state.step not in measured:
        yield (yield from measure(task, executor, samples, due, seen / count))
    while state.step < total:
        begun, most = state.step, _until_next(state.step, total, count, config)
        if begun % KEEP_EVERY == 0:
            good.look()
        steps = yield from executor.take(min(most, state.steps_per_call or most))
        if begun % KEEP_EVERY == 0 and math.isfinite(steps[0].loss):
            good.keep()
        state.step += sum(math.isfinite(step.loss) for step in steps)
        for number, step in enumerate(steps, begun + 1):
            if not math.isfinite(step.loss):
                good.restore()
                yield _diverged(number, seen / count, step.loss, config)
                return
            seen += step.images
            yield task.heartbeat.give(step.told(number, seen / count))
        if state.step < total and (due := config.point_after(state.step, count)):
            yield (yield from measure(task, executor, samples, due, seen / count))
    final = [*samples[:1], *splits[1:]] if config.train_sample else splits
    del samples  # before the whole is measured
    end = yield from measure(task, executor, final, TrainingFinished, seen / count)
    if not math.isfinite(end.train_loss):
        good.restore()
        end = _diverged(total, seen / count, end.train_loss, config)
    yield end


def _until_next(step: int, total: int, count: int, config: TrainingConfig) -> int:
    """Return how many steps may be taken at once: to the next point, and good weights, at most."""
    most = min(total - step, KEEP_EVERY - step % KEEP_EVERY)
    epoch = config.steps_per_epoch(count) if config.batch_size else total
    return min(most, *(n - step % n for n in (epoch, config.steps_between_points(count))))


def samples_of(executor: Executor, splits: list[Split], config: TrainingConfig) -> list[Split]:
    """Return what the curves of a run are measured on until its end."""
    most = [config.train_sample or SAMPLE, SAMPLE]
    return [executor.sample(split, n, config.seed) for split, n in zip(splits, most, strict=False)]


def measure(
    task: Task, executor: Executor, splits: list[Split], kind: type[Evaluated], epoch: float
) -> Generator[Event, None, Evaluated]:
    """Return a `kind` of Evaluated for the weights as they are now."""
    numbers: list[float] = []
    step, total, done = task.state.step, sum(map(len, splits)), 0
    for split in splits:
        loss, correct = 0.0, 0
        for start in range(0, len(split), executor.measured_at_once):
            part = split.take(slice(start, start + executor.measured_at_once))
            started = time.perf_counter()
            summed, right = executor.loss(part)
            task.timings.add(MEASURING, started)
            loss, correct, done = loss + summed, correct + right, done + len(part)
            if task.heartbeat.due():
                yield task.heartbeat.give(Progressed(step=step, done=done, total=total))
        numbers += [loss / len(split), correct / len(split)]
    names = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
    return kind(step=step, epoch=epoch, **dict(zip(names, numbers, strict=False)))


def _diverged(step: int, epoch: float, loss: float, config: TrainingConfig) -> TrainingDiverged:
    """Return the event that ends a run whose loss is no longer finite."""
    advice = (
        f"the loss became {loss} at step {step:,}: the steps are too long; "
        f"try a learning rate of {config.learning_rate / 10:g} instead of "
        f"{config.learning_rate:g}"
    )
    if config.optimizer == "momentum":
        advice += ", or less momentum"
    return TrainingDiverged(step=step, epoch=epoch, loss=loss, advice=advice)
