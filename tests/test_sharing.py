"""Links as visitors make and follow them: recipes, hidden controls, networks."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import nnengine
from dashboard import state
from dashboard.runs import address
from dashboard.runs.fields import ELSEWHERE, hideable
from dashboard.runs.recipe import PRESETS
from dashboard.sections import sharing
from dashboard.store.networks import Entry
from nnengine import Network
from nnengine.storage import links
from tests.pages import APP, asked, click, component, idx, new_visit, open_page, words


def follow(query: str, page: str = "") -> AppTest:
    """Open the app as somebody does who was sent `?query`."""
    at = AppTest.from_file(str(APP), default_timeout=240)
    for name, value in parse_qsl(query, keep_blank_values=True):
        at.query_params[name] = value
    at.run()
    assert not at.exception
    return at.switch_page(f"views/{page}.py").run() if page else at


def value(at: AppTest, name: str):
    return at.session_state[f"keep.train.{name}"]


def labels(at: AppTest) -> set[str]:
    """Return the labels of every control of the page."""
    kinds = (at.selectbox, at.number_input, at.text_input, at.radio, at.multiselect)
    found = {widget.label for kind in kinds for widget in kind}
    # AppTest before Streamlit 1.66 calls an expander with an icon a status.
    found |= {expander.label for expander in (*at.expander, *at.status)}
    found |= {link.proto.label for link in at.get("page_link")}
    return found


@pytest.fixture
def visit(stripes):
    """A visitor with files of three classes, 8x8."""
    images, labels = stripes
    return new_visit({
        "train-images": idx(images), "train-labels": idx(labels),
        "t10k-images": idx(images[:60]), "t10k-labels": idx(labels[:60]),
    })  # fmt: skip


# Recipes ---------------------------------------------------------------------------------


def test_a_link_to_a_recipe_opens_the_train_page_with_it():
    at = follow("data=digits&hidden=64,32&rate=0.1&seed=7")
    assert "Train" == at.title[0].value
    assert ("64, 32", 0.1, 7) == (value(at, "hidden"), value(at, "rate"), value(at, "seed"))
    assert "784 → 64 → 32 → 10" in words(at)


def test_a_link_with_eight_hidden_layers_shows_all_eight_and_cannot_be_started():
    at = follow("hidden=8,8,8,8,8,8,8,8")
    assert "8, 8, 8, 8, 8, 8, 8, 8" == value(at, "hidden")
    start = next(button for button in at.button if button.label == "Start training")
    assert start.disabled
    assert any("8 hidden layers" in fault.value for fault in at.error)


def test_a_link_to_a_preset_is_called_by_its_name():
    for name, preset in PRESETS.items():
        assert name == value(follow(address.link(preset)), "preset")


def test_bad_values_are_told_until_read_and_the_form_stands_on_the_usual_ones():
    at = follow("rate=fast&hidden=12&colour=red")
    assert "rate=fast" in words(at)
    assert "colour" in words(at)
    assert ("12", 0.001) == (value(at, "hidden"), value(at, "rate"))
    at = click(at, "I have read this")
    assert "rate=fast" not in words(at)


def test_a_link_to_data_that_are_not_here_says_so_and_keeps_the_recipe(monkeypatch):
    monkeypatch.setattr(state, "is_here", lambda name: False)
    at = follow("data=mnist&hidden=12")
    assert "made for MNIST, which is not here yet" in words(at)
    assert "12" == value(at, "hidden")


def test_the_address_goes_on_saying_the_recipe_on_every_page():
    at = follow("hidden=12&hide=seed", "weights")
    assert ("12", "seed") == (asked(at, "hidden"), asked(at, "hide"))


def test_what_was_changed_after_following_a_link_is_not_undone_by_the_next_click():
    at = follow("hidden=12")
    at.text_input(key="keep.train.hidden").set_value("33").run()
    at.switch_page("views/weights.py").run()
    at.switch_page("views/train.py").run()
    assert "33" == value(at, "hidden")


def test_a_reload_does_not_take_the_data_again(visit):
    query = "data=digits&hidden=12"
    visit.linked = "data=digits&hidden=12"
    follow(f"run={visit.reserved}&{query}")
    assert visit.source is None  # the visitor's files, not the digits
    visit.linked = None
    follow(f"run={visit.reserved}&{query}")
    assert state.BUILT_IN == visit.source


def test_the_link_of_the_form_leads_back_to_it_and_names_no_visit(visit):
    at = open_page("train", visit)
    at.text_input(key="keep.train.hidden").set_value("9, 5").run()
    link = component(at, "share.recipe")["link"]
    assert "run" not in dict(parse_qsl(urlsplit(link).query))
    assert visit.reserved not in link
    again = follow(urlsplit(link).query)
    assert "9, 5" == value(again, "hidden")
    assert "data" not in dict(parse_qsl(urlsplit(link).query))  # files stay where they are


def test_the_link_names_a_data_set_that_everybody_can_have():
    link = component(open_page("train"), "share.recipe")["link"]
    assert link.startswith("train?data=digits&hidden=128&")


def test_what_is_hidden_from_whoever_opens_it_is_in_the_link():
    at = open_page("train")
    at.multiselect(key="keep.share.hide").set_value(["seed", "images"]).run()
    assert component(at, "share.recipe")["link"].endswith("&hide=seed,images")


SHOWN = "optimizer=momentum&hidden=12&epochs=3"
HIDDEN = {
    "presets": {"Start from"},
    "settings": {"Settings", "Seed", "Hidden layers", "Name of the run"},
    "hidden": {"Hidden layers"},
    "activation": {"Activation"},
    "initializer": {"Initializer"},
    "optimizer": {"Optimizer"},
    "rate": {"Learning rate", "Find a learning rate"},
    "schedule": {"Rate over the run"},
    "warmup": {"Warm-up"},
    "stages": {"Stages"},
    "drop": {"Drop"},
    "patience": {"Patience of the rate"},
    "momentum": {"Momentum"},
    "decay": {"Weight decay"},
    "clip": {"Longest gradient"},
    "l1": {"L1 penalty"},
    "l2": {"L2 penalty"},
    "smoothing": {"Label smoothing"},
    "classes": {"Class weights"},
    "stop": {"Early stopping"},
    "batch": {"Each step sees", "Images in a batch"},
    "length": {"Length", "Epochs"},
    "validation": {"Judge on"},
    "seed": {"Seed"},
    "name": {"Name of the run"},
    "images": {"Images while training"},
    "share": {"Share this recipe"},
    "data": {"**Built\\-in digits**, 12,000 images"},
}


# What has to be chosen for these to be shown.
CHOSEN = {
    "warmup": "schedule=cosine", "stages": "schedule=step", "drop": "schedule=step",
    "patience": "schedule=plateau", "decay": "optimizer=adamw",
}  # fmt: skip


def test_every_name_that_can_be_hidden_is_tested():
    """Those of other pages are with these pages' tests: `solutions` in test_view_check."""
    assert set(hideable()) == {*HIDDEN, *ELSEWHERE}


