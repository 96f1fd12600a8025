"""What the loops over steps are made of: buffers, folded weights, cells, products, the head.

The equations, and why it is built this way, stand in `rareevent.lstm.cell`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rareevent.ingestion.frame import Float32
from rareevent.lstm.activations import activate
from rareevent.lstm.blocks import CACHE_LINE, Block
from rareevent.lstm.network import Network

# OpenBLAS has kernels for small matrices, twice as fast here as its general path, which packs
# its operands first; it takes them up to a million multiplications.
_SMALL_PRODUCT = 900_000
_FEWEST_COLUMNS = 256
# What the head has summed up before it read a step.
_NOTHING = np.zeros((), np.float32)
# Arrays, for NumPy looks longer at its scalars.
_HALF, _ONE = np.array(0.5, np.float32), np.array(1, np.float32)


class Buffers:
    """Arrays that are written again and again, by name; each keeps the size of its largest use."""

    def __init__(self) -> None:
        self._held: dict[str, Float32] = {}

    def get(self, name: str, rows: int, width: int) -> Float32:
        """The array float32 [rows, width] of a name, holding whatever was written last."""
        held = self._held.get(name)
        if held is None or held.size < rows * width:
            held = self._held[name] = _aligned(rows * width)
        return held[: rows * width].reshape(rows, width)


def _aligned(size: int) -> Float32:
    """An array float32 [size] that begins at a cache line; the cells are a fifth faster on it."""
    line = CACHE_LINE * np.dtype(np.float32).itemsize
    raw = np.empty(size + CACHE_LINE, np.float32)
    return raw[(-raw.ctypes.data % line) // raw.itemsize :][:size]


class RowProjection:
    """What is computed once per row of a block, not once per window that holds the row.

    That is the input's share of the first layer's gates, behind the linear projection where there
    is one, for each direction in turn; and the skip, where there is one.
    """

    def __init__(self, network: Network, buffers: Buffers) -> None:
        first = [layers[0] for layers in (network.layers, network.reverse) if layers]
        kernel = np.vstack([fold(layer.kernel) for layer in first])
        bias = np.concatenate([fold(layer.bias) for layer in first])[:, None]
        self._behind = None
        entry = kernel
        if network.projection is not None:
            weights, offset = network.projection
            entry, self._behind = weights.T, np.ascontiguousarray(kernel)
            bias = bias + kernel @ offset[:, None]
        self._skipped = 0
        if network.skip is not None:
            self._skipped = network.heads
            entry = np.vstack([entry, network.skip.T])
        self._entry, self._bias = np.ascontiguousarray(entry), np.ascontiguousarray(bias)
        self._buffers = buffers

    def project(self, rows: Float32, block: Block) -> Float32:
        """Sums of the first layer's gates, halved as `fold` says; float32 [4m or 8m, t]."""
        count = len(block.source)
        needed = np.take(rows, block.source, axis=0)
        entry = self._buffers.get("rows", len(self._entry), count)
        product(self._entry, needed.T, entry)
        entries = entry[: len(entry) - self._skipped]
        if self._behind is not None:
            inside, entries = entries, self._buffers.get("entries", len(self._behind), count)
            product(self._behind, inside, entries)
        entries += self._bias
        return entries

    def at(self, entries: Float32, block: Block, step: int) -> Float32:
        """The entries that the block's slots read at a step, float32 [..., slots]."""
        columns = block.columns(step)
        if isinstance(columns, slice):
            return entries[:, columns]
        picked = self._buffers.get("picked", len(entries), block.slots)
        # The columns are in range by construction; "clip" is the mode that needs no copy.
        return np.take(entries, columns, axis=1, out=picked, mode="clip")

    def skip(self, block: Block) -> Float32 | None:
        """The skip's share of the logits of the block projected last, float32 [H, slots]."""
        if not self._skipped:
            return None
        heads = self._buffers.get("rows", len(self._entry), len(block.source))[-self._skipped :]
        return heads[:, block.columns(block.lookback - 1)]


class Head:
    """The dense head, summed up while the last layer runs."""

    def __init__(self, network: Network) -> None:
        steps, outputs = network.head_steps, network.outputs[-1]
        kernel = network.head_kernel.reshape(steps, outputs, network.heads)
        # It reads outputs, and they are kept doubled.
        self._kernels = [np.ascontiguousarray(_HALF * part.T) for part in kernel]
        self._bias = network.head_bias[:, None]
        self._total = _NOTHING

    def begin(self) -> None:
        """Forget what was read before."""
        self._total = _NOTHING

    def read(self, step: int, last: int, part: slice, hidden: Float32) -> None:
        """Add what the head makes of some of the last layer's outputs at a step.

        Parameters
        ----------
        step : position in the window
        last : the step at which these outputs are the last of their direction
        part : which of the layer's outputs they are
        hidden : float32 [m, slots], the outputs doubled
        """
        everywhere = len(self._kernels) > 1
        if not everywhere and step != last:
            return
        share = self._kernels[step if everywhere else 0][:, part] @ hidden
        self._total = self._total + share

    def logits(self, block: Block, skip: Float32 | None) -> Float32:
        """Logits float32 [windows, heads]."""
        out = self._total + self._bias
        if skip is not None:
            out += skip
        return out[:, block.keep].T


