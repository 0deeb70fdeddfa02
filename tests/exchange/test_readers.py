"""Every reader of every format answers as the network does, within 1e-5 on 1,000 images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnengine import exchange
from tests.exchange.elsewhere import ELSEWHERE, SHOWN, netron_lacks
from tests.exchange.nets import NETS, answers, images_for, installed
from tests.exchange.readers import ALL, MOST, READERS, all_grouped, listed

FORMATS = Path(__file__).resolve().parents[2] / "docs" / "formats.md"


@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
@pytest.mark.parametrize("reader", READERS, ids=lambda reader: f"{reader.kind}-{reader.name}")
def test_a_reader_answers_the_same(reader, net, tmp_path):
    if reason := reader.missing:
        pytest.skip(reason)
    images = images_for(net)
    found = reader.answers(exchange.to_bytes(net, reader.kind), net, images, tmp_path)
    np.testing.assert_allclose(answers(net, images), found, atol=MOST, rtol=0)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("reader", ELSEWHERE, ids=lambda reader: f"{reader.kind}-{reader.name}")
def test_a_reader_in_an_environment_of_its_own_answers_the_same(reader, tmp_path):
    if reason := reader.missing:
        pytest.skip(reason)
    found = reader.answers(NETS, tmp_path)
    for name, net in NETS.items():
        wanted = answers(net, images_for(net))
        np.testing.assert_allclose(wanted, found[name], atol=MOST, rtol=0, err_msg=name)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", installed(SHOWN))
def test_netron_shows_a_node_a_layer(kind):
    if reason := netron_lacks():
        pytest.skip(reason)
    assert all_grouped({name: NETS[name] for name in ("dense", "lenet", "convolutional")}, kind)


def test_every_format_that_is_written_has_a_reader():
    written = {form.kind for form in exchange.FORMS.values() if form.writer} - {"torch"}
    assert written == {reader.kind for reader in ALL}


def test_the_table_of_the_docs_has_these_readers():
    table = FORMATS.read_text(encoding="utf-8").partition("| format | read by |")[2]
    found = [line.split("|")[1:3] for line in table.partition("\n\n")[0].splitlines()[2:]]
    rows = [(title.strip(), name.strip()) for title, name in found]
    assert rows == [(exchange.FORMS[kind].title, name) for kind, name in listed()]
