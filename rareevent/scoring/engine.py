"""From a SensorFrame to probabilities and alarms: the one way, for evaluation and for scoring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rareevent.alarms.policy import raise_alarms
from rareevent.bundle import Bundle
from rareevent.ingestion.frame import Bool, Fate, Float64, Int32, Int64, SensorFrame
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
    logit : float64 [m], mean over the members, uncalibrated
    probability : float64 [m], of an event within the horizon, calibrated
    alarm : bool [m], true where an alarm is raised
    skipped : reason -> rows of the frame without a score; with m they add up to all rows
    """

    row: Int64
    asset: Int32
    time: Int64
    segment: Int64
    logit: Float64
    probability: Float64
    alarm: Bool
    skipped: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.row)


def score_frame(bundle: Bundle, frame: SensorFrame) -> Scores:
    """Score every row that has a segment and enough history in it.

    Memory grows with rows x channels, not with the lookback.

    Raises
    ------
    DataError
        When the frame lacks a column that the model reads.
    """
    window = bundle.config.window
    rows = bundle.encoder.encode(frame)
    windows, short = temporalize(
        rows, frame.segments, window.lookback, window.pad, window.min_history
    )
    logit = mean_logit(bundle, windows)
    # Only an unbounded activation far outside the training range gets here without a number.
    known = np.isfinite(logit)
    row, logit = windows.ends[known], logit[known]
    time, segment = frame.time[row], frame.segments.of_row[row]
    probability = bundle.calibration.apply(logit)
    alarm = raise_alarms(bundle.policy, time, segment, probability)
    skipped = _skipped(frame, short, int((~known).sum()))
    return Scores(row, frame.asset[row], time, segment, logit, probability, alarm, skipped)


def mean_logit(bundle: Bundle, windows: Windows) -> Float64:
    """The members' mean logit for the pipeline's own horizon (head 0), float64 [m]."""
    total = np.zeros(len(windows))
    for network in bundle.networks:
        total += forward(network, windows)[:, 0]
    return total / len(bundle.networks)


def _skipped(frame: SensorFrame, short: int, not_finite: int) -> dict[str, int]:
    counts = {name: int((frame.segments.fate == fate).sum()) for fate, name in REASONS.items()}
    counts |= {SHORT_HISTORY: short, NOT_FINITE: not_finite}
    return {name: count for name, count in counts.items() if count}
