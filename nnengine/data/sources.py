"""Sources: a path, bytes or an open file becomes one stream of bytes, with gzip already unpacked.

A stream hands out pieces of bounded size, so whoever reads decides how much memory to spend: a
decompression bomb is just a stream that is longer than anybody wants. Faults are FormatErrors that
begin with the file's name where there is one.
"""

from __future__ import annotations

import codecs
import contextlib
import gzip
import io
import os
import re
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import FormatError
from .limits import Deadline

BinaryFile = BinaryIO | io.BufferedIOBase
Source = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryFile

GZIP = b"\x1f\x8b"
DEFLATE_RATIO = 1032  # most bytes that one deflated byte can stand for: 258 from two bits
PACKED_CHUNK = 1 << 16
_NUMBERS = re.compile(r"[-+.\de]+(?: +[-+.\de]+){3,} ?[-+.\de]*")  # parted by blanks
_HEIC = re.compile(rb".{4}ftyp(hei[cxms]|hev[cxms]|mif1|msf1)", re.DOTALL)
_OLD_PICKLE = re.compile(r"\(*([dl]?p\d+|c(numpy|copy_reg|__builtin__|builtins)[\w.]*\n\w+)\n")
_SPELLING = re.compile(r"[-.](idx\d-ubyte)(\.gz)?$")

_PICTURE = "put pictures into folders named by class, and give a zip of them"
_UNPACK = "unpack it and give the file inside"
_REPACK = "unpack it, or pack it with gzip instead"
_CONVERT = "convert an array with write_idx(target, numpy.load(file))"
_SAVEZ = "numpy.savez('data.npz', x_train=..., y_train=...)"
_PICKLE = f"none is opened here, for opening one does what it says: where you trust it, {_SAVEZ}"
_SETS = "a set of images in it opens with nnengine.data.readers.read_sets"
_PHONE = (
    "which is not read here: save it as JPEG; an iPhone takes JPEGs under Settings, Camera, "
    "Formats, Most Compatible"
)
_MODEL = "; a trained network opens with nnengine.load, and on the Models page"
_LOOKS = (
    (GZIP, "gzip inside gzip", "it was compressed twice: unpack it once and give the result"),
    (b"PK\x03\x04", "a zip archive (.zip or .npz)", _UNPACK + _MODEL),
    (b"PK\x05\x06", "an empty zip archive", "give the data file itself"),
    (b"\x89PNG", "a PNG picture", _PICTURE),
    (b"\xff\xd8\xff", "a JPEG picture", _PICTURE),
    (b"GIF8", "a GIF picture", _PICTURE),
    (b"%PDF", "a PDF document", "give the data file itself"),
    (b"\x93NUMPY", "a NumPy .npy file (or an .nnm model)", _CONVERT + _MODEL),
    (b"\x89HDF", "an HDF5 file", _SETS),
    (b"PAR1", "a Parquet table", _SETS),
    (b"BZh", "a bzip2 file", _REPACK),
    (b"\xfd7zXZ", "an xz file", _REPACK),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file", _REPACK),
    (b"7z\xbc\xaf", "a 7z archive", _UNPACK),
    (b"Rar!", "a RAR archive", _UNPACK),
    *((bytes([0x80, protocol]), "a Python pickle", _PICKLE) for protocol in (2, 3, 4, 5)),
    (b"MATLAB 5.0 MAT-file", "a MATLAB file", _SETS),
    (b"MATLAB 7.3 MAT-file", "a MATLAB file", _SETS),
    (b"version https://git-lfs", "a Git LFS pointer, not the data", "fetch it with: git lfs pull"),
)


def fault(name: str | None, text: str, **more: Any) -> FormatError:
    """Return a FormatError that begins with the file's name where it is known."""
    return FormatError(f"{name}: {text}" if name else text, **more)


