"""Catalogue: data sets by name, built in, on this disk, or fetched; each proved by its digest."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np

from . import fetch as _fetch
from .dataset import FASHION_NAMES, Dataset
from .errors import ConfigError, FetchError, FormatError
from .fetch import MirrorFailed
from .idx import Idx1, Idx3
from .idxheader import encode_header
from .sources import GZIP

NAMES = ("digits", "mnist", "fashion-mnist", "kmnist")

SYSTEM = Path("/usr/share/datasets")  # where Debian's dataset-fashion-mnist puts its files
_BUILT_IN_COUNTS = (12_000, 2_000)
_DIGIT_NAMES = tuple("0123456789")
_KANA_NAMES = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")

Progress = Callable[[int, int, str], None]


class Sets(NamedTuple):
    """The two parts of a data set: one to train on, one to measure with."""

    train: Dataset
    test: Dataset


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
        images=_BUILT_IN_COUNTS,
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


def describe(name: str) -> Entry:
    """Return what is known of the data set called ``name``, in capitals or not.

    Raises ConfigError for any other name; it says which there are.
    """
    plain = _plain(name)
    if plain in ENTRIES:
        return ENTRIES[plain]
    near = difflib.get_close_matches(plain, ENTRIES, n=1)
    meant = f"; did you mean {near[0]}?" if near else ""
    raise ConfigError(f"no data set is called {name!r}: there are {', '.join(ENTRIES)}{meant}")


def knows(name: str) -> bool:
    """Tell whether there is a data set called ``name``, in capitals or not."""
    return _plain(name) in ENTRIES


def _plain(name: str) -> str:
    return name.strip().lower().replace("_", "-").replace(" ", "-")


def find(name: str) -> Path | None:
    """Return the folder that holds all files of a set, or None; never asks the network.

    Looked at in turn: the folders of NNENGINE_DATA (several are separated as in PATH), the
    system's, the cache. For what is built in it is the file of the module that makes it. Whether
    the files are the published ones is not known before `load` has read them.
    Raises ConfigError for an unknown name.
    """
    entry = describe(name)
    if entry.built_in:
        return Path(__file__).with_name("synthetic.py")
    for folder in _places(entry):
        if all(_lies_at(folder, file) for file in entry.files):
            return folder
    return None


def load(name: str, *, progress: Progress | None = None, offline: bool = False) -> Sets:
    """Return both parts of the set called ``name``; fetch it where this machine does not have it.

    With ``offline`` nothing is ever fetched. ``progress``: see `fetch`. Every file is hashed as it
    is read, each time: that takes less time than unpacking it, and nothing has to be remembered
    that could be wrong later. A file of the cache that has become damaged is fetched again.

    Raises ConfigError for an unknown name, FetchError where the set is not here and cannot be had,
    FormatError where a file of that name is not the one that was published.
    """
    entry = describe(name)
    if entry.built_in:
        return _built_in()
    folder = find(entry.name)
    if folder is None:
        if offline:
            raise FetchError(
                f"{entry.name} is not on this machine ({_looked_in(entry)}); {_else()}"
            )
        return _read(entry, fetch(entry.name, progress=progress))
    try:
        return _read(entry, folder)
    except FormatError:
        if offline or folder != cache_folder() / entry.name:
            raise
        return _read(entry, fetch(entry.name, progress=progress, force=True))


def fetch(name: str, *, progress: Progress | None = None, force: bool = False) -> Path:
    """Return the folder that holds the set, after fetching it into the cache unless it is here.

    ``force`` fetches whatever is missing from the cache or damaged there, no matter what lies
    elsewhere. ``progress(done, total, file)`` is called with the bytes of all files that have
    come, of how many, and the name of the file under way; it may go back where a mirror fails,
    and what it raises ends the fetching. What has come by then is kept and resumed the next time.

    The mirror in NNENGINE_MIRROR is asked first (below it: mnist/train-images-idx3-ubyte.gz and so
    on), then the public ones in turn. Two processes at once do no harm: a file appears in one
    piece and only when its digest is right. Raises ConfigError and FetchError.
    """
    entry = describe(name)
    here = find(entry.name)
    if entry.built_in or (here is not None and not force):
        return here  # type: ignore[return-value]
    folder = cache_folder() / entry.name
    mirrors = _mirrors(entry)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, file in enumerate(entry.files):
            if not _is_genuine(folder, file):
                _fetch_file(entry, number, folder, mirrors, progress)
    except OSError as error:
        raise FetchError(
            f"{entry.name} cannot be kept: {error.filename or folder}: {error.strerror or error}; "
            f"make room there, or put the files into a folder and name it in NNENGINE_DATA; "
            f"{_else()}"
        ) from error
    return folder


def cache_folder() -> Path:
    """Return the folder fetched sets are kept in, below the user's own cache."""
    try:
        from platformdirs import user_cache_path
    except ImportError:
        return _user_cache() / "data"
    return user_cache_path("nnengine", appauthor=False) / "data"


