"""Matrix: which class is taken for which, as a table that is drawn anew in a moment.

`figures.confusion` has the same colours and can be pressed. Plotly needs longer for it, in Python
and on the screen, than anything else that moving through a run has drawn.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dashboard.present.figures import right_and_wrong
from dashboard.present.outside import SHORT, html
from dashboard.present.style import ink_on, levels_of, palette

MOST_CLASSES = 20  # of more, the counts would not fit into their cells
STYLE = """<style>
.nn-matrix { border-collapse: separate; border-spacing: 1px; table-layout: fixed; width: 100%;
  font-size: .6875rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.nn-matrix caption { caption-side: bottom; text-align: center; font-size: .8125rem;
  padding-top: .4rem; }
.nn-matrix th { font-weight: 400; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.nn-matrix th[scope=row] { text-align: right; padding-right: .4rem; }
.nn-matrix .side { width: var(--side); }
.nn-matrix td { height: 2rem; padding: 0; text-align: center; }
.nn-matrix .long { writing-mode: vertical-rl; transform: rotate(180deg); text-align: left;
  max-height: 6rem; margin: 0 auto; overflow: hidden; text-overflow: ellipsis; }
</style>"""


def table(matrix: np.ndarray, class_names: Sequence[str], *, dark: bool, label: str) -> str:
    """Return counts (classes, classes), [true, predicted], as HTML; `STYLE` stands beside it.

    label: what a screen reader calls it.
    """
    counts = np.asarray(matrix, dtype=np.int64)
    painted = right_and_wrong(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))
    paint = [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in palette(dark=dark)[levels_of(painted)]]
    cells = [
        f'<td style="background:{colour};color:{ink}">{count or ""}</td>'
        for colour, ink, count in zip(
            paint, ink_on(painted, dark=dark), counts.ravel().tolist(), strict=True
        )
    ]
    names, each = [html(name, SHORT) for name in class_names], len(class_names)
    long = max(map(len, names)) > 2
    shut = ('<div class="long">', "</div>") if long else ("", "")
    heads = "".join(f'<th scope="col" title="{name}">{name.join(shut)}</th>' for name in names)
    rows = "".join(
        f'<tr><th scope="row" title="{name}">{name}</th>{"".join(cells[i * each : (i + 1) * each])}'
        "</tr>"
        for i, name in enumerate(names)
    )
    return (
        f'<table class="nn-matrix" aria-label="{html(label)}" '
        f'style="--side:{5.5 if long else 2}rem">'
        "<caption>Rows: true class. Columns: what it is taken for.</caption>"
        f'<thead><tr><td class="side"></td>{heads}</tr></thead><tbody>{rows}</tbody></table>'
    )
