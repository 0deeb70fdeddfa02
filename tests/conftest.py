"""What every test may ask for: the real data, small data, each back end in turn."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

import nnengine
from nnengine import cli, kernels
from nnengine.data import apart

if importlib.util.find_spec("hypothesis"):  # not in Pyodide, where some of the tests run
    import hypothesis

    # By itself it has other inputs each time, and none may take 200 ms of the clock, however busy
    # the machine is: what fails here is to be our fault, and to fail again.
    hypothesis.settings.register_profile(
        "tests", deadline=None, derandomize="NNENGINE_LONG" not in os.environ
    )
    hypothesis.settings.load_profile("tests")

# What tests keep does not go where their user keeps things.
HOME = tempfile.TemporaryDirectory(prefix="nnengine-home-", ignore_cleanup_errors=True)
os.environ["NNENGINE_HOME"] = HOME.name

ROOT = Path(__file__).resolve().parent.parent
OURS = ("NNENGINE_", "NUMBA_")


def our_settings() -> dict[str, str]:
    """Return what the environment tells the engine and its compiler."""
    return {name: value for name, value in os.environ.items() if name.startswith(OURS)}


AT_FIRST = our_settings()  # before any test is imported


def find_data() -> Path | None:
    """Return the folder of the real data sets, or None where there is none."""
    given = os.environ.get("NNENGINE_DATA") or str(ROOT.parent / "shared" / "data")
    for folder in map(Path, given.split(os.pathsep)):
        if (folder / "mnist" / "train-images-idx3-ubyte.gz").exists():
            return folder
    return None


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder that holds mnist/ and fashion-mnist/, or a skip that says where it looked."""
    folder = find_data()
    if folder is None:
        pytest.skip("no real data: set NNENGINE_DATA to a folder that holds mnist/*.gz")
    return folder


@pytest.fixture(scope="session")
def mnist_files(data_dir: Path) -> dict[str, Path]:
    """The four published MNIST files by short names."""
    folder = data_dir / "mnist"
    return {
        "train_images": folder / "train-images-idx3-ubyte.gz",
        "train_labels": folder / "train-labels-idx1-ubyte.gz",
        "test_images": folder / "t10k-images-idx3-ubyte.gz",
        "test_labels": folder / "t10k-labels-idx1-ubyte.gz",
    }


@pytest.fixture(scope="session", autouse=True)
def one_helper() -> Iterator[None]:
    """Files that are read by a process of their own share one: it takes 0.4 s to start."""
    with apart.kept():
        yield