def _user_cache() -> Path:
    """Return what platformdirs would, so that installing it loses nothing."""
    home = Path.home()
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return Path(local or home / "AppData" / "Local") / "nnengine" / "Cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "nnengine"
    return Path(os.environ.get("XDG_CACHE_HOME", "").strip() or home / ".cache") / "nnengine"


# ------------------------------------------------------------------------------- on this machine


def _places(entry: Entry) -> list[Path]:
    """Return the folders in which a set may lie, the first to be looked at first."""
    given = os.environ.get("NNENGINE_DATA", "").split(os.pathsep)
    roots = [Path(root).expanduser() for root in given if root.strip()]
    return [root / folder for root in roots for folder in entry.folders] + [
        SYSTEM / entry.name,
        cache_folder() / entry.name,
    ]


def _lies_at(folder: Path, file: Published) -> Path | None:
    """Return the path of a published file in a folder, packed or not, in either spelling."""
    for packed in (file.name, file.name.replace("-idx", ".idx")):
        for name in (packed, packed.removesuffix(".gz")):
            if (folder / name).is_file():
                return folder / name
    return None


def _looked_in(entry: Entry) -> str:
    places = ", ".join(str(place) for place in _places(entry))
    hint = "" if os.environ.get("NNENGINE_DATA") else "; NNENGINE_DATA can name more"
    return f"looked in {places}{hint}"


def _else() -> str:
    return 'the built-in "digits" need no network'


def _built_in() -> Sets:
    from . import synthetic  # only now: whoever loads files need not wait for it

    train, test = _BUILT_IN_COUNTS
    return Sets(synthetic.digits(train, seed=0), synthetic.digits(test, seed=1))


def _read(entry: Entry, folder: Path) -> Sets:
    parts = []
    for images, labels in (entry.files[:2], entry.files[2:]):
        parts.append(
            Dataset(
                _open(folder, images, Idx3),
                _open(folder, labels, Idx1),
                class_names=entry.class_names,
                name=entry.name,
            )
        )
    return Sets(*parts)


def _open(folder: Path, file: Published, reader: type[Idx1] | type[Idx3]) -> Idx1 | Idx3:
    path = _lies_at(folder, file) or folder / file.name
    try:
        found = reader(path, max_bytes=file.unpacked_bytes)
        _prove(path, file, found.data)
    except FormatError as error:  # several folders may hold a file of that name: say which
        raise FormatError(f"{folder}{os.sep}{error}") from error
    return found


def _is_genuine(folder: Path, file: Published) -> bool:
    path = _lies_at(folder, file)
    if path is None:
        return False
    try:
        _check(path, file)
    except FormatError:
        return False
    return True


def _check(path: Path, file: Published) -> None:
    """Raise FormatError unless the file at ``path`` is the published one."""
    reader = Idx3 if "-idx3-" in file.name else Idx1
    _prove(path, file, reader(path, max_bytes=file.unpacked_bytes).data)


def _prove(path: Path, file: Published, data: np.ndarray) -> None:
    if file.sha256:
        expected, found = file.sha256, _digest(data, "sha256")
        if expected == found:
            return
    else:
        expected, found = file.md5, _digest(data, "md5")
        if expected == found or file.packed_sha256 == _packed_digest(path):
            return
    raise FormatError(
        f"{path.name}: not the published file: its unpacked bytes have the digest {found[:12]}..., "
        f"those of the published one {expected[:12]}...; put the published file there, or give "
        "files of your own by their names, images and labels"
    )


