"""MATLAB's .mat and HDF5: sets as EMNIST, Roweis and h5py have them, and what is not followed."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from types import SimpleNamespace

import numpy as np
import pytest

from nnengine.data import readers
from nnengine.data.readers import hints
from nnengine.data.readers.hdf5 import _unpacked
from nnengine.data.readers.mapping import codes_of
from nnengine.data.synthetic import digits
from nnengine.errors import FormatError
from tests.files import npz, peak_memory, zipped

DIGITS = digits(300, seed=11)
IMAGES, LABELS = DIGITS.images, DIGITS.labels
TURNED = np.ascontiguousarray(IMAGES.transpose(0, 2, 1)).reshape(300, -1)
LETTERS = np.array([[i + 1, 65 + i, 97 + i] for i in range(26)], float)
HEAD = b"MATLAB 5.0 MAT-file, made for a test".ljust(124) + b"\0\1IM"


def mat(arrays: dict, **options) -> bytes:
    io_of = pytest.importorskip("scipy.io", reason="SciPy is not installed")
    stream = io.BytesIO()
    io_of.savemat(stream, arrays, **options)
    return stream.getvalue()


def hdf5(arrays: dict, matlab: bool = False, **options) -> bytes:
    """Return an HDF5 file of arrays by path; MATLAB's have the sides of arrays in reverse."""
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    stream = io.BytesIO()
    with h5py.File(stream, "w", userblock_size=512 * matlab) as file:
        for path, array in arrays.items():
            file.create_dataset(path, data=np.transpose(array) if matlab else array, **options)
    raw = stream.getvalue()
    return b"MATLAB 7.3 MAT-file".ljust(512) + raw[512:] if matlab else raw


def emnist(labels: np.ndarray, codes: np.ndarray | None) -> dict:
    """Return a set as EMNIST's .mat has it, `dataset` and what is inside."""
    train = {"images": TURNED, "labels": labels[:, None], "writers": np.arange(300.0)[:, None]}
    test = {"images": TURNED[:40], "labels": labels[:40, None]}
    return {"train": train, "test": test} | ({} if codes is None else {"mapping": codes})


def by_path(inside: dict, above: str = "dataset") -> dict:
    found = {}
    for name, value in inside.items():
        path = f"{above}/{name}"
        found |= by_path(value, path) if isinstance(value, dict) else {path: value}
    return found


def is_digits(found, start: int = 0, stop: int = 300) -> bool:
    return np.array_equal(found.images, IMAGES[start:stop]) and np.array_equal(
        found.labels, LABELS[start:stop]
    )


def refused(raw: bytes, **options) -> str:
    with pytest.raises(FormatError) as caught:
        readers.read(raw, name="t.mat", **options)
    return str(caught.value)


# What is read ----------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("version", [5, 7.3])
def test_emnists_letters_are_turned_right_and_called_by_their_mapping(version, packed):
    inside = emnist(LABELS + 1.0, LETTERS)
    if version == 5:
        raw = mat({"dataset": inside}, do_compression=packed)
    else:
        raw = hdf5(by_path(inside), matlab=True, compression="gzip" if packed else None)
    found = readers.read_sets(raw, name="emnist-letters.mat")
    assert is_digits(found.train) and is_digits(found.test, 0, 40)
    assert 26 == found.train.classes and ("Aa", "Zz") == found.train.class_names[::25]
    said = " ".join(found.notes)
    assert "the images were turned" in said and "in the file their labels begin at 1." in said
    assert {} == hints.seems(found.train, "emnist-letters.mat")


def test_digits_in_emnists_layout_that_stand_upright_are_not_turned():
    upright = emnist(LABELS, None)
    upright["train"]["images"] = IMAGES.reshape(300, -1)
    upright["test"]["images"] = IMAGES[:40].reshape(40, -1)
    found = readers.read_sets(mat({"dataset": upright}))
    assert is_digits(found.train) and not any("turned" in note for note in found.notes)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int32, np.int64, np.float32, np.float64])
def test_every_type_of_number_is_read_as_scipy_writes_it(kind):
    arrays = {"x": IMAGES.astype(kind), "y": LABELS.astype(kind)[None]}
    assert is_digits(readers.read(mat(arrays)).train)
    assert is_digits(readers.read(hdf5({"x": arrays["x"], "y": LABELS.astype(kind)})).train)


def test_arrays_are_those_that_scipy_reads():
    scipy_io = pytest.importorskip("scipy.io", reason="SciPy is not installed")
    from nnengine.data.readers import matfile
    from nnengine.data.readers.contract import Request
    from nnengine.data.sources import opened

    rng = np.random.default_rng(3)
    given = {f"a{i}": rng.integers(0, 99, shape) for i, shape in enumerate([(3, 4), (2, 3, 4)])}
    given |= {"s": {"deep": {"b": rng.random((2, 5))}}, "text": "words", "c": np.array([[1 + 2j]])}
    raw = mat(given)
    with opened(raw) as stream:
        head = stream.read_whole(128)
        reader = matfile._Reader("<", Request(name="t", max_bytes=10**6))
        assert matfile.is_mat(head)
        while tag := stream.read_whole(8):
            reader.element(tag, stream)
    theirs = scipy_io.loadmat(io.BytesIO(raw), simplify_cells=True)
    assert {"a0", "a1", "s.deep.b"} == reader.arrays.keys()
    assert np.array_equal(theirs["a0"], reader.arrays["a0"])
    assert np.array_equal(theirs["a1"], reader.arrays["a1"])
    assert np.array_equal(theirs["s"]["deep"]["b"], reader.arrays["s.deep.b"])


