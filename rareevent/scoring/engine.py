"""From a SensorFrame to probabilities and alarms: the one way, for evaluation and for scoring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rareevent.alarms.policy import AlarmCarry, raise_alarms
from rareevent.bundle import Bundle
from rareevent.ingestion.frame import Bool, Fate, Float32, Float64, Int8, Int32, Int64, SensorFrame
from rareevent.lstm.cell import forward
from rareevent.windowing.temporalize import Windows, temporalize

# Why a row that is in the frame has no score, as summaries name it.
REASONS = {
    Fate.EVENT: "event",
    Fate.EVENT_RUN: "event_run",
    Fate.RECOVERY: "recovery",
    Fate.EXCLUDED: "excluded",
}
SHORT_HISTORY = "short_history"
NOT_FINITE = "not_finite"


@dataclass(frozen=True)
class Scores:
    """The scored rows of a frame, in its row order (by asset, then time).

    Attributes
    ----------
    row : int64 [m], row of the frame
    asset : int32 [m], code into the frame's assets
    time : int64 [m], ticks
    segment : int64 [m], segment of the row
    logit : float64 [m], of the LSTM ensemble or of the blend, uncalibrated
    probability : float64 [m], of an event within the horizon, calibrated
    alarm : bool [m], true where an alarm is raised
    skipped : reason -> rows of the frame without a score; with m they add up to all rows
    types : names of the K types of events that the model tells apart
    type_probability : float32 [m, K], of each type given that there is an event; times
        `probability` it is the probability of an event of that type. None without types
    """

    row: Int64
    asset: Int32
    time: Int64
    segment: Int64
    logit: Float64
    probability: Float64
    alarm: Bool
    skipped: Mapping[str, int]
    types: tuple[str, ...] = ()
    type_probability: Float32 | None = None

    def __len__(self) -> int:
        return len(self.row)


def score_frame(
    bundle: Bundle,
    frame: SensorFrame,
    new: Bool | None = None,
    carry: Mapping[int, AlarmCarry] | None = None,
) -> Scores:
    """Score every row that has a segment and enough history in it.

    Memory grows with rows x channels, not with the lookback.

    Parameters
    ----------
    bundle : Bundle
    frame : SensorFrame of n rows
    new : bool [n], the rows to score; the others lend their readings as history. None for all
    carry : segment -> alarm state left by rows before the new ones; a segment without one starts
        fresh

    Raises
    ------
    DataError
        When the frame lacks a column that the model reads.
    """
    return score_windows(bundle, frame, windows_of(bundle, frame, new), new, carry)


def windows_of(bundle: Bundle, frame: SensorFrame, new: Bool | None = None) -> Windows:
    """The windows that `score_frame` scores; its parameters and errors."""
    window = bundle.config.window
    rows = bundle.encoder.encode(frame)
    windows, _ = temporalize(rows, frame.segments, window.lookback, window.pad, window.min_history)
    return windows if new is None else windows.take(new[windows.ends])


def score_windows(
    bundle: Bundle,
    frame: SensorFrame,
    windows: Windows,
    new: Bool | None = None,
    carry: Mapping[int, AlarmCarry] | None = None,
) -> Scores:
    """`score_frame` where the windows, `windows_of` the same rows, are at hand."""
    inside = frame.segments.of_row >= 0
    short = int((inside if new is None else new & inside).sum()) - len(windows)
    means = mean_logits(bundle, windows)
    logit = _blended(bundle, means[:, 0], windows)
    # Only an unbounded activation far outside the training range gets here without a number.
    known = np.isfinite(logit) & np.isfinite(means).all(axis=1)
    row, logit = windows.ends[known], logit[known]
    time, segment = frame.time[row], frame.segments.of_row[row]
    probability = bundle.calibration.apply(logit)
    alarm = raise_alarms(bundle.policy, time, segment, probability, carry)
    fate = frame.segments.fate if new is None else frame.segments.fate[new]
    skipped = _skipped(fate, short, int((~known).sum()))
    types = bundle.config.model.type_names
    told = _softmax(means[known, 1:]) if types else None
    asset = frame.asset[row]
    return Scores(row, asset, time, segment, logit, probability, alarm, skipped, types, told)


def mean_logit(bundle: Bundle, windows: Windows) -> Float64:
    """The members' mean logit for the pipeline's own horizon (head 0), blended; float64 [m]."""
    return _blended(bundle, mean_logits(bundle, windows)[:, 0], windows)


def mean_logits(bundle: Bundle, windows: Windows) -> Float64:
    """The members' mean logits: of the own horizon, then of each type of events; [m, 1 + K]."""
    types = len(bundle.config.model.type_names)
    total = np.zeros((len(windows), 1 + types))
    for network in bundle.networks:
        total += forward(network, windows)[:, [0, *range(network.heads - types, network.heads)]]
    return total / len(bundle.networks)


def _blended(bundle: Bundle, logit: Float64, windows: Windows) -> Float64:
    return logit if bundle.blend is None else bundle.blend.logits(logit, windows)


def _softmax(logits: Float64) -> Float32:
    power: Float64 = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Float64 = power / power.sum(axis=1, keepdims=True)
    return shares.astype(np.float32)


def why_unscored(bundle: Bundle, frame: SensorFrame, row: Int64) -> list[str]:
    """The reason why each of some rows, int64 [k], has no score, as summaries name it."""
    window = bundle.config.window
    needed = max(window.min_history, window.lookback if window.pad == "none" else 1)
    short = row - frame.segments.row_start()[row] + 1 < needed
    fate = frame.segments.fate[row]
    inside = np.where(short, SHORT_HISTORY, NOT_FINITE)
    pairs = zip(fate.tolist(), inside.tolist(), strict=True)
    return [REASONS[Fate(f)] if f != Fate.IN_SEGMENT else word for f, word in pairs]


def _skipped(row_fate: Int8, short: int, not_finite: int) -> dict[str, int]:
    counts = {name: int((row_fate == fate).sum()) for fate, name in REASONS.items()}
    counts |= {SHORT_HISTORY: short, NOT_FINITE: not_finite}
    return {name: count for name, count in counts.items() if count}
