"""Compiling: how long all kernels take from an empty cache, and from a full one.

    python benchmarks/compiling.py            # five rounds
    python benchmarks/compiling.py --rounds 3

Each round is a process that finds nothing compiled and one after it that finds everything. What
is counted is `kernels.warm_up()`, not the start of Python. Needs numba.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WARM_UP = """
import time
from nnengine import kernels
begin = time.perf_counter()
kernels.warm_up()
print(time.perf_counter() - begin)
"""


def seconds(cache: str) -> float:
    """Return how long the kernels take to be ready in a process with this cache."""
    environment = {**os.environ, "NNENGINE_KERNELS": "numba", "NUMBA_CACHE_DIR": cache}
    done = subprocess.run(
        [sys.executable, "-c", WARM_UP], cwd=ROOT, env=environment,
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return float(done.stdout)


def main() -> None:
    """Print the median of each with the least and the most."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="how many (5)")
    found: dict[str, list[float]] = {"from an empty cache": [], "from a full one": []}
    for _ in range(parser.parse_args().rounds):
        with tempfile.TemporaryDirectory() as cache:
            for times in found.values():
                times.append(seconds(cache))
    for name, times in found.items():
        middle = statistics.median(times)
        print(f"{name}: {middle:.2f} s ({min(times):.2f} to {max(times):.2f})")


if __name__ == "__main__":
    main()
