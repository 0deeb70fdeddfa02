"""State: files shared and paired, visits found again by the id of a run, memory let go."""

from __future__ import annotations

import gc
import gzip
import io
import weakref

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard import files as files_module
from dashboard.files import Shelf, pair
from dashboard.recipe import Recipe
from dashboard.runs import Scheduler
from dashboard.visits import Registry
from nnengine.idx import write_idx

SMALL = Recipe(hidden=(4,), epochs=2, batch_size=32, validation="none")


def idx(array, *, packed: bool = False) -> bytes:
    """Return the bytes of an IDX file."""
    stream = io.BytesIO()
    write_idx(stream, np.asarray(array))
    return gzip.compress(stream.getvalue(), mtime=0) if packed else stream.getvalue()


def images(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 6, 6)).astype(np.uint8)


def labels(count: int) -> np.ndarray:
    return (np.arange(count) % 3).astype(np.uint8)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def load(shelf, **arrays):
    """Load arrays as files of these names."""
    return [shelf.load(name, idx(array)) for name, array in arrays.items()]


# Files -----------------------------------------------------------------------------------


def test_the_same_bytes_are_one_array_for_everybody(shelf):
    raw = idx(images(20), packed=True)
    one, other = shelf.load("a.gz", raw), shelf.load("b.gz", raw)
    assert one.array is other.array
    assert not one.array.flags.writeable
    assert ("a.gz", "b.gz") == (one.header.name, other.header.name)
    assert 20 * 36 == shelf.bytes


def test_memory_returns_when_the_last_visitor_lets_go(shelf):
    couple = load(shelf, x=images(20), y=labels(20))
    data = weakref.ref(shelf.dataset(*couple))
    assert shelf.bytes > 0
    del couple
    gc.collect()
    assert (0, None) == (shelf.bytes, data())


def test_one_data_set_is_made_of_one_pair_of_files(shelf):
    couple = load(shelf, x=images(20), y=labels(20))
    assert shelf.dataset(*couple) is shelf.dataset(*couple)
    first, second = shelf.split(shelf.dataset(*couple), 0.1), None
    second = shelf.split(shelf.dataset(*couple), 0.1)
    assert first[0] is second[0]
    assert (18, 2) == (first[0].count, first[1].count)


def test_kinds_are_told_by_content(shelf):
    found = load(shelf, a=images(3), b=labels(3), c=np.zeros((3, 2), np.float32))
    assert ["images", "labels", "other"] == [file.kind for file in found]
    assert found[2].error.startswith("c: holds float32 numbers of shape 3 x 2")
    assert not found[2].good


@pytest.mark.parametrize("raw", [b"", b"<html>", b"\x89PNG\r\n\x1a\n", b"a,b\n1,2\n"])
def test_a_file_of_another_kind_carries_its_error(shelf, raw):
    file = shelf.load("strange.bin", raw)
    assert file.error.startswith("strange.bin: ")
    assert (None, "other", False) == (file.array, file.kind, file.good)


def test_a_truncated_file_offers_what_is_whole(shelf):
    file = shelf.load("cut", idx(images(20))[:-40])
    assert ("images", 18, None) == (file.kind, file.whole_items, file.array)
    assert 18 == len(file.rescued)
    assert file.error.startswith("cut: ")


def test_a_server_that_is_full_says_so(shelf, monkeypatch):
    monkeypatch.setattr(files_module, "MAX_SERVER_BYTES", 1000)
    kept = shelf.load("small", idx(images(20)))
    full = shelf.load("large", idx(images(20, seed=1)))
    assert kept.good
    assert not full.good
    assert "large: this server already holds as much data" in full.error


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2)])
def test_four_files_pair_by_count_and_the_larger_pair_trains(shelf, order):
    found = load(shelf, a=images(30), b=labels(30), c=images(12), d=labels(12))
    result = pair([found[i] for i in order])
    assert ("a", "b") == tuple(file.name for file in result.training)
    assert ("c", "d") == tuple(file.name for file in result.test)


def test_names_say_which_part_a_pair_plays(shelf):
    small_train = {"train-images": images(5), "train-labels": labels(5)}
    large_test = {"t10k-images": images(9), "t10k-labels": labels(9)}
    result = pair(load(shelf, **large_test, **small_train))
    assert "train-images" == result.training[0].name
    assert "t10k-images" == result.test[0].name


def test_pairs_of_one_size_stay_with_their_namesakes(shelf):
    found = load(
        shelf,
        **{"train-images": images(9), "test-images": images(9, 1)},
        **{"test-labels": labels(9), "train-labels": labels(9)[::-1].copy()},
    )
    result = pair(found)
    assert ("train-images", "train-labels") == tuple(f.name for f in result.training)
    assert ("test-images", "test-labels") == tuple(f.name for f in result.test)


def test_a_single_test_pair_trains_for_want_of_another(shelf):
    result = pair(load(shelf, **{"t10k-images": images(9), "t10k-labels": labels(9)}))
    assert "t10k-images" == result.training[0].name
    assert result.test is None


