"""Address: a recipe as readable keys of a link, and back; every value held to the form's bounds."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from dashboard.runs.recipe import (
    MOMENTA,
    RATES,
    SEEDS,
    VALIDATION_SHARES,
    Bounds,
    Recipe,
    parse_hidden,
)
from dashboard.sections import augment_form
from nnengine.core.activations import ACTIVATIONS
from nnengine.core.network import INITIALIZERS
from nnengine.core.optimizers import OPTIMIZERS
from nnengine.data import augment
from nnengine.data.augment import Augmentation
from nnengine.errors import ConfigError
from nnengine.renamed import SETTINGS, by_new_names
from nnengine.training import SCHEDULES

# What `hide=` may name, and what that takes off the Train page.
HIDEABLE = {
    "data": "The line that leads to other data",
    "presets": "Start from: the ready recipes",
    "settings": "All settings",
    "hidden": "Hidden layers",
    "activation": "Activation",
    "initializer": "Initializer",
    "optimizer": "Optimizer",
    "rate": "Learning rate",
    "schedule": "Rate over the run",
    "momentum": "Momentum",
    "batch": "What each step sees",
    "length": "Epochs or iterations",
    "validation": "Judge on",
    "seed": "Seed",
    "name": "Name of the run",
    "images": "Images while training",
    "share": "Share this recipe",
}
# What mail programs and networks hang on to links: nobody typed them.
_STICKERS = re.compile("utm_|.*clid$|ref$|mc_")
_SHOWN = 40  # characters of a bad value that a message repeats
_USUAL = Recipe()


@dataclass(frozen=True)
class Asked:
    """What a link asks for: a source of data by name, a recipe, controls to hide.

    `recipe` is None where the link says nothing about it. `faults` are sentences about what could
    not be believed; in its place stands what is usual.
    """

    data: str | None
    recipe: Recipe | None
    hide: tuple[str, ...]
    faults: tuple[str, ...]


def read(said: Mapping[str, str], sources: Collection[str], bounds: Bounds) -> Asked:
    """Return what an address asks for. Nothing is raised: each bad value has its sentence."""
    faults, found = [], {}
    said = by_new_names(said)
    for key, text in said.items():
        if key in _READERS:
            usual = _WRITERS[key](_USUAL)
            try:
                found |= _READERS[key](text, bounds)
            except ConfigError as fault:
                taken = f"{key}={usual}" if usual else "what is usual"
                faults.append(f"{key}={text[:_SHOWN]}: {fault}. Taken instead: {taken}.")
        elif key not in ("data", "hide") and not _STICKERS.match(key):
            faults.append(
                f"{key[:_SHOWN]} is nothing a link can say. It can say data, hide, "
                f"{', '.join(_READERS)}."
            )
    if {"epochs", "iterations"} <= said.keys():
        faults.append("A run is as long as its epochs or its iterations say, not both.")
    data, hide = _data(said, sources, faults), _hide(said, faults)
    recipe = Recipe(**found) if said.keys() & _READERS.keys() else None
    return Asked(data, recipe, hide, tuple(faults))


def link(recipe: Recipe, data: str | None = None, hide: Sequence[str] = ()) -> str:
    """Return the part of an address that `read` turns into this again, without a "?".

    What decides most is always said; the rest where it is not usual.
    """
    said = {"data": data} if data else {}
    for key, write in _WRITERS.items():
        text = write(recipe)
        if text and (key in _ALWAYS or text != write(_USUAL)):
            said[key] = text
    if hide:
        said["hide"] = ",".join(hide)
    return urlencode(said, safe=",:")


def _data(said: Mapping[str, str], sources: Collection[str], faults: list[str]) -> str | None:
    asked = said.get("data")
    if asked is None or asked in sources:
        return asked
    faults.append(
        f"data={asked[:_SHOWN]} is no data set known here: choose {_either(sources)}. The data in "
        "hand stay."
    )
    return None


def _hide(said: Mapping[str, str], faults: list[str]) -> tuple[str, ...]:
    names = [name.strip() for name in said.get("hide", "").split(",") if name.strip()]
    names = [SETTINGS.get(name, name) for name in names]
    unknown = [name[:_SHOWN] for name in names if name not in HIDEABLE]
    if unknown:
        faults.append(
            f"hide={','.join(unknown[:5])}: nothing is called so. Names that can be hidden: "
            f"{', '.join(HIDEABLE)}."
        )
    return tuple(dict.fromkeys(name for name in names if name in HIDEABLE))


# Values ----------------------------------------------------------------------------------


def _either(options: Collection[str]) -> str:
    *others, last = map(str, options)
    return f"{', '.join(others)} or {last}" if others else last


def _choice(name: str, options: Collection[str]) -> Callable:
    def read(text: str, bounds: Bounds) -> dict[str, Any]:
        if text not in options:
            raise ConfigError(f"choose {_either(options)}")
        return {name: text}

    return read


def _whole(text: str, least: int, most: int) -> int:
    # The length is looked at first: to read a million digits as a number takes minutes.
    if not re.fullmatch("[0-9]{1,12}", text) or not least <= int(text) <= most:
        raise ConfigError(f"write a whole number from {least:,} to {most:,}")
    return int(text)


def _fraction(name: str, least: float, most: float) -> Callable:
    def read(text: str, bounds: Bounds) -> dict[str, Any]:
        try:
            value = float(text[:_SHOWN])
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            raise ConfigError(f"write a number from {_plain(least)} to {_plain(most)}")
        return {name: value}

    return read


def _plain(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _hidden(text: str, bounds: Bounds) -> dict[str, Any]:
    widths = () if text.strip() in ("", "none") else parse_hidden(text[:200])
    if len(widths) > bounds.hidden_layers:
        raise ConfigError(f"at most {bounds.hidden_layers} hidden layers are allowed here")
    if any(width > bounds.width for width in widths):
        raise ConfigError(f"a hidden layer has at most {bounds.width:,} units here")
    return {"hidden": widths}


def _batch(text: str, bounds: Bounds) -> dict[str, Any]:
    if text == "full":
        return {"batch_size": None}
    try:
        return {"batch_size": _whole(text, 1, bounds.batch_size)}
    except ConfigError as fault:
        raise ConfigError(f"{fault}, or full") from None


def _epochs(text: str, bounds: Bounds) -> dict[str, Any]:
    return {"epochs": _whole(text, 1, bounds.epochs), "iterations": None}


def _iterations(text: str, bounds: Bounds) -> dict[str, Any]:
    return {"iterations": _whole(text, 1, bounds.iterations), "epochs": None}


def _validation(text: str, bounds: Bounds) -> dict[str, Any]:
    shares = {f"{share:g}": share for share in VALIDATION_SHARES}
    options = {"test": "test", "none": "none", **shares}
    if text not in options:
        raise ConfigError(f"choose {_either(options)}")
    return {"validation": options[text]}


def _images(text: str, bounds: Bounds) -> dict[str, Any]:
    asked = augment.parse(text[:200].replace(":", "="))
    if not _alike(asked, augment_form.as_shown(asked)):
        most = (f"{n} {a.most / a.worth:g} by {a.step / a.worth:g}" for n, a in _AMOUNTS.items())
        raise ConfigError(f"the sliders go up to {', '.join(most)}")
    return {"augmentation": augment_form.as_shown(asked)}


_AMOUNTS = augment_form.AMOUNTS


def _alike(one: Augmentation, other: Augmentation) -> bool:
    amounts = zip(one.as_dict().values(), other.as_dict().values(), strict=True)
    return all(abs(a - b) < 1e-9 for a, b in amounts)


def _augmentation(recipe: Recipe) -> str:
    names = {amounts: name for name, amounts in augment.PRESETS.items()}
    if recipe.augmentation in names:
        return names[recipe.augmentation]
    amounts = recipe.augmentation.as_dict().items()
    return ",".join(f"{name}:{value:.6g}" for name, value in amounts if value)


_READERS: dict[str, Callable[[str, Bounds], dict[str, Any]]] = {
    "hidden": _hidden,
    "activation": _choice("activation", ACTIVATIONS),
    "initializer": _choice("initializer", INITIALIZERS),
    "optimizer": _choice("optimizer", OPTIMIZERS),
    "rate": _fraction("learning_rate", *RATES),
    "schedule": _choice("schedule", SCHEDULES),
    "momentum": _fraction("momentum", *MOMENTA),
    "batch": _batch,
    "epochs": _epochs,
    "iterations": _iterations,
    "validation": _validation,
    "images": _images,
    "seed": lambda text, bounds: {"seed": _whole(text, *SEEDS)},
}
_WRITERS: dict[str, Callable[[Recipe], str]] = {
    "hidden": lambda r: ",".join(map(str, r.hidden)) or "none",
    "activation": lambda r: r.activation,
    "initializer": lambda r: r.initializer,
    "optimizer": lambda r: r.optimizer,
    "rate": lambda r: f"{r.learning_rate:.12g}",
    "schedule": lambda r: r.schedule,
    "momentum": lambda r: f"{r.momentum:.12g}",
    "batch": lambda r: "full" if r.batch_size is None else str(r.batch_size),
    "epochs": lambda r: str(r.epochs) if r.epochs else "",
    "iterations": lambda r: str(r.iterations) if r.iterations else "",
    "validation": lambda r: (
        f"{r.validation:g}" if isinstance(r.validation, float) else r.validation
    ),
    "images": _augmentation,
    "seed": lambda r: str(r.seed),
}
_ALWAYS = ("hidden", "activation", "optimizer", "rate", "batch", "epochs", "iterations", "seed")
