"""A linear model of the last row as plain arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rareevent.blend.arrays import require_shape, take_arrays
from rareevent.errors import ModelError
from rareevent.ingestion.frame import Float32, Float64
from rareevent.lstm.threads import one_blas_thread

# Rows that are widened to float64 at once.
_ROWS_PER_BLOCK = 4096


@dataclass(frozen=True)
class Linear:
    """Weights of the channels, and a bias.

    Attributes
    ----------
    weights : float64 [c]
    bias : float64
    """

    weights: Float64
    bias: float

    @property
    def features(self) -> int:
        """Columns that it reads."""
        return len(self.weights)

    def logits(self, values: Float32) -> Float64:
        """weights · row + bias of every row, float64 [m].

        Parameters
        ----------
        values : float32 [m, c]

        Raises
        ------
        ModelError
            When the rows have another number of columns.
        """
        if values.ndim != 2 or values.shape[1] != self.features:
            raise ModelError(
                f"the linear model reads {self.features} channels; received an array of shape"
                f" {values.shape}: compute them as for the training of the same bundle"
            )
        out = np.empty(len(values))
        with one_blas_thread():
            for low in range(0, len(values), _ROWS_PER_BLOCK):
                part = slice(low, low + _ROWS_PER_BLOCK)
                np.matmul(values[part].astype(np.float64), self.weights, out=out[part])
        return out + self.bias

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Plain arrays that `from_arrays` takes back."""
        return {"weights": self.weights, "bias": np.array(self.bias, np.float64)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Linear:
        """The inverse of `to_arrays`.

        Raises
        ------
        ModelError
            Names what is missing, of a wrong shape or kind, or not finite.
        """
        found = take_arrays("the linear model", arrays, ("weights", "bias"))
        size = found["weights"].size
        weights = require_shape("the linear model", "weights", found["weights"], (size,), "f")
        bias = require_shape("the linear model", "bias", found["bias"], (), "f")
        if not np.isfinite(weights).all() or not np.isfinite(bias):
            raise ModelError("the linear model's weights and bias must be finite")
        return cls(weights.astype(np.float64), float(bias))
