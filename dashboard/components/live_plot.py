"""Live plot: a chart that takes new data without flicker and keeps its zoom.

`st.plotly_chart` is remounted at each change of its data, so a live curve blinks and forgets
what the visitor zoomed into. This component keeps one DOM node and calls `Plotly.react` on it.
It draws with the plotly.js of the installed plotly package, served from this site itself.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from importlib import metadata
from pathlib import Path

import plotly
import plotly.graph_objects as go
import streamlit as st
import streamlit.components.v1 as first_components

from dashboard.host.tab import IN_TAB
from dashboard.present.outside import shown

STATIC = Path(__file__).resolve().parent.parent / "static"
_SOURCE = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
_VERSION = metadata.version("plotly")


def plotly_address(folder: Path = STATIC) -> str:
    """Return where pages find plotly.min.js, put into `folder` if that can be written.

    Where it cannot, as in an installation that belongs to somebody else, the plotly package's own
    folder is served as a component's files are: without a date, so browsers fetch it more often.
    The static site holds the file beside its index.html.
    """
    if IN_TAB or provide_plotly(folder):
        return "app/static/plotly.min.js"
    component = first_components.declare_component("plotly_js", path=_SOURCE.parent)
    return f"component/{component.name}/plotly.min.js"


def provide_plotly(folder: Path) -> bool:
    """Put plotly.min.js into `folder` unless the right one is there; False where it cannot be.

    The right one has the size and time of the package's file. The copy is made beside its
    place and then moved, so a browser never gets half a file.
    """
    target = folder / "plotly.min.js"
    try:
        wanted = _SOURCE.stat()
        if target.exists():
            found = target.stat()
            if (found.st_size, int(found.st_mtime)) == (wanted.st_size, int(wanted.st_mtime)):
                return True
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder, prefix="plotly-", suffix=".js")
        os.close(handle)
        shutil.copy2(_SOURCE, name)
        os.chmod(name, 0o644)  # mkstemp makes files that only their owner reads
        os.replace(name, target)
    except OSError:
        return False
    return True


PLOT_HTML = """
<div class="nn-plot">
  <div class="nn-plot-canvas" role="img"></div>
  <button class="nn-plot-reset" type="button" hidden>Reset zoom</button>
</div>
"""

PLOT_CSS = """
.nn-plot { position: relative; width: 100%; min-width: 0; }
.nn-plot-canvas { width: 100%; }
.nn-plot-note { color: var(--st-text-color); padding: 1rem 0; }
.nn-plot-reset {
  position: absolute; top: 0; right: 0; z-index: 2; cursor: pointer;
  font: 0.875rem var(--st-font); color: var(--st-text-color);
  background: var(--st-background-color); border: 1px solid var(--st-border-color);
  border-radius: var(--st-button-radius, 0.5rem); padding: 0.15rem 0.6rem;
}
.nn-plot-reset:hover, .nn-plot-reset:focus-visible {
  border-color: var(--st-primary-color); outline: 2px solid var(--st-primary-color);
}
.nn-plot-reset[hidden] { display: none; }
"""

# `plot` is called at each tick and at each change of theme; where neither brings anything new
# nothing is drawn. Given back: what to do when the chart leaves the page.
PLOT_JS = """
const load = (url) => window.__nnenginePlotly ??= new Promise((resolve, reject) => {
  const script = document.createElement("script");
  script.src = url;
  script.onload = () => resolve(window.Plotly);
  script.onerror = () => { window.__nnenginePlotly = undefined; script.remove(); reject(); };
  document.head.append(script);
});

function dress(layout, host) {
  const style = getComputedStyle(host);
  const css = (name, otherwise) => style.getPropertyValue(name).trim() || otherwise;
  const text = css("--st-text-color", "#777");
  const line = css("--st-border-color", "#9995");
  const paper = css("--st-background-color", "#fff");
  const narrow = host.clientWidth < 480;
  layout.font = { family: css("--st-font", "sans-serif"), size: narrow ? 12 : 13, color: text };
  layout.hoverlabel = { ...layout.hoverlabel, bgcolor: paper, bordercolor: line,
                        font: { ...layout.font } };
  layout.legend = { ...layout.legend, bgcolor: "rgba(0,0,0,0)", font: { color: text } };
  for (const [name, axis] of Object.entries(layout)) {
    if (!/^[xy]axis\\d*$/.test(name)) continue;
    layout[name] = { gridcolor: line, linecolor: line, tickcolor: line, zerolinecolor: line,
                     spikecolor: text, spikethickness: 1, ...axis,
                     title: { standoff: 8, ...axis.title, font: { ...layout.font } } };
  }
  // A finger that drags over the chart wants to scroll the page.
  if (matchMedia("(pointer: coarse)").matches) layout.dragmode = false;
  return layout;
}

