"""Fields: the settings of a recipe as forms and links have them, made from the engine's rows.

What the engine has no row for has one here: the hidden layers, a share that is held out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dashboard.host.tab import HERE
from dashboard.runs.amounts import Shown
from dashboard.runs.bounds import Bounds
from nnengine.core.description import Spec
from nnengine.training import layertext
from nnengine.training.kinds import Choice, Kind, Number, Whole
from nnengine.training.settings import SETTINGS, Row

# The split is shared between visitors in memory, so the shares on offer are few.
VALIDATION_SHARES = (0.05, 0.1, 0.2, 0.3)
_OTHERS = 4  # times as many layers as may have weights, with those that have none
_LAST = ("seed", "augmentation")  # of the engine's: they stand behind the page's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers(Kind):
    """Hidden layers as text, so many with weights at most, and so many units or maps in each.

    ends: inputs and classes of the data in hand, where a text of numbers alone may have both.
    """

    layers: int
    units: int
    ends: tuple[int, int] | None = None

    @property
    def wanted(self) -> str:
        return (
            f"at most {self.layers} hidden layers with weights, of at most {self.units:,} units "
            "each, such as 128, 64 or conv 8 5x5, pool 2, dense 64"
        )

    def refusal(self, name: str, value: Any) -> str:
        weighing = [spec for spec in value if spec.weighs]
        if len(weighing) > self.layers:
            which = " with weights" * (len(weighing) < len(value))
            return f"{len(weighing)} hidden layers{which}: {HERE} allows {self.layers}"
        if len(value) > _OTHERS * self.layers:
            return f"{len(value)} hidden layers: {HERE} allows {_OTHERS * self.layers}"
        large = next(spec for spec in weighing if spec.units > self.units)
        what = "units" if large.kind == "dense" else "maps"
        return f"a hidden layer of {large.units:,} {what}: choose between 1 and {self.units:,}"

    def read(self, text: str) -> tuple[Spec, ...]:
        return () if text.strip() == "none" else layertext.read_hidden(text, self.ends)

    def holds(self, value: Any) -> bool:
        weighing = [spec for spec in value if spec.weighs]
        few = len(weighing) <= self.layers and len(value) <= _OTHERS * self.layers
        return few and all(spec.units <= self.units for spec in weighing)

    def write(self, value: Any) -> str:
        return layertext.write_hidden(value).replace(", ", ",") or "none"

    def say(self, value: Any) -> str:
        return layertext.write_hidden(value, self.ends)

    def restored(self, plain: Any) -> tuple[Spec, ...]:
        """Return them from a text, or from the widths that earlier versions kept."""
        return self.read(plain) if isinstance(plain, str) else dense(plain)


def dense(widths: Sequence[int]) -> tuple[Spec, ...]:
    """Return fully connected hidden layers of these widths."""
    return tuple(Spec("dense", width) for width in widths)


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
SOLUTIONS = "solutions"
ELSEWHERE = {SOLUTIONS: "Solutions on the Check page"}


def rows(bounds: Bounds | None = None, ends: tuple[int, int] | None = None) -> dict[str, Row]:
    """Return the row of every field by its name, in the form's order, held to what is granted.

    ends: see `Layers`.

    A setting of the engine that has a key has a field; one that is not narrowed here may be all
    that the engine allows.
    """
    bounds = bounds or Bounds()
    engine = {name: row for name, row in SETTINGS.items() if row.key}
    for name, kind in {
        "learning_rate": Number(least=1e-6, most=100.0, step=0.0005),
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
        help="Units of each hidden layer, such as 128, 64; or layers in words, such as conv 8 5x5, "
        "pool 2, dense 64. Known are conv (maps and window, then stride and pad), pool, average, "
        "norm, dropout, flatten and dense. Empty: no hidden layer.",
        kind=Layers(layers=bounds.hidden_layers, units=bounds.width, ends=ends),
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
    """Return what `hide=` may name, and what that takes off the Train page, or another."""
    labels = {group(row): row.label for row in rows().values()}
    labels |= {name: switch.title for name, switch in SWITCHES.items()}
    return ABOVE | labels | BENEATH | ELSEWHERE
