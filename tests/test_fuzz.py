"""Fuzzing holds: whatever is done to a file, it is refused in words, or all that follows works."""

from __future__ import annotations

import pytest

pytest.importorskip("PIL", reason="Pillow is not installed")

from nnengine.errors import FormatError  # noqa: E402
from tests import fuzz  # noqa: E402
from tests.fuzzing import made  # noqa: E402

# The seed is always the same, and so are the inputs: some six hundred of each kind.
COUNT, SEED = 20_000, 14


@pytest.mark.timeout(600)
def test_no_damaged_input_escapes_breaks_what_follows_or_takes_too_much():
    table, faults = fuzz.fuzz(SEED, COUNT, workers=2)
    assert [] == faults, "\n".join(fuzz.lines(table, faults))
    assert COUNT == sum(row["accepted"] + row["refused"] for row in table.values())
    # Else the inputs prove little: of each kind many are damaged, and many still open.
    shares = {
        name: row["accepted"] / (row["accepted"] + row["refused"]) for name, row in table.items()
    }
    assert {} == {name: share for name, share in shares.items() if not 0.1 < share < 0.9}


def fails(given):
    raise KeyError(given)


def refuses(given):
    raise FormatError("no")


@pytest.mark.parametrize(
    ("read", "use", "came"),
    [(fails, print, "escaped"), (str, fails, "later"), (refuses, print, "refused")],
)
def test_a_fault_in_reading_and_one_in_use_are_told_apart(read, use, came):
    kind = fuzz.Kind(lambda rng: b"", read, use)
    found, why = fuzz.tried(kind, b"given")
    assert (came, came != "refused") == (found, "KeyError: " in why)


def test_what_takes_long_or_much_memory_is_told_with_its_number(capsys):
    def slow(given):
        return sum(range(10**6))

    kinds = {
        "slow": fuzz.Kind(lambda rng: b"", slow, bytes),
        "large": fuzz.Kind(lambda rng: b"", bytes, lambda given: bytearray(40_000_000)),
    }
    most = fuzz.MOST_S, fuzz.MOST_MB
    try:
        fuzz.MOST_S, fuzz.MOST_MB = 0.001, 20
        fuzz.work(SEED, range(6), kinds, lambda number: None)
    finally:
        fuzz.MOST_S, fuzz.MOST_MB = most
    said = capsys.readouterr().out
    assert '"fault": "slow", "kind": "slow", "number": ' in said
    assert '"fault": "large", "kind": "large"' in said


def test_workers_that_die_are_told_by_the_numbers_they_stood_at_and_replaced():
    """No kind is called so: there is nothing to make an input of."""
    table, faults = fuzz.fuzz(SEED, 3, 1, "nothing")
    assert ({}, [0, 1, 2]) == (table, [one["number"] for one in faults])
    assert {"hung"} == {one["fault"] for one in faults}


def test_the_same_number_makes_the_same_input():
    known = fuzz.kinds()
    for number in range(60):
        (name, one), (_, other) = (fuzz.made_of(SEED, number, list(known)) for _ in "ab")
        assert known[name].make(one) == known[name].make(other)


def test_bombs_are_small():
    assert all(len(raw) < 3_000_000 for _, raw in made.bombs())
