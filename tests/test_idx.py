"""IDX: exact round trips, and a FormatError with a way out for everything else."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nnengine.data.idx import Idx1, Idx3, describe, read_idx, write_idx
from nnengine.errors import ConfigError, FormatError
from tests.files import peak_memory

FAMILIES = ["u1", "i1", "i2", "i4", "f4", "f8"]
TWO_IMAGES = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3]) + bytes(range(12))
THREE_LABELS = bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1])

arrays = st.sampled_from(FAMILIES).flatmap(
    lambda name: hnp.arrays(
        np.dtype(name), hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5)
    )
)


def header(code: int, *shape: int) -> bytes:
    return struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape)


def encoded(array: np.ndarray) -> bytes:
    target = io.BytesIO()
    write_idx(target, array)
    return target.getvalue()


def refusal(source, read=read_idx, **options) -> FormatError:
    with pytest.raises(FormatError) as caught:
        read(source, **options)
    return caught.value


def read_or_refuse(data: bytes, **options) -> np.ndarray | None:
    """What every input must come to: an array, or a FormatError that says something."""
    try:
        return read_idx(data, **options)
    except FormatError as error:
        assert str(error)
        return None


class Pipe(io.RawIOBase):
    """A file that can only be read forwards, and hands out a few bytes at a time."""

    def __init__(self, data: bytes, step: int = 7) -> None:
        self._data, self._step = io.BytesIO(data), step

    def read(self, size: int = -1) -> bytes:
        return self._data.read(self._step if size < 0 else min(size, self._step))


# Good files, worked by hand


@pytest.mark.parametrize(
    ("code", "payload", "expected"),
    [
        (0x08, "00 7f ff", np.array([0, 127, 255], np.uint8)),
        (0x09, "00 7f ff", np.array([0, 127, -1], np.int8)),
        (0x0B, "0001 7fff fffe", np.array([1, 32767, -2], np.int16)),
        (0x0C, "00000001 00010000 fffffffe", np.array([1, 65536, -2], np.int32)),
        (0x0D, "3f800000 c0000000 7f800000", np.array([1, -2, np.inf], np.float32)),
        (0x0E, "3ff0000000000000 c000000000000000 3fe0000000000000", np.array([1, -2, 0.5])),
    ],
)
def test_each_element_type_reads_as_worked_by_hand(code, payload, expected):
    data = header(code, 3) + bytes.fromhex(payload)
    found = read_idx(data)
    assert expected.dtype == found.dtype
    assert found.dtype.isnative
    np.testing.assert_array_equal(expected, found)
    assert data == encoded(expected)


@pytest.mark.parametrize("shape", [(6,), (2, 3), (2, 1, 3), (1, 2, 3, 1)])
def test_one_to_four_dimensions_read_row_by_row(shape):
    expected = np.arange(6, dtype=np.uint8).reshape(shape)
    np.testing.assert_array_equal(expected, read_idx(header(8, *shape) + bytes(range(6))))


def test_images_read_alike_from_path_bytes_file_and_pipe(tmp_path):
    path = tmp_path / "some-images"
    path.write_bytes(TWO_IMAGES)
    expected = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    sources = [
        path,
        str(path),
        TWO_IMAGES,
        bytearray(TWO_IMAGES),
        memoryview(TWO_IMAGES),
        io.BytesIO(TWO_IMAGES),
        Pipe(TWO_IMAGES),
        gzip.compress(TWO_IMAGES),
        io.BytesIO(gzip.compress(TWO_IMAGES)),
        Pipe(gzip.compress(TWO_IMAGES), 1),
        gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(TWO_IMAGES))),
    ]
    for source in sources:
        np.testing.assert_array_equal(expected, read_idx(source))
    with open(path, "rb") as file, open(path, "rb", buffering=0) as raw:
        np.testing.assert_array_equal(expected, read_idx(file))
        np.testing.assert_array_equal(expected, read_idx(raw))
        assert not file.closed


def test_an_open_file_is_read_from_where_it_stands():
    file = io.BytesIO(b"preface" + THREE_LABELS)
    file.seek(7)
    assert [7, 2, 1] == read_idx(file).tolist()


def test_gzip_is_recognised_by_content_whatever_the_name(tmp_path):
    packed, plain = tmp_path / "plain-name", tmp_path / "misleading.gz"
    packed.write_bytes(gzip.compress(THREE_LABELS))
    plain.write_bytes(THREE_LABELS)
    assert [7, 2, 1] == read_idx(packed).tolist() == read_idx(plain).tolist()


def test_gzip_of_several_members_and_padding_reads_as_one():
    parts = [THREE_LABELS[:5], b"", THREE_LABELS[5:9], THREE_LABELS[9:]]
    data = b"".join(map(gzip.compress, parts)) + bytes(600)
    assert [7, 2, 1] == read_idx(data).tolist()
    assert [7, 2, 1] == read_idx(Pipe(data, 1)).tolist()


def test_arrays_cannot_be_written_to():
    for source in (TWO_IMAGES, gzip.compress(TWO_IMAGES), bytearray(TWO_IMAGES)):
        with pytest.raises(ValueError, match="read-only"):
            read_idx(source)[0] = 1


def test_bytes_given_as_source_are_looked_at_not_copied():
    found = read_idx(TWO_IMAGES)
    assert np.shares_memory(found, np.frombuffer(TWO_IMAGES, np.uint8))


def test_a_source_that_may_change_is_copied():
    source = bytearray(THREE_LABELS)
    found = read_idx(source)
    source[-1] = 9
    assert [7, 2, 1] == found.tolist()


# Round trips


@given(arrays, st.booleans())
def test_any_array_survives_the_round_trip_bit_for_bit(array, packed):
    data = encoded(array)
    found = read_idx(gzip.compress(data) if packed else data)
    assert (array.dtype, array.shape) == (found.dtype, found.shape)
    assert array.tobytes() == found.tobytes()
    assert data == encoded(found)


@given(arrays)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_array_survives_on_disk_with_and_without_gzip(tmp_path, array):
    for name in ("values", "values.gz"):
        write_idx(tmp_path / name, array)
        found = read_idx(tmp_path / name)
        assert (array.dtype, array.shape) == (found.dtype, found.shape)
        assert array.tobytes() == found.tobytes()


def test_a_name_in_gz_is_packed_the_same_way_every_time(tmp_path):
    array = np.arange(1000, dtype=np.int32)
    write_idx(tmp_path / "a.gz", array)
    write_idx(str(tmp_path / "b.gz"), array)
    first = (tmp_path / "a.gz").read_bytes()
    assert first == (tmp_path / "b.gz").read_bytes()
    assert encoded(array) == gzip.decompress(first)


def test_strided_and_swapped_arrays_are_written_by_value():
    grid = np.arange(600, dtype=np.int16).reshape(20, 30)
    for array in (grid.T, grid[::2, ::-3], grid.astype(">i2"), np.asfortranarray(grid)):
        np.testing.assert_array_equal(array, read_idx(encoded(array)))


def test_arrays_larger_than_a_piece_are_written_whole():
    array = np.arange(300_000, dtype=np.int32).reshape(3, 100_000)
    np.testing.assert_array_equal(array, read_idx(encoded(array)))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(3),
        np.zeros(3, np.int64),
        np.zeros(3, bool),
        np.zeros(3, complex),
        np.zeros((), np.uint8),
        np.zeros((1,) * 5, np.uint8),
        np.array(["a"]),
    ],
    ids=lambda array: f"{array.dtype}-{array.ndim}",
)
def test_arrays_idx_cannot_hold_are_refused_before_the_file_is_touched(tmp_path, array):
    if array.dtype == float:
        array = array.astype(np.float16)
    path = tmp_path / "kept"
    path.write_bytes(b"precious")
    with pytest.raises(ConfigError, match="IDX"):
        write_idx(path, array)
    assert b"precious" == path.read_bytes()


# Headers


def test_header_is_described_without_its_data(tmp_path):
    path = tmp_path / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(header(8, 10_000, 28, 28)))
    found = describe(path)
    assert 2051 == found.magic
    assert (10_000, 28, 28) == found.shape
    assert np.uint8 == found.dtype
    assert header(8, 10_000, 28, 28) == found.header_bytes
    assert found.gzipped
    assert 7_840_000 == found.data_bytes
    assert 7_840_016 == found.file_bytes
    assert path.name == found.name
    assert "10,000 images of 28x28, uint8, magic 2051, gzip" == str(found)


def test_describing_leaves_an_open_file_where_it_stood():
    file = io.BytesIO(b"preface" + THREE_LABELS)
    file.seek(7)
    assert describe(file).shape == (3,)
    assert 7 == file.tell()


def test_items_are_named_by_what_they_are():
    def said(code: int, *shape: int) -> str:
        found = describe(header(code, *shape))
        return found.items(found.count)

    assert "1 label" == said(0x08, 1)
    assert "2 values" == said(0x0C, 2)
    assert "1 row of 16" == said(0x0D, 1, 16)
    assert "3 items of 4x5" == said(0x0E, 3, 4, 5)
    assert "3 items of 3x4x5" == said(0x08, 3, 3, 4, 5)


# Idx1 and Idx3


def test_labels_are_a_sequence_of_whole_numbers():
    labels = Idx1(THREE_LABELS)
    assert (2049, 3, (3,)) == (labels.magic, labels.count, labels.shape)
    assert 3 == len(labels)
    assert [7, 2, 1] == list(labels)
    assert type(labels[0]) is int
    assert 1 == labels[-1]
    assert [2, 1] == labels[1:].tolist()
    assert [7, 1] == labels[np.array([0, 2])].tolist()
    with pytest.raises(IndexError):
        labels[3]


def test_images_are_a_sequence_of_arrays():
    images = Idx3(TWO_IMAGES)
    assert (2051, 2, (2, 2, 3)) == (images.magic, images.count, images.shape)
    assert [[6, 7, 8], [9, 10, 11]] == images[1].tolist()
    assert [0, 6] == [int(image[0, 0]) for image in images]
    assert 11 == images[1, 1, 2]
    np.testing.assert_array_equal(images.data, np.asarray(images))
    assert np.shares_memory(images.data, np.asarray(images))


def test_views_are_immutable():
    images = Idx3(gzip.compress(TWO_IMAGES))
    for array in (images.data, images[0], images[:1], images[np.array([1])], np.asarray(images)):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    for name in ("data", "count", "magic", "shape", "name", "anything"):
        with pytest.raises(AttributeError):
            setattr(images, name, None)


def test_an_array_of_another_type_is_a_copy_of_its_own():
    images = Idx3(TWO_IMAGES)
    floats = np.asarray(images, dtype=np.float32)
    assert np.float32 == floats.dtype
    own = np.array(images)
    own[...] = 0
    assert 11 == images[1, 1, 2]


def test_repr_says_name_count_size_and_label_range(tmp_path):
    labels, images = tmp_path / "t10k-labels-idx1-ubyte", tmp_path / "t10k-images-idx3-ubyte"
    labels.write_bytes(THREE_LABELS)
    images.write_bytes(TWO_IMAGES)
    assert "Idx1(t10k-labels-idx1-ubyte: 3 labels from 1 to 7)" == repr(Idx1(labels))
    assert "Idx3(t10k-images-idx3-ubyte: 2 images of 2x3)" == repr(Idx3(images))
    assert "Idx1(0 labels)" == repr(Idx1(header(8, 0)))


@pytest.mark.parametrize(
    "on_disk", ["a-idx1-ubyte", "a.idx1-ubyte", "a-idx1-ubyte.gz", "a.idx1-ubyte.gz"]
)
@pytest.mark.parametrize(
    "asked", ["a-idx1-ubyte", "a.idx1-ubyte", "a-idx1-ubyte.gz", "a.idx1-ubyte.gz"]
)
def test_both_spellings_of_a_name_find_the_file(tmp_path, on_disk, asked):
    write_idx(tmp_path / on_disk, np.array([7, 2, 1], np.uint8))
    found = Idx1(tmp_path / asked)
    assert [7, 2, 1] == list(found)
    assert on_disk == found.name


def test_a_missing_file_is_the_usual_error(tmp_path):
    for name in ("nothing", "train-images-idx3-ubyte.gz"):
        with pytest.raises(FileNotFoundError):
            read_idx(tmp_path / name)


def test_swapped_images_and_labels_are_recognised_before_their_data_are_read(tmp_path):
    path = tmp_path / "labels.gz"
    path.write_bytes(gzip.compress(THREE_LABELS[:9]))
    error = refusal(path, Idx3)
    assert str(error).startswith("labels.gz: holds labels (magic 2049), not images (magic 2051)")
    assert "swapped" in str(error)
    assert "Idx3 reads this file" in str(refusal(TWO_IMAGES, Idx1))


def test_images_in_colour_are_images_and_other_arrays_of_four_sides_are_not():
    colours = np.arange(2 * 2 * 2 * 3, dtype=np.uint8).reshape(2, 2, 2, 3)
    found = Idx3(encoded(colours))
    assert np.array_equal(colours, found.data) and (2, 2, 3) == found[1].shape
    assert 2052 == found.magic and not found.data.flags.writeable
    for other in (colours[..., :2], colours.astype(np.int32)):
        assert "read_idx reads this file" in str(refusal(encoded(other), Idx3))


def test_other_arrays_are_the_wrong_magic_for_images_and_labels():
    data = encoded(np.zeros((2, 3), np.float32))
    assert "wrong magic 3330: it holds 2 rows of 3 of float32" in str(refusal(data, Idx1))
    assert "read_idx reads this file" in str(refusal(data, Idx3))


# Faults: the fault, the fact and the way out


def zipped(data: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("train-images-idx3-ubyte", data)
    return target.getvalue()


def gzipped(data: bytes) -> bytes:
    """The same bytes at any hour: they are part of a test's name."""
    return gzip.compress(data, mtime=0)


