"""Wheels: reading, thinning and writing the archives that Python packages travel in."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

_BEGINNING = (1980, 1, 1, 0, 0, 0)  # the first date a zip can name: the same files, the same bytes
# Of plotly, what notebooks and pictures made by Python ask for, and plotly.js, which lies beside
# the page: 6 of its 10 MB.
_NOT_IN_A_TAB = re.compile(
    r"\.\.|plotly/(labextension|matplotlylib|figure_factory|express|data)/"
    r"|plotly/package_data/(?!templates/)|.*\.pyc$|.*\.dist-info/(?!METADATA|WHEEL)"
)


class Named(NamedTuple):
    """What a wheel's file name says."""

    name: str
    version: str


def named(file: Path) -> Named:
    """Return name, as indexes spell it, and version of a wheel or of an archive named like one."""
    name, version = re.sub(r"\.(whl|zip)$", "", file.name).split("-")[:2]
    return Named(normal(name), version)


def normal(name: str) -> str:
    """Return a package's name as indexes compare it: lower case, dashes only."""
    return re.sub(r"[-_.]+", "-", name).lower()


def sha256(file: Path) -> str:
    """Return the hexadecimal digest of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def zipped(files: dict[str, bytes]) -> bytes:
    """Return a zip of these files in the order of their names; the same files, the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, _BEGINNING)
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, files[name])
    return out.getvalue()


def empty(name: str, version: str) -> tuple[str, bytes]:
    """Return file name and bytes of a wheel that holds nothing but its own name and version."""
    stem = f"{normal(name).replace('-', '_')}-{version}"
    about = f"{stem}.dist-info/"
    summary = "Nothing: it answers for a package that is asked for and never used."
    files = {
        f"{about}METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        f"Summary: {summary}\n",
        f"{about}WHEEL": "Wheel-Version: 1.0\nGenerator: nnengine\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
        f"{about}RECORD": f"{about}METADATA,,\n{about}WHEEL,,\n{about}RECORD,,\n",
    }
    return f"{stem}-py3-none-any.whl", zipped({k: v.encode() for k, v in files.items()})


def plotly() -> tuple[str, bytes]:
    """Return file name and bytes of a wheel of the installed plotly, without what no page needs."""
    installed = metadata.distribution("plotly")
    files = {
        str(file): Path(file.locate()).read_bytes()
        for file in installed.files or ()
        if not _NOT_IN_A_TAB.match(file.as_posix())
    }
    record = f"plotly-{installed.version}.dist-info/RECORD"
    files[record] = "".join(f"{name},,\n" for name in [*sorted(files), record]).encode()
    return f"plotly-{installed.version}-py3-none-any.whl", zipped(files)
