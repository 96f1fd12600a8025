"""What the gates of a network do over many windows, and which units move before events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rareevent.evaluation.unit_moves import FEWEST_EVENTS, Matches, UnitMoves, unit_moves
from rareevent.ingestion.frame import Float64
from rareevent.lstm.gate_statistics import (
    SUMMARISED,
    SWITCHES,
    LayerStatistics,
    gate_statistics,
    unit_means,
)
from rareevent.lstm.network import Network
from rareevent.windowing.temporalize import Windows

# Evenly spaced windows for the statistics: more change no share by a visible amount.
MOST_WINDOWS = 4_000


@dataclass(frozen=True)
class GateReading:
    """Gate statistics of a network, and which of its units move before events.

    Attributes
    ----------
    layers : LayerStatistics, first to last
    names : (layer, unit, quantity) of every comparison, counted from 1
    moves : UnitMoves over `names`; None where no events are known
    matches : the windows that were compared; None without events
    """

    layers: tuple[LayerStatistics, ...]
    names: tuple[tuple[str, int, str], ...] = ()
    moves: UnitMoves | None = None
    matches: Matches | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "layers": [_layer_json(n, layer) for n, layer in enumerate(self.layers, start=1)],
            "moves": _moves_json(self),
        }


def read_gates(network: Network, windows: Windows, matches: Matches | None) -> GateReading:
    """Statistics over some windows and, where matches are given, what moves before events.

    Parameters
    ----------
    windows : Windows, at least one; of many, evenly spaced ones make the statistics
    matches : pairs of them
    """
    spaced = windows.take(slice(None, None, -(-len(windows) // MOST_WINDOWS)))
    layers = gate_statistics(network, spaced)
    if matches is None or not len(matches.event):
        return GateReading(layers, matches=matches)
    before, names = _unit_table(network, windows.take(matches.before))
    beside, _ = _unit_table(network, windows.take(matches.beside))
    return GateReading(layers, names, unit_moves(before, beside, matches.event), matches)


def _unit_table(
    network: Network, windows: Windows
) -> tuple[np.ndarray, tuple[tuple[str, int, str], ...]]:
    """Mean of every unit's gates and state per window, float64 [windows, k], and their names."""
    columns, names = [], []
    for number, layer in enumerate(unit_means(network, windows), start=1):
        for quantity in SUMMARISED:
            columns.append(layer[quantity].astype(np.float64))
            units = range(1, columns[-1].shape[1] + 1)
            names += [(f"lstm_{number}", unit, quantity) for unit in units]
    return np.concatenate(columns, axis=1), tuple(names)


def _layer_json(number: int, layer: LayerStatistics) -> dict[str, Any]:
    units = [
        {
            "unit": unit + 1,
            "mean": _of_unit(layer.mean, unit),
            "shut": _of_unit(layer.shut, unit),
            "open": _of_unit(layer.open, unit),
            "holds": float(layer.holds[unit]),
            "spread": float(layer.spread[unit]),
            "memory": bool(layer.memory[unit]),
            "never_changes": bool(layer.never_changes[unit]),
        }
        for unit in range(layer.units)
    ]
    return {"name": f"lstm_{number}", "windows": layer.windows, "units": units}


def _of_unit(by_gate: Mapping[str, Float64], unit: int) -> dict[str, float]:
    return {name: float(by_gate[name][unit]) for name in SWITCHES}


def _moves_json(read: GateReading) -> dict[str, Any] | None:
    moves, matches = read.moves, read.matches
    if moves is None or matches is None:
        return None
    low, high = moves.low, moves.high
    # Gates and states differ in scale, so the surest differences come first, not the largest.
    width = np.ones(len(moves.difference)) if low is None or high is None else high - low
    sure = np.abs(moves.difference) / np.where(width > 0, width, np.inf)
    order = np.argsort(-sure, kind="stable")
    units = [
        {
            "layer": read.names[at][0],
            "unit": read.names[at][1],
            "quantity": read.names[at][2],
            "difference": float(moves.difference[at]),
            "low": None if low is None else float(low[at]),
            "high": None if high is None else float(high[at]),
            "moved": bool(moves.moved[at]),
        }
        for at in order
    ]
    return {
        "events": moves.events,
        "unmatched": matches.unmatched,
        "windows": len(matches.event),
        "fewest_events": FEWEST_EVENTS,
        "confidence": moves.confidence,
        "comparisons": len(units),
        "units": units,
    }