def saved(array: np.ndarray) -> bytes:
    target = io.BytesIO()
    np.save(target, array)
    return target.getvalue()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (gzipped(gzipped(TWO_IMAGES)), "gzip inside gzip.*unpack it once"),
        (zipped(TWO_IMAGES), "zip archive.*unpack it"),
        (zipped(b"")[-22:], "empty zip|zip"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "PNG picture.*a zip of them"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "JPEG picture.*a zip of them"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "PDF document"),
        (saved(np.zeros(3)), r"\.npy file.*numpy\.load"),
        (b"\r\n <!DOCTYPE html><html><title>404</title>", "HTML page.*download it again"),
        (b"\xef\xbb\xbf<html lang='fr'>caf\xc3\xa9</html>", "HTML page"),
        (gzipped(b"<html></html>"), "HTML page"),
        (b"label,1x1,1x2\r\n5,0,0\r\n", "CSV table.*readers.read_sets"),
        (b"5;0;0\n", "CSV table"),
        (b'{"labels": [1, 2]}', "JSON text"),
        ("größer als gedacht".encode(), "plain text"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a", "git lfs pull"),
        (b"BZh91AY&SY", "bzip2"),
        (b"\xfd7zXZ\0", "xz file"),
        (b"\x12\x34\x56\x78\x9a", "begins with the bytes 12 34 56 78.*two zero bytes"),
        (b"\0", r"too short for an IDX file \(1 bytes\)"),
        (b"\0\0\x08", "too short"),
        (b"\0\0\x0a\x01\0\0\0\0", "element type 0x0A is none of the six"),
        (bytes(16), "element type 0x00"),
        (b"\0\0\x08\0", "has 0 dimensions: 1 to 4"),
        (b"\0\0\x08\x05" + bytes(20), "has 5 dimensions: 1 to 4"),
        (TWO_IMAGES[3::-1] + TWO_IMAGES[4:], "little-endian.*big-endian"),
        (TWO_IMAGES[:9], "header is cut short: 9 of its 16 bytes"),
        (b"", r"is empty \(0 bytes\): download it again"),
        (gzipped(b""), r"is empty once unpacked \(0 bytes\)"),
        (b"\x1f\x8b", "gzip data break off before the first byte"),
    ],
)
def test_files_that_are_no_idx_are_recognised(data, said):
    error = refusal(data)
    assert error.args
    with pytest.raises(FormatError, match=f"(?s){said}"):
        raise error


