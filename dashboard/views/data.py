"""Data: files dropped at once, each told what it is, and the images in them to look at."""

from __future__ import annotations

import numpy as np
import streamlit as st

from dashboard import anatomy, figures, samples, state, units, words
from dashboard.components.live_plot import live_plot
from dashboard.components.tiles import tiles

NUMBERS = (20, 50, 100, 200)
COLUMNS = 20  # of the sheet the tiles are cut from
EVERYTHING = -1

WANTED = (
    ("train-images-idx3-ubyte.gz", "60,000 images to learn from", "9.9 MB, 47 MB unpacked"),
    ("train-labels-idx1-ubyte.gz", "what each of them shows", "29 kB"),
    ("t10k-images-idx3-ubyte.gz", "10,000 images to be examined on", "1.6 MB"),
    ("t10k-labels-idx1-ubyte.gz", "what each of those shows", "5 kB"),
)


def drop() -> None:
    """Take in files; the drop area is then empty again and the files stand beside it."""
    turn = state.get("data.turn", 0)
    uploads = st.file_uploader(
        "Drop image and label files here, all at once", accept_multiple_files=True,
        key=f"data.files.{turn}",
        help="IDX files, packed with gzip or not, under any name: they are recognised by content.",
    )  # fmt: skip
    if uploads:
        with st.spinner("Reading"):
            state.add_files(uploads)
        state.put("data.turn", turn + 1)
        st.rerun()


def empty() -> None:
    """Say what to drop and where such files come from."""
    with st.container(border=True):
        st.markdown("#### No data yet")
        st.write(
            "A network learns from two files that belong together: images, and labels that say "
            "what each image shows. Two more, which it never learns from, tell how well it "
            "reads what it has not seen. MNIST, handwritten digits collected by LeCun, Cortes "
            "and Burges, is published as these four:"
        )
        st.html(
            anatomy.table(
                ("File", "What is in it", "Size"), WANTED, label="The four files of MNIST"
            )
        )
        st.write(
            "Search for the first name and you find them on many mirrors; Fashion-MNIST, ten "
            "kinds of clothing, uses the same names and the same format (IDX). Drop them as "
            "they are, there is no need to unpack. Two files are enough to begin."
        )


