"""Check: which line of somebody's own network is wrong, told by the numbers it made."""

from __future__ import annotations

import streamlit as st

from dashboard.sections import check_curve, check_files, check_probe, check_report


def page() -> None:
    """Draw the page."""
    st.title("Check", anchor=False)
    st.write(
        "You wrote a network yourself, and it will not learn? Give the numbers that it makes of "
        "one small step: the line that is wrong is found by them."
    )
    held = check_files.given()
    left, right = st.columns([3, 2], gap="medium")
    with left:
        if held.pieces:
            check_report.report(held)
        else:
            check_probe.begin()
    with right:
        check_files.drop(held)
        if held.pieces:
            check_probe.again()
    check_curve.curve()


page()
