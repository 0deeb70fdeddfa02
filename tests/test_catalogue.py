"""Data sets by name: found on this machine, or fetched from a mirror that may do anything."""

from __future__ import annotations

import functools
import gzip
import hashlib
import os
import re
import socket
import sys
import threading
import time
import types
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from nnengine import ConfigError, FetchError, FormatError, write_idx
from nnengine.data import catalogue, fetch
from nnengine.data.catalogue import Entry, Published
from tests.mirror import HTML, Mirror, Request, serving

NAMES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
IMAGES = NAMES[0]


def made_up() -> dict[str, np.ndarray]:
    """Return the arrays of a small set; noise, so that packing it saves nothing."""
    rng = np.random.default_rng(5)
    return {
        NAMES[0]: rng.integers(0, 256, (600, 28, 28)).astype(np.uint8),
        NAMES[1]: np.arange(600, dtype=np.uint8) % 3,
        NAMES[2]: rng.integers(0, 256, (30, 28, 28)).astype(np.uint8),
        NAMES[3]: np.arange(30, dtype=np.uint8) % 3,
    }


def idx_bytes(array: np.ndarray) -> bytes:
    file = BytesIO()
    write_idx(file, array)
    return file.getvalue()


ARRAYS = made_up()
PLAIN = {name: idx_bytes(array) for name, array in ARRAYS.items()}
PACKED = {name: gzip.compress(data, mtime=0) for name, data in PLAIN.items()}
TOTAL = sum(map(len, PACKED.values()))


