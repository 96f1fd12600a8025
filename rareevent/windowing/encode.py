"""From a SensorFrame to the float32 row matrix: fill, channels, scaling, one block at a time."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from rareevent.config import ChannelsStage, WindowStage
from rareevent.errors import DataError
from rareevent.ingestion.frame import Bool, Float32, Float64, Int64, SensorFrame
from rareevent.windowing.channels import (
    LARGEST_READING,
    change,
    fill_forward,
    surprise_memory,
    trailing_deviation,
)
from rareevent.windowing.scale import Scaler

# Readings encoded at once: few enough to stay in a core's cache, and many, for threads meet
# wherever a call returns to Python.
_AT_ONCE = 1 << 17
_FEWEST_ROWS, _MOST_ROWS = 1_024, 16_384
UNKNOWN = "(unknown)"
# (name, (kind, index of sensor or text, parameter)) of every channel.
Layout = list[tuple[str, tuple[str, int, int]]]


@dataclass(frozen=True)
class RowEncoder:
    """All that was learned on training rows to turn readings into model inputs.

    Attributes
    ----------
    sensors : numeric columns, in channel order
    texts : categorical column -> levels seen in training
    use : kinds of channel, of value, change, volatility, missing
    change_lags, volatility_windows : rows
    median : float64 [p], what a reading is taken to be before the first one of its segment
    floor : float64 [p], added to a deviation before its logarithm
    flagged : sensors that get a missing flag
    scaler : Scaler over all channels
    """

    sensors: tuple[str, ...]
    texts: Mapping[str, tuple[str, ...]]
    use: tuple[str, ...]
    change_lags: tuple[int, ...]
    volatility_windows: tuple[int, ...]
    median: Float64
    floor: Float64
    flagged: tuple[str, ...]
    scaler: Scaler

    @property
    def needs(self) -> tuple[str, ...]:
        """Columns that the input must have."""
        return (*self.sensors, *self.texts)

    @property
    def memory(self) -> int:
        """Rows before a row that its channels read."""
        return _memory(self.use, self.change_lags, self.volatility_windows)

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the row matrix's columns, in order."""
        return tuple(name for name, _ in channel_layout(self))

    def encode(self, frame: SensorFrame) -> Float32:
        """The row matrix, float32 [n, c], in the row order of the frame."""
        self._check(frame)
        out = np.empty((len(frame), len(self.channels)), np.float32)
        raw = RawChannels(self, frame)

        def fill(block: tuple[int, int]) -> None:
            out[slice(*block)] = self.scaler.apply(raw.block(*block)).T

        blocks = row_blocks(len(frame), self._rows_at_once)
        if len(blocks) < 2:
            # A thread takes longer to start than a stream's few rows take.
            for block in blocks:
                fill(block)
            return out
        # NumPy computes outside the interpreter's lock, and every block writes rows of its own.
        with ThreadPoolExecutor(_threads()) as pool:
            for _ in pool.map(fill, blocks):
                pass
        return out

    @property
    def _rows_at_once(self) -> int:
        """Rows of a block; what is computed does not depend on it."""
        return min(max(_AT_ONCE // max(len(self.sensors), 1), _FEWEST_ROWS), _MOST_ROWS)

    def _check(self, frame: SensorFrame) -> None:
        absent = [n for n in self.sensors if n not in frame.sensors]
        absent += [n for n in self.texts if n not in frame.texts]
        if absent:
            raise DataError(f"the input lacks the columns {', '.join(absent)} that the model reads")

    def to_parts(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Plain data and plain arrays that `from_parts` takes back."""
        plain = {
            "sensors": list(self.sensors),
            "texts": {name: list(levels) for name, levels in self.texts.items()},
            "use": list(self.use),
            "change_lags": list(self.change_lags),
            "volatility_windows": list(self.volatility_windows),
            "flagged": list(self.flagged),
            "scaling": self.scaler.kind,
        }
        arrays = {"encoder/median": self.median, "encoder/floor": self.floor}
        return plain, arrays | self.scaler.to_arrays()

    @classmethod
    def from_parts(cls, plain: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> RowEncoder:
        """The inverse of `to_parts`."""
        return cls(
            sensors=tuple(plain["sensors"]),
            texts={name: tuple(levels) for name, levels in plain["texts"].items()},
            use=tuple(plain["use"]),
            change_lags=tuple(plain["change_lags"]),
            volatility_windows=tuple(plain["volatility_windows"]),
            median=arrays["encoder/median"],
            floor=arrays["encoder/floor"],
            flagged=tuple(plain["flagged"]),
            scaler=Scaler.from_arrays(plain["scaling"], arrays),
        )


def history_rows(window: WindowStage, memory: int) -> int:
    """Rows of its segment before a row that its window and their channels can read.

    Parameters
    ----------
    window : WindowStage
    memory : rows before a row that its channels read

    Examples
    --------
    >>> history_rows(WindowStage(lookback=5), memory=19)
    23
    """
    return max(window.lookback - 1 + memory, window.min_history - 1)


def channel_memory(stage: ChannelsStage) -> int:
    """Rows before a row that its channels may read, whatever `auto` will choose."""
    use = ("change", "volatility") if stage.use == "auto" else stage.use
    read = _memory(use, stage.change_lags, stage.volatility_windows)
    if not stage.surprise:
        return read
    # A forecaster reads, and foretells, changes by one row, whichever other channels there are.
    return surprise_memory(max(read, 1), stage.surprise.lookback, stage.surprise.window)


def _memory(use: tuple[str, ...], lags: tuple[int, ...], windows: tuple[int, ...]) -> int:
    lagged = lags if "change" in use else ()
    trailing = [w - 1 for w in windows] if "volatility" in use else []
    return max([0, *lagged, *trailing])


def _threads() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def row_blocks(rows: int, size: int) -> list[tuple[int, int]]:
    """Ranges of rows, from and up to, of so many each."""
    return [(low, min(low + size, rows)) for low in range(0, rows, size)]


def channel_layout(encoder: RowEncoder) -> Layout:
    """(name, (kind, index of sensor or text, parameter)) of every channel, in order."""
    sensors = list(enumerate(encoder.sensors))
    out: Layout = []
    if "value" in encoder.use:
        out += [(f"{n}.value", ("value", s, 0)) for s, n in sensors]
    if "change" in encoder.use:
        out += [
            (f"{n}.change{k}", ("change", s, k)) for k in encoder.change_lags for s, n in sensors
        ]
    if "volatility" in encoder.use:
        windows = encoder.volatility_windows
        out += [(f"{n}.volatility{w}", ("volatility", s, w)) for w in windows for s, n in sensors]
    out += [(f"{n}.missing", ("missing", s, 0)) for s, n in sensors if n in encoder.flagged]
    for t, (name, levels) in enumerate(encoder.texts.items()):
        out += [(f"{name}={x}", ("level", t, k)) for k, x in enumerate((*levels, UNKNOWN))]
    return out


class RawChannels:
    """Unscaled channels of a frame's rows, computed a block at a time."""

    def __init__(self, encoder: RowEncoder, frame: SensorFrame, *, log: bool = True) -> None:
        start = frame.segments.row_start()
        self._encoder, self._log = encoder, log
        self._start = np.where(start < 0, np.arange(len(frame)), start)
        pairs = zip(encoder.sensors, encoder.median, strict=True)
        self._filled = [fill_forward(frame.sensors[n], self._start, m) for n, m in pairs]
        self._missing = [~np.isfinite(frame.sensors[n]) for n in encoder.flagged]
        self._codes = [_recode(frame, name, levels) for name, levels in encoder.texts.items()]

    def block(self, low: int, high: int) -> Float64:
        """Channels of the rows low to high, float64 [c, high - low]."""
        encoder, left = self._encoder, max(0, low - self._encoder.memory)
        position = np.arange(left, high) - self._start[left:high]
        block = np.empty((len(self._filled), high - left))
        for sensor, values in enumerate(self._filled):
            np.clip(values[left:high], -LARGEST_READING, LARGEST_READING, out=block[sensor])
        parts = _numeric_channels(encoder, block, position, self._log)
        parts = [part[:, low - left :] for part in parts]
        parts += [m[None, low:high].astype(np.float64) for m in self._missing]
        pairs = zip(self._codes, encoder.texts.values(), strict=True)
        parts += [_one_hot(codes[low:high], len(levels) + 1) for codes, levels in pairs]
        return np.concatenate(parts)


def _numeric_channels(
    encoder: RowEncoder, block: Float64, position: Int64, log: bool
) -> list[Float64]:
    parts = [block] if "value" in encoder.use else []
    if "change" in encoder.use:
        parts += [change(block, position, lag) for lag in encoder.change_lags]
    if "volatility" in encoder.use:
        deviation = trailing_deviation(block, position, encoder.volatility_windows)
        ordered = [deviation[w] for w in encoder.volatility_windows]
        parts += [np.log(d + encoder.floor[:, None]) for d in ordered] if log else ordered
    return parts


def _recode(frame: SensorFrame, name: str, levels: tuple[str, ...]) -> Int64:
    """Codes of the frame's own levels translated to the encoder's; what it never saw is last."""
    column = frame.texts[name]
    place = column.places(levels)
    return np.where(place < 0, len(levels), place)[column.codes]


def _one_hot(codes: Int64, slots: int) -> Float64:
    equal: Bool = np.arange(slots)[:, None] == codes[None, :]
    return equal.astype(np.float64)
