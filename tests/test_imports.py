"""The doors between rooms open one way: every import is held to the list of who may use whom."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

import reading  # noqa: E402

from tests.conftest import AT_FIRST, our_settings  # noqa: E402

# Every room, a folder or a file at the top, and the rooms it uses: those that stand above it alone.
ENGINE = {
    "errors": "",
    "_version": "",
    "renamed": "",
    "early": "",
    "core": "errors",
    "kernels": "core errors",  # it opens its back ends by name
    "kernels/compiled": "errors kernels",
    "kernels/wasm": "kernels kernels/compiled",
    "data": "core errors kernels",
    "data/synthetic": "data errors",
    "data/catalogue": "data data/synthetic errors",
    "data/readers": "core data data/synthetic errors",
    "training": "core data errors",
    "fast": "core data kernels training",
    "training/__init__": "core data errors fast kernels training",
    "storage": "core data errors renamed training",
    "exchange": "_version core data errors storage training",
    "models": "core errors storage",
    "analysis": "core data errors kernels models",
    "homework": "analysis data data/readers data/synthetic errors exchange storage",
    "fitting": "core data errors fast training",
    "estimator": "core data errors fitting training",
    "searching": "core data errors training training/__init__",
    "compat": "core data errors renamed storage training/__init__",
    "demo": "_version analysis core errors models",
    "notebook": "core data training",
    "__init__": "_version compat core data data/catalogue early errors exchange homework models "
    "notebook renamed storage training training/__init__",
    "cli": "_version analysis core data data/catalogue data/readers demo errors exchange homework "
    "kernels renamed searching storage training training/__init__",
    "__main__": "cli",
}
DASHBOARD = {
    "__init__": "",
    "host": "",
    "present": "",
    "runs": "host",
    "store": "host present runs",
    "state": "host runs store",
    "components": "host present",
    "sections": "components host present runs state store",
    "views": "components host present sections state",
    "app": "host present sections state",
    "server": "host state",
    "web": "",
}
# What the rooms of the dashboard use of the engine.
OF_ENGINE = {
    "__init__": "",
    "host": "",
    "present": "analysis core data errors homework training training/__init__",
    "runs": "analysis core data errors kernels renamed searching storage training "
    "training/__init__",
    "store": "__init__ analysis core data data/catalogue data/readers errors kernels storage "
    "training training/__init__",
    "state": "__init__ data data/catalogue errors searching storage",
    "components": "",
    "sections": "analysis core data data/catalogue data/readers demo errors exchange homework "
    "kernels searching storage training training/__init__",
    "views": "core data data/readers",
    "app": "",
    "server": "",
    "web": "cli data/catalogue kernels/wasm",
}
# The loop is handed its executor: only who checks its types reads what that is.
FOR_TYPES_ALONE = {("nnengine/training", "nnengine/fast")}
# A package whose front door stands above its rooms: it knows what they must not.
FRONT_DOORS = ("training/__init__",)


def compilers(names: str) -> str:
    """Return the files of these names among the compiled kernels, and who compiles for browsers."""
    here = [f"nnengine/kernels/compiled/{name}.py" for name in names.split()]
    return " ".join([*here, "nnengine/kernels/wasm/ahead_of_time.py"])


# Who may import what comes from elsewhere, or from Python and is dangerous: rooms and files.
LIBRARIES = {
    "numba": compilers("atomic bits compiling insides keeping quicker simd tiles window_tiles"),
    "llvmlite": compilers("atomic bits insides keeping simd tiles window_tiles"),
    "streamlit": "dashboard/app.py dashboard/server.py dashboard/components dashboard/sections "
    "dashboard/host/flushing.py dashboard/host/sessions.py dashboard/host/tab.py "
    "dashboard/host/uploads.py dashboard/state dashboard/views",
    "plotly": "dashboard/components/live_plot.py dashboard/host/ahead.py "
    "dashboard/present/curves.py dashboard/present/figures.py",
    "PIL": "dashboard/present/pictures.py dashboard/store/picturefile.py "
    "nnengine/data/readers/decoding.py",
    "h5py": "nnengine/data/readers/hdf5.py nnengine/exchange/keras.py "
    "nnengine/exchange/keras_held.py",
    "pyarrow": "nnengine/data/readers/parquet.py nnengine/data/readers/writers.py",
    "pandas": "",
    "sklearn": "nnengine/estimator.py",
    "distributed": "nnengine/cli/search.py",
    "torch": "nnengine/data/taking.py",
    "pickle": "",
    "multiprocessing": "",
    "subprocess": "dashboard/web/gather.py nnengine/cli/app.py nnengine/data/apart.py "
    "nnengine/kernels/compiled/helpers.py nnengine/kernels/wasm/ahead_of_time.py",
    # Locks, mostly; who starts threads: see NAMES.
    "threading": "dashboard/runs/race.py dashboard/runs/recording.py dashboard/runs/scheduler.py "
    "dashboard/store dashboard/state/session.py nnengine/data/apart.py nnengine/fast/groups.py "
    "nnengine/kernels/__init__.py nnengine/kernels/compiled/insides.py "
    "nnengine/kernels/compiled/scratch.py nnengine/kernels/compiled/window_answers.py "
    "nnengine/storage/runfile.py",
}
# Who may say a name.
NAMES = {
    "Thread": "dashboard/runs/scheduler.py",  # Streamlit brings one for every session
    "ThreadPoolExecutor": "nnengine/kernels/workers.py",
    "Timer": "nnengine/data/apart.py",  # ends a process that takes too long
    "session_state": "dashboard/state/session.py",
    "query_params": "dashboard/state/session.py",
    # What outlives a page is no cache: Streamlit forgets these when anybody clears them.
    "cache_resource": "",
    "cache_data": "",
}

PAGE_LINES, FUNCTION_LINES = 120, 40
CORE_LINES, PATH_LINES, PATH_MODULES = 2000, 3100, 21


def files(*folders: str) -> list[Path]:
    """Return every Python file of the project, or of some of its folders."""
    return sorted(
        file
        for folder in folders or ("nnengine", "dashboard")
        for file in (ROOT / folder).rglob("*.py")
    )


def name_of(file: Path) -> str:
    return str(file.relative_to(ROOT))


def room_of(file: Path) -> str:
    """Return the room a file stands in, with its package: "nnengine/core", "dashboard/app"."""
    package, *inside = file.relative_to(ROOT).with_suffix("").parts
    door = "/".join(inside)
    at_top = len(inside) == 1 or package == "nnengine" and door in FRONT_DOORS
    return f"{package}/{door if at_top else '/'.join(inside[:-1])}"


@functools.cache
def tree(file: Path) -> ast.Module:
    """Return a file's syntax, read once for all tests that ask it something."""
    return ast.parse(file.read_text())


