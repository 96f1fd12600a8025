"""Evidence for a score as a picture: sensors, sensors over time, and how they moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rareevent.report.canvas import BLUE, HAIR, INK, SOFT, VERMILION, as_written, to_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

_DPI = 110
_MOST_TICKS = 5


@dataclass(frozen=True)
class Lane:
    """A sensor's readings over the window.

    Attributes
    ----------
    name : of the sensor
    values : float [r], NaN where missing
    band : the training rows' 10, 50 and 90 % quantiles; None where there was no reading
    """

    name: str
    values: np.ndarray
    band: tuple[float, float, float] | None


@as_written()
def evidence_png(
    title: str,
    credit: Mapping[str, float],
    cells: np.ndarray,
    times: Sequence[str],
    lanes: Sequence[Lane],
    notes: Sequence[str] = (),
) -> bytes:
    """Bars of the sensors, a heatmap of sensors by rows, and the readings of some of them.

    Parameters
    ----------
    title : what is explained
    credit : the k sensors to show -> log-odds, the largest first
    cells : float [k, r], log-odds by sensor and row
    times : of the r rows, the oldest first
    lanes : drawn side by side; a model of categories alone has none
    notes : lines below it all
    """
    from matplotlib.figure import Figure

    height, low = 1.6 + 0.26 * len(credit), 2.2 if lanes else 0.0
    size = (12, height + low + 0.2 * len(notes))
    figure = Figure(figsize=size, dpi=_DPI, layout="constrained", facecolor="white")
    ratios = (height, low) if lanes else (height,)
    grid = figure.add_gridspec(len(ratios), 2, height_ratios=ratios)
    _bars(figure.add_subplot(grid[0, 0]), credit)
    heat = figure.add_subplot(grid[0, 1])
    shown = _heatmap(heat, cells)
    figure.colorbar(shown, ax=heat, fraction=0.05, pad=0.02).ax.tick_params(labelsize=7)
    _steps(heat, len(times))
    if lanes:
        below = figure.add_subfigure(grid[1, :]).subplots(1, len(lanes), squeeze=False)[0]
        for axes, lane in zip(below, lanes, strict=True):
            _lane(axes, lane)
            _steps(axes, len(times))
    if notes:
        figure.supxlabel("\n".join(notes), fontsize=8, x=0.01, ha="left", color=INK)
    figure.suptitle(title, fontsize=10, x=0.01, ha="left", color=INK)
    return to_png(figure)


def _bars(axes: Axes, credit: Mapping[str, float]) -> None:
    values = np.array(list(credit.values()))
    axes.barh(range(len(values)), values, color=np.where(values > 0, VERMILION, BLUE))
    axes.set_yticks(range(len(values)), list(credit), fontsize=8)
    # The bars stand beside the heatmap's rows.
    axes.set_ylim(len(values) - 0.5, -0.5)
    axes.axvline(0, color=SOFT, linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color=HAIR, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=SOFT, labelsize=8)
    axes.set_title("log-odds added by each", fontsize=9, loc="left")


def _heatmap(axes: Axes, cells: np.ndarray) -> AxesImage:
    most = float(np.abs(cells).max(initial=0.0)) or 1.0
    shown = axes.imshow(
        cells, cmap="RdBu_r", vmin=-most, vmax=most, aspect="auto", interpolation="nearest"
    )
    axes.set_yticks([])
    axes.tick_params(colors=SOFT, labelsize=7)
    axes.set_title("and when (trees left out)", fontsize=9, loc="left")
    return shown


def _lane(axes: Axes, lane: Lane) -> None:
    if lane.band is not None:
        low, middle, high = lane.band
        axes.axhspan(low, high, color=HAIR, linewidth=0)
        axes.axhline(middle, color=SOFT, linewidth=0.8)
    # Markers, as a reading between two missing ones would not show in a line.
    axes.plot(range(len(lane.values)), lane.values, color=BLUE, linewidth=1.4, marker=".")
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=SOFT, labelsize=7)
    axes.set_title(f"{lane.name}; grey: 80 % of training rows", fontsize=8, loc="left")


def _steps(axes: Axes, rows: int) -> None:
    stride = max(1, -(-rows // _MOST_TICKS))
    places = np.arange(rows - 1, -1, -stride)
    axes.set_xticks(places, [str(int(place) - rows + 1) for place in places])
    axes.set_xlabel("rows from the last", fontsize=8)
