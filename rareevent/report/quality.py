"""What ingestion found in the data, arranged for reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rareevent.report.content import Json
from rareevent.report.tables import Table, count_table, record_table
from rareevent.report.words import Times, number

_IF_ANY = {
    "duplicates_identical": "identical duplicates dropped",
    "duplicates_conflicting": "conflicting duplicates merged",
    "unsorted": "rows out of order",
    "ambiguous": "ambiguous local times",
    "clock_changes": "clock changes",
}
_COUNTS = ("missing", "stuck", "dirty", "infinite", "conflicts")
_COLUMNS = ("name", "kind", *_COUNTS, "longest_run", "dirty_values", "note")
_DIGEST_SHOWN = 16


@dataclass(frozen=True)
class QualityView:
    """Facts of the whole, findings by column, repairs by name, remarks and problems in words."""

    facts: tuple[tuple[str, str], ...]
    columns: Table | None
    repairs: Table | None
    remarks: tuple[str, ...]


def quality_view(quality: Json, times: Times) -> QualityView:
    """Arrange `Quality.to_json()`; columns with nothing to say are counted, not listed."""
    columns = list(quality.get("columns") or ())
    found = [column for column in columns if _has_finding(column)]
    remarks = [*(quality.get("problems") or ()), *(quality.get("notes") or ())]
    return QualityView(
        tuple(_facts(quality, times, len(columns), len(found))),
        record_table(found, _COLUMNS),
        count_table(quality.get("repairs") or {}, ("repair", "cells or rows")),
        tuple(map(str, remarks)),
    )


def _facts(quality: Json, times: Times, columns: int, found: int) -> list[tuple[str, str]]:
    interval = quality.get("interval")
    words = quality.get("interval_text") or (times.span(interval) if interval else None)
    read = quality.get("rows_read")
    facts: list[tuple[str, Any]] = [
        ("files", _files(quality.get("files") or ())),
        ("rows", number(quality.get("rows"))),
        ("rows read", number(read) if read != quality.get("rows") else None),
        ("assets", number(quality.get("assets"))),
        ("from", quality.get("first")),
        ("to", quality.get("last")),
        ("interval", words),
        ("gaps", number(quality.get("gaps"))),
        ("segments", number(quality.get("segments"))),
        ("events", number(quality.get("events"))),
        *((name, number(quality.get(key) or None)) for key, name in _IF_ANY.items()),
        *_counts(quality.get("event_counts") or {}),
        ("columns with a finding", f"{found} of {columns}" if columns else None),
        ("SHA-256", str(quality.get("source_sha256") or "")[:_DIGEST_SHOWN]),
    ]
    return [(name, str(value)) for name, value in facts if value and value != number(None)]


def _files(files: Sequence[str]) -> str:
    if len(files) > 1:
        return f"{files[0]} and {len(files) - 1} more"
    return files[0] if files else ""


def _counts(counts: Mapping[str, int]) -> list[tuple[str, str | None]]:
    return [(name.replace("_", " "), number(n) if n else None) for name, n in counts.items()]


def _has_finding(column: Mapping[str, Any]) -> bool:
    return any(column.get(key) for key in (*_COUNTS, "note"))
