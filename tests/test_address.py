"""A recipe in an address comes back as it was, and no address can ask for more than the form."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.runs import address
from dashboard.runs.amounts import AMOUNTS
from dashboard.runs.bounds import Bounds
from dashboard.runs.fields import VALIDATION_SHARES, rows
from dashboard.runs.recipe import PRESETS, Recipe
from nnengine.core.activations import ACTIVATIONS
from nnengine.core.description import Spec
from nnengine.core.network import INITIALIZERS
from nnengine.core.optimizers import OPTIMIZERS
from nnengine.data.augment import GENTLE, NONE, STRONG, Augmentation
from nnengine.data.dataset import Dataset
from nnengine.errors import ConfigError
from nnengine.training import SCHEDULES

SOURCES = ("digits", "mnist")
BOUNDS = Bounds()


def read(query: str, bounds: Bounds = BOUNDS) -> address.Asked:
    return address.read(dict(parse_qsl(query, keep_blank_values=True)), SOURCES, bounds)


def test_readable_keys_make_a_recipe():
    asked = read("data=digits&hidden=64,32&rate=0.1&seed=7")
    assert ("digits", ()) == (asked.data, asked.faults)
    assert Recipe(hidden=(64, 32), learning_rate=0.1, seed=7) == asked.recipe


def test_an_address_without_such_keys_asks_for_nothing():
    assert address.Asked(None, None, (), ()) == read("")


def test_a_link_says_what_decides_most_and_what_is_not_usual():
    said = address.link(PRESETS["The original: 784-10-10, full batch"], "mnist", ("seed",))
    assert said == (
        "data=mnist&hidden=10&activation=relu&initializer=uniform&optimizer=sgd&rate=0.1"
        "&batch=full&iterations=5000&seed=0&hide=seed"
    )


own = st.builds(
    lambda steps: Augmentation(
        **{
            name: round(amount.step * step / amount.worth, 10)
            for (name, amount), step in zip(AMOUNTS.items(), steps, strict=True)
        }
    ),
    st.tuples(*(st.integers(0, round(a.most / a.step)) for a in AMOUNTS.values())),
)
recipes = st.builds(
    lambda length, **rest: Recipe(**rest, **length),
    length=st.one_of(
        st.integers(1, BOUNDS.epochs).map(lambda n: {"epochs": n, "iterations": None}),
        st.integers(1, BOUNDS.iterations).map(lambda n: {"epochs": None, "iterations": n}),
    ),
    hidden=st.lists(
        st.integers(1, BOUNDS.width)
        | st.sampled_from(
            [Spec("conv", 3, (5, 4), 2, 1), Spec("norm"), Spec("dropout", share=0.3)]
        ),
        max_size=BOUNDS.hidden_layers,
    ).map(tuple),
    activation=st.sampled_from(ACTIVATIONS),
    initializer=st.sampled_from(INITIALIZERS),
    optimizer=st.sampled_from(tuple(OPTIMIZERS)),
    batch_size=st.none() | st.integers(1, BOUNDS.batch_size),
    learning_rate=st.sampled_from([1e-6, 0.001, 0.5, 0.123456789, 100.0]),
    momentum=st.sampled_from([0.0, 0.9, 0.999]),
    seed=st.integers(0, 2**31 - 1),
    validation=st.sampled_from(["test", "none", *VALIDATION_SHARES]),
    augmentation=st.sampled_from([NONE, GENTLE, STRONG]) | own,
    schedule=st.sampled_from(tuple(SCHEDULES)),
)


@given(recipes)
@settings(max_examples=300, deadline=None)
def test_every_recipe_of_the_form_comes_back_as_it_was(recipe):
    asked = read(address.link(recipe, "digits"))
    assert () == asked.faults
    amounts = recipe.augmentation.as_dict()
    assert pytest.approx(amounts, abs=1e-9) == asked.recipe.augmentation.as_dict()
    fields = [name for name in Recipe.__slots__ if name != "augmentation"]
    for name in fields:
        assert getattr(recipe, name) == getattr(asked.recipe, name)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("rate=fast", "write a number from 0.000001 to 100. Taken instead: rate=0.001"),
        ("rate=0", "from 0.000001"),
        ("rate=nan", "from 0.000001"),
        ("rate=1e999", "from 0.000001"),
        ("momentum=1", "to 0.999"),
        ("seed=-1", "from 0 to 2,147,483,647. Taken instead: seed=0"),
        ("seed=" + "9" * 5000, "whole number"),
        ("seed=٣", "whole number"),
        ("hidden=ten", "'ten' where there should be one of dense, conv"),
        ("hidden=conv 8 5y5", "'5y5' where there should be a window"),
        ("hidden=" + "9" * 5000, "how many units, such as 16"),
        ("activation=step", "choose relu, leaky_relu"),
        ("initializer=", "choose he"),
        ("optimizer=lion", "choose sgd"),
        ("schedule=never", "choose constant, cosine, step, one_cycle or plateau"),
        ("batch=0", "whole number from 1 to 8,192, or full"),
        ("batch=Full", "or full"),
        ("epochs=201", "from 1 to 200"),
        ("iterations=1e3", "whole number"),
        ("validation=0.11", "choose test, none, 0.05"),
        ("images=blurred", "not known"),
        ("images=shift:99", "the sliders go up to shift 8"),
        ("images=shift:0.3", "by 0.5"),
        ("images=rotation:x", "write a number"),
        ("images=rotation:-3", "from 0"),
    ],
)
def test_a_bad_value_is_named_and_the_usual_one_taken(said, words):
    asked = read(said)
    assert 1 == len(asked.faults)
    assert words in asked.faults[0]
    assert len(asked.faults[0]) < 400
    assert Recipe() == asked.recipe


@pytest.mark.parametrize("text", ["5000", "1,1,1,1,1,1,1", ",".join(["norm"] * 25)])
def test_more_layers_than_are_granted_are_shown_as_asked_for_and_start_nothing(text, stripes):
    asked = read(f"hidden={text}&seed=7")
    (fault,) = asked.faults
    assert "at most 6 hidden layers with weights, of at most 1,024 units" in fault
    assert "The form shows what was asked for" in fault and len(fault) < 400
    assert text == rows()["hidden"].write(asked.recipe.hidden)
    with pytest.raises(ConfigError, match="hidden layer"):
        asked.recipe.check(Dataset(*stripes), BOUNDS)


def test_a_bad_value_does_not_spoil_the_good_ones():
    asked = read("rate=fast&seed=7&data=cats&hide=seed,moon")
    assert Recipe(seed=7) == asked.recipe
    assert ("seed",) == asked.hide
    assert asked.data is None
    rate, data, hide = sorted(asked.faults, key=lambda f: ("rate=", "data=", "hide=").index(f[:5]))
    assert "choose digits or mnist" in data
    assert "hide=moon" in hide


def test_layers_in_words_come_back_from_a_link():
    text = "conv 8 5x5 pad 2,pool 2,dropout 0.25,norm,dense 64"
    asked = read(f"hidden={text}")
    assert () == asked.faults
    link = address.link(asked.recipe)
    assert "hidden=conv+8+5x5+pad+2,pool+2,dropout+0.25,norm,dense+64" in link
    assert asked.recipe == read(link).recipe


def test_an_unknown_key_is_named_with_those_that_are_known():
    (fault,) = read("layers=64").faults
    assert "layers is nothing a link can say" in fault
    assert "hidden" in fault


def test_what_networks_hang_on_to_links_is_passed_over():
    assert () == read("utm_source=mail&fbclid=x&gclid=y&ref=z").faults


@pytest.mark.parametrize(
    "query",
    [
        "hidden=16,8&amp;rate=0.5&amp;seed=7",  # copied from a page's source
        "hidden=16,8&rate=0.5&seed=7.",  # the sentence's end
        "hidden=16,8&rate=0.5&seed=7).",
        "hidden=16%252C8&rate=0.5&seed=7",  # encoded on the way
        "hidden=16,8&rate=0.5&seed=7&igsh=MTc0&fbclid=x",
    ],
)
def test_a_link_that_came_through_mail_or_chat_says_what_it_said(query):
    asked = read(query)
    assert () == asked.faults
    assert read("hidden=16,8&rate=0.5&seed=7").recipe == asked.recipe


def test_only_the_last_value_of_a_link_loses_what_stands_behind_it():
    (fault,) = read("seed=7.&rate=0.5").faults
    assert fault.startswith("seed=7.: ")


def test_a_server_s_own_bounds_hold_for_links_too():
    small = Bounds(width=16, epochs=3, batch_size=8)
    assert 3 == len(read("hidden=17&epochs=4&batch=9", small).faults)


def test_epochs_and_iterations_together_are_pointed_out():
    (fault,) = read("epochs=3&iterations=40").faults
    assert "not both" in fault


@given(
    st.dictionaries(
        st.sampled_from([*(row.key for row in rows().values()), "data", "hide", "x"]), st.text()
    )
)
@settings(max_examples=300, deadline=None)
def test_any_address_gives_a_recipe_within_bounds_or_none(said):
    asked = address.read(said, SOURCES, BOUNDS)
    recipe = asked.recipe
    if recipe is not None:
        assert all(spec.units <= BOUNDS.width for spec in recipe.hidden)
        assert (recipe.epochs is None) != (recipe.iterations is None)
        assert recipe.batch_size is None or 1 <= recipe.batch_size <= BOUNDS.batch_size
