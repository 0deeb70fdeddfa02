"""Link box: an address to copy, made whole by the browser, which knows where the app lives."""

from __future__ import annotations

import streamlit as st

_HTML = """
<div class="nn-link"><input type="text" readonly><button type="button">Copy</button></div>
<div class="nn-link-said" role="status"></div>
"""

_CSS = """
.nn-link { display: flex; gap: 0.5rem; flex-wrap: wrap; }
.nn-link input { flex: 1 1 12rem; min-width: 0; font: 0.875rem/1.4 var(--st-code-font, monospace);
  color: var(--st-text-color); background: var(--st-secondary-background-color);
  border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius, 0.5rem);
  padding: 0.4rem 0.6rem; }
.nn-link button { font: 0.9375rem/1.4 var(--st-font); color: var(--st-text-color); cursor: pointer;
  background: transparent; border: 1px solid var(--st-border-color);
  border-radius: var(--st-base-radius, 0.5rem); padding: 0.35rem 1rem; }
.nn-link button:hover { border-color: var(--st-text-color); }
.nn-link button:focus-visible, .nn-link input:focus-visible {
  outline: 2px solid var(--st-link-color); outline-offset: 1px; }
.nn-link-said { font: 0.875rem/1.4 var(--st-font); color: var(--st-text-color); min-height: 1.3em;
  padding-top: 0.25rem; }
"""

# The clipboard of pages that came over plain http from another machine is locked: the older way
# works there as well.
_JS = """
export default function ({ data, parentElement }) {
  const [input] = parentElement.getElementsByTagName("input");
  const [button] = parentElement.getElementsByTagName("button");
  const said = parentElement.querySelector(".nn-link-said");
  const link = new URL(data.link, new URL("./", document.baseURI)).href;
  if (input.value !== link) said.textContent = "";
  input.value = link;
  input.setAttribute("aria-label", data.label);
  input.onfocus = () => input.select();
  button.onclick = async () => {
    let done = false;
    try { await navigator.clipboard.writeText(link); done = true; } catch {
      input.select();
      try { done = document.execCommand("copy"); } catch {}
    }
    said.textContent = done ? "Copied." : "Copy it with your keyboard: it is selected.";
    if (!done) input.select();
  };
}
"""

_component = st.components.v2.component(
    "nnengine_link_box", html=_HTML, css=_CSS, js=_JS, isolate_styles=False
)


def link_box(link: str, *, key: str, label: str) -> None:
    """Show an address and a button that copies it.

    `link` is relative to the app's own: "train?seed=7". `label` is what a screen reader says.
    """
    _component(key=key, data={"link": link, "label": label})
