"""The loop over steps of a network that reads its windows in both directions.

A layer needs all outputs of the layer below, of the direction that began at the other end too,
so layers run one after the other, each over the whole window, and their outputs are kept for it.
"""

from __future__ import annotations

from collections.abc import Iterator

from rareevent.ingestion.frame import Float32
from rareevent.lstm.blocks import Block
from rareevent.lstm.kernels import Buffers, Head, RowProjection, fold, product, run_cell, with_bias
from rareevent.lstm.loop import Cell
from rareevent.lstm.network import Network

# Numbers that a layer's outputs over a block may hold: 64 MB, whatever the lookback.
_MOST_KEPT = 1 << 24


class BothWays:
    """The cell over blocks of windows, in both directions; in its use like `loop.Loop`.

    The outputs of a layer lie in one buffer [lookback, o + 1, slots]: forward units, reverse
    units, and a row of ones that carries the bias of the layer above.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._buffers = Buffers()
        self._entry = RowProjection(network, self._buffers)
        self._head = Head(network)
        ways = (network.layers, network.reverse)
        self._kernels = [[with_bias(layer) for layer in layers] for layers in ways]
        self._recurrent = [[fold(layer.recurrent) for layer in layers] for layers in ways]

    def most_windows(self, lookback: int, wanted: int) -> int:
        """How many windows a block may hold for the kept outputs to stay within memory."""
        kept = lookback * (max(self._network.outputs) + 1)
        return max(1, min(wanted, _MOST_KEPT // kept))

    def steps(self, rows: Float32, block: Block) -> Iterator[Cell]:
        """Run a block; yields after each layer's cells, of one direction, moved on by a step."""
        network = self._network
        entries = self._entry.project(rows, block)
        self._head.begin()
        for k, outputs in enumerate(network.outputs):
            kept = self._kept(k, block)
            kept[:, -1] = 1.0
            split = network.layers[k].units
            yield from self._sweep(0, k, slice(0, split), entries, block, kept)
            yield from self._sweep(1, k, slice(split, outputs), entries, block, kept)

    def logits(self, block: Block) -> Float32:
        """Logits float32 [windows, heads] of the block that was run last."""
        return self._head.logits(block, self._entry.skip(block))

    def _kept(self, k: int, block: Block) -> Float32:
        """Outputs of a layer, float32 [lookback, o + 1, slots]; two layers take turns."""
        rows = self._network.outputs[k] + 1
        flat = self._buffers.get(f"kept{k % 2}", block.lookback * rows, block.slots)
        return flat.reshape(block.lookback, rows, block.slots)

    def _sweep(
        self, way: int, k: int, part: slice, entries: Float32, block: Block, kept: Float32
    ) -> Iterator[Cell]:
        """One direction (0 forward, 1 reverse) of one layer over the whole window."""
        layer = (self._network.layers, self._network.reverse)[way][k]
        units, width, top = layer.units, block.slots, k == len(self._network.layers) - 1
        state, spare = (self._buffers.get(name, units, width) for name in ("state", "spare"))
        state[...] = 0.0
        order = range(block.lookback)[:: -1 if way else 1]
        for step in order:
            z = self._buffers.get("z", 4 * units, width)
            self._sums(way, k, entries, block, step, z)
            if step != order[0]:
                before = kept[step + 1 if way else step - 1, part]
                own = self._buffers.get("own", 4 * units, width)
                product(self._recurrent[way][k], before, own)
                z += own
            hidden = kept[step, part]
            run_cell(z, state, hidden, spare, layer.activation)
            if top:
                self._head.read(step, order[-1], part, hidden)
            yield Cell(step, k, part, z.reshape(4, units, width), state, hidden)

    def _sums(
        self, way: int, k: int, entries: Float32, block: Block, step: int, z: Float32
    ) -> None:
        """Write W x + b of a step into z."""
        if k:
            product(self._kernels[way][k], self._kept(k - 1, block)[step], z)
            return
        split = 4 * self._network.layers[0].units
        mine = slice(split, None) if way else slice(0, split)
        z[...] = self._entry.at(entries[mine], block, step)