def file_card(index: int, file, sentences: list[str]) -> None:
    """Show one file: what it is, its header byte by byte, and what is wrong with it."""
    with st.container(border=True, gap="small"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(
                f"**{units.plain(file.name)}**  \n{units.plain(summary(file))}", width="stretch"
            )
            if file.header is not None:
                with st.popover("Header", help="What the first bytes of this file say"):
                    header(file)
            st.button(
                "Remove", key=f"data.remove.{file.digest}", type="tertiary",
                on_click=state.remove_file, args=(index,), help=f"Remove {units.plain(file.name)}",
            )  # fmt: skip
        if file.error:
            # The engine names its own argument as the way out; here it is the button beneath.
            st.error(units.plain(file.error.replace(" (keep_whole=True)", "")))
        if file.rescued is not None:
            st.button(
                f"Keep the {file.whole_items:,} whole {file.kind}", on_click=state.keep_whole,
                args=(index,), key=f"data.keep.{file.digest}",
            )  # fmt: skip
        for sentence in sentences:
            st.warning(units.plain(sentence))


def header(file) -> None:
    """Show a header byte by byte, with the meaning and the value of each field."""
    packed = ", after unpacking" if file.header.gzipped else ""
    st.markdown(f"**The first {len(file.header.header_bytes)} bytes of the file{packed}**")
    st.html(
        anatomy.table(
            anatomy.HEADINGS, anatomy.header_rows(file.header), code=[0, 1],
            label=f"Header of {file.name}",
        )
    )  # fmt: skip


def summary(file) -> str:
    """Say in one line what a file holds and how large it is."""
    size = words.size(file.size)
    if file.array is None:
        return f"Not used · {size}"
    shape = "".join(f" of {' × '.join(map(str, file.array.shape[1:]))}" * (file.array.ndim > 1))
    what = f"{len(file.array):,} {file.kind}{shape}" if file.good else "Not used"
    if file.header is not None and file.header.gzipped:
        size += f", {words.size(file.array.nbytes)} unpacked"
    cut = " · cut short, whole items kept" if file.whole_items else ""
    return f"{what} · {size}{cut}"


def files_and_pairs() -> None:
    """Show every file with what concerns it, and what was paired beside the drop area."""
    left, right = st.columns([2, 3], gap="large")
    files, sentences = state.files(), state.pairing()
    with right:
        for index, file in enumerate(files):
            own = [s for s in sentences if s.startswith(f"{file.name} ")]
            sentences = [s for s in sentences if s not in own]
            file_card(index, file, own)
    with left:
        drop()
        for sentence in sentences:
            st.markdown(units.plain(sentence))
        if state.training_set() is not None:
            st.page_link(
                "views/train.py", label="Train a network on it", icon=":material/play_arrow:"
            )
        elif not any(file.good for file in files):
            st.write("None of these files can be used yet: each says why, and what to do.")
        else:
            st.write("No training set yet: it takes a file of images and one of as many labels.")
        st.button("Remove all files", on_click=state.clear_files, key="data.clear", type="tertiary")


def choose_set():
    """Return the data set to look at."""
    found = {"Training set": state.training_set(), "Test set": state.test_set()}
    found = {name: dataset for name, dataset in found.items() if dataset is not None}
    if not found:
        return None
    first = next(iter(found))
    if len(found) == 1:
        return found[first]
    state.set_widget("data.look", first, over=state.widget_value("data.look") not in found)
    chosen = st.segmented_control(
        "Look at", list(found), key=state.widget("data.look"), label_visibility="collapsed"
    )
    return found[chosen or first]


def facts(dataset) -> None:
    """Show count, size, classes and memory."""
    height, width = dataset.image_shape
    with st.container(horizontal=True):
        st.metric("Images", f"{len(dataset):,}", border=True, width=160)
        st.metric("Size, pixels", f"{height} × {width}", border=True, width=160)
        st.metric("Classes", f"{dataset.classes:,}", border=True, width=160)
        st.metric("In memory", words.size(dataset.images.nbytes), border=True, width=160)


def grid(dataset) -> None:
    """Show samples with their labels; how many, of which class, and others at a press."""
    st.markdown("##### Samples")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        state.set_widget("data.number", NUMBERS[1], over=False)
        number = st.segmented_control("How many", NUMBERS, key=state.widget("data.number"))
        names = ("All", *dataset.class_names)
        only = st.selectbox(
            "Class", range(EVERYTHING, dataset.classes), width=180,
            key=state.widget(f"data.class.{dataset.classes}"), format_func=lambda i: names[i + 1],
        )  # fmt: skip
        st.button("Reshuffle", on_click=reshuffle, key="data.reshuffle", icon=":material/shuffle:")
    shown = samples.choose(
        dataset.labels, number or NUMBERS[1], only=None if only == EVERYTHING else only,
        seed=state.get("data.seed", 0),
    )  # fmt: skip
    if not shown.size:
        st.write(f"No image of class {units.plain(names[only + 1])} is in this set.")
        return
    captions = [dataset.class_names[label] for label in dataset.labels[shown]]
    tiles(
        sheet(dataset.images[shown]), columns=columns(len(shown)), shape=dataset.image_shape,
        captions=captions,
        labels=[f"Image {i:,}: {c}" for i, c in zip(shown, captions, strict=True)],
        label=f"{len(shown)} samples with their labels", key="data.samples", tile_px=64,
    )  # fmt: skip


def columns(count: int) -> int:
    """Return how many tiles stand in a row of the sheet."""
    return min(COLUMNS, count)


def sheet(images: np.ndarray) -> bytes:
    """Return the PNG that tiles are cut from."""
    return figures.png(figures.mosaic(images, columns=columns(len(images)), gap=0))


def reshuffle() -> None:
    """Draw other samples from the next run on."""
    state.put("data.seed", state.get("data.seed", 0) + 1)


def classes(dataset) -> None:
    """Show how many images each class has, and what it looks like on average."""
    counts, names = dataset.class_counts(), dataset.class_names
    st.markdown("##### Images of each class")
    spoken = ", ".join(f"{n} {c:,}" for n, c in zip(names, counts, strict=True))
    live_plot(figures.class_balance(counts, names), key="data.balance", label=f"Images: {spoken}")
    st.markdown("##### The mean image of each class")
    spoken = [f"Mean of {c:,} images: {n}" for n, c in zip(names, counts, strict=True)]
    tiles(
        sheet(samples.class_means(dataset)), columns=columns(dataset.classes),
        shape=dataset.image_shape, captions=names, labels=spoken,
        label="Mean image of each class", key="data.means", tile_px=64,
    )  # fmt: skip


def page() -> None:
    """Draw the page."""
    st.title("Data")
    if not state.files():
        drop()
        empty()
        return
    files_and_pairs()
    dataset = choose_set()
    if dataset is None:
        return
    facts(dataset)
    left, right = st.columns([3, 2], gap="large")
    with left:
        grid(dataset)
    with right:
        classes(dataset)


page()
