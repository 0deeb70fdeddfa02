"""Counterfactual: the smallest change of ink that turns an answer, in whole bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.network import Network
from ..errors import ConfigError, FormatError
from .why import Slopes

MOST_AT_ONCE = 12  # pixels changed before slopes are asked for again
_CANDIDATES = 3  # other answers tried where any will do: those that seem to need least
_WHOLE = 255
# By how much an answer must lead, as a part of its logits: batches of other sizes, and other back
# ends, add up in another order, and their last bits must not turn it back.
_LEAD = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Turned:
    """A changed image and what it is now answered.

    image: uint8, of the shape of the network's images: (height, width), in colour (height, width,
    3). places: int64 (k,), which of its numbers were changed, counted row by row. before, after:
    classes. ink: how much was changed, in pixels from black to white.
    """

    image: np.ndarray
    places: np.ndarray
    before: int
    after: int
    ink: float


Leads = Callable[[np.ndarray], np.ndarray]  # uint8 (n, inputs) -> float (n,): above zero is turned


def least_change(network: Network, image: Any, to: int | None = None) -> Turned | None:
    """Return the image with the least ink added or taken away that is answered otherwise.

    image: uint8, one, as `Network.predict_proba` takes it. to: the class it is to be answered as;
    None: any other. Pixels are changed wholly, to 0 or 255, those first of which a byte is worth
    most for the margin: where the network is linear, no less ink would do (Dantzig 1957: what fits
    a knapsack in part). Then all that are not needed are given back, and of one of the rest as many
    bytes as can be: so that giving back any single pixel turns the answer back. A greedy search:
    of a network that bends on the way there may be a smaller change. None where none was found.
    Raises FormatError for what are not bytes, ConfigError for a class there is not, or that is the
    answer already.
    """
    start = _bytes(network, image)
    logits = network.logits(start)[0]
    before = int(network.predict(start)[0])
    if to is not None and (to == before or not 0 <= to < network.classes):
        what = "is the answer already" if to == before else "is none of its classes"
        raise ConfigError(f"class {to} {what}: choose another of {network.classes}")
    if not np.isfinite(logits).all():  # it has diverged: there is nothing to turn
        return None
    slopes, lead = Slopes(network), _leads(network, before, to, _LEAD * (1 + np.abs(logits).max()))
    targets = [to] if to is not None else _nearest(slopes, start, logits, before)
    found = [_turn(slopes, lead, start, target) for target in targets]
    turned = [one for one in found if one is not None]
    if not turned:
        return None
    least = min(turned, key=lambda one: (_ink(one, start), int((one != start).sum())))
    shape = network.image_shape if network.channels == 1 else network.shape
    return Turned(
        image=least.reshape(shape),
        places=np.flatnonzero(least != start),
        before=before,
        after=int(network.predict(least)[0]),
        ink=_ink(least, start),
    )


def _bytes(network: Network, image: Any) -> np.ndarray:
    """Return one image as uint8 (inputs,)."""
    x = network.as_inputs(image)
    if len(x) != 1 or x.dtype != np.uint8:
        raise FormatError(f"{len(x):,} images of {x.dtype}: give one, of bytes")
    return x[0].copy()


def _ink(image: np.ndarray, start: np.ndarray) -> float:
    return float(np.abs(image.astype(int) - start).sum()) / _WHOLE


def _leads(network: Network, before: int, to: int | None, least: float) -> Leads:
    """Return what tells by how much changed images are answered as they should be."""

    def lead(images: np.ndarray) -> np.ndarray:
        logits = network.logits(np.ascontiguousarray(images)).astype(np.float64)
        one = logits[:, before if to is None else to].copy()
        logits[:, before if to is None else to] = -np.inf
        others = logits.max(axis=1)
        return (others - one if to is None else one - others) - least

    return lead


def _nearest(slopes: Slopes, start: np.ndarray, logits: np.ndarray, before: int) -> list[int]:
    """Return the answers that seem to need the fewest pixels: margin by the strongest slope."""
    others = [c for c in range(len(logits)) if c != before]
    wanted = np.zeros((len(others), len(logits)))
    wanted[np.arange(len(others)), others] = 1
    wanted[:, before] = -1
    x = np.repeat(_scaled(slopes, start), len(others), axis=0)
    slope = np.abs(slopes.at(x, wanted)[1][0]).max(axis=1)
    needs = (logits[before] - logits[others]) / np.maximum(slope, 1e-30)
    return [others[i] for i in np.argsort(needs, kind="stable")[:_CANDIDATES]]


def _scaled(slopes: Slopes, image: np.ndarray) -> np.ndarray:
    return image[None] * np.float64(slopes.network.input_scale)


def _turn(slopes: Slopes, lead: Leads, start: np.ndarray, target: int) -> np.ndarray | None:
    """Return an image that is turned, of which every change is needed; None where none is found."""
    image = _walk(slopes, lead, start, target)
    if image is None:
        return None
    image = _needed(lead, start, image)
    # To give bytes back may make another pixel needless, where the network bends; seldom twice.
    return _needed(lead, start, _trimmed(lead, start, image))


def _walk(slopes: Slopes, lead: Leads, start: np.ndarray, target: int) -> np.ndarray | None:
    """Change the pixels with the steepest slopes, a few at a time, until the answer turns."""
    image, free = start.copy(), np.ones(start.size, bool)
    scale = slopes.network.input_scale
    while lead(image[None])[0] <= 0:
        slope, missing = _towards(slopes, image, target)
        most = np.where(slope > 0, _WHOLE, 0).astype(np.uint8)
        worth = slope * (most.astype(float) - image) * scale
        order = np.argsort(-np.abs(slope), kind="stable")
        order = order[free[order] & (worth[order] > 0)]
        if not len(order):
            return None
        enough = int(np.searchsorted(np.cumsum(worth[order]), missing)) + 1
        chosen = order[: min(max(1, enough // 2), MOST_AT_ONCE)]
        image[chosen], free[chosen] = most[chosen], False
    return image


def _towards(slopes: Slopes, image: np.ndarray, target: int) -> tuple[np.ndarray, float]:
    """Return the slopes, float (inputs,), of the target's lead over the likeliest, and its lack."""

    def rivals(logits: np.ndarray) -> np.ndarray:
        others = logits.copy()
        others[0, target] = -np.inf
        wanted = np.zeros_like(logits)
        wanted[0, [target, int(others.argmax())]] = 1, -1
        return wanted

    numbers, found = slopes.at(_scaled(slopes, image), rivals)
    return found[0][0], -float((numbers[-1] * found[-1]).sum())


