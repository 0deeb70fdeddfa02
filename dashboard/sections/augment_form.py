"""Augment form: how images are changed while a network trains, chosen by looking at them."""

from __future__ import annotations

import numpy as np
import streamlit as st

from dashboard import state
from dashboard.components.tiles import tiles
from dashboard.host.tab import IN_TAB
from dashboard.present import glossary, pictures
from dashboard.present.samples import choose
from dashboard.runs.amounts import AMOUNTS, AS_THEY_ARE, CHOICES
from nnengine import kernels
from nnengine.data.augment import NONE, Augmentation, augmented
from nnengine.data.dataset import Dataset
from nnengine.training.settings import SETTINGS

OWN = "My own"
SHOWN = 6  # images of the preview: what a phone and the narrow column hold


def augment_form(data: Dataset) -> None:
    """Offer the choices, sliders for one's own, and a preview on images of `data`."""
    state.set_widget("train.images", AS_THEY_ARE, over=False)
    label = SETTINGS["augmentation"].label
    with st.container(border=True):
        st.markdown(f"## {label}", help=glossary.of_setting("augmentation", ""))
        st.radio(
            label, [*CHOICES, OWN], key=state.widget("train.images"),
            label_visibility="collapsed", on_change=_chosen_anew,
            help=glossary.of_setting("augmentation", ""),
        )  # fmt: skip
        now = chosen()
        anew = f"{now.in_words().capitalize()}, anew each time an image is shown."
        st.caption(anew if now else "The same images in every epoch.")
        if _can_show():
            _preview(data)
        else:
            st.fragment(_await_kernels, run_every=1.0)()
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


def _can_show() -> bool:
    """Return whether the preview can be drawn at once.

    What changes images is compiled too. Whoever asks before it is waits for all of the compiler's
    work, and with him his page: a click on Start did nothing meanwhile.
    """
    return IN_TAB or kernels.name != "numba" or state.scheduler().warm


def _await_kernels() -> None:
    """Say why there is no preview yet, and draw the page anew once there can be one."""
    if _can_show():
        st.rerun()
    st.caption("Examples come as soon as the kernels are compiled.")


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
