"""Signals: what a doctor wants to know of a run, recorded cheaply wherever its curves have a point.

`recorded` stands between a run and whoever asks for its events: it passes all of them on, and at
each measurement puts a few images through the network. The run itself is the same to the bit. What
it finds joins the run's record, `network.training[-1]["signals"]`, and travels with the network.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from typing import Any

import numpy as np

from ..core.arithmetic import calmly
from ..core.layers import Pass
from ..core.losses import softmax_cross_entropy
from ..core.network import Network
from ..data.dataset import Dataset
from .datafacts import facts, short

LOOKED_AT = 256  # images of a side that are put through the network at a point
SPARSER = 5  # a point is looked at once the run is a fifth longer: dense at first, never many
MOST_POINTS = 32  # that are kept: beyond, those go that stand closest
NEAR_BOUND = 0.05  # of the largest slope: an answer whose slope is less is saturated


def probe(network: Network, images: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Return what a network makes of a few images, as lists of numbers, one a layer.

    dead: by layer with an activation, the share of its units, or maps, that answer zero to all the
    images (ReLU; of others None). saturated: the share of answers at the flat ends (sigmoid, tanh).
    weights: root mean square by layer with weights; spread: their standard deviation; gradient:
    length of the loss's gradient over that of the weights. predicted: the share of the class that
    is answered most often; named: how many classes are answered at all; right: share.
    """
    way = Pass(network.input_scale)
    outputs = network.forward(images, way)
    found = _answers(network, outputs)
    logits = outputs[-1]
    answers = np.bincount(logits.argmax(axis=1), minlength=network.classes)
    _, right, blame = softmax_cross_entropy(logits, labels, count=len(labels))
    gradient = np.zeros_like(network.theta)
    network.backward(images, outputs, blame, gradient, way)
    places = network.weight_places
    weights = [network.theta[place] for place in places]
    return found | {
        "predicted": short(answers.max() / len(labels)),
        "named": int((answers > 0).sum()),
        "right": short(right / len(labels)),
        "weights": [short(np.linalg.norm(w) / np.sqrt(w.size)) for w in weights],
        "spread": [short(np.std(w)) for w in weights],
        "gradient": [
            _over(gradient[place], w) for place, w in zip(places, weights, strict=True)
        ],
    }  # fmt: skip


def _answers(network: Network, outputs: list[np.ndarray]) -> dict[str, list]:
    """Return the shares of dead units and of saturated answers, by layer with an activation."""
    dead, saturated = [], []
    for layer, a in zip(network.layers, outputs, strict=True):
        if layer.activation == "identity":
            continue
        units = a.reshape(-1, layer.spec.after(layer.shape)[2])
        flat = {"tanh": lambda a: 1 - a * a, "sigmoid": lambda a: 4 * a * (1 - a)}
        silent = short((~units.any(axis=0)).mean()) if layer.activation == "relu" else None
        slope = flat.get(layer.activation)
        dead.append(silent)
        saturated.append(short((slope(units) < NEAR_BOUND).mean()) if slope else None)
    return {"dead": dead, "saturated": saturated}


def _over(change: np.ndarray, weights: np.ndarray) -> float | None:
    """Return the length of a change over that of the weights; None where they are all zero."""
    length = float(np.linalg.norm(weights))
    return short(np.linalg.norm(change) / length) if length else None


def shifted(answers: np.ndarray, labels: np.ndarray, classes: int) -> dict[str, Any]:
    """Return by how many classes answers are most often beside the labels, and how often.

    by: 0 where they are right most often; 1: labels one below the answers. share: in [0, 1].
    """
    beside = (answers.astype(int) - labels.astype(int)) % classes
    counts = np.bincount(beside, minlength=classes)
    return {"by": int(counts.argmax()), "share": short(counts.max() / len(labels))}


