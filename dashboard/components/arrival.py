"""Arrival: tells what stands behind the # of the address, which no server is ever sent.

A network in a link stands there: it reaches nobody's log, and no host on the way limits its length.
Who has arrived at another page on a phone has its menu folded, which lies over it. And who opens a
second link where they have runs already has these at hand there too: a link names nobody's visit,
so the browser's tab remembers its own, until it is closed.
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

// Return whether another document is on its way: once for a visit, which the server may have
// forgotten.
function comeBack(run) {
  try {
    const first = !window.nnCame, kept = sessionStorage.getItem("nn-run");
    window.nnCame = true;
    if (run) sessionStorage.setItem("nn-run", run); else sessionStorage.removeItem("nn-run");
    // As it was opened: a link to data has been given a visit by now.
    const opened = new URL(performance.getEntriesByType("navigation")[0].name);
    if (run || !first || !kept || opened.searchParams.has("run")) return false;
    const to = new URL(location.href);
    to.searchParams.set("run", kept);
    location.replace(to);
    return true;
  } catch { return false; }  // a browser that stores nothing: the address still leads back
}

export default function ({ data, parentElement, setTriggerValue }) {
  if (comeBack(data.run)) return;
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


def arrival(page: str, run: str | None, *, key: str) -> str | None:
    """Return the network that has just come behind the address as text, else None.

    page: the title of the page that is open. run: what leads back to what the visitor has in hand
    on a server, None for nothing.
    """
    with st.container(key=f"ticker-{key}"):
        return _component(key=key, data={"page": page, "run": run}, on_net_change=lambda: None).net
