"""Tab: whether the app runs in a browser tab, and the repairs that Streamlit needs there."""

from __future__ import annotations

import ast
import asyncio
import functools
import importlib.util
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

IN_TAB = sys.platform == "emscripten"
HERE = "this tab" if IN_TAB else "this server"  # what grants and refuses
VIEWS = Path(__file__).parents[1] / "views"
_CANVAS = "streamlit_drawable_canvas"


def repair() -> None:
    """Put right, before any component is made, what the Streamlit inside stlite lacks.

    Nothing is done on a server, or a second time. `Runtime.exists` and `.instance`, which every
    component asks for, became functions there; a component's own files are never served, so the
    canvas is registered with their text; pages are compiled as they are; a drawing is not begun
    before the last one's messages are on their way; and nobody sleeps before another page is
    opened, which on an iPhone's calls through JavaScript ends Python altogether.
    """
    if not IN_TAB:
        return
    from streamlit import runtime
    from streamlit.commands import execution_control
    from streamlit.components import v2
    from streamlit.runtime.app_session import AppSession
    from streamlit.runtime.scriptrunner import script_cache

    for name, function in (("exists", runtime.exists), ("instance", runtime.get_instance)):
        if not hasattr(runtime.Runtime, name):
            setattr(runtime.Runtime, name, staticmethod(function))
    if not hasattr(v2.component, "__wrapped__"):
        v2.component = with_own_text(v2.component, _canvas_files())
    cache = script_cache.ScriptCache
    if not hasattr(cache.get_bytecode, "__wrapped__"):
        cache.get_bytecode = as_they_are(cache.get_bytecode, VIEWS)
    if not hasattr(AppSession.request_rerun, "__wrapped__"):
        AppSession.request_rerun = in_turn(AppSession.request_rerun)
    inside = execution_control.__dict__
    if inside["time"] is time:
        inside["time"] = SimpleNamespace(**vars(time) | {"sleep": lambda seconds: None})


def with_own_text(made: Callable[..., Any], files: Path) -> Callable[..., Any]:
    """Return `component` such that the canvas brings the text of its files in place of names.

    `files` is the folder where its script and style lie; both are asked for by a pattern.
    """

    @functools.wraps(made)
    def component(name: str, **parts: Any) -> Any:
        if name.split(".")[-1] == _CANVAS:
            for part in ("js", "css"):
                found = sorted(files.glob(parts[part])) if parts.get(part) else []
                if found:
                    parts[part] = found[0].read_text(encoding="utf-8")
        return made(name, **parts)

    return component


def as_they_are(rewritten: Callable[..., Any], views: Path) -> Callable[..., Any]:
    """Return a method that compiles the scripts in `views` unchanged, each once; others as before.

    Before a page's first run stlite rewrites it so that it can sleep and stream, which none here
    does, and Streamlit so that it shows bare expressions: 0.06 to 0.18 s a page, against 0.01 s.
    """

    @functools.cache
    def plain(script: str) -> Any:
        source = Path(script).read_bytes()
        return compile(source, script, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)

    @functools.wraps(rewritten)
    def get_bytecode(cache: Any, script: str) -> Any:
        return plain(script) if Path(script).parent == views else rewritten(cache, script)

    return get_bytecode


def in_turn(request_rerun: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that asks for a drawing once a runner that has ended is let go of.

    A runner that has ended takes no request: another takes its place, and what the first has drawn
    and the session has not handled yet is dropped with it. On a server some milliseconds lie
    between; in a tab, whose clicks come in between any two tasks, a whole page was lost so, and
    stayed as it had been.
    """

    @functools.wraps(request_rerun)
    def asked(session: Any, *given: Any) -> None:
        requests = getattr(session._scriptrunner, "_requests", None)
        if requests is not None and requests._state.name == "STOP":
            asyncio.get_running_loop().call_soon(asked, session, *given)
        else:
            request_rerun(session, *given)

    return asked


def _canvas_files() -> Path:
    # Found without importing it: its first line makes the component.
    found = importlib.util.find_spec(_CANVAS)
    folders = (found.submodule_search_locations if found else None) or ["."]
    return Path(folders[0]) / "frontend" / "build"