def looks_like(head: bytes) -> tuple[str, str] | None:
    """Recognise a file by its first bytes (some hundred): what it is and the way out, or None."""
    for prefix, what, remedy in _LOOKS:
        if head.startswith(prefix):
            return what, remedy
    if _HEIC.match(head):
        return "a HEIC picture", _PHONE
    if head[257:262] == b"ustar":
        return "a tar archive", _UNPACK
    text = head.decode("utf-8-sig", errors="ignore").strip()
    # A character may be cut in half where the head ends: up to 3 bytes may fail to decode.
    lossless = len(text.encode()) >= len(head.removeprefix(codecs.BOM_UTF8).strip()) - 3
    readable = all(char.isprintable() or char in "\r\n\t\f" for char in text)
    return _looks_like_text(text) if text and lossless and readable else None


def _looks_like_text(text: str) -> tuple[str, str]:
    if re.match(r"(<[?!][^>]*>\s*)*<svg\b", text, re.IGNORECASE):
        return "an SVG picture", "lines, not pixels: save it as PNG"
    if text.startswith("<"):
        return "an HTML page", "the download gave a web page, not the file: download it again"
    if text.startswith(("{", "[")):
        return "JSON text", "turn it into an array and write that with write_idx"
    if _OLD_PICKLE.match(text):
        return "a Python pickle", _PICKLE
    said = [line for line in text.splitlines() if line.strip() and not line.startswith("%")]
    if said and said[0].lower().startswith("@relation") or text.startswith("% "):
        return "an ARFF table", _SETS
    line = re.split(r"[\r\n]", text, maxsplit=1)[0]
    if re.match(r"(#.*\n|\s)*[-+.\d]+([ \t]+\d+:[-+.\de]+){2}", text):
        return "a LIBSVM table", _SETS
    if re.search(r"[,;\t]", line) or _NUMBERS.fullmatch(line):
        return "a CSV table", "a table of images opens with nnengine.data.readers.read_sets"
    return "plain text", "give the data file itself"


class Stream:
    """Bytes in order, with a look ahead. Subclasses say where further ones come from."""

    gzipped = False
    cut = False  # gzip ended before its end marker
    left: int | None = None  # bytes still to come, where that is known without reading them
    most: int | None = None  # an upper bound on all of them, where there is one
    packed_bytes: int | None = None  # size of the gzip data, where it is known
    borrowed = False  # the caller's own open file, which may have been read before
    deadline = Deadline()  # asked at every piece: a long stream may be a short file

    def __init__(self, name: str | None) -> None:
        self.name = name
        self._ahead = b""

    def _more(self, limit: int) -> bytes:
        raise NotImplementedError

    def read(self, limit: int) -> bytes:
        """Return 1 to ``limit`` bytes, or none at the end, or where none is asked for."""
        if limit < 1:  # which zlib would take for "all there is", and the piece would be lost
            return b""
        self.deadline.check()
        part = self._ahead[:limit] or self._more(limit)
        self._ahead = self._ahead[limit:]
        if self.left is not None:
            self.left -= len(part)
        return part

    def peek(self, count: int) -> bytes:
        """Return the next ``count`` bytes, fewer at the end, without passing them."""
        parts, size = [self._ahead], len(self._ahead)
        while size < count and (part := self._more(count - size)):
            parts.append(part)
            size += len(part)
        self._ahead = b"".join(parts)  # once: gzip may give a byte at a time
        return self._ahead[:count]

    def read_whole(self, limit: int) -> bytes:
        """Return ``limit`` bytes, fewer at the end alone."""
        parts, size = [], 0
        while size < limit and (part := self.read(limit - size)):
            parts.append(part)
            size += len(part)
        return b"".join(parts)

    def take_rest(self) -> memoryview | None:
        """Pass over and return all the rest without a copy, where it is in immutable memory."""
        return None

    def rest(self, limit: int) -> bytes:
        """Return all that is left; raises FormatError for more than ``limit`` bytes."""
        parts, size = [], 0
        while part := self.read(PACKED_CHUNK):
            parts.append(part)
            size += len(part)
            if size > limit:
                raise self.fault(
                    f"more than the {limit:,} bytes allowed: give a smaller file", too_large=True
                )
        return b"".join(parts)

    def seekable(self, limit: int) -> BinaryIO:
        """Return all of it, of which nothing has been read yet, as a file that can be sought in.

        Raises FormatError for more than ``limit`` bytes that would have to be held in memory.
        """
        return io.BytesIO(self.rest(limit))

    def fault(self, text: str, **more: Any) -> FormatError:
        """Return a FormatError that begins with the name of this stream's file."""
        return fault(self.name, text, **more)


