"""Amounts: how far a page lets images be changed, as its sliders show it and its links say it."""

from __future__ import annotations

from dataclasses import dataclass

from nnengine.data.augment import GENTLE, NONE, STRONG, Augmentation
from nnengine.errors import ConfigError
from nnengine.training.kinds import Distortions

AS_THEY_ARE = "Images as they are"
CHOICES = {AS_THEY_ARE: NONE, "Gently changed": GENTLE, "Strongly changed": STRONG}


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """A slider for one amount; what it shows is `worth` times the amount."""

    label: str
    most: float
    step: float
    format: str
    worth: float
    sentence: str

    def shown(self, amount: float) -> float:
        """Return where the slider stands for an amount."""
        return min(round(amount * self.worth / self.step) * self.step, self.most)


AMOUNTS = {
    "shift": Amount(
        label="Shift", most=8.0, step=0.5, format="%g px", worth=1.0,
        sentence="Moves it to any side, in pixels.",
    ),
    "rotation": Amount(
        label="Turn", most=90.0, step=1.0, format="%g°", worth=1.0,
        sentence="Turns it about its middle, in degrees.",
    ),
    "scale": Amount(
        label="Size", most=50.0, step=1.0, format="%g %%", worth=100.0,
        sentence="Makes it wider or narrower, higher or lower, in percent.",
    ),
    "shear": Amount(
        label="Slant", most=60.0, step=1.0, format="%g %%", worth=100.0,
        sentence="Leans it sideways, in percent of its height.",
    ),
    "elastic": Amount(
        label="Bend", most=3.0, step=0.1, format="%.1f px", worth=1.0,
        sentence="Bends it as an unsteady hand does, in pixels.",
    ),
    "stroke_width": Amount(
        label="Pen", most=4.0, step=0.25, format="%g px", worth=1.0,
        sentence="Makes strokes thicker or thinner, in pixels.",
    ),
    "noise": Amount(
        label="Noise", most=100.0, step=1.0, format="%g %%", worth=100.0,
        sentence="Scatters grey grains, in percent of full brightness.",
    ),
    "inversion": Amount(
        label="Inversion", most=100.0, step=5.0, format="%g %%", worth=100.0,
        sentence="Shows so many of a hundred images dark on light.",
    ),
}  # fmt: skip


def as_shown(augmentation: Augmentation) -> Augmentation:
    """Return the nearest that the form can show: a choice as it is, else sliders at their steps."""
    if augmentation in CHOICES.values():
        return augmentation
    amounts = augmentation.as_dict().items()
    return Augmentation(**{n: AMOUNTS[n].shown(v) / AMOUNTS[n].worth for n, v in amounts})


def together(one: Augmentation, other: Augmentation) -> Augmentation:
    """Return what is as strong as the stronger of both in every respect."""
    amounts = other.as_dict()
    return Augmentation(
        **{name: max(value, amounts[name]) for name, value in one.as_dict().items()}
    )


def in_words(augmentation: Augmentation) -> str:
    """Return a phrase about the images: "images gently changed", "images turned by up to 10°"."""
    names = {amounts: choice.lower() for choice, amounts in CHOICES.items()}
    return f"images {names.get(augmentation) or augmentation.in_words()}"


class Shown(Distortions):
    """What the sliders can show, and nothing between their steps."""

    __slots__ = ()

    def read(self, text: str) -> Augmentation:
        asked = Distortions.read(self, text)
        shown = as_shown(asked)
        pairs = zip(asked.as_dict().values(), shown.as_dict().values(), strict=True)
        if all(abs(one - other) < 1e-9 for one, other in pairs):
            return shown
        most = (f"{n} {a.most / a.worth:g} by {a.step / a.worth:g}" for n, a in AMOUNTS.items())
        raise ConfigError(f"the sliders go up to {', '.join(most)}")
