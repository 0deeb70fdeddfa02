"""Augment form: how images are changed while a network trains, chosen by looking at them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st

from dashboard import state
from dashboard.components.tiles import tiles
from dashboard.present import pictures
from dashboard.present.samples import choose
from nnengine.data.augment import GENTLE, NONE, STRONG, Augmentation, augmented
from nnengine.data.dataset import Dataset

AS_THEY_ARE, OWN = "Images as they are", "My own"
CHOICES = {AS_THEY_ARE: NONE, "Gently changed": GENTLE, "Strongly changed": STRONG}
SHOWN = 6  # images of the preview: what a phone and the narrow column hold


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


def augment_form(data: Dataset) -> None:
    """Offer the choices, sliders for one's own, and a preview on images of `data`."""
    state.set_widget("train.images", AS_THEY_ARE, over=False)
    with st.container(border=True):
        st.markdown("## Images while training")
        st.radio(
            "Images while training", [*CHOICES, OWN], key=state.widget("train.images"),
            label_visibility="collapsed", on_change=_chosen_anew,
        )  # fmt: skip
        now = chosen()
        anew = f"{now.in_words().capitalize()}, anew each time an image is shown."
        st.caption(anew if now else "The same images in every epoch.")
        _preview(data)
        if state.widget_value("train.images") == OWN:
            _sliders()


def chosen() -> Augmentation:
    """Return what the form says now."""
    choice = state.widget_value("train.images", AS_THEY_ARE)
    return CHOICES[choice] if choice in CHOICES else _own()


def fill(augmentation: Augmentation) -> None:
    """Put an augmentation into the form; amounts beyond a slider's end stop there."""
    names = {preset: choice for choice, preset in CHOICES.items()}
    state.set_widget("train.images", names.get(augmentation, OWN))
    if augmentation not in names:
        _fill_sliders(augmentation)
    state.put("train.images_before", state.widget_value("train.images"))


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


def _own() -> Augmentation:
    said = {name: state.widget_value(f"train.own.{name}") or 0.0 for name in AMOUNTS}
    return Augmentation(**{name: value / AMOUNTS[name].worth for name, value in said.items()})


def _fill_sliders(augmentation: Augmentation) -> None:
    for name, value in augmentation.as_dict().items():
        state.set_widget(f"train.own.{name}", AMOUNTS[name].shown(value))


def _chosen_anew() -> None:
    """Let one's own settings begin with the choice before, unless there are some already."""
    choice, before = state.widget_value("train.images"), state.get("train.images_before")
    if choice == OWN and not _own():
        _fill_sliders(CHOICES.get(before, NONE))
    state.put("train.images_before", choice)


def _sliders() -> None:
    for name, amount in AMOUNTS.items():
        state.set_widget(f"train.own.{name}", 0.0, over=False)
        st.slider(
            f"**{amount.label}.** {amount.sentence}", 0.0, amount.most, step=amount.step,
            format=amount.format, key=state.widget(f"train.own.{name}"),
        )  # fmt: skip


# The preview -----------------------------------------------------------------------------


def _preview(data: Dataset) -> None:
    """Show a few images as they are, and beneath them the same after each choice.

    One's own choice is set by looking at it alone.
    """
    turn = state.get("train.images_turn", 0)
    images = data.images[choose(data.labels, SHOWN, seed=turn)]
    own = state.widget_value("train.images") == OWN
    choices = {AS_THEY_ARE: NONE, OWN: _own()} if own else CHOICES
    rows = [augmented(images, augmentation, turn) for augmentation in choices.values()]
    strips = np.stack([pictures.mosaic(row, columns=SHOWN) for row in rows])
    tiles(
        pictures.png(strips.reshape(-1, *strips.shape[2:])),
        columns=1, shape=strips.shape[1:3], captions=list(choices),
        labels=[f"{choice}: {SHOWN} training images" for choice in choices],
        label="The same training images after each choice", key="train.images", tile_px=264,
    )  # fmt: skip
    st.button("Others", key="train.images_others", on_click=_others, help="Other images.")


def _others() -> None:
    state.put("train.images_turn", state.get("train.images_turn", 0) + 1)
