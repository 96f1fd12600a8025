"""The report's tables: which columns, in which order, how each cell reads and sorts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rareevent.report.content import Json
from rareevent.report.lanes import by_trouble
from rareevent.report.reading import AlarmMark, EventMark, Judged
from rareevent.report.words import NONE, Times, as_tick, number, percent, plural

MOST_ASSETS = 200
MOST_MARKS = 300
_UNCAUGHT = ("missed", "unforeseeable", "boundary")
_WHY = {
    "unforeseeable": "no scored row stands before it in time to warn",
    "boundary": "its catch window lies in two parts; not counted",
    "missed": "no alarm in its catch window",
}


@dataclass(frozen=True)
class Cell:
    """What a cell says, and the number it sorts by where that is not its text."""

    words: str
    order: float | None = None
    style: str = ""


@dataclass(frozen=True)
class Table:
    """A table; `numeric` marks the columns that are set flush right and sort by number."""

    heads: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""


def _figure(value: Any, write: Callable[[float | None], str] = number) -> Cell:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Cell(NONE if value is None else str(value))
    return Cell(write(value), float(value))


_ASSET_COLUMNS: tuple[tuple[str, str, Callable[[float | None], str]], ...] = (
    ("events", "events", number),
    ("caught", "caught", number),
    ("missed", "missed", number),
    ("event_recall", "share caught", percent),
    ("alarms", "alarms", number),
    ("false_alarms", "false alarms", number),
    ("late_alarms", "late alarms", number),
    ("alarm_precision", "alarm precision", percent),
    ("rows", "scored rows", number),
    ("roc_auc", "ROC-AUC", number),
    ("pr_auc", "PR-AUC", number),
)


def asset_table(judged: Judged) -> Table | None:
    """Per asset what happened and what the alarms made of it; most trouble first, capped."""
    if not judged.per_asset:
        return None
    rank = {name: place for place, name in enumerate(by_trouble(judged))}
    records = sorted(judged.per_asset, key=lambda row: rank[str(row["asset"])])
    shown = records[:MOST_ASSETS]
    columns = [c for c in _ASSET_COLUMNS if any(row.get(c[0]) is not None for row in shown)]
    rows = [
        (Cell(str(row["asset"])), *(_figure(row.get(key), write) for key, _, write in columns))
        for row in shown
    ]
    heads = ("asset", *(head for _, head, _ in columns))
    numeric = (False, *(True for _ in columns))
    return Table(heads, numeric, tuple(rows), _capped(len(records), MOST_ASSETS, "asset"))


def _capped(total: int, most: int, word: str) -> str:
    if total <= most:
        return ""
    return f"The first {most} of {plural(total, word)}; the others are in the run's artifacts."


def uncaught_table(judged: Judged, times: Times) -> Table | None:
    """Events that no alarm announced in time, and why."""
    found = [e for e in judged.events if e.outcome in _UNCAUGHT]
    if not found:
        return None
    found.sort(key=lambda e: (_UNCAUGHT.index(e.outcome), e.time, e.asset))
    rows = []
    for event in found[:MOST_MARKS]:
        why = _WHY[event.outcome]
        if event.silenced:
            why = _silenced_by(event, judged, times)
        if event.late:
            why = "an alarm came, but too late to act on"
        when = Cell(times.at(event.time), float(event.time))
        outcome = Cell(event.outcome, style=f"tag {event.outcome}")
        rows.append((Cell(event.asset), when, outcome, Cell(why)))
    heads = ("asset", "event", "outcome", "why")
    note = _capped(len(found), MOST_MARKS, "event")
    return _without_lone_asset(Table(heads, (False,) * 4, tuple(rows), note))


def _silenced_by(event: EventMark, judged: Judged, times: Times) -> str:
    """Why the threshold was reached in time, and no alarm raised."""
    before = [a.time for a in judged.alarms if a.asset == event.asset and a.time < event.time]
    # Where not all alarms are listed, the one that did it may be missing.
    known = bool(before) and not judged.unlisted
    which = f"the alarm at {times.at(max(before))}" if known else "an alarm before it"
    return f"the threshold was reached in time, but {which} kept it silent (alarm.silence)"


def _without_lone_asset(table: Table) -> Table:
    """The table without its first column where that says the same in every row."""
    if len({row[0].words for row in table.rows}) > 1:
        return table
    rows = tuple(row[1:] for row in table.rows)
    return Table(table.heads[1:], table.numeric[1:], rows, table.note)


def alarm_table(judged: Judged, times: Times) -> Table | None:
    """Every alarm and its judgement."""
    if not judged.alarms:
        return None
    ordered = sorted(judged.alarms, key=lambda a: (a.time, a.asset))
    rows = tuple(_alarm_row(alarm, times) for alarm in ordered[:MOST_MARKS])
    note = _capped(len(ordered) + judged.unlisted, MOST_MARKS, "alarm")
    heads = ("asset", "alarm", "judgement")
    return _without_lone_asset(Table(heads, (False,) * 3, rows, note))


def _alarm_row(alarm: AlarmMark, times: Times) -> tuple[Cell, ...]:
    when = Cell(times.at(alarm.time), float(alarm.time))
    return (Cell(alarm.asset), when, Cell(alarm.judgement, style=f"tag {alarm.judgement}"))


def split_table(split: Json, times: Times) -> Table | None:
    """Rows, windows and events of each part, and when it begins and ends."""
    parts = [(name, part) for name, part in split.items() if isinstance(part, Mapping)]
    if not parts:
        return None
    rows = []
    for name, part in parts:
        counts = [_figure(part.get(key)) for key in ("rows", "windows", "events")]
        ends = [moment(part.get(key), times) for key in ("from", "to")]
        rows.append((Cell(str(name)), *counts, *ends))
    heads = ("part", "rows", "windows", "events", "from", "to")
    return Table(heads, (False, True, True, True, False, False), tuple(rows))


def fold_table(folds: Sequence[Json], times: Times) -> Table | None:
    """The test periods of a backtest, one below the other."""
    if not folds:
        return None
    rows = []
    for fold in folds:
        metrics = fold["metrics"]
        counts = [_figure(metrics.get(key)) for key in ("caught", "events", "false_alarms")]
        ranks = [_figure(metrics.get(key)) for key in ("roc_auc", "pr_auc")]
        ends = [moment(fold.get(key), times) for key in ("from", "to")]
        learned, cut = _figure(fold["learned_events"]), _figure(fold["threshold"], percent)
        rows.append((_figure(fold["fold"]), *ends, learned, *counts, cut, *ranks))
    heads = (
        *("fold", "from", "to", "events learned from", "caught", "of", "false alarms"),
        *("threshold", "ROC-AUC", "PR-AUC"),
    )
    return Table(heads, tuple(head not in ("from", "to") for head in heads), tuple(rows))


def moment(value: Any, times: Times) -> Cell:
    """A time, given as ticks or as ISO text; a name where parts are not cut by the clock."""
    if value is None:
        return Cell(NONE)
    try:
        return Cell(times.at(as_tick(value)), float(as_tick(value)))
    except ValueError:
        return Cell(str(value))


def count_table(counts: Mapping[str, Any], heads: tuple[str, str]) -> Table | None:
    """Names and their counts, the largest first, as in rows dropped by reason."""
    pairs = [(k, v) for k, v in counts.items() if isinstance(v, int) and v]
    if not pairs:
        return None
    pairs.sort(key=lambda pair: (-pair[1], str(pair[0])))
    rows = tuple((Cell(str(k).replace("_", " ")), _figure(v)) for k, v in pairs)
    return Table(heads, (False, True), rows)


def record_table(records: Sequence[Json], keys: Sequence[str]) -> Table | None:
    """Records as they are: of the `keys` those that hold anything in any record."""
    shown = records[:MOST_MARKS]
    used = [key for key in keys if any(record.get(key) for record in shown)]
    if not used:
        return None
    rows = tuple(tuple(_any(record.get(key)) for key in used) for record in shown)
    numeric = tuple(
        any(cell.order is not None for cell in column) for column in zip(*rows, strict=True)
    )
    heads = tuple("column" if key == "name" else key.replace("_", " ") for key in used)
    return Table(heads, numeric, rows, _capped(len(records), MOST_MARKS, "column"))


def _any(value: Any) -> Cell:
    if isinstance(value, Mapping):
        return Cell(", ".join(f"{key!r} ({number(n)})" for key, n in value.items()))
    if value == 0 and not isinstance(value, bool):
        return Cell("", 0.0)
    return _figure(value) if value else Cell("")
