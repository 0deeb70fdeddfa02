"""The machine and the programs on it, as far as they bear on speed."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

from threadpoolctl import threadpool_info

PACKAGES = (
    "nnengine", "numpy", "numba", "llvmlite", "scikit-learn", "scipy", "torch", "jax", "jaxlib",
    "streamlit",
)  # fmt: skip


def facts() -> dict:
    """Return what a reader must know to judge figures from here; JSON can hold it."""
    return {
        "taken": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "processors": os.cpu_count(),
        "memory_gb": _memory_gb(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "blas": sorted({_library(entry) for entry in threadpool_info()}),
        "commit": _commit(),
        "load": load(),
    }


def load() -> list[float] | None:
    """Return how many processes wanted a core over the last 1, 5 and 15 minutes."""
    return [round(value, 2) for value in os.getloadavg()] if hasattr(os, "getloadavg") else None


def in_words(found: dict) -> str:
    """Return the facts as one paragraph."""
    packages = ", ".join(f"{name} {version}" for name, version in found["packages"].items())
    busy = f"; load before {found['load'][0]}" if found["load"] else ""
    after = found.get("load_after")
    busy += f", after {after[0]}" if after else ""
    vectors = f" ({found['processor']['vectors']})" if found["processor"]["vectors"] else ""
    return (
        f"{found['processor']['name']}{vectors}, {found['cores']} cores, "
        f"{found['memory_gb']:.0f} GB, {found['system']}, Python {found['python']}; {packages}; "
        f"{found['taken']}, commit {found['commit']}{busy}."
    )


def _processor() -> dict[str, str]:
    """Return its name and the widest vectors it takes."""
    name, flags = platform.processor() or platform.machine(), ""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            name = value.strip() if key.strip() == "model name" else name
            flags = value if key.strip() == "flags" else flags
    except OSError:
        pass  # other systems say it in platform.processor()
    widest = next((w for w in ("avx512f", "avx2", "sse2") if w in flags.split()), "")
    return {"name": name, "vectors": widest}


def _memory_gb() -> float:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (AttributeError, ValueError, OSError):
        return float("nan")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _library(entry: dict) -> str:
    """Return a thread pool's library without the path it lies on."""
    architecture = f" for {entry['architecture']}" if "architecture" in entry else ""
    return f"{entry['internal_api']} {entry['version'] or ''}{architecture}".strip()


def _commit() -> str:
    """Return the checkout's commit, marked when files differ from it."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=10"]
    try:
        folder = Path(__file__).resolve().parent
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()
