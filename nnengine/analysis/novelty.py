"""Novelty: whether an image is a digit at all, told by a small network that learnt what is none.

The guard (`models.guard`) is asked beside the network that answers. It knows digits, and an
eleventh class of what is none: digits turned, cut up, laid over one another, and letters, scrawls
and shapes that chance drew: outlier exposure (Hendrycks, Mazeika & Dietterich 2019, "Deep anomaly
detection with outlier exposure"). How strange an image must be to be refused is fitted for each
network, on images held out from it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.arithmetic import calmly
from ..core.network import Network
from ..data import framing
from ..data.augment import Augmentation, augmented
from ..errors import ConfigError

LEAST, MOST = 200, 2_000  # images that a line is fitted on: three in four hundred are to be some
# Of the images held out, to be refused, and of the same as strange hands would write them.
PRICE, PRICE_STRANGE = 0.0075, 0.015
# Log odds. Digits that need more are none by the guard's lights (inverted, of another script):
# what it says of such a network's images is worth nothing. Below the least, half a chance in a
# hundred, nobody's drawing is called strange, however neat the images held out are.
LAST, FIRST = 4.0, -5.3
READABLE_PX = (8, 64)
STRANGE = Augmentation(shift=1, rotation=15, scale=0.15, shear=0.25, elastic=1, stroke_width=1.5)
KEY = "novelty"  # of a training record
# Which guard lines on record are of: another number with every new one, whose odds are others.
# Lines of the first one have none.
GUARD = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """From where on an image is refused, and what that costs.

    value: log odds of being none; price: share in [0, 1] of the held-out images that it refuses;
    images: how many these were. own: fitted for this network, and not the guard's.
    """

    value: float
    price: float
    images: int
    own: bool = True

    def as_dict(self) -> dict[str, Any]:
        """Return what a training record keeps of it."""
        return {
            "line": self.value, "price": self.price, "images": self.images, "guard": GUARD,
        }  # fmt: skip


def applies(network: Network) -> bool:
    """Return whether the guard knows what this network reads: the ten digits, as images.

    Not of a network that was taught somebody's hand: it knows digits that the guard has never seen.
    """
    low, high = READABLE_PX
    digits = network.class_names == tuple("0123456789")
    taught = any(record.get("outcome") == "taught" for record in network.training)
    return (
        digits
        and not taught
        and low <= min(network.image_shape) <= max(network.image_shape) <= high
    )


@calmly
def strangeness(images: np.ndarray) -> np.ndarray:
    """Return float64 (n,): the log odds that each image is no digit; infinite for a blank one.

    images: uint8 (n, h, w) or (n, h, w, 3), light ink on dark, or one of them, (h, w); others than
    28 x 28 are brought to that size, colours to grey.
    """
    from .. import models  # it reads a file: when it is asked for

    images = _as_seen(np.asarray(images))
    z = models.guard().logits(images).astype(np.float64)
    known = z[:, :-1].max(axis=1)
    odds = z[:, -1] - known - np.log(np.exp(z[:, :-1] - known[:, None]).sum(axis=1))
    odds[np.ptp(images.reshape(len(images), -1), axis=1) < framing.MIN_CONTRAST] = math.inf
    return odds


def _as_seen(images: np.ndarray) -> np.ndarray:
    """Return uint8 (n, 28, 28)."""
    if images.ndim == 4:
        images = np.rint(images @ framing.LUMA).astype(np.uint8)
    images = images.reshape(-1, *images.shape[-2:])
    size = (framing.SIZE, framing.SIZE)
    if images.shape[1:] != size:
        images = np.stack([framing.fit(image, size) for image in images])
    return images


def fit_line(images: np.ndarray) -> Line | None:
    """Return the line for a network, of images that it was not trained on; None where none is fair.

    images: as `strangeness` takes them, at least 200; of more than 2,000 as many by lot. It refuses
    at most PRICE of them, and twice that of the same as strange hands would have written them. None
    for fewer, and where the guard takes these digits for none.
    """
    if len(images) < LEAST:
        return None
    if len(images) > MOST:
        rows = np.random.default_rng(0).choice(len(images), MOST, replace=False)
        images = images[np.sort(rows)]
    images = _as_seen(images)
    plain = strangeness(images)
    strange = strangeness(augmented(images, STRANGE, rng=3))
    value = max(FIRST, _line_above(plain, PRICE), _line_above(strange, PRICE_STRANGE))
    if value > LAST:
        return None
    return Line(
        value=round(value, 4), price=round(float((plain > value).mean()), 5), images=len(images)
    )


def _line_above(found: np.ndarray, price: float) -> float:
    """Return the value above which at most that share of the found lies."""
    return float(np.sort(found)[len(found) - 1 - math.floor(price * len(found))])


def line_of(network: Network) -> Line | None:
    """Return the line on record for a network, or the guard's own; None where it does not apply.

    One that was fitted for an earlier guard says nothing of this one's odds.
    """
    from .. import models

    if not applies(network):
        return None
    return _on_record(network, own=True) or _on_record(models.guard(), own=False)


def _on_record(network: Network, own: bool) -> Line | None:
    found = network.training[-1].get(KEY) if network.training else None
    if not isinstance(found, dict) or found.get("guard") != GUARD:
        return None
    return Line(value=found["line"], price=found["price"], images=found["images"], own=own)


def with_line(network: Network, line: Line) -> Network:
    """Return a copy that has the line on record, in its last run.

    Files keep it as they keep records: .npz does, .nnm has no room. Raises ConfigError for a
    network without any record of its training.
    """
    if not network.training:
        raise ConfigError("this network has no record of its training, where its line would stand")
    other = network.copy()
    other.training = (*network.training[:-1], {**network.training[-1], KEY: line.as_dict()})
    return other