@pytest.fixture
def stripes() -> tuple[np.ndarray, np.ndarray]:
    """300 noisy 8x8 images of three easy classes: a bright band at the top, middle or bottom."""
    rng = np.random.default_rng(3)
    labels = np.arange(300, dtype=np.uint8) % 3
    images = rng.integers(0, 60, size=(300, 8, 8)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[1 + 2 * label : 3 + 2 * label] += 150
    return images, labels


@pytest.fixture
def nothing_ships(monkeypatch):
    """An installation whose networks cannot be read."""

    def missing(name):
        raise FileNotFoundError(name)

    monkeypatch.setattr(nnengine, "shipped", missing)


@pytest.fixture(params=kernels.BACK_ENDS)
def k(request):
    """One back end's kernels, or a skip that says why it cannot be had."""
    reason = kernels.available()[request.param]
    if reason:
        pytest.skip(f"{request.param} kernels: {reason}")
    return importlib.import_module(kernels._MODULES[request.param], kernels.__name__)


@pytest.fixture(params=kernels.BACK_ENDS)
def back_end(request):
    """Each back end in turn, in use; or a skip that says why it cannot be had."""
    reason = kernels.available()[request.param]
    if reason:
        pytest.skip(f"{request.param} kernels: {reason}")
    before = kernels.name
    kernels.use(request.param)
    yield request.param
    kernels.use(before)


def pytest_addoption(parser) -> None:
    parser.addoption("--sweep", type=int, default=12, help="networks of any layers: tests/sweep.py")


# Two at a time (pytest -n 2) ---------------------------------------------------------------

WORKER = "PYTEST_XDIST_WORKER"  # set where a process is one of several


def pytest_configure() -> None:
    """Let NumPy's products be made by one thread of each process.

    With two each, threads wait in loops for others that have no core: ten steps of the original's
    formulas on all of MNIST took 11.0 s of the processor in place of 1.9 beside other work.
    """
    if WORKER in os.environ:
        import threadpoolctl

        threadpoolctl.threadpool_limits(1, user_api="blas")
    if importlib.util.find_spec("streamlit") and version("streamlit") < (1, 66):
        share_components()


def version(package: str) -> tuple[int, ...]:
    """Return the first two numbers of an installed package's version."""
    return tuple(int(part) for part in metadata.version(package).split(".")[:2])


def share_components() -> None:
    """Let every AppTest know the components that were made when the first of them imported them.

    Each AppTest is a runtime of its own, and Streamlit before 1.66 registers a component with the
    one that runs when it is made, which is once in a process. A server has a single runtime.
    """
    from streamlit.components import v2
    from streamlit.components.v2.component_manager import BidiComponentManager
    from streamlit.testing.v1 import app_test

    known = BidiComponentManager()
    known.discover_and_register_components(start_file_watching=False)
    # Done again, it would take the canvas for one that nobody has made yet.
    known.discover_and_register_components = lambda start_file_watching: None
    v2.get_bidi_component_manager = app_test.BidiComponentManager = lambda: known


# Of what drives the app in browsers, what needs the static site.
IN_TABS = ("firefox", "hidden", "parity", "site")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give one process all that drives the app on its server, another the same in a tab, and to
    whoever is free the others file by file.

    A server and a site are then started once, and what a module shares is made once. Those parts
    are the longest, so they come first, beside each other; pages of one's own need neither.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::")[0]
            name = file.removeprefix("tests/browser/test_").removesuffix(".py")
            if name == file.removesuffix(".py") or name == "demo":
                return file
            return "tab" if name in IN_TABS else "app"

    config.option.loadscopereorder = False  # browsers are the first to be collected
    return ByFile(config, log)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a test by a file's place among others, not by its bytes: a zip holds the time.

    Two processes that collect the same tests two seconds apart would find different ones.
    """
    return argname if isinstance(val, bytes) and len(val) > 16 else None


def measures_time(item) -> bool:
    return item.get_closest_marker("alone") is not None


def pytest_collection_modifyitems(items) -> None:
    """Leave for the end what waits for other processes to come to theirs."""
    items.sort(key=measures_time)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Let a test that measures time wait until it is alone, before its own time is counted."""
    with turn(alone=measures_time(item)):
        return (yield)


@contextlib.contextmanager
def turn(alone: bool) -> Iterator[None]:
    """Hold a place among the tests that run in all processes, or every place."""
    if WORKER not in os.environ:
        yield
        return
    import fcntl  # where there is none, on Windows, tests run one at a time

    # Any two files that are there will do.
    with open(__file__) as door, (ROOT / "pyproject.toml").open() as room:
        fcntl.flock(door, fcntl.LOCK_EX)  # whoever waits to be alone lets nobody else pass
        fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(door, fcntl.LOCK_UN)
        yield


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 64 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no mount here, with which to make a small disk")
    if done.returncode:
        pytest.skip("only root may make a small disk")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
def run(capsys):
    """Run one command; return (exit status, standard output, standard error)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        status = cli.main([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return run


def without_rights() -> tuple[str, ...]:
    """Return what comes before a command that is to mind who may write where: root does not."""
    if not hasattr(os, "geteuid"):
        pytest.skip("this system knows no such rights")
    if os.geteuid():
        return ()
    if not shutil.which("setpriv"):
        pytest.skip("root may write everywhere, and setpriv is not here")
    return "setpriv", "--bounding-set=-all", "--inh-caps=-all"
