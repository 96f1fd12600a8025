"""From a raw table to a SensorFrame: settle, order, merge, cut; everything found is told."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rareevent.config import EventLog, Ingest
from rareevent.errors import DataError
from rareevent.ingestion.behaviour import drop_counters, tell_behaviour
from rareevent.ingestion.clocks import find_clock, gap_ticks
from rareevent.ingestion.event_log import Log, match_log, read_log
from rareevent.ingestion.events import events_at_last_rows, events_from_label, keep_observed
from rareevent.ingestion.exclusions import mark_excluded, parse_exclusions
from rareevent.ingestion.frame import Bool, Clock, Events, Fate, SensorFrame
from rareevent.ingestion.quality import Findings
from rareevent.ingestion.roles import Roles
from rareevent.ingestion.rows import Rows, merge_duplicates, order_rows
from rareevent.ingestion.segments import cut_segments
from rareevent.ingestion.settle import settle_columns
from rareevent.ingestion.table import RawTable
from rareevent.ingestion.time_numbers import Place
from rareevent.ingestion.times import Times, read_times, refuse_other_kind
from rareevent.ingestion.timezones import localise


@dataclass(frozen=True)
class _Happened:
    """Events [k], rows bool [n] that go on with one's run, and the ticks until one is known."""

    events: Events
    run: Bool
    delay: int = 0


def ordered_rows(raw: RawTable, roles: Roles, stage: Ingest, found: Findings) -> tuple[Rows, Times]:
    """Rows sorted and unique, and how their time was read.

    Raises
    ------
    DataError
        When time or asset cannot be read; all else that is wrong is noted as a problem.
    """
    columns = settle_columns(raw, roles, stage, found)
    found.quality = replace(found.quality, rows_read=len(raw), assets=len(raw.assets))
    if (raw.asset < 0).any():
        first = int(np.flatnonzero(raw.asset < 0)[0])
        raise DataError(
            f"{raw.row(first)}: column {roles.asset!r}: {(raw.asset < 0).sum()} rows have no asset"
        )
    times = _ticks(raw, roles, stage, found)
    rows = order_rows(raw.asset, times.ticks, columns, found)
    refuse = stage.source if stage.duplicates == "refuse" else None
    return merge_duplicates(rows, refuse, found), times


def _ticks(raw: RawTable, roles: Roles, stage: Ingest, found: Findings) -> Times:
    times = read_times(
        raw.time, stage.time_format, stage.missing_values, Place(roles.time, raw.row)
    )
    for note in times.notes:
        found.note(note)
    found.quality = replace(found.quality, time_kind=times.kind, time_format=times.format)
    if stage.timezone is None:
        return times
    if not times.local:
        found.note("ingest.timezone is not used: times are an age, or carry their offset from UTC")
        return times
    what = f"{raw.row(0)}: column {roles.time!r}"
    local = localise(times.ticks, raw.asset, stage.timezone, what)
    found.quality = replace(found.quality, ambiguous=local.ambiguous, clock_changes=local.changes)
    found.repaired("ambiguous local time told by the order of rows", local.ambiguous)
    return replace(times, ticks=local.ticks)


def learning_frame(raw: RawTable, roles: Roles, stage: Ingest, found: Findings) -> SensorFrame:
    """The frame to learn from, with its events.

    Raises
    ------
    ConfigError, DataError
        When there is no way on; what else is wrong is noted as a problem.
    """
    rows, times = ordered_rows(raw, roles, stage, found)
    rows = drop_counters(rows, stage.keep, found)
    tell_behaviour(rows, found)
    _refuse_nothing_to_learn(rows, stage, found)
    clock = find_clock(rows, times.kind, stage)
    like_rows = stage.model_copy(update={"time_format": times.format or stage.time_format})
    happened = _learned_events(rows, raw.assets, like_rows, clock, found)
    frame = _frame(rows, raw.assets, like_rows, clock, happened, found)
    if not len(frame.events) and (roles.label is not None or stage.events is not None):
        found.problem(f"{_event_source(stage)}: no event is left; {_event_counts(found)}")
    elif not len(frame.segments):
        found.problem(f"{stage.source}: no row is left to learn from: {_fates(frame)}")
    elif len(frame.events) == 1:
        found.note("there is only one event, too few to learn from and be judged by")
    return frame


