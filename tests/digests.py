"""Digests: the bits of weights after short runs of every kind, to hold new code to the old.

Sums are rounded otherwise by other processors, compilers and BLAS, so each kind of machine has its
own row in digests.json: `python -m tests.digests` adds that of the machine it runs on. WebAssembly
gives the same bits everywhere.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from nnengine import Augmentation, Dataset, Network, TrainingConfig, kernels, training
from nnengine.data import synthetic

FILE = Path(__file__).with_name("digests.json")
COUNT = 5000  # images: enough for a full batch in groups of sixteen


def _dense() -> Dataset:
    """Images without zeros, of 12x12 pixels, in three classes."""
    rng = np.random.default_rng(5)
    labels = np.arange(900, dtype=np.uint8) % 3
    images = rng.integers(1, 100, (900, 12, 12), np.uint8)
    images[np.arange(900), labels * 4] += 120
    return Dataset(images, labels)


def _config(optimizer: str, rate: float, **settings) -> TrainingConfig:
    return TrainingConfig(optimizer=optimizer, learning_rate=rate, **settings)


def kinds() -> dict[str, Callable[[], Network]]:
    """Return by name what makes a network and trains it, each by another way through the engine."""
    digits = synthetic.digits(COUNT, seed=3)
    some = digits.take(np.arange(1501))
    dense = _dense()

    def run(data: Dataset, hidden: list[int], config: TrainingConfig, **network) -> Network:
        made = Network.build([data.inputs, *hidden, 10], rng=7, **network)
        for _ in training(made, data, config, data.take(np.arange(200))):
            pass
        return made

    adam = {"optimizer": "adam", "rate": 1e-3}
    return {
        "adam 64": lambda: run(some, [128], _config(**adam, epochs=2)),
        "adam 100, two layers, tanh": lambda: run(
            some, [50, 30], _config(**adam, epochs=1, batch_size=100), activation="tanh"
        ),
        "momentum 128": lambda: run(
            some, [64], _config("momentum", 0.01, batch_size=128, epochs=2)
        ),
        "sgd 1": lambda: run(some, [10], _config("sgd", 0.01, batch_size=1, iterations=300)),
        "sgd 256, cosine": lambda: run(
            some, [20], _config("sgd", 0.1, batch_size=256, epochs=3, schedule="cosine")
        ),
        "batches of 700": lambda: run(some, [64], _config(**adam, batch_size=700, epochs=3)),
        "wide": lambda: run(some, [512, 256], _config(**adam, batch_size=128, epochs=1)),
        "augmented": lambda: run(
            some, [32], _config(**adam, epochs=1, augmentation=Augmentation(shift=2.0, rotation=10))
        ),
        "full batch, few images": lambda: run(
            some, [32], _config("sgd", 0.3, batch_size=None, iterations=8)
        ),
        "full batch, sixteen alike": lambda: run(
            digits, [10], _config("sgd", 0.3, batch_size=None, iterations=25)
        ),
        "full batch, momentum, sigmoid": lambda: run(
            digits,
            [24, 12],
            _config("momentum", 0.1, batch_size=None, iterations=21),
            activation="sigmoid",
        ),
        "no zeros": lambda: run(dense, [40], _config(**adam, batch_size=32, epochs=2)),
        "float64": lambda: run(some, [24], _config(**adam, epochs=1), dtype=np.float64),
        "float64, full batch": lambda: run(
            some, [24], _config("sgd", 0.3, batch_size=None, iterations=5), dtype=np.float64
        ),
        "diverged": lambda: run(some, [24], _config("sgd", 1e6, epochs=2)),
    }


def machine() -> str:
    """Return what the bits of the back end in use depend on, in words."""
    if kernels.name == "wasm":
        return "wasm"
    found = {"numpy": np.__version__, "blas": _blas()}
    if kernels.name == "numba":
        import llvmlite.binding
        import numba

        found["numba"] = numba.__version__
        found["cpu"] = llvmlite.binding.get_host_cpu_name()
    return ", ".join([kernels.name, *(f"{name} {value}" for name, value in found.items())])


def _blas() -> str:
    """Return which kernels NumPy's products use."""
    import threadpoolctl

    pools = threadpoolctl.threadpool_info()
    return next((p.get("architecture", "?") for p in pools if p["user_api"] == "blas"), "none")


def digest(make: Callable[[], Network]) -> str:
    """Return the digest of the parameters that a run ends at, BLAS held to one thread."""
    with _one_thread_of_blas():
        theta = make().theta
    return hashlib.blake2b(theta.tobytes(), digest_size=12).hexdigest()


def _one_thread_of_blas() -> contextlib.AbstractContextManager:
    if kernels.name == "wasm":
        return contextlib.nullcontext()
    import threadpoolctl

    return threadpoolctl.threadpool_limits(1, user_api="blas")


def known() -> dict[str, dict[str, str]]:
    """Return the digests kept, by machine and kind."""
    return json.loads(FILE.read_text()) if FILE.exists() else {}


def main() -> None:
    """Add this machine's digests for every back end it has, or those named."""
    table = known()
    for name in sys.argv[1:] or [n for n, why in kernels.available().items() if why is None]:
        kernels.use(name)
        table[machine()] = {kind: digest(make) for kind, make in kinds().items()}
    FILE.write_text(json.dumps(dict(sorted(table.items())), indent=1) + "\n")


if __name__ == "__main__":
    main()
