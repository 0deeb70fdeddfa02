"""Exchange: networks as files of other libraries, in and out, a module each.

A format is a row of `FORMS`: what its files begin with, what reads them, what writes them. Every
module has pure functions: bytes to Network, Network to bytes.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.network import Network
from ..data import writing
from ..data.limits import MAX_MODEL_BYTES as MAX_BYTES
from ..data.sources import Source, fault
from ..errors import ConfigError, FormatError
from ..storage import modelfile
from ..storage.modelheader import Header
from .loose import Told

__all__ = [
    "FORMS",
    "Form",
    "Told",
    "check",
    "describe",
    "export",
    "foreign",
    "form_for",
    "load",
    "to_bytes",
    "written",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A format. module and writer: where its functions are found, imported when they are needed.

    suffixes: of its files, the first for new ones. read_by: what opens such files, in a few words,
    with the versions that were tried. reads: whether it is read here too.
    most: parameters that it holds at most. needs: an optional library that reads and writes it.
    """

    kind: str
    title: str
    suffixes: tuple[str, ...]
    module: str
    writer: str = ""
    reads: bool = False
    read_by: str = ""
    most: int | None = None
    needs: str = ""

    def check_installed(self) -> None:
        """Raise ConfigError where what reads and writes it is missing."""
        if self.needs and importlib.util.find_spec(self.needs) is None:
            raise ConfigError(
                f"{self.title} needs {self.needs}, which is not installed: "
                'pip install "nnengine[formats]", or take ONNX'
            )

    def function(self, name: str) -> Callable[..., Any]:
        """Return a function of its module."""
        return getattr(importlib.import_module(f".{self.module}", __package__), name)


IN_BASE_64, IN_DECIMALS = 2_000_000, 1_000_000  # parameters: 11 and 15 MB of text
FORMS = {
    form.kind: form
    for form in (
        Form(
            kind="safetensors", title="safetensors", suffixes=(".safetensors",),
            module="safetensors", writer="write", reads=True,
            read_by="PyTorch (2.13) by safetensors (0.8), with the module below",
        ),
        Form(
            kind="torch", title="PyTorch module", suffixes=(".torch.py",),
            module="safetensors", writer="torch_code",
            read_by="Python: an nn.Module of PyTorch (2.13) that loads the safetensors",
        ),
        Form(
            kind="onnx", title="ONNX", suffixes=(".onnx",), module="onnx", writer="write",
            reads=True, read_by="ONNX Runtime (1.32) and all else that takes ONNX; IR 8, opset 17",
        ),
        Form(
            kind="keras", title="Keras", suffixes=(".keras",), module="keras", writer="write",
            reads=True, read_by="Keras 3 (3.15), with any back end", needs="h5py",
        ),
        Form(
            kind="h5", title="Keras .h5", suffixes=(".h5",), module="keras", writer="write_old",
            read_by="Keras 2 (tf_keras 2.21) and Keras 3 (3.15)", needs="h5py",
        ),
        Form(
            kind="tfjs", title="TensorFlow.js", suffixes=(".tfjs.zip",), module="tfjs",
            writer="write", reads=True,
            read_by="TensorFlow.js (4.22): tf.loadLayersModel, once unpacked",
        ),
        Form(
            kind="numpy", title="NumPy code", suffixes=(".py",), module="numpy_code",
            writer="write", read_by="Python with NumPy: one file that anybody can read",
            most=IN_BASE_64,
        ),
        Form(
            kind="c", title="C code", suffixes=(".c",), module="c_code", writer="write",
            read_by="any C99 compiler (gcc): no memory is set aside, for microcontrollers too",
            most=IN_DECIMALS,
        ),
        Form(
            kind="js", title="JavaScript module", suffixes=(".mjs", ".js"), module="js_code",
            writer="write", read_by="browsers and Node (20): one ES module",
            most=IN_BASE_64,
        ),
        Form(kind="pt", title="PyTorch .pt", suffixes=(".pt", ".pth"), module="torch_pt",
             reads=True),
        Form(kind="skops", title="skops", suffixes=(".skops",), module="skops", reads=True),
        Form(kind="weights", title="arrays in .npz", suffixes=(".npz",), module="weights",
             reads=True),
    )
}  # fmt: skip
OURS = modelfile.KINDS
HEAD = 4096  # bytes of a file that tell its format


def load(source: Source, told: Told | None = None, *, max_bytes: int = MAX_BYTES) -> Network:
    """Return the network in a model file, ours or of another library: path, bytes or binary file.

    Recognised by content. told: what files of weights alone do not say; others pass it over.
    Raises FormatError, with the file's name where it has one, for what is no whole network of at
    most `max_bytes`, ConfigError where a file of weights needs to be told more, and OSError.
    """
    return recognised(source, told, max_bytes=max_bytes)[0]


