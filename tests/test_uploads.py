"""Dropped files on their way to a page."""

from __future__ import annotations

import copy

import pytest
from streamlit.proto.Common_pb2 import FileURLs
from streamlit.runtime.uploaded_file_manager import UploadedFile, UploadedFileRec

from dashboard.host import uploads


@pytest.fixture
def dropped(monkeypatch):
    """A file of three bytes, as an uploader gives it."""
    monkeypatch.setattr(UploadedFile, "__deepcopy__", None, raising=False)
    uploads.share_bytes()
    return UploadedFile(UploadedFileRec("an id", "a.idx", "application/x-idx", b"abc"), FileURLs())


def test_a_page_s_copy_of_a_dropped_file_shares_its_bytes(dropped):
    given = copy.deepcopy([dropped])[0]
    assert given.getvalue() is dropped.getvalue()
    told = (given.name, given.type, given.file_id, given.size, given._file_urls)
    assert ("a.idx", "application/x-idx", "an id", 3, dropped._file_urls) == told


def test_what_is_done_to_a_page_s_copy_is_not_done_to_the_file(dropped):
    dropped.read(1)
    given = copy.deepcopy(dropped)
    assert b"bc" == given.read()
    given.seek(0)
    given.write(b"xyz")
    assert b"bc" == dropped.read() and b"abc" == dropped.getvalue()
