"""Tables: the same results as text for a terminal, as Markdown and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import machine
from rounds import Result

from nnengine.data import writing


def as_text(result: Result) -> str:
    """Return one result for a terminal: title, note, columns that stand under one another."""
    lines = [result.columns, *result.rows]
    widths = [max(len(str(line[n])) for line in lines) for n in range(len(result.columns))]
    body = [
        "  ".join(
            f"{cell:<{w}}" if n == 0 else f"{cell:>{w}}"
            for n, (cell, w) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([f"== {result.title} [{result.name}]", result.note, *body])


def as_markdown(results: Sequence[Result], found: dict, settings: str) -> str:
    """Return a whole document: the machine, how it was measured, a table for each case."""
    parts = [f"# Side by side\n\n{machine.in_words(found)}\n\n{settings}"]
    for result in results:
        sides = ["---", *["---:"] * (len(result.columns) - 1)]
        rows = [result.columns, sides, *result.rows]
        table = "\n".join(f"| {' | '.join(map(str, row))} |" for row in rows)
        parts.append(f"## {result.title}\n\n{result.note}\n\n{table}")
    return "\n\n".join(parts) + "\n"


def as_dict(results: Sequence[Result], found: dict, settings: dict) -> dict:
    """Return what the JSON file holds."""
    return {
        "machine": found,
        "settings": settings,
        "cases": [
            {"name": r.name, "title": r.title, "note": r.note, **r.data} for r in results
        ],
    }  # fmt: skip


def write(
    folder: Path, results: Sequence[Result], found: dict, settings: dict, words: str
) -> list[Path]:
    """Write bench.json and bench.md into a folder; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / "bench.json", folder / "bench.md"]
    as_json = json.dumps(as_dict(results, found, settings), indent=1) + "\n"
    for path, text in zip(paths, (as_json, as_markdown(results, found, words)), strict=True):
        writing.write(path, text.encode())
    return paths