def test_the_name_of_the_file_comes_first(tmp_path):
    path = tmp_path / "results.csv"
    path.write_text("1,2,3\n")
    file = io.BytesIO(b"1,2,3\n")
    file.name = "/home/somebody/results.csv"
    for source in (path, str(path), file):
        assert str(refusal(source)).startswith("results.csv: not an IDX file but a CSV table")


def test_a_cut_file_says_how_many_images_are_whole_and_keeps_them_when_asked(tmp_path):
    path = tmp_path / "t10k-images.gz"
    whole = header(8, 10_000, 28, 28) + bytes(7_840_000)
    path.write_bytes(whole[:5_000_000])
    error = refusal(path)
    assert (
        "t10k-images.gz: header promises 10,000 images of 28x28 (7,840,016 bytes), file holds "
        "5,000,000: the download or upload was cut short; 6,377 images of 28x28 can be kept whole "
        "(keep_whole=True), or download it again"
    ) == str(error)
    assert 6_377 == error.whole_items
    assert (6_377, 28, 28) == read_idx(path, keep_whole=True).shape
    assert 6_377 == Idx3(path, keep_whole=True).count


@pytest.mark.parametrize("wrap", [bytes, io.BytesIO, Pipe], ids=["bytes", "file", "pipe"])
def test_a_cut_gzip_says_how_many_images_are_whole_and_keeps_them_when_asked(wrap):
    images = np.random.default_rng(1).integers(0, 256, (50, 8, 8)).astype(np.uint8)
    data = gzip.compress(encoded(images))[:2000]
    error = refusal(wrap(data))
    assert "the gzip data break off" in str(error)
    assert 0 < error.whole_items < 50
    kept = read_idx(wrap(data), keep_whole=True)
    np.testing.assert_array_equal(images[: error.whole_items], kept)


