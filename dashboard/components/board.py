"""Board: what changes while a run trains, numbers, progress and charts, in one piece.

Streamlit sends every element of a part that is drawn anew by itself: as twenty-three of its own
these cost a server ten times as much a tick as one does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import streamlit as st

from dashboard.components.live_plot import PLOT_CSS, PLOT_HTML, PLOT_JS, PLOTLY

CHART_PX = 320

# The names of parts are those of Streamlit's own metrics, whose look they have.
_CSS = """
.nn-board { display: flex; flex-direction: column; gap: 1rem; color: var(--st-text-color);
  font: 1rem/1.5 var(--st-font); }
.nn-board p { margin: 0; }
.nn-board [hidden] { display: none; }
.nn-board-line { display: flex; flex-wrap: wrap; gap: 0 0.75rem; align-items: baseline;
  padding: 0.75rem 1rem; border-radius: var(--st-base-radius, 0.5rem);
  background: var(--st-secondary-background-color); }
.nn-board-place { font-weight: 650; font-variant-numeric: tabular-nums; min-width: 17.5rem; }
.nn-board-numbers { display: flex; flex-wrap: wrap; gap: 0.5rem; }
.nn-board-number { box-sizing: border-box; width: 156px; padding: calc(1rem - 1px);
  border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius, 0.5rem); }
.nn-board-number p { font-size: 0.875rem; line-height: 1.5; }
.nn-board-number div { font-size: 1.5rem; line-height: 1.4;
  white-space: nowrap; font-variant-numeric: tabular-nums; }
.nn-board-bar { height: 0.5rem; margin-top: 0.35rem; overflow: hidden;
  border-radius: var(--st-base-radius, 0.5rem);
  background: var(--st-secondary-background-color); }
.nn-board-bar div { height: 100%; background: var(--st-primary-color);
  border-radius: inherit; transition: width 0.3s ease; }
.nn-board-steps { font-variant-numeric: tabular-nums; }
.nn-board-notes summary { font-size: 0.875rem; opacity: 0.75; cursor: pointer; width: max-content;
  max-width: 100%; }
.nn-board-notes summary:focus-visible { outline: 2px solid var(--st-primary-color);
  outline-offset: 2px; }
.nn-board-note { font-size: 0.875rem; opacity: 0.75; }
.nn-board-charts { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 15rem), 1fr)); }
.nn-board-chart { min-width: 0; padding: calc(1rem - 1px); display: flex; flex-direction: column;
  gap: 1rem; border: 1px solid var(--st-border-color);
  border-radius: var(--st-base-radius, 0.5rem); }
.nn-board-chart > p { font-weight: 600; position: relative; }
.nn-help { all: unset; box-sizing: border-box; width: 1.5rem; height: 1.5rem; margin-left: 0.4rem;
  border: 1px solid var(--st-border-color); border-radius: 50%; cursor: help; text-align: center;
  font: 0.8125rem/1.375rem var(--st-font); color: var(--st-text-color); }
.nn-help:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
.nn-help:hover::after, .nn-help:focus::after { content: attr(data-help); position: absolute;
  left: 0; top: 2rem; z-index: 5; width: max-content; max-width: min(100%, 26rem);
  padding: 0.6rem 0.8rem; white-space: pre-line; text-align: left;
  font: 0.875rem/1.45 var(--st-font); color: var(--st-text-color);
  background: var(--st-background-color); border: 1px solid var(--st-border-color);
  border-radius: var(--st-base-radius, 0.5rem); }
.nn-board-heard { position: absolute; width: 1px; height: 1px; overflow: hidden;
  clip-path: inset(50%); }
@media (prefers-reduced-motion: reduce) { .nn-board-bar div { transition: none; } }
"""

_HTML = """
<div class="nn-board">
  <div class="nn-board-line" role="status" hidden>
    <span class="nn-board-place"></span><span class="nn-board-why"></span>
  </div>
  <div class="nn-board-numbers"></div>
  <div>
    <p class="nn-board-steps"></p>
    <div class="nn-board-bar" role="progressbar" aria-label="Steps taken" aria-valuemin="0"
      aria-valuemax="100"><div></div></div>
  </div>
  <details class="nn-board-notes" hidden><summary>How it is computed</summary><div></div></details>
  <div class="nn-board-charts"></div>
  <p class="nn-board-heard" role="status"></p>
