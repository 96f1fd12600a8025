"""What an asset's next rows must know of its earlier ones, and how rows are scored on from there.

The rows of an open segment that later windows and channels can still read are kept as they were
read and put before the next rows, so that scoring in pieces does what scoring at once does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from rareevent.alarms.policy import AlarmCarry, carry_after
from rareevent.bundle import Bundle
from rareevent.config import Ingest
from rareevent.errors import DataError
from rareevent.ingestion.assemble import scoring_frame
from rareevent.ingestion.cells import Cells
from rareevent.ingestion.event_log import Log
from rareevent.ingestion.frame import Bool, Float32, Float64, Int64, SensorFrame
from rareevent.ingestion.quality import Findings
from rareevent.ingestion.roles import Roles
from rareevent.scoring.attribution import Attribution, attribution_of
from rareevent.scoring.engine import Scores, score_windows, windows_of
from rareevent.scoring.rows import CleanRows, as_table, join_cells, name_cells
from rareevent.windowing.encode import channel_memory, history_rows
from rareevent.windowing.temporalize import Windows

_NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True)
class AssetState:
    """An asset after the rows scored so far.

    Attributes
    ----------
    last : time of its last row, in ticks, whatever became of that row
    time : int64 [k], times of the kept rows of its open segment; none where no segment is open
    sensors : float64 [p, k], their readings, sensors in the model's order; where the segment began
        earlier, the first of them holds each sensor's last known reading
    texts : per categorical column the names in the kept rows, None where missing
    alarm : the alarm state of the open segment
    """

    last: int
    time: Int64 = field(default_factory=lambda: np.zeros(0, np.int64))
    sensors: Float64 = field(default_factory=lambda: np.zeros((0, 0)))
    texts: tuple[tuple[str | None, ...], ...] = ()
    alarm: AlarmCarry = field(default_factory=AlarmCarry)


@dataclass(frozen=True)
class Reader:
    """What stays the same for all rows of a job.

    Attributes
    ----------
    bundle : Bundle
    stage : how the input is written
    roles : the columns that the model reads
    log : events known, None where there is no feed
    evidence : whether the sensors that raised it most are told of each alarm
    """

    bundle: Bundle
    stage: Ingest
    roles: Roles
    log: Log | None = None
    evidence: bool = False

    @cached_property
    def attribution(self) -> Attribution:
        """What it takes to credit the score of any window."""
        return attribution_of(self.bundle)

    @property
    def kept_rows(self) -> int:
        """Rows of an open segment that are kept for what follows.

        One more than a window and its channels can read: the first one carries what forward
        filling needs of the rows before it, and is read by nothing else.
        """
        config = self.bundle.config
        memory = max(self.bundle.encoder.memory, channel_memory(config.channels))
        return history_rows(config.window, memory) + 1


@dataclass(frozen=True)
class Continued:
    """New rows scored after what was kept of the old ones.

    Attributes
    ----------
    frame : kept and new rows
    new : bool [n], which of its rows are new
    scores : of the new rows
    states : asset -> its state after them
    repairs : what was mended, by the name of the rule
    windows : of the new rows, where evidence is asked for; None elsewhere
    """

    frame: SensorFrame
    new: Bool
    scores: Scores
    states: Mapping[str, AssetState]
    repairs: Mapping[str, int]
    windows: Windows | None = None

    def gather(self, row: Int64) -> Float32:
        """The windows of some scored rows by value, float32 [k, lookback, c]."""
        if self.windows is None:
            raise ValueError("the windows were not kept: no evidence is asked for")
        return self.windows.take(np.searchsorted(self.windows.ends, row)).gather()


def score_on(
    reader: Reader, states: Mapping[str, AssetState], rows: CleanRows, where: str
) -> Continued:
    """Score new rows of assets whose state is known; an asset without one starts fresh.

    Parameters
    ----------
    reader : Reader
    states : asset -> its state; assets without a new row are not looked at
    rows : new rows, all later than their asset's last one; at least one
    where : where they come from, for errors

    Raises
    ------
    DataError
        When they cannot be scored: one line for each reason.
    """
    found = Findings()
    frame, new = _continued_frame(reader, states, rows, where, found)
    carry = open_alarms(frame, states)
    windows = windows_of(reader.bundle, frame, new)
    scores = score_windows(reader.bundle, frame, windows, new, carry)
    after = _states_after(reader, frame, scores, carry)
    kept = windows if reader.evidence else None
    return Continued(frame, new, scores, after, found.freeze().repairs, kept)


def carry_on(
    reader: Reader, states: Mapping[str, AssetState], rows: CleanRows, where: str
) -> tuple[SensorFrame, Bool, dict[str, AssetState]]:
    """What `score_on` leaves behind but for its scores: far cheaper, for nothing is scored.

    Returns
    -------
    frame : SensorFrame of kept and new rows
    new : bool [n], which of its rows are new
    states : asset -> its state after them; the alarms in it are those from before

    Raises
    ------
    DataError
        When they cannot be scored: one line for each reason.
    """
    frame, new = _continued_frame(reader, states, rows, where, Findings())
    none = np.zeros(0, np.int64)
    assets = np.zeros(0, np.int32)
    nothing = Scores(none, assets, none, none, np.zeros(0), np.zeros(0), none > 0, {})
    return frame, new, _states_after(reader, frame, nothing, open_alarms(frame, states))


def _continued_frame(
    reader: Reader, states: Mapping[str, AssetState], rows: CleanRows, where: str, found: Findings
) -> tuple[SensorFrame, Bool]:
    bundle = reader.bundle
    joined = _after_kept_rows(reader.roles, states, rows)
    stage = reader.stage.model_copy(update={"source": where})
    table, delay = as_table(joined, bundle.clock, where), bundle.event_delay
    frame = scoring_frame(table, reader.roles, stage, bundle.clock, reader.log, delay, found)
    if found.problems:
        raise DataError("\n".join(found.problems))
    last = np.array([states[a].last if a in states else _NEVER for a in frame.assets])
    return frame, frame.time > last[frame.asset]


def _after_kept_rows(roles: Roles, states: Mapping[str, AssetState], rows: CleanRows) -> CleanRows:
    """The new rows with each asset's kept rows before them."""
    kept = [(code, states[name]) for code, name in enumerate(rows.assets) if name in states]
    kept = [(code, state) for code, state in kept if len(state.time)]
    if not kept:
        return rows
    sizes = [len(state.time) for _, state in kept]
    asset = np.repeat(np.array([code for code, _ in kept], np.int32), sizes)
    sensors = np.concatenate([state.sensors for _, state in kept], axis=1)
    cells = {
        name: join_cells(Cells(values, None, ()), rows.cells[name])
        for name, values in zip(roles.sensors, sensors, strict=True)
    }
    for place, name in enumerate(roles.texts):
        names = [text for _, state in kept for text in state.texts[place]]
        cells[name] = join_cells(name_cells(names), rows.cells[name])
    return CleanRows(
        np.concatenate([*(state.time for _, state in kept), rows.tick]),
        np.concatenate([asset, rows.asset]),
        rows.assets,
        cells,
    )


