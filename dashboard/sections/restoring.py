"""Restoring: model files that a visitor drops join his networks."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import streamlit as st

from dashboard import state
from dashboard.present import glossary, words
from dashboard.present.outside import plain
from dashboard.store.files import MOST_LETTERS
from dashboard.store.networks import Entry, for_pages
from nnengine import exchange
from nnengine.core.activations import ACTIVATIONS
from nnengine.core.network import Network
from nnengine.errors import ConfigError, EngineError, FormatError

COPIES = 4  # of a model's weights while it is read: as they came, in order, one vector, kept


class _Upload(io.BytesIO):
    """Uploaded bytes that know their file's name, for messages."""

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(data)
        self.name = name


def take_in(uploads: Iterable[Any], told: exchange.Told | None = None) -> None:
    """Restore what was uploaded: good files are kept, each bad one keeps its own error.

    told: what files of weights alone do not say.
    """
    faults, made_room = [], []
    for upload in uploads:
        name = upload.name[-MOST_LETTERS:]
        try:
            with state.taken_up(upload) as (raw, most):
                network = _load(_Upload(raw, name), most // COPIES, told)
            made_room += state.keep_network(Entry(network.snapshot(), name, "file", name))
        except EngineError as fault:
            text = str(fault)
            faults.append(text if text.startswith(name) else f"{name}: {text}")
    state.put("models.faults", faults)
    state.put("models.gone", [one.name for one in made_room])
    state.put("models.round", state.get("models.round", 0) + 1)  # a new, empty uploader


def _load(upload: _Upload, most: int, told: exchange.Told | None) -> Network:
    """Return the network in a file; where it is too large, say how much room there is.

    Raises ConfigError for networks that take too much of an image.
    """
    try:
        network = exchange.load(upload, told, max_bytes=most)
    except FormatError as fault:
        if not fault.too_large:
            raise
        room = f"there is room here for a model of {words.size(most)}"
        raise ConfigError(
            f"{fault}; {room}: let go of other things, or use a smaller one"
        ) from None
    return for_pages(network, state.bounds())


def _ask() -> dict[str, str | None]:
    """Ask what files of weights do not say; other files pass it over."""
    with st.expander("Weights alone: what stands between layers"):
        activation = st.selectbox(
            "Activation behind hidden layers", ACTIVATIONS[:-1], index=None,
            key="models.told.activation", placeholder="as it was in training",
            help=glossary.explained("Activation"),
        )  # fmt: skip
        layers = st.text_input(
            "Hidden layers, where not all are fully connected", key="models.told.layers",
            placeholder="conv 8 5x5, pool 2, dense 64", max_chars=1000,
            help=glossary.explained("Layer", "Convolution", "Pooling"),
        )  # fmt: skip
    return {"activation": activation, "layers": layers.strip() or None}


def restore() -> None:
    """Offer to restore model files; errors stand beneath until the next upload."""
    with st.container(border=True, height="stretch"):
        st.header("Restore")
        uploads = st.file_uploader(
            "Model files (.npz, .nnm, ONNX, safetensors, PyTorch, Keras, TensorFlow.js, skops)",
            accept_multiple_files=True, key=f"models.upload.{state.get('models.round', 0)}",
            help="Saved here, by the nnengine command, by the original program or by other "
            "libraries. Weights alone, in .npz, .pt or .safetensors, need the two fields below.",
        )  # fmt: skip
        told = exchange.Told(**_ask())
        if uploads:
            take_in(uploads, told)
            st.rerun()
        for fault in state.get("models.faults", []):
            st.error(plain(fault))
        if gone := state.get("models.gone"):
            st.info(f"Let go of, to make room: {plain(', '.join(gone))}.")