@pytest.fixture(scope="module")
def whole():
    return labels(follow(SHOWN))


@pytest.mark.parametrize("name", HIDDEN)
def test_each_name_hides_what_it_says_and_nothing_else(name, whole):
    shown = SHOWN
    if name in CHOSEN:
        shown = f"hidden=12&epochs=3&{CHOSEN[name]}"
        whole = labels(follow(shown))
    at = follow(f"{shown}&hide={name}")
    assert HIDDEN[name] <= whole
    gone = whole - labels(at)
    assert HIDDEN[name] <= gone
    if name not in ("settings", "share"):
        assert HIDDEN[name] == gone
    assert "Start training" in {button.label for button in at.button}


def test_what_is_hidden_keeps_the_value_of_the_link():
    at = follow("hidden=12&seed=41&rate=0.5&images=gentle&hide=settings,presets,images,share")
    for part in ("784 → 12 → 10", "rate 0.5", "images gently changed"):
        assert part in words(at)


# Networks --------------------------------------------------------------------------------


def test_a_network_in_a_link_is_in_hand_and_introduced():
    network = Network.build([784, 12, 10], rng=3)
    sent = links.encode(network, name="Ours <b>", accuracy=0.9321, judged_on="my test")
    at = follow(f"net={sent}")
    assert "Draw" == at.title[0].value
    assert "Ours <b>" in words(at)
    assert "93.21 %" in words(at)
    assert "my test" in words(at)
    assert "784-12-10" in words(at)
    assert "net" not in at.query_params
    found = state.registry().find(asked(at, "run")).networks.in_hand(None)
    assert "link" == found.kind
    assert np.array_equal(links.decode(sent).network.theta, found.network.theta)