class _Plain(Stream):
    """The bytes of an open binary file as they stand."""

    def __init__(self, file: Any, name: str | None, size: int | None) -> None:
        super().__init__(name)
        self._file = file
        self.left = self.most = size

    def _more(self, limit: int) -> bytes:
        try:
            part = self._file.read(limit)
        except (EOFError, ValueError, zlib.error, gzip.BadGzipFile) as error:
            # Not our own gunzip: the caller's GzipFile, a file opened as text, a closed one.
            raise self.fault(f"cannot be read: {error}; open the file with mode 'rb'") from error
        if not isinstance(part, (bytes, bytearray)):
            raise self.fault(f"gives {type(part).__name__}, not bytes: open it with mode 'rb'")
        return bytes(part)

    def seekable(self, limit: int) -> BinaryIO:
        if self.borrowed:  # the caller's own may stand anywhere, and may not be able to go back
            return super().seekable(limit)
        self._file.seek(0)
        return self._file


class _Memory(Stream):
    """Bytes that are in memory already: nothing needs to be read, let alone copied."""

    def __init__(self, data: bytes) -> None:
        super().__init__(None)
        self._data = data
        self._at = 0
        self.left = self.most = len(data)

    def _more(self, limit: int) -> bytes:
        part = self._data[self._at : self._at + limit]
        self._at += len(part)
        return part

    def take_rest(self) -> memoryview:
        start = len(self._data) - (self.left or 0)
        self._at, self._ahead, self.left = len(self._data), b"", 0
        return memoryview(self._data)[start:]

    def seekable(self, limit: int) -> BinaryIO:
        return io.BytesIO(self._data)  # shares its memory


class _Gunzip(Stream):
    """The content of a gzip stream: every member, each with its checksum and length verified."""

    gzipped = True

    def __init__(self, packed: Stream) -> None:
        super().__init__(packed.name)
        self._packed = packed
        self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._input = b""
        self._ended = False
        self.most = None if packed.most is None else packed.most * DEFLATE_RATIO
        self.packed_bytes = packed.most
        self.borrowed = packed.borrowed

    def _more(self, limit: int) -> bytes:
        while not self._ended:
            self.deadline.check()  # members that hold nothing give no piece
            part = self._unpack(limit)
            if part:
                return part
            if self._inflate.eof:
                self._ended = not self._next_member()
            elif not self._input:
                self._input = self._packed.read(PACKED_CHUNK)
                self._ended = self.cut = not self._input
        return b""

    def _unpack(self, limit: int) -> bytes:
        if self._inflate.eof:
            return b""
        try:
            part = self._inflate.decompress(self._input, limit)
        except zlib.error as error:
            reason = str(error).rpartition(": ")[2]
            if reason in ("incorrect data check", "incorrect length check"):
                reason = "the checksum does not match"
            raise self.fault(
                f"the gzip data are damaged ({reason}): download or copy the file again"
            ) from error
        self._input = self._inflate.unused_data or self._inflate.unconsumed_tail
        return part

    def _next_member(self) -> bool:
        """Step over zero padding to a further member; False where the file ends."""
        rest = self._input.lstrip(b"\0")
        while len(rest) < 2 and (more := self._packed.read(PACKED_CHUNK)):
            rest = (rest + more).lstrip(b"\0")
        if not rest:
            return False
        if not rest.startswith(GZIP):
            raise self.fault(
                "trailing bytes after the end of the gzip data: the file was joined "
                "with something else or damaged; download it again"
            )
        self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._input = rest
        return True


