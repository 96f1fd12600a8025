"""The loop over steps of a network that reads its windows in one direction.

The equations, and why it is built this way, stand in `rareevent.lstm.cell`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from rareevent.ingestion.frame import Float32
from rareevent.lstm.blocks import Block
from rareevent.lstm.kernels import Buffers, Cells, Head, RowProjection, by_gate, fold, of_outputs
from rareevent.lstm.network import LSTMLayer, Network


class Moved(NamedTuple):
    """What the cells of a layer, or of one direction of it, just did.

    Attributes
    ----------
    step : position in the window
    layer : from 0
    part : which of the layer's outputs these are
    values : float32 [6, m, slots], i, f, c̃, o, c and h
    """

    step: int
    layer: int
    part: slice
    values: Float32


class Loop:
    """The cells of all layers over blocks of windows, in buffers that are written again and again.

    Layers move on together: at a beat, layer k takes its step beat - k, and reads what itself and
    the layer below showed at the beat before. All outputs lie in one buffer, rows h¹ | h² | … | 1.
    A layer above the first multiplies the stretch from its input to the row of ones, which carries
    its bias; its weights for the layers above it are zero.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._buffers = Buffers()
        self._entry = RowProjection(network, self._buffers)
        self._head = Head(network)
        ends = np.cumsum([layer.units for layer in network.layers]).tolist()
        self._rows = [slice(a, b) for a, b in zip([0, *ends], ends, strict=False)]
        first, *above = network.layers
        self._weights = [by_gate(of_outputs(first.recurrent))]
        self._weights += [
            _above_first(layer, ends[-1] - end) for layer, end in zip(above, ends[1:], strict=True)
        ]

    def most_windows(self, lookback: int, wanted: int) -> int:
        """How many windows a block may hold: all that are wanted, memory grows with them alone."""
        return wanted

    def run(self, rows: Float32, block: Block) -> Float32:
        """Logits of a block's windows, float32 [windows, heads]."""
        for _ in self._beats(rows, block, watched=False):
            pass
        return self._head.logits(block, self._entry.skip(block))

    def watch(self, rows: Float32, block: Block) -> Iterator[Moved]:
        """Run a block; yields each layer at each of its steps."""
        for beat, cells in enumerate(self._beats(rows, block, watched=True)):
            for k in self._live(beat, block.lookback):
                layer = self._rows[k]
                values = cells.stretch(layer).seen()
                yield Moved(beat - k, k, slice(layer.stop - layer.start), values)

    def _live(self, beat: int, lookback: int) -> range:
        """The layers that take a step at a beat."""
        return range(max(0, beat - lookback + 1), min(beat + 1, len(self._rows)))

    def _beats(self, rows: Float32, block: Block, *, watched: bool) -> Iterator[Cells]:
        """Run a block; yields after each beat."""
        entries = self._entry.project(rows, block)
        layers, top, activation = self._rows, self._rows[-1], self._network.layers[0].activation
        cells = Cells(self._buffers, top.stop, block.slots, watched=watched)
        hidden = self._buffers.get("hidden", top.stop + 1, block.slots)
        hidden[:-1], hidden[-1] = 0.0, 1.0
        sums = [cells.sums[:, layer] for layer in layers]
        reads = [hidden[layers[0]], *(hidden[below.start :] for below in layers[:-1])]
        beats = [self._live(b, block.lookback) for b in range(block.lookback + len(layers) - 1)]
        parts = {live: slice(layers[live[0]].start, layers[live[-1]].stop) for live in beats}
        moving = {live: (cells.stretch(part), hidden[part]) for live, part in parts.items()}
        self._head.begin()
        for beat, live in enumerate(beats):
            for k in live:
                np.matmul(self._weights[k], reads[k], sums[k])
            if live[0] == 0:
                new = self._entry.at(entries, block, beat).reshape(sums[0].shape)
                np.add(sums[0], new, sums[0])
            stretch, shown = moving[live]
            stretch.move_on(activation)
            stretch.show(shown)
            if live[-1] == len(layers) - 1:
                self._head.read(beat - live[-1], block.lookback - 1, slice(None), hidden[top])
            yield cells


def _above_first(layer: LSTMLayer, rows_above: int) -> Float32:
    """Weights [4, m, p + m + rows above + 1] of what lies between a layer's input and the ones."""
    skipped = np.zeros((4 * layer.units, rows_above), np.float32)
    kernel, recurrent = of_outputs(layer.kernel), of_outputs(layer.recurrent)
    return by_gate(kernel, recurrent, skipped, fold(layer.bias)[:, None])
