"""The activations φ of candidate and cell state, by Keras' names, with their slopes.

All of them are sums, products, tanh, exp and log1p of their input, so NumPy has the same numbers
as Keras. GELU is not among them: its error function is none of NumPy's.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rareevent.ingestion.frame import Bool, Float32

# Constants of SELU: Klambauer et al., Self-Normalizing Neural Networks (2017), section 2.
_SELU_SCALE = np.float32(1.0507009873554805)
_SELU_ALPHA = np.float32(1.6732632423543772)
# How steep Keras' leaky ReLU is below zero.
_LEAK = np.float32(0.2)
_ZERO, _HALF, _ONE, _SIX = (np.float32(number) for number in (0, 0.5, 1, 6))


def activate(name: str, x: Float32, out: Float32) -> None:
    """Write φ(x) into `out`, which may be x itself.

    Parameters
    ----------
    name : one of `ACTIVATIONS`
    x, out : float32, of one shape
    """
    _VALUES[name](x, out)


def slope(name: str, x: Float32) -> Float32:
    """φ'(x), by element; where φ has a kink, TensorFlow's choice of its slopes.

    Examples
    --------
    >>> slope("relu", np.array([-1, 0, 2], np.float32)).tolist()
    [0.0, 0.0, 1.0]
    """
    return _SLOPES[name](x).astype(np.float32, copy=False)


def sigmoid(x: Float32) -> Float32:
    """σ(x) = tanh(x / 2) / 2 + 1/2, which overflows nowhere."""
    out: Float32 = np.tanh(_HALF * x)
    out *= _HALF
    out += _HALF
    return out


def _softplus(x: Float32) -> Float32:
    """log(1 + exp x), by the form that overflows nowhere."""
    return np.maximum(x, _ZERO) + np.log1p(np.exp(-np.abs(x)))


def _exponential_below(x: Float32, out: Float32, scale: np.float32, alpha: np.float32) -> None:
    below = np.expm1(np.minimum(x, _ZERO))
    below *= alpha
    np.maximum(x, _ZERO, out=out)
    out += below
    out *= scale


def _mish_slope(x: Float32) -> Float32:
    shown: Float32 = np.tanh(_softplus(x))
    slope: Float32 = shown + np.multiply(x * (_ONE - shown * shown), sigmoid(x))
    return slope


def _silu_slope(x: Float32) -> Float32:
    gate = sigmoid(x)
    return np.multiply(gate, _ONE + x * (_ONE - gate))


def _sigmoid_slope(x: Float32) -> Float32:
    gate = sigmoid(x)
    return gate * (_ONE - gate)


def _exponential_slope(x: Float32, scale: np.float32, alpha: np.float32) -> Float32:
    return scale * np.where(x > 0, _ONE, alpha * np.exp(np.minimum(x, _ZERO)))


_VALUES: dict[str, Callable[[Float32, Float32], object]] = {
    "tanh": np.tanh,
    "relu": lambda x, out: np.maximum(x, _ZERO, out=out),
    "relu6": lambda x, out: np.clip(x, _ZERO, _SIX, out=out),
    "leaky_relu": lambda x, out: np.maximum(x, _LEAK * x, out=out),
    "elu": lambda x, out: _exponential_below(x, out, _ONE, _ONE),
    "selu": lambda x, out: _exponential_below(x, out, _SELU_SCALE, _SELU_ALPHA),
    "silu": lambda x, out: np.multiply(x, sigmoid(x), out=out),
    "mish": lambda x, out: np.multiply(x, np.tanh(_softplus(x)), out=out),
    "softplus": lambda x, out: np.copyto(out, _softplus(x)),
    "softsign": lambda x, out: np.divide(x, np.abs(x) + _ONE, out=out),
    "hard_tanh": lambda x, out: np.clip(x, -_ONE, _ONE, out=out),
    "sigmoid": lambda x, out: np.copyto(out, sigmoid(x)),
    "linear": lambda x, out: np.copyto(out, x),
}

_SLOPES: dict[str, Callable[[Float32], Float32 | Bool]] = {
    "tanh": lambda x: _ONE - np.tanh(x) ** 2,
    "relu": lambda x: x > 0,
    "relu6": lambda x: (x > 0) & (x < _SIX),
    "leaky_relu": lambda x: np.where(x > 0, _ONE, _LEAK),
    "elu": lambda x: _exponential_slope(x, _ONE, _ONE),
    "selu": lambda x: _exponential_slope(x, _SELU_SCALE, _SELU_ALPHA),
    "silu": _silu_slope,
    "mish": _mish_slope,
    "softplus": sigmoid,
    "softsign": lambda x: (_ONE + np.abs(x)) ** -2,
    "hard_tanh": lambda x: np.abs(x) < _ONE,
    "sigmoid": _sigmoid_slope,
    "linear": np.ones_like,
}

ACTIVATIONS = tuple(_VALUES)
