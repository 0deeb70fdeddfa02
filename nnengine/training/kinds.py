"""Kinds: what the value of a setting may be, and how it is read from text, written and refused.

Reading and holding to bounds are two steps: who types `--epochs 0` is told what epochs may be, who
types `--epochs many` that this is no number.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from ..data import augment
from ..data.augment import Augmentation
from ..errors import ConfigError

_LONGEST = 48  # characters of a number: a seed of 128 bits has 39 digits


class Kind:
    """What every kind can do; each has its own `read`, `holds` and `wanted`."""

    __slots__ = ()
    metavar = "X"  # what stands for a value where a command explains itself

    @property
    def wanted(self) -> str:
        """What a value has to be: "a number from 0 to 1"."""
        raise NotImplementedError

    @property
    def prompt(self) -> str:
        """What to ask of someone who wrote something else."""
        return f"write {self.wanted}"

    def refusal(self, name: str, value: Any) -> str:
        """Return what to say of a value that the setting of this name cannot have."""
        return f"{name} is {value!r}: give {self.wanted}"

    def read(self, text: str) -> Any:
        """Return the value that a text stands for; raises ConfigError where it stands for none."""
        raise NotImplementedError

    def holds(self, value: Any) -> bool:
        """Return whether a value is one of this kind, and within its bounds."""
        raise NotImplementedError

    def write(self, value: Any) -> str:
        """Return the text that `read` makes this value of."""
        return str(value)

    def say(self, value: Any) -> str:
        """Return what people are shown for a value."""
        return self.write(value)

    def note(self, value: Any) -> str:
        """Return what a record shows: the word that links and commands take, unless it has none."""
        return self.write(value)

    def restored(self, plain: Any) -> Any:
        """Return a value from what JSON keeps of it."""
        return plain


@dataclass(frozen=True, slots=True)
class Choice(Kind):
    """One of some values, each with the words that people are shown for it."""

    labels: Mapping[Any, str]

    @property
    def wanted(self) -> str:
        return either(map(self.write, self.labels))

    @property
    def prompt(self) -> str:
        return f"choose {self.wanted}"

    def refusal(self, name: str, value: Any) -> str:
        return f"{name} {value!r} is not known: choose {self.wanted}"

    def read(self, text: str) -> Any:
        return {self.write(value): value for value in self.labels}.get(text, text)

    def holds(self, value: Any) -> bool:
        return any(isinstance(value, type(one)) and value == one for one in self.labels)

    def write(self, value: Any) -> str:
        return f"{value:g}" if isinstance(value, float) else str(value)

    def say(self, value: Any) -> str:
        return self.labels[value] if self.holds(value) else self.write(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole(Kind):
    """A whole number; without `most` any that is large enough."""

    least: int = 1
    most: int | None = None
    metavar = "N"

    @property
    def wanted(self) -> str:
        if self.most is not None:
            return f"a whole number from {self.least:,} to {self.most:,}"
        ends = {0: ", zero or above", 1: " above zero"}
        return "a whole number" + ends.get(self.least, f" from {self.least:,}")

    def refusal(self, name: str, value: Any) -> str:
        if self.most is not None and isinstance(value, int):
            return f"{name} is {value:,}: choose between {self.least:,} and {self.most:,}"
        return Kind.refusal(self, name, value)

    def read(self, text: str) -> int:
        if text.isascii() and len(text) <= _LONGEST:
            try:
                return int(text)
            except ValueError:
                pass
        raise ConfigError(self.prompt)

    def holds(self, value: Any) -> bool:
        if not isinstance(value, int | np.integer):
            return False
        return self.least <= int(value) and (self.most is None or int(value) <= self.most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Number(Kind):
    """A number from `least` to `most`; whether those themselves are no values is said apart.

    step: what a form's buttons add or take away.
    """

    least: float = 0.0
    most: float = math.inf
    above: bool = False
    below: bool = False
    step: float = 0.01

    @property
    def wanted(self) -> str:
        least, most = _plain(self.least), _plain(self.most)
        start = f"above {least if self.least else 'zero'}" if self.above else f"from {least}"
        end = f" to {'below ' if self.below else ''}{most}" if self.most < math.inf else ""
        return f"a number {start}{end}"

    def read(self, text: str) -> float:
        if len(text) <= _LONGEST:  # what is longer would be read as another number if it were cut
            try:
                return float(text)
            except ValueError:
                pass
        raise ConfigError(self.prompt)

    def holds(self, value: Any) -> bool:
        if not isinstance(value, Real):
            return False
        number = float(value)
        if not self.least <= number <= self.most or math.isinf(number):
            return False
        return not (self.above and number == self.least or self.below and number == self.most)

    def write(self, value: Any) -> str:
        short = f"{value:.12g}"  # 0.1 + 0.2 has 17 digits, and means them
        return short if float(short) == value else repr(float(value))


class Distortions(Kind):
    """How far images are changed: a preset by its name, or amounts such as shift:2,rotation:10."""

    __slots__ = ()
    metavar = "HOW"

    @property
    def wanted(self) -> str:
        return "an Augmentation, or None for none"

    def read(self, text: str) -> Augmentation:
        # Commands have always had "=" between name and amount, links ":", which needs no escape.
        return augment.parse(text.replace(":", "="))

    def holds(self, value: Any) -> bool:
        return isinstance(value, Augmentation)

    def write(self, value: Augmentation) -> str:
        names = {amounts: name for name, amounts in augment.PRESETS.items()}
        amounts = (f"{name}:{most:.6g}" for name, most in value.as_dict().items() if most)
        return names.get(value) or ",".join(amounts)

    def say(self, value: Augmentation) -> str:
        return f"images {value.in_words()}" if value else ""

    def note(self, value: Augmentation) -> str:
        return self.say(value)

    def restored(self, plain: Any) -> Augmentation:
        return Augmentation.from_dict(plain or {})


def named(names: Collection[str], **labels: str) -> Choice:
    """Return the choice of one of `names`; those without a label of their own are capitalised."""
    return Choice({name: labels.get(name, name.capitalize()) for name in names})


def either(options: Any) -> str:
    """Return words in a row: "a, b or c"."""
    *others, last = map(str, options)
    return f"{', '.join(others)} or {last}" if others else last


def _plain(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")
