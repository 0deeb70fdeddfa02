"""Bounds: what one server grants its visitors."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields

from dashboard.host.tab import HERE, IN_TAB
from nnengine.analysis.parts import Cost
from nnengine.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What one server grants: sizes of networks, lengths of runs, numbers of runs, patience.

    active_runs: visitors whose runs take turns at once; waiting_visits: how many more wait in
    line for that. active_per_visit: runs that share one visitor's turns; waiting_per_visit: how
    many more of his wait for one of these to end. multiplications, numbers: that one image may take
    in layers that are not all dense, see `Cost`; 256 images are taken at once, which is 102 MB.

    Every field may be set through the environment as NNENGINE_<FIELD>, for example
    NNENGINE_ACTIVE_RUNS=8; see `from_environment`.
    """

    hidden_layers: int = 6
    width: int = 1024
    parameters: int = 2_000_000
    multiplications: int = 8_000_000 if not IN_TAB else 2_000_000
    numbers: int = 100_000
    batch_size: int = 8192
    epochs: int = 200
    iterations: int = 100_000
    history_points: int = 2_000
    runs_per_visit: int = 12
    search_candidates: int = 27  # of one search, of which one at a time trains
    active_per_visit: int = 4
    waiting_per_visit: int = 4
    active_runs: int = 24
    waiting_visits: int = 400
    unseen_pause_s: int = 180
    unseen_forget_s: int = 3600
    unseen_yield_s: int = 900  # where there is no room, whoever was not seen for so long makes some
    visit_mb: int = 256  # of memory, a million bytes each: see `dashboard/store/budget.py`
    server_mb: int = 1000
    kept_mb: int = 2000  # of the disk, for what is kept of runs: see `dashboard/store/runwriter.py`
    kept_days: int = 30  # from the last sign of a run's life

    def __post_init__(self) -> None:
        """Raise ConfigError for a bound below one."""
        for field in fields(self):
            if getattr(self, field.name) < 1:
                raise ConfigError(f"the bound {field.name} must be at least 1")

    def check_room(self, others: int, own: int) -> None:
        """Raise ConfigError where a visitor beside so many may have no run more than `own`."""
        if own >= self.active_per_visit + self.waiting_per_visit:
            raise ConfigError(
                f"{own} of your runs are training or waiting for their turn, as many as {HERE} "
                "allows one visitor: pause or stop one first"
            )
        if others >= self.active_runs + self.waiting_visits:
            raise ConfigError(
                f"{others:,} visitors train here or wait in line, as many as {HERE} gives turns "
                "to: try again in a few minutes"
            )

    def check_cost(self, cost: Cost) -> None:
        """Raise ConfigError for layers that make too much of an image: dense ones never do."""
        if cost.dense:
            return
        for found, most, what in (
            (cost.numbers, self.numbers, "numbers in its layers"),
            (cost.multiplications, self.multiplications, "multiplications"),
        ):
            if found > most:
                raise ConfigError(
                    f"an image takes {found:,} {what}: {HERE} allows {most:,}; choose fewer maps, "
                    "or pool earlier"
                )

    @classmethod
    def from_environment(cls) -> Bounds:
        """Return the bounds with those the operator set; raise ConfigError for one unreadable."""
        given = {}
        for field in fields(cls):
            key = f"NNENGINE_{field.name.upper()}"
            if key in os.environ:
                if not os.environ[key].strip().isdigit():
                    raise ConfigError(f"{key}={os.environ[key]!r}: give a whole number above 0")
                given[field.name] = int(os.environ[key])
        return cls(**given)
