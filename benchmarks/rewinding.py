"""Moving the rewind slider: how long a real server takes until all that is shown there is sent.

    python benchmarks/rewinding.py                 # 784-128-10 on MNIST, 40 moves

A visitor trains on the Train page and then moves the slider, to moments near and far by turns; a
move is timed from its message to the last word of the server's answer, over the websocket. With
`--live` the run is still going on meanwhile. What the browser draws then is not in it.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from streamlit.proto.Common_pb2 import StringArray
from streamlit.proto.WidgetStates_pb2 import WidgetState

from dashboard.runs import address
from dashboard.runs.recipe import Recipe
from tests.load.visitor import Visitor
from tests.load.visitors import server

SLIDER = "Step of the run"
MOMENTS = 60  # that are there at least before the slider is moved


@dataclass
class Mover(Visitor):
    """A visitor who sees the slider: its id, its part of the page, and how many moments it has."""

    slider: str = ""
    part: str = ""
    moments: list[str] = field(default_factory=list)
    at: str = ""

    def _take_delta(self, delta) -> None:
        super()._take_delta(delta)
        element = delta.new_element
        if element.WhichOneof("type") == "slider" and element.slider.label == SLIDER:
            self.slider, self.part = element.slider.id, delta.fragment_id
            self.moments = list(element.slider.options)
        for said in (element.markdown.body, element.alert.body):
            if said.startswith("Step ") and "this moment takes" in said:
                self.at = said

    async def move(self, place: int) -> float:
        """Move the slider to a moment; return how many seconds all of the answer took."""
        before, began = self.at, time.monotonic()
        chosen = WidgetState(
            id=self.slider, string_array_value=StringArray(data=[self.moments[place]])
        )
        await self.rerun(chosen, fragment_id=self.part)
        took_s = time.monotonic() - began
        assert self.at != before, f"nothing moved: {before}"
        return took_s


async def moved(base: str, recipe: Recipe, moves: int, live: bool) -> list[float]:
    """Train, move the slider so often, and return the seconds of each move."""
    visitor = Mover(base, query=address.link(recipe, "mnist"))
    await visitor.open()
    await visitor.go("Train")
    await visitor.click("Start training")
    while (
        not visitor.total
        or len(visitor.moments) < (3 if live else MOMENTS)
        or (not live and visitor.steps < visitor.total)
    ):
        await asyncio.sleep(0.5)
        await visitor.rerun()
    await asyncio.sleep(2.0)
    await visitor.rerun()
    rng, took, place = np.random.default_rng(0), [], len(visitor.moments) - 1
    for number in range(moves):
        far = int(rng.integers(1, len(visitor.moments) - 1))
        place = max(place - 1, 0) if number % 2 and place else (place + far) % len(visitor.moments)
        await visitor.rerun() if live else None
        took.append(await visitor.move(place))
        await asyncio.sleep(0.4)  # as somebody who looks: who asks without end waits for his turn
    print(f"{len(visitor.moments)} moments, at step {visitor.steps:,} of {visitor.total:,}")
    return took


def main() -> None:
    """Print median, 95th percentile and the longest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moves", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--live", action="store_true", help="while the run goes on")
    asked = parser.parse_args()
    epochs = 200 if asked.live else asked.epochs
    recipe = Recipe(hidden=(128,), epochs=epochs, batch_size=64, validation="test")
    with tempfile.TemporaryDirectory() as folder, server(Path(folder) / "log.txt") as app:
        took = asyncio.run(moved(app.base, recipe, asked.moves, asked.live))
    print(
        f"{len(took)} moves: median {statistics.median(took):.3f} s, 95 % within "
        f"{np.quantile(took, 0.95):.3f} s, the longest {max(took):.3f} s"
    )


if __name__ == "__main__":
    main()