def recognised(
    source: Source, told: Told | None = None, *, max_bytes: int = MAX_BYTES
) -> tuple[Network, str, int, str | None]:
    """Do `load`, and return (network, kind of file, its bytes, its name) as well."""
    data, name = _contents(source, max_bytes)
    form = foreign(data[:HEAD], len(data))
    if data[:1] == b"\x80":
        raise fault(
            name, "a pickle, as joblib's files and old ones of PyTorch are: it can run any program "
            "when opened, so it never is; where you trust it, safetensors.torch.save_file("
            "model.state_dict(), 'model.safetensors') makes a file that is read",
        )  # fmt: skip
    if form is None:
        return (*_ours(data, name, max_bytes), len(data), name)
    try:
        form.check_installed()
        network = form.function("read")(data, told or Told())
        Header.from_json(Header.of(network).to_json())  # what could not be saved is not read
    except FormatError as error:
        raise fault(name, f"{form.title}: {error}", too_large=error.too_large) from None
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}" if name else str(error)) from None
    return network, form.kind, len(data), name


def _contents(source: Source, max_bytes: int) -> tuple[bytes, str | None]:
    """Return the bytes of a model and its name; a folder of TensorFlow.js as one zip."""
    if isinstance(source, str | os.PathLike):
        folder = os.path.isdir(source) or os.fspath(source).lower().endswith(".json")
        gathered = FORMS["tfjs"].function("gathered") if folder else None
        if gathered and (found := gathered(source, max_bytes)):
            return found
    return modelfile.contents(source, max_bytes)


def foreign(head: bytes, size: int) -> Form | None:
    """Return the format of a file of so many bytes that begins so, None where none is known."""
    forms = (form for form in FORMS.values() if form.reads)
    return next((form for form in forms if form.function("matches")(head, size)), None)


def describe(source: Source, told: Told | None = None) -> dict[str, Any]:
    """Return what a model file holds, as `modelfile.describe_model` does; raises as `load` does."""
    network, kind, size, name = recognised(source, told)
    return {"kind": kind, "name": name, "file_bytes": size, **modelfile.facts_of(network)}


def _ours(data: bytes, name: str | None, max_bytes: int) -> tuple[Network, str]:
    file = modelfile.Named(data, name) if name else data
    return modelfile.load(file, max_bytes=max_bytes), modelfile.kind_of(data)


def to_bytes(network: Network, kind: str) -> bytes:
    """Return the network in a format: "npz", "nnm" or a kind of `FORMS` that is written.

    Raises ConfigError for an unknown kind, or one that cannot hold this network.
    """
    if kind in OURS:
        return modelfile.to_bytes(network, kind)
    check(network, kind)
    form = FORMS[kind]
    modelfile.to_bytes(network)  # refuses what is not finite, and what could not be read again
    return form.function(form.writer)(network)


def check(network: Network, kind: str) -> None:
    """Raise the ConfigError that `to_bytes` would for a network of this size and shape."""
    if kind in OURS:
        return modelfile.check_savable(network, kind)
    form = FORMS.get(kind)
    if form is None or not form.writer:
        raise ConfigError(f"{kind!r} is no format that is written: choose one of {_choices()}")
    form.check_installed()
    if form.most is not None and network.parameter_count > form.most:
        raise ConfigError(
            f"{network.parameter_count:,} parameters are too many for {form.title}, at most "
            f"{form.most:,}: take onnx or safetensors"
        )
    return None


def export(network: Network, target: str | Path, kind: str | None = None) -> str:
    """Write a network to a path, whole or not at all; return the kind, by its ending unless told.

    Raises ConfigError as `to_bytes` and `form_for` do, and OSError.
    """
    kind = kind or form_for(target)
    writing.write(target, to_bytes(network, kind))
    return kind


def form_for(target: str | Path) -> str:
    """Return the kind that a file's ending means. Raises ConfigError where it means none."""
    name = Path(target).name.lower()
    ends = {suffix: f.kind for f in FORMS.values() if f.writer for suffix in f.suffixes}
    ends |= {f".{kind}": kind for kind in OURS}
    found = [suffix for suffix in ends if name.endswith(suffix)]
    if not found:
        raise ConfigError(
            f"{Path(target).name}: the ending says no format: give --to with one of {_choices()}"
        )
    return ends[max(found, key=len)]


def written() -> list[str]:
    """Return the kinds that are written, ours first."""
    return [*OURS, *(form.kind for form in FORMS.values() if form.writer)]


def _choices() -> str:
    return ", ".join(written())
