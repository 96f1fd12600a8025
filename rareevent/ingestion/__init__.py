"""Ingestion: files in, one validated, sorted and segmented SensorFrame out."""

from rareevent.ingestion.load import (
    check_source,
    frame_from_table,
    ingest,
    ingest_for_scoring,
    resolve_stage,
    with_event_delay,
    without_feed,
)
from rareevent.ingestion.quality import ColumnQuality, Quality

__all__ = [
    "ColumnQuality",
    "Quality",
    "check_source",
    "frame_from_table",
    "ingest",
    "ingest_for_scoring",
    "resolve_stage",
    "with_event_delay",
    "without_feed",
]
