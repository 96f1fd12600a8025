"""The cell at work on blocks of windows: folded weights, buffers, the loop over steps.

The equations, and why it is built this way, stand in `rareevent.lstm.cell`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rareevent.ingestion.frame import Float32
from rareevent.lstm.blocks import Block
from rareevent.lstm.network import LSTMLayer, Network

# OpenBLAS has kernels for small matrices, twice as fast here as its general path, which packs
# its operands first; it takes them up to a million multiplications.
_SMALL_PRODUCT = 900_000
_FEWEST_COLUMNS = 256
# Constants of SELU: Klambauer et al., Self-Normalizing Neural Networks (2017), section 2.
_SELU_SCALE = np.float32(1.0507009873554805)
_SELU_ALPHA = np.float32(1.6732632423543772)


class Loop:
    """The cell over blocks of windows. Writes into buffers of its own, again and again.

    States of all layers share one buffer: rows h¹ | 1 | h² | 1 | h³ … A layer above the first
    multiplies the stretch from its input to its own previous output, the row of ones between
    them carrying its bias: one matrix product a step and layer.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._entry, self._first_kernel, self._first_bias = _row_projection(network)
        self._weights = [_stacked(layer, first=not k) for k, layer in enumerate(network.layers)]
        self._buffers: dict[str, Float32] = {}
        offsets = np.cumsum([0] + [layer.units + 1 for layer in network.layers])
        self._hidden = [
            slice(at, at + layer.units) for at, layer in zip(offsets, network.layers, strict=False)
        ]

    def steps(
        self, rows: Float32, block: Block
    ) -> Iterator[tuple[int, int, Float32, Float32, Float32]]:
        """Run a block; after each cell yield step, layer, gates [4, m, slots], state, hidden.

        The arrays are views of buffers, gates in the order i, f, o, c̃: copy what must last.
        """
        layers, width = self._network.layers, block.slots
        entries = self._project_rows(rows, block)
        hidden = self._buffer("hidden", self._hidden[-1].stop, width)
        hidden[...] = 1.0
        for part in self._hidden:
            hidden[part] = 0.0
        states = [self._buffer(f"c{k}", layer.units, width) for k, layer in enumerate(layers)]
        for state in states:
            state[...] = 0.0
        for step in range(block.lookback):
            for k, layer in enumerate(layers):
                z = self._buffer(f"z{k}", 4 * layer.units, width)
                own = self._hidden[k]
                below = self._hidden[k - 1].start if k else own.start
                _product(self._weights[k], hidden[below : own.stop], z)
                if k == 0:
                    z += self._entries_at(entries, block, step)
                spare = self._buffer(f"s{k}", layer.units, width)
                _cell(z, states[k], hidden[own], spare, layer.activation)
                yield step, k, z.reshape(4, layer.units, width), states[k], hidden[own]

    def logits(self, block: Block) -> Float32:
        """Logits float32 [windows, heads] of the block that was run last."""
        network = self._network
        last = self._buffer("hidden", self._hidden[-1].stop, block.slots)[self._hidden[-1]]
        out = network.head_kernel.T @ last + network.head_bias[:, None]
        if network.skip is not None:
            heads = self._buffer("rows", len(self._entry), len(block.source))[-network.heads :]
            out += heads[:, block.columns(block.lookback - 1)]
        return out[:, block.keep].T

    def _project_rows(self, rows: Float32, block: Block) -> Float32:
        count = len(block.source)
        needed = np.take(rows, block.source, axis=0)
        entry = self._buffer("rows", len(self._entry), count)
        _product(self._entry, needed.T, entry)
        inside = len(self._entry) - (0 if self._network.skip is None else self._network.heads)
        if self._first_kernel is not None:
            entries = self._buffer("entries", len(self._first_kernel), count)
            _product(self._first_kernel, entry[:inside], entries)
        else:
            entries = entry[:inside]
        entries += self._first_bias
        return entries

    def _entries_at(self, entries: Float32, block: Block, step: int) -> Float32:
        columns = block.columns(step)
        if isinstance(columns, slice):
            return entries[:, columns]
        picked = self._buffer("picked", len(entries), block.slots)
        # The columns are in range by construction; "clip" is the mode that needs no copy.
        return np.take(entries, columns, axis=1, out=picked, mode="clip")

    def _buffer(self, name: str, rows: int, width: int) -> Float32:
        held = self._buffers.get(name)
        if held is None or held.size < rows * width:
            held = self._buffers[name] = np.empty(rows * width, np.float32)
        return held[: rows * width].reshape(rows, width)


