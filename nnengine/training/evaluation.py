"""Watch: measures the sides of a run."""

from __future__ import annotations

import time
from collections.abc import Generator

from ..core.network import Network
from .events import Evaluated, Event, Progressed
from .heartbeat import Signs
from .splits import SAMPLE, Side
from .timings import MEASURING, Cost

_AT_ONCE = 2  # pieces measured together, 6,552 images by a small network


class Watch:
    """Measures the sides of a run, whatever weights the network has by then."""

    def __init__(self, network: Network, sides: list[Side], cost: Cost, signs: Signs) -> None:
        self.network = network
        self.sides = sides
        self.cost = cost
        self.signs = signs

    def measure(self, kind: type, step: int, epoch: float) -> Generator[Event, None, Evaluated]:
        """Return a `kind` of Evaluated for the weights as they are now."""
        numbers: list[float] = []
        total, done = sum(map(len, self.sides)), 0
        block = min(self.network.block_images, _AT_ONCE * self.network.piece_images)
        for side in self.sides:
            loss, correct = 0.0, 0
            for start in range(0, len(side), block):
                started = time.perf_counter()
                # Whole data sets that are measured but once need not stand in memory as lists.
                part = side.take(slice(start, start + block))
                part = part if len(side) <= SAMPLE else part.packed(self.network)
                summed, right = self.network.loss(part.images, part.labels)
                self.cost.add(MEASURING, started)
                loss, correct, done = loss + summed, correct + right, done + len(part)
                if self.signs.due():
                    yield self.signs.give(Progressed(step=step, done=done, total=total))
            numbers += [loss / len(side), correct / len(side)]
        names = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
        return kind(step=step, epoch=epoch, **dict(zip(names, numbers, strict=False)))
