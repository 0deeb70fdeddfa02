"""The doors between rooms open one way; this reads the imports and says which one does not."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Every room may import those named before it, and what stands in its own row.
ENGINE = (
    {"_version", "errors"},
    {"idxheader", "sources", "npy"},
    {"idx"},
    {"dataset", "drawing", "pen"},
    {"synthetic", "forms"},
    {"kernels"},
    {"augment"},
    {"catalogue", "fetch"},
    {"activations", "packed", "grouped"},
    {"layers", "losses", "optimizers", "shapes"},
    {"network", "events", "cost", "course"},
    {"metrics", "training"},
    {"calibration", "fragility", "teaching"},
    {"modelheader"},
    {"modelfile"},
    {"minimal", "models", "linkfile", "demo", "checkpoint"},
    {"progress", "report"},
    {"cli"},
    {"__init__", "__main__"},
)
DASHBOARD = (
    {"__init__", "style", "tab", "browser"},
    {"figures", "pictures"},
    {"files", "pace", "recipe", "links"},
    {"run"},
    {"runs"},
    {"library"},
    {"visits"},
    {"keepsake"},
    {"state"},
    {"components"},
    {"views"},
    {"app"},
)
# Imported late and on purpose, so that a method can stand where its users look for it.
LATE = {("network", "modelfile")}


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Return the dotted names a file imports, its relative ones resolved."""
    package = path.relative_to(ROOT).parent.parts
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*base, *filter(None, [node.module])))
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return names


def room(name: str, package: str) -> str | None:
    """Return the room of a package that a dotted name leads into."""
    parts = name.split(".")
    return parts[1] if parts[0] == package and len(parts) > 1 else None


@pytest.mark.parametrize(("package", "rows"), [("nnengine", ENGINE), ("dashboard", DASHBOARD)])
def test_no_door_opens_the_wrong_way(package, rows):
    level = {name: row for row, names in enumerate(rows) for name in names}
    wrong = []
    for path in modules(package):
        here = path.relative_to(ROOT / package).parts[0].removesuffix(".py")
        if package == "dashboard" and here not in level:
            level[here] = level["views"] - 0.5  # a view's helper: may use state, not be used by it
        for name in imported(path):
            there = room(name, package)
            if there in level and level[there] > level[here] and (here, there) not in LATE:
                wrong.append(f"{path.relative_to(ROOT)} imports {there}")
    assert [] == sorted(set(wrong))


def test_every_room_of_the_engine_has_its_place():
    known = set().union(*ENGINE)
    found = {path.relative_to(ROOT / "nnengine").parts[0] for path in modules("nnengine")}
    assert set() == {name.removesuffix(".py") for name in found} - known


def names_in(path: Path) -> set[str]:
    """Return every name and attribute a file mentions."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    return {node.id for node in nodes if isinstance(node, ast.Name)} | {
        node.attr for node in nodes if isinstance(node, ast.Attribute)
    }


def users_of(library: str) -> set[str]:
    """Return the files that import a library."""
    return {
        str(path.relative_to(ROOT))
        for package in ("nnengine", "dashboard")
        for path in modules(package)
        if any(name.split(".")[0] == library for name in imported(path))
    }


@pytest.mark.parametrize("library", ["streamlit", "plotly", "PIL", "pandas"])
def test_the_engine_knows_no_screen(library):
    allowed = {"nnengine/forms/pictures.py"} if library == "PIL" else set()  # files, not a screen
    assert allowed == {path for path in users_of(library) if path.startswith("nnengine")}


def test_only_the_compiler_and_its_vectors_import_numba():
    names = "ahead_of_time atomic bits compiling insides keeping quicker simd tiles"
    expected = {f"nnengine/kernels/{name}.py" for name in names.split()}
    assert expected == users_of("numba")


def test_threads_are_started_in_two_places():
    """Elsewhere a lock is enough: Streamlit brings a thread for every session."""
    starters = {
        str(path.relative_to(ROOT))
        for package in ("nnengine", "dashboard")
        for path in modules(package)
        if {"Thread", "ThreadPoolExecutor", "Timer"} & names_in(path)
    }
    assert {"nnengine/kernels/workers.py", "dashboard/runs.py"} == starters


@pytest.mark.parametrize("name", ["session_state", "query_params", "cache_resource", "cache_data"])
def test_only_state_remembers_through_streamlit(name):
    users = {str(path.relative_to(ROOT)) for path in modules("dashboard") if name in names_in(path)}
    assert users <= {"dashboard/state/session.py"}


def test_figures_know_no_streamlit():
    assert "dashboard/figures.py" not in users_of("streamlit")
    assert "dashboard/pictures.py" not in users_of("streamlit")


def test_nothing_unpickles():
    assert set() == users_of("pickle")


def test_the_engine_imports_with_numpy_alone():
    code = (
        "import sys\n"
        "for name in ('numba', 'llvmlite', 'streamlit', 'plotly', 'PIL', 'tqdm', 'pandas',\n"
        "             'threadpoolctl', 'scipy', 'sklearn', 'platformdirs', 'certifi', 'ssl'):\n"
        "    sys.modules[name] = None\n"
        "import nnengine, nnengine.cli, nnengine.drawing, nnengine.metrics\n"
        "print(nnengine.kernels.name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert ("numpy\n", "") == (done.stdout, done.stderr)
