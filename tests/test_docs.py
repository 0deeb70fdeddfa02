"""What README and docs say is so: paths, links, commands, names, rooms and doors are there."""

from __future__ import annotations

import ast
import importlib.util
import io
import re
import subprocess
import sys
from contextlib import redirect_stdout, suppress
from itertools import chain
from pathlib import Path

import pytest

from nnengine import EpochFinished, Network, TrainingConfig, TrainingFinished, kernels, training
from nnengine.cli import main
from nnengine.data import synthetic
from nnengine.training.batches import SAMPLE
from nnengine.training.settings import Row

ROOT = Path(__file__).resolve().parent.parent
README, CONTRIBUTING = ROOT / "README.md", ROOT / "CONTRIBUTING.md"
DOCS = [README, CONTRIBUTING, *sorted((ROOT / "docs").glob("*.md"))]
READING, ARCHITECTURE = ROOT / "docs" / "reading.md", ROOT / "docs" / "architecture.md"
EXAMPLE = ROOT / "examples" / "core_alone.py"
# What the worked examples of CONTRIBUTING.md would add.
TO_COME = {
    "nnengine/data/readers/jsonlines.py",
    "dashboard/views/balance.py",
    "tests/test_view_balance.py",
}
MADE = {"dashboard/static/plotly.min.js"}  # by whoever runs it
FOLDERS = "nnengine|dashboard|tests|benchmarks|docs|examples"
OPEN = {"_version", "errors", "renamed"}  # to every room

by_name = pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def code_of(page: Path) -> list[str]:
    """Return the commands of a page: lines of shell blocks, joined where they go on, and spans."""
    blocks = re.findall(r"```sh\n(.*?)```", text_of(page), re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.partition("  #")[0].strip() for line in lines] + spans_of(text_of(page))


def spans_of(text: str) -> list[str]:
    """Return what stands between backticks outside blocks, each in one line."""
    text = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text)]


def anchors_of(page: Path) -> set[str]:
    """Return what links may name after a "#": headings as GitHub writes them."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in headings}


def links_of(page: Path) -> list[tuple[Path, str]]:
    """Return the files and headings that a page links to, without those elsewhere."""
    found = re.findall(r"\]\(([^)\s]+)\)", text_of(page))
    parts = [link.partition("#") for link in found if not link.startswith("http")]
    return [((page.parent / file).resolve() if file else page, to) for file, _, to in parts]


def sources() -> str:
    """Return all of the project's own code as one text."""
    files = chain.from_iterable((ROOT / name).rglob("*.py") for name in ("nnengine", "dashboard"))
    return "\n".join(map(text_of, files))


def missing(names: set[str], code: str) -> set[str]:
    """Return those of the names, dotted ones part by part, that stand nowhere in the code."""
    words = set(re.findall(r"\w+", code))
    return {name for name in names if not set(name.split(".")) <= words}


def names_in(text: str) -> set[str]:
    """Return the spans that are names of Python, maybe dotted."""
    return {span for span in spans_of(text) if re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", span)}


def section(page: Path, title: str) -> str:
    """Return what stands below a heading of the second level, up to the next one."""
    return text_of(page).split(f"\n## {title}", 1)[1].split("\n## ")[0]


# Every page ------------------------------------------------------------------------------


def test_the_readme_is_two_screens_long():
    assert len(text_of(README).splitlines()) <= 130


@by_name
def test_every_link_leads_somewhere(page):
    wrong = [
        f"{file.name}#{to}"
        for file, to in links_of(page)
        if not file.exists() or to and to not in anchors_of(file)
    ]
    assert [] == wrong


def test_every_page_is_found_from_the_readme():
    found, waiting = set(), [README]
    while waiting:
        page = waiting.pop()
        found.add(page)
        waiting += [to for to, _ in links_of(page) if to.suffix == ".md" and to not in found]
    assert [] == [page.name for page in DOCS if page not in found]


@by_name
def test_every_path_that_is_named_exists(page):
    named = re.findall(rf"(?<![\w/.-])(?:{FOLDERS})/[\w./-]*\w", " ".join(code_of(page)))
    gone = {path for path in named if not (ROOT / path).exists()}
    assert set() == gone - TO_COME - MADE


@by_name
def test_every_target_of_make_exists(page):
    makefile = text_of(ROOT / "Makefile").replace("$(VENV)", ".venv")
    wanted = [word for line in code_of(page) for word in targets_of(line)]
    assert [] == [target for target in wanted if f"\n{target}:" not in makefile]


def targets_of(line: str) -> list[str]:
    """Return what a command has make do; NAME=value and the value's other words are no targets."""
    if not line.startswith("make "):
        return []
    words = re.sub(r"""[A-Z_]+=("[^"]*"|\S*)""", "", line).split()[1:]
    return [word for word in words if not word.startswith("-")]


@by_name
def test_every_command_of_the_engine_exists_with_its_options(page, capsys):
    wrong = []
    for line in code_of(page):
        said = re.sub(r"^(\w+=\S+ )*", "", line).split()
        if said[:1] != ["nnengine"] or len(said) < 2 or said[1].startswith("-"):
            continue
        with suppress(SystemExit):  # some let the parser end it
            main([said[1], "--help"])
        known = capsys.readouterr().out
        assert f"usage: nnengine {said[1]} " in known, line
        options = {word.partition("=")[0] for word in said if word.startswith("--")}
        wrong += [f"{said[1]} {one}" for one in options - {"--help"} if one not in known]
    assert [] == wrong


@by_name
def test_every_variable_of_the_environment_is_read_somewhere(page):
    bounds = {f"NNENGINE_{name.upper()}" for name in re.findall(r"^    (\w+): int", text_of(
        ROOT / "dashboard" / "runs" / "bounds.py"), re.MULTILINE)}  # fmt: skip
    named = set(re.findall(r"NNENGINE_[A-Z_]+", text_of(page))) - bounds
    tests = "\n".join(map(text_of, (ROOT / "tests").rglob("*.py")))
    assert set() == missing(named, sources() + tests)


BLOCKS = [
    pytest.param(kind, code, id=f"{page.name}-{number}")
    for page in DOCS
    for number, (kind, code) in enumerate(
        re.findall(r"<!-- runs(: numba)? -->\n```python\n(.*?)```", text_of(page), re.DOTALL), 1
    )
]


@pytest.mark.parametrize(("kind", "code"), BLOCKS)
def test_code_that_is_said_to_run_does(kind, code, tmp_path, monkeypatch):
    if kind and (reason := kernels.available()["numba"]):
        pytest.skip(f"numba kernels: {reason}")
    monkeypatch.chdir(tmp_path)
    with redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, "a block of the docs", "exec"), {"__name__": "block"})
    assert printed.getvalue()


