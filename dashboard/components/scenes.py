"""Scenes: a few screens, one at a time, forwards and back by a press or an arrow key.

All of them are in the page, one upon the other: a press is answered at once, without the app being
asked, and the page keeps its height. Their HTML is ours, with what came from outside escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import streamlit as st

_CSS = """
.nn-scenes { --pic: clamp(5.5rem, 17vw, 15rem); --for: #c4561a; --against: #2563a8;
  color: var(--st-text-color); font: 1rem/1.5 var(--st-font);
  border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius, 0.5rem); }
.nn-scenes.dark { --for: #f29c58; --against: #74b5f2; }
.nn-scenes .wide { --pic: clamp(7rem, 23vw, 19rem); }
.nn-scenes * { box-sizing: border-box; }
.nn-scenes-bar { display: flex; flex-wrap: wrap; gap: 0.5rem; align-items: center;
  justify-content: space-between; padding: 0.75rem 1rem;
  border-bottom: 1px solid var(--st-border-color); }
.nn-scenes-steps { display: flex; gap: 0.25rem; }
.nn-scenes button { min-height: 2.5rem; padding: 0.25rem 0.75rem; font: inherit;
  color: inherit; background: transparent; border: 1px solid var(--st-border-color);
  border-radius: var(--st-button-radius, 0.5rem); cursor: pointer; white-space: nowrap; }
.nn-scenes button:not([aria-disabled=true]):hover { border-color: var(--st-primary-color); }
.nn-scenes button:focus-visible { outline: 3px solid var(--st-primary-color);
  outline-offset: 2px; }
.nn-scenes button[aria-disabled=true] { opacity: 0.4; cursor: default; }
.nn-scenes-steps button { border-color: transparent; }
.nn-scenes-steps button[aria-current] { font-weight: 650;
  background: var(--st-secondary-background-color); }
.nn-scenes-steps b { font-weight: inherit; opacity: 0.75; margin-right: 0.35em; }
.nn-scenes .nn-next { color: #fff; background: var(--st-primary-color);
  border-color: var(--st-primary-color); min-width: 6.5rem; }
.nn-scenes-stage { display: grid; }
.nn-scenes-stage > section { grid-area: 1 / 1; min-width: 0; padding: 1rem 1.25rem 1.25rem;
  display: flex; flex-direction: column; gap: 0.75rem; visibility: hidden; }
.nn-scenes-stage > section.on { visibility: visible; }
.nn-scenes h2 { margin: 0; padding: 0; font: 650 1.25em/1.3 var(--st-font); }
.nn-scenes p { margin: 0; max-width: 46em; font-size: 1em; }
.nn-scenes .row { display: flex; flex-wrap: wrap; gap: 0.75rem; align-items: center; }
.nn-scenes figure { margin: 0; }
.nn-scenes figcaption { padding-top: 0.3rem; font-size: 0.8125em; text-align: center; }
.nn-scenes .pic { position: relative; display: block; width: var(--pic); line-height: 0; }
.nn-scenes .pic img { width: 100%; height: auto; image-rendering: pixelated; border-radius: 3px;
  outline: 1px solid var(--st-border-color); }
.nn-scenes .pic i { position: absolute; }
.nn-scenes .pic .frame { outline: 2px solid #f29c58; border-radius: 1px; }
.nn-scenes .pic .mark { outline: 2px solid var(--st-text-color); }
.nn-scenes .pic .more { outline: 2px solid #f29c58; z-index: 1; }
.nn-scenes .pic .less { outline: 2px solid #74b5f2; z-index: 1; }
.nn-scenes .sign { font-size: 1.5em; padding-bottom: 1.5rem; opacity: 0.75; }
.nn-scenes .bytes { border-collapse: collapse; margin: 0; width: var(--pic); height: var(--pic);
  table-layout: fixed; font-variant-numeric: tabular-nums; }
.nn-scenes .bytes td { padding: 0; border: 0; text-align: center;
  font-size: calc(var(--pic) / 19); line-height: 1; }
.nn-scenes .sum { font-variant-numeric: tabular-nums; font-size: 1.0625em; max-width: none; }
.nn-scenes .for { color: var(--for); font-weight: 650; }
.nn-scenes .against { color: var(--against); font-weight: 650; }
.nn-scenes .terms { border-collapse: collapse; width: max-content; margin: 0; font-size: 0.875em;
  font-variant-numeric: tabular-nums; }
.nn-scenes .terms td { border: 0; padding: 0.1rem 1.1em 0.1rem 0; }
.nn-scenes .sums { display: grid; grid-template-columns: max-content 6.5em max-content;
  gap: 0.1em 0.5em; align-items: center; font-size: 0.8125em; line-height: 1.35;
  font-variant-numeric: tabular-nums; }
.nn-scenes .sums .track { height: 0.7em; position: relative;
  background: linear-gradient(var(--st-border-color)) 50% 0 / 1px 100% no-repeat; }
.nn-scenes .sums .track i { position: absolute; top: 0; bottom: 0; border-radius: 2px; }
.nn-scenes .sums i.for { left: 50%; background: var(--for); }
.nn-scenes .sums i.against { right: 50%; background: var(--against); }
.nn-scenes .sums .z { text-align: right; }
.nn-scenes .best { font-weight: 700; }
.nn-scenes .veil { padding: 1.5rem; border: 1px dashed var(--st-border-color); border-radius: 3px;
  max-width: 14em; }
.nn-scenes .veil.large { display: grid; gap: 1rem; place-content: center; width: 100%;
  max-width: none; min-height: calc(var(--pic) + 2rem); text-align: center; }
.nn-scenes .veil b { font-size: 6em; line-height: 1; }
.nn-scenes .wide { column-gap: 1rem; }
.nn-scenes .wide > .said { flex: 1 1 13em; }
.nn-scenes .nn-answer { min-width: 9.5em; }
.nn-scenes [data-ask] { align-self: start; }
.nn-scenes .nn-heard { position: absolute; width: 1px; height: 1px; overflow: hidden;
  clip-path: inset(50%); }
.nn-scenes.projector .wide { --pic: min(27vw, 46vh); }
.nn-scenes.projector { --pic: min(16vw, 38vh); font-size: clamp(1.125rem, 1.9vw, 2rem); }
.nn-scenes.projector .terms { font-size: 0.6em; }
.nn-scenes.projector .terms td { padding-right: 0.6em; }
.nn-scenes.projector .nn-scenes-stage { min-height: 62vh; }
@media (max-width: 40rem) {
  .nn-scenes { --pic: min(8.5rem, 23vw); }
  .nn-scenes .row { gap: 0.5rem 0.3rem; }
  .nn-scenes-stage > section { padding: 0.75rem; }
  .nn-scenes-bar { padding: 0.5rem; }
  .nn-scenes-steps { order: 1; width: 100%; justify-content: space-between; }
  .nn-scenes-steps button { padding: 0.25rem 0.4rem; font-size: 0.875rem; }
  .nn-scenes .sign { font-size: 1.1em; }
  .nn-scenes .wide { --pic: min(16rem, 37vw); }
  .nn-scenes .nn-answer { width: 100%; }
  .nn-scenes .wide > .said { flex-basis: 100%; }
}
"""

_HTML = """
<div class="nn-scenes" role="region">
  <div class="nn-scenes-bar">
    <button type="button" class="nn-back">◀ Back</button>
    <div class="nn-scenes-steps"></div>
    <button type="button" class="nn-next">Next ▶</button>
  </div>
  <div class="nn-scenes-stage"></div>
  <p class="nn-heard" role="status"></p>
</div>
"""

# A component's function is called at each change of data. Arrow keys that a slider, a list or a
# field wants are left to it; a presenter's clicker sends the keys that turn pages.
_JS = """
let place = 0;  // kept while the app is open, also where another page was looked at

const TAKEN = "input, textarea, select, [role=slider], [role=radio], [role=tab], [role=option], " +
  "[role=combobox], [contenteditable=true]";

function make(parent, kind, name) {
  const node = parent.appendChild(document.createElement(kind));
  if (name) node.className = name;
  return node;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const box = parentElement.querySelector(".nn-scenes");
  if (!box) return;
  const [back, steps, next] = box.querySelector(".nn-scenes-bar").children;
  const stage = box.querySelector(".nn-scenes-stage"), heard = box.querySelector(".nn-heard");
  box.setAttribute("aria-label", data.label);
  box.classList.toggle("projector", data.projector);
  box.classList.toggle("dark", data.dark);
  const last = data.scenes.length - 1;
  place = Math.min(place, last);
  const show = (to, told) => {
    place = Math.max(0, Math.min(to, last));
    // Not `disabled`, which would take the focus from whoever pressed it.
    back.ariaDisabled = place === 0;
    next.ariaDisabled = place === last;
    [...stage.children].forEach((one, i) => one.classList.toggle("on", i === place));
    [...steps.children].forEach((one, i) => {
      if (i === place) one.setAttribute("aria-current", "step");
      else one.removeAttribute("aria-current");
    });
    if (told) heard.textContent = `${place + 1} of ${last + 1}: ${data.scenes[place].title}`;
  };
  while (stage.children.length > last + 1) { stage.lastChild.remove(); steps.lastChild.remove(); }
  data.scenes.forEach((scene, i) => {
    const one = stage.children[i] || make(stage, "section", "");
    const step = steps.children[i] || make(steps, "button", "");
    step.type = "button";
    step.onclick = () => show(i, true);
    if (step.title !== scene.name) {
      step.title = scene.name;
      step.replaceChildren();
      make(step, "b").textContent = i + 1;
      step.append(scene.name);
    }
    const drawn = scene.title + scene.html;
    if (one.nnDrawn === drawn) return;
    const held = one.contains(document.activeElement) && document.activeElement.dataset.ask;
    one.nnDrawn = drawn;
    one.innerHTML = scene.html;
    const title = document.createElement("h2");
    title.textContent = scene.title;
    one.prepend(title);
    one.querySelectorAll("[data-ask]").forEach((button) => {
      button.onclick = () => setTriggerValue("asked", [button.dataset.ask, Date.now()]);
      if (button.dataset.ask === held) button.focus();
    });
  });
  back.onclick = () => show(place - 1, true);
  next.onclick = () => show(place + 1, true);
  document.removeEventListener("keydown", box.nnKeys);
  box.nnKeys = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    if (event.target.closest?.(TAKEN) || event.composedPath()[0].closest?.(TAKEN)) return;
    const forth = event.key === "ArrowRight" || (data.projector && event.key === "PageDown");
    const to = forth || event.key === "ArrowLeft" || (data.projector && event.key === "PageUp");
    if (!to) return;
    event.preventDefault();
    show(place + (forth ? 1 : -1), true);
  };
  document.addEventListener("keydown", box.nnKeys);
  show(place, false);
  return () => document.removeEventListener("keydown", box.nnKeys);
}
"""

_component = st.components.v2.component(
    "nnengine_scenes", html=_HTML, css=_CSS, js=_JS, isolate_styles=False
)


def scenes(
    shown: Sequence[Any], *, label: str, key: str, projector: bool = False, dark: bool = False
) -> str | None:
    """Show scenes, each a dataclass of name, title and html; return what was just asked for.

    That is the `data-ask` of a button in a scene. `label` is what a screen reader calls them
    together. projector: in large type, turned by a clicker too.
    """
    data = {
        "scenes": [asdict(one) for one in shown],
        "label": label,
        "projector": projector,
        "dark": dark,
    }
    asked = _component(key=key, data=data, on_asked_change=lambda: None).asked
    return None if asked is None else str(asked[0])
