"""The site's own server: files of its folder and nothing else, whatever is asked for."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.web import serve

PAGE, LOST, SECRET = b"<h1>the page</h1>", b"<h1>lost</h1>", b"what lies outside"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A site with links out of it, and a file beside it."""
    top = tmp_path_factory.mktemp("top")
    site = top / "site"
    (site / "app" / "static").mkdir(parents=True)
    (site / "class").mkdir()
    (site / "class" / "index.html").write_bytes(PAGE)
    (site / "index.html").write_bytes(PAGE)
    (site / "404.html").write_bytes(LOST)
    (site / "app" / "static" / "some.js").write_bytes(b"let a = 1")
    (top / "secret.txt").write_bytes(SECRET)
    (site / "link.txt").symlink_to(top / "secret.txt")
    (site / "above").symlink_to(top)
    (site / "within.js").symlink_to(site / "app" / "static" / "some.js")
    (site / "ring").symlink_to(site / "ring")
    return site


@pytest.fixture(scope="module")
def port(folder) -> Iterator[int]:
    with serve.server(folder) as host:
        threading.Thread(target=host.serve_forever, daemon=True).start()
        yield host.server_port
        host.shutdown()


def ask(port: int, path: str, method: str = "GET", **headers: str):
    """Return (status, headers, body) of what is answered to a path as it stands."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    found = answer.status, answer.headers, answer.read()
    connection.close()
    return found


@pytest.mark.parametrize(
    "path, body",
    [("/", PAGE), ("/index.html", PAGE), ("/?page=draw", PAGE), ("/class/", PAGE),
     ("/class/?a=1", PAGE), ("/within.js", b"let a = 1"),
     ("/app/static/some.js?v=1", b"let a = 1")],
)  # fmt: skip
def test_the_files_of_the_folder_are_handed_out(port, path, body):
    assert (200, body) == ask(port, path)[::2]


@pytest.mark.parametrize(
    "path",
    [
        "/link.txt",
        "/above/secret.txt",
        "/above/",
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/app/%2e%2e%2f%2e%2e%2fsecret.txt",
        "/..%5csecret.txt",
        "//secret.txt",
        "http://elsewhere.example/secret.txt",
        "/app",
        "/app/",
        "/app/static/",
        "/draw",
        "/%00",
        "/index.html%00.txt",
        "/%ff%fe",
        "/" + "a" * 5000,
        "/index.html/",
        "/ring",
    ],
)
def test_all_else_is_answered_with_the_page_for_lost_addresses(port, path):
    status, headers, body = ask(port, path)
    assert (404, LOST) == (status, body)
    assert "Location" not in headers


def test_an_absolute_path_of_this_machine_is_not_handed_out(port, folder):
    assert 404 == ask(port, str(folder.parent / "secret.txt"))[0]


def test_who_asks_for_the_head_alone_gets_no_body(port):
    status, headers, body = ask(port, "/", "HEAD")
    assert (200, str(len(PAGE)), b"") == (status, headers["Content-Length"], body)
    status, headers, body = ask(port, "/lost", "HEAD")
    assert (404, str(len(LOST)), b"") == (status, headers["Content-Length"], body)


def test_a_range_is_answered_with_the_whole_file(port):
    status, headers, body = ask(port, "/", Range="bytes=3-5")
    assert (200, PAGE) == (status, body)
    assert "Content-Range" not in headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "TRACE", "NONSENSE"])
def test_nothing_can_be_done_but_read(port, method):
    assert 501 == ask(port, "/", method)[0]


@pytest.mark.parametrize("path", ["/", "/lost", "/app/static/some.js"])
def test_every_answer_tells_browsers_what_to_refuse(port, path):
    headers = ask(port, path)[1]
    assert "nosniff" == headers["X-Content-Type-Options"]
    assert "SAMEORIGIN" == headers["X-Frame-Options"]
    assert "frame-ancestors 'self'" == headers["Content-Security-Policy"]
    assert "no-referrer" == headers["Referrer-Policy"]


def test_what_has_a_version_is_kept_by_browsers_and_pages_are_not(port):
    assert "no-cache" == ask(port, "/")[1]["Cache-Control"]
    assert "max-age" in ask(port, "/app/static/some.js?v=1")[1]["Cache-Control"]
    assert "text/javascript" == ask(port, "/app/static/some.js")[1]["Content-Type"]


def test_it_listens_to_this_machine_alone(folder):
    with serve.server(folder) as host:
        assert "127.0.0.1" == host.server_address[0]
