"""A real server under messages that no page of ours sends: nothing is lost, nothing piles up."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("psutil")
pytest.importorskip("websockets")

from streamlit.proto.BackMsg_pb2 import BackMsg  # noqa: E402
from streamlit.proto.ClientState_pb2 import ClientState  # noqa: E402

from tests.load.uploads import Reader, base_file, crowd  # noqa: E402
from tests.load.visitor import Visitor  # noqa: E402
from tests.load.visitors import mnist_like, server  # noqa: E402


def alone(coroutine):
    """Run in a thread of its own: after browser tests Playwright's loop runs in this one."""
    with ThreadPoolExecutor(1) as apart:
        return apart.submit(asyncio.run, coroutine).result()


async def threads_of(process) -> int:
    """Return how many threads the system counts of a server, at the fewest within a second."""
    counts = []
    for _ in range(10):
        counts.append(len(list(Path(f"/proc/{process.pid}/task").iterdir())))
        await asyncio.sleep(0.1)
    return min(counts)


async def clear(visitor: Visitor, times: int) -> None:
    """Send Streamlit's "clear cache" message."""
    for _ in range(times):
        await visitor.socket.send(BackMsg(clear_cache=True).SerializeToString())
        await visitor.rerun()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted by Linux")
def test_clearing_streamlits_caches_takes_no_run_no_file_and_leaves_no_thread(tmp_path):
    async def both(app) -> None:
        one, other = Reader(app.base), Reader(app.base)
        for visitor in (one, other):
            await visitor.open()
            await visitor.go("Data")
            await visitor.upload("Drop image", [
                (f"train-{name}", raw) for name, raw in mnist_like(2000, seed=1)
            ])  # fmt: skip
            await visitor.go("Train")
            await visitor.click("Start training")
        while not (one.steps and other.steps):
            await one.rerun()
            await other.rerun()
        before = await threads_of(app.process)
        await clear(one, 10)
        assert await threads_of(app.process) <= before + 1
        for visitor in (one, other):
            steps = visitor.steps
            await visitor.go("Train")
            assert visitor.steps >= steps > 0
            await visitor.go("Data")
            assert visitor.says("train-images")
        assert not [fault for visitor in (one, other) for fault in visitor.faults]

    with server(tmp_path / "log.txt") as app:
        alone(both(app))


def test_uploads_of_which_no_page_is_told_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setenv("NNENGINE_VISIT_MB", "20")
    monkeypatch.setenv("NNENGINE_SERVER_MB", "60")

    async def send(app) -> tuple[int, Visitor]:
        visitor = Visitor(app.base)
        await visitor.open()
        for number in range(8):
            request = BackMsg()
            request.file_urls_request.request_id = uuid.uuid4().hex
            request.file_urls_request.session_id = visitor.session
            request.file_urls_request.file_names.append("x")
            await visitor.socket.send(request.SerializeToString())
            while (told := await visitor._receive()).WhichOneof("type") != "file_urls_response":
                pass
            (urls,) = told.file_urls_response.file_urls
            await asyncio.to_thread(visitor._put, urls.upload_url, f"x{number}", bytes(6 * 10**6))
        return held(app), visitor

    def held(app) -> int:
        """Return how many bytes of uploads Streamlit says it holds."""
        with urllib.request.urlopen(f"http://{app.base}/_stcore/metrics") as answer:
            said = answer.read().decode()
        return sum(int(n) for n in re.findall(r"UploadedFileManager[^}]*\} (\d+)", said))

    with server(tmp_path / "log.txt") as app:
        kept, _ = alone(send(app))
    assert 18 * 10**6 == kept


@pytest.mark.alone
def test_pages_of_others_come_soon_while_four_sockets_ask_for_pages_without_end(tmp_path):
    async def ask(visitor: Visitor) -> None:
        async def hear() -> None:
            while True:
                await visitor._receive()

        hearing = asyncio.create_task(hear())
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                state = ClientState(query_string=visitor.query, page_script_hash=visitor.page)
                await visitor.socket.send(BackMsg(rerun_script=state).SerializeToString())
                await asyncio.sleep(0.02)
        hearing.cancel()

    async def look(app) -> float:
        people = [Visitor(app.base) for _ in range(5)]
        for one in people:
            await one.open()
            await one.go("Train")
        asking = [asyncio.create_task(ask(one)) for one in people[1:]]
        await asyncio.sleep(2)
        took = []
        for _ in range(10):
            began = asyncio.get_running_loop().time()
            await people[0].rerun()
            took.append(asyncio.get_running_loop().time() - began)
            await asyncio.sleep(0.4)
        for task in asking:
            task.cancel()
        return max(took)

    with server(tmp_path / "log.txt") as app:
        assert alone(look(app)) < 1.0


@pytest.mark.alone
def test_more_large_files_than_there_is_room_for_are_told_when_to_come_again(tmp_path, monkeypatch):
    monkeypatch.setenv("NNENGINE_SERVER_MB", "20")
    monkeypatch.setenv("NNENGINE_UNSEEN_YIELD_S", "20")
    count = 4_000  # images, 3.1 million bytes
    assert 3 * 10**6 < len(base_file(count)) < 4 * 10**6
    with server(tmp_path / "log.txt") as app:
        report = alone(crowd(app, uploads=10, trainers=1, count=count, again_s=22))
    assert 3 <= report.held <= 6
    assert (0, True, []) == (report.silent, report.again, report.faults)
    assert all("try again in" in words for words in report.told)


def test_a_page_that_was_left_is_forgotten_though_nobody_else_comes(tmp_path, monkeypatch):
    """Streamlit by itself looks for old pages when the next is left: what we ask it is there."""

    async def come_and_go(app) -> None:
        visitor = Visitor(app.base)
        await visitor.open()
        await visitor.close()

    monkeypatch.setenv("STREAMLIT_LOGGER_LEVEL", "debug")
    log = tmp_path / "server.log"
    with server(log) as app:
        alone(come_and_go(app))
        deadline = time.monotonic() + 60
        while "Shutting down (id=" not in log.read_text() and time.monotonic() < deadline:
            time.sleep(0.5)
        assert "Shutting down (id=" in log.read_text()
