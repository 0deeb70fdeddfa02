"""Where numba is not as known, or cannot compile: kernels all the same, and a sentence."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from nnengine import Augmentation, Dataset, Network, TrainingConfig, kernels, training
from nnengine.errors import KernelError
from nnengine.fast import sliced


@pytest.fixture(autouse=True)
def restored():
    """Tests here change the kernels in use."""
    if reason := kernels.available().get("numba", "in browsers there is none"):
        pytest.skip(f"numba kernels: {reason}")
    before = kernels.name
    yield
    kernels.use(before)


# In the process of a test: a kernel that fails at its call --------------------------------


def work(stripes) -> list[np.ndarray]:
    """Return what training and answers come to by every kernel; float32 and float64."""
    images, labels = stripes
    data, found = Dataset(images * (images > 60), labels), []  # as lists pay
    settings = dict(evaluate_every=2, learning_rate=0.02)
    for real in (np.float32, np.float64):
        for batch, optimiser in ((None, "sgd"), (50, "momentum"), (50, "adam"), (200, "adam")):
            network = Network.build([64, 12, 3], rng=1, activation="tanh", dtype=real)
            config = TrainingConfig(
                iterations=25, batch_size=batch, optimiser=optimiser, **settings
            )
            list(training(network, data, config, data))
            found += [network.predict_proba(data.images), network.predict_proba(data.images / 1.0)]
    seen = Network.build("conv 3 3x3, pool 2, dense 6", image_shape=(8, 8), classes=3, rng=1)
    list(training(seen, data, TrainingConfig(iterations=8, **settings), data))
    found.append(seen.predict_proba(data.images))
    network = Network.build([64, 12, 3], rng=1)
    shifted = TrainingConfig(iterations=8, augmentation=Augmentation(shift=2.0), **settings)
    list(training(network, data, shifted))
    return [*found, network.predict_proba(data.images)]


def broken(*_):
    raise KernelError("numba 9 cannot compile the kernel sgd (TypeError: no)")


@pytest.fixture
def by_numpy(monkeypatch, stripes) -> list[np.ndarray]:
    """What the work comes to by NumPy: computed once, for it is the same for every kernel."""
    monkeypatch.setattr(sliced, "FEWEST", 100)
    if not BY_NUMPY:
        kernels.use("numpy")
        BY_NUMPY.extend(work(stripes))
    return BY_NUMPY


BY_NUMPY: list[np.ndarray] = []


@pytest.mark.parametrize("kernel", kernels.NAMES)
def test_whichever_kernel_does_not_compile_a_run_goes_on_by_numpy(
    monkeypatch, stripes, by_numpy, kernel
):
    module = kernels._module("numba")
    at_the_step = kernel.endswith("_steps")
    monkeypatch.setattr(module, kernel, (lambda *_: broken) if at_the_step else broken)
    kernels.use("auto")
    found = work(stripes)
    assert "numpy" == kernels.name
    for ours, numpys in zip(found, by_numpy, strict=True):
        np.testing.assert_allclose(ours, numpys, atol=2e-4)


def test_the_reason_is_told_once(monkeypatch, caplog):
    monkeypatch.setattr(kernels._module("numba"), "sgd", broken)
    kernels.use("auto")
    assert "" == kernels.remark()
    theta = np.array([1.0, 2.0], np.float32)
    for _ in range(2):
        kernels.sgd(theta, theta.copy(), np.float32(0.5))
    assert [0.25, 0.5] == theta.tolist()
    fact = "numba 9 cannot compile the kernel sgd (TypeError: no)"
    assert (fact, f"N{fact[1:]}.") == (kernels.reason, kernels.remark())
    assert [f"{fact}: NumPy computes instead"] == caplog.messages


def test_a_fault_of_warming_up_is_a_fall_back_too(monkeypatch):
    monkeypatch.setattr(kernels._module("numba"), "warm_up", lambda: 1 / 0)
    kernels.use("auto")
    kernels.warm_up()
    expected = "numpy", True, "numba failed (ZeroDivisionError: division by zero)"
    assert expected == (kernels.name, kernels.warm, kernels.reason)


def test_numba_asked_for_by_name_is_not_replaced(monkeypatch):
    monkeypatch.setattr(kernels._module("numba"), "sgd", broken)
    monkeypatch.setattr(kernels._module("numba"), "warm_up", broken)
    kernels.use("numba")
    for call in (kernels.sgd, kernels.warm_up):
        with pytest.raises(
            KernelError, match="install another numba, or set NNENGINE_KERNELS=auto"
        ):
            call()
    assert "numba" == kernels.name


def test_nobody_who_asked_for_numpy_is_told_of_numba():
    kernels.use("numpy")
    assert "" == kernels.remark()


# In a process of its own: a numba that is not as known -------------------------------------


@pytest.fixture
def say(tmp_path):
    """Return what a process prints that does some things to numba before and after our import."""

    def run(before: str, after: str = STEP, status: int = 0, **environment: str) -> str:
        environment = {"NUMBA_CACHE_DIR": str(tmp_path), "NNENGINE_KERNELS": "auto", **environment}
        done = subprocess.run(
            [sys.executable, "-c", before + IMPORTS + after],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert status == done.returncode, done.stderr
        return done.stdout.strip() if not status else done.stderr.strip().splitlines()[-1]

    return run


IMPORTS = """
import numpy as np
from nnengine import kernels
theta = np.array([1.0, 2.0], np.float32)
"""
STEP = """
kernels.sgd(theta, theta.copy(), np.float32(0.5))
print(kernels.name, theta.tolist(), kernels.remark(), sep="\\n")
"""
GONE = "import sys, numba.core.cpu; sys.modules['numba.core.codegen'] = None"  # who has it keeps it
HALVED = "[0.5, 1.0]"
FAILS = """
import numba.core.compiler as compiler
compile_extra = compiler.compile_extra
def failing(typing, target, function, *arguments, **options):
    if function.__name__ == "sgd":
        raise TypeError("it takes two arguments\\n\\nand much more is said")
    return compile_extra(typing, target, function, *arguments, **options)
