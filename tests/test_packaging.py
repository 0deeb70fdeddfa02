"""What is declared is what is tested: lower bounds, pins, and the files that say what this is."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import nnengine

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
# Tools that the tests of the oldest versions do without: no browser, no style, no types, no site.
NOT_OLDEST = {"playwright", "axe-playwright-python", "pyright", "ruff", "ziglang"}


def declared() -> dict[str, Requirement]:
    """Return every package that pyproject.toml asks for, under whatever heading, by its name."""
    lines = [*PROJECT["dependencies"], *(line for extra in EXTRAS.values() for line in extra)]
    found = [Requirement(line) for line in lines]
    return {canonicalize_name(one.name): one for one in found if one.name != PROJECT["name"]}


def pins(file: str) -> dict[str, Version]:
    """Return the versions that a file of `name==version` lines names."""
    lines = (ROOT / file).read_text().splitlines()
    parts = [line.split("==") for line in lines if line and not line.startswith("#")]
    assert all(2 == len(part) for part in parts), f"{file} holds more than names and versions"
    return {canonicalize_name(name): Version(version) for name, version in parts}


def lower_bound(requirement: Requirement) -> Version:
    (bound,) = requirement.specifier
    assert ">=" == bound.operator, f"{requirement}: one lower bound, and no other"
    return Version(bound.version)


def test_the_oldest_versions_tested_are_the_lower_bounds():
    bounds = {name: lower_bound(one) for name, one in declared().items()}
    for name in NOT_OLDEST:
        del bounds[name]
    assert bounds == pins("requirements-oldest.txt")


@pytest.mark.parametrize("file", ["constraints.txt", "constraints-oldest.txt"])
def test_everything_declared_is_pinned_within_its_bounds(file):
    found = pins(file)
    for name, requirement in declared().items():
        if name in found or name not in NOT_OLDEST:
            assert requirement.specifier.contains(found[name]), requirement
    assert NOT_OLDEST <= found.keys() or file == "constraints-oldest.txt"


def test_the_oldest_versions_are_pinned_as_they_are_asked_for():
    assert pins("requirements-oldest.txt").items() <= pins("constraints-oldest.txt").items()


def needed(name: str, extras: set[str]) -> set[str]:
    """Return the installed packages that one of them asks for, on this machine."""
    lines = [Requirement(line) for line in metadata.requires(name) or ()]
    return {
        canonicalize_name(line.name)
        for line in lines
        if line.marker is None or any(line.marker.evaluate({"extra": e}) for e in extras | {""})
    }


def test_what_make_installs_is_pinned_to_the_last_package():
    if not (Path(sys.prefix) / ".test").exists():
        pytest.skip("not the environment that `make test` makes")
    found, left = (
        set(),
        needed("nnengine", {"test", "dashboard", "formats", "fast", "cli", "fetch"}),
    )
    while left - found:
        found |= left
        left = set().union(*(needed(name, set()) for name in left if name != "nnengine"))
    found.discard("nnengine")
    installed = {name: Version(metadata.version(name)) for name in found}
    assert installed.items() <= pins("constraints.txt").items()


def test_the_citation_names_this_version():
    text = (ROOT / "CITATION.cff").read_text()
    assert nnengine.__version__ == re.search(r"^version: (\S+)$", text, re.MULTILINE)[1]
    assert f"license: {PROJECT['license']}" in text.splitlines()
