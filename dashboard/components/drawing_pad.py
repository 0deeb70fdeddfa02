"""Drawing pad: a black sheet and a white pen; what was drawn survives a change of page."""

from __future__ import annotations

import numpy as np
import streamlit as st
from streamlit_drawable_canvas import st_canvas

from dashboard import state

SIDE_PX = 280
PAPER, INK = "#000000", "#ffffff"  # as in the files: light on dark

# The canvas of streamlit-drawable-canvas has no name and no text: a screen reader would meet a
# silent box. Its shadow root is open, so a small neighbour gives it both.
_NAMER = """
export default function ({ data, parentElement }) {
  const name = () => {
    const box = document.querySelector(`.st-key-${data.box}`);
    if (!box) return false;
    const roots = [box];
    for (let i = 0; i < roots.length; i++) {
      roots[i].querySelectorAll("*").forEach((e) => e.shadowRoot && roots.push(e.shadowRoot));
    }
    const sheets = roots.flatMap((root) => [...root.querySelectorAll("canvas")]);
    sheets.forEach((sheet, i) => {
      const top = i === sheets.length - 1;
      if (!top) return sheet.setAttribute("aria-hidden", "true");
      sheet.setAttribute("role", "img");
      sheet.setAttribute("aria-label", data.label);
    });
    return sheets.length > 1;
  };
  let tries = 40;
  const timer = setInterval(() => { if (name() || !--tries) clearInterval(timer); }, 100);
  return () => clearInterval(timer);
}
"""

_namer = st.components.v2.component(
    "nnengine_canvas_name", html="<span hidden></span>", js=_NAMER, isolate_styles=False
)


def drawing_pad(*, key: str, stroke_width: int, label: str) -> np.ndarray | None:
    """Show the pad and return what is on it, RGBA uint8 (280, 280, 4), or None before the first
    stroke.

    `stroke_width` is in pixels of the pad; a change applies to strokes to come. `label` is what
    a screen reader says in place of the canvas.
    """
    widget = canvas_key(key)
    if not state.in_page(widget):
        # Newly in the page: the strokes come back from here. While it stays, the same drawing
        # must be handed in at every run, or the canvas would be drawn anew under the pen.
        state.put(f"{key}.first", state.get(f"{key}.strokes"))
    with st.container(key=f"{key}-box", gap=None):
        result = st_canvas(
            stroke_width=stroke_width,
            stroke_color=INK,
            background_color=PAPER,
            width=SIDE_PX,
            height=SIDE_PX,
            initial_drawing=state.get(f"{key}.first"),
            return_image_data=True,
            key=widget,
        )
        _namer(key=f"{key}-name", data={"box": f"{key}-box", "label": label, "sheet": widget})
    if result.image_data is not None:  # None after a change of page, until the next stroke
        state.put(f"{key}.strokes", result.json_data)
        state.put(f"{key}.pixels", result.image_data)
    return state.get(f"{key}.pixels")


def clear_pad(key: str) -> None:
    """Empty the pad; its sheet is a new one from the next run on."""
    for part in ("strokes", "pixels", "first"):
        state.put(f"{key}.{part}", None)
    state.put(f"{key}.sheet", state.get(f"{key}.sheet", 0) + 1)


def canvas_key(key: str) -> str:
    """Return the widget key of the sheet in use; a cleared pad has another."""
    return f"{key}-{state.get(f'{key}.sheet', 0)}"
