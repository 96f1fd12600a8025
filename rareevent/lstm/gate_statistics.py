"""What the gates do over many windows: how hard they switch, which units remember, which are idle.

The cell's gates are soft switches in (0, 1). A unit whose forget gate stays near 1 while its input
gate stays near 0 holds what it holds: it is a memory. A unit that gives out the same, step by
step, whatever the window, tells the layer above nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rareevent.ingestion.frame import Bool, Float32, Float64
from rareevent.lstm.cell import Gates, Network, gates
from rareevent.windowing.temporalize import Windows

# A gate below or above these is as good as shut or open.
SHUT, OPEN = 0.1, 0.9
# A unit is a memory when it holds (forget open, input shut) for at least this share of the time.
MEMORY_SHARE = 0.5
# Largest standard deviation, over windows at one step, of an output that never changes; outputs
# of a tanh layer lie in (-1, 1).
NEVER_CHANGES = 0.01
SWITCHES = ("input", "forget", "output")
SUMMARISED = ("input", "forget", "output", "state")
# Numbers of one layer's gates held at once: 6 arrays of this many float32 are about 100 MB.
_ELEMENTS = 1 << 22


@dataclass(frozen=True)
class LayerStatistics:
    """One layer over all steps of some windows; figures are float64 [m].

    Attributes
    ----------
    windows : int, how many
    mean, shut, open : gate name ("input", "forget", "output") -> its mean, and the shares of the
        time that it is below 0.1 and above 0.9
    holds : share of the time that the forget gate is above 0.9 and the input gate below 0.1
    spread : largest standard deviation over the windows of the unit's output at one step
    """

    windows: int
    mean: dict[str, Float64]
    shut: dict[str, Float64]
    open: dict[str, Float64]
    holds: Float64
    spread: Float64

    @property
    def units(self) -> int:
        """Units of the layer, m."""
        return len(self.holds)

    @property
    def hard(self) -> dict[str, Float64]:
        """Gate name -> share of the time that it is as good as shut or open."""
        return {name: self.shut[name] + self.open[name] for name in SWITCHES}

    @property
    def memory(self) -> Bool:
        """Units that act as memory, bool [m]."""
        return self.holds >= MEMORY_SHARE

    @property
    def never_changes(self) -> Bool:
        """Units whose output does not depend on the window, bool [m]."""
        return self.spread < NEVER_CHANGES


def gate_statistics(network: Network, windows: Windows) -> tuple[LayerStatistics, ...]:
    """Statistics of every layer over some windows; memory does not grow with their number.

    Raises
    ------
    ModelError
        When the windows do not fit the network.
    ValueError
        When there is no window.
    """
    if not len(windows):
        raise ValueError("gate statistics need at least one window")
    sums = [_Sums(windows.lookback, units) for units in network.outputs]
    for part in _parts(network, windows):
        for total, layer in zip(sums, gates(network, part), strict=True):
            total.add(layer)
    return tuple(total.statistics() for total in sums)


def unit_means(network: Network, windows: Windows) -> tuple[dict[str, Float32], ...]:
    """Each unit's mean over the steps of each window, per layer.

    Returns
    -------
    per layer: "input", "forget", "output" and "state" -> float32 [windows, m]
    """
    found: list[list[dict[str, Float32]]] = [[] for _ in network.outputs]
    for part in _parts(network, windows):
        for mine, layer in zip(found, gates(network, part), strict=True):
            mine.append({name: getattr(layer, name).mean(axis=1) for name in SUMMARISED})
    return tuple(
        {name: np.concatenate([one[name] for one in mine]) for name in SUMMARISED} for mine in found
    )


def _parts(network: Network, windows: Windows) -> list[Windows]:
    """The windows in parts whose gates fit in memory."""
    size = max(1, _ELEMENTS // (windows.lookback * max(network.outputs)))
    return [windows.take(slice(at, at + size)) for at in range(0, len(windows), size)]


class _Sums:
    """Running sums of one layer over windows."""

    def __init__(self, lookback: int, units: int) -> None:
        self._windows, self._steps = 0, lookback
        self._mean, self._shut, self._open = (
            {name: np.zeros(units) for name in SWITCHES} for _ in range(3)
        )
        self._holds = np.zeros(units)
        self._output, self._square = np.zeros((lookback, units)), np.zeros((lookback, units))

    def add(self, layer: Gates) -> None:
        """Add the gates of some windows, float32 [windows, lookback, m] each."""
        self._windows += len(layer.input)
        for name in SWITCHES:
            gate = getattr(layer, name)
            self._mean[name] += gate.sum(axis=(0, 1), dtype=np.float64)
            self._shut[name] += (gate < SHUT).sum(axis=(0, 1))
            self._open[name] += (gate > OPEN).sum(axis=(0, 1))
        self._holds += ((layer.forget > OPEN) & (layer.input < SHUT)).sum(axis=(0, 1))
        hidden = layer.hidden.astype(np.float64)
        self._output += hidden.sum(axis=0)
        self._square += (hidden**2).sum(axis=0)

    def statistics(self) -> LayerStatistics:
        """The sums as shares and means."""
        count = self._windows * self._steps
        variance = self._square / self._windows - (self._output / self._windows) ** 2
        mean, shut, wide = (
            {name: total / count for name, total in sums.items()}
            for sums in (self._mean, self._shut, self._open)
        )
        spread = np.sqrt(np.maximum(variance, 0)).max(axis=0)
        return LayerStatistics(self._windows, mean, shut, wide, self._holds / count, spread)