def test_what_has_no_partner_is_named_with_what_is_missing(shelf):
    result = pair(load(shelf, pictures=images(9), names=labels(8)))
    assert result.training is None
    assert [
        "pictures holds 9 images, and no file holds as many labels: "
        "drop the labels file that belongs to it.",
        "names holds 8 labels, and no file holds as many images: "
        "drop the images file that belongs to it.",
    ] == list(result.sentences)


def test_another_training_set_takes_the_place_of_the_first_and_is_said(shelf):
    found = load(
        shelf,
        **{"old-train-images": images(9), "old-train-labels": labels(9)},
        **{"new-train-images": images(8, 1), "new-train-labels": labels(8)},
    )
    result = pair(found)
    assert "new-train-images" == result.training[0].name
    assert "old-train-images" == result.test[0].name


# Visits ----------------------------------------------------------------------------------


@pytest.fixture
def clock():
    class Clock:
        now = 0.0

        def __call__(self):
            return self.now

    return Clock()


@pytest.fixture
def registry(clock):
    scheduler = Scheduler(threaded=False, clock=clock, warm_up=lambda: None)
    return Registry(scheduler, clock)


def start(registry, visit, shelf):
    data = shelf.dataset(*load(shelf, x=images(60), y=labels(60)))
    run = registry.scheduler.start(SMALL, data, run_id=visit.reserved, owner=visit.owner)
    registry.add_run(visit, run)
    return run


def test_a_visit_is_found_by_any_of_its_runs_and_by_the_one_to_come(registry, shelf):
    visit = registry.create()
    before = visit.reserved
    assert registry.find(before) is visit
    run = start(registry, visit, shelf)
    assert run.id == before != visit.reserved
    for token in (run.id, visit.reserved):
        assert registry.find(token) is visit
    for token in ("guess", "", None):
        assert registry.find(token) is None


def test_tokens_cannot_be_guessed(registry):
    tokens = {registry.create().reserved for _ in range(50)}
    assert 50 == len(tokens)
    assert all(len(token) >= 22 for token in tokens)


def test_a_deleted_run_ends_and_is_found_no_more(registry, shelf):
    visit = registry.create()
    run = start(registry, visit, shelf)
    registry.drop_run(visit, run)
    assert ("stopped", []) == (run.state, visit.runs)
    assert registry.find(run.id) is None
    assert registry.find(visit.reserved) is visit


def test_a_visit_nobody_returns_to_is_forgotten_with_its_runs(registry, shelf, clock):
    gone, here = registry.create(), registry.create()
    run = start(registry, gone, shelf)
    registry.scheduler.pause(run)
    clock.now = 3000
    registry.find(here.reserved)
    clock.now = 3700
    registry.scheduler.advance()
    registry.scheduler.advance()
    assert "stopped" == run.state
    assert run.work is None
    assert registry.find(run.id) is None
    assert registry.find(here.reserved) is here
    assert 1 == len(registry)


# Sessions --------------------------------------------------------------------------------


def page():
    """A page with nothing on it: what the frame does before every page."""
    import streamlit as st

    from dashboard import state

    state.begin()
    if st.session_state.get("drop"):
        state.add_files(st.session_state.pop("drop"))
    told = state.notice()
    if told:
        st.info(told)
    st.write(f"{len(state.files())} files, {len(state.runs())} runs")
    run = state.current_run()
    st.write(run.name if run else "no run")
    if st.button("start"):
        from dashboard.recipe import Recipe

        state.start_run(Recipe(hidden=(4,), epochs=1, batch_size=32, validation=0.1), name="first")


def session(token: str | None = None) -> AppTest:
    at = AppTest.from_function(page, default_timeout=30)
    if token:
        at.query_params["run"] = token
    return at


def with_data() -> AppTest:
    at = session()
    at.session_state["drop"] = [("x", idx(images(60))), ("y", idx(labels(60)))]
    return at.run()


def token_of(at: AppTest) -> str:
    value = at.query_params["run"]
    return value[0] if isinstance(value, list) else value


def said(at: AppTest) -> list[str]:
    return [element.value for element in at.markdown]


def test_an_empty_visit_signs_no_url():
    at = session().run()
    assert ["0 files, 0 runs", "no run"] == said(at)
    assert "run" not in at.query_params


def test_a_reload_finds_files_and_runs_again():
    at = with_data()
    assert ["2 files, 0 runs", "no run"] == said(at)
    reserved = token_of(at)
    again = session(reserved).run()
    assert ["2 files, 0 runs", "no run"] == said(again)
    again.button[0].click().run()
    assert reserved == token_of(again)
    assert ["2 files, 1 runs", "first"] == said(session(reserved).run())


def test_a_url_the_server_does_not_know_is_explained_and_cleaned():
    at = session("left-long-ago").run()
    assert ["0 files, 0 runs", "no run"] == said(at)
    assert "no longer on the server" in at.info[0].value
    assert "run" not in at.query_params
    assert not at.run().info


def test_a_change_of_page_that_empties_the_url_is_signed_again():
    at = with_data()
    token = token_of(at)
    at.query_params.clear()
    at.run()
    assert token == token_of(at)


def test_strangers_share_nothing_but_bytes():
    one, other = with_data(), with_data()
    assert token_of(one) != token_of(other)
    one.button[0].click().run()
    assert ["2 files, 0 runs", "no run"] == said(other.run())
