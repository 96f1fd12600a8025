"""The weights of a stacked LSTM as plain arrays: what a bundle stores and the cell reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rareevent.errors import ModelError
from rareevent.ingestion.frame import Float32

ACTIVATIONS = ("tanh", "relu", "elu", "selu", "softsign", "linear")


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
        return self.recurrent.shape[0]


@dataclass(frozen=True)
class Network:
    """A stacked LSTM: projection, layers, head, and a linear skip from the last row.

    Attributes
    ----------
    projection : (float32 [c, q], float32 [q]) kernel and bias, or None
    layers : LSTMLayer, first to last
    skip : float32 [c, H], straight from a window's last row to the logits, or None
    head_kernel : float32 [m, H], from the last layer's last output to the logits
    head_bias : float32 [H]
    """

    projection: tuple[Float32, Float32] | None
    layers: tuple[LSTMLayer, ...]
    skip: Float32 | None
    head_kernel: Float32
    head_bias: Float32

    @property
    def channels(self) -> int:
        """Columns of the row matrix that the network reads, c."""
        first = self.layers[0].kernel if self.projection is None else self.projection[0]
        return first.shape[0]

    @property
    def heads(self) -> int:
        """Logits per window, H."""
        return self.head_bias.shape[0]

    def to_arrays(self) -> dict[str, Float32]:
        """The weights by name, for `numpy.savez`; `from_arrays` takes them back."""
        arrays = {"head.kernel": self.head_kernel, "head.bias": self.head_bias}
        if self.projection is not None:
            arrays["projection.kernel"], arrays["projection.bias"] = self.projection
        if self.skip is not None:
            arrays["skip.kernel"] = self.skip
        for number, layer in enumerate(self.layers, start=1):
            arrays[f"lstm_{number}.kernel"] = layer.kernel
            arrays[f"lstm_{number}.recurrent"] = layer.recurrent
            arrays[f"lstm_{number}.bias"] = layer.bias
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
        layers: list[LSTMLayer] = []
        while f"lstm_{len(layers) + 1}.kernel" in left:
            name = f"lstm_{len(layers) + 1}"
            parts = (_pop(left, f"{name}.{part}") for part in ("kernel", "recurrent", "bias"))
            layers.append(LSTMLayer(*parts, activation))
        projection = None
        if "projection.kernel" in left:
            projection = (_pop(left, "projection.kernel"), _pop(left, "projection.bias"))
        skip = left.pop("skip.kernel", None)
        head = (_pop(left, "head.kernel"), _pop(left, "head.bias"))
        if left or not layers:
            problem = f"has unknown arrays {sorted(left)}" if left else "has no LSTM layer"
            raise ModelError(f"the network {problem}; save it again with this version")
        network = cls(projection, tuple(layers), skip, *head)
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


def _check(network: Network) -> None:
    channels, heads = network.channels, network.heads
    wanted: dict[str, tuple[int, ...]] = {}
    inputs = channels
    if network.projection is not None:
        inputs = network.projection[1].shape[0]
        wanted["projection.kernel"] = (channels, inputs)
    for number, layer in enumerate(network.layers, start=1):
        gates = 4 * layer.units
        wanted[f"lstm_{number}.kernel"] = (inputs, gates)
        wanted[f"lstm_{number}.recurrent"] = (layer.units, gates)
        wanted[f"lstm_{number}.bias"] = (gates,)
        inputs = layer.units
    wanted["head.kernel"] = (inputs, heads)
    wanted["skip.kernel"] = (channels, heads)
    for name, array in network.to_arrays().items():
        if name in wanted and array.shape != wanted[name]:
            raise ModelError(
                f"the network's {name!r} must have shape {wanted[name]}; received {array.shape}"
            )
        if not np.isfinite(array).all():
            raise ModelError(f"the network's {name!r} holds values that are not finite")
