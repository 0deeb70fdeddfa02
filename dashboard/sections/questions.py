"""Questions about files: which set of several; whether images turned or inverted are put right, and
whether those in colour stay so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import streamlit as st

from dashboard import state
from dashboard.components.tiles import tiles
from dashboard.present import pictures
from dashboard.present.outside import plain, shown
from nnengine.data.readers import inverted, to_grey, turned
from nnengine.errors import EngineError

ASKED_ABOUT = 8  # images shown beside a question


@dataclass(frozen=True, kw_only=True)
class Question:
    """One thing that may be wrong with images: what is said, shown and done about it."""

    key: str
    title: str
    why: str
    otherwise: str  # what the images are called once it is done
    do: str
    undo: str
    no: str = "Leave them as they are"
    rather: bool = True  # whether doing it is what most will want
    preview: Callable[[np.ndarray], np.ndarray]
    asked: Callable[[], list[int]]
    change: Callable[[int], None]
    leave: Callable[[int], None]


COLOUR = Question(
    key="grey",
    title="these are in colour. Keep the colours?",
    why="With colours an image is three numbers a pixel: red, green and blue. Where they tell "
    "classes apart a network needs them; where they do not, grey images say the same in a third of "
    "the numbers, and look more like drawings, which have no colour.",
    otherwise="As grey",
    do="Make them grey",
    undo="Back to colours",
    no="Keep the colours",
    rather=False,
    preview=to_grey,
    asked=state.have_colours,
    change=state.grey_file,
    leave=state.keep_colours,
)
TURNED = Question(
    key="turn",
    title="these look turned. Turn them?",
    why="Rows and columns seem to be exchanged, as in EMNIST's files. A network learns them "
    "either way, but what you draw would look strange to it.",
    otherwise="Turned",
    do="Turn them",
    undo="Turn back",
    preview=turned,
    asked=state.seem_turned,
    change=state.turn_file,
    leave=state.leave_upright,
)
LIGHT = Question(
    key="invert",
    title="these look dark on light. Invert them?",
    why="MNIST, and what you draw here, are light on dark. The other way round a network learns "
    "slowly or not at all, for nearly all of its inputs are lit, and drawings would be strange to "
    "it.",
    otherwise="Inverted",
    do="Invert them",
    undo="Invert back",
    preview=inverted,
    asked=state.seem_light,
    change=state.invert_file,
    leave=state.leave_light,
)


def ask_all() -> None:
    """Ask whatever there is to be asked about the files in hand."""
    files = state.files()
    for index in state.to_be_chosen():
        _ask_which(index, files[index])
    for question in (COLOUR, LIGHT, TURNED):
        for index in question.asked():
            _ask(question, index, files[index])


def _ask_which(index: int, file) -> None:
    """Ask which of the sets in a file is wanted, or how it is to be read."""
    sets, key = file.contents.choices, f"data.which.{index}"
    with st.container(border=True):
        asked = file.contents.asked or f"holds {len(sets)} sets. Which one?"
        st.markdown(f"## {plain(file.name)} {plain(asked)}")
        if file.contents.asked:
            st.write(plain(file.contents.fault))
        chosen = st.selectbox("Set", sets, key=key, format_func=shown)
        if st.button("Read it", type="primary", key=f"{key}.read"):
            with st.spinner("Reading"):
                state.choose_set(index, str(chosen))
            st.rerun()


def undoing(file) -> Iterator[Question]:
    """Yield the questions that were answered with yes, which can be undone."""
    if file.grey:
        yield COLOUR
    if file.inverted:
        yield LIGHT
    if file.turned:
        yield TURNED


def change(question: Question, index: int) -> None:
    """Change a file's images; what the server refuses is shown on the page."""
    try:
        question.change(index)
    except EngineError as fault:
        state.put("data.refused", str(fault))


def _ask(question: Question, index: int, file) -> None:
    """Ask one question, and show the images both ways."""
    images, key = _images(file), question.key
    with st.container(border=True):
        st.markdown(f"## {plain(file.name)}: {question.title}")
        st.write(question.why)
        ways = (("As they are", images), (question.otherwise, question.preview(images)))
        for column, (way, shown) in zip(st.columns(2), ways, strict=True):
            with column:
                st.markdown(way)
                tiles(
                    pictures.png(pictures.mosaic(shown, columns=len(shown), gap=0)),
                    columns=len(shown), shape=shown.shape[1:3], captions=[""] * len(shown),
                    labels=[f"Image {i}, {way.lower()}" for i in range(len(shown))],
                    label=way, key=f"data.{key}ed.{way}.{index}", tile_px=48,
                )  # fmt: skip
        with st.container(horizontal=True):
            _buttons(question, index)


def _buttons(question: Question, index: int) -> None:
    """Offer to do it and to leave it, first what most will want."""
    offers = [
        (question.do, change, (question, index), f"data.{question.key}.{index}"),
        (question.no, question.leave, (index,), f"data.leave.{question.key}.{index}"),
    ]
    kinds = ("primary", "secondary")
    for kind, (words, act, how, key) in zip(
        kinds, offers if question.rather else offers[::-1], strict=True
    ):
        st.button(words, type=kind, on_click=act, args=how, key=key)


def _images(file) -> np.ndarray:
    images = file.array if file.contents.train is None else file.contents.train.images
    step = max(1, len(images) // ASKED_ABOUT)
    return images[::step][:ASKED_ABOUT]