def test_a_big_endian_mat_file_is_worked_out_by_hand():
    def variable(name: bytes, shape: tuple, values: bytes) -> bytes:
        body = struct.pack(">4L", 6, 8, 9, 0) + struct.pack(">2L", 5, 4 * len(shape))
        body += struct.pack(f">{len(shape)}L", *shape) + bytes(-4 * len(shape) % 8)
        body += struct.pack(">L", len(name) << 16 | 1) + name.ljust(4, b"\0")
        body += struct.pack(">2L", 2, len(values)) + values + bytes(-len(values) % 8)
        return struct.pack(">2L", 14, len(body)) + body

    raw = HEAD[:124] + b"\1\0MI" + variable(b"x", (2, 2, 2), bytes([1, 2, 3, 4, 50, 60, 70, 80]))
    found = readers.read(raw + variable(b"y", (2, 1), bytes([0, 1])))
    # Columns run first: x(1, 1, 1) = 1, x(2, 1, 1) = 2, x(1, 2, 1) = 3, ...
    assert [[[1, 50], [3, 70]], [[2, 60], [4, 80]]] == found.train.images.tolist()


@pytest.mark.parametrize(
    "arrays",
    [
        {"X": IMAGES.transpose(1, 2, 0), "y": LABELS[:, None]},  # MATLAB's own 3-D order
        {"X": IMAGES.transpose(1, 2, 0)[:, :, None], "y": LABELS[:, None]},  # with channels, SVHN
        {"data": IMAGES.reshape(300, -1).T, "label": LABELS[None]},  # mldata's mnist-original
        {"fea": IMAGES.reshape(300, -1), "gnd": LABELS[:, None]},
    ],
)
def test_images_are_found_whichever_side_counts_them(arrays):
    given = [mat(arrays), hdf5(arrays, matlab=True)]
    given += [npz(**arrays)] if len(arrays.get("label", LABELS)) > 1 else []
    assert all(is_digits(readers.read(raw).train) for raw in given)


def test_arrays_of_a_class_each_are_a_training_and_a_test_set():
    rows = {f"train{i}": IMAGES[LABELS == i].reshape(-1, 784) for i in range(10)}
    rows |= {f"test{i}": IMAGES[LABELS == i][:3].reshape(-1, 784) for i in range(10)}
    found = readers.read_sets(mat(rows))
    assert (300, 30) == (len(found.train), len(found.test))
    assert np.array_equal(np.bincount(LABELS), found.train.class_counts())
    assert np.array_equal(IMAGES[LABELS == 7], found.train.images[found.train.labels == 7])


@pytest.mark.parametrize(
    "options",
    [{}, {"chunks": (7, 28, 5)}, {"compression": "gzip"}, {"compression": "gzip", "shuffle": True},
     {"compression": "gzip", "shuffle": True, "fletcher32": True, "chunks": (64, 9, 28)}],
)  # fmt: skip
def test_hdf5_is_read_however_it_is_packed(options):
    assert "hdf5" == readers.recognise(hdf5({"x": IMAGES}, **options))
    for kind in (np.uint8, ">i2", np.float64):
        found = readers.read(hdf5({"x": IMAGES.astype(kind), "y": LABELS}, **_of(options)))
        assert is_digits(found.train)
        assert np.array_equal(
            IMAGES, readers.read(hdf5({"x": IMAGES.astype(kind)}, **options)).images
        )


def _of(options: dict) -> dict:
    """Return the options without sizes of chunks, which labels do not have."""
    return {name: value for name, value in options.items() if name != "chunks"}


def test_training_and_test_set_lie_in_groups_or_in_files_beside_each_other():
    parts = {"train": slice(0, 200), "test": slice(200, 300)}
    groups = {f"{p}/images": IMAGES[s] for p, s in parts.items()}
    groups |= {f"{p}/labels": LABELS[s] for p, s in parts.items()}
    files = {f"{p}.h5": hdf5({"x": IMAGES[s], "y": LABELS[s]}) for p, s in parts.items()}
    for raw in (hdf5(groups), zipped(files)):
        found = readers.read_sets(raw)
        assert is_digits(found.train, 0, 200) and is_digits(found.test, 200, 300)


def test_a_mapping_that_does_not_fit_the_labels_is_left_alone():
    found = readers.read_sets(mat({"dataset": emnist(LABELS + 100.0, LETTERS)}))
    assert 110 == found.train.classes
    assert "The mapping fits other labels: left out." in found.notes
    assert [[0, 48], [1, 49]] == codes_of("0 48\n1 49\n").tolist()
    assert codes_of("hello world\n") is None and codes_of("0 48\n1\n") is None


