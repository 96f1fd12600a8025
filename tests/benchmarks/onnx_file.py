"""A stacked LSTM as an ONNX file, written byte by byte.

ONNX Runtime is at hand, but nothing that writes its format. What is needed of it is small: field
numbers are those of onnx.proto3, operators those of opset 13 (https://onnx.ai/onnx/).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from rareevent.lstm.network import LSTMLayer, Network

_IR_VERSION, _OPSET = 8, 13
_FLOAT, _INT64 = 1, 7
_INT, _INTS = 2, 7  # kinds of attribute


def onnx_bytes(network: Network) -> bytes:
    """The network from `windows` float32 [batch, lookback, c] to `logits` float32 [batch, H].

    One direction, tanh, a head on the last output: what the benchmark compares.
    """
    graph = _Graph()
    flow = "windows"
    if network.projection is not None:
        flow = graph.linear(flow, *network.projection)
    # The operator wants steps first.
    flow = graph.add("Transpose", [flow], {"perm": [1, 0, 2]})
    for layer in network.layers[:-1]:
        flow = graph.add("Squeeze", [graph.lstm(flow, layer)[0], graph.constant([1])])
    last = graph.add("Squeeze", [graph.lstm(flow, network.layers[-1])[1], graph.constant([0])])
    logits = graph.linear(last, network.head_kernel, network.head_bias)
    if network.skip is not None:
        row = graph.add("Gather", ["windows", graph.constant(-1)], {"axis": 1})
        skipped = graph.add("MatMul", [row, graph.constant(network.skip)])
        logits = graph.add("Add", [logits, skipped])
    return graph.model(logits, network.channels, network.heads)


class _Graph:
    """Nodes and constants, gathered; a value is known by its name."""

    def __init__(self) -> None:
        self._nodes: list[bytes] = []
        self._constants: list[bytes] = []

    def constant(self, values) -> str:
        array = np.asarray(values)
        array = array.astype(np.int64 if array.dtype.kind == "i" else np.float32)
        name = f"constant_{len(self._constants)}"
        dims = b"".join(_number(1, size) for size in array.shape)
        kind = _number(2, _INT64 if array.dtype == np.int64 else _FLOAT)
        self._constants.append(dims + kind + _text(8, name) + _bytes(9, array.tobytes()))
        return name

    def add(self, kind: str, inputs: Iterable[str], settings: dict | None = None) -> str:
        return self._node(kind, inputs, 1, settings or {})[0]

    def linear(self, flow: str, kernel, bias) -> str:
        product = self.add("MatMul", [flow, self.constant(kernel)])
        return self.add("Add", [product, self.constant(bias)])

    def lstm(self, flow: str, layer: LSTMLayer) -> list[str]:
        """Outputs of all steps [steps, 1, batch, m] and of the last one [1, batch, m]."""
        # Gates go from Keras' order i, f, c, o to ONNX's i, o, f, c.
        kernel, recurrent, bias = (
            np.concatenate([np.split(part, 4, axis=-1)[k] for k in (0, 3, 1, 2)], axis=-1)
            for part in (layer.kernel, layer.recurrent, layer.bias)
        )
        both = np.concatenate([bias, np.zeros_like(bias)])
        weights = [self.constant(part[None]) for part in (kernel.T, recurrent.T, both)]
        return self._node("LSTM", [flow, *weights], 2, {"hidden_size": layer.units})

    def model(self, result: str, channels: int, heads: int) -> bytes:
        self._nodes.append(_text(1, result) + _text(2, "logits") + _text(4, "Identity"))
        graph = [_bytes(1, node) for node in self._nodes]
        graph += [_text(2, "stacked_lstm")]
        graph += [_bytes(5, constant) for constant in self._constants]
        graph += [_bytes(11, _value("windows", ["batch", "lookback", channels]))]
        graph += [_bytes(12, _value("logits", ["batch", heads]))]
        opset = _bytes(8, _number(2, _OPSET))
        return _number(1, _IR_VERSION) + _bytes(7, b"".join(graph)) + opset

    def _node(self, kind: str, inputs: Iterable[str], outputs: int, settings: dict) -> list[str]:
        names = [f"value_{len(self._nodes)}_{place}" for place in range(outputs)]
        fields = [_text(1, name) for name in inputs] + [_text(2, name) for name in names]
        fields += [_text(4, kind)]
        fields += [_bytes(5, _attribute(name, value)) for name, value in settings.items()]
        self._nodes.append(b"".join(fields))
        return names


def _attribute(name: str, value: int | list[int]) -> bytes:
    if isinstance(value, int):
        return _text(1, name) + _number(3, value) + _number(20, _INT)
    return _text(1, name) + b"".join(_number(8, v) for v in value) + _number(20, _INTS)


def _value(name: str, shape: list[int | str]) -> bytes:
    dims = [_number(1, d) if isinstance(d, int) else _text(2, d) for d in shape]
    tensor = _number(1, _FLOAT) + _bytes(2, b"".join(_bytes(1, dim) for dim in dims))
    return _text(1, name) + _bytes(2, _bytes(1, tensor))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
