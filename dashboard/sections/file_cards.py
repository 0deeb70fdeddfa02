"""File cards: where files are dropped, and what each of them turned out to be."""

from __future__ import annotations

import streamlit as st

from dashboard import state
from dashboard.present import anatomy, words
from dashboard.present.outside import plain
from dashboard.sections import from_link, kept_here, questions
from nnengine.data.readers import FORMATS

WANTED = (
    ("train-images-idx3-ubyte.gz", "60,000 images to learn from", "9.9 MB, 47 MB unpacked"),
    ("train-labels-idx1-ubyte.gz", "what each of them shows", "29 kB"),
    ("t10k-images-idx3-ubyte.gz", "10,000 images to be examined on", "1.6 MB"),
    ("t10k-labels-idx1-ubyte.gz", "what each of those shows", "5 kB"),
)
OTHERS = tuple(offer for known in FORMATS for offer in known.offers)


def drop() -> None:
    """Take in files; the drop area is then empty again and the files stand beside it."""
    turn = state.get("data.turn", 0)
    uploads = st.file_uploader(
        "Drop image and label files here, all at once", accept_multiple_files=True,
        key=f"data.files.{turn}",
        help="Under any name, packed with gzip or not: files are recognised by content. A folder "
        "goes into a zip first: dropped, its files lose the folders that name their classes.",
    )  # fmt: skip
    st.caption("IDX, CSV, .npz, .mat, Parquet, or a zip of pictures")
    kept_here.room()
    from_link.form()
    if uploads:
        with st.spinner("Reading"):
            state.add_files(uploads)
        for kept in ("data.wanted", "data.refused"):
            state.put(kept, None)
        state.put("data.turn", turn + 1)
        st.rerun()


def empty() -> None:
    """Say what to drop and where such files come from."""
    with st.container(border=True):
        st.markdown("## No files yet")
        st.write(
            "A network learns from images, and labels that say what each image shows. Others, "
            "which it never learns from, tell how well it reads what it has not seen. MNIST, "
            "handwritten digits collected by LeCun, Cortes and Burges, is published as four files:"
        )
        st.html(
            anatomy.table(
                ("File", "What is in it", "Size"), WANTED, label="The four files of MNIST"
            )
        )
        st.write("Drop them as they are. Two files are enough to begin, and other forms will do:")
        st.html(anatomy.table(("Form", "What it holds"), OTHERS, label="Forms that are read"))


def train() -> None:
    """Lead on to the Train page."""
    if st.button(
        "Train a network on it", type="primary", icon=":material/play_arrow:", key="data.train"
    ):
        st.switch_page("views/train.py")


def files_and_pairs() -> None:
    """Show every file with what concerns it, and what was paired beside the drop area."""
    files, sentences = state.files(), state.pairing()
    questions.ask_all()
    left, right = st.columns([2, 3], gap="large")
    with right:
        for index, file in enumerate(files):
            own = [s for s in sentences if s.startswith(f"{file.name} ")]
            sentences = [s for s in sentences if s not in own]
            file_card(index, file, own)
    with left:
        drop()
        for sentence in sentences:
            st.markdown(plain(sentence))
        if state.training_set() is not None:
            train()
        elif state.to_be_chosen():
            st.write("Nothing is read yet of a file that holds several sets.")
        elif not any(file.good for file in files):
            st.write("None of these files can be used yet: each says why, and what to do.")
        else:
            st.write("No training set yet: it takes a file of images and one of as many labels.")
        st.button("Remove all files", on_click=state.clear_files, key="data.clear", type="tertiary")


def file_card(index: int, file, sentences: list[str]) -> None:
    """Show one file: what it is, its header byte by byte, and what is wrong with it."""
    with st.container(border=True, gap="small"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{plain(file.name)}**  \n{plain(summary(file))}", width="stretch")
            if file.header is not None:
                with st.popover("Header", help="What the first bytes of this file say"):
                    header(file)
            st.button(
                "Remove", key=f"data.remove.{index}.{file.digest}", type="tertiary",
                on_click=state.remove_file, args=(index,), help=f"Remove {plain(file.name)}",
            )  # fmt: skip
        if file.contents.choices:
            st.caption("Choose one of its sets above.")
        elif file.error:
            # The engine names its own argument as the way out; here it is the button beneath.
            st.error(plain(file.error.replace(" (keep_whole=True)", "")))
        if file.rescued is not None:
            what = "rows" if file.kind == "set" else file.kind
            st.button(
                f"Keep the {file.whole_items:,} whole {what}", on_click=state.keep_whole,
                args=(index,), key=f"data.keep.{index}.{file.digest}",
            )  # fmt: skip
        for question in questions.undoing(file):
            st.button(
                question.undo, on_click=questions.change, args=(question, index),
                key=f"data.back.{question.key}.{index}.{file.digest}",
            )  # fmt: skip
        for note in file.notes:
            st.caption(plain(note))
        for sentence in sentences:
            st.warning(plain(sentence))


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
    if file.contents.choices:
        return f"{len(file.contents.choices)} sets · {size}"
    if not file.good:
        return f"Not used · {size}"
    cut = " · cut short, whole items kept" if file.whole_items else ""
    changed = " · made grey" * file.grey + " · inverted" * file.inverted
    changed += " · turned" * file.turned
    return f"{_what(file)} · {_packed(file, size)}{cut}{changed}"


def _what(file) -> str:
    train, test = file.contents.train, file.contents.test
    if train is None:
        sides = f" of {words.sides(file.array.shape[1:])}" * (file.array.ndim > 1)
        return f"{len(file.array):,} {file.kind}{sides}"
    sides = words.sides(train.images.shape[1:])
    beside = f" and {len(test):,}" if test is not None else ""
    form = file.contents.form[0].upper() + file.contents.form[1:]
    return f"{form}: {len(train):,}{beside} images of {sides} with labels"


def _packed(file, size: str) -> str:
    if file.header is not None and file.header.gzipped:
        return f"{size}, {words.size(file.array.nbytes)} unpacked"
    return size
