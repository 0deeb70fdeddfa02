"""Arrival: tells what stands behind the # of the address, which no server is ever sent.

A network in a link stands there: it reaches nobody's log, and no host on the way limits its length.
"""

from __future__ import annotations

import streamlit as st

# It is told once and taken out of the address; a link followed while the app is open changes
# nothing but the hash.
_JS = """
export default function ({ parentElement, setTriggerValue }) {
  const look = () => {
    const found = location.hash.match(/^#net=(.*)$/s);
    if (!found) return;
    history.replaceState(history.state, "", location.pathname + location.search);
    setTriggerValue("net", found[1]);
  };
  window.removeEventListener("hashchange", parentElement.nnLook);
  window.addEventListener("hashchange", (parentElement.nnLook = look));
  look();
  return () => window.removeEventListener("hashchange", look);
}
"""

_component = st.components.v2.component(
    "nnengine_arrival", html="<span hidden></span>", js=_JS, isolate_styles=False
)


def arrival(*, key: str) -> str | None:
    """Return the network that has just come behind the address as text, else None."""
    with st.container(key=f"ticker-{key}"):
        return _component(key=key, on_net_change=lambda: None).net
