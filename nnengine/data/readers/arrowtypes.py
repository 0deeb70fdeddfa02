"""Types of Arrow by what they are called: no name of pyarrow's is needed for them."""

from __future__ import annotations

from typing import Any


def is_binary(kind: Any) -> bool:
    """Return whether a type is one of encoded bytes."""
    return str(kind) in ("binary", "large_binary", "binary_view")


def is_picture(field: Any) -> bool:
    """Return whether a column's values are pictures: bytes, or a struct that holds some."""
    kind = field.type
    if is_binary(kind):
        return True
    return str(kind).startswith("struct<") and any(
        kind.field(i).name == "bytes" and is_binary(kind.field(i).type)
        for i in range(kind.num_fields)
    )


def is_nested(kind: Any) -> bool:
    """Return whether a type is one of lists."""
    return str(kind).startswith(("list<", "large_list<", "fixed_size_list<"))


def is_list(field: Any) -> bool:
    """Return whether a column's values are lists of numbers, nested or not."""
    kind, deep = field.type, 0
    while is_nested(kind) and deep < 4:
        kind, deep = kind.value_type, deep + 1
    return deep > 0 and is_number(kind)


def is_number(kind: Any) -> bool:
    """Return whether a type is one of numbers."""
    return str(kind) in (
        "bool", "float", "double", "halffloat",
        *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    )  # fmt: skip


def is_text(kind: Any) -> bool:
    """Return whether a type is one of words."""
    return str(kind) in ("string", "large_string", "string_view") or str(kind).startswith(
        ("dictionary<values=string", "dictionary<values=large_string")
    )


def width(column: Any) -> int:
    """Return how many bytes a value takes at the most once it is a number."""
    return {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4}.get(column.physical_type, 8)
