"""My digits: the drawings a visitor keeps, as the network in hand reads them."""

from __future__ import annotations

import numpy as np
import streamlit as st

from dashboard import state
from dashboard.components.pager import pager
from dashboard.components.tiles import tiles
from dashboard.present import answers, pictures
from dashboard.present.marks import Mark, score
from dashboard.present.outside import SHORT, plain
from dashboard.sections import finetuning, tell
from dashboard.store.networks import Entry
from nnengine.data import readers

PER_PAGE = 60


def marks(held: Entry) -> list[Mark]:
    """Return every kept drawing, newest first, with what this network says to it."""
    drawings = state.kept()[::-1]
    if not drawings or not answers.readable(held.network):
        return [Mark(one.id, one.image, one.name, None) for one in drawings]
    images = np.stack([one.image for one in drawings])
    said = held.network.predict(answers.seen(held.network, images))
    names = held.network.class_names
    return [
        Mark(one.id, one.image, one.name, names[i] if one.name in names else None)
        for one, i in zip(drawings, said, strict=True)
    ]


def my_digits(held: Entry) -> None:
    """Show the kept drawings with what the network says to them, and what can be done with them."""
    st.header("My digits")
    found = marks(held)
    if not found:
        st.caption(
            "None yet. Say what a drawing is, and it is kept here: to teach networks your hand, "
            "to download, and to train on."
        )
        return
    st.caption(f"{score(found).capitalize()} by {plain(held.name)}, newest first.")
    shown = [found[i] for i in pager("Drawings", len(found), PER_PAGE, key="draw.page")]
    chosen = state.get("draw.chosen")
    columns = min(12, len(shown))
    clicked = tiles(
        pictures.png(pictures.sheet(np.stack([m.image for m in shown]), columns=columns)),
        columns=columns, shape=(28, 28), captions=[m.caption for m in shown],
        labels=[m.sentence for m in shown], ids=[m.id for m in shown], selected=chosen,
        label="My digits; choose one to delete it", key="draw.mine", tile_px=56,
    )  # fmt: skip
    if clicked is not None and clicked != chosen:
        state.put("draw.chosen", clicked)
        st.rerun()
    _actions(held, found, next((m for m in shown if m.id == chosen), None))


def _actions(held: Entry, found: list[Mark], chosen: Mark | None) -> None:
    """Offer to delete, download and teach the kept drawings."""
    with st.container(horizontal=True, gap="small"):
        if finetuning.mine(held.network) is not None:
            st.button("Teach all of them", on_click=tell.again, icon=":material/school:")
        st.button(
            f"Delete this {plain(chosen.name, SHORT)}" if chosen else "Delete one",
            on_click=state.delete_kept, args=(chosen.id,) if chosen else (),
            disabled=chosen is None, icon=":material/delete:", key="draw.delete",
            help=None if chosen else "Choose one above first.",
        )  # fmt: skip
        with st.popover("Delete all", icon=":material/delete_sweep:"):
            st.write(f"All {len(found)} drawings of yours? Taught networks keep what they learnt.")
            st.button(
                "Delete all of them", key="draw.delete.all", type="primary",
                on_click=state.delete_kept, args=tuple(m.id for m in found),
            )  # fmt: skip
        data = state.my_digits() or state.my_digits(held.network.class_names)
        if data is not None:
            st.download_button(
                "Download as IDX", lambda: readers.idx_files({"my-digits": data}),
                file_name="my-digits.zip", mime="application/zip", on_click="ignore",
                key="draw.download", icon=":material/download:",
                help="A zip of two gzipped IDX files, images and labels. As a data set of its "
                "own they stand on the Data page too.",
            )  # fmt: skip