def scoring_frame(
    raw: RawTable,
    roles: Roles,
    stage: Ingest,
    clock: Clock,
    log: Log | None,
    event_delay: int,
    found: Findings,
) -> SensorFrame:
    """The frame to score: no label is looked at, events only as far as a feed tells them.

    Raises
    ------
    ConfigError, DataError
        When there is no way on; what else is wrong is noted as a problem.
    """
    rows, times = ordered_rows(raw, roles, stage, found)
    refuse_other_kind(times, clock.kind, Place(roles.time, raw.row))
    events = Events.none() if log is None else match_log(log, raw.assets, found)
    happened = _Happened(events, np.zeros(len(rows), bool), event_delay)
    return _frame(rows, raw.assets, stage, clock, happened, found)


def _refuse_nothing_to_learn(rows: Rows, stage: Ingest, found: Findings) -> None:
    columns = [found.columns[name] for name in (*rows.sensors, *rows.texts)]
    still = [c for c in columns if c.note.startswith(("constant", "never"))]
    if not columns:
        found.problem(f"{stage.source}: no sensor column is left once row counters are dropped")
    elif len(still) == len(columns):
        listed = "; ".join(f"{c.name!r} {c.note}" for c in still[:5])
        found.problem(f"{stage.source}: no sensor ever changes: {listed}; check ingest.sensors")


def _learned_events(
    rows: Rows, assets: tuple[str, ...], stage: Ingest, clock: Clock, found: Findings
) -> _Happened:
    no_run = np.zeros(len(rows), bool)
    if stage.events == "last_row":
        return _Happened(events_at_last_rows(rows.asset, rows.time), no_run)
    if stage.events is not None:
        log = read_log(stage.events, stage, clock.kind, found)
        return _Happened(match_log(log, assets, found), no_run)
    if rows.label is None:
        return _Happened(Events.none(), no_run)
    gap = gap_ticks(stage, clock)
    return _Happened(*events_from_label(rows.asset, rows.time, rows.label, stage.runs, gap))


def _frame(
    rows: Rows,
    assets: tuple[str, ...],
    stage: Ingest,
    clock: Clock,
    happened: _Happened,
    found: Findings,
) -> SensorFrame:
    events = happened.events
    starts = np.searchsorted(rows.asset, np.arange(len(assets) + 1))
    stretches = parse_exclusions(stage, clock, assets, found)
    excluded = mark_excluded(rows.asset, rows.time, stretches)
    stopped = mark_excluded(events.asset, events.time, stretches)
    max_gap, recovery = gap_ticks(stage, clock), clock.ticks(stage.recovery)
    segments = cut_segments(
        rows.asset,
        rows.time,
        events.take(~stopped),
        max_gap=max_gap,
        recovery=recovery,
        run=happened.run,
        excluded=excluded,
        event_delay=happened.delay,
    )
    first, last = rows.time[starts[:-1]], rows.time[starts[1:] - 1]
    frame = SensorFrame(
        assets=assets,
        asset=rows.asset,
        time=rows.time,
        sensors=rows.sensors,
        texts=rows.texts,
        clock=clock,
        events=keep_observed(events, first, last, stopped, max_gap, found),
        segments=segments,
        source_sha256=found.quality.source_sha256,
        asset_starts=starts,
        max_gap=max_gap,
        recovery=recovery,
    )
    _tell_frame(frame, found)
    return frame


def _tell_frame(frame: SensorFrame, found: Findings) -> None:
    within = frame.asset[1:] == frame.asset[:-1]
    gaps = int(np.count_nonzero(within & (np.diff(frame.time) > frame.max_gap)))
    fates = np.bincount(frame.segments.fate, minlength=len(Fate))
    found.quality = replace(
        found.quality,
        rows=len(frame),
        first=frame.clock.text(int(frame.time.min())),
        last=frame.clock.text(int(frame.time.max())),
        interval=frame.clock.interval,
        interval_text=frame.clock.duration_text(frame.clock.interval),
        max_gap=frame.max_gap,
        gaps=gaps,
        segments=len(frame.segments),
        fates={fate.name.lower(): int(fates[fate]) for fate in Fate},
        events=len(frame.events),
    )


def _fates(frame: SensorFrame) -> str:
    counts = {fate: int((frame.segments.fate == fate).sum()) for fate in Fate}
    words = [f"{n} {fate.name.lower().replace('_', ' ')}" for fate, n in counts.items() if n]
    return f"of {len(frame)} rows {', '.join(words)}; check the label, recovery and exclude"


def _event_source(stage: Ingest) -> str:
    if stage.label is not None:
        return f"{stage.source}: label {stage.label!r}"
    return stage.events.source if isinstance(stage.events, EventLog) else "last row of each asset"


def _event_counts(found: Findings) -> str:
    counts = found.quality.event_counts
    if not counts:
        return "an event is a 1 in ingest.label, or an entry of ingest.events"
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items())
