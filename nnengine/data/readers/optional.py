"""Optional: libraries that read other people's formats, imported when such a file is there."""

from __future__ import annotations

import sys

from ...errors import FormatError


def missing(what: str, library: str) -> FormatError:
    """Return the refusal of a format whose library is not installed, with the way out."""
    remedy = "pip install 'nnengine[formats]'"
    if sys.platform == "emscripten":  # a tab, in which nothing can be installed
        remedy = "open it with nnengine on a machine"
    return FormatError(
        f"{what} needs {library}, which is not installed: {remedy}, or give the images and labels "
        "as IDX, CSV or .npz"
    )
