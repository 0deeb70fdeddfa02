"""Published: the data sets there are, where they can be had, and what proves their files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..names import FASHION_NAMES

BUILT_IN_COUNTS = (12_000, 2_000)
_DIGIT_NAMES = tuple("0123456789")
_KANA_NAMES = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")


@dataclass(frozen=True, slots=True)
class Published:
    """One file as its makers published it: its name, its sizes, and what proves it.

    ``sha256`` is that of the unpacked bytes, the same however a mirror packs them. Where nobody
    published it, either the SHA-256 of the packed file or the MD5 of the unpacked bytes has to be
    right: weak against two files made to collide, not against one made to replace another.
    """

    name: str
    packed_bytes: int
    unpacked_bytes: int
    sha256: str = ""
    packed_sha256: str = ""
    md5: str = ""

    @property
    def limit(self) -> int:
        """The most bytes a download can have: those of the data, not packed at all or badly."""
        return self.unpacked_bytes + self.unpacked_bytes // 100 + 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is known of a data set before any of it is opened.

    ``images`` is how many there are to train and to test; ``size_bytes`` the size of the download,
    0 for what is built in. ``mirrors`` are the addresses below which ``files`` lie: the training
    images and labels, then those for testing. ``folders`` are where they may lie on a disk, below
    each of the places looked in.
    """

    name: str
    title: str
    summary: str
    makers: str
    source: str
    licence: str
    images: tuple[int, int]
    class_names: tuple[str, ...]
    files: tuple[Published, ...] = ()
    mirrors: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    size_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size_bytes", sum(file.packed_bytes for file in self.files))

    @property
    def built_in(self) -> bool:
        """Whether the set is made here, from nothing."""
        return not self.files


def _files(*facts: tuple[Any, ...]) -> tuple[Published, ...]:
    """Return the four files all fetched sets have, from the packed size and the proofs of each."""
    names_and_bytes = (
        ("train-images-idx3-ubyte.gz", 16 + 60_000 * 784),
        ("train-labels-idx1-ubyte.gz", 8 + 60_000),
        ("t10k-images-idx3-ubyte.gz", 16 + 10_000 * 784),
        ("t10k-labels-idx1-ubyte.gz", 8 + 10_000),
    )
    return tuple(
        Published(name, packed, unpacked, *proofs)
        for (name, unpacked), (packed, *proofs) in zip(names_and_bytes, facts, strict=True)
    )


# Mirrors: the makers' own, those that large projects depend on, and public copies. None has to be
# trusted, as the digests decide. raw.githubusercontent.com and huggingface.co also answer the pages
# of other sites, which a browser tab needs.
ENTRIES: dict[str, Entry] = {
    "digits": Entry(
        name="digits",
        title="Built-in digits",
        summary="Handwritten-looking digits, drawn by this program from strokes: needs no file.",
        makers="this program",
        source="nnengine.synthetic",
        licence="MIT",
        images=BUILT_IN_COUNTS,
        class_names=_DIGIT_NAMES,
    ),
    "mnist": Entry(
        name="mnist",
        title="MNIST",
        summary="Digits written by hand by some 500 people, the set everybody measures with.",
        makers="Y. LeCun, C. Cortes and C. Burges",
        source="http://yann.lecun.com/exdb/mnist/",
        licence="CC BY-SA 3.0",
        images=(60_000, 10_000),
        class_names=_DIGIT_NAMES,
        mirrors=(
            "https://storage.googleapis.com/cvdf-datasets/mnist",
            "https://ossci-datasets.s3.amazonaws.com/mnist",
            "https://raw.githubusercontent.com/fgnt/mnist/master",
        ),
        folders=("mnist", "MNIST/raw"),
        files=_files(
            (9_912_422, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
            (28_881, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
            (1_648_877, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
            (4_542, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
        ),
    ),
    "fashion-mnist": Entry(
        name="fashion-mnist",
        title="Fashion-MNIST",
        summary="Pictures of clothing from a shop, made to be a harder MNIST.",
        makers="H. Xiao, K. Rasul and R. Vollgraf, Zalando Research",
        source="https://github.com/zalandoresearch/fashion-mnist",
        licence="MIT",
        images=(60_000, 10_000),
        class_names=FASHION_NAMES,
        mirrors=(
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
        ),
        folders=("fashion-mnist", "FashionMNIST/raw"),
        files=_files(
            (26_421_880, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
            (29_515, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
            (4_422_102, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
            (5_148, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
        ),
    ),
    "kmnist": Entry(
        name="kmnist",
        title="Kuzushiji-MNIST",
        summary="Ten characters of old Japanese handwriting, each in several old forms.",
        makers="T. Clanuwat and others, Center for Open Data in the Humanities (CODH)",
        source="http://codh.rois.ac.jp/kmnist/",
        licence="CC BY-SA 4.0",
        images=(60_000, 10_000),
        class_names=_KANA_NAMES,
        mirrors=(
            "https://codh.rois.ac.jp/kmnist/dataset/kmnist",
            "https://huggingface.co/datasets/tanganke/kmnist/resolve/"
            "756d43e894032ce8838db8b32e7500c9c3b5d050/raw",
        ),
        folders=("kmnist", "KMNIST/raw"),
        files=_files(
            (
                18_165_135,
                "",
                "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
                "92be26ec9822e900ac425d0a0aa84ced",
            ),
            (
                29_497,
                "",
                "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
                "949e75301f8813e0dc5800dcc320fc52",
            ),
            (
                3_041_136,
                "",
                "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
                "bf305b8cd328700fbc17f5acbc2856d2",
            ),
            (
                5_120,
                "",
                "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
                "9f55f451c0988b028eccdf7d5cc265ab",
            ),
        ),
    ),
}

NAMES = tuple(ENTRIES)
