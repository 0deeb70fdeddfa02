"""Memory: what arrays keep of it, by where it lies, so that what two things share counts once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from nnengine.data.readers.contents import owner

Parts = dict[Hashable, int]  # bytes by the identity of what holds them


def arrays(held: Sequence[np.ndarray]) -> Parts:
    """Return what arrays keep in memory: of one that is a part of another, the whole."""
    return dict(map(owner, held))