class Recorder:
    """Signals of one run, as they come: `data`, `network`, and `points`, one a measurement."""

    def __init__(self, network: Network, dataset: Dataset, validation: Dataset | None, state: Any):
        self.network, self.state = network, state
        self.sides = [_few(data, network.classes) for data in (dataset, validation) if data]
        self.found: dict[str, Any] = {
            "data": facts(dataset, validation, network.input_scale),
            "network": described(network),
            "points": [],
        }
        earlier = network.training[-1] if state.step and network.training else {}
        known = earlier.get("signals")
        if isinstance(known, dict) and isinstance(known.get("points"), list):
            self.found["points"] = list(known["points"])  # of the same run before it rested
        self._worst: float | None = None  # loss of a batch since the last point
        self._before: np.ndarray | None = None
        self._kept = np.empty_like(network.theta)  # where weights are copied to, once for all

    @property
    def waits(self) -> bool:
        """Whether the next step is to be taken by itself: it tells how far weights go."""
        return self._before is not None

    @property
    def points(self) -> list[dict[str, Any]]:
        """What was recorded, oldest first."""
        return self.found["points"]

    def due(self, event: Any) -> bool:
        """Return whether a measurement is looked at: the first ones, ever fewer, and the last.

        Which they are follows from their steps alone, so a run repeated has the same points.
        """
        last = self.points[-1]["step"] if self.points else 0
        return event.final or event.step - last >= event.step / SPARSER

    @calmly
    def measure(self, event: Any) -> None:
        """Look at the weights as they are, right after a measurement; and put it on record."""
        point = {"step": event.step} | probe(self.network, *self.sides[0])
        if len(self.sides) > 1:
            images, labels = self.sides[1]
            answers = self.network.forward(images)[-1].argmax(axis=1)
            point["shifted"] = shifted(answers, labels, self.network.classes)
        if self.points and self.points[-1]["step"] == event.step:
            before = self.points.pop()  # the same weights, measured on more images
            point |= {name: before[name] for name in ("worst", "update") if name in before}
        if self._worst is not None:
            point["worst"], self._worst = short(self._worst), None
        self.points.append(point)
        if len(self.points) > MOST_POINTS:
            self._thin()
        np.copyto(self._kept, self.network.theta)
        self._before = self._kept

    def _thin(self) -> None:
        """Let go of the point between whose neighbours there are the fewest steps."""
        steps = [point["step"] for point in self.points]
        gaps = [after - before for before, after in zip(steps, steps[2:], strict=False)]
        at = 1 + gaps.index(min(gaps))
        gone, behind = self.points.pop(at), self.points[at]
        behind["worst"] = max(gone.get("worst", 0.0), behind.get("worst", 0.0))

    def step(self, event: Any) -> None:
        """Note a step's loss; after the first one behind a point also how far weights went."""
        if self._worst is None or event.loss > self._worst:
            self._worst = event.loss
        if self._before is not None:
            before, self._before = self._before, None
            self._went(before)

    @calmly
    def _went(self, before: np.ndarray) -> None:
        theta, places = self.network.theta, self.network.weight_places
        self.points[-1]["update"] = [_over(theta[at] - before[at], before[at]) for at in places]

    def join(self) -> None:
        """Put the signals on the record of the run, which is written anew at every measurement."""
        if self.network.training:
            run = {**self.network.training[-1], "signals": self.copy()}
            self.network.training = (*self.network.training[:-1], run)

    def copy(self) -> dict[str, Any]:
        """Return the signals so far, which do not grow with these."""
        return {**self.found, "points": [dict(point) for point in self.points]}


def described(network: Network) -> dict[str, Any]:
    """Return what findings say of a network: its classes, hidden layers and activations."""
    return {
        "classes": network.classes,
        "hidden": [str(spec) for spec in network.specs[:-1]],
        "layers": [str(spec) for spec in network.specs if spec.weighs],
        "activations": [
            layer.activation for layer in network.layers if layer.activation != "identity"
        ],
        "acting": [str(layer.spec) for layer in network.layers if layer.activation != "identity"],
        "narrowest": min((s.units for s in network.specs[:-1] if s.weighs), default=0),
    }


def _few(data: Dataset, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (images as bytes (n, pixels), labels (n,)) of at most 256 images, evenly chosen."""
    rows = np.random.default_rng(0).permutation(data.count)[:LOOKED_AT]
    rows.sort()
    return data.images.reshape(data.count, -1)[rows], data.labels[rows]


def recorded(
    events: Generator[Any, None, None],
    network: Network,
    dataset: Dataset,
    validation: Dataset | None = None,
    *,
    state: Any,
) -> Generator[Any, None, None]:
    """Yield the same events, and record the signals of the run at each of its measurements.

    events: those of `training(network, dataset, config, validation, state)`; state: the same, a
    `TrainingState`, which is asked to take one step by itself after each measurement; that
    changes no bit of a run. Closing it closes them.
    """
    recorder = None
    with closing(events):
        while True:
            if recorder is None:
                recorder = Recorder(network, dataset, validation, state)
            event = _alone(events, state) if recorder.waits else next(events, None)
            if event is None:
                return
            if hasattr(event, "images"):  # a step, asked first: there are thousands a second
                recorder.step(event)
            elif hasattr(event, "train_loss"):
                if recorder.due(event):
                    recorder.measure(event)
                recorder.join()
            elif hasattr(event, "advice"):
                recorder.join()
            yield event


def _alone(events: Generator[Any, None, None], state: Any) -> Any:
    """Return the next event, None for no more; if it is a step, one taken by itself."""
    asked, state.steps_per_call = state.steps_per_call, 1
    try:
        return next(events, None)
    finally:
        state.steps_per_call = asked
