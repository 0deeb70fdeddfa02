"""The server: the app behind its door, which `nnengine app` has Streamlit start."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

# As in app.py, which Streamlit runs beneath this: before NumPy is imported, and from any folder.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
ROOT = str(Path(__file__).resolve().parent.parent)
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

import streamlit as st  # noqa: E402
from starlette.middleware import Middleware  # noqa: E402

from dashboard.host.door import Door  # noqa: E402
from dashboard.host.gate import Gate  # noqa: E402
from dashboard.host.sessions import forget_in_time  # noqa: E402

# The page that Streamlit answers with: one small script stands in it.
PAGE = Path(st.__file__).with_name("static") / "index.html"

door = Middleware(
    Door,
    hosts=st.get_option("server.allowedHosts"),
    origins=st.get_option("server.corsAllowedOrigins"),
    page=PAGE.read_text(encoding="utf-8"),
)


def room():  # who uploads has seen a page, and by then all of this is there
    """Return who knows whether there is room for an upload."""
    from dashboard.state import registry

    return registry().arrivals


@asynccontextmanager
async def until_it_ends(_app: st.App) -> AsyncIterator[None]:
    """Forget who has left; when the server is stopped, keep what runs have come to.

    Stopped by Ctrl-C or SIGTERM: `atexit` comes too late, as the signal is raised anew once the
    server is down, and ends all.
    """
    forgetting = asyncio.create_task(forget_in_time())
    yield
    forgetting.cancel()
    if "dashboard.state" in sys.modules:  # otherwise nobody came
        from dashboard.state import kept_runs

        await asyncio.to_thread(kept_runs.close)


app = st.App(
    Path(__file__).with_name("app.py"),
    middleware=[door, Middleware(Gate, room=room)],
    lifespan=until_it_ends,
)