def entry(*mirrors: str) -> Entry:
    return Entry(
        name="tiny",
        title="Tiny",
        summary="Noise in three classes.",
        makers="these tests",
        source="nowhere",
        licence="none",
        images=(600, 30),
        class_names=("a", "b", "c"),
        mirrors=mirrors,
        folders=("tiny", "TINY/raw"),
        files=tuple(
            Published(name, len(PACKED[name]), len(data), hashlib.sha256(data).hexdigest())
            for name, data in PLAIN.items()
        ),
    )


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """A machine of our own: an empty cache and no other folders."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(catalogue, "cache_folder", lambda: tmp_path / "cache" / "data")
    monkeypatch.setattr(catalogue, "SYSTEM", tmp_path / "system")
    monkeypatch.setenv("no_proxy", "*")
    for name in ("NNENGINE_DATA", "NNENGINE_MIRROR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def hasty(monkeypatch):
    """Little patience, for mirrors that would be waited for."""
    bomb()  # made before anybody waits for it
    monkeypatch.setattr(
        fetch, "PATIENCE", fetch.Patience(silence_s=1.0, window_s=0.5, least_bytes=1000)
    )


@pytest.fixture
def cache(tmp_path) -> Path:
    return tmp_path / "cache" / "data" / "tiny"


@pytest.fixture
def mirrors(monkeypatch):
    """Two mirrors of the made-up set, known to the catalogue as its only ones."""
    with serving(dict(PACKED)) as first, serving(dict(PACKED)) as second:
        monkeypatch.setitem(catalogue.ENTRIES, "tiny", entry(first.url, second.url))
        yield first, second


@pytest.fixture
def mirror(monkeypatch):
    """One mirror of the made-up set, known to the catalogue as its only one."""
    with serving(dict(PACKED)) as only:
        monkeypatch.setitem(catalogue.ENTRIES, "tiny", entry(only.url))
        yield only


def put(folder: Path, files: dict[str, bytes] = PACKED, rename=lambda name: name) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / rename(name)).write_bytes(data)
    return folder


def assert_is_the_set(sets: catalogue.Sets) -> None:
    for part, (images, labels) in zip(sets, (NAMES[:2], NAMES[2:]), strict=True):
        np.testing.assert_array_equal(ARRAYS[images], part.images)
        np.testing.assert_array_equal(ARRAYS[labels], part.labels)
        assert (("a", "b", "c"), "tiny") == (part.class_names, part.name)


def parts(folder: Path) -> list[Path]:
    return list(folder.glob("*part"))


# what there is


def test_every_name_has_its_facts():
    assert ("digits", "mnist", "fashion-mnist", "kmnist") == catalogue.NAMES
    for name in catalogue.NAMES:
        facts = catalogue.describe(name)
        assert name == facts.name and 10 == len(facts.class_names)
        assert facts.title and facts.summary and facts.makers and facts.licence and facts.source


def test_every_fetched_set_has_two_mirrors_at_least_on_different_machines():
    for facts in catalogue.ENTRIES.values():
        hosts = {re.match(r"https?://([^/]+)/?", mirror)[1] for mirror in facts.mirrors}
        assert facts.built_in or (len(hosts) >= 2 and 4 == len(facts.files))


def test_every_published_file_has_something_that_proves_it():
    for facts in catalogue.ENTRIES.values():
        for file in facts.files:
            assert 64 == len(file.sha256) or (64, 32) == (len(file.packed_sha256), len(file.md5))


def test_the_size_is_that_of_the_download():
    expected = {
        "digits": 0,
        "mnist": 11_594_722,
        "fashion-mnist": 30_878_645,
        "kmnist": 21_240_888,
    }
    assert expected == {name: catalogue.describe(name).size_bytes for name in catalogue.NAMES}


def test_names_are_known_in_capitals_too():
    assert "fashion-mnist" == catalogue.describe("Fashion_MNIST").name


def test_another_name_is_refused_with_the_names_there_are():
    with pytest.raises(ConfigError, match="digits, mnist.*did you mean kmnist"):
        catalogue.load("kminst")


def test_the_built_in_digits_are_always_here_and_are_not_fetched(monkeypatch):
    monkeypatch.setattr(fetch, "download", None)
    assert catalogue.describe("digits").built_in
    assert catalogue.find("digits").is_file()
    assert catalogue.find("digits") == catalogue.fetch("digits", force=True)


def test_the_built_in_digits_come_as_two_different_parts():
    pytest.importorskip("nnengine.synthetic")
    train, test = catalogue.load("digits", offline=True)
    assert (12_000, 2_000, 10) == (len(train), len(test), train.classes)
    assert not np.array_equal(train.images[:2000], test.images)


# found on this machine


def test_the_folders_are_looked_at_in_their_order(mirror, tmp_path, monkeypatch, cache):
    one, two = tmp_path / "one", tmp_path / "two"
    monkeypatch.setenv("NNENGINE_DATA", os.pathsep.join([str(one), "", str(two)]))
    assert catalogue.find("tiny") is None
    for folder in (cache, catalogue.SYSTEM / "tiny", two / "TINY/raw", two / "tiny", one / "tiny"):
        put(folder)
        assert folder == catalogue.find("tiny")
    assert_is_the_set(catalogue.load("tiny"))
    assert folder == catalogue.fetch("tiny")
    assert [] == mirror.asked


@pytest.mark.parametrize(
    "rename",
    [
        lambda name: name,
        lambda name: name.removesuffix(".gz"),
        lambda name: name.replace("-idx", ".idx"),
        lambda name: name.replace("-idx", ".idx").removesuffix(".gz"),
    ],
)
@pytest.mark.parametrize("files", [PLAIN, PACKED])
def test_files_are_known_by_any_of_their_names_packed_or_not(mirror, cache, files, rename):
    put(cache, files, rename)
    assert_is_the_set(catalogue.load("tiny", offline=True))


def test_a_folder_that_lacks_a_file_does_not_hold_the_set(mirror, cache):
    put(cache)
    (cache / NAMES[3]).unlink()
    assert catalogue.find("tiny") is None


def test_offline_nothing_is_fetched(mirror, cache):
    with pytest.raises(FetchError, match=f"not on this machine.*{cache}.*NNENGINE_DATA.*digits"):
        catalogue.load("tiny", offline=True)
    assert [] == mirror.asked


@pytest.mark.parametrize("offline", [True, False])
def test_other_data_under_the_names_of_a_set_are_refused(mirror, tmp_path, monkeypatch, offline):
    monkeypatch.setenv("NNENGINE_DATA", str(tmp_path))
    changed = ARRAYS[IMAGES].copy()
    changed[7, 3, 3] ^= 1
    put(tmp_path / "tiny", PACKED | {IMAGES: gzip.compress(idx_bytes(changed))})
    with pytest.raises(FormatError, match=f"^{tmp_path}/tiny/{IMAGES}: not the published file"):
        catalogue.load("tiny", offline=offline)
    assert [] == mirror.asked


def test_a_damaged_cache_is_mended_by_fetching_what_is_damaged(mirror, cache):
    put(cache)
    (cache / NAMES[2]).write_bytes(PACKED[NAMES[2]][:-9])
    with pytest.raises(FormatError, match=NAMES[2]):
        catalogue.load("tiny", offline=True)
    assert_is_the_set(catalogue.load("tiny"))
    assert [(NAMES[2], None)] == mirror.asked


def test_without_a_published_sha_of_the_data_either_other_proof_is_enough(mirror, cache):
    put(cache)
    packed = {name: hashlib.sha256(data).hexdigest() for name, data in PACKED.items()}
    unpacked = {name: hashlib.md5(data).hexdigest() for name, data in PLAIN.items()}
    for by_packed, by_unpacked, fits in ((1, 0, True), (0, 1, True), (0, 0, False)):
        files = tuple(
            replace(
                file,
                sha256="",
                packed_sha256=packed[file.name] if by_packed else "0" * 64,
                md5=unpacked[file.name] if by_unpacked else "0" * 32,
            )
            for file in entry().files
        )
        catalogue.ENTRIES["tiny"] = replace(entry(mirror.url), files=files)
        if fits:
            assert_is_the_set(catalogue.load("tiny", offline=True))
        else:
            with pytest.raises(FormatError, match="not the published file"):
                catalogue.load("tiny", offline=True)


def test_the_cache_is_where_platformdirs_puts_it_with_or_without_it(monkeypatch):
    monkeypatch.undo()
    pytest.importorskip("platformdirs")
    expected = catalogue.cache_folder()
    monkeypatch.setitem(sys.modules, "platformdirs", None)
    assert expected == catalogue.cache_folder()
    assert ("nnengine", "data") == expected.parts[-2:]


# fetched from a mirror that behaves


def test_a_set_is_fetched_once_and_then_found(mirror, cache):
    assert_is_the_set(catalogue.load("tiny"))
    assert [(name, None) for name in NAMES] == mirror.asked
    assert_is_the_set(catalogue.load("tiny"))
    assert cache == catalogue.fetch("tiny") == catalogue.fetch("tiny", force=True)
    assert 4 == len(mirror.asked)
    assert set(NAMES) == {path.name for path in cache.iterdir()}


def test_progress_counts_all_files_and_ends_at_the_total(mirror):
    told = []
    catalogue.fetch("tiny", progress=lambda *facts: told.append(facts))
    done = [facts[0] for facts in told]
    assert done == sorted(done) and TOTAL == done[-1]
    assert {TOTAL} == {total for _, total, _ in told}
    assert list(NAMES) == sorted({file for *_, file in told}, key=NAMES.index)


def test_a_mirror_may_send_the_data_unpacked(mirror, cache):
    mirror.files = dict(PLAIN)
    assert_is_the_set(catalogue.load("tiny"))
    assert {name.removesuffix(".gz") for name in NAMES} == {path.name for path in cache.iterdir()}


def test_a_mirror_may_pack_the_data_differently_and_not_say_how_long_they_are(mirror):
    mirror.files = {name: gzip.compress(data, 1) for name, data in PLAIN.items()}
    mirror.behave["*"] = lambda request: request.give(request.data, None)
    assert_is_the_set(catalogue.load("tiny"))


def test_a_redirection_is_followed(mirrors):
    first, second = mirrors

    def lead_on(request: Request) -> None:
        request.head(0, 302, Location=second.url + request.path)

    first.behave["*"] = lead_on
    assert_is_the_set(catalogue.load("tiny"))
    assert 4 == len(first.asked) == len(second.asked)


def test_a_set_of_folders_elsewhere_can_be_fetched_all_the_same(mirror, tmp_path, monkeypatch):
    monkeypatch.setenv("NNENGINE_DATA", str(tmp_path))
    put(tmp_path / "tiny")
    assert tmp_path / "tiny" == catalogue.fetch("tiny")
    assert catalogue.cache_folder() / "tiny" == catalogue.fetch("tiny", force=True)
    assert 4 == len(mirror.asked)


def test_the_mirror_of_ones_own_is_asked_first(mirror, monkeypatch):
    with serving({f"data/tiny/{name}": data for name, data in PACKED.items()}) as own:
        monkeypatch.setenv("NNENGINE_MIRROR", f"{own.url}/data/")
        assert_is_the_set(catalogue.load("tiny"))
        assert (4, []) == (len(own.asked), mirror.asked)


def test_a_mirror_of_ones_own_that_has_nothing_is_no_end(mirror, monkeypatch):
    monkeypatch.setenv("NNENGINE_MIRROR", f"{mirror.url}/nothing")
    assert_is_the_set(catalogue.load("tiny"))


@pytest.mark.parametrize("base", ["/srv/data", "ftp://example.org", "file:///srv", "https://"])
def test_a_mirror_that_is_no_address_is_refused(mirror, monkeypatch, base):
    monkeypatch.setenv("NNENGINE_MIRROR", base)
    with pytest.raises(ConfigError, match="NNENGINE_MIRROR is .*https://.*NNENGINE_DATA"):
        catalogue.fetch("tiny")


# fetched from a mirror that misbehaves


def cuts_off(request: Request) -> None:
    request.give(request.data[: len(request.data) // 2], len(request.data), status=200)


def stalls(request: Request) -> None:
    request.head(len(request.data))
    request.put(request.data[:5000])
    request.mirror.over.wait(30)


def says_nothing(request: Request) -> None:
    request.mirror.over.wait(30)


def loops(request: Request) -> None:
    request.head(0, 302, Location=request.path)


@functools.cache
def bomb() -> bytes:
    return gzip.compress(b"\0\0\x08\x03" + bytes(40_000_000))


def sends_a_bomb(request: Request) -> None:
    request.give(bomb())


def pours(request: Request) -> None:
    request.head(None)
    while not request.mirror.over.is_set():
        request.put(b"\x1f\x8b" + bytes(65_000))


MISDEEDS = {
    "is not there": (lambda request: request.refuse(404), "answers 404 Not Found"),
    "is broken": (lambda request: request.refuse(500), "answers 500 Internal Server Error"),
    "sends a web page": (lambda request: request.give(HTML), "sends an HTML page"),
    "sends text": (lambda request: request.give(b"try again later\n"), "sends plain text"),
    "sends noise": (lambda request: request.give(bytes(range(7, 250))), "sends other bytes .07 08"),
    "sends nothing": (lambda request: request.give(b""), "sends an empty file"),
    "sends half and says it is all": (
        lambda request: request.give(request.data[: len(request.data) // 2]),
        "sends something else .*break off",
    ),
    "cuts off": (cuts_off, r"cut the connection after [\d,]+ of [\d,]+ bytes"),
    "hangs up at once": (
        lambda request: request.connection.close(),
        "gives no proper answer|cannot be reached",
    ),
    "says nothing": (says_nothing, "does not answer within 1 s"),
    "stalls": (stalls, "sends nothing more for 1 s"),
    "drips": (lambda request: request.drip(request.data, 0.05), r"sent only \d+ bytes in [01] s"),
    "is another set": (
        lambda request: request.give(gzip.compress(idx_bytes(255 - ARRAYS[IMAGES]))),
        "sends something else .not the published file",
    ),
    "is another file": (
        lambda request: request.give(PACKED[NAMES[1]]),
        "sends something else .*holds labels",
    ),
    "leads in a circle": (loops, "answers 302"),
    "leads to a file of ours": (
        lambda request: request.head(0, 302, Location="file:///etc/passwd"),
        "answers 302 .*not allowed",
    ),
    "promises too much": (
        lambda request: request.give(request.data, 10**9),
        "offers 1,000,000,000 bytes where",
    ),
    "pours without end": (pours, "sends more than the"),
    "sends a bomb": (sends_a_bomb, "sends something else"),
    "speaks another language": (
        lambda request: request.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n"),
        "gives no proper answer",
    ),
}


@pytest.mark.parametrize("misdeed", MISDEEDS)
def test_a_mirror_that(misdeed, mirrors, cache, hasty):
    """Whatever the first mirror does, the second is asked, and what came is right."""
    first, second = mirrors
    first.behave[IMAGES] = MISDEEDS[misdeed][0]
    started = time.monotonic()
    assert_is_the_set(catalogue.load("tiny"))
    assert time.monotonic() - started < 20
    assert IMAGES in [path for path, _ in first.asked]
    assert set(NAMES) == {path.name for path in cache.iterdir()} - {p.name for p in parts(cache)}


@pytest.mark.parametrize("misdeed", MISDEEDS)
def test_one_sentence_says_that_the_only_mirror(misdeed, mirror, hasty):
    mirror.behave["*"], expected = MISDEEDS[misdeed]
    with pytest.raises(FetchError) as caught:
        catalogue.load("tiny")
    said = str(caught.value)
    host = mirror.url.removeprefix("http://")
    assert re.match(f"tiny could not be fetched, .*{host} ({expected})", said)
    assert said.endswith('the built-in "digits" need no network') and "\n" not in said


def test_a_mirror_that_failed_is_asked_last_for_the_files_that_follow(mirrors):
    first, second = mirrors
    first.behave[IMAGES] = lambda request: request.refuse(500)
    catalogue.load("tiny")
    assert [IMAGES] == [path for path, _ in first.asked]
    assert list(NAMES) == [path for path, _ in second.asked]


def test_without_a_network_one_sentence_says_so(monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    unknown = "https://mirror.invalid/tiny"
    monkeypatch.setitem(catalogue.ENTRIES, "tiny", entry(f"http://127.0.0.1:{port}", unknown))
    with pytest.raises(FetchError) as caught:
        catalogue.load("tiny")
    said = str(caught.value)
    assert not caught.value.reached and "there seems to be no network" in said
    assert "refused" in said and "mirror.invalid cannot be reached" in said and "digits" in said


def test_a_mirror_without_a_certificate_is_not_trusted(mirror, monkeypatch):
    monkeypatch.setitem(
        catalogue.ENTRIES, "tiny", entry(mirror.url.replace("http:", "https:"))
    )  # the handshake fails, as it does with a certificate of nobody
    with pytest.raises(FetchError, match="fetched, 127.0.0.1:[0-9]+ cannot be trusted") as caught:
        catalogue.load("tiny")
    assert caught.value.reached


def test_a_disk_that_cannot_be_written_to_is_said_plainly(mirror, cache):
    cache.parent.mkdir(parents=True)
    cache.write_text("a file where the folder has to be")
    with pytest.raises(FetchError, match=f"cannot be kept: {cache}: .*NNENGINE_DATA.*digits"):
        catalogue.load("tiny")


# resumed


def cut_once(mirror: Mirror, path: str, at: int) -> None:
    """Let the mirror break off the first answer for ``path`` after ``at`` bytes."""

    def cut(request: Request) -> None:
        del mirror.behave[path]
        request.give(request.data[:at], len(request.data))

    mirror.behave[path] = cut


def test_a_connection_that_breaks_is_taken_up_where_it_broke(mirrors):
    first, second = mirrors
    cut_once(first, IMAGES, 100_000)
    assert_is_the_set(catalogue.load("tiny"))
    assert [(IMAGES, None), (IMAGES, "bytes=100000-")] == first.asked[:2]
    assert TOTAL == sum(first.sent) and [] == second.asked


def test_a_connection_that_brings_nothing_new_is_not_made_for_ever(mirror):
    mirror.behave[IMAGES] = lambda request: request.give(b"", len(PACKED[IMAGES]), status=200)
    with pytest.raises(FetchError, match="cut the connection after 0 of"):
        catalogue.fetch("tiny")
    assert len(mirror.asked) <= 5


def test_what_an_ended_process_left_is_taken_up(mirror, cache):
    class Ended(Exception):
        pass

    def end(done: int, total: int, file: str) -> None:
        if done > 100_000:
            raise Ended

    with pytest.raises(Ended):
        catalogue.fetch("tiny", progress=end)
    kept = sum(part.stat().st_size for part in parts(cache))
    assert 100_000 < kept < len(PACKED[IMAGES])
    asked = len(mirror.asked)
    assert_is_the_set(catalogue.load("tiny"))
    assert (IMAGES, f"bytes={kept}-") == mirror.asked[asked]
    assert TOTAL - kept == sum(mirror.sent[asked:])
    assert [] == parts(cache)


def test_the_sentence_says_that_what_came_is_kept(mirror, cache, hasty):
    mirror.behave[IMAGES] = stalls
    with pytest.raises(FetchError, match="; 5,000 bytes that came are kept for the next try; "):
        catalogue.fetch("tiny")
    mirror.behave.clear()
    assert_is_the_set(catalogue.load("tiny"))
    assert "bytes=5000-" == mirror.asked[1][1]


def test_a_server_that_does_not_know_ranges_starts_anew(mirror):
    def whole(request: Request) -> None:
        request.give(request.data, status=200)

    def cut(request: Request) -> None:
        mirror.behave[IMAGES] = whole
        request.give(request.data[:100_000], len(request.data))

    mirror.behave[IMAGES] = cut
    assert_is_the_set(catalogue.load("tiny"))
    assert "bytes=100000-" == mirror.asked[1][1]
    assert 100_000 + TOTAL == sum(mirror.sent)


def leave_part(cache: Path, mirror: Mirror, data: bytes) -> None:
    """Leave a part of the images as an ended process does."""
    cache.mkdir(parents=True)
    with fetch.claimed_part(cache, IMAGES, f"{mirror.url}/{IMAGES}") as part:
        part.write_bytes(data)


def test_a_part_that_is_whole_already_is_used(mirror, cache):
    leave_part(cache, mirror, PACKED[IMAGES])
    assert_is_the_set(catalogue.load("tiny"))
    assert TOTAL - len(PACKED[IMAGES]) == sum(mirror.sent)


@pytest.mark.parametrize("junk", [b"\x1f\x8b" + bytes(5000), bytes(len(PACKED[IMAGES]) + 9)])
def test_a_part_that_is_not_of_this_file_is_thrown_away(mirror, cache, junk):
    leave_part(cache, mirror, junk)
    assert_is_the_set(catalogue.load("tiny"))
    assert f"bytes={len(junk)}-" == mirror.asked[0][1] and mirror.asked[1] == (IMAGES, None)
    assert [] == parts(cache)


def test_an_answer_from_another_place_than_asked_for_is_not_used(mirror, cache):
    leave_part(cache, mirror, PACKED[IMAGES][:5000])

    def shifted(request: Request) -> None:
        rest = request.data[4000:]
        request.head(len(rest), 206, Content_Range=f"bytes 4000-{len(request.data) - 1}/*")
        request.put(rest)

    mirror.behave[IMAGES] = shifted
    with pytest.raises(FetchError, match="other bytes than those from 5,000 on"):
        catalogue.fetch("tiny")


def test_a_part_that_somebody_is_writing_to_is_left_alone(mirror, cache):
    cache.mkdir(parents=True)
    url = f"{mirror.url}/{IMAGES}"
    with fetch.claimed_part(cache, IMAGES, url) as theirs:
        theirs.write_bytes(PACKED[IMAGES][:5000])
        assert_is_the_set(catalogue.load("tiny"))
        assert (IMAGES, None) == mirror.asked[0]
        assert 5000 == theirs.stat().st_size


def test_two_at_once_do_no_harm(mirror, cache):
    def slowly(request: Request) -> None:
        request.head(len(request.data))
        for at in range(0, len(request.data), 40_000):
            request.put(request.data[at : at + 40_000])
            request.mirror.over.wait(0.01)

    mirror.behave["*"] = slowly
    found = []
    both = [threading.Thread(target=lambda: found.append(catalogue.load("tiny"))) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert 2 == len(found)
    for sets in found:
        assert_is_the_set(sets)
    assert set(NAMES) == {path.name for path in cache.iterdir()}


# in a browser tab


class _XMLHttpRequest:
    """The page's client as a worker sees it: synchronous, the whole answer as an ArrayBuffer."""

    answers: dict[str, tuple[int, bytes]] = {}

    @classmethod
    def new(cls):
        return cls()

    def open(self, method, url, asynchronous):
        assert ("GET", False) == (method, asynchronous)
        self._url = url

    def send(self):
        assert ("arraybuffer", 600_000) == (self.responseType, self.timeout)
        if self._url not in self.answers:  # as Pyodide's JsException: an Exception, named in words
            raise RuntimeError("NetworkError: Failed to execute 'send' on 'XMLHttpRequest'")
        self.status, data = self.answers[self._url]
        if not self.status:
            raise RuntimeError("TimeoutError: Failed to execute 'send' on 'XMLHttpRequest'")
        self.statusText = {200: "OK", 404: "Not Found"}[self.status]
        self.response = types.SimpleNamespace(to_bytes=lambda: data)