</div>
"""

_JS = """
const CHART = `PLOT_HTML`;

function made(parent, kind, name, more) {
  const node = parent.appendChild(document.createElement(kind));
  node.className = name;
  more?.(node);
  return node;
}

function fit(parent, count, make) {
  while (parent.children.length > count) parent.lastElementChild.remove();
  while (parent.children.length < count) make(parent);
  return [...parent.children];
}

const number = (parent) => made(parent, "div", "nn-board-number", (box) => {
  box.dataset.testid = "stMetric";
  made(box, "p", "");
  made(box, "div", "").dataset.testid = "stMetricValue";
});
const chart = (parent) => made(parent, "section", "nn-board-chart", (box) => {
  made(box, "p", "", (title) => {
    made(title, "span", "");
    made(title, "button", "nn-help", (help) => {
      help.type = "button";
      help.textContent = "?";
      help.onkeydown = (event) => { if (event.key === "Escape") help.blur(); };
    });
  });
  made(box, "div", "").innerHTML = CHART;
});

function say(node, text) { if (node.textContent !== text) node.textContent = text; }

export default function ({ data, parentElement }) {
  const board = parentElement.querySelector(".nn-board");
  if (!board) return;
  const part = (name) => board.querySelector(`.nn-board-${name}`);
  part("line").hidden = !data.turns;
  say(part("place"), data.turns ? data.turns[0] : "");
  say(part("why"), data.turns ? data.turns[1] : "");
  fit(part("numbers"), data.numbers.length, number).forEach((box, i) => {
    say(box.children[0], data.numbers[i][0]);
    say(box.children[1], data.numbers[i][1]);
  });
  say(part("steps"), data.steps);
  say(part("heard"), data.heard);
  part("bar").setAttribute("aria-valuenow", Math.round(100 * data.share));
  part("bar").firstElementChild.style.width = `${100 * data.share}%`;
  part("notes").hidden = !data.notes.length;
  fit(part("notes").lastElementChild, data.notes.length, (box) => made(box, "p", "nn-board-note"))
    .forEach((note, i) => say(note, data.notes[i]));
  const ends = fit(part("charts"), data.charts.length, chart).map((box, i) => {
    const { title, help, ...shown } = data.charts[i];
    const [name, mark] = box.children[0].children;
    say(name, title);
    mark.hidden = !help;
    mark.dataset.help = help;
    mark.setAttribute("aria-label", `${title}, help. ${help}`);
    return plot(box.querySelector(".nn-plot"), { ...shown, plotly: data.plotly }, () => {});
  });
  return () => ends.forEach((end) => end());
}
""".replace("PLOT_HTML", PLOT_HTML)

_component = st.components.v2.component(
    "nnengine_board", html=_HTML, css=PLOT_CSS + _CSS, js=PLOT_JS + _JS, isolate_styles=False
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A chart with its title: the figure as JSON, and what a screen reader says in its place.

    help: what a question mark behind the title opens to, by the mouse or the Tab key; or none.
    """

    title: str
    figure: str
    label: str
    help: str = ""
    height: int = CHART_PX
    selectable: bool = False


def board(
    *,
    numbers: Sequence[tuple[str, str]],
    share: float,
    steps: str,
    heard: str,
    notes: Sequence[str],
    charts: Sequence[Chart],
    turns: tuple[str, str] | None = None,
    key: str,
) -> None:
    """Show labelled numbers, a bar of `share` in [0, 1] under its words, notes folded, and charts.

    turns: a place in line, and why, which stand above all of it. heard: what a screen reader says
    when it changes, and the eye sees elsewhere. Texts are shown as they are, never as Markdown or
    HTML.
    """
    data = {
        "turns": turns,
        "numbers": numbers,
        "share": share,
        "steps": steps,
        "heard": heard,
        "notes": notes,
        "charts": [asdict(chart) for chart in charts],
        "plotly": PLOTLY,
    }
    _component(key=key, data=data)
