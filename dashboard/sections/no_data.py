"""No data: what stands on a page that trains while there is nothing to train on."""

from __future__ import annotations

import streamlit as st

from dashboard import state


def no_data(why: str, key: str) -> None:
    """Say why there is no training data, and lead to the Data page or the built-in digits."""
    with st.container(border=True):
        st.markdown("## No training data yet")
        st.write(why)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                "Use the built-in digits", type="primary", key=key,
                on_click=state.use_source, args=(state.BUILT_IN,),
            )  # fmt: skip
            st.page_link("views/data.py", label="Choose data", icon=":material/database:")