def test_a_gzip_without_its_checksum_keeps_everything_only_when_asked():
    data = gzip.compress(TWO_IMAGES)[:-3]
    error = refusal(data)
    assert "only the checksum" in str(error)
    assert 2 == error.whole_items
    assert (2, 2, 3) == read_idx(data, keep_whole=True).shape


def test_a_header_that_promises_too_much_within_sound_gzip_keeps_what_is_there():
    data = gzip.compress(header(8, 2**32 - 1, 2, 3) + bytes(range(13)))
    kept = read_idx(data, keep_whole=True)
    np.testing.assert_array_equal(np.arange(12, dtype=np.uint8).reshape(2, 2, 3), kept)


def test_nothing_whole_cannot_be_kept():
    error = refusal(TWO_IMAGES[:20], keep_whole=True)
    assert 0 == error.whole_items
    assert "not one is whole" in str(error)


def test_wide_elements_are_kept_whole_too():
    data = encoded(np.array([[1.5, 2.5], [3.5, 4.5]]))
    assert [[1.5, 2.5]] == read_idx(data[:-1], keep_whole=True).tolist()


def test_trailing_bytes_are_refused_with_both_sizes():
    assert "(28 bytes), file holds 31: trailing bytes" in str(refusal(TWO_IMAGES + b"abc"))
    assert "cut it to 28 bytes" in str(refusal(TWO_IMAGES + b"abc", keep_whole=True))
    for data in (Pipe(TWO_IMAGES + b"a"), gzip.compress(TWO_IMAGES + b"a")):
        assert "file holds more: trailing bytes" in str(refusal(data))
    assert "trailing bytes after the end of the gzip data" in str(
        refusal(gzip.compress(TWO_IMAGES) + b"a")
    )


