"""Pager: which part of a long list to show, where it does not fit on a page at once."""

from __future__ import annotations

import streamlit as st

from dashboard.present import units


def pager(
    label: str, count: int, per_page: int = units.PAGE, *, key: str, help: str | None = None
) -> range:
    """Return the places to show of so many; a list to choose from stands there if they are many.

    `key` is that of the list; how many parts there are becomes part of it.
    """
    slices = units.pages(count, per_page)
    if len(slices) == 1:
        return slices[0]
    place = st.selectbox(
        label, range(len(slices)), width=200, key=f"{key}.{len(slices)}", help=help,
        format_func=lambda i: f"{slices[i][0] + 1}–{slices[i][-1] + 1} of {count}",
    )  # fmt: skip
    return slices[place or 0]
