"""A search on a Dask cluster of two processes finds what one process finds."""

from __future__ import annotations

import json

import pytest

from nnengine import write_idx
from nnengine.data import synthetic
from nnengine.searching import read_range, searching

distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed")

RANGES = ["layers=8|16|32", "learning-rate=0.001|0.01", "optimizer=adam|momentum",
          "batch-size=32|64"]  # fmt: skip
TOLD = ("settings", "rounds", "epochs", "accuracy", "loss")


@pytest.fixture(scope="module")
def cluster():
    """A cluster of two processes of one thread each, and its client."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OMP_NUM_THREADS", raising=False)
        made = distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        )
    with made, distributed.Client(made) as client:
        yield client


def ranked(client=None, **settings):
    """Return what is told of all candidates, the best first, and the best one's network."""
    rest, held_out = synthetic.digits(300, seed=3).split(0.2, rng=1)
    search = searching(rest, held_out, list(map(read_range, RANGES)), client=client, **settings)
    while True:
        try:
            next(search)
        except StopIteration as end:
            rows = [[getattr(one, name) for name in TOLD] for one in end.value]
            return rows, end.value[0].network.theta.tobytes()


@pytest.mark.timeout(300)
def test_all_24_settings_get_the_scores_of_one_process(cluster):
    settings = {"candidates": 24, "epochs": 3, "factor": 1}
    here = ranked(**settings)
    assert 24 == len(here[0])
    assert here == ranked(cluster, **settings)


@pytest.mark.timeout(300)
def test_runs_that_go_on_in_later_rounds_are_the_same_runs_wherever_they_go(cluster):
    settings = {"candidates": 9, "epochs": 9, "factor": 3}
    here = ranked(**settings)
    assert {1, 3, 9} == {row[2] for row in here[0]}
    assert here == ranked(cluster, **settings)


@pytest.mark.timeout(300)
def test_the_command_has_a_cluster_search(cluster, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    digits = synthetic.digits(200, seed=1)
    write_idx("images", digits.images)
    write_idx("labels", digits.labels)
    command = ("search", "images", "labels", "--range", "learning-rate=0.001..0.1", "--json",
               "--candidates", "3", "--epochs", "3")  # fmt: skip
    status, out, err = run(*command, "--dask", cluster.scheduler.address, "--out", "best.npz")
    assert (0, "") == (status, err)
    here = json.loads(run(*command)[1])["candidates"]
    there = json.loads(out)["candidates"]
    for one in (*here, *there):
        one.pop("seconds")
    assert here == there and (tmp_path / "best.npz").exists()


def test_an_address_where_nobody_answers_is_told_with_the_way_out(run, monkeypatch):
    monkeypatch.setattr("nnengine.cli.search._PATIENCE_S", 1)
    command = ("search", "digits", "--range", "optimizer=adam|sgd", "--dask", "tcp://127.0.0.1:9")
    status, _, err = run(*command)
    assert 2 == status
    assert "--dask tcp://127.0.0.1:9: no scheduler answers there" in err and "dask scheduler" in err
