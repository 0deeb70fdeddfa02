"""Table: a few rows of words as HTML, which a phone, a screen reader and the browser build read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import streamlit as st

from dashboard.present.outside import html

_STYLE = """
.nn-table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
.nn-table th, .nn-table td { padding: .3rem .6rem .3rem 0; text-align: right; font-weight: 400;
  border-bottom: 1px solid color-mix(in srgb, currentColor 15%, transparent);
  overflow-wrap: anywhere; }
.nn-table thead th { font-weight: 600; }
.nn-table th:first-child { text-align: left; }
.nn-numbers td, .nn-numbers thead th { overflow-wrap: normal; white-space: nowrap; }
.nn-table tbody tr:last-child > * { border-bottom: 0; }
@media (max-width: 40rem) {
  .nn-numbers { font-size: .8125rem; }
  .nn-numbers th, .nn-numbers td { padding-right: .3rem; }
  .nn-numbers thead th { white-space: normal; }
}
.nn-wide { overflow-x: auto; }
.nn-wide .nn-table { min-width: 40rem; }
.nn-wide td, .nn-wide th { overflow-wrap: normal; }
.nn-facts { max-width: 40rem; }
.nn-facts td { text-align: left; }
"""


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], label: str, *, numbers: bool = False,
    wide: bool = False,
) -> None:  # fmt: skip
    """Draw a table; the first column names the row. Without a head it is a list of facts.

    numbers: whether all but the first column hold a number, which is never broken. wide: on a
    phone it is wider than the page, and moves by itself, under the arrow keys too.
    Every word is escaped: names of classes come from visitors' files.
    """
    heads = "".join(f'<th scope="col">{html(word)}</th>' for word in head)
    kind = ("nn-table" if head else "nn-table nn-facts") + " nn-numbers" * numbers
    box = f'<div class="nn-wide" role="region" tabindex="0" aria-label="{html(label)}">'
    st.html(
        f"<style>{_STYLE}</style>"
        + box * wide
        + f'<table class="{kind}" aria-label="{html(label)}">'
        + (f"<thead><tr>{heads}</tr></thead>" if head else "")
        + f"<tbody>{''.join(map(_row, rows))}</tbody></table>"
        + "</div>" * wide
    )


def _row(words: Sequence[str]) -> str:
    first, *rest = map(html, words)
    cells = "".join(f"<td>{word}</td>" for word in rest)
    return f'<tr><th scope="row">{first}</th>{cells}</tr>'