def _needed(lead: Leads, start: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Give back pixels, as many at once as can be, until every one that is left is needed."""
    while True:
        places = np.flatnonzero(image != start)
        without = np.repeat(image[None], len(places), axis=0)
        without[np.arange(len(places)), places] = start[places]
        leads = lead(without)
        idle = np.argsort(-leads, kind="stable")[: int((leads > 0).sum())]
        if not len(idle):
            return image
        several = np.repeat(image[None], len(idle), axis=0)
        for n in range(len(idle)):
            back = places[idle[: n + 1]]
            several[n, back] = start[back]
        turned = np.flatnonzero(lead(several) > 0)
        image = several[turned[-1]] if len(turned) else without[idle[0]]


def _trimmed(lead: Leads, start: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Give back bytes of the one pixel of which most can be had, found by halving for all."""
    places = np.flatnonzero(image != start)
    rows, change = np.arange(len(places)), image[places].astype(int) - start[places]
    most = np.abs(change)
    low, high = np.zeros_like(most), most.copy()  # turned not by `low` bytes, but by `high`
    while (high - low > 1).any():
        half = (low + high) // 2
        tried = np.repeat(image[None], len(places), axis=0)
        tried[rows, places] = (start[places] + np.sign(change) * half).astype(np.uint8)
        turned = lead(tried) > 0
        high, low = np.where(turned, half, high), np.where(turned, low, half)
    best = int((most - high).argmax())
    image = image.copy()
    image[places[best]] = start[places[best]] + np.sign(change[best]) * high[best]
    return image