compiler.compile_extra = failing
"""


def version() -> str:
    """Return numba's own."""
    return __import__("numba").__version__


@pytest.mark.parametrize("other", ["99.0.0", "1.0.0rc1", "0.59.1"])
def test_a_version_that_was_not_tried_compiles_in_its_plain_way(say, other):
    told = say(f"import numba; numba.__version__ = {other!r}")
    expected = f"Numba {other} is none of the versions tried, 0.60 to 0.68: "
    expected += "kernels may take twice as long to compile."
    assert ["numba", HALVED, expected] == told.splitlines()


def test_the_numba_that_is_here_was_tried(say):
    assert ["numba", HALVED] == say("").splitlines()


def test_a_numba_without_what_is_looked_for_inside_compiles_in_its_plain_way(say):
    name, theta, remark = say(GONE).splitlines()
    assert ("numba", HALVED) == (name, theta)
    assert remark.startswith(f"Numba {version()} is not as known (ModuleNotFoundError: ")
    assert remark.endswith("): kernels may take twice as long to compile.")


def test_a_numba_that_takes_other_arguments_inside_compiles_in_its_plain_way(say):
    change = """
from nnengine.kernels.compiled import insides
insides._CHANGES = ((insides.CPUCodeLibrary, "_optimize_functions", lambda library: None),)
"""
    name, theta, remark = say("", change + STEP).splitlines()
    assert ("numba", HALVED) == (name, theta)
    assert remark.startswith(f"Numba {version()} did not compile as it was told (TypeError: ")


def test_a_numba_that_keeps_otherwise_compiles_in_every_process(say, tmp_path):
    told = say("import numba.core.caching as c; del c.CompileResultCacheImpl").splitlines()
    assert ["numba", HALVED] == told[:2]
    assert told[2].endswith("): every process compiles kernels anew.")
    assert [] == list(tmp_path.iterdir())


def test_a_kernel_that_cannot_be_compiled_at_all_is_numpys(say):
    expected = (
        f"Numba {version()} cannot compile the kernel sgd (TypeError: it takes two arguments)."
    )
    assert ["numpy", HALVED, expected] == say(FAILS).splitlines()


def test_asked_for_by_name_it_ends_with_fault_fact_and_way_out(say):
    assert say(FAILS, status=1, NNENGINE_KERNELS="numba") == (
        f"nnengine.errors.KernelError: numba {version()} cannot compile the kernel sgd (TypeError: "
        "it takes two arguments): install another numba, or set NNENGINE_KERNELS=auto to have "
        "NumPy compute"
    )


def test_a_kernel_that_fails_while_kernels_are_made_ready_is_numpys(say):
    code = """
from nnengine.kernels import compiled
compiled.PREPARE = {"optimizers": compiled.PREPARE["optimizers"]}
compiled._SHARES = (), ("optimizers",)
compiled.helpers._CODE = ""
kernels.warm_up()
"""
    assert ["numpy", HALVED] == say(FAILS, code + STEP).splitlines()[:2]
