"""The way in: files, or a table in memory, to a SensorFrame and a report on their quality.

Arrow and pandas are imported where they are needed, so that this module costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rareevent.config import EventLog, Ingest
from rareevent.errors import DataError
from rareevent.ingestion.frame import Clock, Events, Fate, SensorFrame
from rareevent.ingestion.quality import Findings, Quality
from rareevent.ingestion.segments import cut_segments

if TYPE_CHECKING:
    from pandas import DataFrame


def ingest(stage: Ingest) -> tuple[SensorFrame, Quality]:
    """Read a source to learn from: sorted, unique rows, cut into segments, with their events.

    Raises
    ------
    ConfigError
        When a setting does not fit the data.
    DataError
        When the source cannot be used as it is: one line for each reason.
    """
    found = Findings()
    frame = _learning(stage, found)
    return _refuse_problems(frame, found)


def check_source(stage: Ingest) -> Quality:
    """The quality report on a source; what `ingest` would refuse stands in its `problems`.

    Raises
    ------
    ConfigError
        When a setting does not fit the data.
    """
    found = Findings()
    _learning(stage, found)
    return found.freeze()


def ingest_for_scoring(
    stage: Ingest,
    source: str | Path | Sequence[Path],
    clock: Clock,
    needed: Sequence[str],
    events: EventLog | None = None,
    event_delay: int = 0,
) -> tuple[SensorFrame, Quality]:
    """Read a source to score: no label, no column beyond the needed ones.

    Parameters
    ----------
    stage : Ingest of the model; its source, label and events are not looked at
    source : files to score, as a path, directory, glob or list, or a database's table or query
    clock : Clock the model was trained with
    needed : columns the model reads; those in `stage.categorical` are texts, the others numbers
    events : log of known events, which cut segments; None cuts only at gaps and exclusions
    event_delay : ticks until an event is known

    Raises
    ------
    ConfigError
        When a setting does not fit the data.
    DataError
        When the source cannot be scored: one line for each reason.
    """
    from rareevent.ingestion.assemble import scoring_frame
    from rareevent.ingestion.event_log import read_log
    from rareevent.ingestion.readers import read_names
    from rareevent.ingestion.roles import roles_for_scoring
    from rareevent.ingestion.sql import source_files
    from rareevent.ingestion.table import read_files

    found = Findings()
    frame = None
    try:
        with source_files(source, "input", _sort_key(stage)) as files:
            roles = roles_for_scoring(read_names(files[0], stage), stage, needed, str(files[0]))
            shown = files[0] if len(files) == 1 else files[0].parent
            stage = stage.model_copy(update={"source": str(shown)})
            log = None if events is None else read_log(events, stage, clock.kind, found)
            raw = read_files(files, roles, stage, found)
        frame = scoring_frame(raw, roles, stage, clock, log, event_delay, found)
    except DataError as error:
        found.problem(str(error))
    return _refuse_problems(frame, found)


def frame_from_table(
    table: DataFrame, stage: Ingest, clock: Clock, needed: Sequence[str]
) -> tuple[SensorFrame, Quality]:
    """Raw rows in memory to score, with the same rules as files.

    Parameters
    ----------
    table : pandas.DataFrame with the time, the asset and the needed columns; others are ignored
    stage, clock, needed : as for `ingest_for_scoring`

    Raises
    ------
    ConfigError
        When a setting does not fit the data.
    DataError
        When the table cannot be scored: one line for each reason.
    """
    from rareevent.ingestion.assemble import scoring_frame
    from rareevent.ingestion.roles import roles_for_scoring
    from rareevent.ingestion.table import read_frame

    found = Findings()
    stage = stage.model_copy(update={"source": "the table"})
    frame = None
    try:
        names = [str(name) for name in table.columns]
        roles = roles_for_scoring(names, stage, needed, "the table")
        frame = scoring_frame(read_frame(table, roles, stage), roles, stage, clock, None, 0, found)
    except DataError as error:
        found.problem(str(error))
    return _refuse_problems(frame, found)


def without_feed(frame: SensorFrame) -> SensorFrame:
    """The same rows as one sees them who knows of no event: only gaps and exclusions cut."""
    segments = cut_segments(
        frame.asset,
        frame.time,
        Events.none(),
        max_gap=frame.max_gap,
        excluded=frame.segments.fate == Fate.EXCLUDED,
    )
    return replace(frame, events=Events.none(), segments=segments)


def with_event_delay(frame: SensorFrame, event_delay: int) -> SensorFrame:
    """The same rows and events, cut as one sees them who hears of an event later, in ticks."""
    segments = cut_segments(
        frame.asset,
        frame.time,
        frame.events,
        max_gap=frame.max_gap,
        recovery=frame.recovery,
        run=frame.segments.fate == Fate.EVENT_RUN,
        excluded=frame.segments.fate == Fate.EXCLUDED,
        event_delay=event_delay,
    )
    return replace(frame, segments=segments)


def resolve_stage(stage: Ingest, frame: SensorFrame, quality: Quality) -> Ingest:
    """The stage with what ingestion had to infer written out.

    Scoring reads a few rows at a time, too few to tell a category from a number or the day from
    the month, so what was inferred from all rows has to be kept.
    """
    inferred = {"categorical": tuple(frame.texts), "interval": _interval(frame.clock)}
    if quality.time_format is not None:
        inferred["time_format"] = quality.time_format
    return stage.model_copy(update=inferred)


def _interval(clock: Clock) -> int | str:
    return clock.interval if clock.kind == "age" else f"{clock.interval}us"


def _learning(stage: Ingest, found: Findings) -> SensorFrame | None:
    """The frame, or None where there is no way to one; the reason is among the problems."""
    from rareevent.ingestion.assemble import learning_frame
    from rareevent.ingestion.readers import read_names
    from rareevent.ingestion.roles import roles_for_learning
    from rareevent.ingestion.sql import source_files
    from rareevent.ingestion.table import read_files

    try:
        with source_files(stage.source, "ingest.source", _sort_key(stage)) as files:
            names = read_names(files[0], stage)
            roles = roles_for_learning(names, stage, str(files[0]), found)
            raw = read_files(files, roles, stage, found)
        return learning_frame(raw, roles, stage, found)
    except DataError as error:
        found.problem(str(error))
        return None


def _sort_key(stage: Ingest) -> tuple[str, ...]:
    return tuple(name for name in (stage.asset, stage.time) if name)


def _refuse_problems(frame: SensorFrame | None, found: Findings) -> tuple[SensorFrame, Quality]:
    quality = found.freeze()
    if frame is None or quality.problems:
        raise DataError("\n".join(quality.problems))
    return frame, quality
