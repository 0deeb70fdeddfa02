"""Bounds: what one server grants its visitors."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields

from nnengine.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What one server grants: sizes of networks, lengths of runs, numbers of runs, patience.

    Every field may be set through the environment as NNENGINE_<FIELD>, for example
    NNENGINE_ACTIVE_RUNS=8; see `from_environment`.
    """

    hidden_layers: int = 6
    width: int = 1024
    parameters: int = 2_000_000
    batch_size: int = 8192
    epochs: int = 200
    iterations: int = 100_000
    history_points: int = 2_000
    runs_per_visit: int = 12
    active_per_visit: int = 4
    active_runs: int = 24
    unseen_pause_s: int = 180
    unseen_forget_s: int = 3600

    def __post_init__(self) -> None:
        """Raise ConfigError for a bound below one."""
        for field in fields(self):
            if getattr(self, field.name) < 1:
                raise ConfigError(f"the bound {field.name} must be at least 1")

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
