"""Anatomy: an IDX header taken apart, byte by byte, in words; and tables drawn without a widget.

`st.dataframe` and `st.table` cannot be used where the dashboard runs in a browser tab, so tables
are HTML, and everything in them is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence

from dashboard.present.outside import html
from nnengine.data.idx import IdxHeader

TYPE_WORDS = {
    "uint8": "unsigned bytes (0 to 255)",
    "int8": "signed bytes (-128 to 127)",
    "int16": "whole numbers of 2 bytes",
    "int32": "whole numbers of 4 bytes",
    "float32": "fractions of 4 bytes",
    "float64": "fractions of 8 bytes",
}
HEADINGS = ("Offset", "Bytes", "Meaning", "Value")

# Colours are mixed from the text's own, so that one table suits a light page and a dark one.
_STYLE = """<style>
.nn-table { overflow-x: auto; }
.nn-table table { border-collapse: collapse; font-size: 0.875rem; line-height: 1.35; width: 100%; }
.nn-table th, .nn-table td { text-align: left; padding: 0.3rem 0.9rem 0.3rem 0; border: 0;
  border-bottom: 1px solid color-mix(in srgb, currentColor 18%, transparent);
  vertical-align: top; font-variant-numeric: tabular-nums; }
.nn-table th { font-weight: 600; white-space: nowrap; }
.nn-table tbody tr:last-child td { border-bottom: 0; }
.nn-table td.code { font-family: "Source Code Pro", ui-monospace, monospace; white-space: nowrap; }
</style>"""


def header_rows(header: IdxHeader) -> list[tuple[str, str, str, str]]:
    """Return (offset, bytes in hex, meaning, value) for each field of a header, in order.

    The last row says where the data begin and how many bytes of them are promised.
    """
    raw = header.header_bytes
    rows = [
        ("0", raw[0:2].hex(" "), "Two zeros: the mark of an IDX file", "0"),
        ("2", raw[2:3].hex(), "What each number is", TYPE_WORDS[header.dtype.name]),
        ("3", raw[3:4].hex(), "How many dimensions follow", str(raw[3])),
    ]
    for axis, length in enumerate(header.shape):
        at = 4 + 4 * axis
        rows.append((str(at), raw[at : at + 4].hex(" "), _meaning(header, axis), f"{length:,}"))
    data = f"{header.data_bytes:,} bytes promised"
    rows.append((str(len(raw)), "…", "Here the data begin", data))
    return rows


def _meaning(header: IdxHeader, axis: int) -> str:
    dimensions = len(header.shape)
    if dimensions == 1:
        return "Number of labels"
    if axis == 0:
        return "Number of images" if dimensions in (2, 3) else "Number of items"
    if dimensions == 2:
        return "Pixels of each image"
    if dimensions == 3:
        return ("Rows of each image", "Columns of each image")[axis - 1]
    return f"Length of dimension {axis + 1}"


def table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], *, label: str, code: Sequence[int] = ()
) -> str:
    """Return an HTML table for `st.html`; every text is escaped.

    `label` is its name for screen readers; `code` lists the columns set in a monospaced face.
    It scrolls sideways on a narrow screen, by keyboard too.
    """
    head = "".join(
        f'<th scope="col">{html(text)}</th>' if text else "<td></td>" for text in headings
    )
    body = "".join(f"<tr>{_cells(row, code)}</tr>" for row in rows)
    return (
        f'{_STYLE}<div class="nn-table" role="region" tabindex="0" aria-label="{html(label)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cells(row: Sequence[str], code: Sequence[int]) -> str:
    return "".join(
        f'<td class="code">{html(text)}</td>' if i in code else f"<td>{html(text)}</td>"
        for i, text in enumerate(row)
    )
