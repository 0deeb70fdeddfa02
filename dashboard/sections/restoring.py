"""Restoring: model files that a visitor drops join his networks."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import streamlit as st

from dashboard import state
from dashboard.present import units
from dashboard.store.networks import Entry
from nnengine.errors import EngineError
from nnengine.storage import modelfile


class _Upload(io.BytesIO):
    """Uploaded bytes that know their file's name, for messages."""

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(data)
        self.name = name


def take_in(uploads: Iterable[Any]) -> None:
    """Restore what was uploaded: good files are kept, each bad one keeps its own error."""
    faults, made_room = [], []
    for upload in uploads:
        try:
            network = modelfile.load(_Upload(upload.getvalue(), upload.name))
        except EngineError as fault:
            faults.append(str(fault))
        else:
            restored = Entry(network.snapshot(), upload.name, "file", upload.name)
            made_room += state.keep_network(restored)
        state.release_upload(upload)
    state.put("models.faults", faults)
    state.put("models.gone", [one.name for one in made_room])
    state.put("models.round", state.get("models.round", 0) + 1)  # a new, empty uploader


def restore() -> None:
    """Offer to restore model files; errors stand beneath until the next upload."""
    with st.container(border=True, height="stretch"):
        st.header("Restore")
        uploads = st.file_uploader(
            "Model files (.npz or .nnm)", accept_multiple_files=True,
            key=f"models.upload.{state.get('models.round', 0)}",
            help="Saved here, by the nnengine command, or by the original program.",
        )  # fmt: skip
        if uploads:
            take_in(uploads)
            st.rerun()
        for fault in state.get("models.faults", []):
            st.error(units.plain(fault))
        if gone := state.get("models.gone"):
            st.info(f"Let go of, to make room: {units.plain(', '.join(gone))}.")
