"""Pages shown hostile names: every text of every page has gone through the door."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard import state
from dashboard.store.networks import Entry
from dashboard.store.visits import Kept
from nnengine import demo
from nnengine.storage import links
from tests import hostile
from tests.pages import APP, idx, new_visit, open_page, words

# What Streamlit reads as Markdown, by the names of its messages' fields.
FIELDS = frozenset("body label help text caption content delta proto_label".split())
PAGES = ("start", "data", "train", "weights", "draw", "fragility", "models", "about")


@pytest.fixture
def visit():
    """A visitor everything of whom is called by hostile names."""
    found = new_visit(
        {
            hostile.ALL: hostile.pictures(),
            hostile.TEXTS[0]: b"no known format",
            hostile.TEXTS[4]: idx(np.zeros(3, np.uint8)),
        }
    )
    found.source = state.FILES
    digits = tuple("0123456789")  # whom the built-in images fit
    for id, names in (("digits", digits), ("many", hostile.TEXTS), ("few", hostile.TEXTS[:10])):
        entry = Entry(hostile.network(names).snapshot(), hostile.ALL, "link", id)
        found.networks.keep(dataclasses.replace(entry, said=hostile.ALL))
    found.mine = [Kept(i, np.eye(28, dtype=np.uint8), name) for i, name in enumerate(hostile.TEXTS)]
    return found


def texts(node) -> Iterator[str]:
    """Yield every text of the page that is read as Markdown, and those in charts."""
    for child in getattr(node, "children", {}).values():
        proto = getattr(child, "proto", None)
        if proto is not None and child.type not in ("html", "text_input"):
            for field, value in proto.ListFields():
                if isinstance(value, str) and field.name in FIELDS:
                    yield value
        if child.type in ("radio", "button_group"):
            yield from child.options
        yield from texts(child)


def seen(at: AppTest) -> list[str]:
    return list(texts(at.main))


def charts(at: AppTest) -> Iterator[str]:
    """Yield the figures of a page as JSON, with < and > as themselves."""
    for element in at.get("bidi_component"):
        if figure := json.loads(element.proto.json or "{}").get("figure"):
            yield figure.replace("\\u003c", "<").replace("\\u003e", ">")


def opened(page: str, visit) -> AppTest:
    """Open a page; Fragility with a network that it can measure, as soon as all is measured."""
    if page == "fragility":
        visit.networks.choose("link:digits")
    at = open_page(page, visit)
    for _ in range(40):
        if "Measuring" not in words(at):
            break
        at.run()
    return at


@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_no_hostile_name_as_markdown(page, visit):
    at = opened(page, visit)
    assert not at.exception and "could not be drawn" not in words(at)
    for text in seen(at):
        for name in hostile.MAKING:
            assert name not in text
    for figure in charts(at):
        assert not re.search(r"<(a|img|b)\b|%\{y\} &lt;", figure)


def test_the_visit_s_hostile_names_are_on_the_pages_all_the_same(visit):
    for page in ("data", "draw", "weights", "fragility"):
        assert "example" in "\n".join(seen(opened(page, visit))), page


def test_a_run_with_a_hostile_name_is_shown_as_it_is_called(visit, stripes):
    at = open_page("train", visit)
    at.text_input(key="keep.train.name").set_value(hostile.TEXTS[0][:60]).run()
    at.button(key="start").click().run()
    assert visit.runs and not at.exception
    state.registry().scheduler.stop(visit.runs[0])
    at.run()
    assert "picture" in "\n".join(seen(at))
    for page in ("train", "weights", "models", "fragility"):
        at = open_page(page, visit)
        assert not at.exception
        assert all(hostile.TEXTS[0] not in text for text in seen(at))


def test_links_may_say_what_they_like():
    network = hostile.network(hostile.TEXTS[:4])
    text = links.encode(network, 4, name=hostile.TEXTS[0], judged_on=hostile.TEXTS[1])
    for query in (
        {"net": text},
        {name: hostile.TEXTS[0] for name in ("data", "hide", "hidden", "optimizer", "rate", "run")},
    ):
        at = AppTest.from_file(str(APP), default_timeout=240)
        for name, value in query.items():
            at.query_params[name] = value
        at.run()
        assert not at.exception
        assert all(h not in text for text in seen(at) for h in hostile.MAKING)
        assert "example" in words(at)


def test_a_demo_page_holds_hostile_names_as_text_alone():
    text = demo.page(hostile.network(), hostile.ALL, note=hostile.ALL)
    text.encode()
    before, _, rest = text.partition('<script type="application/json" id="network">')
    assert "<img" not in text and "<a href" not in text
    assert "tag.example" in before and "tag.example" in rest


def test_networks_of_one_name_are_each_the_one_that_is_chosen(visit):
    for key in ("link:many", "link:digits", "link:few"):
        visit.networks.choose(key)
        assert key == open_page("models", visit).selectbox[0].value
