"""Ladder: steps in order, each with a share of the whole as a bar, and which one is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from dashboard.present.outside import html
from dashboard.present.style import SERIES

_STYLE = """
.nn-ladder.nn-ladder { list-style: none; margin: 0; padding: 0;
  font-variant-numeric: tabular-nums; }
.nn-ladder.nn-ladder li { margin: 0; padding: .45rem .6rem; border-left: 3px solid transparent; }
.nn-ladder.nn-ladder li[aria-current] { border-left-color: currentColor; font-weight: 600;
  background: color-mix(in srgb, currentColor 6%, transparent); }
.nn-ladder-words { display: flex; justify-content: space-between; gap: .75rem; }
.nn-ladder-words span:last-child { white-space: nowrap; }
.nn-ladder-bar { height: .3rem; margin-top: .3rem; border-radius: .15rem; overflow: hidden;
  background: color-mix(in srgb, currentColor 12%, transparent); }
.nn-ladder-bar div { height: 100%; }
"""


@dataclass(frozen=True, slots=True)
class Rung:
    """A step: its name, what is said of it at the right, and its share in [0, 1], None without."""

    name: str
    said: str
    share: float | None


def ladder(rungs: Sequence[Rung], at: int, label: str) -> None:
    """Draw the steps as a numbered list; `at` is the one looked at. All words are escaped."""
    lines = "".join(_line(i, rung, i == at) for i, rung in enumerate(rungs))
    st.html(f'<style>{_STYLE}</style><ol class="nn-ladder" aria-label="{html(label)}">{lines}</ol>')


def _line(i: int, rung: Rung, current: bool) -> str:
    here = ' aria-current="step"' if current else ""
    width = 100 * min(max(rung.share or 0.0, 0.0), 1.0)
    bar = f"width:{width:.2f}%;background:{SERIES[0]}"
    return (
        f'<li{here}><div class="nn-ladder-words"><span>{i + 1}. {html(rung.name)}</span>'
        f"<span>{html(rung.said)}</span></div>"
        f'<div class="nn-ladder-bar" aria-hidden="true"><div style="{bar}"></div>'
        "</div></li>"
    )
