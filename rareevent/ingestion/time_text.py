"""Ticks as a user would write them, the way back from `rareevent.ingestion.times`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from rareevent.config import Ingest
from rareevent.ingestion.frame import Clock, Int64
from rareevent.ingestion.time_numbers import EPOCHS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A format that begins with the year may be meant by a text that is ISO 8601 as well, and is not
# read as such.
_YEAR_FIRST = ("%Y", "%G")


def write_times(ticks: Int64, stage: Ingest, clock: Clock) -> list[str] | list[int]:
    """Times that are read as these ticks where a stage says how times are written.

    Ages and times counted from 1970 are whole numbers; a format that begins with the year is
    kept to; all else is ISO 8601 in UTC, with Z, which every other format gives way to.
    """
    if clock.kind == "age":
        return [int(tick) for tick in ticks]
    written = stage.time_format or ""
    if written in EPOCHS:
        return [int(tick) // EPOCHS[written] for tick in ticks]
    moments = [_EPOCH + timedelta(microseconds=int(tick)) for tick in ticks]
    if written.startswith(_YEAR_FIRST):
        zone = ZoneInfo(stage.timezone) if stage.timezone else UTC
        return [moment.astimezone(zone).strftime(written) for moment in moments]
    return [moment.replace(tzinfo=None).isoformat() + "Z" for moment in moments]
