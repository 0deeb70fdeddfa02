"""The header of an .npz model: one JSON object, every field checked before it is believed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.activations import ACTIVATIONS
from ..core.description import Shape, Spec, shapes
from ..core.network import check_image_shape, dense_specs
from ..core.parameters import places
from ..errors import ConfigError, FormatError
from ..training import layertext
from . import records

if TYPE_CHECKING:
    from ..core.network import Network

FORMAT = "nnengine-model"
VERSION = 2  # the newest that is read; a network of dense layers is written as version 1
MAX_HEADER_BYTES = 16 * 2**20
# Of the header: parsed they take some 80 bytes each. A run of 100,000 points has 600,000 of them.
MAX_HEADER_VALUES = 1_200_000
_LONGEST_NUMBER = 48  # characters: a seed of 128 bits has 39 digits

# Numbers that a layer may make of one image, 64 MB of them: with wide edges a handful of weights, a
# file of some hundred bytes, could ask for all of a machine's memory.
MAX_MADE = 1 << 24

_NEW = ("layers", "channels")  # of version 2
_BOMB_BYTES, _BOMB_RATIO = 64 * 2**20, 20  # weights deflate by a tenth, zeros a thousandfold


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
    layers: str | None = None  # hidden ones, where there are others than dense
    channels: int = 1

    @classmethod
    def of(cls, network: Network) -> Header:
        """Return the header that describes ``network``."""
        return cls(
            sizes=tuple(map(int, network.sizes)),
            activations=tuple(network.activations),
            input_scale=float(network.input_scale),
            dtype=str(np.dtype(network.dtype)),
            class_names=_legible(network.class_names),
            image_shape=_tuple_or_none(network.image_shape),
            training=tuple(map(_lasting, network.training)),
            layers=None if network.is_dense else network.description,
            channels=network.channels,
        )

    @classmethod
    def from_json(cls, text: bytes) -> Header:
        """Return the header in UTF-8 JSON; raises FormatError that names the field at fault."""
        fields = parsed(text, "header.npy")
        if not isinstance(fields, dict) or fields.get("format") != FORMAT:
            raise FormatError(f'header.npy does not say "format": "{FORMAT}"')
        version = fields.get("version")
        if type(version) is not int or not 1 <= version <= VERSION:
            raise FormatError(
                f"model format version {str(version)[:20]}, and this nnengine reads version 1 to "
                f"{VERSION}; a newer nnengine may read it"
            )
        header = cls(**{name: check(fields.get(name)) for name, check in _CHECKS.items()})
        header._check_agreement()
        return header

    def to_json(self) -> bytes:
        """Return UTF-8 JSON; what is not finite becomes null.

        Raises ConfigError for records that are too long, or of a kind that could not be read again.
        """
        version = 1 if self.layers is None and self.channels == 1 else VERSION
        names = [n for n in self.__dataclass_fields__ if version > 1 or n not in _NEW]
        fields = {"format": FORMAT, "version": version} | {n: getattr(self, n) for n in names}
        fields = _plain(fields)
        try:
            _records(fields["training"])
        except FormatError as error:
            raise ConfigError(f"{error}: mend network.training, or empty it") from None
        if too_much := self._makes_too_much():
            raise ConfigError(f"{too_much}: it could not be read again")
        text = json.dumps(fields, ensure_ascii=False, allow_nan=False).encode()
        if len(text) > MAX_HEADER_BYTES:
            raise ConfigError(
                f"the training records take {len(text):,} bytes of JSON, a model file has room for "
                f"{MAX_HEADER_BYTES:,}: evaluate less often, or save as .nnm, which has no records"
            )
        return text

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape every array must have, by name, in order."""
        return {place.name: place.sides for place in places(self._specs(), self._shape())}

    def count(self) -> int:
        """Return how many parameters the arrays hold."""
        return sum(map(math.prod, self.shapes().values()))

    def _specs(self) -> list[Spec]:
        """Return all layers, the classes' too."""
        if self.layers is None:
            return dense_specs(self.sizes)
        return [*layertext.read(self.layers)[1], *dense_specs(self.sizes[-2:])]

    def _shape(self) -> Shape:
        return *check_image_shape(self.image_shape, self.sizes[0], self.channels), self.channels

    def check_total(self, packed: int, max_bytes: int) -> None:
        """Refuse, before any array is read, more bytes than allowed or than the file can mean."""
        total = self.count() * np.dtype(self.dtype).itemsize
        too_large = total > max_bytes
        if too_large or (total > _BOMB_BYTES and total > _BOMB_RATIO * packed):
            raise FormatError(
                f"{packed:,} bytes whose header promises {total:,} bytes of numbers: more than a "
                "model file may unpack to (a decompression bomb?); nothing was unpacked",
                too_large=too_large,
            )

    def settings(self) -> dict[str, Any]:
        """Return what ``Network`` wants beside sizes, activations and parameters."""
        names = ("input_scale", "class_names", "image_shape", "channels", "training")
        return {name: getattr(self, name) for name in names} | {"hidden": self._specs()[:-1]}

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
        sides = self.image_shape
        if sides is not None and math.prod(sides) * self.channels != self.sizes[0]:
            raise FormatError(
                f"header.npy has images of {self.image_shape} for {self.sizes[0]} inputs"
            )
        with np.errstate(all="ignore"):
            scale = np.dtype(self.dtype).type(self.input_scale)
        if not (scale > 0 and np.isfinite(scale)):
            raise FormatError(
                f"header.npy, input_scale: expected a number that {self.dtype} can hold, found "
                f"{self.input_scale:g}"
            )
        try:
            found = (*map(math.prod, shapes(self._specs(), self._shape())), outputs)
        except ConfigError as error:
            raise FormatError(f"header.npy, layers: {error}") from None
        if found != self.sizes:
            raise FormatError(f"header.npy, sizes: expected {found}, found {self.sizes}")
        if too_much := self._makes_too_much():
            raise FormatError(f"header.npy, layers: {too_much}: ask for a smaller model")

    def _makes_too_much(self) -> str:
        """Return which layer makes more of an image than is computed with; nothing where none."""
        for spec, made in zip(self._specs(), self.sizes[1:], strict=True):
            if spec.window[0] and made > MAX_MADE:
                return f"'{spec}' makes {made:,} numbers of an image, {MAX_MADE:,} are the most"
        return ""


