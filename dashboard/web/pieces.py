"""Pieces: what a browser needs beside this project's own sources, each with its one version.

Streamlit comes inside stlite, Python and the packages in C inside Pyodide; the other wheels are
plain Python and run anywhere.
"""

from __future__ import annotations

PYODIDE = "0.29.3"  # Python 3.13
STLITE = "1.9.2"  # carries Streamlit 1.62.0

PYODIDE_CDN = f"https://cdn.jsdelivr.net/pyodide/v{PYODIDE}/full/"
STLITE_CDN = f"https://cdn.jsdelivr.net/npm/@stlite/browser@{STLITE}/build/"

# Compiled for Pyodide; `ssl` is a part of Python that anyio imports, and needs `libopenssl`.
COMPILED = ("micropip", "numpy", "pillow", "ssl", "libopenssl")
# Wheels of plain Python: {name: version}.
PURE = {
    "anyio": "4.16.0",
    "blinker": "1.9.0",
    "idna": "3.20",
    "itsdangerous": "2.2.0",
    "narwhals": "2.29.0",
    "packaging": "26.3",
    "plotly": "7.1.0",
    "protobuf": "7.36.2",
    "pyodide-http": "0.2.2",
    "python-multipart": "0.0.34",
    "starlette": "1.10.0",
    "streamlit-drawable-canvas": "0.13.0",
    "typing-extensions": "4.16.0",
}
# Streamlit names these among its needs and imports them only to draw a dataframe or a Vega chart,
# which no page here does: an empty wheel answers for each, and saves a visitor 7 MB.
EMPTY = {"altair": "6.3.0", "fastparquet": "2024.11.0", "pandas": "2.3.3"}
# Where the compiled wheels come from when the CDN cannot be asked: a package that brings them, of
# the same binary interface (2025_0).
CARRIER = ("open-webui", "0.9.5", "open_webui/frontend/pyodide/")
