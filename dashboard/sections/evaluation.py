"""Evaluation: how the network in hand does on the data in hand, down to single images."""

from __future__ import annotations

import streamlit as st

from dashboard import state
from dashboard.components.live_plot import live_plot
from dashboard.components.table import table
from dashboard.components.tiles import tiles
from dashboard.present import figures, glossary, judging, pictures
from dashboard.present.follow import At
from dashboard.present.judging import Judgement
from dashboard.present.outside import plain, shown
from dashboard.sections import follow_choice, next_steps
from dashboard.sections.robustness import examination
from dashboard.store.budget import of_result
from dashboard.store.networks import Entry
from nnengine.core.metrics import evaluate
from nnengine.core.network import Network
from nnengine.data.dataset import Dataset
from nnengine.errors import EngineError

GALLERY = 40  # images of a page behind a cell
PER_ROW = 10  # tiles of a sheet's row; on screen they wrap


def judge(held: Entry) -> None:
    """Evaluate on the loaded data when asked, and show the last result."""
    st.header("Evaluate", help=glossary.explained("Test images", "Accuracy", "Loss"))
    sets = {"test": state.test_set(), "training": state.training_set()}
    sets = {name: data for name, data in sets.items() if data is not None}
    if not sets:
        st.write("No data to judge by: drop a test set of images and labels on the Data page.")
        st.page_link("views/data.py", label="Go to Data", icon=":material/database:")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        source = st.selectbox(
            "Data", list(sets), width=300, key="models.data",
            format_func=lambda name: f"{name.capitalize()} set: {sets[name].count:,} images",
        )  # fmt: skip
        asked = st.button("Evaluate", type="primary", key="models.evaluate")
    if asked and not _evaluate(held.network, sets[source], source):
        return
    judged = state.pinned("models.judged")
    if judged:
        _verdict(held, judged)


def _evaluate(network: Network, data: Dataset, source: str) -> bool:
    """Judge a network by these data; return False where that cannot be, which is then said."""
    try:
        with st.spinner("Evaluating"):
            found = evaluate(network, data)
    except EngineError as fault:
        st.error(plain(fault))
        return False
    judged = judging.Judgement(network, data, source, found)
    state.pin("models.judged", judged, of_result(network, data))
    return True


def _verdict(held: Entry, judged: Judgement) -> None:
    """Show an evaluation: numbers, the table of classes, the confusion matrix, the images."""
    found, count = judged.evaluation, judged.dataset.count
    if not judged.is_of(held.network):
        st.info("The weights in hand have changed since this was measured: evaluate again.")
    for column, (name, value) in zip(
        st.columns(3),
        [("Accuracy", f"{100 * found.accuracy:.2f} %"), ("Loss", f"{found.loss:.4f}"),
         ("Errors", f"{judged.errors:,} of {count:,}")],
        strict=True,
    ):  # fmt: skip
        column.metric(f"{name}, {judged.source} set", value, border=True,
                      help=glossary.of_label(name))  # fmt: skip
    next_steps.after_evaluation()
    left, right = st.columns([3, 2], gap="large")
    with right:
        st.markdown("## Class by class", help=glossary.explained("Class"))
        table(("Class", "Images", "Precision", "Recall"), judging.per_class(judged), "Classes")
    cell = _square(judged)  # stands below the matrix, but decides which cell is framed
    with left:
        _matrix(judged, cell)
    _gallery(judged, cell)


def _square(judged: Judgement) -> tuple[int, int]:
    """Offer the squares of the matrix by name; a click on the matrix sets this list anew."""
    st.markdown("## The images behind a square")
    confusion, clicks, clicked = judged.evaluation.confusion, *state.get("models.click", (0, None))
    options = judging.cells(confusion)
    if clicked and max(clicked) < len(confusion) and clicked not in options:
        options = [clicked, *options]
    return st.selectbox(
        "Square", options, index=options.index(clicked) if clicked in options else 0, width=400,
        format_func=lambda cell: shown(judging.cell_words(cell, confusion, judged.names)),
        key=f"models.square.{clicks}",
    )  # fmt: skip


def _matrix(judged: Judgement, cell: tuple[int, int]) -> None:
    """Show the confusion matrix with this cell framed; a click chooses another."""
    st.markdown("## Which class is taken for which", help=glossary.explained("Confusion matrix"))
    st.caption("Right answers in blue, errors in orange. Choose a square to see its images.")
    dark = st.context.theme.type == "dark"
    clicked = live_plot(
        figures.confusion(judged.evaluation.confusion, judged.names, chosen=cell, dark=dark),
        key="models.confusion",
        selectable=True,
        label="Confusion matrix, true class by predicted class; the list below it names"
        " every square with its count",
    )
    if clicked and tuple(map(int, clicked[:2])) != cell:
        clicks, _ = state.get("models.click", (0, None))
        state.put("models.click", (clicks + 1, tuple(map(int, clicked[:2]))))
        st.rerun()


def _gallery(judged: Judgement, cell: tuple[int, int]) -> None:
    """Show the images behind one square of the confusion matrix."""
    indices = judging.behind(judged, cell)
    if not len(indices):
        st.write("No image fell into this square.")
        return
    shown = indices[:GALLERY]
    captions, labels = judging.gallery_words(judged, shown)
    images = judged.dataset.images[shown]
    followed = examination(judged.network)
    pressed = tiles(
        pictures.png(pictures.sheet(images, columns=min(PER_ROW, len(shown)))),
        columns=min(PER_ROW, len(shown)), shape=judged.dataset.image_shape,
        captions=captions, labels=labels, label="Images behind the square", key="models.gallery",
        ids=[int(i) for i in shown] if followed and followed[0] is judged.dataset else None,
    )  # fmt: skip
    if pressed is not None:  # an image is pressed: it is followed
        follow_choice.open_at(At(image=pressed))
    if len(indices) > len(shown):
        st.caption(f"The {len(shown)} answered most surely, of {len(indices):,}.")