def _lasting(run: Mapping[str, Any]) -> dict:
    """Return a run's record without its cost: the same run gives the same bytes on any day."""
    return {name: value for name, value in run.items() if name != "cost"}


def parsed(text: bytes, what: str) -> Any:
    """Return what JSON holds, every number in it finite or null; FormatError that says why not.

    `what` names the text in messages.
    """
    marks = sum(map(text.count, (b",", b":", b"[", b"{")))
    if marks > MAX_HEADER_VALUES:
        raise FormatError(f"{what} holds {marks:,} values; at most {MAX_HEADER_VALUES:,} are read")
    try:
        # NaN, Infinity and numbers as large are not JSON, but Python would let them in.
        fields = json.loads(
            text.decode(), parse_constant=lambda name: None, parse_float=_finite, parse_int=_whole
        )
        json.dumps(fields, ensure_ascii=False).encode()  # half a surrogate breaks every printer
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{what} is not JSON text ({str(error)[:80]})") from None
    return fields


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _whole(text: str) -> int:
    if len(text) > _LONGEST_NUMBER:
        raise ValueError(f"a number of {len(text):,} digits")
    return int(text)


def _records(runs: list[dict]) -> tuple[dict, ...]:
    return tuple(
        records.checked(run, f"header.npy, training {number}") for number, run in enumerate(runs, 1)
    )


def _legible(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    r"""Return class names as UTF-8 can have them: one that was a folder's may be a\udce9."""
    return names and tuple(name.encode(errors="backslashreplace").decode() for name in names)


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
    "layers": _field(
        "layers",
        "a text of at most 10,000 characters or null",
        lambda v: v is None or (isinstance(v, str) and 0 < len(v) <= 10_000),
    ),
    "channels": _field(
        "channels",
        "a whole number from 1 to 4 or nothing",
        lambda v: v is None or (type(v) is int and 1 <= v <= 4),
        lambda v: v or 1,
    ),
    "training": _field("training", "a list of records", lambda v: _list_of(dict, v), _records),
}
