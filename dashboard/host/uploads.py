"""Uploads: how a dropped file reaches the page without being copied on its way.

Streamlit gives every page that draws an uploader a deep copy of what lies in it (1.62 to 1.67). Of
47 MB it takes as much memory again, and 0.07 s in which no other page is drawn (`copy.deepcopy`
of such a file, on a Xeon). The bytes never change, and a file that shares them makes its own when
it is written to.
"""

from __future__ import annotations

from typing import Any

from streamlit.runtime import uploaded_file_manager


def share_bytes() -> None:
    """Have deep copies of uploaded files share the bytes; a second call changes nothing."""
    kind: Any = uploaded_file_manager.UploadedFile
    kind.__deepcopy__ = _shared


def _shared(file: Any, memo: dict[int, Any]) -> Any:
    """Return another file of the same bytes, read as far."""
    record = uploaded_file_manager.UploadedFileRec(
        file_id=file.file_id, name=file.name, type=file.type, data=file.getvalue()
    )
    copied = type(file)(record, file._file_urls)
    copied.seek(file.tell())
    return copied