# What is refused -------------------------------------------------------------------------


def test_a_file_that_was_cut_short_or_damaged_is_refused():
    for raw in (mat({"x": IMAGES, "y": LABELS}), mat({"x": IMAGES}, do_compression=True)):
        assert "is damaged or was cut short" in refused(raw[:-100])
    assert "is damaged" in refused(hdf5({"x": IMAGES, "y": LABELS})[:3000])
    assert "no array of numbers in it" in refused(mat({"text": "words"}))


def test_structs_that_lie_in_each_other_without_end_are_refused():
    deep: dict = {"x": IMAGES[0]}
    for _ in range(20):
        deep = {"s": deep}
    assert "structs lie in structs more than 6 deep" in refused(mat(deep))
    pytest.importorskip("h5py", reason="h5py is not installed")
    assert "groups lie in groups more than 6 deep" in refused(hdf5({"g/" * 20 + "x": IMAGES}))


def test_a_chunk_that_is_longer_than_it_can_be_writes_over_nothing():
    """A damaged index may say of a chunk that is not packed that it is."""
    given = []

    def read_direct_chunk(corner, out):
        given.append(len(out))
        return 0, out

    info = SimpleNamespace(byte_offset=512, size=18)
    parts = {"get_chunk_info_by_coord": lambda corner: info, "read_direct_chunk": read_direct_chunk}
    with pytest.raises(FormatError, match="y is damaged or was cut short"):
        _unpacked(SimpleNamespace(id=SimpleNamespace(**parts)), (0,), 6, [], "y")
    assert [18] == given


def test_nothing_that_lies_outside_an_hdf5_file_is_read(tmp_path):
    """Else a server would show whoever gives it such a file what lies on its disk."""
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    other = tmp_path / "other.h5"
    other.write_bytes(hdf5({"x": IMAGES}))
    (tmp_path / "raw").write_bytes(IMAGES.tobytes())
    text = "lies in another file, and that is not read"

    def made(fill) -> str:
        stream = io.BytesIO()
        with h5py.File(stream, "w", libver="latest") as file:
            fill(file)
        return refused(stream.getvalue())

    def linked(file) -> None:
        file["x"] = h5py.ExternalLink(str(other), "x")
        file["soft"] = h5py.SoftLink("/x")

    def stored(file) -> None:
        files = [(str(tmp_path / "raw"), 0, h5py.h5f.UNLIMITED)]
        file.create_dataset("x", IMAGES.shape, np.uint8, external=files)

    def virtual(file) -> None:
        layout = h5py.VirtualLayout(IMAGES.shape, np.uint8)
        layout[...] = h5py.VirtualSource(str(other), "x", IMAGES.shape)
        file.create_virtual_dataset("x", layout)

    assert "no array of numbers in it" in made(linked)
    assert text in made(stored) and text in made(virtual)


def test_a_network_of_keras_and_unusual_packing_are_named():
    assert "a network of Keras, not data" in refused(hdf5({"model_weights/dense": IMAGES}))
    assert "x is packed by lzf: save it with compression=“gzip”" in refused(
        hdf5({"x": IMAGES}, compression="lzf")
    )


def test_without_h5py_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    assert "MATLAB 7.3 needs h5py, which is not installed: pip install" in refused(
        b"MATLAB 7.3 MAT-file".ljust(600)
    )
    assert "HDF5 needs h5py" in refused(b"\x89HDF\r\n\x1a\n".ljust(600))


# Bounds ----------------------------------------------------------------------------------


def test_packed_zeros_make_no_more_than_is_allowed():
    zeros = np.zeros((10_000, 784), np.uint8)
    for raw in (mat({"x": zeros}, do_compression=True), hdf5({"x": zeros}, compression="gzip")):
        assert len(raw) < 100_000
        assert "more than the 1,000,000 bytes of values allowed" in refused(raw, max_bytes=10**6)
        assert peak_memory(lambda raw=raw: refused(raw, max_bytes=10**6)) < 1 << 23


def test_a_chunk_that_unpacks_to_more_than_it_is_to_hold_is_refused():
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        data = file.create_dataset("x", (300, 28, 28), "u1", chunks=(300, 28, 28), compression=1)
        data.id.write_direct_chunk((0, 0, 0), zlib.compress(bytes(10**8)))
    assert "x is damaged" in refused(stream.getvalue())
    assert peak_memory(lambda: refused(stream.getvalue())) < 1 << 23


def test_arrays_without_number_are_refused():
    many = {f"a{i}": np.ones((1, 1)) for i in range(2_100)}
    assert "more than 2,000 arrays" in refused(mat(many))
    assert "more than 2,000 arrays and groups" in refused(hdf5(many))
    assert "is damaged" in refused(HEAD + struct.pack("<2L", 14, 2**31 - 1))


def test_labels_alone_are_labels():
    found = readers.read(mat({"labels": LABELS[:, None]}))
    assert found.images is None and np.array_equal(LABELS, found.labels)
