"""Sharing: what comes in a link is taken in hand, and what is in hand is put into one."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from urllib.parse import urlencode

import streamlit as st

from dashboard import state
from dashboard.components.arrival import arrival
from dashboard.components.link_box import link_box
from dashboard.present import units
from dashboard.present.outside import plain
from dashboard.runs import address
from dashboard.runs.fields import BENEATH, hideable
from dashboard.runs.recipe import Recipe
from dashboard.sections import from_link, moment_link, recipe_form, temperature
from dashboard.store.budget import of_network
from dashboard.store.networks import Entry, for_pages, looks_at
from nnengine import demo
from nnengine.core.network import Network
from nnengine.data.dataset import Dataset
from nnengine.errors import ConfigError, EngineError
from nnengine.storage import links

MOST_JUDGED = 10_000  # images before and after: a second or two in a tab without kernels
START = from_link.START
FRONT = (START, "Data")  # links of earlier versions lead there
_TAKEN, _FAULTS, _PREPARED = "link.taken", "link.faults", "share.prepared"


# What comes ------------------------------------------------------------------------------


def receive(page: str) -> None:
    """Take in what the address brings, once; `page` is the title of the one it opened.

    The frame calls this before every page. A recipe that came to the first pages is shown on the
    one where it can be started; a set of data that came to the very first, where it can be seen.
    """
    sent = arrival(page, state.way_back(), key="arrival")
    said = state.address()
    if sent is None and "net" in said:  # short ones may come this way too
        sent = said["net"]
    if sent is not None:
        rest = {name: value for name, value in said.items() if name != "net"}
        state.keep_in_address(rest, without=("net",))
        _open_network(sent)
        if page != "Draw":
            st.switch_page("views/draw.py")
        st.rerun()
    if said and said != state.get(_TAKEN):
        state.put(_TAKEN, said)
        state.keep_in_address(said)
        asked = address.read(said, state.sources().keys() - {state.FILES, state.MINE},
                             state.bounds())  # fmt: skip
        _take(asked, urlencode(said))
        if asked.recipe and page in FRONT:
            st.switch_page("views/train.py")
        if asked.data and page == START:
            st.switch_page("views/data.py")
    _tell()
    if page == "Train":
        moment_link.invitation()


def _take(asked: address.Asked, link: str) -> None:
    """Put what a link asks for into the form; take its data when it is followed first."""
    faults = list(asked.faults)
    if asked.data and state.new_link(link):
        try:
            if state.is_here(asked.data):
                state.use_source(asked.data)
            else:
                title = state.sources()[asked.data]
                faults.append(
                    f"This link is made for {title}, which is not here yet: get it on the Data "
                    "page. The recipe is ready."
                )
        except EngineError as fault:
            faults.append(str(fault))
    if asked.recipe:
        recipe_form.fill(asked.recipe)
        moment_link.ask(asked)
    state.hide(asked.hide)
    state.put(_FAULTS, faults)


def _open_network(text: str) -> None:
    """Hold a network that came in a link, or remember why that cannot be."""
    try:
        link = links.decode(text)
        for_pages(link.network, state.bounds())
    except EngineError as fault:
        state.put(_FAULTS, [f"The network in this link cannot be opened. {_sentence(fault)}"])
        return
    state.put(_FAULTS, [])
    name = link.name or "Network from a link"
    id = f"{zlib.crc32(text.encode()):08x}"
    entry = Entry(link.network.snapshot(), name, "link", id, said=claims(link))
    try:
        gone = state.keep_network(entry)
    except EngineError as fault:
        state.put(_FAULTS, [f"The network in this link is not kept. {_sentence(fault)}"])
        return
    if gone:
        names = ", ".join(one.name for one in gone)
        state.put(_FAULTS, [f"Let go of an earlier network from a link, to make room: {names}."])


def _sentence(fault: EngineError) -> str:
    text = str(fault)
    return f"{text[:1].upper()}{text[1:]}."


def claims(link: links.Link) -> str:
    """Return what came with a network in a link, as a sentence."""
    rounded = f"Its weights came rounded to {link.bits} bits."
    if link.accuracy is None:
        return f"{rounded} Whoever sent it measured nothing."
    where = f" on {link.judged_on}" if link.judged_on else ""
    measured = f"{100 * link.accuracy:.2f} %"
    return f"{rounded} Whoever sent it measured {measured}{where}; measure it yourself on Models."


def _tell() -> None:
    """Say what of a link could not be believed, until that is read."""
    faults = state.get(_FAULTS)
    if not faults:
        return
    with st.container(border=True):
        st.warning("  \n".join(map(plain, faults)))
        st.button("I have read this", key="link.read", on_click=state.put, args=(_FAULTS, []))


def network_card(held: Entry) -> None:
    """Introduce a network that came in a link."""
    if held.kind != "link":
        return
    with st.container(border=True, key="link-card"):
        st.markdown(f"**{plain(held.name)}**, a network that was sent to you in a link")
        st.caption(plain(f"{units.summary(held.network)}. {held.said}"))


# A recipe to send ------------------------------------------------------------------------


def share_recipe(recipe: Recipe | None) -> None:
    """Offer the recipe in the form as a link, with what whoever opens it should not see."""
    if state.hides("share"):
        return
    with st.expander(BENEATH["share"], icon=":material/share:"):
        if recipe is None:
            st.caption("As soon as the settings above make a recipe, its link stands here.")
            return
        labels = hideable()
        hidden = st.multiselect(
            "Hide from whoever opens it", list(labels), key=state.widget("share.hide", labels),
            format_func=labels.get, placeholder="Nothing: the whole form",
            help="For a class: what is hidden keeps the value it has now.",
        )  # fmt: skip
        source = state.source()
        data = None if source in (state.FILES, state.MINE) else source
        link_box(f"train?{address.link(recipe, data, hidden)}", key="share.recipe",
                 label="Link to this recipe")  # fmt: skip
        st.caption(
            "Opens this page with these settings. It holds nothing else of yours"
            + (
                "."
                if data
                else ": your data are not in it, whoever opens it chooses data of their own."
            )
        )


# A page to send --------------------------------------------------------------------------


def demo_page(held: Entry) -> bytes:
    """Return the network as one HTML file, with the curves of its run or of its record."""
    run = state.run_of(held)
    curves = run.history.as_dict() if run and len(run.history) else None
    measured = state.card(held.id).get("measured", {}) if held.kind == "shipped" else {}
    note = ", ".join(f"{100 * said['accuracy']:.1f} % on {of}" for of, said in measured.items())
    return demo.page(temperature.with_line(held), held.name, curves=curves, note=note).encode()


# A network to send -----------------------------------------------------------------------


@dataclass(frozen=True)
class Prepared:
    """A link to a network and what it costs: accuracies in [0, 1], None where nothing fits."""

    bits: int
    text: str
    before: float | None
    after: float | None
    judged_on: str

    @property
    def words(self) -> str:
        """How long the link is, and what rounding changed."""
        length = f"{self.bits} bits a weight: {len(self.text):,} characters"
        if self.before is None or self.after is None:
            return f"{length}, accuracy not measured"
        return f"{length}, {100 * self.before:.2f} % becomes {100 * self.after:.2f} %"


def prepare(held: Entry, judge: tuple[str, Dataset] | None) -> list[Prepared]:
    """Return the links that can hold a network, the most exact first.

    Raises ConfigError, with the way out, where there is none.
    """
    network, name = temperature.with_line(held), held.name
    judged_on = judge[0] if judge else ""
    before = _accuracy(network, judge)
    found, refusal = [], None
    for bits in links.BITS:
        try:
            text = links.encode(network, bits, name=name, accuracy=before, judged_on=judged_on)
        except ConfigError as fault:
            refusal = fault
            continue
        after = _accuracy(links.decode(text).network, judge)
        found.append(Prepared(bits, text, before, after, judged_on))
    if refusal and not found:
        raise refusal
    return found


def _accuracy(network: Network, judge: tuple[str, Dataset] | None) -> float | None:
    if judge is None:
        return None
    data = judge[1]
    return network.accuracy(data.images[:MOST_JUDGED], data.labels[:MOST_JUDGED])


def judge_for(network: Network) -> tuple[str, Dataset] | None:
    """Return (words, data) a network can be measured on: the test set in hand, else the training
    set, else the built-in digits; None where none has its images and classes."""
    named = [("test", state.test_set()), ("training", state.training_set())]
    fits = [(part, data) for part, data in named if data is not None and _fits(network, data)]
    if not fits:
        data = state.built_in().test
        fits = [("test", data)] if _fits(network, data) else []
    if not fits:
        return None
    part, data = fits[0]
    count = min(data.count, MOST_JUDGED)
    return f"{count:,} {part} images of {data.name or 'files'}"[:80], data


def _fits(network: Network, data: Dataset) -> bool:
    return looks_at(network, data) and network.classes >= data.classes


def share_network(held: Entry) -> None:
    """Offer the network in hand as a link, after saying what rounding its weights costs."""
    with st.container(border=True):
        st.header("Share this network")
        st.write("All of it in a link: whoever opens it can draw for it at once.")
        network, prepared = state.pinned(_PREPARED) or (None, None)
        if network is not held.network:
            st.button(
                "Prepare a link", key="share.prepare", on_click=_prepare, icon=":material/share:"
            )
        elif isinstance(prepared, str):
            st.warning(plain(prepared))
        else:
            _offer(prepared)


def _prepare() -> None:
    held = state.network()
    if held is None:
        return
    try:
        prepared = prepare(held, judge_for(held.network))
    except EngineError as fault:
        prepared = _sentence(fault)
    state.pin(_PREPARED, (held.network, prepared), of_network(held.network))


def _offer(prepared: list[Prepared]) -> None:
    words = {one.bits: one.words for one in prepared}
    bits = st.radio(
        "How exact", list(words), format_func=words.get, key="share.bits",
        label_visibility="collapsed",
    )  # fmt: skip
    chosen = next(one for one in prepared if one.bits == bits)
    link_box(f"draw#net={chosen.text}", key="share.network", label="Link to this network")
    measured = f"Measured on {plain(chosen.judged_on)}. " if chosen.judged_on else ""
    st.caption(
        f"{measured}The network stands behind the #: in no server's log, and of no length that a "
        "server refuses. Some mail and chat programs cut long links: the shorter the surer."
    )
