"""Browser: what the page around a tab told the app, and the browser's storage to keep things in.

The page reads the storage before Python is there and hands it over as files; from then on the app
writes. On a server there is none of this, and everything here says so.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

TOLD = Path(__file__).resolve().parents[2] / "site.json"
SHELF = "kept"  # the one object store of the database
log = logging.getLogger(__name__)


def told(file: Path | None = None) -> dict[str, Any]:
    """Return what the page told: {} on a server, or where it cannot be read.

    home: the site's address; hosts: those that data may come from; database: its name; kept:
    [[key, path], ...]; fault: why nothing can be kept, or None.
    """
    try:
        found = json.loads((file or TOLD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


class Store:
    """Records by key in the browser's storage. Nothing here raises: `fault` says what is wrong."""

    def __init__(self, page: Mapping[str, Any], folder: Path | None = None) -> None:
        self._page = page
        self._folder = folder or TOLD.parent
        self.fault: str | None = page.get("fault") if page else "there is no browser"
        self._database: Any = None
        self._waiting: list[tuple[dict[str, bytes], list[str], bool]] = []
        if self.fault is None:
            self._open()

    def load(self) -> dict[str, bytes]:
        """Return what was kept when the page was opened, as it is; the files are then let go."""
        found = {}
        for key, path in self._page.get("kept") or ():
            try:
                found[key] = (self._folder / path).read_bytes()
                (self._folder / path).unlink()
            except OSError:
                log.exception("%s could not be read", key)
        return found

    def save(self, records: Mapping[str, bytes], gone: Iterable[str] = (), *, clear=False) -> None:
        """Put these records and delete those, all or none of it; `clear`: delete all before."""
        if self.fault is not None:
            return
        self._waiting.append((dict(records), list(gone), clear))
        if self._database is not None:
            self._write()

    def _open(self) -> None:
        try:
            import js
            from pyodide.ffi import create_once_callable

            request = js.indexedDB.open(self._page["database"])
            request.onsuccess = create_once_callable(self._opened)
            request.onerror = create_once_callable(self._failed)
        except Exception as fault:
            self._failed(fault)

    def _opened(self, event: Any) -> None:
        self._database = event.target.result
        self._write()

    def _write(self) -> None:
        from pyodide.ffi import create_once_callable, to_js

        try:
            while self._waiting:
                records, gone, clear = self._waiting.pop(0)
                transaction = self._database.transaction(SHELF, "readwrite")
                transaction.onabort = create_once_callable(self._failed)
                shelf = transaction.objectStore(SHELF)
                if clear:
                    shelf.clear()
                for key in gone:
                    shelf.delete(key)
                for key, raw in records.items():
                    shelf.put(to_js(raw), key)
        except Exception as fault:
            self._failed(fault)

    def _failed(self, what: Any) -> None:
        """Keep nothing from now on: the browser gives no room, or no storage at all."""
        error = getattr(getattr(what, "target", None), "error", None) or what
        log.warning("the browser's storage failed: %s", error)
        full = "QuotaExceeded" in str(getattr(error, "name", error))
        self.fault = "it gives no more room" if full else "it gives this page no storage"
        self._waiting.clear()
