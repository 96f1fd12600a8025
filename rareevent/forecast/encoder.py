"""An encoder whose row matrix holds surprise beside the channels of the readings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rareevent.forecast.forecaster import Forecaster
from rareevent.forecast.surprise import has_change, row_starts, surprise
from rareevent.ingestion.frame import Bool, Float32, SensorFrame
from rareevent.windowing.channels import surprise_memory
from rareevent.windowing.encode import RowEncoder
from rareevent.windowing.scale import Scaler

_BLOCK = 8_192


@dataclass(frozen=True)
class SurpriseEncoder:
    """A row encoder and, beside its channels, how far readings were from their forecasts.

    Attributes
    ----------
    base : the pipeline's other channels, which the forecaster reads
    changes : each sensor's change to the row before, which is forecast (and read)
    forecaster : Forecaster over the columns of `changes`, then of `base`
    window : rows of the trailing mean
    scaler : of the surprise channels; a row without any forecast gets the score 0, the median
    """

    base: RowEncoder
    changes: RowEncoder
    forecaster: Forecaster
    window: int
    scaler: Scaler

    @property
    def needs(self) -> tuple[str, ...]:
        """Columns that the input must have."""
        return self.base.needs

    @property
    def memory(self) -> int:
        """Rows before a row that its channels read."""
        read = max(self.base.memory, self.changes.memory)
        return surprise_memory(read, self.forecaster.lookback, self.window)

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the row matrix's columns, in order."""
        names = self.changes.sensors
        return (
            *self.base.channels,
            *(f"{name}.surprise" for name in names),
            *(f"{name}.surprise{self.window}" for name in names),
            "(all).surprise",
            f"(all).surprise{self.window}",
        )

    def encode(self, frame: SensorFrame) -> Float32:
        """The row matrix, float32 [n, c], in the row order of the frame."""
        base = self.base.encode(frame)
        raw, known = raw_surprise(self, frame, base)
        return np.concatenate([base, scale_surprise(self.scaler, raw, known)], axis=1)

    def to_parts(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Plain data and plain arrays that `encoder_from_parts` takes back."""
        base, base_arrays = self.base.to_parts()
        changes, changes_arrays = self.changes.to_parts()
        own = {"changes": changes, "window": self.window, "scaling": self.scaler.kind}
        arrays = _under("changes", changes_arrays)
        arrays |= _under("forecaster", self.forecaster.to_arrays())
        arrays |= self.scaler.to_arrays()
        return {**base, "surprise": own}, base_arrays | _under("surprise", arrays)


Encoder = RowEncoder | SurpriseEncoder


def encoder_from_parts(plain: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Encoder:
    """The encoder that `to_parts` took apart, with surprise where it had some."""
    base = RowEncoder.from_parts(plain, arrays)
    if "surprise" not in plain:
        return base
    own, inside = plain["surprise"], _below("surprise", arrays)
    return SurpriseEncoder(
        base=base,
        changes=RowEncoder.from_parts(own["changes"], _below("changes", inside)),
        forecaster=Forecaster.from_arrays(_below("forecaster", inside)),
        window=int(own["window"]),
        scaler=Scaler.from_arrays(own["scaling"], inside),
    )


def forecast_inputs(changes: Float32, base: Float32) -> Float32:
    """The columns a forecaster reads: what it forecasts, then the other channels; [n, p + c].

    The first columns are each sensor's own, block after block, as `Forecaster.own` wants them.
    """
    return np.concatenate([changes, base], axis=1)


def own_channels(encoder: RowEncoder) -> int:
    """How many channels of a `forecast_inputs` row belong to each sensor, its change included."""
    blocks = {
        "value": 1,
        "change": len(encoder.change_lags),
        "volatility": len(encoder.volatility_windows),
    }
    return 1 + sum(count for kind, count in blocks.items() if kind in encoder.use)


def raw_surprise(
    encoder: SurpriseEncoder, frame: SensorFrame, base: Float32
) -> tuple[Float32, Bool]:
    """Unscaled surprise float32 [n, 2 p + 2] of every row, and where there is any, bool [n]."""
    start = row_starts(frame)
    known = has_change(frame, encoder.changes.sensors, start)
    target = encoder.changes.encode(frame)
    rows = forecast_inputs(target, base)
    raw = surprise(encoder.forecaster, rows, target, known, start, encoder.window)
    return raw, np.any(known, axis=1)


def scale_surprise(scaler: Scaler, raw: Float32, known: Bool) -> Float32:
    """Scaled surprise, float32 of the same shape; 0 in rows where nothing was forecast."""
    out = np.empty_like(raw)
    for low in range(0, len(raw), _BLOCK):
        part = slice(low, low + _BLOCK)
        out[part] = scaler.apply(raw[part].T.astype(np.float64)).T
    out[~known] = 0.0
    return out


def _under(folder: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {f"{folder}/{name}": array for name, array in arrays.items()}


def _below(folder: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    prefix = f"{folder}/"
    return {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
