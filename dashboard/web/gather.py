"""Gather: everything a site needs from elsewhere, once, into a folder that a build can take.

npm and pip fetch the pieces and check what they fetch; the lock file then holds every piece to
its own sha256, which the browser checks again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from dashboard.web import pieces, wheels

_LIBRARIES = {"ssl": ["libopenssl"]}
_IMPORTS = {"ssl": ["ssl", "_ssl"], "pillow": ["PIL"], "libopenssl": []}


class GatherError(Exception):
    """A piece could not be had; the message says which, and what was tried."""


def cache() -> Path:
    """Return the folder that pieces are gathered in unless another is named.

    `NNENGINE_WEB`, else one in the user's cache, of a name that changes with the pieces.
    """
    given = os.environ.get("NNENGINE_WEB")
    if given:
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "nnengine" / f"web-{pieces.STLITE}-{pieces.PYODIDE}"


def complete(folder: Path) -> bool:
    """Return whether a folder holds all pieces, in the versions named here."""
    try:
        return json.loads((folder / "gathered.json").read_text()) == _wanted()
    except (OSError, ValueError):
        return False


def gather(folder: Path, tell: Callable[[str], None] = lambda text: None) -> Path:
    """Fetch all pieces into `folder`, unless they are there; return it. Raises GatherError."""
    if complete(folder):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="gathering-") as place:
        work = Path(place)
        made = work / "made"
        (made / "pyodide").mkdir(parents=True)
        tell(f"Pyodide {pieces.PYODIDE} and stlite {pieces.STLITE}, by npm")
        _pyodide(work, made / "pyodide")
        _stlite(work, made / "stlite")
        tell("Compiled wheels, by pip (150 MB once)")
        _compiled(work, made / "pyodide")
        tell("Wheels of plain Python, by pip")
        for name in pieces.PURE:
            shutil.copy(pure() / name, made / "pyodide" / name)
        lock = lock_of(made / "pyodide")
        (made / "pyodide" / "pyodide-lock.json").write_text(json.dumps(lock, indent=1))
        (made / "gathered.json").write_text(json.dumps(_wanted()))
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
    return folder


def _wanted() -> dict:
    return {
        "pyodide": pieces.PYODIDE,
        "stlite": pieces.STLITE,
        "carrier": list(pieces.CARRIER),
        "compiled": list(pieces.COMPILED),
        "pure": sorted(pieces.PURE),
    }


def _run(*command: str, cwd: Path) -> None:
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise GatherError(f"{command[0]} is not installed: install it and try again") from error
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-3:]
        raise GatherError(f"{' '.join(command)} failed: {' '.join(said)}")


def npm(work: Path, package: str) -> tarfile.TarFile:
    """Return the archive that npm has for a package of a named version."""
    place = Path(tempfile.mkdtemp(dir=work))
    _run("npm", "pack", "--silent", package, cwd=place)
    return tarfile.open(next(place.glob("*.tgz")))


def _read(archive: tarfile.TarFile, member: str | tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file, f"{member} is no file"
    return file.read()


def _pyodide(work: Path, into: Path) -> None:
    with npm(work, f"pyodide@{pieces.PYODIDE}") as archive:
        for name in set(pieces.CORE) - {"pyodide-lock.json"}:
            (into / name).write_bytes(_read(archive, f"package/{name}"))


def _stlite(work: Path, into: Path) -> None:
    """Unpack what pages ask for: no source maps, no types."""
    with npm(work, f"@stlite/browser@{pieces.STLITE}") as archive:
        for member in archive.getmembers():
            inner = member.name.removeprefix("package/build/")
            if not member.isfile() or inner == member.name or inner.endswith((".map", ".d.ts")):
                continue
            target = into / inner
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(_read(archive, member))


def _pip(work: Path, *wanted: str, python: str) -> Path:
    place = Path(tempfile.mkdtemp(dir=work))
    _run(
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
        "--no-deps", "--only-binary=:all:", "--implementation=py", "--abi=none",
        "--platform=any", f"--python-version={python}", "--dest=.", *wanted, cwd=place,
    )  # fmt: skip
    return place


def _compiled(work: Path, into: Path) -> None:
    package, version, inside = pieces.CARRIER
    carrier = next(_pip(work, f"{package}=={version}", python="3.12").glob("*.whl"))
    missing = {wheels.named(Path(file)).name for file in pieces.COMPILED}
    with zipfile.ZipFile(carrier) as archive:
        for entry in archive.namelist():
            file = Path(entry)
            if not entry.startswith(inside) or file.suffix not in (".whl", ".zip"):
                continue
            if file.suffix == ".zip" and "-" not in file.name:
                continue
            if (name := wheels.named(file).name) in missing:
                (into / file.name).write_bytes(archive.read(entry))
                missing.remove(name)
    if missing:
        raise GatherError(f"{package} {version} does not bring {', '.join(sorted(missing))}")


def pure() -> Path:
    """Return a folder of the user's cache with the wheels of plain Python, fetched unless there.

    Raises GatherError.
    """
    folder = cache().with_name(f"{cache().name}-wheels")
    if not all(_is_wanted(folder / name) for name in pieces.PURE):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="gathering-") as place:
            wanted = ["==".join(wheels.named(Path(file))) for file in pieces.PURE]
            found = _pip(Path(place), *wanted, python="3.13")
            for name in pieces.PURE:
                if not _is_wanted(found / name):
                    raise GatherError(f"pip did not bring the {name} that is wanted, but another")
            shutil.rmtree(folder, ignore_errors=True)
            found.rename(folder)
    return folder


def _is_wanted(wheel: Path) -> bool:
    raw = wheel.read_bytes() if wheel.is_file() else b""
    return hashlib.blake2b(raw, digest_size=32).hexdigest() == pieces.PURE[wheel.name][0]


def lock_of(folder: Path) -> dict:
    """Return the lock that Pyodide reads: every wheel of a folder, held to its own sha256."""
    packages = {}
    for file in sorted(folder.glob("*-*.*")):
        if file.suffix not in (".whl", ".zip"):
            continue
        name, version = wheels.named(file)
        library = file.suffix == ".zip"
        packages[name] = {
            "name": name,
            "version": version,
            "file_name": file.name,
            "install_dir": "dynlib" if library else "site",
            "sha256": wheels.sha256(file),
            "package_type": _kind(name, library),
            "imports": _IMPORTS.get(name, [name.replace("-", "_")]),
            "depends": _LIBRARIES.get(name, []),
            "unvendored_tests": False,
        }
    info = {
        "abi_version": "2025_0",
        "arch": "wasm32",
        "platform": "emscripten_4_0_9",
        "python": "3.13.2",
        "version": "0.28.0.dev0",  # what Pyodide 0.29.3's own lock says
    }
    return {"info": info, "packages": packages}


def _kind(name: str, library: bool) -> str:
    return "shared_library" if library else "cpython_module" if name == "ssl" else "package"
