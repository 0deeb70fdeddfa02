"""Data by a link: what may be fetched from where, and what is told when it cannot be."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from dashboard.store import links
from dashboard.store.links import NotThere, Pull, Unreachable, addresses, pull
from nnengine.errors import ConfigError

HOME = "https://class.example.org/nn/"
DATA = "https://data.example.org"


class Host:
    """Files by address, handed out as a browser's fetch would."""

    def __init__(self, files):
        self.files, self.asked = files, []

    async def __call__(self, address, note):
        self.asked.append(address)
        found = self.files.get(address)
        if found is None:
            raise NotThere("is not there (404)")
        if isinstance(found, Exception):
            raise found
        note(len(found), len(found))
        return found


def pulled(host, *asked) -> Pull:
    task = Pull(list(asked))
    with ThreadPoolExecutor(1) as other:  # browser tests leave a loop running in this thread
        other.submit(asyncio.run, pull(task, host)).result()
    assert task.ended
    return task


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sets/a.csv", [f"{HOME}sets/a.csv"]),
        ("/sets/a.csv", ["https://class.example.org/sets/a.csv"]),
        (" sets/mnist/ ", [f"{HOME}sets/mnist/"]),
        ("a.gz, b.gz\nc.gz#part", [f"{HOME}a.gz", f"{HOME}b.gz", f"{HOME}c.gz"]),
        (f"{DATA}/x.zip?v=2", [f"{DATA}/x.zip?v=2"]),
        (f"{HOME}x.zip", [f"{HOME}x.zip"]),
    ],
)
def test_addresses_are_read_as_seen_from_the_site(text, expected):
    assert expected == addresses(text, HOME, [DATA])


@pytest.mark.parametrize(
    "text",
    [
        "https://elsewhere.example.org/a.csv",
        "//elsewhere.example.org/a.csv",
        "http://class.example.org/nn/a.csv",  # the same name is not the same host
        "https://class.example.org.evil.net/a.csv",
        "https://class.example.org@evil.net/a.csv",
        "https://user:pw@class.example.org/a.csv",
        "https://class.example.org:8443/a.csv",
        "file:///etc/passwd",
        "data:text/csv,1,2",
        "javascript:alert(1)//a.b",
        "http://127.0.0.1/a.csv",
        "http://169.254.169.254/latest/",
    ],
)
def test_other_hosts_and_schemes_are_refused_with_the_way_out(text):
    with pytest.raises(ConfigError, match="Download the files and drop them|no address"):
        addresses(text, HOME, [DATA])


@pytest.mark.parametrize("text", ["sets/a.csv", "http://127.0.0.1:22/", f"{DATA}/a.csv"])
def test_a_server_fetches_nothing_that_visitors_name(text):
    with pytest.raises(ConfigError, match="this server fetches nothing"):
        addresses(text, None, [DATA])


@pytest.mark.parametrize("text", ["", " , ", "a.gz " * 9])
def test_none_or_too_many_addresses_are_refused(text):
    with pytest.raises(ConfigError, match="give one to 8"):
        addresses(text, HOME)


def test_names_of_sets_are_no_links():
    found = {text: links.is_link(text) for text in ("digits", "fashion-mnist", "a.csv", "sets/a")}
    assert {"digits": False, "fashion-mnist": False, "a.csv": True, "sets/a": True} == found


def test_files_come_in_order_under_their_own_names():
    host = Host({f"{HOME}a%20b.csv": b"1", f"{HOME}c.npz?v=1": b"23"})
    task = pulled(host, f"{HOME}a%20b.csv", f"{HOME}c.npz?v=1")
    assert ([("a b.csv", b"1"), ("c.npz", b"23")], None) == (task.files, task.error)
    assert (2, 2, "c.npz") == (task.done, task.total, task.file)


def test_a_folder_is_asked_for_the_four_files_packed_or_not():
    names = [f"{HOME}m/{name}" for name in links.FOLDER]
    host = Host({names[0] + ".gz": b"a", names[1]: b"b", names[2]: b"c", names[3] + ".gz": b"d"})
    task = pulled(host, f"{HOME}m/")
    assert [b"a", b"b", b"c", b"d"] == [raw for _, raw in task.files]


def test_a_folder_without_a_test_set_is_enough():
    host = Host({f"{HOME}m/{name}.gz": b"a" for name in links.FOLDER[:2]})
    task = pulled(host, f"{HOME}m/")
    assert ([f"{name}.gz" for name in links.FOLDER[:2]], None) == (
        [name for name, _ in task.files], task.error,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "holds no train-images-idx3-ubyte, packed or not"),
        ({f"{HOME}m/{links.FOLDER[0]}.gz": Unreachable("cannot be reached")}, "cannot be reached"),
    ],
)
def test_what_cannot_be_had_is_told_and_nothing_is_taken_in(files, said):
    task = pulled(Host(files), f"{HOME}m/")
    assert said in task.error
    assert [] == task.files


def test_a_file_beyond_all_bounds_is_left_unread(monkeypatch):
    monkeypatch.setattr(links, "MAX_FILE_BYTES", 1 << 20)
    task = pulled(Host({f"{HOME}a.csv": bytes((1 << 20) + 1)}), f"{HOME}a.csv")
    assert "larger than 1 MB" in task.error
