"""Moment link: a moment of a run in an address, and the run that whoever opens it trains anew."""

from __future__ import annotations

import bisect
from dataclasses import dataclass

import streamlit as st

from dashboard import state
from dashboard.components.link_box import link_box
from dashboard.present.outside import plain
from dashboard.runs import address
from dashboard.runs.recipe import Recipe
from dashboard.runs.run import Run
from nnengine.core.network import Network
from nnengine.errors import EngineError
from nnengine.storage import links

_ASKED, _NETWORK = "moment.asked", "moment.network"
MOST_DIGEST = 16  # characters: enough to tell data apart, and no proof against forgery


@dataclass(frozen=True)
class Asked:
    """What a link asks to see: the step of a recipe's run, and the data it was trained on."""

    recipe: Recipe
    step: int
    digest: str


def offer(run: Run, network: Network, step: int) -> None:
    """Offer this moment as a link: as a recipe to train anew, or with its weights."""
    if state.hides("share"):
        return
    with st.expander("Link to this moment", icon=":material/share:"):
        if len(run.course) == 1:
            _as_recipe(run, step)
        else:
            st.caption(
                "This run's settings were changed on its way, and a link holds one recipe: it "
                "cannot be trained anew from a link."
            )
        _with_weights(run, network, step)


def _as_recipe(run: Run, step: int) -> None:
    """Offer the moment as the run's recipe and data, to be trained up to there."""
    record = run.snapshot.training[-1] if run.snapshot.training else {}
    digest = str(record.get("data_digest", ""))[:MOST_DIGEST]
    source = state.source_of(run)
    data = None if source in (state.FILES, state.MINE) else source
    link_box(
        f"train?{address.link(run.recipe, data, moment=(step, digest))}", key="moment.link",
        label="Link to this moment of the run",
    )  # fmt: skip
    st.caption(
        "Holds recipe, seed and the digest of the data. Whoever opens it trains the run anew on "
        "their own machine, with the same data and kernels to the same bits, and sees this step."
        + ("" if data else " Your data are not in it: they need the same files.")
    )


def _with_weights(run: Run, network: Network, step: int) -> None:
    """Offer the network itself in a link, made when it is asked for."""
    key, text = state.get(_NETWORK) or (None, "")
    if key != (run.id, step):
        st.button(
            "Put the network itself into a link", key="moment.prepare", on_click=_prepare,
            args=(run, network, step),
        )  # fmt: skip
    elif text.startswith("draw#"):
        link_box(text, key="moment.network", label="Link to the network of this moment")
        st.caption("Opens the Draw page with these weights, rounded once more: nothing is trained.")
    else:
        st.caption(plain(text))


def _prepare(run: Run, network: Network, step: int) -> None:
    text = ""
    for bits in links.BITS:
        try:
            text = f"draw#net={links.encode(network, bits, name=f'{run.name}, step {step:,}')}"
            break
        except EngineError as fault:
            text = f"The network itself does not fit: {fault}."
    state.put(_NETWORK, ((run.id, step), text))


# What comes ------------------------------------------------------------------------------


def ask(asked: address.Asked) -> None:
    """Remember the moment that a link asks for, if any."""
    if asked.moment is not None and asked.recipe is not None:
        state.put(_ASKED, Asked(asked.recipe, *asked.moment))


def awaits(run: Run) -> bool:
    """Return whether a moment that a link asked for is of this run, and not seen yet."""
    asked = state.get(_ASKED)
    return asked is not None and asked.recipe == run.recipe


def asked_step(run: Run, steps: list[int]) -> int | None:
    """Return the step to open at, once, when the run is past what a link asked for.

    Past it, not at it: a slider at the newest moment goes on with the run. The nearest before it,
    where a run was stopped and its last moment is not in anybody's plan.
    """
    if not awaits(run):
        return None
    step = state.get(_ASKED).step
    if steps[-1] <= step and not run.ended:
        return None
    state.put(_ASKED, None)
    return steps[max(bisect.bisect_right(steps, step) - 1, 0)]


def invitation() -> None:
    """Say what a link to a moment is for, and offer to train its run; on the Train page."""
    asked = state.get(_ASKED)
    run = state.current_run()
    if asked is None or (run is not None and awaits(run)):
        return
    data = state.training_set()
    with st.container(border=True, key="moment-card"):
        st.markdown(f"**This link opens step {asked.step:,} of a run**")
        st.write(
            "Its recipe is in the form. It is trained here anew, with the same data and kernels to "
            "the same bits, and the slider under the curves then stands at that step."
        )
        if data is not None and asked.digest and not data.digest.startswith(asked.digest):
            st.warning(
                plain(
                    f"It was trained on other images (digest {asked.digest}) than {data.name} "
                    f"(digest {data.digest[:MOST_DIGEST]}): here it will come to other weights. "
                    "Choose its data on the Data page first."
                )
            )
        with st.container(horizontal=True):
            if data is None:
                st.page_link("views/data.py", label="Choose data", icon=":material/database:")
            else:
                st.button("Train it here", type="primary", key="moment.train", on_click=_train)
            st.button("Not now", key="moment.not", on_click=state.put, args=(_ASKED, None))
        if refused := state.get("moment.refused"):
            st.error(plain(refused))
            state.put("moment.refused", None)


def _train() -> None:
    asked = state.get(_ASKED)
    try:
        state.start_run(asked.recipe, name=f"From a link, step {asked.step:,}")
    except state.Refused as fault:
        state.put("moment.refused", str(fault))
