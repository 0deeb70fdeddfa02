"""Build: collects the app, byte for byte, and what it runs on into one static folder."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from dashboard.web import gather, pieces, wheels
from nnengine.data.catalogue import drawn
from nnengine.kernels.wasm import ahead_of_time, entries

ROOT = Path(__file__).resolve().parents[2]
PAGE = Path(__file__).with_name("page")
# stlite looks in the folder it starts in.
CONFIG = ROOT / "dashboard" / ".streamlit" / "config.toml"
MARK = "nnengine-site.json"  # in every site; without it a full folder is not ours to replace
_HOST = re.compile(r"https://[a-z0-9.-]+(:\d+)?|http://127\.0\.0\.1(:\d+)?")
_STATIC_IMPORT = re.compile(r"""(?:from|import)\s*["']\./([\w.-]+\.js)["']""")
_SOURCES = (".py", ".toml", ".npz", ".nnm", ".json", ".typed", ".html", ".css", ".js")


class BuildError(Exception):
    """A site could not be made or served; the message says why, and what to do."""


@dataclass(frozen=True)
class Site:
    """What was made: number of files, their bytes, and the bytes a visitor fetches at first.

    slow: why its visitors compute by NumPy alone; None where compiled kernels travel with it.
    """

    files: int
    nbytes: int
    fetched: int
    slow: str | None = None


def build(out: Path, vendored: Path | None = None, data_from: Sequence[str] = ()) -> Site:
    """Make the site in the folder `out`; one that was there before goes when the new one is whole.

    vendored: a gathered folder (see `gather`); without it, Python and wheels come from the CDN.
    data_from: other hosts whose data sets visitors may load by a link, as `data_host` has them.
    Raises BuildError for a folder that holds something else, or pieces that are missing.
    """
    out = Path(os.path.realpath(out))  # a link to it stays
    _check_ours(out)
    hosts = [data_host(name) for name in data_from]
    slow = _compiled()
    out.parent.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}-"))
    try:
        _fill(place, vendored, hosts)
        place.chmod(0o755)  # mkdtemp makes folders that only their owner reads
        _put(place, out)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    files = [file for file in out.rglob("*") if file.is_file()]
    fetched = json.loads((out / MARK).read_text())["fetched"]
    return Site(len(files), sum(file.stat().st_size for file in files), fetched, slow)


def _put(place: Path, out: Path) -> None:
    """Give a new site its name, and the old one back where that cannot be done."""
    old = place.with_name(f"{place.name}-old")
    if out.exists():
        out.rename(old)
    try:
        place.rename(out)
    except BaseException:
        if old.exists():
            old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _module() -> Path:
    """Return where the kernels compiled for browsers are: among the sources, if those are ours."""
    ours = os.access(entries.FILE.parent, os.W_OK)
    return entries.FILE if ours else gather.cache().with_name(entries.FILE.name)


def _compiled() -> str | None:
    """Have the kernels for browsers compiled; return why they cannot be, or None."""
    folder = _module().parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise BuildError(
            f"{folder} cannot be made, where pieces of a site are kept ({fault.strerror}): name "
            "another by NNENGINE_WEB"
        ) from fault
    try:
        ahead_of_time.make(_module())
    except ahead_of_time.CompileError as fault:
        return str(fault)
    return None


def data_host(name: str) -> str:
    """Return a host as a policy names it: `data.org` becomes `https://data.org`.

    Raises BuildError for what is no host alone; plain http is for this machine only.
    """
    host = name.rstrip("/") if "://" in name else f"https://{name.rstrip('/')}"
    if not _HOST.fullmatch(host):
        raise BuildError(
            f"{name!r} is no host that data may come from: give one such as data.example.org, "
            "without a path (https; http for 127.0.0.1 alone)"
        )
    return host


def _check_ours(out: Path) -> None:
    if out.exists() and not (out / MARK).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise BuildError(f"{out} exists and is no site: name another folder with --out")


def _fill(out: Path, vendored: Path | None, hosts: list[str]) -> None:
    made = {
        ".streamlit/config.toml": CONFIG.read_bytes(),
        str(drawn.FILE.relative_to(ROOT)): drawn.to_bytes(),
    }
    app = wheels.zipped(sources() | made)
    (out / "app.zip").write_bytes(app)
    static = out / "app" / "static"  # where live_plot asks for it, on a server and here
    static.mkdir(parents=True)
    shutil.copy(_plotly(), static / "plotly.min.js")
    own = _own_wheels(out / "wheels")
    settings, listed = _from_folder(vendored, out) if vendored else _from_cdn(out / "wheels")
    fetches = [[f"app.zip?v={_short(app)}", len(app)], *own, *listed]
    settings["packages"] += [path for path, _ in own]
    settings |= {"app": fetches[0][0], "fetches": fetches, "pages": pages(), "data": hosts}
    settings["elements"] = list(pieces.ELEMENTS)
    _write_pages(out, settings)
    fetched = sum(size for _, size in fetches)
    (out / MARK).write_text(json.dumps({"vendored": bool(vendored), "fetched": fetched}))
    (out / ".nojekyll").touch()  # GitHub Pages would leave out what begins with an underscore


def sources() -> dict[str, bytes]:
    """Return the files of the app as they are: {path: bytes}; this builder stays at home.

    The kernels compiled for browsers are among them where they are made from these sources.
    """
    kernels = [_module()] if ahead_of_time.current(_module()) else []
    return {str(entries.FILE.relative_to(ROOT)): file.read_bytes() for file in kernels} | {
        str(file.relative_to(ROOT)): file.read_bytes()
        for package in ("dashboard", "nnengine")
        for file in (ROOT / package).rglob("*")
        if file.suffix in _SOURCES and file.is_file() and not _at_home(file.relative_to(ROOT))
    }


