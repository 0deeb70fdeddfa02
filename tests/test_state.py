"""State: files shared and paired, visits found again by the id of a run, memory let go."""

from __future__ import annotations

import gc
import gzip
import io
import os
import platform
import subprocess
import sys
import threading
import time
import weakref
from functools import partial

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard.runs.bounds import Bounds
from dashboard.runs.recipe import Recipe
from dashboard.runs.scheduler import Scheduler
from dashboard.state import registry as state_registry
from dashboard.store.files import Shelf, pair
from dashboard.store.library import Library
from dashboard.store.visits import Registry
from nnengine import kernels
from nnengine.data import catalogue
from nnengine.data.dataset import Dataset
from nnengine.data.idx import write_idx
from nnengine.errors import ConfigError, FetchError

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
    found = load(shelf, a=images(3), b=labels(3), c=np.full((3, 2), -5, np.float32))
    assert ["images", "labels", "other"] == [file.kind for file in found]
    assert found[2].error.startswith("c: the range of c goes from -5 to -5")
    assert not found[2].good


@pytest.mark.parametrize("raw", [b"", b"<html>", b"\x89PNG\r\n\x1a\n", b"a,b\n1,x\n"])
def test_a_file_of_another_kind_carries_its_error(shelf, raw):
    file = shelf.load("strange.bin", raw)
    assert file.error.startswith("strange.bin: ")
    assert (None, "other", False) == (file.array, file.kind, file.good)


def test_a_truncated_file_offers_what_is_whole(shelf):
    file = shelf.load("cut", idx(images(20))[:-40])
    assert ("images", 18, None) == (file.kind, file.whole_items, file.array)
    assert 18 == len(file.rescued)
    assert file.error.startswith("cut: ")


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2)])
def test_four_files_pair_by_count_and_the_larger_pair_trains(shelf, order):
    found = load(shelf, a=images(30), b=labels(30), c=images(12), d=labels(12))
    result = pair([found[i] for i in order])
    assert ("a", "b") == tuple(file.name for file in result.training[:2])
    assert ("c", "d") == tuple(file.name for file in result.test[:2])


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
    assert ("train-images", "train-labels") == tuple(f.name for f in result.training[:2])
    assert ("test-images", "test-labels") == tuple(f.name for f in result.test[:2])


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


# Other forms -----------------------------------------------------------------------------


def npz(**arrays) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def csv(images, labels) -> bytes:
    rows = np.column_stack([labels, images.reshape(len(images), -1)]).tolist()
    return "".join(",".join(map(str, row)) + "\n" for row in rows).encode()


def test_a_file_that_brings_both_parts_needs_no_partner(shelf):
    raw = npz(x_train=images(9), y_train=labels(9), x_test=images(6, 1), y_test=labels(6))
    result = pair([shelf.load("all.npz", raw)])
    assert (9, 6) == (len(result.training.dataset), len(result.test.dataset))
    assert ["Training set: all.npz, 9 images.", "Test set: all.npz, 6 images."] == list(
        result.sentences
    )


def test_tables_play_the_parts_their_names_say(shelf):
    found = [
        shelf.load("test.csv", csv(images(9), labels(9))),
        shelf.load("train.csv", csv(images(6, 1), labels(6))),
    ]
    result = pair(found)
    assert ("train.csv", "test.csv") == (result.training.images.name, result.test.images.name)


def test_an_array_that_stands_alone_finds_its_partner_among_idx_files(shelf):
    found = [shelf.load("images.npz", npz(arr_0=images(9))), *load(shelf, y=labels(9))]
    result = pair(found)
    assert ("images.npz", "y") == (result.training.images.name, result.training.labels.name)
    assert np.array_equal(images(9), shelf.dataset(*result.training).images)


def test_the_same_table_is_one_array_for_everybody_and_leaves_with_the_last(shelf):
    raw = csv(images(9), labels(9))
    one, other = shelf.load("a.csv", raw), shelf.load("b.csv", raw)
    assert one.contents is not other.contents
    assert ("a.csv", "b.csv") == (one.contents.train.name, other.contents.train.name)
    assert 9 * 36 == shelf.bytes
    del one, other
    gc.collect()
    assert 0 == shelf.bytes


def test_a_table_that_was_cut_short_offers_its_whole_rows(shelf):
    file = shelf.load("cut.csv", csv(images(9), labels(9))[:-20])
    assert ("set", 8, False) == (file.kind, file.whole_items, file.good)
    kept = file.kept_whole()
    assert (8, True, None) == (len(kept.contents.train), kept.good, kept.error)


