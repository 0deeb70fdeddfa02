"""The wheel is the whole product: installed elsewhere, it opens the app and makes the site."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

from nnengine.kernels.wasm import ahead_of_time, entries
from tests.conftest import without_rights

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("nnengine", "dashboard")
MADE_HERE = ("kernels.wasm", "plotly.min.js")  # by those who run it, not by those who wrote it


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A wheel built from a copy: setuptools would put what a folder held before into it too."""
    work = tmp_path_factory.mktemp("wheel")
    for name in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__", *MADE_HERE)
        shutil.copytree(ROOT / name, work / "source" / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, work / "source" / name)
    pip(sys.executable, "wheel", "--no-build-isolation", "--wheel-dir", work, work / "source")
    return next(work.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The bin folder of a new environment with the wheel; what it needs is lent by this one."""
    place = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    bin = place / ("Scripts" if os.name == "nt" else "bin")
    pip(bin / "python", "install", wheel)
    library = Path(sysconfig.get_path("purelib", vars={"base": str(place)}))
    # Searched last, and no .pth in it is read: so the checkout's editable install is not seen.
    (library / "lent.pth").write_text(sysconfig.get_path("purelib"))
    if ahead_of_time.current():  # else it would be compiled anew for the site
        target = library / entries.FILE.relative_to(ROOT)
        shutil.copy(entries.FILE, target)
    return bin


def pip(python: object, command: str, *words: object) -> None:
    """Run pip for another Python, without asking for anything."""
    given = [sys.executable, "-m", "pip", "--quiet", "--python", python, command, "--no-deps"]
    done = subprocess.run([*map(str, given), *map(str, words)], capture_output=True, text=True)
    assert 0 == done.returncode, done.stderr


def run(
    installed: Path, folder: Path, *command: object, before: tuple = (), **environment: str
) -> subprocess.CompletedProcess:
    program, *rest = map(str, command)
    return subprocess.run(
        [*before, installed / program, *rest],
        cwd=folder,
        env=settings() | environment,
        capture_output=True,
        text=True,
    )


def settings() -> dict[str, str]:
    """Return an environment in which only what is installed is found, and nothing is compiled."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return kept | {"NNENGINE_KERNELS": "numpy"}


@contextlib.contextmanager
def served(
    installed: Path, folder: Path, before: tuple[str, ...] = (), **environment: str
) -> Iterator[str]:
    """Have `nnengine app` serve the dashboard, started in another folder; give its host.

    before: what comes before the command.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*before, installed / "nnengine", "app", "--headless", "--host", "127.0.0.1"]
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--port", str(port), "--server.maxUploadSize=3"],
            cwd=folder, env=settings() | environment, stdout=out, stderr=out,
        )  # fmt: skip
    try:
        until_up(f"127.0.0.1:{port}", process, log)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)
    with pytest.raises(OSError):  # the signal reached the server itself
        socket.create_connection(("127.0.0.1", port), timeout=5)


def until_up(host: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            assert "ok" == get(f"http://{host}/_stcore/health").decode()
            return
        time.sleep(0.1)
    raise AssertionError(f"the server did not come up:\n{log.read_text()}")


def get(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=10) as answer:
        return answer.read()


def first_page(host: str, page: str = "") -> list[ForwardMsg]:
    """Return all that the server tells a browser that has just opened the app, at a page."""
    address, port = f"ws://{host}/_stcore/stream", int(host.split(":")[1])
    line = socket.create_connection(("127.0.0.1", port))  # through no proxy
    with connect(address, sock=line, subprotocols=["streamlit"], max_size=None) as visitor:
        opening = BackMsg()
        opening.rerun_script.page_name = page
        visitor.send(opening.SerializeToString())
        told = [ForwardMsg()]
        while told[-1].WhichOneof("type") != "script_finished":
            told.append(ForwardMsg.FromString(visitor.recv(timeout=60)))
    return told


def test_everything_in_the_packages_is_in_the_wheel(wheel):
    wanted = {
        file.relative_to(ROOT).as_posix()
        for name in PACKAGES
        for file in (ROOT / name).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and file.name not in MADE_HERE
    }
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert set() == wanted ^ found
    assert {"nnengine/py.typed", "dashboard/.streamlit/config.toml"} <= found


def test_what_is_installed_is_imported_and_not_the_checkout(installed, tmp_path):
    code = "import nnengine, dashboard; print(nnengine.__file__, dashboard.__file__, sep='\\n')"
    done = run(installed, tmp_path, "python", "-c", code)
    folders = {Path(line).parent.parent for line in done.stdout.splitlines()}
    assert 1 == len(folders), done.stderr
    assert folders.pop().is_relative_to(installed.parent)


def test_the_app_opens_from_any_folder(installed, tmp_path):
    (tmp_path / "streamlit.py").write_text("raise SystemExit('somebody else\\'s')")
    with served(installed, tmp_path) as host:
        told = first_page(host)
        assert ForwardMsg.FINISHED_SUCCESSFULLY == told[-1].script_finished
        elements = [message.delta.new_element for message in told if message.HasField("delta")]
        assert not [element for element in elements if element.HasField("exception")]
        (pages,) = [m.navigation.app_pages for m in told if m.HasField("navigation")]
        assert {"Data", "Train", "Draw"} <= {page.page_name for page in pages}
        # Its own settings are found, and those of the command line count more.
        assert len(get(f"http://{host}/app/static/plotly.min.js")) > 1_000_000
        told = first_page(host, "data")
        elements = [message.delta.new_element for message in told if message.HasField("delta")]
        uploads = [e.file_uploader for e in elements if e.HasField("file_uploader")]
        assert {3} == {uploader.max_upload_size_mb for uploader in uploads}


def test_the_app_draws_charts_where_its_folder_cannot_be_written(installed, tmp_path):
    static = next(installed.parent.rglob("dashboard/static"))
    away = static.rename(tmp_path / "away")
    static.touch()  # nobody puts files into a file, not even root
    try:
        with served(installed, tmp_path) as host:
            first_page(host)
            path = "component/dashboard.components.live_plot.plotly_js/plotly.min.js"
            assert len(get(f"http://{host}/{path}")) > 1_000_000
    finally:
        static.unlink()
        away.rename(static)


def test_an_installation_of_somebody_elses_serves_every_page(installed, tmp_path):
    """Nothing of it can be written, nor a home: charts are drawn, and a network is trained."""
    before, home = without_rights(), tmp_path / "home"
    home.mkdir(mode=0o500)
    library = next(installed.parent.rglob("dashboard")).parent
    (library / "dashboard" / "static" / "plotly.min.js").unlink(missing_ok=True)
    with read_only(library), served(installed, tmp_path, before, HOME=str(home)) as host:
        for page in ("", "train", "weights", "draw", "fragility", "models", "about"):
            told = first_page(host, page)
            assert ForwardMsg.FINISHED_SUCCESSFULLY == told[-1].script_finished
            deltas = [message.delta for message in told if message.HasField("delta")]
            assert not [delta for delta in deltas if delta.new_element.HasField("exception")]
        path = "component/dashboard.components.live_plot.plotly_js/plotly.min.js"
        assert len(get(f"http://{host}/{path}")) > 1_000_000
        words = ["nnengine", "train", "digits", "--iterations", "5", "--out", "mine.npz"]
        done = run(installed, tmp_path, *words, before=before, HOME=str(home))
        assert (0, True) == (done.returncode, (tmp_path / "mine.npz").exists()), done.stderr
        lacking = {"before": before, "HOME": str(home), "XDG_CACHE_HOME": "", "NNENGINE_WEB": ""}
        done = run(installed, tmp_path, "nnengine", "site", "--out", "site", **lacking)
        assert (2, 1) == (done.returncode, done.stderr.count("\n")), done.stderr
        assert "name another by NNENGINE_WEB" in done.stderr
    assert [] == list(home.iterdir())


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Let nobody write to a folder and what is in it for a while."""
    inside = [folder, *(path for path in folder.rglob("*") if not path.is_symlink())]
    before = {path: path.stat().st_mode for path in inside}
    try:
        for path, mode in before.items():
            path.chmod(mode & ~0o222)
        yield
    finally:
        for path, mode in before.items():
            path.chmod(mode)


def test_the_site_is_made_in_any_folder(installed, tmp_path):
    done = run(installed, tmp_path, "nnengine", "site", "--out", "mine")
    if "pip download" in done.stderr:
        pytest.skip(f"the wheels of a site cannot be had: {done.stderr}")
    assert 0 == done.returncode, done.stderr
    assert "a visitor fetches" in done.stdout
    with zipfile.ZipFile(tmp_path / "mine" / "app.zip") as archive:
        assert (ROOT / "dashboard" / "app.py").read_bytes() == archive.read("dashboard/app.py")
        assert "nnengine/models/drawing.npz" in archive.namelist()


def test_a_fault_of_the_site_is_one_line(installed, tmp_path):
    (tmp_path / "thesis.txt").touch()
    for words, fault in ((["--out", tmp_path], "is no site"), (["--oot", "x"], "--oot")):
        done = run(installed, tmp_path, "nnengine", "site", *words)
        assert (2, "") == (done.returncode, done.stdout)
        assert fault in done.stderr and done.stderr.startswith("nnengine: ")
        assert 1 == done.stderr.count("\n")
