"""The load script in small: three visitors for eight seconds on made-up images."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("psutil")
pytest.importorskip("websockets")

from tests.load.visitors import crowd, mnist_like, server  # noqa: E402


@pytest.mark.alone
def test_visitors_who_train_at_once_are_served_alike_and_soon(tmp_path):
    files = [
        (f"{part}-{name}", raw)
        for part, count in (("train", 6000), ("t10k", 1000))
        for name, raw in mnist_like(count, seed=count)
    ]
    with server(tmp_path / "log.txt") as app, ThreadPoolExecutor(1) as apart:
        visits = crowd(app, visitors=3, seconds=8, files=files, recipe="The original", stay=True)
        # In a thread of its own: after browser tests Playwright's loop runs in this one.
        report = apart.submit(asyncio.run, visits).result()
        assert app.process.poll() is None
    assert not report.faults
    assert min(report.steps) > 0
    assert report.fairness >= 0.7
    assert max(report.waits_s) < 5
    assert report.p95_s < 0.5