@pytest.fixture
def page(monkeypatch):
    """A browser tab with its answers; there are no sockets."""

    def no_sockets(*_):
        raise AssertionError("a tab has no sockets")

    module = types.ModuleType("js")
    module.XMLHttpRequest = type("Client", (_XMLHttpRequest,), {"answers": {}})
    monkeypatch.setitem(sys.modules, "js", module)
    monkeypatch.setattr(fetch.sys, "platform", "emscripten")
    monkeypatch.setattr(socket, "socket", no_sockets)
    monkeypatch.setitem(catalogue.ENTRIES, "tiny", entry("https://one.test", "https://two.test"))
    return module.XMLHttpRequest.answers


def test_in_a_tab_the_page_fetches(page):
    page |= {f"https://two.test/{name}": (200, data) for name, data in PACKED.items()}
    page[f"https://one.test/{IMAGES}"] = (404, b"")
    told = []
    assert_is_the_set(catalogue.load("tiny", progress=lambda *facts: told.append(facts)))
    assert (TOTAL, TOTAL, NAMES[3]) == told[-1]


def test_in_a_tab_a_page_may_have_unpacked_the_data_already(page):
    page |= {f"https://one.test/{name}": (200, data) for name, data in PLAIN.items()}
    assert_is_the_set(catalogue.load("tiny"))


