"""Gates of one window as heatmaps: units down, steps across."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from rareevent.report.canvas import SOFT, to_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

# Quantity -> (title, whether it lies in (0, 1)); the others are drawn around 0.
_PANELS = {
    "input": ("input gate", True),
    "forget": ("forget gate", True),
    "output": ("output gate", True),
    "candidate": ("candidate", False),
    "state": ("cell state", False),
    "hidden": ("output", False),
}
_DPI = 110
_MOST_TICKS = 6
_LEGIBLE_UNITS = 24


def gate_png(name: str, layer: Mapping[str, np.ndarray], times: Sequence[str]) -> bytes:
    """Six heatmaps of one layer, gates above, what flows through them below.

    Parameters
    ----------
    name : of the layer
    layer : quantity -> float [lookback, m], as `jobs.gates.WindowGates.layers` has them
    times : of the steps, the oldest first
    """
    from matplotlib.figure import Figure

    units = layer["state"].shape[1]
    height = 2.4 + 0.28 * min(units, _LEGIBLE_UNITS)
    figure = Figure(figsize=(11, height), dpi=_DPI, layout="constrained", facecolor="white")
    grid = figure.subplots(2, 3, sharex=True, sharey=True)
    for axes, (quantity, (title, switch)) in zip(grid.flat, _PANELS.items(), strict=True):
        values = np.asarray(layer[quantity], np.float64).T
        shown = _heatmap(axes, values, switch)
        figure.colorbar(shown, ax=axes, fraction=0.05, pad=0.02).ax.tick_params(labelsize=7)
        axes.set_title(title, fontsize=9, loc="left")
        axes.tick_params(colors=SOFT, labelsize=7)
    _label(grid, units, len(times))
    figure.suptitle(f"{name}, {times[0]} to {times[-1]}", fontsize=10, x=0.01, ha="left")
    return to_png(figure)


def _heatmap(axes: Axes, values: np.ndarray, switch: bool) -> AxesImage:
    # A switch runs from shut to open; what has a sign is drawn around 0, to its own extent.
    most = float(np.abs(values).max()) or 1.0
    low, high = (0.0, 1.0) if switch else (-most, most)
    colours = "cividis" if switch else "RdBu_r"
    return axes.imshow(
        values, cmap=colours, vmin=low, vmax=high, aspect="auto", interpolation="nearest"
    )


def _label(grid: np.ndarray, units: int, steps: int) -> None:
    """Steps back from the newest row across, units from 1 down."""
    stride = max(1, -(-steps // _MOST_TICKS))
    places = np.arange(steps - 1, -1, -stride)
    every = max(1, -(-units // 12))
    for axes in grid[:, 0]:
        axes.set_yticks(range(0, units, every), [str(u + 1) for u in range(0, units, every)])
        axes.set_ylabel("unit", fontsize=8)
    for axes in grid[-1]:
        axes.set_xticks(places, [str(int(place) - steps + 1) for place in places])
        axes.set_xlabel("steps from the last row", fontsize=8)
