"""When a simulated asset runs, stands still, and breaks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rareevent.simulate.parameters import RUN_MEAN_ROWS, RUN_MIN_ROWS, STOP_ROWS

Bool = NDArray[np.bool_]
Int64 = NDArray[np.int64]


@dataclass(frozen=True)
class Timeline:
    """One asset on a grid of n rows, rows while it stands still included.

    Attributes
    ----------
    running : bool [n], false while the asset stands still after an event
    run : int64 [n], index of the run that the row belongs to or follows
    age : int64 [n], rows since that run began
    event : int64 [k], last row before each event, ascending
    """

    running: Bool
    run: Int64
    age: Int64
    event: Int64

    def __len__(self) -> int:
        return len(self.running)


def draw_timeline(rng: np.random.Generator, rows: int) -> Timeline:
    """Runs of random length, each ended by an event and followed by a stoppage.

    Parameters
    ----------
    rng : numpy.random.Generator
    rows : int, length of the grid
    """
    most = rows // (RUN_MIN_ROWS + STOP_ROWS[0]) + 1
    runs = RUN_MIN_ROWS + rng.exponential(RUN_MEAN_ROWS, most).astype(np.int64)
    stops = rng.integers(*STOP_ROWS, most)
    ends = np.cumsum(runs + stops)
    starts = ends - runs - stops
    grid = np.arange(rows)
    run = np.searchsorted(starts, grid, side="right") - 1
    age = grid - starts[run]
    event = starts + runs - 1
    # An event on the last row would have no stoppage to show for it.
    return Timeline(age < runs[run], run, age, event[event < rows - 1])