def statements(node: ast.AST, for_types: bool = False) -> Iterator[tuple[ast.stmt, bool]]:
    """Yield the imports below a node, those of functions too, and whether types alone need them."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, for_types
        else:
            checking = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
            yield from statements(child, for_types or checking)


@functools.cache
def imported(file: Path) -> set[tuple[str, bool]]:
    """Return the dotted names a file imports, relative ones resolved; and if for types alone."""
    package = file.relative_to(ROOT).parent.parts
    found = set()
    for node, for_types in statements(tree(file)):
        if isinstance(node, ast.Import):
            found |= {(alias.name, for_types) for alias in node.names}
        else:
            base = package[: len(package) - node.level + 1] if node.level else ()
            stem = ".".join((*base, *filter(None, [node.module])))
            found |= {(f"{stem}.{alias.name}", for_types) for alias in node.names}
    return found


@functools.cache
def file_of(name: str) -> Path | None:
    """Return the file of this project that holds what a dotted name means."""
    place = ROOT.joinpath(*name.split("."))
    for file in (place / "__init__.py", place.with_suffix(".py")):
        if file.exists():
            return file
    above = name.rpartition(".")[0]
    return file_of(above) if above else None


@functools.cache
def used(file: Path) -> set[tuple[Path, bool]]:
    """Return the files of this project that a file imports, and whether for types alone."""
    return {
        (there, for_types) for name, for_types in imported(file) if (there := file_of(name))
    } - {(file, False)}


def edges() -> set[tuple[str, str]]:
    """Return which room uses which."""
    found = set()
    for file in files():
        for there, for_types in used(file):
            edge = room_of(file), room_of(there)
            if edge[0] != edge[1] and not (for_types and edge in FOR_TYPES_ALONE):
                found.add(edge)
    return found


def allowed() -> set[tuple[str, str]]:
    """Return the same as the lists have it."""
    lists = (
        ("nnengine", ENGINE, "nnengine"),
        ("dashboard", DASHBOARD, "dashboard"),
        ("dashboard", OF_ENGINE, "nnengine"),
    )
    return {
        (f"{package}/{here}", f"{other}/{there}")
        for package, rooms, other in lists
        for here, doors in rooms.items()
        for there in doors.split()
    }


def test_every_file_stands_in_a_room():
    rooms = {f"nnengine/{room}" for room in ENGINE} | {f"dashboard/{room}" for room in DASHBOARD}
    assert rooms == {room_of(file) for file in files()}


def test_no_room_uses_another_without_a_door():
    assert [] == sorted(edges() - allowed())


def test_no_door_is_kept_that_nobody_uses():
    assert [] == sorted(allowed() - edges())


@pytest.mark.parametrize("rooms", [ENGINE, DASHBOARD], ids=["engine", "dashboard"])
def test_doors_open_one_way(rooms):
    above = list(rooms)
    wrong = [
        f"{room} uses {door}"
        for n, room in enumerate(above)
        for door in rooms[room].split()
        if door not in above[:n]
    ]
    assert [] == wrong


def test_no_file_uses_itself_by_way_of_others():
    TopologicalSorter(
        {
            name_of(file): {name_of(there) for there, for_types in used(file) if not for_types}
            for file in files()
        }
    ).prepare()  # raises CycleError, which names the files


def test_the_loop_uses_the_core_and_its_siblings_alone():
    rooms = {
        room_of(there)
        for there, for_types in used(ROOT / "nnengine/training/loop.py")
        if not for_types
    }
    assert rooms <= {"nnengine/core", "nnengine/errors", "nnengine/training"}


def test_the_core_takes_numpy_from_elsewhere_and_nothing_else():
    tops = {name.split(".")[0] for file in files("nnengine/core") for name, _ in imported(file)}
    assert {"nnengine", "numpy"} == tops - sys.stdlib_module_names


def test_the_core_is_an_evenings_reading():
    assert sum(reading.core().values()) <= CORE_LINES


def test_the_way_from_training_to_the_ground_is_short():
    path = reading.path()
    assert len(path) <= PATH_MODULES
    assert sum(map(reading.lines, path)) <= PATH_LINES


def stands_in(file: str, places: str) -> bool:
    return any(file == place or file.startswith(f"{place}/") for place in places.split())


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_is_known_where_it_belongs(library):
    users = {
        name_of(file)
        for file in files()
        if any(name.split(".")[0] == library for name, _ in imported(file))
    }
    assert [] == sorted(file for file in users if not stands_in(file, LIBRARIES[library]))
    unused = [p for p in LIBRARIES[library].split() if not any(stands_in(u, p) for u in users)]
    assert [] == unused


@functools.cache
def said(file: Path) -> set[str]:
    """Return every name and attribute a file mentions."""
    nodes = list(ast.walk(tree(file)))
    return {node.id for node in nodes if isinstance(node, ast.Name)} | {
        node.attr for node in nodes if isinstance(node, ast.Attribute)
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_said_where_it_belongs(name):
    assert NAMES[name].split() == [name_of(file) for file in files() if name in said(file)]


@pytest.mark.parametrize("file", files("dashboard/views"), ids=name_of)
def test_a_page_is_short_enough_to_be_read_at_once(file):
    assert len(file.read_text().splitlines()) <= PAGE_LINES


def test_no_function_is_longer_than_a_screen():
    """Kernels are: one that was cut would be compiled in pieces."""
    long = [
        f"{name_of(file)}: {node.name} has {node.end_lineno - node.lineno + 1} lines"
        for file in files()
        if not stands_in(name_of(file), "nnengine/kernels")
        for node in ast.walk(tree(file))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno + 1 > FUNCTION_LINES
    ]
    assert [] == long


def test_every_file_begins_with_what_it_is_for():
    def claim(file: Path) -> str:
        """Return the first paragraph of a file's docstring."""
        return (ast.get_docstring(tree(file)) or "").partition("\n\n")[0]

    assert [] == [name_of(file) for file in files() if not claim(file).endswith(".")]


def test_the_engine_imports_with_numpy_alone():
    code = (
        "import sys\n"
        "for name in ('numba', 'llvmlite', 'streamlit', 'plotly', 'PIL', 'tqdm', 'pandas',\n"
        "             'threadpoolctl', 'scipy', 'sklearn', 'platformdirs', 'certifi', 'ssl',\n"
        "             'pyarrow', 'h5py'):\n"
        "    sys.modules[name] = None\n"
        "import nnengine, nnengine.cli, nnengine.data.framing, nnengine.core.metrics\n"
        "print(nnengine.kernels.name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert ("numpy\n", "") == (done.stdout, done.stderr)


def test_no_test_tells_the_engine_what_all_processes_of_others_would_hear():
    """One module that chose NumPy when it was imported had the browser's server train by it."""
    assert AT_FIRST == our_settings()
