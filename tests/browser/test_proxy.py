"""Behind nginx, as docs/deploy/nginx.conf has it: everything works, by one name, over TLS."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import ROOT, free_port, needed, note_console, note_foreign, settle
from tests.browser.strokes import SEVEN
from tests.browser.test_draw import answer, draw
from tests.browser.test_walk import PAGES, go, upload
from tests.test_door import served

NAME = "digits.example.org"
FILE = ROOT / "docs" / "deploy" / "nginx.conf"
PATHS = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/bin:/sbin"
# What a deployer changes as well, and what another than root has to.
AROUND = """\
pid {folder}/pid; error_log {folder}/error.log; daemon off; master_process off;
events {{ worker_connections 256; }}
http {{
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    include {folder}/nnengine.conf;
}}
"""


def program(name: str) -> str:
    """Return a program's path; without one a skip, or a failure where browsers are required."""
    return needed(shutil.which(name, path=PATHS), f"{name} (on Debian: apt install {name})")


@pytest.fixture(scope="module")
def proxy(tmp_path_factory) -> Iterator[int]:
    """The port of nginx in front of the app, which it is for the name alone."""
    nginx, openssl = program("nginx"), program("openssl")
    folder, port = tmp_path_factory.mktemp("proxy"), free_port()
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", f"/CN={NAME}", "-keyout", folder / "key", "-out", folder / "pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    with served(folder, "--name", NAME) as app:
        write(folder, port, app)
        command = [nginx, "-p", folder, "-c", folder / "whole.conf", "-e", folder / "error.log"]
        process = subprocess.Popen([*command, "-q"])
        try:
            wait(port, process, folder)
            yield port
        finally:
            process.terminate()
            process.wait(20)


def write(folder: Path, port: int, app: int) -> None:
    """Write the published file with this machine's ports and certificate."""
    text = FILE.read_text()
    for told, here in (
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("listen 80;", f"listen 127.0.0.1:{free_port()};"),
        (f'"https://{NAME}"', f'"https://{NAME}:{port}"'),
        (f"/etc/ssl/{NAME}.pem", f"{folder}/pem"),
        (f"/etc/ssl/{NAME}.key", f"{folder}/key"),
        ("127.0.0.1:8501", f"127.0.0.1:{app}"),
    ):
        assert told in text
        text = text.replace(told, here)
    (folder / "nnengine.conf").write_text(text)
    (folder / "whole.conf").write_text(AROUND.format(folder=folder))


def wait(port: int, process: subprocess.Popen, folder: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=2).close()
            return
        time.sleep(0.1)
    pytest.fail(f"nginx did not start:\n{(folder / 'error.log').read_text()[-2000:]}")


def ask(port: int, path: str, name: str = NAME, **headers: str) -> tuple[int, dict[str, str]]:
    """Return (status, headers) of what is answered over TLS to somebody who asks for a name."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    lines = [f"GET {path} HTTP/1.1", f"Host: {name}:{port}", "Connection: close"]
    lines += [f"{key}: {value}" for key, value in headers.items()]
    with (
        socket.create_connection(("127.0.0.1", port), timeout=20) as wire,
        trusting.wrap_socket(wire, server_hostname=name) as safe,
    ):
        safe.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        found = http.client.HTTPResponse(safe)
        found.begin()
        return found.status, dict(found.headers)


def test_the_app_works_behind_the_proxy_and_its_policy_forbids_nothing_of_it(
    proxy, launch, band_files
):
    chromium = launch(f"--host-resolver-rules=MAP {NAME} 127.0.0.1")
    context = chromium.new_context(ignore_https_errors=True)
    page, home = context.new_page(), f"https://{NAME}:{proxy}"
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(f"script: {error}"))
    page.on("request", lambda request: note_foreign(page, request.url, home))
    page.on("console", lambda line: note_console(page, line.text))
    page.goto(f"{home}/data")
    settle(page)
    upload(page, band_files)
    expect(page.get_by_text("900").first).to_be_visible(timeout=30_000)
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible(timeout=30_000)
    for name in PAGES:
        go(page, name)
    go(page, "Draw")
    draw(page, SEVEN)
    assert answer(page)
    with page.expect_download() as saved:
        go(page, "Models")
        page.get_by_role("button", name="Download .npz").click()
    assert saved.value.suggested_filename.endswith(".npz")
    assert [] == page.faults
    chromium.close()


def test_the_proxy_adds_what_the_app_cannot_and_keeps_what_it_says(proxy):
    status, headers = ask(proxy, "/")
    assert 200 == status
    assert "max-age" in headers["Strict-Transport-Security"]
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "nosniff" == headers["x-content-type-options"]
    assert "/" not in headers["Server"]  # no version


@pytest.mark.parametrize("path", ["/_stcore/metrics", "/_stcore/agent/openapi.json"])
def test_what_tells_of_the_server_is_not_answered(proxy, path):
    assert 404 == ask(proxy, path)[0]


def test_pages_of_other_sites_and_other_names_are_not_answered(proxy):
    assert 200 == ask(proxy, "/", Origin=f"https://{NAME}:{proxy}")[0]
    for origin in ("https://elsewhere.example", f"http://{NAME}:{proxy}", "null"):
        assert 403 == ask(proxy, "/_stcore/stream", Origin=origin)[0]
    with pytest.raises(ssl.SSLError):
        ask(proxy, "/", "elsewhere.example")
