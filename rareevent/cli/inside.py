"""Tables about the inside of a model, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from rareevent.jobs.model import ModelSummary

_BARS = "▁▂▃▄▅▆▇█"
_MOST_BARS = 16
_MOST_MOVES = 12
_WINDOW_COLUMNS = ("input", "forget", "candidate", "output", "state")
_MARKS = {"memory": "memory", "never_changes": "never changes"}


def model_table(summary: ModelSummary) -> Table:
    """Layers, shapes and parameters of one member."""
    title = (
        f"lookback {summary.lookback}, channels {summary.channels:,}, heads {summary.heads},"
        f" {summary.members} members of this shape"
    )
    table = Table(title=title, title_justify="left", title_style="bold", show_footer=True)
    table.add_column("layer", footer="total")
    table.add_column("kind")
    table.add_column("output", justify="right")
    table.add_column("parameters", justify="right", footer=f"{summary.parameters:,}")
    table.add_column("learned", justify="right", footer=f"{summary.learned:,}")
    table.add_column("4m(m + p + 1)")
    for row in summary.layers:
        shape = " × ".join(str(size) for size in row.shape)
        counts = (f"{row.parameters:,}", f"{row.learned:,}")
        table.add_row(row.name, row.kind, shape, *counts, row.formula)
    return table


def window_table(name: str, layer: Mapping[str, Any]) -> Table:
    """Each unit's gates and state over the steps of one window, as bars, and its last state.

    Gates run from 0 to 1; candidate and state from the layer's largest size below 0 to that above.
    """
    table = Table(title=f"{name}: oldest step left", title_justify="left", title_style="bold")
    table.add_column("unit", justify="right")
    for quantity in _WINDOW_COLUMNS:
        table.add_column(quantity, no_wrap=True)
    table.add_column("last state", justify="right")
    for unit in range(layer["state"].shape[1]):
        bars = (
            _bars(layer[quantity][:, unit], *_range(quantity, layer[quantity]))
            for quantity in _WINDOW_COLUMNS
        )
        table.add_row(str(unit + 1), *bars, f"{layer['state'][-1, unit]:+.3f}")
    return table


def _range(quantity: str, values: Any) -> tuple[float, float]:
    if quantity not in ("candidate", "state"):
        return 0.0, 1.0
    most = float(max(values.max(), -values.min())) or 1.0
    return -most, most


def _bars(values: Any, low: float, high: float) -> str:
    """One bar per step; of many steps, means of stretches.

    Examples
    --------
    >>> import numpy as np
    >>> _bars(np.array([0.0, 0.5, 1.0]), 0.0, 1.0)
    '▁▅█'
    """
    stride = -(-len(values) // _MOST_BARS)
    means = [float(values[at : at + stride].mean()) for at in range(0, len(values), stride)]
    top = len(_BARS) - 1
    return "".join(
        _BARS[min(top, max(0, int((mean - low) / (high - low) * (top + 1))))] for mean in means
    )


def statistics_table(layer: Mapping[str, Any]) -> Table:
    """How a layer's units switch, over many windows."""
    table = Table(
        title=f"{layer['name']}, {layer['windows']:,} windows",
        title_justify="left",
        title_style="bold",
    )
    heads = ("unit", "input", "shut / open", "forget", "shut / open", "output", "shut / open")
    for head in (*heads, "holds", "spread"):
        table.add_column(head, justify="right")
    table.add_column("")
    for unit in layer["units"]:
        cells = []
        for gate in ("input", "forget", "output"):
            cells += [f"{unit['mean'][gate]:.2f}", f"{unit['shut'][gate]:.0%} / "]
            cells[-1] += f"{unit['open'][gate]:.0%}"
        marks = [word for key, word in _MARKS.items() if unit[key]]
        rest = (f"{unit['holds']:.0%}", f"{unit['spread']:.3f}", ", ".join(marks))
        table.add_row(str(unit["unit"]), *cells, *rest)
    return table


def moves_table(moves: Mapping[str, Any]) -> Table:
    """Units that move before events, or those that come nearest to it."""
    moved = [unit for unit in moves["units"] if unit["moved"]]
    title = (
        f"{len(moved)} of {moves['comparisons']} differences before {moves['events']} events"
        f" exclude 0; all intervals together hold at {moves['confidence']:.0%}"
    )
    if moves["units"] and moves["units"][0]["low"] is None:
        title = (
            f"differences before {moves['events']} events; fewer than {moves['fewest_events']}"
            " give no interval"
        )
    table = Table(title=title, title_justify="left", title_style="bold")
    for head in ("layer", "unit", "mean of", "difference", "interval"):
        table.add_column(head, justify="right" if head in ("unit", "difference") else "left")
    for unit in (moved or moves["units"])[:_MOST_MOVES]:
        known = unit["low"] is not None
        interval = f"{unit['low']:+.3f} to {unit['high']:+.3f}" if known else "–"
        figures = (f"{unit['difference']:+.3f}", interval)
        table.add_row(unit["layer"], str(unit["unit"]), unit["quantity"], *figures)
    return table
