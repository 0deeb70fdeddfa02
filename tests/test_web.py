"""The static site as a folder: the app byte for byte, what it fetches, what its page allows."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import inspect
import io
import json
import math
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import zipfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from dashboard.host import tab
from dashboard.runs.scheduler import Scheduler
from dashboard.sections import live
from dashboard.state import session
from dashboard.web import __main__ as command
from dashboard.web import build, gather, pieces, serve, wheels
from nnengine.data import catalogue
from nnengine.data.catalogue import drawn
from nnengine.kernels.wasm import ahead_of_time

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("web") / "site"
    try:
        build.build(folder)
    except gather.GatherError as fault:
        pytest.skip(f"the wheels of a site cannot be had: {fault}")
    return folder


@pytest.fixture
def gathered(tmp_path) -> Path:
    """A folder that looks like a gathered one, with files of no use."""
    folder = tmp_path / "gathered"
    (folder / "pyodide").mkdir(parents=True)
    for name in (*pieces.CORE, *pieces.COMPILED, *pieces.PURE):
        (folder / "pyodide" / name).write_bytes(name.encode())
    lock = gather.lock_of(folder / "pyodide")
    (folder / "pyodide" / "pyodide-lock.json").write_text(json.dumps(lock))
    (folder / "stlite" / "wheels").mkdir(parents=True)
    (folder / "stlite" / "stlite.css").touch()
    (folder / "stlite" / "stlite.js").write_text('import{a as b}from"./part-1.js";lazy("./c.js")')
    (folder / "stlite" / "part-1.js").write_text("export const a = 1;")
    (folder / "stlite" / "c.js").touch()
    return folder


def settings(folder: Path) -> dict:
    """Return what the page tells its script."""
    text = (folder / "index.html").read_text(encoding="utf-8")
    return json.loads(re.search(r'id="site">(.*?)</script>', text, re.DOTALL)[1])


def test_the_app_travels_byte_for_byte(site):
    with zipfile.ZipFile(site / "app.zip") as archive:
        names = set(archive.namelist())
        for name in names - {".streamlit/config.toml", "nnengine/data/catalogue/digits.npz"}:
            assert (ROOT / name).read_bytes() == archive.read(name)
    own = {p.relative_to(ROOT).as_posix() for p in (ROOT / "nnengine").rglob("*.py")}
    assert own <= names
    assert {"dashboard/app.py", "nnengine/models/drawing.npz", ".streamlit/config.toml"} <= names
    assert not [name for name in names if name.startswith("dashboard/web/")]
    assert ("nnengine/kernels/wasm/kernels.wasm" in names) == ahead_of_time.current()


def test_the_built_in_digits_travel_as_they_are_drawn(site, tmp_path, monkeypatch):
    drawn_here = [digits.digest for digits in drawn.draw()]
    with zipfile.ZipFile(site / "app.zip") as archive:
        file = archive.extract("nnengine/data/catalogue/digits.npz", tmp_path)
    monkeypatch.setattr(drawn, "FILE", Path(file))
    monkeypatch.setattr(drawn, "draw", None)
    assert drawn_here == [digits.digest for digits in catalogue.load("digits")]


def test_the_same_sources_make_the_same_site(site, tmp_path):
    build.build(tmp_path / "again")
    for file in (file for file in site.rglob("*") if file.is_file()):
        again = tmp_path / "again" / file.relative_to(site)
        assert file.read_bytes() == again.read_bytes(), file.name


def test_everything_fetched_has_a_pinned_address_that_the_policy_allows(site):
    policy = re.search(r'Policy" content="(.*?)"', (site / "index.html").read_text())[1]
    assert "'unsafe-eval'" not in policy
    for path, size in settings(site)["fetches"]:
        assert size > 0
        if path.startswith("https://"):
            assert any(path.startswith(f"{host}/") and host in policy for host in pieces.HOSTS)
            assert re.search(r"\d+\.\d+|[0-9a-f]{60}", path)
        else:
            assert (site / path.split("?")[0]).stat().st_size == size


def test_a_vendored_site_names_no_other_host(gathered, tmp_path):
    build.build(tmp_path / "site", gathered)
    text = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert "https://" not in text
    fetched = [path for path, _ in settings(tmp_path / "site")["fetches"]]
    assert {"stlite/stlite.js", "stlite/part-1.js"} <= set(fetched)
    assert "stlite/c.js" not in fetched  # fetched when a page needs it
    assert all((tmp_path / "site" / path.split("?")[0]).is_file() for path in fetched)


def test_the_lock_holds_every_wheel_to_its_digest(gathered):
    lock = json.loads((gathered / "pyodide" / "pyodide-lock.json").read_text())["packages"]
    assert len(pieces.COMPILED) + len(pieces.PURE) == len(lock)
    for entry in lock.values():
        raw = (gathered / "pyodide" / entry["file_name"]).read_bytes()
        assert hashlib.sha256(raw).hexdigest() == entry["sha256"]
    assert ["libopenssl"] == lock["ssl"]["depends"]
    assert "shared_library" == lock["libopenssl"]["package_type"]


def test_the_page_for_lost_addresses_allows_its_own_script_only(site):
    text = (site / "404.html").read_text(encoding="utf-8")
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text
    assert "data|draw|" in script
    assert "{{" not in text + (site / "index.html").read_text(encoding="utf-8")


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(build.BuildError, match="is no site"):
        build.build(tmp_path)
    assert "years of work" == (tmp_path / "thesis.txt").read_text()


def test_a_folder_that_is_not_gathered_is_refused_with_the_way_out(tmp_path):
    with pytest.raises(build.BuildError, match="dashboard.web gather"):
        build.build(tmp_path / "site", tmp_path)
    assert not (tmp_path / "site").exists()


def test_a_site_whose_place_cannot_be_taken_leaves_the_old_one(gathered, tmp_path, monkeypatch):
    site = tmp_path / "site"
    build.build(site, gathered)
    before = {file: file.read_bytes() for file in site.rglob("*") if file.is_file()}
    rename = Path.rename

    def fail(path, target):
        if path.name.endswith("-old") or target != site:
            return rename(path, target)
        raise PermissionError(13, "not allowed")

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(PermissionError):
        build.build(site, gathered)
    assert before == {file: file.read_bytes() for file in site.rglob("*") if file.is_file()}
    assert {site, gathered} == set(tmp_path.iterdir())


def test_a_link_to_a_site_stays_and_leads_to_the_new_one(gathered, tmp_path):
    build.build(tmp_path / "site", gathered)
    link = tmp_path / "link"
    link.symlink_to("site")
    first = (tmp_path / "site").stat().st_ino
    build.build(link, gathered)
    assert link.is_symlink() and first != link.stat().st_ino
    assert {tmp_path / "site", link, gathered} == set(tmp_path.iterdir())


def test_a_missing_npm_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(gather.GatherError, match="npm is not installed"):
        gather.gather(tmp_path / "pieces")


def test_the_command_says_what_it_made_and_what_went_wrong(tmp_path, capsys):
    assert 0 == command.main(["build", "--out", str(tmp_path / "site")])
    assert "MB to open it" in capsys.readouterr().out
    assert 2 == command.main(["serve", "--dir", str(tmp_path)])
    assert "holds no site" in capsys.readouterr().err


def test_a_site_without_compiled_kernels_is_made_and_the_way_to_them_told(
    tmp_path, monkeypatch, capsys
):
    def fail(file):
        raise ahead_of_time.CompileError("there is no linker: install one")

    monkeypatch.setattr(ahead_of_time, "make", fail)
    monkeypatch.setattr(ahead_of_time, "current", lambda file: False)
    assert 0 == command.main(["build", "--out", str(tmp_path / "site")])
    assert "by NumPy alone" in (told := capsys.readouterr().err) and "install one" in told
    with zipfile.ZipFile(tmp_path / "site" / "app.zip") as archive:
        assert "nnengine/kernels/wasm/kernels.wasm" not in archive.namelist()


def test_an_empty_wheel_is_one_that_installers_read():
    name, raw = wheels.empty("some-thing", "1.2")
    assert "some_thing-1.2-py3-none-any.whl" == name
    with zipfile.ZipFile(io.BytesIO(raw)) as wheel:
        assert "Name: some-thing" in wheel.read("some_thing-1.2.dist-info/METADATA").decode()
        record = wheel.read("some_thing-1.2.dist-info/RECORD").decode()
        assert {line.split(",")[0] for line in record.splitlines()} == set(wheel.namelist())


def test_the_plotly_wheel_leaves_out_what_lies_beside_the_page():
    _, raw = wheels.plotly()
    assert len(raw) < 5e6
    with zipfile.ZipFile(io.BytesIO(raw)) as wheel:
        names = wheel.namelist()
    assert "plotly/graph_objects/__init__.py" in names
    assert not [name for name in names if name.endswith((".js", ".pyc"))]


def test_a_static_host_answers_a_lost_address_with_its_page_and_the_right_types(site):
    with serve.server(site) as host:
        threading.Thread(target=host.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{host.server_port}"
        with pytest.raises(urllib.error.HTTPError) as lost:
            urllib.request.urlopen(f"{address}/draw")
        assert (404, True) == (lost.value.code, b"There is no page here" in lost.value.read())
        with urllib.request.urlopen(f"{address}/boot.js") as script:
            assert "text/javascript" == script.headers["Content-Type"]
        host.shutdown()


def test_the_canvas_is_registered_with_the_text_of_its_files(tmp_path):
    (tmp_path / "index-1.js").write_text("script")
    seen = {}
    component = tab.with_own_text(lambda name, **parts: seen.update({name: parts}), tmp_path)
    component("streamlit-drawable-canvas.streamlit_drawable_canvas", js="index-*.js", html="<p>")
    component("mine", js="index-*.js")
    assert {"js": "script", "html": "<p>"} == seen[
        "streamlit-drawable-canvas.streamlit_drawable_canvas"
    ]
    assert {"js": "index-*.js"} == seen["mine"]


def test_what_a_runner_that_has_ended_has_drawn_is_not_dropped_for_the_next_request():
    from streamlit.runtime.app_session import AppSession
    from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequests

    assert list(inspect.signature(AppSession.request_rerun).parameters) == ["self", "client_state"]
    session, done = SimpleNamespace(_scriptrunner=None), []
    request = tab.in_turn(lambda session, state: done.append(f"asked {state}"))

    async def main() -> None:
        request(session, 1)  # nobody draws
        session._scriptrunner = SimpleNamespace(_requests=ScriptRequests())
        request(session, 2)  # somebody draws, and will hear it
        session._scriptrunner._requests.request_stop()
        loop = asyncio.get_running_loop()
        loop.call_soon(done.append, "the page is sent")
        loop.call_soon(setattr, session, "_scriptrunner", None)
        request(session, 3)
        assert ["asked 1", "asked 2"] == done
        await asyncio.sleep(0.01)

    with ThreadPoolExecutor(1) as other:  # a driver of browsers has a loop running in this thread
        other.submit(asyncio.run, main()).result()
    assert ["asked 1", "asked 2", "the page is sent", "asked 3"] == done


def test_pages_are_compiled_as_they_are_once_and_other_scripts_as_before(tmp_path):
    views = tmp_path / "views"
    views.mkdir()
    page = views / "page.py"
    page.write_text("found = __file__")
    get_bytecode = tab.as_they_are(lambda cache, script: (cache, script), views)
    compiled = get_bytecode("cache", str(page))
    page.unlink()
    assert compiled is get_bytecode("cache", str(page))
    where = {"__file__": "here"}
    exec(compiled, where)
    assert "here" == where["found"]
    assert ("cache", str(tmp_path / "app.py")) == get_bytecode("cache", str(tmp_path / "app.py"))


def test_no_page_asks_for_what_compiling_it_as_it_is_leaves_out():
    asked = re.compile(r"time\.sleep|write_stream|asyncio\.run")
    assert [] == [file.name for file in tab.VIEWS.glob("*.py") if asked.search(file.read_text())]


class Engine:
    """Has as many slices to train as it is given, and tells of each."""

    def __init__(self, slices: int, told: list[str]) -> None:
        self.slices, self.told = slices, told

    def busy(self) -> bool:
        return self.slices > 0

    def advance(self, budget_s: float) -> None:
        self.slices -= 1
        self.told.append("slice")


def driven(told: list[str], beside) -> None:
    """Let an engine train three slices while a coroutine has its turn."""

    async def both():
        await asyncio.gather(live.drive(Engine(3, told)), beside())

    alone(both)


async def click(told: list[str], most: int) -> None:
    """Have a turn now and then, until so much is told."""
    while len(told) < most:
        told.append("click")
        await asyncio.sleep(0.75 * live.REST_S)


def alone(work) -> None:
    """Run a coroutine function in a loop of its own: browser tests leave one in this thread."""
    with ThreadPoolExecutor(1) as other:
        other.submit(asyncio.run, work()).result()


def test_training_in_a_tab_lets_everything_else_have_its_turn_between_slices():
    told = []
    driven(told, partial(click, told, 5))
    assert ["slice", "click"] == told[:2]
    assert 3 == told.count("slice")
    assert "slice slice" not in " ".join(told)


def test_training_in_a_tab_waits_until_a_page_just_drawn_has_been_sent(monkeypatch):
    told = []
    monkeypatch.setattr(live, "_given_way_until_s", math.inf)

    async def send():
        await asyncio.sleep(5 * live.REST_S)
        told.append("sent")
        live._given_way_until_s = 0.0

    driven(told, send)
    assert ["sent", "slice", "slice", "slice"] == told


def test_what_other_pages_need_is_made_ready_a_piece_at_a_time_whatever_fails():
    told = []

    async def both():
        pieces = [lambda: told.append("piece"), lambda: 1 / 0, lambda: told.append("piece")]
        await asyncio.gather(live.make_ready(pieces), click(told, 3))

    alone(both)
    assert 2 == told.count("piece")
    assert "piece piece" not in " ".join(told)


def test_a_tab_measures_its_kernels_before_a_run_is_started():
    scheduler = Scheduler(threaded=False, warm_up=lambda: iter(range(3)))
    alone(lambda: live.make_ready(live.measuring(scheduler)))
    assert scheduler.warm


def test_what_is_made_ready_is_all_that_pages_import_of_the_app_and_can_be_made():
    code = """