def test_images_are_turned_and_turned_back_without_a_second_copy(shelf):
    tall = images(9)[:, :, :4].copy()
    file = load(shelf, x=tall)[0]
    turned = shelf.turn(file)
    assert (True, (9, 4, 6)) == (turned.turned, turned.array.shape)
    assert np.array_equal(tall, turned.array.transpose(0, 2, 1))
    back = shelf.turn(turned)
    assert (file.digest, True) == (back.digest, back.array is file.array)


def test_images_are_inverted_and_inverted_back_in_any_order_with_turning(shelf):
    file = load(shelf, x=images(9))[0]
    both = shelf.turn(shelf.invert(file))
    assert (True, True) == (both.turned, both.inverted)
    assert np.array_equal(255 - images(9).transpose(0, 2, 1), both.array)
    back = shelf.turn(shelf.invert(both))
    assert (file.digest, True) == (back.digest, back.array is file.array)


def test_a_set_is_turned_in_both_its_parts(shelf):
    raw = npz(x_train=images(9), y_train=labels(9), x_test=images(6, 1), y_test=labels(6))
    turned = shelf.turn(shelf.load("all.npz", raw))
    for found, expected in (
        (turned.contents.train, images(9)), (turned.contents.test, images(6, 1)),
    ):  # fmt: skip
        assert np.array_equal(expected.transpose(0, 2, 1), found.images)
        assert 3 == found.classes


def test_what_a_stranger_called_the_same_bytes_is_not_told(shelf):
    raw = csv(images(9), labels(9))
    kept = [shelf.load(name, raw) for name in ("secret.csv", "mine.csv")]
    first, mine = (shelf.dataset(*pair([file]).training) for file in kept)
    assert ("secret.csv", "mine.csv") == (first.name, mine.name)
    assert np.shares_memory(first.images, mine.images)
    couple = load(shelf, x=images(20), y=labels(20))
    other = load(shelf, z=images(20), y=labels(20))
    assert ("x", "z") == (shelf.dataset(*couple).name, shelf.dataset(*other).name)


def test_arrays_of_one_size_find_each_other_by_the_names_that_keras_gives(shelf):
    found = load(
        shelf,
        **{"x_train": images(9), "x_test": images(9, 1), "y_test": labels(9)},
        **{"y_train": labels(9)[::-1].copy()},
    )
    result = pair(found)
    assert ("x_train", "y_train") == tuple(file.name for file in result.training[:2])
    assert ("x_test", "y_test") == tuple(file.name for file in result.test[:2])


def test_idx_files_of_two_dimensions_are_images_that_can_be_turned(shelf):
    file = load(shelf, x=images(9).reshape(9, 36))[0]
    assert ("images", (9, 6, 6)) == (file.kind, file.array.shape)
    assert np.array_equal(images(9).transpose(0, 2, 1), shelf.turn(file).array)


def test_an_empty_file_of_images_is_told_what_is_the_least(shelf):
    file = load(shelf, x=images(0))[0]
    assert not file.good
    assert "is the least" in file.error


# Named sets ------------------------------------------------------------------------------


@pytest.fixture
def library(shelf, monkeypatch) -> Library:
    """A library whose "mnist" is small, and here."""
    small = Dataset(images(20), labels(20), name="mnist"), Dataset(images(6, 1), labels(6))
    monkeypatch.setattr(catalogue, "load", lambda name, **_: catalogue.Sets(*small))
    monkeypatch.setattr(catalogue, "find", lambda name: __file__ if name != "kmnist" else None)
    return Library(shelf)


def wait_for(condition, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.01)


def test_a_named_set_is_held_once_under_its_title_while_somebody_uses_it(library, shelf):
    one = library.load("mnist")
    assert one is library.load("mnist")
    assert ("MNIST", "MNIST", 26 * 36) == (one.train.name, one.test.name, shelf.bytes)
    del one
    gc.collect()
    assert 0 == shelf.bytes


def test_a_named_set_for_which_there_is_no_room_is_refused(library, registry):
    registry.scheduler.bounds = Bounds(server_mb=1)
    with pytest.raises(ConfigError, match="already holds as much as it has room for"):
        Library(registry.shelf, partial(registry.budget.room, None, what="this set")).load("mnist")


def test_the_built_in_digits_are_made_once_and_stay(library):
    assert not library.ready
    made = library.built_in()
    assert (True, True) == (library.ready, made is library.built_in())


def test_what_is_here_needs_no_network(library):
    assert (True, False) == (library.is_here("mnist"), library.is_here("kmnist"))


