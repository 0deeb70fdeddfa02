"""Player: back, play and forth beside a slider; for whoever wants less motion, a step a press.

The next step is asked for when the last one is on the screen and has been there for a moment, so
that a slow page plays slower and piles nothing up.
"""

from __future__ import annotations

import streamlit as st

_CSS = """
.nn-player { display: flex; gap: 0.5rem; align-items: center; font: 1rem var(--st-font); }
.nn-player button { min-width: 2.75rem; min-height: 2.5rem; padding: 0.25rem 0.75rem;
  font: inherit; color: var(--st-text-color); background: var(--st-background-color);
  border: 1px solid var(--st-border-color); border-radius: var(--st-button-radius, 0.5rem);
  cursor: pointer; }
.nn-player button:not([aria-disabled=true]):hover:enabled { border-color: var(--st-primary-color); }
.nn-player button:focus-visible { outline: 3px solid var(--st-primary-color);
  outline-offset: 2px; }
.nn-player button:disabled, .nn-player button[aria-disabled=true] { opacity: 0.4; cursor: default; }
.nn-player .nn-play { min-width: 6rem; }
"""

_HTML = """
<div class="nn-player" role="group">
  <button type="button" class="nn-back" aria-label="One moment back">◀</button>
  <button type="button" class="nn-play">Play</button>
  <button type="button" class="nn-forth" aria-label="One moment on">▶</button>
</div>
"""

# A component's function is called at each change of data: a new place means that it is drawn.
_JS = """
export default function ({ data, parentElement, setTriggerValue }) {
  const box = parentElement.querySelector(".nn-player");
  if (!box) return;
  const [back, play, forth] = box.children;
  const state = (box.nnPlayer ??= { playing: false, asked: 0 });
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const { place, count, pause } = data;
  const last = count - 1;
  box.setAttribute("aria-label", data.label);
  const go = (to) => setTriggerValue("place", [to, ++state.asked]);
  const show = () => {
    const words = still ? "Next" : state.playing ? "Pause" : "Play";
    if (play.textContent !== words) play.textContent = words;
    play.setAttribute("aria-pressed", String(state.playing));
    if (still) play.removeAttribute("aria-pressed");
  };
  // Not `disabled`, which would take the focus from whoever pressed it.
  back.ariaDisabled = place <= 0;
  forth.ariaDisabled = place >= last;
  play.disabled = last < 1;
  const turn = (to) => { state.playing = false; show(); if (to >= 0 && to <= last) go(to); };
  back.onclick = () => turn(place - 1);
  forth.onclick = () => turn(place + 1);
  play.onclick = () => {
    const next = place >= last ? 0 : place + 1;
    if (still) return go(next);
    state.playing = !state.playing;
    show();
    clearTimeout(state.timer);
    if (state.playing) go(next);
  };
  if (state.playing && place >= last) state.playing = false;
  show();
  if (state.playing && state.place !== place) {
    clearTimeout(state.timer);
    state.timer = setTimeout(() => { if (state.playing) go(place + 1); }, pause);
  }
  state.place = place;
  return () => { state.playing = false; clearTimeout(state.timer); };
}
"""

_component = st.components.v2.component(
    "nnengine_player", html=_HTML, css=_CSS, js=_JS, isolate_styles=False
)


def player(place: int, count: int, *, label: str, key: str, pause_ms: int = 250) -> int | None:
    """Show the buttons for one of `count` places; return the place just asked for, else None.

    `label` is what a screen reader calls them together. Played on, a place is shown for `pause_ms`
    after it was drawn.
    """
    data = {"place": place, "count": count, "label": label, "pause": pause_ms}
    asked = _component(key=key, data=data, on_place_change=lambda: None).place
    return None if asked is None else int(asked[0])
