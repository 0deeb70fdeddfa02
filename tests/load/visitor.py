"""Visitor: a browser reduced to its websocket. It speaks Streamlit's own protocol to a real server.

Just enough to use the pages as a person does: open, upload, change page, click, and poll the
parts that poll. Nothing in the app knows about it.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
import urllib.request
import uuid
from dataclasses import dataclass, field

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.Common_pb2 import UploadedFileInfo
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

PATIENCE_S = 120
AGAIN = ForwardMsg.FINISHED_EARLY_FOR_RERUN
WIDGETS = ("button", "file_uploader", "selectbox")
STEP = re.compile(r"Step ([\d,]+) of ([\d,]+)")


@dataclass
class Visitor:
    """One session: the `steps` of `total` its Train page shows, the seconds each poll took."""

    base: str  # "127.0.0.1:8501"
    widgets: dict[str, str] = field(default_factory=dict)  # label -> id
    pages: dict[str, str] = field(default_factory=dict)  # name -> hash
    polls: dict[str, float] = field(default_factory=dict)  # fragment id -> interval in s
    ticks_s: list[float] = field(default_factory=list)
    stepped_s: list[float] = field(default_factory=list)  # when steps were seen
    words: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    steps: int = 0
    total: int = 0
    query: str = ""
    page: str = ""
    leaving: bool = False

    async def open(self) -> None:
        """Connect and see the first page."""
        self.cookie = await asyncio.to_thread(self._fetch_cookie)
        self.socket = await websockets.connect(
            f"ws://{self.base}/_stcore/stream",
            subprotocols=["streamlit", self.cookie],
            additional_headers={"Cookie": f"_streamlit_xsrf={self.cookie}"},
            origin=f"http://{self.base}",
            max_size=None,
            open_timeout=PATIENCE_S,  # as long as a browser would wait
        )
        await self.rerun()

    async def close(self) -> None:
        """Leave as a closed tab does."""
        await self.socket.close()

    async def rerun(self, *widgets: WidgetState, **more: object) -> None:
        """Run the script with changed widgets and wait until it has finished."""
        state = ClientState(query_string=self.query, page_script_hash=self.page, **more)
        state.widget_states.widgets.extend(widgets)
        await self.socket.send(BackMsg(rerun_script=state).SerializeToString())
        async with asyncio.timeout(PATIENCE_S):
            await self._finish()

    async def go(self, name: str) -> None:
        """Change to the page of this name, as its link in the navigation does."""
        self.page = self.pages[name]
        await self.rerun()

    async def click(self, label: str) -> None:
        """Press a button."""
        await self.rerun(WidgetState(id=self._widget(label), trigger_value=True))

    async def choose(self, label: str, option: str) -> None:
        """Choose in a select box."""
        await self.rerun(WidgetState(id=self._widget(label), string_value=option))

    async def upload(self, label: str, files: list[tuple[str, bytes]]) -> None:
        """Send files to the server and then tell the page."""
        request = BackMsg()
        request.file_urls_request.request_id = uuid.uuid4().hex
        request.file_urls_request.session_id = self.session
        request.file_urls_request.file_names.extend(name for name, _ in files)
        await self.socket.send(request.SerializeToString())
        while (message := await self._receive()).WhichOneof("type") != "file_urls_response":
            pass
        change = WidgetState(id=self._widget(label))
        for (name, raw), urls in zip(files, message.file_urls_response.file_urls, strict=True):
            await asyncio.to_thread(self._put, urls.upload_url, name, raw)
            change.file_uploader_state_value.uploaded_file_info.append(
                UploadedFileInfo(file_id=urls.file_id, name=name, size=len(raw), file_urls=urls)
            )
        await self.rerun(change)

    async def poll(self) -> None:
        """Do what a browser does with an open page: run its polling fragments, until `leaving`."""
        due: dict[str, float] = {}
        while not self.leaving:
            now = time.monotonic()
            due = {name: due.get(name, now) for name in self.polls}  # they change with each run
            name = min(due, key=due.get, default=None)
            if name is None or due[name] > now:
                await asyncio.sleep(0.05 if name is None else min(due[name] - now, 0.5))
                continue
            await self.rerun(fragment_id=name, is_auto_rerun=True)
            self.ticks_s.append(time.monotonic() - now)
            if name in self.polls:
                due[name] = max(due[name] + self.polls[name], time.monotonic())

    def begin(self) -> None:
        """Forget what was measured until now."""
        self.ticks_s.clear()
        self.stepped_s = [time.monotonic()]

    def longest_wait_s(self) -> float:
        """Return the longest time since `begin` in which no new step was seen."""
        times = [*self.stepped_s, time.monotonic()]
        return max(after - before for before, after in zip(times, times[1:], strict=False))

    async def _receive(self) -> ForwardMsg:
        message = ForwardMsg()
        message.ParseFromString(await self.socket.recv())
        return message

    async def _finish(self) -> None:
        """Take in what the script says until it is done, reruns it asks for included."""
        while True:
            message = await self._receive()
            kind = message.WhichOneof("type")
            if kind == "script_finished" and message.script_finished != AGAIN:
                return
            if kind == "new_session" and not message.metadata.run.fragment_ids:
                for seen in (self.polls, self.widgets, self.words):  # the whole page comes anew
                    seen.clear()
            take = getattr(self, f"_take_{kind}", None)
            if take:
                take(getattr(message, kind))

    def _take_new_session(self, new) -> None:
        self.session = new.initialize.session_id
        self.page = new.page_script_hash or self.page

    def _take_navigation(self, navigation) -> None:
        self.pages = {page.page_name: page.page_script_hash for page in navigation.app_pages}
        self.page = navigation.page_script_hash

    def _take_page_info_changed(self, info) -> None:
        self.query = info.query_string

    def _take_auto_rerun(self, auto) -> None:
        self.polls[auto.fragment_id] = auto.interval

    def _take_stop_auto_rerun(self, stop) -> None:
        for name in stop.fragment_ids:
            self.polls.pop(name, None)

    def _take_delta(self, delta) -> None:
        element = delta.new_element
        kind = element.WhichOneof("type")
        if kind in WIDGETS:
            widget = getattr(element, kind)
            self.widgets[widget.label] = widget.id
        elif kind == "bidi_component" and (found := STEP.search(element.bidi_component.json)):
            steps, self.total = (int(n.replace(",", "")) for n in found.groups())
            if steps != self.steps:
                self.steps = steps
                self.stepped_s.append(time.monotonic())
        elif kind == "exception":
            self.faults.append(f"{element.exception.type}: {element.exception.message}")
        elif kind == "alert":
            self.words.append(element.alert.body)

    def _widget(self, label: str) -> str:
        for known, name in self.widgets.items():
            if known.startswith(label):
                return name
        raise LookupError(f"no {label!r} on this page: {sorted(self.widgets)}, {self.words}")

    def _fetch_cookie(self) -> str:
        with urllib.request.urlopen(f"http://{self.base}/_stcore/health") as answer:
            header = answer.headers.get("Set-Cookie", "")
        found = re.search(r'_streamlit_xsrf="?([^";]+)', header)
        assert found, f"no XSRF cookie in {header!r}"
        return found.group(1)

    def _put(self, url: str, name: str, raw: bytes) -> None:
        edge = uuid.uuid4().hex
        head = (
            f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        request = urllib.request.Request(
            f"http://{self.base}{url}",
            data=head.encode() + raw + f"\r\n--{edge}--\r\n".encode(),
            method="PUT",
            headers={
                "Content-Type": f"multipart/form-data; boundary={edge}",
                "X-Xsrftoken": self.cookie,
                "Cookie": f"_streamlit_xsrf={self.cookie}",
                "Origin": f"http://{self.base}",
            },
        )
        with contextlib.closing(urllib.request.urlopen(request)) as answer:
            assert answer.status in (200, 204), answer.status
