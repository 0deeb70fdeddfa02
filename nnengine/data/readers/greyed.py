"""Greyed: the same sets without their colours, and the way back to them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .colours import GREY, to_grey, with_images
from .contents import Contents, frozen
from .inverted import made_light_on_dark


def grey_contents(found: Contents) -> Contents:
    """Return the same in grey, which remembers its colours: `found.coloured`, and back again.

    Pictures become light on dark, as those that were grey from the first. What is grey already, or
    holds labels alone, comes back as it is.
    """
    if found.coloured is not None:
        return found.coloured
    arrays = [*(data.images for data in found.sets), found.images]
    if all(x is None or x.ndim == 3 for x in arrays):
        return found
    notes = [*found.notes, GREY]

    def made(images: np.ndarray) -> np.ndarray:
        grey = to_grey(images)
        if found.form.startswith("picture"):
            notes.extend(made_light_on_dark(grey))
        return frozen(grey)

    train, test = (
        data and with_images(data, made(data.images)) for data in (found.train, found.test)
    )
    images = None if found.images is None else made(found.images)
    said = tuple(dict.fromkeys(notes))
    return replace(found, train=train, test=test, images=images, notes=said, coloured=found)
