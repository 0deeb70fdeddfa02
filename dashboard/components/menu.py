"""Menu: on a phone the list of pages lies over the page; it goes once one of them is chosen."""

from __future__ import annotations

import streamlit as st

# Streamlit opens it at the side, leaves it open, and remembers that over a reload. It may come into
# the page a little later than this does.
_JS = """
export default function ({ data }) {
  if (window.nnMenuOf === data.page) return;
  window.nnMenuOf = data.page;
  if (!matchMedia("(max-width: 768px)").matches) return;
  let tries = 10;
  const fold = () => {
    const side = document.querySelector('[data-testid="stSidebar"]');
    if (!side && --tries) return setTimeout(fold, 100);
    const close = side?.querySelector('[data-testid="stSidebarCollapseButton"] button');
    // Folded it lies to the left of the screen, or has no button.
    if (close && side.getBoundingClientRect().right > 0) close.click();
  };
  fold();
}
"""

_component = st.components.v2.component(
    "nnengine_menu", html="<span hidden></span>", js=_JS, isolate_styles=False
)


def fold_menu(page: str) -> None:
    """Fold the menu on a narrow screen when the page, by its title, is another than before."""
    with st.container(key="ticker-menu"):
        _component(key="menu", data={"page": page})
