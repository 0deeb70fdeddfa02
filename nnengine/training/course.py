"""Course: a run whose settings were changed on its way, as its record keeps it.

A record's `config` is what the run goes by now; `changes` says, oldest first, after which step
which settings became others: {"step": 300, "settings": {"learning_rate": [0.1, 0.01]}}.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .config import TrainingConfig

if TYPE_CHECKING:
    from ..core.network import Network

CHANGES = "changes"


def turn(network: Network, config: TrainingConfig, step: int) -> None:
    """Put on the record of a run under way that it goes by `config` after `step` steps.

    Its curves go on in one piece then, where `training` is given that network, those settings
    and the run's state. Nothing happens where it goes by them already, or has no record yet.
    """
    record = network.training[-1] if step and network.training else {}
    settings, begun = record.get("config"), record.get("outcome") in ("unfinished", "stopped")
    if not begun or not isinstance(settings, Mapping):
        return
    before, after = {**TrainingConfig().as_dict(), **settings}, config.as_dict()
    other = {name: [before[name], value] for name, value in after.items() if before[name] != value}
    if not other:
        return
    changes = [*record.get(CHANGES, ()), {"step": step, "settings": other}]
    made = {**record, "config": after, "seed": int(config.seed), CHANGES: changes}
    network.training = (*network.training[:-1], made)


def legs(record: Mapping[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    """Return which settings a run went by after which step, oldest first.

    The first are those that it began with, after step 0. record: checked, as files have it.
    """
    settings = dict(record["config"])
    found: list[tuple[int, dict[str, Any]]] = []
    for change in reversed(record.get(CHANGES, ())):
        found.append((change["step"], settings))
        before = {name: pair[0] for name, pair in change["settings"].items()}
        settings = {**settings, **before}
    return [(0, settings), *reversed(found)]


def in_words(change: Mapping[str, Any]) -> str:
    """Return a change as people read it: "learning rate 0.1 → 0.01 after step 300"."""
    from .settings import SETTINGS

    said = []
    for name, pair in change["settings"].items():
        row = SETTINGS.get(name)
        if row is None or row.key or row.options:  # how often curves are measured is no news
            words = [row.note(one)[1] if row else str(one) for one in pair]
            title = row.label.lower() if row else name
            said.append(f"{title} {words[0] or 'none'} → {words[1] or 'none'}")
    return f"{', '.join(said)} after step {change['step']:,}" if said else ""