def test_in_a_tab_without_a_network_one_sentence_says_so(page):
    with pytest.raises(FetchError, match="no network: one.test cannot be .*two.test .*digits"):
        catalogue.load("tiny")


def test_in_a_tab_a_mirror_that_does_not_end_is_not_waited_for(page):
    page |= {f"https://one.test/{IMAGES}": (0, b""), f"https://two.test/{IMAGES}": (404, b"")}
    with pytest.raises(FetchError, match="one.test does not answer within 600 s; two.test answ"):
        catalogue.load("tiny")


# the real ones, from the real files


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_published_digests_are_those_of_the_real_files(name, data_dir, monkeypatch):
    files = {f"{name}/{path.name}": path for path in (data_dir / name).glob("*.gz")}
    with serving(files) as mirror:
        monkeypatch.setenv("NNENGINE_MIRROR", mirror.url)
        train, test = catalogue.load(name)
        assert 4 == len(mirror.asked)
    assert ((60_000, 28, 28), (10_000, 28, 28)) == (train.images.shape, test.images.shape)
    assert catalogue.describe(name).class_names == train.class_names == test.class_names


def test_the_files_on_this_machine_are_found_where_the_environment_says(data_dir, monkeypatch):
    monkeypatch.setenv("NNENGINE_DATA", str(data_dir))
    assert data_dir / "mnist" == catalogue.find("mnist")
    train, test = catalogue.load("mnist", offline=True)
    assert (60_000, 10_000, "mnist") == (len(train), len(test), train.name)