def _digest(data: np.ndarray, method: str) -> str:
    digest = hashlib.new(method, usedforsecurity=method != "md5")
    digest.update(encode_header(data))
    digest.update(data.reshape(-1).data)
    return digest.hexdigest()


def _packed_digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --------------------------------------------------------------------------------------- fetching


def _mirrors(entry: Entry) -> list[str]:
    """Return the addresses of the folders that hold the files, the first to be asked first."""
    own = os.environ.get("NNENGINE_MIRROR", "")
    first = [f"{_fetch.check_mirror(own)}/{entry.name}"] if own.strip() else []
    return first + list(entry.mirrors)


def _fetch_file(
    entry: Entry, number: int, folder: Path, mirrors: list[str], progress: Progress | None
) -> None:
    """Fetch one file from the first mirror that has it; those that failed are asked last then."""
    file = entry.files[number]
    before = sum(other.packed_bytes for other in entry.files[:number])
    after = sum(other.packed_bytes for other in entry.files[number + 1 :])

    def tell(done: int, total: int | None) -> None:
        if progress is not None:
            size = max(done, total or file.packed_bytes)
            progress(before + done, before + size + after, file.name)

    failures: list[tuple[str, MirrorFailed]] = []
    for mirror in tuple(mirrors):
        try:
            return _fetch_from(f"{mirror}/{file.name}", file, folder, tell)
        except MirrorFailed as failure:
            failures.append((mirror, failure))
            mirrors.append(mirrors.pop(mirrors.index(mirror)))
    raise _no_mirror(entry, file, folder, failures)


def _fetch_from(url: str, file: Published, folder: Path, tell: _fetch.Progress) -> None:
    with _fetch.claimed_part(folder, file.name, url) as part:
        resumed = part.exists()
        _fetch.download(url, part, limit=file.limit, progress=tell)
        fault = _fault_of(part, file)
        if fault and resumed:  # two halves of different files, perhaps: once more, from nothing
            part.unlink()
            _fetch.download(url, part, limit=file.limit, progress=tell)
            fault = _fault_of(part, file)
        if fault:
            part.unlink()
            raise MirrorFailed(f"sends something else ({fault})")
        _put(part, folder, file)
    for left_over in _fetch.abandoned_parts(folder, file.name):
        with contextlib.suppress(OSError):
            left_over.unlink()


def _fault_of(part: Path, file: Published) -> str:
    """Return what is wrong with a downloaded file, or nothing."""
    try:
        _check(part, file)
    except FormatError as error:
        return str(error).removeprefix(f"{part.name}: ").partition(";")[0]
    return ""


def _put(part: Path, folder: Path, file: Published) -> None:
    """Give a proved part its name, in one step; the disk has it before the name does."""
    with open(part, "r+b") as written:
        packed = written.read(2) == GZIP
        os.fsync(written.fileno())
    target = folder / (file.name if packed else file.name.removesuffix(".gz"))
    try:
        os.replace(part, target)
    except PermissionError:  # Windows, while another process that was faster has it open
        if not _is_genuine(folder, file):
            raise
    if not packed:  # a damaged packed file would go on being found first
        (folder / file.name).unlink(missing_ok=True)


def _no_mirror(
    entry: Entry, file: Published, folder: Path, failures: list[tuple[str, MirrorFailed]]
) -> FetchError:
    reached = any(failure.reached for _, failure in failures)
    said = "; ".join(f"{urlsplit(mirror).netloc} {failure}" for mirror, failure in failures)
    kept = sum(part.stat().st_size for part in _fetch.abandoned_parts(folder, file.name))
    keeping = f"{kept:,} bytes that came are kept for the next try; " if kept else ""
    head = "" if reached else "there seems to be no network: "
    return FetchError(
        f"{entry.name} could not be fetched, {head}{said}; {keeping}{_else()}", reached=reached
    )
