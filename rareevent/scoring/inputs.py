"""What a scoring job is asked to read: whether it fits the model, and what is known of events."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rareevent.bundle import Bundle
from rareevent.config import EventLog
from rareevent.errors import DataError, ModelError
from rareevent.ingestion.event_log import read_log
from rareevent.ingestion.quality import Findings
from rareevent.ingestion.readers import read_names
from rareevent.ingestion.roles import roles_for_scoring
from rareevent.ingestion.sql import is_sql, parse_sql, source_files
from rareevent.scoring.carry import Reader

_LISTED = 12


def check_columns(bundle: Bundle, names: Sequence[str], where: str) -> None:
    """Refuse an input that lacks what the model reads.

    Raises
    ------
    ModelError
        Names what is missing and all that the model needs.
    """
    stage = bundle.config.ingest
    # An empty name stands for the nameless index column that pandas writes.
    named = [name for name in (stage.time, stage.asset) if name]
    missing = [name for name in (*named, *bundle.needs) if name not in names]
    if not missing:
        return
    roles = f"time {stage.time!r}" + (f", asset {stage.asset!r}" if stage.asset else "")
    raise ModelError(
        f"{where}: does not fit the model: it lacks {_words(missing)}; the model needs {roles} and"
        f" {_words(bundle.needs)}; received {_words(names)}"
    )


def open_reader(bundle: Bundle, names: Sequence[str], events: str | Path | None) -> Reader:
    """All that reading an input with a model takes, its event feed included.

    Parameters
    ----------
    bundle : Bundle
    names : columns of the input
    events : file of known events, one row each, or a database source of them

    Raises
    ------
    DataError
        When the feed cannot be read: one line for each reason.
    """
    stage = bundle.config.ingest
    roles = roles_for_scoring(names, stage, bundle.needs, "the input")
    stage = stage.model_copy(update={"time": roles.time})
    if events is None:
        return Reader(bundle, stage, roles)
    found = Findings()
    log = read_log(event_feed(bundle, events), stage, bundle.clock.kind, found)
    if found.problems:
        raise DataError("\n".join(found.problems))
    return Reader(bundle, stage, roles, log)


def event_feed(bundle: Bundle, path: str | Path) -> EventLog:
    """How to read a file of known events: as in training, or with the columns of the rows.

    A model trained with an event log knows its columns. Otherwise the time column is called as
    that of the rows, or `time`, and where rows have an asset column, the feed has it too.

    Raises
    ------
    DataError
        When the file has no such columns.
    """
    stage = bundle.config.ingest
    if isinstance(stage.events, EventLog):
        return stage.events.model_copy(update={"source": str(path)})
    plain = stage.model_copy(update={"separator": ",", "header": True, "columns": None})
    with source_files(str(path), "--events") as files:
        names = read_names(files[0], plain)
    time = next((name for name in (stage.time, "time") if name in names), None)
    either = " or ".join(map(repr, dict.fromkeys((stage.time, "time"))))
    missing = [f"a time column ({either})"] if time is None else []
    if stage.asset is not None and stage.asset not in names:
        missing.append(f"the asset column {stage.asset!r}")
    if missing or time is None:
        raise DataError(
            f"{_shown(path)}: an event feed has one row per event; this one lacks"
            f" {' and '.join(missing)}; received {_words(names)}"
        )
    return EventLog(source=str(path), time=time, asset=stage.asset)


def _shown(path: str | Path) -> str:
    return parse_sql(str(path), "--events").shown if is_sql(str(path)) else str(path)


def _words(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_LISTED])
    return shown if len(names) <= _LISTED else f"{shown} and {len(names) - _LISTED} more"
