"""What an encoder learns: medians, floors, levels and scaling, on training rows alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rareevent.config import ChannelsStage
from rareevent.errors import DataError
from rareevent.ingestion.frame import Bool, Float64, Int64, SensorFrame
from rareevent.windowing.drift import choose_channels
from rareevent.windowing.encode import Layout, RawChannels, RowEncoder, channel_layout, row_blocks
from rareevent.windowing.scale import Scaler, fit_scaler

# Beyond this many training rows, statistics are learned on evenly spaced blocks of them.
_SAMPLE, _SAMPLE_BLOCK = 262_144, 2_048
# Volatility never looks below this share of a sensor's usual deviation: log(0) says nothing.
_FLOOR_SHARE = 0.01


def fit_encoder(frame: SensorFrame, training_rows: Bool, stage: ChannelsStage) -> RowEncoder:
    """Learn medians, floors, levels and scaling on training rows, and on nothing else.

    Parameters
    ----------
    frame : SensorFrame of n rows
    training_rows : bool [n]; other rows only lend their readings as history to a trailing window
    stage : ChannelsStage

    Raises
    ------
    DataError
        When there is no training row or no usable column.
    """
    rows = np.flatnonzero(training_rows)
    if not len(rows):
        raise DataError("no training row is left; see the counts of dropped rows")
    use = choose_channels(frame, training_rows).use if stage.use == "auto" else stage.use
    sensors = tuple(n for n, v in frame.sensors.items() if np.isfinite(v[rows]).any())
    with_levels = "value" in use or not sensors
    texts = _training_levels(frame, rows) if with_levels else {}
    if not sensors and not texts:
        raise DataError("no sensor has a reading in the training rows")
    raw = RowEncoder(
        sensors=sensors,
        texts=texts,
        use=use,
        change_lags=stage.change_lags,
        volatility_windows=stage.volatility_windows,
        median=np.array([np.nanmedian(_finite(frame.sensors[n][rows])) for n in sensors]),
        floor=np.zeros(len(sensors)),
        flagged=tuple(n for n in sensors if not np.isfinite(frame.sensors[n][rows]).all())
        if "missing" in use
        else (),
        scaler=Scaler(stage.scaling, (), ()),
    )
    return _fit_scales(raw, frame, training_rows, stage)


def _finite(values: Float64) -> Float64:
    return np.where(np.isfinite(values), values, np.nan)


def _training_levels(frame: SensorFrame, rows: Int64) -> dict[str, tuple[str, ...]]:
    seen = {name: np.unique(column.codes[rows]) for name, column in frame.texts.items()}
    return {
        name: tuple(sorted(frame.texts[name].levels[code] for code in codes if code >= 0))
        for name, codes in seen.items()
    }


def _fit_scales(
    raw: RowEncoder, frame: SensorFrame, training_rows: Bool, stage: ChannelsStage
) -> RowEncoder:
    layout = channel_layout(raw)
    blocks, channels = _blocks_to_sample(training_rows), RawChannels(raw, frame, log=False)
    parts = [channels.block(*block)[:, training_rows[slice(*block)]] for block in blocks]
    sample = np.concatenate(parts, axis=1).T
    floor = _floors(raw, layout, sample)
    for column, (_, (kind, sensor, _)) in enumerate(layout):
        if kind == "volatility":
            sample[:, column] = np.log(sample[:, column] + floor[sensor])
    flags = np.array([kind in ("level", "missing") for _, (kind, _, _) in layout], bool)
    scaler = fit_scaler(sample, stage.scaling, stage.clip, flags)
    return replace(raw, floor=floor, scaler=scaler)


def _floors(raw: RowEncoder, layout: Layout, sample: Float64) -> Float64:
    """A share of each sensor's median positive deviation; 1 where it never moved."""
    floor = np.ones(len(raw.sensors))
    columns = [(i, s) for i, (_, (kind, s, _)) in enumerate(layout) if kind == "volatility"]
    for sensor in range(len(raw.sensors)):
        mine = sample[:, [i for i, s in columns if s == sensor]]
        moving = mine[mine > 0]
        if len(moving):
            floor[sensor] = _FLOOR_SHARE * np.median(moving)
    return floor


def _blocks_to_sample(training_rows: Bool) -> list[tuple[int, int]]:
    """Row ranges that hold training rows: all of them, or evenly spaced ones of a long history."""
    ranges = row_blocks(len(training_rows), _SAMPLE_BLOCK)
    counts = [int(training_rows[low:high].sum()) for low, high in ranges]
    useful = [r for r, count in zip(ranges, counts, strict=True) if count]
    step = max(1, round(sum(counts) / _SAMPLE))
    return useful[::step]
