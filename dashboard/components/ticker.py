"""Ticker: asks for the next drawing of a fragment as soon as the last one is on the screen.

A timer that is faster than the drawing piles requests up until the page freezes; this asks once
for each drawing, so it can be as fast as the page and never faster.
"""

from __future__ import annotations

import streamlit as st

# Nothing is left to the screen's own clock, which stands still in a hidden tab. Should a request
# get lost in a change of page, another is made.
_JS = """
export default function ({ data, setTriggerValue }) {
  const ask = () => setTriggerValue("tick", data.beat);
  const again = setInterval(ask, 3000);
  ask();
  return () => clearInterval(again);
}
"""

_component = st.components.v2.component(
    "nnengine_ticker", html="<span hidden></span>", js=_JS, isolate_styles=False
)


def ticker(*, key: str, beat: int) -> None:
    """Have the fragment that this is called in drawn again; `beat` must be another each time."""
    with st.container(key=f"ticker-{key}"):
        _component(key=key, data={"beat": beat}, on_tick_change=lambda: None)
