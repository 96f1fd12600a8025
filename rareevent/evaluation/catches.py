"""What each alarm did and what became of each event."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from rareevent.evaluation.scored import Scored
from rareevent.ingestion.frame import Bool, Int8, Int64
from rareevent.windowing.curve_shift import Status


class Judgement(IntEnum):
    """What an alarm was, judged once, against the next event of its asset only.

    BOUNDARY: on a positive row of an event that this part does not count, because its catch
    window does not lie in the part as a whole. Like REPEAT and LATE it is neither a catch nor
    false.
    """

    CATCH = 0
    REPEAT = 1
    LATE = 2
    FALSE = 3
    BOUNDARY = 4


class Outcome(IntEnum):
    """What became of an event; UNFORESEEABLE ones had no positive row and count as missed."""

    CAUGHT = 0
    MISSED = 1
    UNFORESEEABLE = 2
    BOUNDARY = 3


NO_LEAD_TIME = -1


@dataclass(frozen=True)
class Judged:
    """Alarms and events of one part, judged.

    Attributes
    ----------
    row : int64 [a], the rows of `Scored` where an alarm was raised
    judgement : int8 [a], a `Judgement` per alarm
    caught : bool [k], per event of the frame: counted here, and an alarm on a positive row
    lead_time : int64 [k], ticks from the first alarm that caught it; `NO_LEAD_TIME` elsewhere
    late : bool [k], an alarm was raised too late for this event
    foreseeable : bool [k], some scored row is positive for this event
    """

    row: Int64
    judgement: Int8
    caught: Bool
    lead_time: Int64
    late: Bool
    foreseeable: Bool

    def count(self, judgement: Judgement) -> int:
        """How many alarms were judged so."""
        return int(np.count_nonzero(self.judgement == judgement))


def judge(scored: Scored, counted: Bool) -> Judged:
    """Judge every alarm once, and every event by the alarms on its positive rows.

    Parameters
    ----------
    scored : Scored
    counted : bool [k], events whose whole catch window lies in this part

    Examples
    --------
    One asset, event at 5, horizon 2: an alarm at 3 catches with lead time 2, one at 4 repeats,
    one at 1 is false.
    """
    row = np.flatnonzero(scored.alarm)
    event = scored.event[row]
    positive = scored.target[row] == 1
    ours = positive.copy()
    ours[positive] = counted[event[positive]]
    # Rows ascend in time within an asset, and an event has one asset: the first row is the
    # earliest alarm.
    known, first = np.unique(event[ours], return_index=True)
    catch = np.flatnonzero(ours)[first]

    judgement = np.full(len(row), Judgement.FALSE, np.int8)
    judgement[positive] = Judgement.BOUNDARY
    judgement[ours] = Judgement.REPEAT
    judgement[catch] = Judgement.CATCH
    too_late = scored.status[row] == Status.TOO_LATE
    judgement[too_late] = Judgement.LATE

    caught = np.zeros(len(counted), bool)
    caught[known] = True
    lead_time = np.full(len(counted), NO_LEAD_TIME, np.int64)
    lead_time[known] = scored.time_to_event[row[catch]]
    late = np.zeros(len(counted), bool)
    late[event[too_late]] = True
    foreseeable = np.zeros(len(counted), bool)
    foreseeable[scored.event[scored.target == 1]] = True
    return Judged(row, judgement, caught, lead_time, late, foreseeable)


def outcomes(judged: Judged, counted: Bool, boundary: Bool) -> Int8:
    """An `Outcome` per event, int8 [k]; -1 for events that belong to another part."""
    outcome = np.full(len(counted), -1, np.int8)
    outcome[boundary] = Outcome.BOUNDARY
    outcome[counted] = Outcome.MISSED
    outcome[counted & ~judged.foreseeable] = Outcome.UNFORESEEABLE
    outcome[counted & judged.caught] = Outcome.CAUGHT
    return outcome