@pytest.mark.parametrize("at", [-1, -8], ids=["length", "checksum"])
def test_a_damaged_checksum_is_refused_even_when_asked_to_keep(at):
    data = bytearray(gzip.compress(TWO_IMAGES))
    data[at] ^= 1
    for keep_whole in (False, True):
        error = refusal(bytes(data), keep_whole=keep_whole)
        assert "the gzip data are damaged (the checksum does not match)" in str(error)


def test_damaged_deflate_data_are_refused():
    data = bytearray(gzip.compress(TWO_IMAGES))
    data[10] = 0xFF
    assert "damaged (invalid block type)" in str(refusal(bytes(data)))
    assert "damaged (unknown compression method)" in str(refusal(b"\x1f\x8b\x07" + bytes(20)))


def test_a_folder_is_refused(tmp_path):
    assert f"{tmp_path.name}: is a folder" in str(refusal(tmp_path))


def test_a_name_no_file_can_have_is_refused():
    assert "cannot be the name of a file" in str(refusal("a\0b"))


@pytest.mark.parametrize("spoilt", ["text", "closed", "broken gzip", "short gzip"])
def test_files_opened_wrongly_are_refused(spoilt):
    packed = bytearray(gzip.compress(THREE_LABELS))
    packed[-8] ^= 1
    file = {
        "text": io.StringIO("0,1"),
        "closed": io.BytesIO(THREE_LABELS),
        "broken gzip": gzip.GzipFile(fileobj=io.BytesIO(packed)),
        "short gzip": gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(THREE_LABELS)[:-9])),
    }[spoilt]
    if spoilt == "closed":
        file.close()
    assert "mode 'rb'" in str(refusal(file))


