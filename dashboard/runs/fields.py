"""Fields: the settings of a recipe as forms and links have them, made from the engine's rows.

What the engine knows nothing of has rows here: hidden layers as widths, a share that is held out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dashboard.host.tab import HERE
from dashboard.runs.amounts import Shown
from dashboard.runs.bounds import Bounds
from nnengine.errors import ConfigError
from nnengine.training.kinds import Choice, Kind, Number, Whole
from nnengine.training.settings import SETTINGS, Row

# The split is shared between visitors in memory, so the shares on offer are few.
VALIDATION_SHARES = (0.05, 0.1, 0.2, 0.3)
_LAST = ("seed", "augmentation")  # of the engine's: they stand behind the page's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Widths(Kind):
    """Units in each hidden layer, as many layers as there are numbers."""

    layers: int
    units: int

    @property
    def wanted(self) -> str:
        return (
            f"at most {self.layers} hidden layers of at most {self.units:,} units each, such as "
            "128, 64"
        )

    def refusal(self, name: str, value: Any) -> str:
        if len(value) > self.layers:
            return f"{len(value)} hidden layers: {HERE} allows {self.layers}"
        width = next(width for width in value if not 1 <= width <= self.units)
        return f"a hidden layer of {width:,} units: choose between 1 and {self.units:,}"

    def read(self, text: str) -> tuple[int, ...]:
        return () if text.strip() == "none" else parse_hidden(text)

    def holds(self, value: Any) -> bool:
        return len(value) <= self.layers and all(1 <= width <= self.units for width in value)

    def write(self, value: Any) -> str:
        return ",".join(map(str, value)) or "none"

    def restored(self, plain: Any) -> tuple[int, ...]:
        return tuple(plain)


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """A choice of the form before some fields: which of them acts, and is shown.

    options: what can be chosen, and the name of the setting that then acts, "" for none.
    title: what a list of things to hide calls it with its fields.
    """

    label: str
    title: str
    options: Mapping[str, str]

    def chosen_for(self, values: Mapping[str, Any]) -> str:
        """Return the option that leads to these values of the settings."""
        acting = (option for option, name in self.options.items() if values.get(name) is not None)
        return next(acting, list(self.options)[-1])


# By what `hide=` calls them; a field belongs to the switch of its group, or of its key.
SWITCHES = {
    "batch": Switch(
        label="Each step sees", title="What each step sees",
        options={"Mini-batches": "batch_size", "Full batch": ""},
    ),
    "length": Switch(
        label="Length", title="Epochs or iterations",
        options={"Epochs": "epochs", "Iterations": "iterations"},
    ),
}  # fmt: skip
# What else of the Train page `hide=` may name, above the fields and beneath them.
ABOVE = {
    "data": "The line that leads to other data",
    "presets": "Start from: the ready recipes",
    "settings": "All settings",
}
BENEATH = {"name": "Name of the run", "share": "Share this recipe"}


def rows(bounds: Bounds | None = None) -> dict[str, Row]:
    """Return the row of every field by its name, in the form's order, held to what is granted.

    A setting of the engine that has a key has a field; one that is not narrowed here may be all
    that the engine allows.
    """
    bounds = bounds or Bounds()
    engine = {name: row for name, row in SETTINGS.items() if row.key}
    for name, kind in {
        "learning_rate": Number(least=1e-6, most=100.0),
        "momentum": Number(most=0.999),
        "batch_size": Whole(most=bounds.batch_size),
        "epochs": Whole(most=bounds.epochs),
        "iterations": Whole(most=bounds.iterations),
        "seed": Whole(least=0, most=2**31 - 1),
    }.items():
        engine[name] = replace(engine[name], kind=kind)
    # A recipe has no None here: images as they are are an augmentation by nothing.
    engine["augmentation"] = replace(engine["augmentation"], kind=Shown(), none=None)
    last = {name: engine.pop(name) for name in _LAST}
    hidden = Row(
        name="hidden", key="hidden", label="Hidden layers",
        help="Units in each hidden layer, such as 128, 64. Empty: no hidden layer.",
        kind=Widths(layers=bounds.hidden_layers, units=bounds.width),
    )  # fmt: skip
    return {"hidden": hidden} | engine | {"validation": validation()} | last


def validation(offered: Sequence[str | float] = ("test", "none", *VALIDATION_SHARES)) -> Row:
    """Return the row of what a run is judged on, of which this is offered."""
    words = {"test": "The loaded test set", "none": "Nothing: train on all, judge on none"}
    shares = {one: f"{100 * one:.0f} % of the training data, held out" for one in VALIDATION_SHARES}
    return Row(
        name="validation", key="validation", label="Judge on",
        help="Images the network does not learn from. They draw the dashed curves.",
        kind=Choice({one: (words | shares)[one] for one in offered}),
    )  # fmt: skip


def group(row: Row) -> str:
    """Return what `hide=` calls a field: the word for all of its group, or its key."""
    return row.either or row.key


def hideable() -> dict[str, str]:
    """Return what `hide=` may name, and what that takes off the Train page."""
    labels = {group(row): row.label for row in rows().values()}
    labels |= {name: switch.title for name, switch in SWITCHES.items()}
    return ABOVE | labels | BENEATH


def parse_hidden(text: str) -> tuple[int, ...]:
    """Return the widths in "128, 64" (commas, spaces or dashes between); () when empty.

    Raises ConfigError that shows what is wrong and an example.
    """
    parts = [part for part in re.split(r"[\s,;]+|(?<=\d)-(?=\d)", text.strip()) if part]
    for part in parts:
        if not re.fullmatch("0*[1-9][0-9]*", part):
            raise ConfigError(
                f"“{part[:20]}” is not a number of units: write whole numbers, such as 128, 64"
            )
    return tuple(int(part.lstrip("0")[:9]) for part in parts)  # more digits are too many units
