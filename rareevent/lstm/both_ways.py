"""The loop over steps of a network that reads its windows in both directions.

A layer needs all outputs of the layer below, of the direction that began at the other end too,
so layers run one after the other, each over the whole window, and their outputs are kept for it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rareevent.ingestion.frame import Float32
from rareevent.lstm.blocks import Block
from rareevent.lstm.kernels import Buffers, Cells, Head, RowProjection, by_gate, fold, of_outputs
from rareevent.lstm.loop import Moved
from rareevent.lstm.network import Network

# Numbers that a layer's outputs over a block may hold: 64 MB, whatever the lookback.
_MOST_KEPT = 1 << 24


class BothWays:
    """The cells of one layer after the other, both directions at once; in its use like `Loop`.

    The outputs of a layer lie in one buffer [lookback, o + 1, slots]: forward units, reverse
    units, and a row of ones that carries the bias of the layer above.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._buffers = Buffers()
        self._entry = RowProjection(network, self._buffers)
        self._head = Head(network)
        ways = (network.layers, network.reverse)
        self._recurrent = [[by_gate(of_outputs(one.recurrent)) for one in way] for way in ways]
        self._kernels = [
            [by_gate(of_outputs(one.kernel), fold(one.bias)[:, None]) for one in way]
            for way in ways
        ]

    def most_windows(self, lookback: int, wanted: int) -> int:
        """How many windows a block may hold for the kept outputs to stay within memory."""
        kept = lookback * (max(self._network.outputs) + 1)
        return max(1, min(wanted, _MOST_KEPT // kept))

    def run(self, rows: Float32, block: Block) -> Float32:
        """Logits of a block's windows, float32 [windows, heads]."""
        for _ in self._beats(rows, block, watched=False):
            pass
        return self._head.logits(block, self._entry.skip(block))

    def watch(self, rows: Float32, block: Block) -> Iterator[Moved]:
        """Run a block; yields each direction of each layer at each of its steps."""
        for number, cells in enumerate(self._beats(rows, block, watched=True)):
            k, beat = divmod(number, block.lookback)
            for part, step in zip(self._parts(k), _steps(beat, block.lookback), strict=True):
                yield Moved(step, k, part, cells.stretch(part).seen())

    def _parts(self, k: int) -> tuple[slice, slice]:
        """The forward and the reverse outputs of a layer."""
        split = self._network.layers[k].units
        return slice(0, split), slice(split, self._network.outputs[k])

    def _beats(self, rows: Float32, block: Block, *, watched: bool) -> Iterator[Cells]:
        """Run a block; yields after each step of each layer, which both directions take at once."""
        entries = self._entry.project(rows, block)
        self._head.begin()
        for k, outputs in enumerate(self._network.outputs):
            cells = Cells(self._buffers, outputs, block.slots, watched=watched)
            both = cells.stretch(slice(0, outputs))
            kept = self._kept(k, block)
            kept[:, -1] = 1.0
            for beat in range(block.lookback):
                steps = _steps(beat, block.lookback)
                self._sum_up(k, cells, entries, block, steps)
                if beat:
                    self._add_own(k, cells, kept, _steps(beat - 1, block.lookback))
                both.move_on(self._network.layers[k].activation)
                self._show(k, cells, kept, steps)
                yield cells

    def _kept(self, k: int, block: Block) -> Float32:
        """Outputs of a layer, float32 [lookback, o + 1, slots]; two layers take turns."""
        rows = self._network.outputs[k] + 1
        flat = self._buffers.get(f"kept{k % 2}", block.lookback * rows, block.slots)
        return flat.reshape(block.lookback, rows, block.slots)

    def _sum_up(
        self, k: int, cells: Cells, entries: Float32, block: Block, steps: tuple[int, int]
    ) -> None:
        """Write W x + b into the sums of both directions."""
        split = 4 * self._network.layers[0].units
        for way, (part, step) in enumerate(zip(self._parts(k), steps, strict=True)):
            sums = cells.sums[:, part]
            if k:
                np.matmul(self._kernels[way][k], self._kept(k - 1, block)[step], out=sums)
            else:
                mine = entries[split:] if way else entries[:split]
                sums[...] = self._entry.at(mine, block, step).reshape(sums.shape)

    def _add_own(self, k: int, cells: Cells, kept: Float32, before: tuple[int, int]) -> None:
        """Add U h of the step before to the sums of both directions."""
        _, units, slots = cells.sums.shape
        own = self._buffers.get("own", 4 * units, slots).reshape(cells.sums.shape)
        for way, (part, step) in enumerate(zip(self._parts(k), before, strict=True)):
            np.matmul(self._recurrent[way][k], kept[step, part], out=own[:, part])
        cells.sums += own

    def _show(self, k: int, cells: Cells, kept: Float32, steps: tuple[int, int]) -> None:
        """Keep the outputs of both directions; the head reads those of the last layer."""
        ends = _steps(len(kept) - 1, len(kept))
        for part, step, end in zip(self._parts(k), steps, ends, strict=True):
            cells.stretch(part).show(kept[step, part])
            if k == len(self._network.layers) - 1:
                self._head.read(step, end, part, kept[step, part])


def _steps(beat: int, lookback: int) -> tuple[int, int]:
    """The rows of a window that the two directions read at a beat."""
    return beat, lookback - 1 - beat
