"""Tiles: many small pictures with a line of words each; any of them may be a button.

One picture holds all tiles (a sheet), so a tick of a live page sends one PNG. Tiles wrap to the
width of the page and keep their pixels sharp at any size. All of them are one stop of the Tab key:
arrow keys, Home and End go from one to the next.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

import streamlit as st

from dashboard.present.outside import shown

_CSS = """
.nn-tiles { display: flex; flex-wrap: wrap; gap: 0.75rem 0.625rem; }
.nn-tile { all: unset; box-sizing: border-box; width: min-content; max-width: 100%;
  font: 0.8125rem/1.35 var(--st-font); color: var(--st-text-color); }
button.nn-tile { cursor: pointer; }
.nn-tile-picture { display: block; max-width: 100%; image-rendering: pixelated; border-radius: 3px;
  background-repeat: no-repeat; outline: 1px solid var(--st-border-color); }
.nn-tile-caption { display: block; padding-top: 0.3rem; overflow-wrap: break-word;
  text-align: center; font-variant-numeric: tabular-nums; }
button.nn-tile:hover .nn-tile-picture { outline: 2px solid var(--st-text-color); }
button.nn-tile[aria-pressed="true"] .nn-tile-picture {
  outline: 3px solid var(--st-primary-color); outline-offset: 1px; }
button.nn-tile:focus-visible .nn-tile-picture {
  outline: 3px dashed var(--st-text-color); outline-offset: 4px; }
button.nn-tile[aria-pressed="true"] .nn-tile-caption { font-weight: 700; }
"""

_JS = """
function make(selectable) {
  const tile = document.createElement(selectable ? "button" : "div");
  tile.className = "nn-tile";
  if (selectable) tile.type = "button"; else tile.setAttribute("role", "img");
  const picture = document.createElement("span");
  picture.className = "nn-tile-picture";
  const caption = document.createElement("span");
  caption.className = "nn-tile-caption";
  tile.append(picture, caption);
  return tile;
}

// Of the way from the first to the last, in percent: tiles narrower than asked for show the same.
function share(place, count) { return count > 1 ? 100 * place / (count - 1) : 0; }

// Lines of tiles are as long as the page is wide: up and down go to the nearest in the next one.
function beyond(all, from, down) {
  const here = all[from].getBoundingClientRect();
  const off = (rect) => (down ? 1 : -1) * (rect.top - here.top);
  let found = from, least = Infinity;
  all.forEach((tile, i) => {
    const rect = tile.getBoundingClientRect();
    const far = 1000 * off(rect) + Math.abs(rect.left - here.left);
    if (off(rect) > 1 && far < least) [found, least] = [i, far];
  });
  return found;
}

function next(all, from, key) {
  const last = all.length - 1;
  return { ArrowLeft: Math.max(from - 1, 0), ArrowRight: Math.min(from + 1, last), Home: 0,
           End: last, ArrowUp: beyond(all, from, false), ArrowDown: beyond(all, from, true) }[key];
}

// Where a page has one column, what a press shows may lie far beneath: it comes into view, unless a
// key pressed, which goes on from tile to tile.
function bring(box, key) {
  const there = key && document.querySelector(`.st-key-${key}`);
  if (!there || there.getBoundingClientRect().top < box.getBoundingClientRect().bottom) return;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  there.scrollIntoView({ block: "nearest", behavior: still ? "auto" : "smooth" });
}

export default function ({ data, parentElement, setTriggerValue }) {
  const box = parentElement.querySelector(".nn-tiles");
  if (!box) return;
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", data.label);
  const kind = data.selectable ? "BUTTON" : "DIV";
  if (box.firstChild && box.firstChild.tagName !== kind) box.replaceChildren();
  while (box.children.length > data.captions.length) box.lastChild.remove();
  while (box.children.length < data.captions.length) box.append(make(data.selectable));
  const across = data.shape[1] * data.scale, down = data.shape[0] * data.scale;
  const sheet = `url(data:image/png;base64,${data.sheet})`;
  const rows = Math.ceil(data.captions.length / data.columns);
  const all = [...box.children];
  const stop = (at) => all.forEach((tile, i) => { tile.tabIndex = i === at ? 0 : -1; });
  all.forEach((tile, i) => {
    const [picture, caption] = tile.children;
    const column = i % data.columns, row = Math.floor(i / data.columns);
    Object.assign(picture.style, {
      width: across + "px", aspectRatio: `${across} / ${down}`, backgroundImage: sheet,
      backgroundSize: `${100 * data.columns}% ${100 * rows}%`,
      backgroundPosition: `${share(column, data.columns)}% ${share(row, rows)}%` });
    caption.style.maxWidth = Math.max(across, 72) + "px";
    caption.textContent = data.captions[i];
    tile.setAttribute("aria-label", data.labels[i]);
    tile.title = data.labels[i];
    if (!data.selectable) return;
    tile.setAttribute("aria-pressed", String(data.ids[i] === data.selected));
    tile.onclick = (event) => {
      setTriggerValue("chosen", data.ids[i]);
      if (event.detail) bring(box, data.leads_to);
    };
    tile.onfocus = () => stop(i);
  });
  if (!data.selectable) return;
  const inside = all.indexOf(document.activeElement);
  stop(inside >= 0 ? inside : Math.max(data.ids.indexOf(data.selected), 0));
  box.onkeydown = (event) => {
    const from = all.indexOf(event.target.closest(".nn-tile"));
    const to = event.altKey || event.ctrlKey || event.metaKey ? undefined
      : next(all, from, event.key);
    if (to === undefined) return;
    event.preventDefault();
    all[to].focus();
  };
}
"""

_component = st.components.v2.component(
    "nnengine_tiles", html='<div class="nn-tiles"></div>', css=_CSS, js=_JS, isolate_styles=False
)


def tiles(
    sheet: bytes,
    *,
    columns: int,
    shape: tuple[int, int],
    captions: Sequence[str],
    labels: Sequence[str],
    label: str,
    key: str,
    ids: Sequence[int] | None = None,
    selected: int | None = None,
    tile_px: int = 80,
    leads_to: str | None = None,
) -> int | None:
    """Show the tiles of a sheet; return the id of the one just clicked, else None.

    The sheet is a PNG of tiles of `shape` (h, w) in rows of `columns` without gaps. Captions
    stand beneath the tiles, labels are their text alternatives, `label` that of the whole.
    With `ids` every tile is a button, and what it shows is in the container of the key `leads_to`.
    `tile_px` is the screen size of a tile's longer side.
    """
    data = {
        "sheet": base64.b64encode(sheet).decode("ascii"),
        "columns": columns,
        "shape": list(shape),
        "scale": tile_px / max(shape),
        "captions": [shown(text) for text in captions],
        "labels": [shown(text) for text in labels],
        "label": shown(label),
        "selectable": ids is not None,
        "ids": list(ids or ()),
        "selected": selected,
        "leads_to": leads_to,
    }
    result = _component(key=key, data=data, on_chosen_change=lambda: None)
    return result.chosen if ids is not None else None
