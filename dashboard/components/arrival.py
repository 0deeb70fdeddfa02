"""Arrival: tells what stands behind the # of the address, which no server is ever sent.

A network in a link stands there: it reaches nobody's log, and no host on the way limits its length.
Who has arrived at another page on a phone has its menu folded, which lies over it.
"""

from __future__ import annotations

import streamlit as st

# It is told once and taken out of the address; a link followed while the app is open changes
# nothing but the hash.
_JS = """
// Streamlit opens the menu at the side of a phone's screen, leaves it open, and remembers that over
// a reload. It may come into the page a little later than this does.
function fold(tries) {
  const side = document.querySelector('[data-testid="stSidebar"]');
  if (!side && tries) return setTimeout(fold, 100, tries - 1);
  const close = side?.querySelector('[data-testid="stSidebarCollapseButton"] button');
  // Folded it lies to the left of the screen, or has no button.
  if (close && side.getBoundingClientRect().right > 0) close.click();
}

export default function ({ data, parentElement, setTriggerValue }) {
  if (window.nnPage !== data.page) {
    window.nnPage = data.page;
    if (matchMedia("(max-width: 768px)").matches) fold(10);
  }
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


def arrival(page: str, *, key: str) -> str | None:
    """Return the network that has just come behind the address as text, else None.

    page: the title of the page that is open.
    """
    with st.container(key=f"ticker-{key}"):
        return _component(key=key, data={"page": page}, on_net_change=lambda: None).net