def product(weights: Float32, columns: Float32, out: Float32) -> None:
    """Write weights @ columns into `out`, as many columns at a time as a core does best."""
    width = max(_FEWEST_COLUMNS, _SMALL_PRODUCT // weights.size)
    for at in range(0, out.shape[1], width):
        part = slice(at, at + width)
        np.matmul(weights, columns[:, part], out=out[:, part])


class Cells:
    """Cells that move on together, M of them in each slot of a block: a step is a few large calls.

    All of them lie in one array [5, M, slots]: the gates o, i, f, the candidate c̃ and the state c,
    in this order, so that one call multiplies i with c̃ and f with c. Gates are doubled,
    2σ(x) = tanh(x / 2) + 1, and so are outputs; what reads these is halved, which rounds nothing.

    Attributes
    ----------
    sums : float32 [4, M, slots], W x + U h + b as `fold` orders and halves it; to be written before
        each step, which uses them up
    """

    def __init__(self, buffers: Buffers, units: int, slots: int, *, watched: bool) -> None:
        """Cells at the start of a window; only `watched` ones can be seen at work."""
        self._all = buffers.get("cells", 5 * units, slots).reshape(5, units, slots)
        self._all[4] = 0.0
        self.sums = self._all[:4]
        self._gates = np.empty_like(self.sums) if watched else None

    def stretch(self, part: slice) -> Stretch:
        """Some of the cells."""
        some = self._all[:, part]
        return Stretch(
            sums=some[:4],
            sigmoids=some[:3],
            candidate=some[3],
            filters=some[1:3],
            filtered=some[3:],
            entering=some[1],
            staying=some[2],
            state=some[4],
            shown=some[1],
            output=some[0],
            gates=None if self._gates is None else self._gates[:, part],
        )


class Stretch(NamedTuple):
    """Some cells that take their steps together, m of them: views, looked up once.

    Gates that have done their work give their place to what comes of it.

    Attributes
    ----------
    sums, sigmoids, candidate : float32 [4, m, slots], [3, m, slots], [m, slots]
    filters, filtered : float32 [2, m, slots], the gates i and f, and the c̃ and c behind them
    entering, staying, state, shown : float32 [m, slots], i c̃, f c, their sum c, and φ(c)
    output : float32 [m, slots], the gate o
    gates : float32 [4, m, slots], copies of o, i, f and c̃ where cells are watched, else None
    """

    sums: Float32
    sigmoids: Float32
    candidate: Float32
    filters: Float32
    filtered: Float32
    entering: Float32
    staying: Float32
    state: Float32
    shown: Float32
    output: Float32
    gates: Float32 | None

    def move_on(self, activation: str) -> None:
        """One step, from the sums."""
        if activation == "tanh":
            np.tanh(self.sums, self.sums)
        else:
            np.tanh(self.sigmoids, self.sigmoids)
            activate(activation, self.candidate, self.candidate)
        np.add(self.sigmoids, _ONE, self.sigmoids)
        if self.gates is not None:
            self.gates[...] = self.sums
        np.multiply(self.filters, self.filtered, self.filters)
        np.add(self.entering, self.staying, self.state)
        np.multiply(self.state, _HALF, self.state)
        activate(activation, self.state, self.shown)

    def show(self, out: Float32) -> None:
        """Write twice the outputs of the last step, float32 [m, slots]."""
        np.multiply(self.output, self.shown, out)

    def seen(self) -> Float32:
        """Copies of i, f, c̃, o, c and h of the last step, float32 [6, m, slots]."""
        if self.gates is None:
            raise ValueError("these cells are not watched")
        o, i, f, candidate = self.gates
        values = (_HALF * i, _HALF * f, candidate, _HALF * o, self.state, _HALF * o * self.shown)
        return np.stack(values)


def fold(array: Float32) -> Float32:
    """Gate columns [..., 4m] from i, f, c̃, o to o, i, f, c̃, feature-major, sigmoids halved."""
    i, f, candidate, o = np.split(array, 4, axis=-1)
    return np.ascontiguousarray(np.concatenate([_HALF * o, _HALF * i, _HALF * f, candidate], -1).T)


def by_gate(*parts: Float32) -> Float32:
    """Weights [4m, r] each, side by side and one gate behind the other, [4, m, r of all]."""
    joined = np.hstack(parts)
    return joined.reshape(4, len(joined) // 4, joined.shape[1])


def of_outputs(kernel: Float32) -> Float32:
    """Weights [4m, r] of what reads the outputs of cells, which are kept doubled."""
    return _HALF * fold(kernel)
