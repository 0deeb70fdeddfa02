"""Models: save, restore, describe and judge the network in hand."""

from __future__ import annotations

import io

import streamlit as st

from dashboard import state
from dashboard.components.live_plot import live_plot
from dashboard.components.table import table
from dashboard.components.tiles import tiles
from dashboard.present import figures, judging, pictures, units
from dashboard.sections import network_choice, sharing
from dashboard.store.networks import Entry
from nnengine import demo
from nnengine.core.metrics import evaluate
from nnengine.errors import EngineError
from nnengine.storage import modelfile

GALLERY = 40  # images of a page behind a cell
PER_ROW = 10  # tiles of a sheet's row; on screen they wrap


class _Upload(io.BytesIO):
    """Uploaded bytes that know their file's name, for messages."""

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(data)
        self.name = name


def take_in(uploads) -> None:
    """Restore what was uploaded: good files are kept, each bad one keeps its own error."""
    faults, made_room = [], []
    for upload in uploads:
        try:
            network = modelfile.load(_Upload(upload.getvalue(), upload.name))
        except EngineError as fault:
            faults.append(str(fault))
        else:
            restored = Entry(network.snapshot(), upload.name, "file", upload.name)
            made_room += state.keep_network(restored)
        state.release_upload(upload)
    state.put("models.faults", faults)
    state.put("models.gone", [one.name for one in made_room])
    state.put("models.round", state.get("models.round", 0) + 1)  # a new, empty uploader


def restore() -> None:
    """Offer to restore model files; errors stand beneath until the next upload."""
    with st.container(border=True, height="stretch"):
        st.header("Restore")
        uploads = st.file_uploader(
            "Model files (.npz or .nnm)", accept_multiple_files=True,
            key=f"models.upload.{state.get('models.round', 0)}",
            help="Saved here, by the nnengine command, or by the original program.",
        )  # fmt: skip
        if uploads:
            take_in(uploads)
            st.rerun()
        for fault in state.get("models.faults", []):
            st.error(units.plain(fault))
        if gone := state.get("models.gone"):
            st.info(f"Let go of, to make room: {units.plain(', '.join(gone))}.")


def choose(held: Entry) -> None:
    """Choose the network in hand among all there are."""
    st.header("Network in hand")
    network_choice.choose(
        held, "Run, built-in or restored network",
        help="Weights, Draw and this page look at this network.",
    )  # fmt: skip


def forget(held) -> None:
    """Offer to let go of a restored file or of a taught network."""
    kinds = {"file": "file", "finetuned": "taught network", "link": "network from a link"}
    if held.kind in kinds and st.button(
        f"Let go of this {kinds[held.kind]}", key="models.forget"
    ):
        state.let_go(held.key)
        st.rerun()


def save(held) -> None:
    """Offer both formats, or the reason why one cannot hold this network."""
    network, name = held.network, units.file_name(held.name.removesuffix(".npz"))
    try:
        modelfile.check_savable(network, "nnm")
        reason = ""
    except EngineError as fault:
        reason = str(fault)
    with st.container(horizontal=True):
        for kind in ("npz", "nnm"):
            st.download_button(
                f"Download .{kind}",
                lambda kind=kind: modelfile.to_bytes(network, kind),
                file_name=f"{name}.{kind}", mime="application/octet-stream", on_click="ignore",
                key=f"models.save.{kind}", icon=":material/download:",
                disabled=kind == "nnm" and bool(reason),
            )  # fmt: skip
        demo_page(held, name)
    formats = "Both formats hold this network; .npz also its history."
    if reason:
        formats = f"{units.plain(reason)}."
    st.caption(f"{formats} The demo is one web page that answers drawings, without a server.")


def demo_page(held, name: str) -> None:
    """Offer the network as one HTML file that answers drawings."""
    count, most = held.network.parameter_count, demo.MAX_PARAMETERS
    st.download_button(
        "Download this demo", lambda: sharing.demo_page(held), file_name=f"{name}.html",
        mime="text/html", on_click="ignore", key="models.save.demo", icon=":material/draw:",
        disabled=count > most,
        help=f"{count:,} parameters: a page holds {most:,} at most." if count > most else
        "One web page with the curves, the weights and a sheet to draw on. It needs no server, "
        "no Python and no network: open it anywhere, send it to anybody.",
    )  # fmt: skip


def describe(network) -> None:
    """Say what the network is and how it came to be."""
    table(("Layer", "From", "To", "Activation", "Parameters"), units.layer_rows(network), "Layers")
    table((), units.facts(network), "Facts")
    if network.training:
        with st.expander(f"Training record ({len(network.training)})"):
            for record in reversed(network.training):
                table((), units.record_rows(record), "Training record")


