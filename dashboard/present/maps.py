"""Maps: what each layer of a network makes of an image, as rows of small pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dashboard.present import pictures
from nnengine.analysis.parts import passage
from nnengine.core.network import Network

FEW = 16  # maps of a layer where all layers are shown
MOST_CELLS = 100_000  # of all pictures together: some 40 kB of PNG, twice a second
_UNSEEN = ("dropout", "flatten")  # change nothing where a network answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A layer whose numbers are maps: where in the network it is, its words, how many maps."""

    layer: int
    name: str
    maps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """Some maps of a stage: levels uint8 (n, h, w), and where in the stage they are."""

    stage: Stage
    levels: np.ndarray
    places: range

    @property
    def names(self) -> list[str]:
        """What the maps are called."""
        return [f"Map {i + 1}" for i in self.places]

    @property
    def count(self) -> str:
        """How many of the stage's maps are here."""
        few, all_ = len(self.places), self.stage.maps
        if few == all_:
            return "1 map" if all_ == 1 else f"{all_} maps"
        return f"{few} of {all_} maps"


def stages(network: Network) -> list[Stage]:
    """Return the layers whose numbers are maps of more than one pixel, in order.

    A `norm` belongs to the layer before it, whose activation comes behind both.
    """
    found: list[Stage] = []
    for i, (spec, layer) in enumerate(zip(network.specs, network.layers, strict=True)):
        height, width, maps = spec.after(layer.shape)
        if height * width == 1 or spec.kind in _UNSEEN:
            continue
        name = str(spec)
        if spec.kind == "norm" and found and found[-1].layer == i - 1:
            name = f"{found.pop().name}, norm"
        found.append(Stage(layer=i, name=name, maps=maps))
    return found


def strips(
    network: Network, image: np.ndarray, wanted: Sequence[tuple[Stage, range]]
) -> list[Strip]:
    """Return what the wanted stages make of one image, each on a colour scale of its own.

    image: as `Network.predict_proba` takes one. Maps shrink where all of them together would have
    more than `MOST_CELLS` pixels. Raises FormatError where the image does not fit.
    """
    made = passage(network, image)
    most = max(1, MOST_CELLS // max(1, sum(len(places) for _, places in wanted)))
    found = []
    for stage, places in wanted:
        maps = made[stage.layer][:, :, list(places)].transpose(2, 0, 1)
        limit = pictures.weight_limit(made[stage.layer])
        levels = pictures.map_levels(pictures.shrunk(maps, most), limit)
        found.append(Strip(stage=stage, levels=levels, places=places))
    return found


def few_of_each(network: Network) -> list[tuple[Stage, range]]:
    """Return all stages, with the first maps of each."""
    return [(stage, range(min(stage.maps, FEW))) for stage in stages(network)]
