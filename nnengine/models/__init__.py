"""Networks that ship with the engine, each with the report card of what was measured on it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from ..core.network import Network
from ..errors import ConfigError
from ..storage.modelfile import load

FILES = {"original": "original.nnm", "drawing": "drawing.npz"}
NAMES = tuple(FILES)
FOLDER = Path(__file__).parent


@cache
def shipped(name: str) -> Network:
    """Return the network of this name, ready to answer.

    "original": 784-10-10, trained as the project this began from trained its own. "drawing":
    made for digits drawn with a mouse, a finger or a pen. It is read once, shared and frozen:
    train a `copy()`. Raises ConfigError for a name that does not ship.
    """
    return load(FOLDER / FILES[_checked(name)]).snapshot()


@cache
def guard() -> Network:
    """Return the small network that tells digits from what looks like none, for `novelty`.

    28 x 28 pixels, eleven classes, the last of them "none". `benchmarks/make_guard.py` made it.
    """
    return load(FOLDER / "guard.npz").snapshot()


def card(name: str) -> dict[str, Any]:
    """Return what was measured on the network of this name when it was made.

    Accuracies and calibration errors are in [0, 1]; `command` made the file and measured it.
    Raises ConfigError for a name that does not ship.
    """
    return json.loads((FOLDER / f"{_checked(name)}.json").read_text())


def _checked(name: str) -> str:
    if name not in FILES:
        raise ConfigError(f"no network {name!r} ships with the engine: there are {list(NAMES)}")
    return name