def judge(held) -> None:
    """Evaluate on the loaded data when asked, and show the last result."""
    st.header("Evaluate")
    sets = {"test": state.test_set(), "training": state.training_set()}
    sets = {name: data for name, data in sets.items() if data is not None}
    if not sets:
        st.write("No data to judge by: drop a test set of images and labels on the Data page.")
        st.page_link("views/data.py", label="Go to Data", icon=":material/database:")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        source = st.selectbox(
            "Data", list(sets), width=300, key="models.data",
            format_func=lambda name: f"{name.capitalize()} set: {sets[name].count:,} images",
        )  # fmt: skip
        asked = st.button("Evaluate", type="primary", key="models.evaluate")
    if asked:
        try:
            with st.spinner("Evaluating"):
                found = evaluate(held.network, sets[source])
        except EngineError as fault:
            st.error(units.plain(str(fault)))
            return
        state.put("models.judged", judging.Judgement(held.network, sets[source], source, found))
    judged = state.get("models.judged")
    if judged:
        verdict(held, judged)


def verdict(held, judged) -> None:
    """Show an evaluation: numbers, the table of classes, the confusion matrix, the images."""
    found, count = judged.evaluation, judged.dataset.count
    if not judged.is_of(held.network):
        st.info("The weights in hand have changed since this was measured: evaluate again.")
    for column, (name, value) in zip(
        st.columns(3),
        [("Accuracy", f"{100 * found.accuracy:.2f} %"), ("Loss", f"{found.loss:.4f}"),
         ("Errors", f"{judged.errors:,} of {count:,}")],
        strict=True,
    ):  # fmt: skip
        column.metric(f"{name}, {judged.source} set", value, border=True)
    left, right = st.columns([3, 2], gap="large")
    with right:
        st.markdown("## Class by class")
        table(("Class", "Images", "Precision", "Recall"), judging.per_class(judged), "Classes")
    cell = square(judged)  # stands below the matrix, but decides which cell is framed
    with left:
        matrix(judged, cell)
    gallery(judged, cell)


def square(judged) -> tuple[int, int]:
    """Offer the squares of the matrix by name; a click on the matrix sets this list anew."""
    st.markdown("## The images behind a square")
    confusion, clicks, clicked = judged.evaluation.confusion, *state.get("models.click", (0, None))
    options = judging.cells(confusion)
    if clicked and max(clicked) < len(confusion) and clicked not in options:
        options = [clicked, *options]
    return st.selectbox(
        "Square", options, index=options.index(clicked) if clicked in options else 0, width=400,
        format_func=lambda cell: judging.cell_words(cell, confusion, judged.names),
        key=f"models.square.{clicks}",
    )  # fmt: skip


def matrix(judged, cell: tuple[int, int]) -> None:
    """Show the confusion matrix with this cell framed; a click chooses another."""
    st.markdown("## Which class is taken for which")
    st.caption("Right answers in blue, errors in orange. Choose a square to see its images.")
    dark = st.context.theme.type == "dark"
    clicked = live_plot(
        figures.confusion(judged.evaluation.confusion, judged.names, chosen=cell, dark=dark),
        key="models.confusion",
        selectable=True,
        label="Confusion matrix, true class by predicted class; the list below it names"
        " every square with its count",
    )
    if clicked and tuple(map(int, clicked[:2])) != cell:
        clicks, _ = state.get("models.click", (0, None))
        state.put("models.click", (clicks + 1, tuple(map(int, clicked[:2]))))
        st.rerun()


def gallery(judged, cell: tuple[int, int]) -> None:
    """Show the images behind one square of the confusion matrix."""
    indices = judging.behind(judged, cell)
    if not len(indices):
        st.write("No image fell into this square.")
        return
    shown = indices[:GALLERY]
    captions, labels = judging.gallery_words(judged, shown)
    images = judged.dataset.images[shown]
    tiles(
        pictures.png(pictures.sheet(images, columns=min(PER_ROW, len(shown)))),
        columns=min(PER_ROW, len(shown)), shape=judged.dataset.image_shape,
        captions=captions, labels=labels, label="Images behind the square", key="models.gallery",
    )  # fmt: skip
    if len(indices) > len(shown):
        st.caption(f"The {len(shown)} answered most surely, of {len(indices):,}.")


def page() -> None:
    """Draw the page."""
    st.title("Models")
    held = state.network()
    left, right = st.columns([3, 2], gap="medium")
    with right:
        restore()
    with left, st.container(border=True, height="stretch"):
        if held is None:
            st.header("No network yet")
            st.write("Start a run, or restore a saved model: it can then be described, judged"
                     " and saved here.")  # fmt: skip
            st.page_link("views/train.py", label="Start a run", icon=":material/play_arrow:")
            return
        choose(held)
        run = state.current_run()
        steps = run.step if run and held.kind == "run" else None
        st.caption(units.plain(units.summary(held.network, steps)))
        save(held)
        forget(held)
    with st.expander("What this network is"):
        describe(held.network)
    sharing.share_network(held)
    judge(held)


page()
