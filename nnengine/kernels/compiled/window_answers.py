"""Window answers: the logits of whole networks that look at images a window at a time.

They are those that runs are measured by, bit for bit, and depend on the image alone: not on those
beside it, nor on threads.
"""

from __future__ import annotations

import sys
import threading

import numpy as np

from .. import numpy_
from ..numpy_ import read_only
from ..taken import described, too_much
from . import helpers
from .compiling import is_missing
from .window_calls import window_loss
from .window_steps import _window_steps

# Images for which it pays to have kernels compiled that were not: a drawing does not wait for it.
_MANY = 64
_making = threading.Lock()
_at_hand = sys.platform == "emscripten"  # there all kernels were compiled ahead of time


def logits(network, x):
    """Return the logits of a network for x as `Network.as_inputs` gives it.

    Of bytes, by float32 networks with layers that kernels of windows take; of others, and of few
    images while these are not compiled, by the formulas.
    """
    alike = network.dtype == np.float32 and x.dtype == np.uint8 and not network.is_dense
    if not alike or too_much(network) or not _ready(len(x)):
        return numpy_.logits(network, x)
    labels, scale = read_only(np.zeros(len(x), np.uint8)), np.float32(network.input_scale)
    out = np.empty((len(x), network.classes), np.float32)
    window_loss(x, labels, scale, described(network), network.theta, out)
    return out


def _ready(count: int) -> bool:
    """Tell whether kernels can be called without being compiled first; have that done for many
    images, by another process: this one's other threads go on."""
    global _at_hand
    if not _at_hand and is_missing(_window_steps):
        if count < _MANY:
            return False
        with _making:
            if is_missing(_window_steps):  # another thread may have waited for it meanwhile
                with helpers.compiling(__package__ or "", [["windows"]]) as ready:
                    next(ready, None)
    _at_hand = True
    return True
