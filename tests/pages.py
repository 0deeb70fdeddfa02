"""What tests of pages share: a visitor with files or a network in hand, on one page of the app."""

from __future__ import annotations

import contextlib
import functools
import io
import json
from pathlib import Path

import numpy as np
from streamlit.testing.v1 import AppTest

from dashboard import state
from nnengine.data.idx import write_idx

# Each AppTest looks through all that is installed for components of others: a third of a second.
with contextlib.suppress(ImportError):
    from streamlit.components.v2 import manifest_scanner

    found = functools.cache(manifest_scanner.scan_component_manifests)
    manifest_scanner.scan_component_manifests = found

APP = Path(__file__).resolve().parent.parent / "dashboard" / "app.py"


def idx(array) -> bytes:
    """Return an array as the bytes of an IDX file."""
    stream = io.BytesIO()
    write_idx(stream, np.asarray(array))
    return stream.getvalue()


def new_visit(files: dict[str, bytes]):
    """Return a visit on the server that holds these files."""
    visit = state.registry().create()
    visit.files += [state.registry().shelf.load(name, raw) for name, raw in files.items()]
    return visit


def open_page(page: str, visit=None, run_id: str | None = None) -> AppTest:
    """Open the app as this visitor, or as a new one, and go to a page ("data", "draw", ...).

    run_id: of the run that the address names.
    """
    at = AppTest.from_file(str(APP), default_timeout=240)
    if run_id or visit is not None:
        at.query_params["run"] = run_id or visit.reserved
    at.run()
    # The start page is open. AppTest before Streamlit 1.66 knows a page by its file's name alone,
    # not by an address of its own, and would take each run there for a change of page.
    return at if page == "start" else at.switch_page(f"views/{page}.py").run()


def asked(at: AppTest, name: str) -> str:
    """Return what the address says of this name; before Streamlit 1.65 it is a list of one."""
    value = at.query_params[name]
    return value[0] if isinstance(value, list) else value


def words(at: AppTest) -> str:
    """Return all that the page says, HTML included, without the marks that shield Markdown."""
    said = [*at.title, *at.markdown, *at.caption, *at.error, *at.warning, *at.info]
    html = [element.proto.body for element in at.get("html")]
    return "\n".join([element.value for element in said] + html).replace("\\", "")


def component(at: AppTest, key: str) -> dict:
    """Return what the page's component of this key was given."""
    for element in at.get("bidi_component"):
        if element.proto.id.endswith(f"-{key}"):
            return json.loads(element.proto.json)
    raise AssertionError(f"no component {key!r} on the page")


def on_the_screen(at: AppTest):
    """Return what a browser has on the screen, to be put back as `at._tree`: it sends the values
    of these widgets with whatever it asks for until it has drawn what comes next."""
    fields = (*at.selectbox, *at.radio, *at.number_input, *at.text_input, *at.segmented_control)
    for widget in fields:
        widget.set_value(widget.value)
    return at._tree


def click(at: AppTest, label: str) -> AppTest:
    """Press the button of this label."""
    return next(button for button in at.button if button.label == label).click().run()