def test_a_fetch_tells_how_far_it_is_and_is_shared(library, monkeypatch):
    go_on = threading.Event()

    def fetch(name, *, progress):
        progress(30, 100, "train-images")
        go_on.wait(120)

    monkeypatch.setattr(catalogue, "fetch", fetch)
    one = library.fetch("kmnist")
    wait_for(lambda: one.progress.done)
    assert (30, 100, "train-images") == (one.progress.done, one.progress.total, one.progress.file)
    assert one is library.fetch("kmnist")
    go_on.set()
    wait_for(lambda: one.ended)
    assert (None, False) == (one.error, one.cancelled)


def test_a_fetch_ends_when_nobody_waits_for_it_any_more(library, monkeypatch):
    def fetch(name, *, progress):
        while True:
            progress(1, 2, "")
            time.sleep(0.01)

    monkeypatch.setattr(catalogue, "fetch", fetch)
    one, other = library.fetch("kmnist"), library.fetch("kmnist")
    library.cancel(one)
    time.sleep(0.1)
    assert not one.ended
    library.cancel(other)
    wait_for(lambda: one.ended)
    assert (True, None) == (one.cancelled, one.error)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (FetchError("no mirror", reached=False), ("no mirror", False)),
        (ZeroDivisionError(), ("A fault of ours", True)),
    ],
)
def test_a_fetch_that_fails_says_why(library, monkeypatch, fault, expected):
    def fetch(name, *, progress):
        raise fault

    monkeypatch.setattr(catalogue, "fetch", fetch)
    found = library.fetch("kmnist")
    wait_for(lambda: found.ended)
    assert found.error.startswith(expected[0])
    assert expected[1] == found.reached


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
    data = state.training_set()
    st.write(data.name if data else "no data")
    if st.button("files", key="files"):
        state.use_source(state.FILES)
    if st.button("start", key="start"):
        from dashboard.runs.recipe import Recipe

        state.start_run(Recipe(hidden=(4,), epochs=1, batch_size=32, validation=0.1), name="first")


def session(token: str | None = None) -> AppTest:
    at = AppTest.from_function(page, default_timeout=240)
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
    assert ["0 files, 0 runs", "no run", "Built-in digits"] == said(at)
    assert "run" not in at.query_params


def test_a_reload_finds_files_and_runs_again():
    at = with_data()
    assert ["2 files, 0 runs", "no run", "x"] == said(at)
    reserved = token_of(at)
    again = session(reserved).run()
    assert ["2 files, 0 runs", "no run", "x"] == said(again)
    again.button(key="start").click().run()
    assert reserved == token_of(again)
    assert ["2 files, 1 runs", "first", "x"] == said(session(reserved).run())


def test_a_url_the_server_does_not_know_is_explained_and_cleaned():
    at = session("left-long-ago").run()
    assert ["0 files, 0 runs", "no run", "Built-in digits"] == said(at)
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
    one.button(key="start").click().run()
    assert ["2 files, 0 runs", "no run", "x"] == said(other.run())


def test_the_chosen_source_survives_a_reload_and_dropping_files_changes_it():
    at = session().run()
    at.button(key="files").click().run()
    at.run()
    assert ["0 files, 0 runs", "no run", "no data"] == said(at)
    again = session(token_of(at)).run()
    assert "no data" == said(again)[2]
    again.session_state["drop"] = [("x", idx(images(60))), ("y", idx(labels(60)))]
    assert "x" == said(again.run())[2]


BIG_BLOCKS = """
import numpy as np
from dashboard.store.visits import keep_big_blocks_apart

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

keep_big_blocks_apart()
np.ones(24 << 20, np.uint8)  # from now on the allocator would keep blocks as large as this
before, blocks, between = resident(), [], []
for _ in range(4):
    blocks.append(np.ones(10 << 20, np.uint8))
    between.append(np.ones(2000, np.uint8))
del blocks
print(resident() - before >> 20)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone has this setting")
@pytest.mark.parametrize(("back_end", "apart"), [("numba", True), ("numpy", False)])
def test_a_server_with_compiled_kernels_keeps_no_big_block_that_is_free(back_end, apart):
    if kernels.available()[back_end]:
        pytest.skip(f"no {back_end} kernels")
    environment = os.environ | {"NNENGINE_KERNELS": back_end}
    done = subprocess.run(
        [sys.executable, "-c", BIG_BLOCKS],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ("", apart) == (done.stderr, int(done.stdout) < 10)


def test_clearing_streamlits_caches_takes_nothing_that_outlives_a_page():
    registry = state_registry()
    visit = registry.create()
    visit.files += load(registry.shelf, x=images(30), y=labels(30))
    for cache in (st.cache_resource, st.cache_data):
        cache.clear()
    assert state_registry() is registry
    assert registry.find(visit.reserved) is visit
    assert "2 files" in session(visit.reserved).run().markdown[0].value
