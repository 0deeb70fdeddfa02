"""The frame around every page: path, threads of BLAS, navigation, one heartbeat."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# One BLAS thread: with two, small products beside Streamlit ran 14 times slower (242 against
# 3,382 steps/s). It must be said before NumPy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# `streamlit run dashboard/app.py` puts dashboard/ on the path, not the folder above it.
ROOT = str(Path(__file__).resolve().parent.parent)
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

import streamlit as st  # noqa: E402

from dashboard.host import flushing, tab, uploads  # noqa: E402

tab.repair()  # before the first component is made
uploads.share_bytes()
if not tab.IN_TAB:
    flushing.in_turn()

from dashboard import state  # noqa: E402
from dashboard.present.outside import plain  # noqa: E402
from dashboard.sections import from_link, kept_here, live, sharing  # noqa: E402
from dashboard.sections.guard import guarded  # noqa: E402

VIEWS = Path(__file__).parent / "views"
PAGES = (
    "Start", "Data", "Train", "Compare", "Search", "Weights", "Draw", "Follow", "Fragility",
    "Lesson", "Check", "Models", "About",
)  # fmt: skip

# Streamlit leaves 6rem above a page, cuts long metrics short, and writes the chosen segment of a
# control and the value of a slider in the primary colour, whose contrast in dark is 3.7 only, and
# captions with 4.0 in light. The one in a tab gives popovers 5 px less than their words take. Where
# a page takes long to draw it offers a Stop of its own, which ends the drawing and not the run.
# A link or a box to tick that has the focus it gives a tint that is hardly seen; and a link to
# itself beside every heading, which the Tab key would stop at: at 12 of the first 45 on Follow.
st.html(
    "<style>.stMainBlockContainer { padding-top: 4rem; }"
    "[data-testid=stCaptionContainer] { color: inherit; opacity: 0.75 }"
    "[data-testid=stPopover] button > * { min-width: max-content }"
    "[data-testid=stStatusWidget] button { display: none }"
    "[data-testid=stMetricValue] { font-size: 1.5rem; }"
    "[data-testid=stSliderThumbValue] { color: inherit }"
    "[class*=st-key-ticker] { position: absolute }"
    "a:focus-visible, label:has(input:focus-visible) { outline: 3px solid; outline-offset: 1px }"
    "[data-testid=stHeaderActionElements] > a { display: none }"
    ".stButtonGroup [aria-checked=true] { color: inherit !important }</style>"
)


def to_start() -> None:
    """Lead on whoever typed the start page's name."""
    view = {"view": how} if (how := state.view()) else {}
    st.switch_page(start, query_params=state.address() | view)


@st.fragment(run_every=None if tab.IN_TAB else 30)
def heartbeat() -> None:
    """Tell the server that somebody is still here, whichever page is open."""
    state.beat()


with state.drawing():
    state.come_back()
    state.begin()
    first, *others = PAGES
    # The start page is found at "/". Its name is free to lead there.
    start = st.Page(VIEWS / f"{first.lower()}.py", title=first, default=True, url_path="home")
    pages = [start, *(st.Page(VIEWS / f"{name.lower()}.py", title=name) for name in others)]
    pages.append(st.Page(to_start, title=first, url_path=first.lower(), visibility="hidden"))
    page = st.navigation(pages, position="top")
    st.set_page_config(page_title=f"{page.title} · nnengine", page_icon="🔢", layout="wide")
    heartbeat()
    with st.container():  # the page stays in its place when a sentence comes or goes
        kept_here.welcome_back()
        kept_here.not_kept()
        kept_here.not_there()
        guarded(from_link.follow, "A link's data")(page.title)
        guarded(sharing.receive, "A link")(page.title)
        if told := state.notice():
            st.info(plain(told))
    guarded(page.run, page.title)()
    state.keep_up()
    kept_here.line()
    live.keep_training()