def test_a_file_read_before_is_told_to_rewind():
    file = io.BytesIO(THREE_LABELS)
    read_idx(file)
    assert "seek(0)" in str(refusal(file))


def test_what_is_no_source_is_a_type_error():
    for source in (None, 3, np.zeros(3)):
        with pytest.raises(TypeError, match="path, bytes or a binary file"):
            read_idx(source)


# Promises and bombs cost nothing


def peak_bytes(source, **options) -> int:
    return peak_memory(lambda: refusal(source, **options))


HUGE = 2**32 - 1


@pytest.mark.parametrize(
    "head",
    [
        header(8, HUGE, 28, 28),
        header(8, HUGE),
        header(0x0E, HUGE, HUGE, HUGE, HUGE),
        header(8, 2**16, 2**16, 2**16, 2**16),  # 2**64: zero in 64-bit arithmetic
        header(0x0E, 2**31, 2**30),
        header(8, 0, HUGE, HUGE, HUGE),
        header(8, 2**21, 2**10),
        header(8, 2**31 - 1),  # within max_bytes, and yet not there
    ],
    ids=lambda head: head.hex(),
)
@pytest.mark.parametrize("wrap", ["bytes", "gzip", "pipe", "gzip pipe", "path"])
def test_a_lying_header_costs_nothing(tmp_path, head, wrap):
    data = head + (b"" if head[4:8] == bytes(4) else bytes(100))
    packed = gzip.compress(data)
    path = tmp_path / "liar"
    path.write_bytes(data)
    source = {
        "bytes": data,
        "gzip": packed,
        "pipe": Pipe(data),
        "gzip pipe": Pipe(packed),
        "path": path,
    }[wrap]
    refusal(head)  # imports and caches are not part of the cost
    assert peak_bytes(source) < 2_000_000


def test_a_promise_beyond_deflate_is_named_as_such():
    data = gzip.compress(header(8, HUGE, 28, 28))
    said = f"but {len(data)} bytes of gzip can hold at most {len(data) * 1032:,}"
    assert said in str(refusal(data))


