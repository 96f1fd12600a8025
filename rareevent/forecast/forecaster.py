"""A forecast of every sensor's next change: a stacked LSTM, and each sensor's own channels beside.

Of the row t the forecaster is told the rows before it, and says for every sensor s where its
scaled change y will lie, as a Student distribution of location m and scale e^l:

    (m, l)_s = LSTM(rows t - L … t - 1)_s + Σ_k own_ks x_ks(t - 1)

where x_ks are the channels of the sensor s itself. What a sensor tells of its own next reading is
mostly linear and its own affair; the recurrence is left with what sensors tell of each other and
with what came before. So weights grow with the sensors, not with their square.

The surprise of a reading is its log-likelihood deficit, how much less likely it was than the
likeliest one: (ν + 1) / 2 · log(1 + r² / ν) of the residual r = (y - m) / e^l. It is zero where
the forecast was met, near r² / 2 around it, and grows slowly beyond: an outlier counts, but does
not outshout all others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rareevent.errors import ModelError
from rareevent.ingestion.frame import Float32
from rareevent.lstm.cell import Network, forward
from rareevent.windowing.temporalize import Windows

# Degrees of freedom ν: tails heavy enough that a jump among the training rows teaches little.
FREEDOM = 4.0
# Scaled changes are of the order of 1. A narrower scale would make a surprise of rounding errors.
NARROWEST, WIDEST = 0.1, 5.0


@dataclass(frozen=True)
class Forecaster:
    """The weights of a forecast for p sensors.

    Attributes
    ----------
    network : reads rows of c columns, gives 2 p outputs: p locations, then p log-scales
    own : float32 [2, k, p], from a sensor's own k channels in the last row to its location and
        its log-scale; they are the first k p columns of a row, sensor after sensor, k times
    lookback : rows that a forecast reads
    """

    network: Network
    own: Float32
    lookback: int

    @property
    def sensors(self) -> int:
        """How many sensors are forecast, p."""
        sensors: int = self.own.shape[2]
        return sensors

    def predict(self, windows: Windows) -> tuple[Float32, Float32]:
        """Location and log-scale of the row after each window, float32 [m, p] each.

        Parameters
        ----------
        windows : Windows over rows of the network's columns
        """
        _, channels, sensors = self.own.shape
        out = forward(self.network, windows).reshape(len(windows), 2, sensors)
        last = windows.rows[windows.ends, : channels * sensors]
        out = out + np.einsum("mkp,jkp->mjp", last.reshape(-1, channels, sensors), self.own)
        narrowest, widest = np.log([NARROWEST, WIDEST], dtype=np.float32)
        return out[:, 0], np.clip(out[:, 1], narrowest, widest)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Plain arrays that `from_arrays` takes back."""
        weights = {f"network/{name}": array for name, array in self.network.to_arrays().items()}
        return {**weights, "own": self.own, "lookback": np.array(self.lookback)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Forecaster:
        """The inverse of `to_arrays`.

        Raises
        ------
        ModelError
            When an array is missing or does not fit the others.
        """
        network = Network.from_arrays(
            {n.removeprefix("network/"): a for n, a in arrays.items() if n.startswith("network/")}
        )
        own = np.asarray(arrays["own"], np.float32)
        if own.ndim != 3 or 2 * own.shape[2] != network.heads or not np.isfinite(own).all():
            raise ModelError(
                f"the forecaster's 'own' must be finite, of shape (2, k, {network.heads // 2});"
                f" received {own.shape}"
            )
        return cls(network, own, int(arrays["lookback"]))


def deficit(residual: Float32) -> Float32:
    """Log-likelihood deficit of residuals: 0 where the forecast was met, growing with either side.

    Examples
    --------
    >>> deficit(np.array([0.0, 2.0])).round(3).tolist()
    [0.0, 1.733]
    """
    excess: Float32 = np.log1p(np.divide(np.square(residual), FREEDOM))
    return np.multiply(0.5 * (FREEDOM + 1), excess)


def negative_log_likelihood(target: Float32, location: Float32, log_scale: Float32) -> Float32:
    """What a forecaster is trained and compared by: deficit and log-scale, up to a constant."""
    return deficit((target - location) * np.exp(-log_scale)) + log_scale
