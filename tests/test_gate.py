"""The gate that uploads come in by: piece by piece, where there is room, and one read at a time."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.requests import Request

from dashboard.host import gate as gate_module
from dashboard.host.gate import Gate, closing, ids_in, number

FORM = b"multipart/form-data; boundary=edge"
HEAD = (
    b'--edge\r\nContent-Disposition: form-data; name="file"; filename="images"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n"
)
END = b"\r\n--edge--\r\n"


class Room:
    """Says yes so many times; remembers what it was asked."""

    def __init__(self, times: int = 1000) -> None:
        self.times, self.asked = times, []

    def admits(self, session_id, file_id, size, under_way):
        self.asked.append((session_id, file_id, size, under_way))
        return len(self.asked) <= self.times


class Form:
    """What Streamlit does with an upload: parses the form and reads the file in it."""

    def __init__(self) -> None:
        self.got = []

    async def __call__(self, scope, receive, send):
        (file,) = [value async for value in self._files(Request(scope, receive))]
        self.got.append(file)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def _files(self, request):
        for value in (await request.form()).values():
            yield value.filename, await value.read()


def scope(path="/_stcore/upload_file/s/f", size=0, **more):
    headers = [(b"content-type", FORM), (b"content-length", str(size).encode())]
    return {"type": "http", "method": "PUT", "path": path, "headers": headers} | more


def alone(work):
    """Run a coroutine in a loop of its own: browser tests leave one running in this thread."""
    with ThreadPoolExecutor(1) as other:
        return other.submit(asyncio.run, work).result()


async def soon(work):
    return await asyncio.wait_for(work, 5)


async def put(gate, pieces, **more) -> int:
    """Send a body in pieces; return how many of them are left when it has been answered."""
    left = list(pieces)

    async def receive():
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    async def send(event):
        pass

    await gate(scope(size=sum(map(len, pieces)), **more), receive, send)
    return len(left)


def body(*data: bytes) -> list[bytes]:
    return [HEAD + data[0], *data[1:], END]


def test_an_upload_with_room_comes_in_as_it_was_sent():
    form, room = Form(), Room()
    sent = body(b"a" * 1000, b"b" * 1000)
    assert 0 == alone(put(Gate(form, room=lambda: room), sent))
    assert [("images", b"a" * 1000 + b"b" * 1000)] == form.got
    assert ("s", "f", len(b"".join(sent)), 0) == room.asked[0]


def test_of_an_upload_without_room_the_rest_runs_past_and_the_form_still_ends():
    form, room = Form(), Room(times=0)
    assert 0 == alone(put(Gate(form, room=lambda: room), body(*[b"x" * 1000] * 50)))
    ((name, data),) = form.got
    assert ("images", 1000) == (name, len(data))
    assert 1 == len(room.asked)


def test_a_short_upload_without_room_is_one_whole_form():
    form, room = Form(), Room(times=0)
    assert 0 == alone(put(Gate(form, room=lambda: room), [HEAD + b"abc" + END]))
    assert [("images", b"abc")] == form.got


def test_room_is_asked_for_again_while_an_upload_comes_and_at_its_end(monkeypatch):
    monkeypatch.setattr(gate_module, "ASK_EVERY_BYTES", 10_000)
    form, room = Form(), Room()
    alone(put(Gate(form, room=lambda: room), body(*[b"x" * 1000] * 25)))
    assert 4 == len(room.asked)  # at once, twice on the way, before all of it is read
    form, room = Form(), Room(times=2)
    alone(put(Gate(form, room=lambda: room), body(*[b"x" * 1000] * 25)))
    assert len(form.got[0][1]) < 25_000
    assert 3 == len(room.asked)


def test_what_others_are_sending_is_told_with_the_question():
    room = Room()

    async def both() -> None:
        gate = Gate(Form(), room=lambda: room)
        gate.under_way[object()] = 5_000
        await put(gate, body(b"x" * 1000))
        assert [5_000] == list(gate.under_way.values())

    alone(both())
    assert {5_000} == {asked[3] for asked in room.asked}


def test_one_upload_at_a_time_is_read_into_memory():
    at_work = most = 0

    async def app(_scope, receive, send):
        nonlocal at_work, most
        while (await receive())["more_body"]:
            pass
        at_work += 1
        most = max(most, at_work)
        await asyncio.sleep(0)
        at_work -= 1
        await send({"type": "http.response.start", "status": 204, "headers": []})

    async def all_of_them() -> None:
        gate = Gate(app, room=Room)
        await asyncio.gather(*(put(gate, body(b"x", b"y")) for _ in range(5)))

    alone(all_of_them())
    assert 1 == most


def test_an_upload_that_fails_leaves_its_turn_to_the_next():
    async def app(_scope, receive, _send):
        while (await receive())["more_body"]:
            pass
        raise ValueError

    async def both() -> None:
        gate = Gate(app, room=Room)
        for _ in range(2):
            with pytest.raises(ValueError):
                await put(gate, body(b"x", b"y"))
        assert not gate.under_way

    alone(soon(both()))


def test_who_stops_in_the_middle_is_taken_for_gone(monkeypatch):
    monkeypatch.setattr(gate_module, "PATIENCE_S", 0.01)

    async def app(_scope, receive, _send):
        assert "http.disconnect" == (await receive())["type"]

    async def never():
        await asyncio.Event().wait()

    alone(soon(Gate(app, room=Room)(scope(), never, never)))


@pytest.mark.parametrize("path", ["/", "/_stcore/health", "/_stcore/upload_file/s"])
def test_all_else_passes(path):
    seen = []

    async def app(_scope, receive, _send):
        seen.append(receive)

    async def receive():
        raise AssertionError

    alone(Gate(app, room=Room)(scope(path), receive, receive))
    assert [receive] == seen


def test_headers_are_read_as_they_may_come():
    assert ("s s", "f") == ids_in("/base/_stcore/upload_file/s%20s/f")
    assert [0, 0, 12, 0] == [number(said) for said in (b"", b"-1", b"12", b"9" * 30)]
    assert b"\r\n--a b--\r\n" == closing(b'multipart/form-data; boundary="a b"')
    assert b"" == closing(b"text/plain") == closing(b"")