def bomb(head: bytes, megabytes: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    megabyte = bytes(1 << 20)
    parts = [packer.compress(head)] + [packer.compress(megabyte) for _ in range(megabytes)]
    return b"".join(parts) + packer.flush()


def ten_gigabytes(head: bytes) -> bytes:
    """The same packed megabytes over and over, as gzip members: 10 GB in 10 MB."""
    return gzip.compress(head) + bomb(b"", 100) * 100


def test_a_bomb_is_unpacked_one_byte_further_than_promised():
    data = ten_gigabytes(header(8, 1000))
    assert len(data) < 11_000_000
    assert "1,000 labels (1,008 bytes), file holds more" in str(refusal(data))
    assert peak_bytes(data) < 2_000_000


def test_a_bomb_whose_header_admits_it_is_bounded_by_max_bytes():
    data = ten_gigabytes(header(8, 10_000, 2**20))
    assert "more than the 2,147,483,648 allowed" in str(refusal(data))
    assert peak_bytes(data) < 2_000_000


def test_keeping_what_is_whole_of_a_bomb_is_bounded_by_max_bytes():
    data = bomb(header(8, HUGE), 40)
    limit = 5_000_000
    assert "more than the 5,000,000 allowed" in str(
        refusal(io.BytesIO(data + bomb(b"", 40) * 120), keep_whole=True, max_bytes=limit)
    )
    assert peak_bytes(Pipe(data, 1 << 16), keep_whole=True, max_bytes=limit) < 3 * limit


def test_a_machine_without_enough_memory_says_so(monkeypatch):
    def refuse(*_):
        raise MemoryError

    monkeypatch.setattr("nnengine.data.idx.np.empty", refuse)
    said = r"2 images of 2x3 \(28 bytes\) do not fit into this machine's memory"
    with pytest.raises(FormatError, match=said):
        read_idx(gzip.compress(TWO_IMAGES))


def test_max_bytes_is_the_largest_array_allowed():
    assert (2, 2, 3) == read_idx(TWO_IMAGES, max_bytes=12).shape
    assert "more than the 11 allowed" in str(refusal(TWO_IMAGES, max_bytes=11))


def test_the_memory_of_an_honest_file_is_the_file(tmp_path):
    images = np.random.default_rng(0).integers(0, 40, (20_000, 28, 28)).astype(np.uint8)
    for name in ("a-idx3-ubyte", "b-idx3-ubyte.gz"):
        write_idx(tmp_path / name, images)
        peak = peak_memory(lambda file=tmp_path / name: read_idx(file))
        assert peak < images.nbytes + 2_000_000


# Any bytes at all

MAGICS = st.builds(
    lambda code, sizes, rest: header(code, *sizes) + rest,
    st.sampled_from([0x08, 0x09, 0x0B, 0x0C, 0x0D, 0x0E, 0x00]),
    st.lists(st.integers(0, 4) | st.integers(0, HUGE), min_size=0, max_size=5),
    st.binary(max_size=64),
)
ANYTHING = st.binary(max_size=200) | MAGICS | st.binary(max_size=60).map(b"\x1f\x8b".__add__)


@given(ANYTHING, st.booleans(), st.booleans())
@settings(max_examples=400)
def test_any_bytes_give_an_array_or_a_format_error(data, packed, keep_whole):
    data = gzip.compress(data) if packed else data
    expected = read_or_refuse(data, keep_whole=keep_whole)
    for source in (io.BytesIO(data), Pipe(data)):
        found = read_or_refuse(source, keep_whole=keep_whole)
        assert (expected is None) == (found is None)
        if expected is not None:
            assert expected.tobytes() == found.tobytes()


@given(ANYTHING)
def test_any_bytes_give_a_header_a_view_or_a_format_error(data):
    for read in (describe, Idx1, Idx3):
        try:
            assert repr(read(data))
        except FormatError as error:
            assert str(error)


@given(arrays.filter(lambda array: array.size > 0), st.booleans(), st.data())
@settings(max_examples=200)
def test_a_cut_file_never_reads_and_keeps_a_prefix_when_asked(array, packed, draw):
    data = encoded(array)
    data = gzip.compress(data) if packed else data
    cut = data[: draw.draw(st.integers(0, len(data) - 1))]
    error = refusal(cut)
    kept = read_or_refuse(cut, keep_whole=True)
    if kept is None:
        assert not error.whole_items
    else:
        assert error.whole_items == len(kept) > 0
        assert array[: len(kept)].tobytes() == kept.tobytes()


@given(arrays, st.booleans(), st.data())
@settings(max_examples=300)
def test_a_file_with_one_byte_changed_gives_an_array_or_a_format_error(array, packed, draw):
    data = bytearray(encoded(array))
    if packed:
        data = bytearray(gzip.compress(bytes(data)))
    data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    read_or_refuse(bytes(data))
    read_or_refuse(bytes(data), keep_whole=True)


# The real files


def test_the_published_files_read_as_published(mnist_files: dict[str, Path]):
    images, labels = Idx3(mnist_files["test_images"]), Idx1(mnist_files["test_labels"])
    assert (10_000, 28, 28) == images.shape
    assert [7, 2, 1, 0, 4] == labels[:5].tolist()
    assert "Idx1(t10k-labels-idx1-ubyte.gz: 10,000 labels from 0 to 9)" == repr(labels)
    assert 116 == int((images[0] > 0).sum())
    assert [0, 84, 185, 159, 151, 60] == images[0][7, 5:11].tolist()


def test_the_published_files_survive_the_round_trip(mnist_files: dict[str, Path]):
    for name in ("test_images", "train_labels"):
        expected = gzip.decompress(mnist_files[name].read_bytes())
        assert expected == encoded(read_idx(expected))


def test_reading_the_training_images_takes_their_own_47_megabytes(mnist_files: dict[str, Path]):
    peak = peak_memory(lambda: read_idx(mnist_files["train_images"]))
    assert 47_040_000 <= peak < 47_040_000 + 2_000_000
