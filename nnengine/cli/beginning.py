"""What a run begins with: a network as --layers describes it, or one that has learnt before."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from ..core.network import Network
from ..data.dataset import Dataset
from ..data.readers.numbering import numbered_as
from ..errors import ConfigError
from ..training import layertext
from ..training.settings import SETTINGS
from . import files
from .data import fitting
from .options import settings_said

OWN = "layers", "activation", "initializer", "dtype"  # what a network brings with it


def new_network(arguments: argparse.Namespace, data: Dataset) -> Network:
    """Return the network that was asked for, once it is known to fit the data."""
    sizes = arguments.layers or f"{data.inputs}-10-{data.classes}"
    ends, _ = layertext.read(sizes)
    height, width = data.image_shape
    if ends and ends[0] != data.inputs:
        raise ConfigError(
            f"--layers begins with {ends[0]}, but the images have {height}x{width} "
            f"pixels{' in colour' * (data.channels > 1)}: it has to begin with {data.inputs}"
        )
    if ends and ends[-1] != data.classes:
        raise ConfigError(
            f"--layers ends with {ends[-1]}, but the labels have {data.classes} "
            f"classes: it has to end with {data.classes}"
        )
    return Network.build(
        sizes,
        rng=arguments.seed,
        class_names=data.class_names,
        image_shape=data.image_shape,
        channels=data.channels,
        **settings_said(arguments, of_network=True),
    )


def trained(arguments: argparse.Namespace, model: files.Word, usual: Mapping[str, Any]) -> Network:
    """Return the network in a model file, of any library, to be trained on.

    usual: the settings where nobody says any. Raises ConfigError where one is said that the network
    brings with it, and what `files.network` raises.
    """
    for name in OWN:
        if getattr(arguments, name) != usual.get(name):
            option = SETTINGS[name].options[0] if name in SETTINGS else f"--{name}"
            raise ConfigError(
                f"{option} is part of the network that --from names: leave out one of the two"
            )
    return files.network(model)


def as_learnt(network: Network, data: Dataset, word: files.Word) -> Dataset:
    """Return data as a network knows them: classes in its order, in colour or grey like its own."""
    return fitting(numbered_as(data, network.class_names), network.channels > 1, word)