def open_alarms(frame: SensorFrame, states: Mapping[str, AssetState]) -> dict[int, AlarmCarry]:
    """The alarm state of every segment that kept rows belong to."""
    carry = {}
    for code, name in enumerate(frame.assets):
        kept = len(states[name].time) if name in states else 0
        if not kept:
            continue
        first = int(frame.asset_starts[code])
        segment = int(frame.segments.of_row[first + kept - 1])
        if segment >= 0:
            begin = int(frame.segments.start[segment])
            alarm = states[name].alarm
            if begin > first:
                alarm = _since_cut(alarm, first + kept - begin, int(frame.time[begin]))
            carry[segment] = alarm
    return carry


def _since_cut(alarm: AlarmCarry, rows: int, begin: int) -> AlarmCarry:
    """What is left of an alarm state once an event is known that ended its segment earlier."""
    last = alarm.last_alarm
    return AlarmCarry(alarm.reached[-rows:], last if last is not None and last >= begin else None)


def _states_after(
    reader: Reader, frame: SensorFrame, scores: Scores, carry: Mapping[int, AlarmCarry]
) -> dict[str, AssetState]:
    policy, segments = reader.bundle.policy, frame.segments
    alarms = carry_after(
        policy, scores.time, scores.segment, scores.probability, scores.alarm, carry
    )
    alarms = {**carry, **alarms}
    end = frame.asset_starts[1:]
    segment = segments.of_row[end - 1]
    begin = np.where(segment >= 0, segments.start[segment] if len(segments) else end, end)
    first = np.maximum(begin, end - reader.kept_rows)
    sizes = end - first
    edges = np.concatenate([[0], np.cumsum(sizes)])
    rows = np.arange(edges[-1]) + np.repeat(first - edges[:-1], sizes)
    sensors = _filled_at_first(frame, reader.roles.sensors, rows, edges[:-1], begin, first)
    texts = [_names_at(frame, name, rows) for name in reader.roles.texts]
    states = {}
    for code, name in enumerate(frame.assets):
        part = slice(edges[code], edges[code + 1])
        states[name] = AssetState(
            int(frame.time[end[code] - 1]),
            frame.time[rows[part]],
            sensors[:, part],
            tuple(tuple(names[part]) for names in texts),
            alarms.get(int(segment[code]), AlarmCarry()) if segment[code] >= 0 else AlarmCarry(),
        )
    return states


def _filled_at_first(
    frame: SensorFrame,
    names: tuple[str, ...],
    rows: Int64,
    places: Int64,
    begin: Int64,
    first: Int64,
) -> Float64:
    """Readings of the kept rows, float64 [p, k]; a first row in mid-segment is filled forward."""
    inside = first > begin
    places, begin, first = places[inside], begin[inside], first[inside]
    out = np.empty((len(names), len(rows)))
    for sensor, name in enumerate(names):
        values = frame.sensors[name]
        out[sensor] = values[rows]
        open_ = ~np.isfinite(out[sensor, places])
        if open_.any():
            known = np.where(np.isfinite(values), np.arange(len(values)), -1)
            last = np.maximum.accumulate(known)[first[open_]]
            found = np.where(last >= begin[open_], values[np.maximum(last, 0)], np.nan)
            out[sensor, places[open_]] = found
    return out


def _names_at(frame: SensorFrame, name: str, rows: Int64) -> list[str | None]:
    column = frame.texts[name]
    levels = [*column.levels, None]
    return [levels[code] for code in column.codes[rows]]
