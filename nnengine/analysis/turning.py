"""Turning: what holds one answer to an image ahead of another, and which few bytes turn it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.activations import activation_backward, kind_of
from ..core.arithmetic import calmly
from ..core.layers import product
from ..errors import ConfigError, FormatError

if TYPE_CHECKING:
    from ..core.network import Network

MOST = 120  # bytes of an image that are changed before it is said that so few do not turn it
_TRIED = 8  # changes that look best by their slope, each tried before one is taken


@calmly
def slopes(network: Network, image: Any, ahead: int, behind: int) -> list[np.ndarray]:
    """Return how the lead of one class over another follows what each layer reads.

    image: as `Network.predict_proba` takes one. The lead is logit `ahead` minus logit `behind`;
    the first array is its gradient for the scaled pixels, float (inputs,), the next those for the
    answers of each hidden layer. Raises ConfigError for a network with other layers than fully
    connected ones, FormatError for what is not one image that fits. (Chain rule: Rumelhart,
    Hinton & Williams 1986.)
    """
    if not network.is_dense:
        raise ConfigError(
            f"a network of {network.description} has layers that are not fully connected: slopes "
            "are known for networks such as 784-128-10"
        )
    _one(network, image)
    outputs = network.forward(image)
    slope = np.zeros_like(outputs[-1])
    slope[0, ahead] += 1
    slope[0, behind] -= 1
    found = []
    for layer, answers in zip(reversed(network.layers), reversed(outputs), strict=True):
        if layer.activation != "identity":
            activation_backward(answers, slope, kind_of(layer.activation))
        slope = product(slope, np.ascontiguousarray(layer.weights.T))
        found.append(slope[0])
    return found[::-1]


def turned(network: Network, image: Any, to: int, *, most: int = MOST) -> np.ndarray | None:
    """Return a copy of an image that is answered `to`, in as few changed bytes as are found.

    image: uint8 of as many bytes as the network has inputs; the copy has its shape. Bytes are
    taken to 0 or 255 one after another, each time the one of a few with the steepest slopes that
    brings `to` farthest; then all are given back that are not needed, so that giving back any one
    of those left turns the answer again. None where `most` bytes do not turn it. Raises what
    `slopes` does.
    """
    before = _one(network, image)
    now = before.copy()
    while (ahead := int(network.predict(now)[0])) != to:
        if np.count_nonzero(now != before) >= most:
            return None
        gain = -slopes(network, now, ahead, to)[0]
        goal = np.where(gain > 0, 255, 0).astype(np.uint8)
        reach = np.abs(gain * (goal.astype(np.float32) - now[0])) * (now[0] == before[0])
        places = np.argsort(-reach, kind="stable")[:_TRIED]
        tries = np.repeat(now, len(places), axis=0)
        tries[np.arange(len(places)), places] = goal[places]
        logits = network.logits(tries)
        best = int((logits[:, to] - logits[:, ahead]).argmax())
        if reach[places[best]] == 0:  # nothing left that would help
            return None
        now = tries[[best]]
    return _fewest(network, before, now, to).reshape(np.shape(image))


def _fewest(network: Network, before: np.ndarray, now: np.ndarray, to: int) -> np.ndarray:
    """Return `now` with every byte given back that the answer `to` does not need."""
    while len(places := np.flatnonzero(now[0] != before[0])):
        tries = np.repeat(now, len(places), axis=0)
        tries[np.arange(len(places)), places] = before[0, places]
        logits = network.logits(tries)
        others = np.delete(logits, to, axis=1).max(axis=1)
        lead = np.where(network.predict(tries) == to, logits[:, to] - others, -1)
        best = int(lead.argmax())
        if lead[best] < 0:
            break
        now = tries[[best]]
    return now


def _one(network: Network, image: Any) -> np.ndarray:
    """Return one image as the network takes it, bytes (1, inputs) that can be written."""
    x = network.as_inputs(image)
    if len(x) != 1:
        raise FormatError(f"{len(x):,} images: give one")
    return x
