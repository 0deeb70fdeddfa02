"""The door of the server, by real handshakes: who is let in, and what every answer carries."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.host import door
from dashboard.host.door import Door

ROOT = Path(__file__).resolve().parent.parent


@contextlib.contextmanager
def served(folder: Path, *options: str) -> Iterator[int]:
    """Have `nnengine app` serve the dashboard with these options; give its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    known = os.environ | {"NNENGINE_KERNELS": "numpy", "PYTHONPATH": paths}
    command = [sys.executable, "-m", "nnengine", "app", "--headless", "--port", str(port)]
    log = folder / "log.txt"
    with log.open("w") as out:
        process = subprocess.Popen(
            [*command, *options], cwd=folder, env=known, stdout=out, stderr=out
        )
    try:
        deadline = time.monotonic() + 60
        while not up(port):
            assert time.monotonic() < deadline and process.poll() is None, log.read_text()
            time.sleep(0.2)
        yield port
    finally:
        process.terminate()
        process.wait(20)


def up(port: int) -> bool:
    with contextlib.suppress(OSError):
        return ask(port, "/_stcore/health")[0] in (200, 403)
    return False


@pytest.fixture(scope="module")
def port(tmp_path_factory) -> Iterator[int]:
    with served(tmp_path_factory.mktemp("server")) as found:
        yield found


@pytest.fixture(scope="module")
def named(tmp_path_factory) -> Iterator[int]:
    """A server that goes by a name of its own, as behind a proxy."""
    options = ("--name", "digits.example", "--name", "*.school.example")
    with served(tmp_path_factory.mktemp("named"), *options) as found:
        yield found


def ask(port: int, path: str = "/", method: str = "GET", **given: str):
    """Return (status, headers) of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, headers={"Host": f"localhost:{port}"} | given)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.headers


def handshake(port: int, host: str, origin: str | None = None) -> int:
    """Return the status that a browser's request for the websocket gets: 101 opens it."""
    lines = [
        "GET /_stcore/stream HTTP/1.1",
        f"Host: {host}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}",
        *([f"Origin: {origin}"] if origin else []),
    ]
    with socket.create_connection(("127.0.0.1", port), timeout=20) as wire:
        wire.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return int(wire.recv(64).split()[1])


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]", "192.0.2.7"])
def test_a_page_of_the_app_opens_its_websocket(port, name):
    assert 101 == handshake(port, f"{name}:{port}", f"http://{name}:{port}")
    assert 101 == handshake(port, f"{name}:{port}")  # a program: it could say anything


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost:1",
        "http://127.0.0.1:1",
        "http://elsewhere.example",
        "null",
        "http://localhost",
        "file://",
    ],
)
def test_a_page_of_another_port_or_site_does_not(port, origin):
    assert 403 == handshake(port, f"localhost:{port}", origin)


def test_a_name_that_somebody_s_dns_has_stand_for_this_machine_is_no_way_in(port):
    host = f"rebound.example:{port}"
    assert 403 == handshake(port, host, f"http://{host}")
    assert 403 == handshake(port, host)
    for path in ("/", "/_stcore/health", "/app/static/plotly.min.js"):
        assert 403 == ask(port, path, Host=host)[0]


@pytest.mark.parametrize("host", ["", "@", "localhost:1:2", "local host", "[localhost]"])
def test_a_host_that_is_none_is_refused(port, host):
    assert handshake(port, host) in (400, 403)


def test_a_server_with_names_of_its_own_answers_to_these_alone(named):
    for name in ("digits.example", "DIGITS.example.", "three.school.example"):
        assert 101 == handshake(named, name, f"https://{name}")
    for name in ("localhost", "127.0.0.1", "school.example", "digits.example.elsewhere.example"):
        assert 403 == handshake(named, f"{name}:{named}", f"http://{name}:{named}")


def test_nothing_is_taken_from_a_form_of_another_site(port):
    for method in ("POST", "PUT", "DELETE"):
        status, _ = ask(port, "/_stcore/upload_file/a/b", method, Origin="http://localhost:1")
        assert 403 == status


def test_it_listens_to_this_machine_alone_unless_told_otherwise(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing: which address would be used
        mine = probe.getsockname()[0]
    if mine.startswith("127."):
        pytest.skip("this machine has no address but its own")
    with pytest.raises(OSError):
        socket.create_connection((mine, port), timeout=5)


@pytest.mark.parametrize("path", ["/", "/train", "/app/static/plotly.min.js", "/_stcore/health"])
def test_every_answer_tells_browsers_what_to_refuse(port, path):
    status, headers = ask(port, path)
    assert 200 == status
    assert "nosniff" == headers["X-Content-Type-Options"]
    assert "SAMEORIGIN" == headers["X-Frame-Options"]
    assert "no-referrer" == headers["Referrer-Policy"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_the_policy_names_no_host_and_lets_no_written_script_run_but_the_page_s_own():
    script = "\n let a = 1 "
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    said = door.policy(f"<script>{script}</script><script src='x.js'></script>")
    assert f"script-src 'self' blob: 'sha256-{digest}';" in said
    assert "http" not in said and "*" not in said and "eval" not in said
    assert "script-src 'self' blob:;" in door.policy("")


def test_another_site_may_be_let_in_by_its_name():
    friend = Door(None, origins=["https://friend.example/"])
    scope = {
        "type": "websocket",
        "headers": [(b"host", b"localhost"), (b"origin", b"https://friend.example")],
    }
    assert "" == friend.refusal(scope)
    assert Door(None).refusal(scope)
