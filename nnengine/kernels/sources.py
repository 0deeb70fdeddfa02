"""Sources: the files that kernels are made from, and what changes when any of them does."""

from __future__ import annotations

import hashlib
from pathlib import Path

from . import numpy_

# The constants that kernels are compiled with stand here; they import from here and below alone.
FOLDER = Path(numpy_.__file__).parent


def digest() -> str:
    """Return the digest, in hexadecimal, of every file that kernels may be made from."""
    found = hashlib.blake2b(digest_size=16)
    for file in sorted(FOLDER.rglob("*.py")):
        name = file.relative_to(FOLDER).as_posix()
        found.update(name.encode() + b"\0" + file.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return found.hexdigest()
