"""Cells: a picture whose cells can be pressed: by a click, a touch, or the arrow keys.

To a screen reader it is a slider over the cells, row by row, whose value is said in words. The
cursor moves at once; the page is told where it stands when it has come to rest.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

import streamlit as st

from dashboard.present.outside import shown

_CSS = """
.nn-cells { position: relative; max-width: 100%; cursor: crosshair; border-radius: 3px;
  outline: 1px solid var(--st-border-color); touch-action: manipulation; user-select: none; }
.nn-cells img { display: block; width: 100%; height: 100%; image-rendering: pixelated;
  border-radius: 3px; pointer-events: none; }
.nn-cells i { position: absolute; box-sizing: border-box; pointer-events: none;
  border: 2px solid #fff; outline: 2px solid #000; border-radius: 1px; min-width: 8px;
  min-height: 8px; transform: translate(-50%, -50%); }
.nn-cells:focus-visible { outline: 3px solid var(--st-primary-color); outline-offset: 3px; }
.nn-cells-said { margin: 0.4rem 0 0; font: 0.8125rem/1.35 var(--st-font);
  color: var(--st-text-color); font-variant-numeric: tabular-nums; min-height: 1.1rem; }
"""

_JS = """
const REST_MS = 250;
const KEYS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

export default function ({ data, parentElement, setTriggerValue }) {
  const box = parentElement.querySelector(".nn-cells");
  if (!box) return;
  const said = parentElement.querySelector(".nn-cells-said");
  const [picture, mark] = box.children;
  const count = data.said.length, rows = Math.ceil(count / data.columns);
  picture.src = `data:image/png;base64,${data.picture}`;
  Object.assign(box.style, { width: data.width + "px", aspectRatio: `${data.columns} / ${rows}` });
  box.setAttribute("aria-label", data.label);
  box.setAttribute("aria-valuemin", 0);
  box.setAttribute("aria-valuemax", count - 1);
  let at = data.selected;
  function show() {
    const column = at % data.columns, row = Math.floor(at / data.columns);
    Object.assign(mark.style, {
      left: 100 * (column + 0.5) / data.columns + "%", top: 100 * (row + 0.5) / rows + "%",
      width: `calc(${100 / data.columns}% + 2px)`, height: `calc(${100 / rows}% + 2px)` });
    box.setAttribute("aria-valuenow", at);
    box.setAttribute("aria-valuetext", data.said[at]);
    if (said.textContent !== data.said[at]) said.textContent = data.said[at];
  }
  function go(to, wait) {
    if (to < 0 || to >= count) return;
    at = to;
    show();
    clearTimeout(box.resting);
    box.resting = setTimeout(() => {
      box.resting = 0;
      if (at !== data.selected) setTriggerValue("chosen", at);
    }, wait);
  }
  if (!box.resting) show();
  box.onkeydown = (event) => {
    const step = KEYS[event.key], column = at % data.columns;
    if (event.key === "Home") go(0, REST_MS);
    else if (event.key === "End") go(count - 1, REST_MS);
    else if (step && column + step[1] >= 0 && column + step[1] < data.columns)
      go(at + step[0] * data.columns + step[1], REST_MS);
    else if (!step) return;
    event.preventDefault();
  };
  box.onclick = (event) => {
    const frame = box.getBoundingClientRect();
    const column = Math.floor((event.clientX - frame.left) / frame.width * data.columns);
    const row = Math.floor((event.clientY - frame.top) / frame.height * rows);
    if (column >= 0 && column < data.columns && row >= 0) go(row * data.columns + column, 0);
  };
}
"""

_component = st.components.v2.component(
    "nnengine_cells",
    html='<div class="nn-cells" role="slider" tabindex="0"><img alt=""><i></i></div>'
    '<p class="nn-cells-said" aria-hidden="true"></p>',
    css=_CSS, js=_JS, isolate_styles=False,
)  # fmt: skip


def cells(
    picture: bytes,
    *,
    columns: int,
    said: Sequence[str],
    selected: int,
    label: str,
    key: str,
    width: int = 280,
) -> int | None:
    """Show a picture of cells, row by row; return the place of the one just pressed, else None.

    picture: a PNG, stretched over all cells; said: what each cell is, in words, of which there are
    as many as cells; width: in pixels, less where the page has less.
    """
    data = {
        "picture": base64.b64encode(picture).decode("ascii"),
        "columns": columns,
        "said": [shown(text) for text in said],
        "selected": min(max(selected, 0), len(said) - 1),
        "label": shown(label),
        "width": width,
    }
    chosen = _component(key=key, data=data, on_chosen_change=lambda: None).chosen
    return int(chosen) if isinstance(chosen, int | float) and 0 <= chosen < len(said) else None
