"""The header of an .npz model: one JSON object, every field checked before it is believed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.activations import ACTIVATIONS
from ..errors import ConfigError, FormatError
from ..renamed import by_new_names

if TYPE_CHECKING:
    from ..core.network import Network

FORMAT = "nnengine-model"
VERSION = 1
MAX_HEADER_BYTES = 16 * 2**20  # parsed JSON can take 20 times the memory of its text

_BOMB_BYTES, _BOMB_RATIO = 64 * 2**20, 100  # weights deflate by a tenth, zeros a thousandfold


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What an .npz model says about itself beside its arrays."""

    sizes: tuple[int, ...]
    activations: tuple[str, ...]
    input_scale: float
    dtype: str
    class_names: tuple[str, ...] | None
    image_shape: tuple[int, int] | None
    training: tuple[dict, ...]

    @classmethod
    def of(cls, network: Network) -> Header:
        """Return the header that describes ``network``."""
        return cls(
            sizes=tuple(map(int, network.sizes)),
            activations=tuple(network.activations),
            input_scale=float(network.input_scale),
            dtype=str(np.dtype(network.dtype)),
            class_names=_tuple_or_none(network.class_names),
            image_shape=_tuple_or_none(network.image_shape),
            training=tuple(map(_lasting, network.training)),
        )

    @classmethod
    def from_json(cls, text: bytes) -> Header:
        """Return the header in UTF-8 JSON; raises FormatError that names the field at fault."""
        try:
            # NaN and Infinity are not JSON, but Python would let them in.
            fields = json.loads(text.decode(), parse_constant=lambda name: None)
            json.dumps(fields, ensure_ascii=False).encode()  # half a surrogate breaks every printer
        except (ValueError, RecursionError) as error:
            raise FormatError(f"header.npy is not JSON text ({str(error)[:80]})") from None
        if not isinstance(fields, dict) or fields.get("format") != FORMAT:
            raise FormatError(f'header.npy does not say "format": "{FORMAT}"')
        version = fields.get("version")
        if type(version) is not int or version != VERSION:
            raise FormatError(
                f"model format version {str(version)[:20]}, and this nnengine reads version "
                f"{VERSION}; a newer nnengine may read it"
            )
        header = cls(**{name: check(fields.get(name)) for name, check in _CHECKS.items()})
        header._check_agreement()
        return header

    def to_json(self) -> bytes:
        """Return UTF-8 JSON; what is not finite becomes null. Raises ConfigError when too long."""
        names = self.__dataclass_fields__
        fields = {"format": FORMAT, "version": VERSION} | {n: getattr(self, n) for n in names}
        text = json.dumps(_plain(fields), ensure_ascii=False, allow_nan=False).encode()
        if len(text) > MAX_HEADER_BYTES:
            raise ConfigError(
                f"the training records take {len(text):,} bytes of JSON, a model file has room for "
                f"{MAX_HEADER_BYTES:,}: evaluate less often, or save as .nnm, which has no records"
            )
        return text

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape every array must have, by name, in order."""
        shapes: dict[str, tuple[int, ...]] = {}
        for number, (fan_in, fan_out) in enumerate(pairwise(self.sizes), 1):
            shapes[f"weights_{number}"] = (fan_in, fan_out)
            shapes[f"biases_{number}"] = (fan_out,)
        return shapes

    def check_total(self, packed: int, max_bytes: int) -> None:
        """Refuse, before any array is read, more bytes than allowed or than the file can mean."""
        count = sum(math.prod(shape) for shape in self.shapes().values())
        total = count * np.dtype(self.dtype).itemsize
        if total > max_bytes or (total > _BOMB_BYTES and total > _BOMB_RATIO * packed):
            raise FormatError(
                f"{packed:,} bytes whose header promises {total:,} bytes of numbers: more than a "
                "model file may unpack to (a decompression bomb?); nothing was unpacked"
            )

    def settings(self) -> dict[str, Any]:
        """Return what ``Network.from_parameters`` wants beside the arrays."""
        names = ("activations", "input_scale", "class_names", "image_shape", "training")
        return {name: getattr(self, name) for name in names}

    def _check_agreement(self) -> None:
        layers, outputs = len(self.sizes) - 1, self.sizes[-1]
        if len(self.activations) != layers:
            raise FormatError(
                f"header.npy has {len(self.activations)} activations for {layers} layers"
            )
        if self.class_names is not None and len(self.class_names) != outputs:
            raise FormatError(
                f"header.npy has {len(self.class_names)} class names for {outputs} outputs"
            )
        if self.image_shape is not None and math.prod(self.image_shape) != self.sizes[0]:
            raise FormatError(
                f"header.npy has images of {self.image_shape} for {self.sizes[0]} inputs"
            )


def _lasting(run: Mapping[str, Any]) -> dict:
    """Return a run's record without its cost: the same run gives the same bytes on any day."""
    return {name: value for name, value in run.items() if name != "cost"}


def _by_new_names(runs: list[dict]) -> tuple[dict, ...]:
    """Return records of runs, their settings and parts by the names they have today."""
    return tuple(
        {
            name: by_new_names(value) if isinstance(value, dict) else value
            for name, value in run.items()
        }
        for run in runs
    )


def _tuple_or_none(values: Any) -> Any:
    return None if values is None else tuple(values)


def _plain(value: Any) -> Any:
    """Return JSON's own types: NumPy numbers become Python's, what is not finite becomes None."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _field(name: str, wanted: str, good: Callable, make: Callable = lambda v: v) -> Callable:
    """Return a function that hands on the value of a field if ``good``, or else names the fault."""

    def check(value: Any) -> Any:
        if not good(value):
            raise FormatError(f"header.npy, {name}: expected {wanted}, found {repr(value)[:60]}")
        return make(value)

    return check


def _list_of(kind: type, value: Any) -> bool:
    # type() and not isinstance: to Python, true is a whole number.
    return isinstance(value, list) and all(type(item) is kind for item in value)


def _list_of_sides(value: Any) -> bool:
    return _list_of(int, value) and all(1 <= side < 2**31 for side in value)


_CHECKS = {
    "sizes": _field(
        "sizes",
        "2 to 1,000 whole numbers above 0",
        lambda v: _list_of_sides(v) and 2 <= len(v) <= 1000,
        tuple,
    ),
    "activations": _field(
        "activations",
        f"names among {', '.join(ACTIVATIONS)}",
        lambda v: _list_of(str, v) and set(v) <= set(ACTIVATIONS),
        tuple,
    ),
    "input_scale": _field(
        "input_scale",
        "a finite number above 0",
        lambda v: type(v) in (int, float) and 0 < v < 1e300,
        float,
    ),
    "dtype": _field(
        "dtype",
        '"float32" or "float64"',
        lambda v: v in ("float32", "float64"),
    ),
    "class_names": _field(
        "class_names",
        "a list of names or null",
        lambda v: v is None or _list_of(str, v),
        _tuple_or_none,
    ),
    "image_shape": _field(
        "image_shape",
        "[height, width] or null",
        lambda v: v is None or (_list_of_sides(v) and len(v) == 2),
        _tuple_or_none,
    ),
    "training": _field("training", "a list of records", lambda v: _list_of(dict, v), _by_new_names),
}