def test_a_network_from_a_link_can_be_let_go():
    at = follow(f"net={links.encode(Network.build([784, 3, 10]), name='Sent')}", "models")
    assert any("Sent (from a link)" in box.options for box in at.selectbox)
    at = click(at, "Let go of this network from a link")
    assert not any("Sent (from a link)" in box.options for box in at.selectbox)


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (links.encode(Network.build([784, 3, 10]))[:-40], "cut short"),
        ("iVBORw0KGgo", "holds no network"),
        ("", "holds no network"),
    ],
)
def test_a_link_that_cannot_be_opened_says_why_and_changes_nothing(sent, said):
    at = follow(f"net={sent}")
    assert said in words(at)
    assert "Draw" == at.title[0].value


def test_the_cost_of_a_link_is_told_before_it_is_made(visit, stripes):
    images, truth = stripes
    network = Network.build([64, 6, 3], rng=2)
    visit.networks.keep(Entry(network.snapshot(), "mine.npz", "file", "mine.npz"))
    at = click(open_page("models", visit), "Prepare a link")
    before = f"{100 * network.accuracy(images[:60], truth[:60]):.2f} %"
    options = next(radio for radio in at.radio if radio.key == "share.bits").options
    assert ["8 bits a weight", "4 bits a weight"] == [option.split(":")[0] for option in options]
    assert all(before in option for option in options)
    link = component(at, "share.network")["link"]
    text = link.removeprefix("draw#net=")
    assert f"{len(text):,} characters" in options[0]
    found = links.decode(text)
    assert ("mine.npz", 8) == (found.name, found.bits)
    after = f"{100 * found.network.accuracy(images[:60], truth[:60]):.2f} %"
    assert f"becomes {after}" in options[0]


def test_choosing_4_bits_gives_a_link_of_4_bits(visit):
    visit.networks.keep(
        Entry(Network.build([64, 6, 3], rng=2).snapshot(), "mine.npz", "file", "mine.npz")
    )
    at = click(open_page("models", visit), "Prepare a link")
    at.radio(key="share.bits").set_value(4).run()
    found = links.decode(component(at, "share.network")["link"].removeprefix("draw#net="))
    assert 4 == found.bits


def test_a_network_too_large_for_a_link_says_so_with_the_way_out():
    at = click(open_page("models"), "Prepare a link")
    assert "366,618 parameters do not fit" in words(at)
    assert "save the network as a file" in words(at)


def test_another_network_in_hand_needs_a_link_of_its_own(visit):
    visit.networks.keep(Entry(Network.build([64, 6, 3], rng=2).snapshot(), "one", "file", "one"))
    at = click(open_page("models", visit), "Prepare a link")
    visit.networks.keep(Entry(Network.build([64, 6, 3], rng=3).snapshot(), "two", "file", "two"))
    at.run()
    assert "Prepare a link" in {button.label for button in at.button}


def test_a_network_that_fits_no_data_in_hand_is_sent_unmeasured():
    held = Entry(Network.build([12, 3]).snapshot(), "small", "file", "small")
    found = sharing.prepare(held, None)
    assert [8, 4] == [one.bits for one in found]
    assert "not measured" in found[0].words
    assert "measured nothing" in sharing.claims(links.decode(found[0].text))


def test_the_original_is_measured_on_the_digits_where_nothing_else_is_in_hand():
    held = Entry(nnengine.shipped("original"), "The original", "shipped", "original")
    eight, four = sharing.prepare(held, ("2,000 digits", state.built_in().test))
    assert len(eight.text) < 10_000
    assert abs(eight.before - eight.after) < 0.005
    assert four.before - four.after < 0.06