function plot(box, data, choose) {
  const host = box.querySelector(".nn-plot-canvas");
  const reset = box.querySelector(".nn-plot-reset");
  host.setAttribute("aria-label", data.label);
  host.style.height = data.height + "px";
  const state = (host.nnState ??= { width: 0, observer: null, zoomed: false, gone: false });
  state.data = data;
  state.gone = false;

  // An axis with a range of its own goes back to that, any other to all that is drawn.
  const own = (name) => JSON.parse(state.data.figure).layout[name]?.range;
  const zoomed = () => ["xaxis", "yaxis"].some((name) => {
    const axis = host._fullLayout?.[name], range = own(name);
    return axis?.autorange === false && String(axis.range) !== String(range);
  });
  const showReset = () => { reset.hidden = !zoomed(); };

  const draw = (Plotly) => {
    if (!host.isConnected || !host.clientWidth) return;
    const style = getComputedStyle(host);
    const dressed = ["--st-text-color", "--st-border-color", "--st-background-color", "--st-font"];
    const key = [state.data.figure, state.data.height, host.clientWidth,
                 ...dressed.map((name) => style.getPropertyValue(name))].join();
    if (host._fullLayout && state.drawn === key) return;
    state.drawn = key;
    const figure = JSON.parse(state.data.figure);
    const layout = dress(figure.layout, host);
    state.width = layout.width = host.clientWidth;
    layout.height = state.data.height;
    const first = !host._fullLayout;
    return Plotly.react(host, figure.data, layout, { displayModeBar: false, responsive: false })
      .then(() => {
        if (first) {
          host.on("plotly_relayout", showReset);
          host.on("plotly_click", ({ points }) => {
            const chosen = points?.find((point) => point.customdata)?.customdata;
            if (state.data.selectable && chosen) choose([...chosen]);
          });
        }
        showReset();
      })
      // Who leaves the page while a chart is being drawn has its node emptied under it.
      .catch((error) => { if (!state.gone) throw error; });
  };

  load(new URL(data.plotly, document.baseURI).href).then((Plotly) => {
    box.querySelector(".nn-plot-note")?.remove();
    reset.onclick = () => Plotly.relayout(host, Object.fromEntries(["xaxis", "yaxis"].map(
      (name) => own(name) ? [`${name}.range`, own(name)] : [`${name}.autorange`, true])));
    if (!state.observer) {
      state.observer = new ResizeObserver(() => {
        if (host.clientWidth && host.clientWidth !== state.width) draw(Plotly);
      });
      state.observer.observe(host);
    }
    return draw(Plotly);
  }, () => {
    if (box.querySelector(".nn-plot-note")) return;
    const note = document.createElement("p");
    note.className = "nn-plot-note";
    note.textContent = "The chart could not be drawn: plotly.js did not load. Reload the page.";
    host.after(note);
  });
  return () => {
    state.gone = true;
    state.observer?.disconnect();
    if (host._fullLayout) window.Plotly?.purge(host);
  };
}
"""

_JS = """
export default function ({ data, parentElement, setTriggerValue }) {
  const box = parentElement.querySelector(".nn-plot");
  if (box) return plot(box, data, (chosen) => setTriggerValue("chosen", chosen));
}
"""

PLOTLY = f"{plotly_address()}?v={_VERSION}"

_component = st.components.v2.component(
    "nnengine_live_plot", html=PLOT_HTML, css=PLOT_CSS, js=PLOT_JS + _JS, isolate_styles=False
)


def live_plot(
    figure: go.Figure | str,
    *,
    key: str,
    height: int | None = None,
    label: str,
    selectable: bool = False,
) -> list | None:
    """Show a figure that may change at every tick; its node and the visitor's zoom stay.

    figure: a chart, or its JSON. Height is in pixels: as given, else the figure's own, else 360.
    Label is what a screen reader says in place of the picture: name the chart and its latest
    values. Zoom is kept as long as `figure.layout.uirevision` stays the same. Selectable: returns
    the customdata of the point just clicked, else None; offer a control beside it, for a picture
    has no keyboard.
    """
    own = None if isinstance(figure, str) else figure.layout.height
    pixels = int(height or own or 360)
    result = _component(
        key=key,
        data={
            "figure": figure if isinstance(figure, str) else figure.to_json(),
            "label": shown(label),
            "selectable": selectable,
            "height": pixels,
            "plotly": PLOTLY,
        },
        on_chosen_change=lambda: None,
    )
    return result.chosen if selectable else None
