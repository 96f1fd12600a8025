"""The weights of a stacked LSTM as plain arrays: what a bundle stores and the cell reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rareevent.errors import ModelError
from rareevent.ingestion.frame import Float32
from rareevent.lstm.activations import ACTIVATIONS

_REVERSE = "_reverse"


@dataclass(frozen=True)
class LSTMLayer:
    """One LSTM layer of m units over p inputs; gate columns in Keras' order i, f, c, o.

    Attributes
    ----------
    kernel : float32 [p, 4m], from the layer's input to the gates
    recurrent : float32 [m, 4m], from the layer's previous output to the gates
    bias : float32 [4m]
    activation : of the candidate and of the cell state; the gates are always sigmoid
    """

    kernel: Float32
    recurrent: Float32
    bias: Float32
    activation: str = "tanh"

    @property
    def units(self) -> int:
        """Cells in the layer, m."""
        return len(self.recurrent)


@dataclass(frozen=True)
class Network:
    """A stacked LSTM: projection, layers, head, and a linear skip from the last row.

    Attributes
    ----------
    projection : (float32 [c, q], float32 [q]) kernel and bias, or None
    layers : LSTMLayer, first to last
    skip : float32 [c, H], straight from a window's last row to the logits, or None
    head_kernel : float32 [s * o, H], to the logits from the last layer's o outputs, where it
        ended (s = 1) or at all s = lookback steps, the oldest first
    head_bias : float32 [H]
    reverse : LSTMLayer, as many as `layers`: those that read the window from its last row to
        its first, beside them; empty where the network reads in one direction. A layer's outputs
        at a step are then those of both, and a direction ends at the last row it reads.
    """

    projection: tuple[Float32, Float32] | None
    layers: tuple[LSTMLayer, ...]
    skip: Float32 | None
    head_kernel: Float32
    head_bias: Float32
    reverse: tuple[LSTMLayer, ...] = ()

    @property
    def channels(self) -> int:
        """Columns of the row matrix that the network reads, c."""
        first = self.layers[0].kernel if self.projection is None else self.projection[0]
        return len(first)

    @property
    def heads(self) -> int:
        """Logits per window, H."""
        return len(self.head_bias)

    @property
    def outputs(self) -> tuple[int, ...]:
        """What each layer gives at a step: its units, those of both directions together."""
        back = [layer.units for layer in self.reverse] or [0] * len(self.layers)
        return tuple(f.units + b for f, b in zip(self.layers, back, strict=True))

    @property
    def head_steps(self) -> int:
        """Steps of a window that the head reads: 1, or the lookback it was trained with."""
        return len(self.head_kernel) // self.outputs[-1]

    def to_arrays(self) -> dict[str, Float32]:
        """The weights by name, for `numpy.savez`; `from_arrays` takes them back."""
        arrays = {"head.kernel": self.head_kernel, "head.bias": self.head_bias}
        if self.projection is not None:
            arrays["projection.kernel"], arrays["projection.bias"] = self.projection
        if self.skip is not None:
            arrays["skip.kernel"] = self.skip
        for ending, layers in (("", self.layers), (_REVERSE, self.reverse)):
            for number, layer in enumerate(layers, start=1):
                arrays[f"lstm_{number}{ending}.kernel"] = layer.kernel
                arrays[f"lstm_{number}{ending}.recurrent"] = layer.recurrent
                arrays[f"lstm_{number}{ending}.bias"] = layer.bias
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Float32], activation: str = "tanh") -> Network:
        """A network from what `to_arrays` gave; every shape is checked against its neighbours.

        Parameters
        ----------
        arrays : name -> array; names that are not a network's are refused
        activation : one of `ACTIVATIONS`, the same for all layers

        Raises
        ------
        ModelError
            Names the array that is missing, unknown, not finite or of a wrong shape.
        """
        if activation not in ACTIVATIONS:
            raise ModelError(f"activation must be one of {ACTIVATIONS}; received {activation!r}")
        left = {name: np.asarray(array, np.float32) for name, array in arrays.items()}
        for name, array in left.items():
            if array.size == 0 or array.ndim == 0:
                raise ModelError(f"the network's {name!r} is empty; received {array.shape}")
        layers = _pop_layers(left, "", activation)
        reverse = _pop_layers(left, _REVERSE, activation)
        projection = None
        if "projection.kernel" in left:
            projection = (_pop(left, "projection.kernel"), _pop(left, "projection.bias"))
        skip = left.pop("skip.kernel", None)
        head = (_pop(left, "head.kernel"), _pop(left, "head.bias"))
        if left or not layers:
            problem = f"has unknown arrays {sorted(left)}" if left else "has no LSTM layer"
            raise ModelError(f"the network {problem}; save it again with this version")
        network = cls(projection, layers, skip, *head, reverse)
        _check(network)
        return network


def layer_parameters(units: int, inputs: int) -> int:
    """Parameters of an LSTM layer of m units over p inputs: 4m(m + p + 1).

    Each of the four gates of each cell weighs p inputs and m previous outputs and has one bias.

    Examples
    --------
    >>> layer_parameters(units=16, inputs=8)
    1600
    """
    return 4 * units * (units + inputs + 1)


def _pop(arrays: dict[str, Float32], name: str) -> Float32:
    if name not in arrays:
        raise ModelError(f"the network lacks the array {name!r}; save it again with this version")
    return arrays.pop(name)


def _pop_layers(arrays: dict[str, Float32], ending: str, activation: str) -> tuple[LSTMLayer, ...]:
    layers: list[LSTMLayer] = []
    while f"lstm_{len(layers) + 1}{ending}.kernel" in arrays:
        name = f"lstm_{len(layers) + 1}{ending}"
        kernel, recurrent = _pop(arrays, f"{name}.kernel"), _pop(arrays, f"{name}.recurrent")
        layers.append(LSTMLayer(kernel, recurrent, _pop(arrays, f"{name}.bias"), activation))
    return tuple(layers)


def _check(network: Network) -> None:
    if network.reverse and len(network.reverse) != len(network.layers):
        raise ModelError(
            f"the network has {len(network.layers)} layers but {len(network.reverse)} that read"
            " from the last row to the first; save it again with this version"
        )
    wanted = _shapes(network)
    for name, array in network.to_arrays().items():
        if name in wanted and array.shape != wanted[name]:
            raise ModelError(
                f"the network's {name!r} must have shape {wanted[name]}; received {array.shape}"
            )
        if not np.isfinite(array).all():
            raise ModelError(f"the network's {name!r} holds values that are not finite")


def _shapes(network: Network) -> dict[str, tuple[int, ...]]:
    """Shapes that the arrays must have, given the first one, the units and the heads."""
    channels, heads, inputs = network.channels, network.heads, network.channels
    wanted: dict[str, tuple[int, ...]] = {}
    if network.projection is not None:
        inputs = network.projection[1].shape[0]
        wanted["projection.kernel"] = (channels, inputs)
    reads = (inputs, *network.outputs)
    for ending, layers in (("", network.layers), (_REVERSE, network.reverse)):
        for number, layer in enumerate(layers, start=1):
            gates = 4 * layer.units
            wanted[f"lstm_{number}{ending}.kernel"] = (reads[number - 1], gates)
            wanted[f"lstm_{number}{ending}.recurrent"] = (layer.units, gates)
            wanted[f"lstm_{number}{ending}.bias"] = (gates,)
    wanted["head.kernel"] = (max(network.head_steps, 1) * reads[-1], heads)
    wanted["skip.kernel"] = (channels, heads)
    return wanted