def _at_home(file: Path) -> bool:
    return "__pycache__" in file.parts or file.parts[:2] in (
        ("dashboard", "web"),
        ("dashboard", "static"),
        ("dashboard", "server.py"),
    )


def pages() -> list[str]:
    """Return the paths of the app's pages, as they stand in addresses."""
    return sorted(
        file.stem for file in (ROOT / "dashboard" / "views").glob("*.py") if file.stem[0] != "_"
    )


def _plotly() -> Path:
    file = metadata.distribution("plotly").locate_file("plotly/package_data/plotly.min.js")
    return Path(str(file))


def _own_wheels(folder: Path) -> list:
    """Write the wheels that are made here; return their paths in the site, and sizes."""
    folder.mkdir()
    made = [wheels.plotly(), *(wheels.empty(*item) for item in pieces.EMPTY.items())]
    for name, raw in made:
        (folder / name).write_bytes(raw)
    return [[f"{folder.name}/{name}", len(raw)] for name, raw in made]


def _short(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:12]


# Where Python comes from -----------------------------------------------------------------


def _from_folder(vendored: Path, out: Path) -> tuple[dict, list]:
    """Copy the gathered pieces; return the page's settings and what it fetches at first."""
    for part in ("pyodide", "stlite"):
        if not (vendored / part).is_dir():
            raise BuildError(
                f"{vendored} holds no {part}: fill it with python -m dashboard.web gather"
            )
        shutil.copytree(vendored / part, out / part)
    lock = json.loads((out / "pyodide" / "pyodide-lock.json").read_text())
    first = [out / "pyodide" / name for name in pieces.CORE]
    first += [out / "pyodide" / entry["file_name"] for entry in lock["packages"].values()]
    first += opening(out / "stlite")
    settings = {
        "pyodide": "pyodide/pyodide.mjs",
        "stlite": "stlite/",
        "packages": sorted(set(lock["packages"]) - {"micropip", "libopenssl"}),
        "hosts": [],
    }
    return settings, [[file.relative_to(out).as_posix(), file.stat().st_size] for file in first]


def opening(stlite: Path) -> list[Path]:
    """Return what stlite loads before it shows anything: scripts, style and its two wheels."""
    found, left = [], ["stlite.js"]
    while left:
        file = stlite / left.pop()
        if file not in found and file.is_file():
            found.append(file)
            left += _STATIC_IMPORT.findall(file.read_text(encoding="utf-8"))
    return [*found, stlite / "stlite.css", *sorted((stlite / "wheels").glob("*.whl"))]


def _from_cdn(folder: Path) -> tuple[dict, list]:
    """Return the page's settings and what it fetches at first, by addresses that never change.

    The wheels of plain Python, 1.3 MB, go into `folder`.
    """
    pure = []
    for file, (_, size) in pieces.PURE.items():
        shutil.copy(gather.pure() / file, folder / file)
        pure.append((f"{folder.name}/{file}", size))
    core = {**pieces.CORE, **pieces.COMPILED}
    listed = [(pieces.PYODIDE_CDN + file, size) for file, size in core.items()]
    listed += [(pieces.STLITE_CDN + file, size) for file, size in pieces.OPENING.items()]
    settings = {
        "pyodide": None,
        "stlite": pieces.STLITE_CDN,
        "packages": ["numpy", "pillow", "ssl", *(address for address, _ in pure)],
        "hosts": list(pieces.HOSTS),
    }
    return settings, [list(item) for item in (*listed, *pure)]


# The pages -------------------------------------------------------------------------------


def _write_pages(out: Path, settings: dict) -> None:
    for name in ("boot.js", "boot.css"):
        shutil.copy(PAGE / name, out / name)
    versions = {name: _short((PAGE / name).read_bytes()) for name in ("boot.js", "boot.css")}
    text = (PAGE / "index.html").read_text(encoding="utf-8")
    as_json = json.dumps(settings).replace("</", "<\\/")
    for name, version in versions.items():
        text = text.replace(f'"{name}"', f'"{name}?v={version}"')
    text = text.replace("{{policy}}", policy(settings["hosts"], settings["data"]))
    text = text.replace("{{settings}}", as_json)
    (out / "index.html").write_text(text, encoding="utf-8")
    lost = (PAGE / "404.html").read_text(encoding="utf-8")
    lost = lost.replace("{{pages}}", "|".join(settings["pages"]))
    (out / "404.html").write_text(_with_hashes(lost), encoding="utf-8")


def policy(hosts: list[str], data: Sequence[str] = ()) -> str:
    """Return the content security policy of the page: this host, the CDN's, and nobody else.

    Of the hosts in `data` files may be fetched, and nothing of them is run or shown as a page.

    Python needs `wasm-unsafe-eval`; stlite makes its worker and Streamlit its components from
    blobs and `data:` addresses, and both write styles into the page.
    """
    far = "".join(f" {host}" for host in hosts)
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' blob: data: 'wasm-unsafe-eval'{far}",
            f"style-src 'self' 'unsafe-inline'{far}",
            f"img-src 'self' data: blob:{far}",
            f"font-src 'self' data:{far}",
            f"connect-src 'self' data: blob:{far}{''.join(f' {host}' for host in data)}",
            "worker-src 'self' blob:",
            "media-src 'self' data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _with_hashes(page: str) -> str:
    """Return a page whose policy allows its own inline script and style by their digests."""
    for kind in ("script", "style"):
        found = re.search(rf"<{kind}>(.*?)</{kind}>", page, re.DOTALL)
        assert found, f"the page has no {kind}"
        digest = base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()
        page = page.replace(f"{{{{{kind}}}}}", f"'sha256-{digest}'")
    return page
