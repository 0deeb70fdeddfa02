"""Course: how far a run is and what its optimizer carries; with the weights, all to go on from."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..errors import FormatError


@dataclass(slots=True)
class Course:
    """Where a run is. Given to `training` new, it is kept up to date; given again, the run goes on.

    step: optimizer steps taken. arrays: what the optimizer carries from step to step, by name,
    each of the weights' shape and type; those of a run under way change with it. Between two
    events course and weights belong together.
    """

    step: int = 0
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    def join(self, carried: dict[str, np.ndarray]) -> None:
        """Fill an optimizer's arrays with those kept here, and hold on to them from now on.

        Raises FormatError where a run that has begun brings others than the optimizer carries.
        """
        if self.step:
            for name, array in carried.items():
                found = self.arrays.get(name)
                if found is None or found.shape != array.shape or found.dtype != array.dtype:
                    raise FormatError(
                        f"{name}: expected {array.dtype} {array.shape} to go on from step "
                        f"{self.step:,}, found {'nothing' if found is None else found.dtype} "
                        f"{'' if found is None else found.shape}: begin the run anew"
                    )
                array[:] = found
        self.arrays = carried
