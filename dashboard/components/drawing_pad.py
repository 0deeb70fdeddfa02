"""Drawing pad: a black sheet and a white pen; what was drawn survives a change of page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from streamlit_drawable_canvas import st_canvas

from dashboard.present.strokes import SIDE_PX, as_drawn, blown_up, squares

PAPER, INK = "#000000", "#ffffff"  # as in the files: light on dark

# The canvas of streamlit-drawable-canvas has no name and no text: a screen reader would meet a
# silent box. Its shadow root is open, so a small neighbour gives it both. It also takes from the
# tools above the sheet all but Undo and Redo: the page clears and answers by itself.
_NAMER = """
export default function ({ data, parentElement }) {
  const name = () => {
    const box = document.querySelector(`.st-key-${data.box}`);
    if (!box) return false;
    const roots = [box];
    for (let i = 0; i < roots.length; i++) {
      roots[i].querySelectorAll("*").forEach((e) => e.shadowRoot && roots.push(e.shadowRoot));
    }
    roots.slice(1).filter((root) => root.querySelector(".dc-toolbar-card")).forEach((root) => {
      if (root.querySelector(".nn-tools")) return;
      const style = document.createElement("style");
      style.className = "nn-tools";
      style.textContent = '.dc-toolbar-card > :not([title="Undo"], [title="Redo"]) ' +
        "{ display: none !important } .dc-toolbar-card button:focus-visible " +
        "{ outline: 3px solid }";
      root.append(style);
    });
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


@dataclass(eq=False)
class Sheet:
    """What is on a pad; whoever shows the pad keeps it, so that it survives a change of page.

    A cleared pad is another one to the browser, by its number.
    """

    number: int = 0
    strokes: Any = None  # as the canvas tells them
    first: Any = None  # those it began with
    pixels: np.ndarray | None = None  # RGBA uint8 (280, 280, 4), None before the first stroke
    placed: np.ndarray | None = None  # the image that was put on it, until a pen adds to it

    def widget(self, key: str) -> str:
        """Return the key of the canvas in use."""
        return f"{key}-{self.number}"

    def clear(self) -> None:
        """Empty it."""
        self.number, self.strokes, self.first, self.pixels = self.number + 1, None, None, None
        self.placed = None

    def place(self, image: np.ndarray) -> None:
        """Put an image on it that is framed already, uint8 (28, 28), its pixels as squares."""
        self.clear()
        self.strokes, self.pixels, self.placed = squares(image), blown_up(image), image

    def take_down(self, pixels: np.ndarray, strokes: Any) -> None:
        """Note what the canvas tells; an image that was put on it counts until a pen adds to it."""
        if self.placed is not None:
            before, now = (len((told or {}).get("objects", ())) for told in (self.strokes, strokes))
            if now == before:
                return
            self.placed = None
        self.strokes, self.pixels = strokes, as_drawn(pixels, strokes)


def drawing_pad(sheet: Sheet, *, key: str, in_page: bool, stroke_width: int, label: str) -> None:
    """Show the pad, and take down in `sheet` what is drawn on it.

    `in_page`: whether the canvas was in the page a moment ago. `stroke_width` is in pixels of the
    pad; a change applies to strokes to come. `label` is what a screen reader says in place of it.
    """
    if not in_page:
        # The strokes come back from here. While it stays, the same drawing must be handed in at
        # every run, or the canvas would be drawn anew under the pen.
        sheet.first = sheet.strokes
    widget = sheet.widget(key)
    with st.container(key=f"{key}-box", gap=None):
        result = st_canvas(
            stroke_width=stroke_width,
            stroke_color=INK,
            background_color=PAPER,
            width=SIDE_PX,
            height=SIDE_PX,
            initial_drawing=sheet.first,
            return_image_data=True,
            key=widget,
        )
        _namer(key=f"{key}-name", data={"box": f"{key}-box", "label": label, "sheet": widget})
    if result.image_data is not None:  # None after a change of page, until the next stroke
        sheet.take_down(result.image_data, result.json_data)