class _FromUtf16(Stream):
    """Text of two bytes a character, as Windows PowerShell's > writes it, as UTF-8."""

    def __init__(self, packed: Stream) -> None:
        super().__init__(packed.name)
        self._packed = packed
        self._decoder = codecs.getincrementaldecoder("utf-16")()
        self._text = b""
        self.most = None if packed.most is None else 2 * packed.most
        self.gzipped, self.packed_bytes = packed.gzipped, packed.packed_bytes
        self.borrowed = packed.borrowed

    def _more(self, limit: int) -> bytes:
        while not self._text:
            self.deadline.check()
            part = self._packed.read(PACKED_CHUNK)
            self.cut = self._packed.cut
            try:
                self._text = self._decoder.decode(part, final=not part and not self.cut).encode()
            except UnicodeDecodeError as error:
                raise self.fault(
                    f"begins as UTF-16 text and is none ({error.reason}): save it as UTF-8"
                ) from None
            if not part:
                break
        part, self._text = self._text[:limit], self._text[limit:]
        return part


@contextlib.contextmanager
def opened(
    source: Source, *, most: int | None = None, deadline: Deadline | None = None
) -> Iterator[Stream]:
    """Open ``source`` as a Stream; closes what it opened itself, leaves the caller's file open.

    ``most``: how many bytes at most a file holds that cannot tell itself, where that is known.
    ``deadline``: by when it is to be read.
    Raises FormatError for a folder or a special file, OSError where a path cannot be opened,
    TypeError for what is no source at all.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        yield _unpacked(_Memory(bytes(source)), deadline)
    elif isinstance(source, (str, os.PathLike)):
        path = _find(Path(source))
        with _open(path) as file:
            yield _unpacked(_Plain(file, path.name, _size_left(file)), deadline)
    elif hasattr(source, "read"):
        name = getattr(source, "name", None)
        name = Path(name).name if isinstance(name, str) and name else None
        stream = _Plain(source, name, _size_left(source))
        stream.borrowed = True
        stream.most = most if stream.most is None else stream.most
        yield _unpacked(stream, deadline)
    else:
        raise TypeError(f"expected a path, bytes or a binary file, got {type(source).__name__}")


@contextlib.contextmanager
def left_in_place(source: Source) -> Iterator[None]:
    """Put a file that can be sought in back to where it stood before the block."""
    tell, seek = getattr(source, "tell", None), getattr(source, "seek", None)
    here = None
    if tell and seek:
        with contextlib.suppress(OSError, ValueError):
            here = tell()
    try:
        yield
    finally:
        if here is not None and seek:
            with contextlib.suppress(OSError, ValueError):
                seek(here)


def _unpacked(stream: Stream, deadline: Deadline | None) -> Stream:
    stream = _Gunzip(stream) if stream.peek(2) == GZIP else stream
    stream.deadline = deadline or stream.deadline
    if stream.peek(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        stream = _FromUtf16(stream)
        stream.deadline = deadline or stream.deadline
    return stream


def _open(path: Path) -> BinaryIO:
    if path.is_dir():
        raise fault(path.name or str(path), "is a folder: give one of the files in it")
    try:
        return open(path, "rb")
    except ValueError as error:  # a NUL inside the name
        raise FormatError(f"{str(path)!r} cannot be the name of a file: {error}") from error


def _find(path: Path) -> Path:
    """Return ``path``, or where it is missing the same data file in another ordinary spelling."""
    match = _SPELLING.search(path.name)
    if match is None or path.exists():
        return path
    stem = path.name[: match.start()]
    for ending in ("", ".gz"):
        for joint in "-.":
            other = path.with_name(f"{stem}{joint}{match[1]}{ending}")
            if other.is_file():
                return other
    return path


def _size_left(file: Any) -> int | None:
    """Return the bytes ahead in ``file``, or None where finding out could cost more than asking.

    Only kinds whose seek is known to be cheap are asked: a GzipFile would unpack itself whole.
    """
    if getattr(file, "closed", False):
        return None
    if isinstance(file, io.BytesIO):
        with file.getbuffer() as view:
            return max(0, view.nbytes - file.tell())
    raw = getattr(file, "raw", file)
    if not isinstance(raw, io.FileIO):
        return None
    status = os.fstat(raw.fileno())
    return max(0, status.st_size - file.tell()) if stat.S_ISREG(status.st_mode) else None
