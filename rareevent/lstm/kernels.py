"""What the loops over steps are made of: buffers, products, folded weights, one cell, the head.

The equations, and why it is built this way, stand in `rareevent.lstm.cell`.
"""

from __future__ import annotations

import numpy as np

from rareevent.ingestion.frame import Float32
from rareevent.lstm.activations import activate
from rareevent.lstm.blocks import Block
from rareevent.lstm.network import LSTMLayer, Network

# OpenBLAS has kernels for small matrices, twice as fast here as its general path, which packs
# its operands first; it takes them up to a million multiplications.
_SMALL_PRODUCT = 900_000
_FEWEST_COLUMNS = 256
# What the head has summed up before it read a step.
_NOTHING = np.zeros((), np.float32)


class Buffers:
    """Arrays that are written again and again, by name; each keeps the size of its largest use."""

    def __init__(self) -> None:
        self._held: dict[str, Float32] = {}

    def get(self, name: str, rows: int, width: int) -> Float32:
        """The array float32 [rows, width] of a name, holding whatever was written last."""
        held = self._held.get(name)
        if held is None or held.size < rows * width:
            held = self._held[name] = np.empty(rows * width, np.float32)
        return held[: rows * width].reshape(rows, width)


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
        self._kernels = [np.ascontiguousarray(part.T) for part in kernel]
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
        hidden : float32 [m, slots]
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


def run_cell(z: Float32, state: Float32, hidden: Float32, spare: Float32, activation: str) -> None:
    """One step of one layer, in place: z becomes the gates i, f, o, c̃; state and hidden move on.

    z holds the sums W x + U h + b on entry, those of the three sigmoid gates already halved.
    """
    units = len(state)
    sigmoid, candidate = z[: 3 * units], z[3 * units :]
    if activation == "tanh":
        np.tanh(z, out=z)
    else:
        np.tanh(sigmoid, out=sigmoid)
        activate(activation, candidate, out=candidate)
    sigmoid *= np.float32(0.5)
    sigmoid += np.float32(0.5)
    i, f, o = sigmoid[:units], sigmoid[units : 2 * units], sigmoid[2 * units :]
    state *= f
    np.multiply(i, candidate, out=spare)
    state += spare
    activate(activation, state, out=spare)
    np.multiply(o, spare, out=hidden)


def fold(array: Float32) -> Float32:
    """Gate columns [..., 4m] from i, f, c̃, o to i, f, o, c̃, feature-major, sigmoids halved."""
    i, f, candidate, o = np.split(array, 4, axis=-1)
    half = np.float32(0.5)
    return np.ascontiguousarray(np.concatenate([half * i, half * f, half * o, candidate], -1).T)


def with_bias(layer: LSTMLayer) -> Float32:
    """[4m, p + 1]: what a layer makes of its input and of a row of ones below it."""
    return np.hstack([fold(layer.kernel), fold(layer.bias)[:, None]])
