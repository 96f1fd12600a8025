"""Scored rows with what is known about them: the input of every judgement."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from rareevent.ingestion.frame import Bool, Float64, Int8, Int32, Int64, SensorFrame
from rareevent.windowing.curve_shift import Labels


@dataclass(frozen=True)
class Scored:
    """The scorer's rows of one part, sorted by (asset, time), beside the truth about them.

    Attributes
    ----------
    asset : int32 [n], code into the frame's assets
    time : int64 [n], ticks
    segment : int64 [n], the segment as the scorer cut it; its alarm state starts fresh there
    probability : float64 [n], calibrated
    alarm : bool [n], true where an alarm was raised
    target : int8 [n], 1 positive, 0 negative, -1 without a label
    status : int8 [n], a `curve_shift.Status`
    event : int32 [n], index of the next event; -1 where none is known
    time_to_event : int64 [n], ticks until it; `curve_shift.NEVER` where none is known
    """

    asset: Int32
    time: Int64
    segment: Int64
    probability: Float64
    alarm: Bool
    target: Int8
    status: Int8
    event: Int32
    time_to_event: Int64

    def __len__(self) -> int:
        return len(self.time)

    @classmethod
    def of_rows(
        cls,
        frame: SensorFrame,
        labels: Labels,
        row: Int64,
        segment: Int64,
        probability: Float64,
        alarm: Bool,
    ) -> Scored:
        """Scores of some rows of a frame, joined with the labels of those rows.

        Parameters
        ----------
        frame, labels : the frame that knows the events, and its shifted curve
        row : int64 [n], ascending rows of the frame that were scored
        segment, probability, alarm : [n], from the scorer, which may have cut segments otherwise
        """
        return cls(
            frame.asset[row],
            frame.time[row],
            segment,
            probability,
            alarm,
            labels.target[row],
            labels.status[row],
            labels.event[row],
            labels.time_to_event[row],
        )

    def take(self, which: np.ndarray) -> Scored:
        """Some of the rows (ascending index or boolean mask)."""
        return Scored(*(getattr(self, item.name)[which] for item in fields(self)))

    def with_scores(self, probability: Float64, alarm: Bool) -> Scored:
        """The same rows as another model scored them."""
        return replace(self, probability=probability, alarm=alarm)

    def assets_seen(self) -> int:
        """How many assets have a row here."""
        return len(np.unique(self.asset))
