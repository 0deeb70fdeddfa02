"""Cluster: a search over 24 settings on two Dask processes, beside one process held to one thread.

Both find the same scores, which is asserted. They alternate, and the figure is the ratio of each
pair: 0.5 would be all that two processes can give. Where others use the machine too, the
processor's time (cpu) tells more: that of the busier worker and of who gives out the work, beside
that of the one process.

    OMP_NUM_THREADS=1 python benchmarks/cluster.py --images 6000 --epochs 4 --pairs 3
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import time
from typing import Any

import numpy as np

from nnengine import kernels
from nnengine.data import synthetic
from nnengine.data.dataset import Dataset
from nnengine.searching import read_range, searching

RANGES = ("layers=32|64|128", "learning-rate=0.001|0.003", "optimizer=adam|momentum",
          "batch-size=32|128")  # fmt: skip


def searched(parts: tuple[Dataset, Dataset], epochs: int, client: Any) -> tuple[float, list[Any]]:
    """Return (seconds of the clock, settings and scores of all candidates, the best first)."""
    started = time.perf_counter()
    how = {"candidates": 24, "epochs": epochs, "factor": 1, "client": client}
    search = searching(*parts, list(map(read_range, RANGES)), **how)
    while True:
        try:
            next(search)
        except StopIteration as end:
            taken = time.perf_counter() - started
            return taken, [(one.settings, one.accuracy, one.loss) for one in end.value]


def compared(images: int, epochs: int, pairs: int) -> list[dict[str, float]]:
    """Return seconds of both, and their ratio, for each pair."""
    from distributed import Client, LocalCluster  # pyright: ignore[reportMissingImports]

    parts = synthetic.digits(images, seed=3).split(0.2, rng=1)
    kernels.warm_up()
    found = []
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        client.run(kernels.warm_up)
        for _ in range(pairs):
            busy = time.process_time()
            alone, here = searched(parts, epochs, None)
            busy, before = time.process_time() - busy, client.run(time.process_time)
            giving = time.process_time()
            spread, there = searched(parts, epochs, client)
            giving, after = time.process_time() - giving, client.run(time.process_time)
            assert len(here) == 24 and here == there, "the cluster found other scores"
            worked = max(after[worker] - before[worker] for worker in after)
            found.append({
                "alone_s": alone, "cluster_s": spread, "ratio": spread / alone,
                "cpu_ratio": (worked + giving) / busy,
            })  # fmt: skip
    return found


def main() -> None:
    """Print a row a pair and the median ratio; with --json one object."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=6000)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if os.environ.get("OMP_NUM_THREADS") != "1":
        parser.error("one process is to be held to one thread: set OMP_NUM_THREADS=1")
    if importlib.util.find_spec("distributed") is None:
        parser.error("dask.distributed is not installed: pip install distributed")
    rows = compared(given.images, given.epochs, given.pairs)
    ratio = float(np.median([row["ratio"] for row in rows]))
    if given.json:
        print(json.dumps({"pairs": rows, "median_ratio": ratio}))
        return
    for row in rows:
        print(f"{row['alone_s']:6.1f} s alone {row['cluster_s']:6.1f} s on two processes "
              f"{row['ratio']:5.2f}  cpu {row['cpu_ratio']:.2f}")  # fmt: skip
    print(f"median ratio {ratio:.2f}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
