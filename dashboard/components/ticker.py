"""Ticker: asks for the next drawing of a fragment as soon as the last one is on the screen.

A timer that is faster than the drawing piles requests up until the page freezes; this asks once
for each drawing, so it can be as fast as the page and never faster.
"""

from __future__ import annotations

import streamlit as st

# The browser is idle when all of a drawing is on the screen: asked before, it would put a drawing
# off for the next one, again and again. In a hidden tab nothing is drawn and the timeout counts.
# Should a request get lost in a change of page, another is made.
# Streamlit calls the function at each change of data, and what it returns only at the very end.
_JS = """
const idle = window.requestIdleCallback ?? ((then) => setTimeout(then, 60));
export default function ({ data, parentElement, setTriggerValue }) {
  const state = (parentElement.nnTicker ??= {});
  const { beat } = data;  // asked for late, the next drawing's turn would be asked for twice
  const ask = () => { if (!state.gone && state.beat === beat) setTriggerValue("tick", beat); };
  if (state.beat === beat && !state.gone) return state.end;
  Object.assign(state, { beat, gone: false });
  clearInterval(state.again);
  state.again = setInterval(ask, 4000);
  idle(() => setTimeout(ask, data.pause), { timeout: 1000 });
  return (state.end = () => { state.gone = true; clearInterval(state.again); });
}
"""

_component = st.components.v2.component(
    "nnengine_ticker", html="<span hidden></span>", js=_JS, isolate_styles=False
)


def ticker(*, key: str, beat: int, pause_ms: int = 0) -> None:
    """Have the fragment that this is called in drawn again, so long after it is on the screen.

    `beat` must be another each time.
    """
    with st.container(key=f"ticker-{key}"):
        _component(key=key, data={"beat": beat, "pause": pause_ms}, on_tick_change=lambda: None)
