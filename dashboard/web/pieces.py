"""Pieces: what a browser needs beside this project's own sources, each with its one version.

Streamlit comes inside stlite, Python and the packages in C inside Pyodide; the other wheels are
plain Python and run anywhere.
"""

from __future__ import annotations

PYODIDE = "0.29.3"  # Python 3.13
STLITE = "1.9.2"  # carries Streamlit 1.62.0

PYODIDE_CDN = f"https://cdn.jsdelivr.net/pyodide/v{PYODIDE}/full/"  # what stlite takes by itself
STLITE_CDN = f"https://cdn.jsdelivr.net/npm/@stlite/browser@{STLITE}/build/"
HOSTS = ("https://cdn.jsdelivr.net",)

# What a browser fetches of each before anything is shown, with its bytes: for the progress bar.
CORE = {
    "pyodide.mjs": 17_616,
    "pyodide.asm.js": 1_074_322,
    "pyodide.asm.wasm": 8_647_684,
    "python_stdlib.zip": 2_423_989,
    "pyodide-lock.json": 120_010,
}
OPENING = {
    "stlite.js": 7_845,
    "index-g7ewbxvi-0eszC5oh.js": 4_495_502,
    "stlite.css": 70_817,
    "wheels/stlite_lib-0.1.0-py3-none-any.whl": 23_356,
    "wheels/streamlit-1.62.0-cp313-none-any.whl": 1_962_677,
}
# Scripts that Streamlit asks for when a page first shows such an element, each with those that it
# imports. Not that of the About page's commands: it is 0.7 MB, and the page is there before it.
ELEMENTS = (
    "BidiComponent-msfTWIc4-B33Surcf.js",
    "Button-BH8_4M3Q-Cq9qfN61.js",
    "ButtonGroup-KwCSRA6T-BAfFPfiH.js",
    "Checkbox-E_kqAaSQ-XDNDyBvK.js",
    "DownloadButton-BCKLqfXu-CxjBVa7P.js",
    "FileUploader-D5hB4QUB-kIjxLFaF.js",
    "Html-BExs3WUF--E6z3hhe.js",
    "Metric-BCE7_1bv-BkynR9MK.js",
    "Multiselect-C0kHSnVi-40pchkZi.js",
    "NumberInput-DB8CmU_F-CTAxqc36.js",
    "PageLink-CnPU1XmA-BUjp2VDF.js",
    "Progress-sYR9WtX--DFPLEvZP.js",
    "Radio-D00j4pav-BZoGCnQX.js",
    "Selectbox-CPd6VRVc-CEBySJwc.js",
    "Slider-DZ2YwD_e-BCLslQhV.js",
    "TextArea-D5-RPpPz-DgG4lw4B.js",
    "TextInput-5lGdvVSD-jkOP18uQ.js",
)
# Compiled for Pyodide; `ssl` is a part of Python that anyio imports, and needs `libopenssl`.
COMPILED = {
    "micropip-0.11.0-py3-none-any.whl": 115_174,
    "numpy-2.2.5-cp313-cp313-pyodide_2025_0_wasm32.whl": 3_109_648,
    "pillow-11.3.0-cp313-cp313-pyodide_2025_0_wasm32.whl": 1_058_399,
    "ssl-1.0.0-cp313-cp313-pyodide_2025_0_wasm32.whl": 65_169,
    "libopenssl-1.1.1w.zip": 796_824,
}
# Wheels of plain Python, which every site brings itself, each with its BLAKE2b digest of 256 bits.
PURE = {
    "anyio-4.16.0-py3-none-any.whl": (
        "a9167757fb84c819accc7d7e9af5291b261e4abb8627ee040f99e7d35ef2457a",
        134_521,
    ),
    "blinker-1.9.0-py3-none-any.whl": (
        "10cbf2ad4230dc2eb1a74edf38f1a38b9b52277f75bef262d8908e60d957e13c",
        8_458,
    ),
    "idna-3.20-py3-none-any.whl": (
        "58a2bb081bab032533a855d44de1d56f8e8426114ff1ba5d1f07a438a0a654f8",
        69_583,
    ),
    "itsdangerous-2.2.0-py3-none-any.whl": (
        "049692447566d16df59b2a776c0fb82dbc4d9e07cd95062562af01e408583fc4",
        16_234,
    ),
    "narwhals-2.29.0-py3-none-any.whl": (
        "9e2b20b4b463c3795dc390db8fa6ec2b5c3e0aea90a760f813305da4c33dd814",
        501_718,
    ),
    "packaging-26.3-py3-none-any.whl": (
        "6334ba1c580383c9eada3711951fef0795c80b829a078d72188184bcab9dd527",
        129_956,
    ),
    "protobuf-7.36.2-py3-none-any.whl": (
        "e404d52c7016b04b6c5108f26691f9d33ec82a9b65d041f1a9c771137693d618",
        179_806,
    ),
    "pyodide_http-0.2.2-py3-none-any.whl": (
        "43aa471c9cb07acd2de48acf70aef07139f08f2f7ea6f85883f19a7296243ffb",
        9_796,
    ),
    "python_multipart-0.0.34-py3-none-any.whl": (
        "f50e090c52b122d8ec5fa37942c1410fea9cf04ce98bca0c84dde7f0aa11594d",
        32_585,
    ),
    "starlette-1.10.0-py3-none-any.whl": (
        "882e947cfe02def9371c07cd5bf5b6b61c829e9aecb9904db02a66cfafbc1eec",
        80_571,
    ),
    "streamlit_drawable_canvas-0.13.0-py3-none-any.whl": (
        "6f400aff91c8f853dcb0ff75a6d46c37c67855162f42b59cc8492ad2c387e574",
        125_646,
    ),
    "typing_extensions-4.16.0-py3-none-any.whl": (
        "49d3b8441a820a491ddfc024b0b0cf0393375b75ea13866d9c66727e54c2fc80",
        45_571,
    ),
}
# Streamlit names these among its needs and imports them only to draw a dataframe or a Vega chart,
# which no page here does: an empty wheel answers for each, and saves a visitor 7 MB.
EMPTY = {"altair": "6.3.0", "fastparquet": "2024.11.0", "pandas": "2.3.3"}
# Where the compiled wheels come from when the CDN cannot be asked: a package that brings them, of
# the same binary interface (2025_0).
CARRIER = ("open-webui", "0.9.5", "open_webui/frontend/pyodide/")