import ast, pathlib, sys, types
# Asks for a server as soon as it is imported.
sys.modules["streamlit_drawable_canvas"] = types.SimpleNamespace(st_canvas=None)
import dashboard
from dashboard.sections import ready
for piece in ready.pieces():
    piece()
home = pathlib.Path(dashboard.__file__).parent
nodes = [node for view in home.glob("views/*.py") for node in ast.walk(ast.parse(view.read_text()))]
froms = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
named = {f"{node.module}.{name.name}" for node in froms for name in node.names}
wanted = {node.module for node in froms if node.module.startswith("dashboard")}
wanted |= {name for name in named if (home.parent / (name.replace(".", "/") + ".py")).exists()}
print(sorted(wanted - set(sys.modules)), "dashboard.app" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ("[] False\n", 0) == (done.stdout, done.returncode), done.stderr


def test_a_tab_that_slept_has_not_been_left(monkeypatch):
    monkeypatch.setattr(session, "IN_TAB", True)
    bounds = session.granted()
    assert bounds.unseen_pause_s > 365 * 86_400
    assert bounds.unseen_forget_s > 365 * 86_400


def test_the_pieces_of_a_page_of_one_s_own_travel_with_the_site():
    folder = ROOT / "nnengine" / "demo"
    wanted = {f"nnengine/demo/{file.name}" for file in folder.iterdir() if file.is_file()}
    assert {"nnengine/demo/page.html", "nnengine/demo/engine.js"} <= wanted
    assert wanted <= build.sources().keys()