@pytest.mark.parametrize("page", [README, READING], ids=lambda page: page.name)
def test_all_code_of_the_readme_and_of_the_evening_runs(page):
    written = text_of(page).count("```python\n")
    assert written == len(re.findall(r"<!-- runs[^>]*-->\n```python\n", text_of(page)))


# The evening -----------------------------------------------------------------------------

NOT_THERE = {"linear", "pass"}  # what exercises put there
STOPS = re.findall(r"^## [^:\n]+: (`.+)$", text_of(READING), re.MULTILINE)


def file_of(name: str) -> Path:
    return ROOT / name if name.startswith("tests/") else ROOT / "nnengine" / name


@pytest.mark.parametrize("stop", STOPS)
def test_what_an_evening_is_to_look_for_is_there(stop):
    part = text_of(READING).split(stop, 1)[1].split("\n## ")[0]
    files = [span for span in spans_of(stop + part) if re.fullmatch(r"[\w/]+\.py", span)]
    assert [] == [name for name in files if not file_of(name).exists()]
    code = "\n".join(text_of(file_of(name)) for name in files)
    assert set() == missing(names_in(part) - NOT_THERE, code)


@pytest.mark.parametrize("stop", STOPS)
def test_the_evening_is_about_as_long_as_it_says(stop):
    for name, said in re.findall(r"`([\w/]+\.py)`, (\d+)", stop):
        assert pytest.approx(len(text_of(file_of(name)).splitlines()), rel=0.15) == int(said)


def test_the_core_and_the_loop_have_about_as_many_lines_as_it_says():
    files = [*(ROOT / "nnengine" / "core").glob("*.py"), file_of("training/loop.py")]
    (said,) = re.findall(r"some ([\d,]+) lines", " ".join(text_of(READING).split()))
    found = sum(len(text_of(file).splitlines()) for file in files)
    assert pytest.approx(found, rel=0.1) == int(said.replace(",", ""))


# The house -------------------------------------------------------------------------------


def drawn() -> set[str]:
    """Return the folders of the tree in architecture.md."""
    block = re.search(r"```text\n(.*?)```", text_of(ARCHITECTURE), re.DOTALL)[1]
    found, above = set(), {}
    for indent, name in re.findall(r"^( *)([\w.]+)/", block, re.MULTILINE):
        depth = len(indent) // 2
        above[depth] = f"{above[depth - 1]}/{name}" if depth else name
        found.add(above[depth])
    return found


