"""The data-quality report as a person reads it on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rareevent.ingestion.quality import ColumnQuality, Quality

_FATES = {
    "in_segment": "in a segment",
    "event": "at an event",
    "event_run": "in the run after an event",
    "recovery": "in recovery",
    "excluded": "excluded",
}


def render_quality(quality: Quality, console: Console) -> None:
    """Print overview, columns with something to say, rows and events, repairs, notes, problems."""
    console.print(_facts("Data", _overview(quality)))
    told = [column for column in quality.columns if column.has_finding()]
    if told:
        console.print(_columns(told))
    if quality.columns:
        console.print(f"{len(quality.columns) - len(told)} further columns without a finding\n")
    if quality.rows:
        console.print(_facts("Segments and events", _segments(quality)))
    if quality.repairs:
        console.print(_facts("Repairs", [(k, f"{v:,}") for k, v in quality.repairs.items()]))
    for note in quality.notes:
        console.print(f"[yellow]note[/] {escape(note)}")
    for problem in quality.problems:
        console.print(f"[red]problem[/] {escape(problem)}")
    if not quality.problems:
        console.print("[green]ready[/] to be trained on")


def _overview(quality: Quality) -> list[tuple[str, str]]:
    files = quality.files
    shown = files[0] if files else "none read"
    facts = [("files", shown if len(files) < 2 else f"{shown} and {len(files) - 1} more")]
    facts += [("rows read", f"{quality.rows_read:,}")]
    facts += [("rows", f"{quality.rows:,}"), ("assets", f"{quality.assets:,}")]
    if quality.first is not None:
        facts += [("first", quality.first), ("last", str(quality.last))]
        facts += [("interval", str(quality.interval_text))]
    if quality.time_format is not None:
        facts += [("time format", quality.time_format)]
    if quality.clock_changes:
        facts += [("clock changes", f"{quality.clock_changes}")]
    counts = {
        "identical rows": quality.duplicates_identical,
        "conflicting rows": quality.duplicates_conflicting,
        "rows out of order": quality.unsorted,
        "ambiguous local times": quality.ambiguous,
    }
    return facts + [(name, f"{count:,}") for name, count in counts.items() if count]


def _segments(quality: Quality) -> list[tuple[str, str]]:
    facts = [("gaps", f"{quality.gaps:,}"), ("segments", f"{quality.segments:,}")]
    for fate, count in quality.fates.items():
        if count:
            facts.append((f"rows {_FATES[fate]}", f"{count:,}"))
    facts.append(("events", f"{quality.events:,}"))
    for reason, count in quality.event_counts.items():
        facts.append((f"events left out: {reason.replace('_', ' ')}", f"{count:,}"))
    return facts


def _facts(title: str, facts: list[tuple[str, str]]) -> Table:
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column("what")
    table.add_column("value", justify="right", overflow="fold")
    for name, value in facts:
        table.add_row(name, escape(value))
    return table


def _columns(columns: list[ColumnQuality]) -> Table:
    table = Table(title="Columns with something to say", title_justify="left")
    table.add_column("column", overflow="fold")
    for name in ("missing", "stuck", "dirty", "infinite", "conflicts"):
        table.add_column(name, justify="right")
    table.add_column("remark", overflow="fold")
    for column in columns:
        counts = (column.missing, column.stuck, column.dirty, column.infinite, column.conflicts)
        shown = [f"{count:,}" if count else "" for count in counts]
        table.add_row(escape(column.name), *shown, escape(_remark(column)))
    return table


def _remark(column: ColumnQuality) -> str:
    remarks = [column.note] if column.note else []
    if column.dirty_values:
        remarks.append(", ".join(f"{word!r} x {count:,}" for word, count in column.dirty_values))
    if column.longest_run:
        remarks.append(f"longest stuck run {column.longest_run:,} rows")
    return "; ".join(remarks)
