"""Reading: how much there is to read, from `training` to the ground.

The path of the reference: the core, the loop, its executor in NumPy, and whatever of this project
they import, settings, events, batches and data set included. What makes it quick stands behind the
executor's door and is not on the path; neither is what a function imports when it is called: the
table of settings, distortions, names of classes, other people's arrays.

    python benchmarks/reading.py
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ENGINE = Path(__file__).resolve().parent.parent / "nnengine"
START = "training"
# Behind the door: other executors and back ends. `fast` itself chooses, and is read.
DOORS = (
    "kernels", "fast.gathered", "fast.sparse", "fast.sliced", "fast.windowed", "fast.csr",
    "fast.groups",
)  # fmt: skip


def file_of(module: str) -> Path | None:
    """Return the file of a module below `nnengine`, or None where there is none."""
    place = ENGINE.joinpath(*module.split("."))
    files = place / "__init__.py", place.with_suffix(".py")
    return next((file for file in files if file.exists()), None)


def imported(module: str) -> set[str]:
    """Return the modules of the project that a module imports as it is read."""
    file = file_of(module)
    parts = module.split(".") if file.name == "__init__.py" else module.split(".")[:-1]
    names = set()
    for node in always(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = parts[: len(parts) - node.level + 1]
            stem = ".".join([*base, *filter(None, [node.module])])
            for alias in node.names:
                whole = f"{stem}.{alias.name}".strip(".")
                names.add(whole if file_of(whole) else stem)
    return {name for name in names if name and file_of(name)}


def always(tree: ast.AST) -> list[ast.stmt]:
    """Return the statements that run when a module is imported; not those for type checkers."""
    return [node for node in tree.body if not isinstance(node, ast.If | ast.FunctionDef)]


def path(start: str = START) -> list[str]:
    """Return the modules from `start` to the ground, in the order in which they are met."""
    found, waiting = [], [start]
    while waiting:
        module = waiting.pop(0)
        if module not in found and not module.startswith(DOORS):
            found.append(module)
            waiting += sorted(imported(module))
    return found


def lines(module: str) -> int:
    """Return how many lines a module has."""
    return len(file_of(module).read_text().splitlines())


def core() -> dict[str, int]:
    """Return the lines of the core and of the loop, by module."""
    modules = [f"core.{file.stem}" for file in sorted((ENGINE / "core").glob("*.py"))]
    return {module: lines(module) for module in [*modules, "training.loop"] if file_of(module)}


def main() -> None:
    """Print both."""
    print("The core and the loop")
    for module, count in core().items():
        print(f"{count:7,}  {module}")
    print(f"{sum(core().values()):7,}  together")
    print(f"\nFrom {START} to the ground, on the path of the reference")
    for module in path():
        print(f"{lines(module):7,}  {module}")
    print(f"{sum(map(lines, path())):7,}  lines in {len(path())} modules")


if __name__ == "__main__":
    sys.exit(main())