def on_disk() -> set[str]:
    """Return the folders of both packages that hold files; those that Python keeps do not count."""
    files = [
        path.relative_to(ROOT)
        for package in ("nnengine", "dashboard")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    return {folder.as_posix() for file in files for folder in file.parents[:-1]}


def test_the_rooms_drawn_are_those_on_the_disk():
    assert on_disk() == drawn()


def documented_doors() -> set[tuple[str, str]]:
    """Return (room, room that it may import) for every row of the table."""
    rows = re.findall(r"^\| `(nnengine|dashboard)/(\w+)` \| (.*) \|$", text_of(ARCHITECTURE), re.M)
    return {
        (f"{package}/{room}", f"{package}/{other}")
        for package, room, others in rows
        for other in re.findall(r"`(\w+)`", others)
    }


def used_doors() -> set[tuple[str, str]]:
    """Return (room, room) wherever a file of one imports from the other, in the same package."""
    found = set()
    for package in ("nnengine", "dashboard"):
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).parts
            rooms = {
                name.split(".")[1] for name in imported(path) if name.startswith(f"{package}.")
            }
            if len(parts) > 2:
                found |= {
                    ("/".join(parts[:2]), f"{package}/{room}")
                    for room in rooms - {parts[1]}
                    if (ROOT / package / room).is_dir()
                }
    return found


def imported(path: Path) -> set[str]:
    """Return the dotted names that a file imports, its relative ones resolved."""
    package, names = path.relative_to(ROOT).parent.parts, set()
    for node in ast.walk(ast.parse(text_of(path))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            stem = ".".join([*base, *filter(None, [node.module])])
            names |= {f"{stem}.{alias.name}" for alias in node.names}
    return names


def test_the_doors_in_the_table_are_those_that_the_code_uses():
    assert sorted(used_doors()) == sorted(documented_doors())


@pytest.mark.parametrize(
    "way", ["The way of an image", "The way of a recipe", "The way of a drawing", "Before you move"]
)
def test_what_stands_on_the_ways_is_there(way):
    assert set() == missing(names_in(section(ARCHITECTURE, way)) - {"pyproject.toml"}, sources())


# Contributing ----------------------------------------------------------------------------


def test_the_row_of_the_worked_setting_is_one():
    block = re.search(r" +Row\(\n.*?\n   \),\n", text_of(CONTRIBUTING), re.DOTALL)[0]
    names = {"Row": Row}
    exec("from nnengine.training.kinds import Number", names)
    (row,) = eval(f"({block})", names)
    assert "a number from 0 to below 1" == row.kind.wanted


@pytest.mark.parametrize("title", ["A kernel", "An activation", "A format", "A setting", "A page"])
def test_what_the_worked_examples_build_on_is_there(title):
    new = {"elu", "elu_slope", "ELU", "clip", "now.clip", "kernels.clip", "jsonlines", "real", "k"}
    part, tests = section(CONTRIBUTING, title), [ROOT / "tests" / f"test_{name}.py" for name in (
        "kernels", "settings", "sharing")]  # fmt: skip
    known = sources() + "\n".join(map(text_of, tests))
    assert set() == missing(names_in(part) - new, known)


# The core alone --------------------------------------------------------------------------


def example():
    spec = importlib.util.spec_from_file_location("core_alone", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def numpy_kernels():
    before = kernels.name
    kernels.use("numpy")
    yield
    kernels.use(before)


def test_the_core_alone_has_the_numbers_of_a_run(numpy_kernels):
    train, test = synthetic.digits(1500, seed=0), synthetic.digits(300, seed=1)
    config = TrainingConfig(
        epochs=3, optimizer="adam", learning_rate=0.001, seed=7, train_sample=SAMPLE
    )
    known = training(Network.build([784, 16, 10], rng=7), train, config, test)
    expected = [
        (event.train_loss, event.train_accuracy, event.val_loss, event.val_accuracy)
        for event in known
        if isinstance(event, EpochFinished | TrainingFinished)
    ]
    module = example()
    sides = [module.Split(data.images, data.labels) for data in (train, test)]
    alone = module.epochs(Network.build([784, 16, 10], rng=7), *sides, config)
    found = [(a.loss, a.accuracy, b.loss, b.accuracy) for a, b in alone]
    assert 3 == len(expected) == len(found)
    for one, other in zip(expected, found, strict=True):
        assert pytest.approx(one, rel=1e-6) == other


def test_the_core_alone_is_a_page_and_takes_nothing_but_the_core_the_loop_and_digits():
    assert len(text_of(EXAMPLE).splitlines()) <= 70
    taken = {name.rpartition(".")[0] for name in imported(EXAMPLE) if name.startswith("nnengine")}
    assert taken <= {
        "nnengine.core",
        "nnengine.core.metrics",
        "nnengine.data",
        "nnengine.training.batches",
        "nnengine.training.config",
        "nnengine.training.loop",
    }


def test_the_core_alone_prints_its_curves_and_what_it_takes_for_what():
    command = [sys.executable, str(EXAMPLE), "--epochs", "2"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert ("", 0) == (done.stderr, done.returncode)
    lines = done.stdout.splitlines()
    shares = [float(lines[n].split()[-1].rstrip("%")) for n in (1, 2)]
    assert 90 < shares[0] < shares[1]
    assert "digits down the side, answers across" in lines
