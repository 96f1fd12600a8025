"""The loop over steps of a network that reads its windows in one direction.

The equations, and why it is built this way, stand in `rareevent.lstm.cell`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from rareevent.ingestion.frame import Float32
from rareevent.lstm.blocks import Block
from rareevent.lstm.kernels import Buffers, Head, RowProjection, fold, product, run_cell, with_bias
from rareevent.lstm.network import Network


class Cell(NamedTuple):
    """What a layer's cells just did; views of buffers: copy what must last.

    Attributes
    ----------
    step : int, position in the window
    layer : int, from 0
    part : which of the layer's outputs these are: all, or those of one direction
    gates : float32 [4, m, slots], in the order i, f, o, c̃
    state, hidden : float32 [m, slots]
    """

    step: int
    layer: int
    part: slice
    gates: Float32
    state: Float32
    hidden: Float32


class _AtWork(NamedTuple):
    """A layer on one block: looked up once, for at each step every look costs."""

    layer: int
    part: slice
    activation: str
    weights: Float32
    reads: Float32
    sums: Float32
    gates: Float32
    state: Float32
    hidden: Float32
    spare: Float32


class Loop:
    """The cell over blocks of windows. Writes into buffers of its own, again and again.

    States of all layers share one buffer: rows h¹ | 1 | h² | 1 | h³ … A layer above the first
    multiplies the stretch from its input to its own previous output, the row of ones between
    them carrying its bias: one matrix product a step and layer.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._buffers = Buffers()
        self._entry = RowProjection(network, self._buffers)
        self._head = Head(network)
        first, *above = network.layers
        self._weights = [fold(first.recurrent)]
        self._weights += [np.hstack([with_bias(layer), fold(layer.recurrent)]) for layer in above]
        offsets = np.cumsum([0] + [layer.units + 1 for layer in network.layers])
        self._hidden = [
            slice(at, at + layer.units) for at, layer in zip(offsets, network.layers, strict=False)
        ]

    def most_windows(self, lookback: int, wanted: int) -> int:
        """How many windows a block may hold: all that are wanted, memory grows with them alone."""
        return wanted

    def steps(self, rows: Float32, block: Block) -> Iterator[Cell]:
        """Run a block; yields after each layer's cells have moved on by a step."""
        entries = self._entry.project(rows, block)
        hidden = self._buffers.get("hidden", self._hidden[-1].stop, block.slots)
        hidden[...] = 1.0
        for part in self._hidden:
            hidden[part] = 0.0
        layers = [self._at_work(k, hidden) for k in range(len(self._hidden))]
        last, top = block.lookback - 1, hidden[self._hidden[-1]]
        self._head.begin()
        for step in range(block.lookback):
            for at in layers:
                product(at.weights, at.reads, at.sums)
                if at.layer == 0:
                    np.add(at.sums, self._entry.at(entries, block, step), out=at.sums)
                run_cell(at.sums, at.state, at.hidden, at.spare, at.activation)
                yield Cell(step, at.layer, at.part, at.gates, at.state, at.hidden)
            self._head.read(step, last, slice(None), top)

    def _at_work(self, k: int, hidden: Float32) -> _AtWork:
        """A layer's views of the buffers, its state at zero."""
        layer, own, width = self._network.layers[k], self._hidden[k], hidden.shape[1]
        below = self._hidden[k - 1].start if k else own.start
        sums = self._buffers.get(f"z{k}", 4 * layer.units, width)
        state = self._buffers.get(f"c{k}", layer.units, width)
        state[...] = 0.0
        return _AtWork(
            layer=k,
            part=slice(0, layer.units),
            activation=layer.activation,
            weights=self._weights[k],
            reads=hidden[below : own.stop],
            sums=sums,
            gates=sums.reshape(4, layer.units, width),
            state=state,
            hidden=hidden[own],
            spare=self._buffers.get(f"s{k}", layer.units, width),
        )

    def logits(self, block: Block) -> Float32:
        """Logits float32 [windows, heads] of the block that was run last."""
        return self._head.logits(block, self._entry.skip(block))
