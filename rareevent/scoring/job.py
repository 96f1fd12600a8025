"""The batch scoring job: files in, `scores.parquet` and `alarms.parquet` out."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rareevent.bundle import Bundle
from rareevent.ingestion import Quality
from rareevent.ingestion.frame import SensorFrame
from rareevent.scoring.engine import Scores, score_frame
from rareevent.scoring.inputs import read_input
from rareevent.scoring.output import (
    ALARMS_FILE,
    SCORES_FILE,
    check_apart,
    output_folder,
    row_batches,
    row_schema,
    write_rows,
)

MERGED = "merged_duplicate"


@dataclass(frozen=True)
class ScoreSummary:
    """What a scoring job did.

    Attributes
    ----------
    model : what the model is known as
    output : directory written
    rows_read : rows of the input
    rows_scored : rows written to scores.parquet
    not_scored : reason -> rows; with `rows_scored` they add up to `rows_read`
    assets, alarms : how many
    events_known : events of the feed that concern these rows; None where there was no feed
    first, last : time of the first and last scored row; None where none was scored
    notes : what ingestion mended or found worth saying
    seconds : duration
    """

    model: str
    output: str
    rows_read: int
    rows_scored: int
    not_scored: Mapping[str, int]
    assets: int
    alarms: int
    events_known: int | None
    first: str | None
    last: str | None
    notes: tuple[str, ...]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain data, JSON-able."""
        return {**asdict(self), "notes": list(self.notes)}


def score_files(
    bundle: Bundle,
    source: str | Path | Sequence[Path],
    output: str | Path,
    events: str | Path | None = None,
    *,
    model: str = "",
) -> ScoreSummary:
    """Score every row of the input and replace the output.

    The input needs no label. Without an event feed only gaps cut segments; with one, an event
    counts as known from its time plus the pipeline's `score.event_delay`.

    Parameters
    ----------
    bundle : Bundle
    source : file, directory, glob, or several files
    output : directory; `scores.parquet` (asset, time, probability, alarm) and `alarms.parquet`
        (asset, time, probability, threshold) in it are replaced
    events : file of known events, one row each
    model : what the model is known as, for the summary

    Raises
    ------
    ModelError
        When the input lacks columns that the model reads.
    DataError
        When the input or the event feed cannot be read.
    OutputError
        When the output cannot be written, or is part of the input.
    LockedError
        When another job writes there.
    """
    started = time.perf_counter()
    folder = Path(output)
    check_apart(folder, source)
    with output_folder(folder):
        frame, quality = read_input(bundle, source, events)
        scores = score_frame(bundle, frame)
        write_scores(folder, bundle, frame, scores)
    span = (scores.time.min(), scores.time.max()) if len(scores) else ()
    first, last = map(frame.clock.text, span) if span else (None, None)
    return ScoreSummary(
        model=model,
        output=str(folder),
        rows_read=quality.rows_read,
        rows_scored=len(scores),
        not_scored=_not_scored(scores, frame, quality),
        assets=len(frame.assets),
        alarms=int(scores.alarm.sum()),
        events_known=None if events is None else len(frame.events),
        first=first,
        last=last,
        notes=_notes(quality),
        seconds=round(time.perf_counter() - started, 3),
    )


def write_scores(folder: Path, bundle: Bundle, frame: SensorFrame, scores: Scores) -> None:
    """Replace `scores.parquet` and `alarms.parquet`; rows are sorted by asset, then time.

    Raises
    ------
    OutputError
        When the disk refuses; the old files stay.
    """
    clock, assets = frame.clock, frame.assets
    schema = row_schema(clock, ("probability", "float64"), ("alarm", "bool"))
    columns = (scores.time, scores.probability, scores.alarm)
    rows = row_batches(schema, assets, scores.asset, columns)
    raised = np.flatnonzero(scores.alarm)
    alarm_schema = row_schema(clock, ("probability", "float64"), ("threshold", "float64"))
    threshold = np.full(len(raised), bundle.policy.threshold)
    alarm_columns = (scores.time[raised], scores.probability[raised], threshold)
    alarms = row_batches(alarm_schema, assets, scores.asset[raised], alarm_columns)
    write_rows(folder, [(ALARMS_FILE, alarm_schema, alarms), (SCORES_FILE, schema, rows)])


def _not_scored(scores: Scores, frame: SensorFrame, quality: Quality) -> dict[str, int]:
    merged = quality.rows_read - len(frame)
    return {**({MERGED: merged} if merged else {}), **scores.skipped}


def _notes(quality: Quality) -> tuple[str, ...]:
    mended = (f"{rule}: {count}" for rule, count in quality.repairs.items())
    return (*quality.notes, *mended)