def _product(weights: Float32, columns: Float32, out: Float32) -> None:
    """Write weights @ columns into `out`, as many columns at a time as a core does best."""
    width = max(_FEWEST_COLUMNS, _SMALL_PRODUCT // weights.size)
    for at in range(0, out.shape[1], width):
        part = slice(at, at + width)
        np.matmul(weights, columns[:, part], out=out[:, part])


def _cell(z: Float32, state: Float32, hidden: Float32, spare: Float32, activation: str) -> None:
    """One step of one layer, in place: z becomes the gates i, f, o, c̃; state and hidden move on.

    z holds the sums W x + U h + b on entry, those of the three sigmoid gates already halved.
    """
    units = len(state)
    sigmoid, candidate = z[: 3 * units], z[3 * units :]
    if activation == "tanh":
        np.tanh(z, out=z)
    else:
        np.tanh(sigmoid, out=sigmoid)
        _activate(activation, candidate, out=candidate)
    sigmoid *= np.float32(0.5)
    sigmoid += np.float32(0.5)
    i, f, o = sigmoid[:units], sigmoid[units : 2 * units], sigmoid[2 * units :]
    state *= f
    np.multiply(i, candidate, out=spare)
    state += spare
    _activate(activation, state, out=spare)
    np.multiply(o, spare, out=hidden)


def _activate(name: str, x: Float32, out: Float32) -> None:
    """Write φ(x) into `out`, which may be x itself."""
    if name == "tanh":
        np.tanh(x, out=out)
    elif name == "relu":
        np.maximum(x, np.float32(0), out=out)
    elif name == "softsign":
        np.divide(x, np.abs(x) + np.float32(1), out=out)
    elif name == "linear":
        out[...] = x
    else:
        scale, alpha = (_SELU_SCALE, _SELU_ALPHA) if name == "selu" else (np.float32(1),) * 2
        below = np.expm1(np.minimum(x, np.float32(0)))
        below *= alpha
        np.maximum(x, np.float32(0), out=out)
        out += below
        out *= scale


def _fold(array: Float32) -> Float32:
    """Gate columns [..., 4m] from i, f, c̃, o to i, f, o, c̃, feature-major, sigmoids halved."""
    i, f, candidate, o = np.split(array, 4, axis=-1)
    half = np.float32(0.5)
    return np.ascontiguousarray(np.concatenate([half * i, half * f, half * o, candidate], -1).T)


def _stacked(layer: LSTMLayer, first: bool) -> Float32:
    """[4m, m] for the first layer, whose input is projected by row; else [4m, p + 1 + m]."""
    if first:
        return _fold(layer.recurrent)
    return np.hstack([_fold(layer.kernel), _fold(layer.bias)[:, None], _fold(layer.recurrent)])


def _row_projection(network: Network) -> tuple[Float32, Float32 | None, Float32]:
    """What is computed once per row: entry [k + H, c], then [4m, q] behind a projection, bias.

    The last H rows of the entry are the skip's, where there is one. Without a projection the
    first k = 4m rows are the first layer's kernel.
    """
    first = network.layers[0]
    kernel, bias = _fold(first.kernel), _fold(first.bias)[:, None]
    behind = None
    entry = kernel
    if network.projection is not None:
        weights, offset = network.projection
        entry, behind = weights.T, kernel
        bias = bias + kernel @ offset[:, None]
    if network.skip is not None:
        entry = np.vstack([entry, network.skip.T])
    return np.ascontiguousarray(entry), behind, np.ascontiguousarray(bias)
