"""The threat model promises nothing that no test holds."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")


def test_every_promise_names_tests_that_there_are():
    table = PAGE.partition("| --- | --- |\n")[2].partition("\n\n")[0]
    rows = [line.strip("|").split("|") for line in table.splitlines()]
    assert len(rows) > 10
    for promise, held in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)`: ((?:`test_\w+`(?:, )?)+)", held)
        assert named, promise
        for file, tests in named:
            source = (ROOT / file).read_text(encoding="utf-8")
            for test in re.findall(r"test_\w+", tests):
                assert f"def {test}(" in source, f"{promise}: {file} has no {test}"


def test_what_a_proxy_is_to_have_is_in_the_file():
    conf = (ROOT / "docs" / "deploy" / "nginx.conf").read_text(encoding="utf-8")
    for word in ("Strict-Transport-Security", "limit_req", "limit_conn", "client_max_body_size",
                 "ssl_reject_handshake", "proxy_set_header Host $http_host"):  # fmt: skip
        assert word in conf
