"""Tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rareevent.jobs.evaluate import EvaluationResult
    from rareevent.jobs.rollback import Champions
    from rareevent.jobs.train import TrainResult
    from rareevent.jobs.tuned import TuneResult
    from rareevent.tracking.listing import RunRecord
    from rareevent.tracking.scoring_runs import JobRecord

_NAMES = {
    "model": "the model",
    "blend": "blend",
    "blend_without_lstm": "without LSTM",
    "lstm": "stacked LSTM",
    "logistic": "logistic regression",
    "boosting": "gradient boosting",
    "random": "alarms at random",
}
_ROWS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("events caught", ("caught", "events"), "count"),
    ("event recall", ("event_recall",), "percent"),
    ("median lead time", ("lead_time_median_min", "lead_time_median_cycles"), "lead"),
    ("false alarms", ("false_alarms",), "number"),
    ("false alarms per event", ("false_alarms_per_event",), "number"),
    ("false alarms per day", ("false_alarms_per_day",), "number"),
    ("false alarms per 1,000 cycles", ("false_alarms_per_1000_cycles",), "number"),
    ("alarms that were right", ("alarm_precision",), "percent"),
    ("PR-AUC of rows", ("pr_auc",), "score"),
    ("ROC-AUC of rows", ("roc_auc",), "score"),
)

_TRIALS_SHOWN = 10


def headline_table(result: TrainResult) -> Table:
    """Events, lead time and false alarms of the model beside its baselines."""
    ours = {n.removeprefix("test/"): v for n, v in result.metrics.items() if n.startswith("test/")}
    columns = {result.model: ours, **result.baselines}
    test = result.split["test"]
    return contenders(columns, f"test part, {test['from']} to {test['to']}")


def evaluation_table(result: EvaluationResult) -> Table:
    """The figures of one model."""
    metrics = result.evaluation.metrics
    return contenders({"model": metrics}, f"{result.model}, judged from {result.since} on")


def contenders(columns: Mapping[str, Mapping[str, Any]], title: str) -> Table:
    """One column per model, one row per figure that any of them has."""
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("")
    for name in columns:
        table.add_column(_NAMES.get(name, name), justify="right")
    for label, keys, kind in _ROWS:
        cells = [_cell(metrics, keys, kind) for metrics in columns.values()]
        if any(cell != "–" for cell in cells):
            table.add_row(label, *cells)
    return table


def _cell(metrics: Mapping[str, Any], keys: Sequence[str], kind: str) -> str:
    values = [metrics.get(key) for key in keys]
    if kind == "count":
        caught, events = values
        return "–" if caught is None else f"{_short(caught)} of {events}"
    if kind == "lead":
        minutes, cycles = values
        if minutes is not None:
            return f"{minutes:,.0f} min"
        return "–" if cycles is None else f"{cycles:,.0f} cycles"
    value = values[0]
    if value is None:
        return "–"
    return {"percent": f"{value:.0%}", "score": f"{value:.3f}"}.get(kind, _short(value))


def _short(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def trials_table(result: TuneResult) -> Table:
    """The trials that were judged, best first, and how many were not."""
    ranked = [t for t in result.trials if t["state"] == "judged"]
    left = len(result.trials) - len(ranked)
    title = f"validation {result.metric}, {len(result.trials)} trials, {left} pruned or failed"
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("trial", justify="right")
    table.add_column(result.metric, justify="right")
    table.add_column("values")
    for trial in sorted(ranked, key=lambda t: -t["value"])[:_TRIALS_SHOWN]:
        values = ", ".join(f"{key}={_brief(value)}" for key, value in trial["values"].items())
        table.add_row(str(trial["trial"]), f"{trial['value']:.4f}", values or "as it is")
    return table


def _brief(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def runs_table(records: Sequence[RunRecord]) -> Table:
    """Runs, newest first."""
    table = Table(title="runs", title_justify="left", title_style="bold")
    for name in ("run", "name", "status", "model", "caught", "false/event", "PR-AUC", "ROC-AUC"):
        table.add_column(name, no_wrap=name != "name")
    several = len({record.experiment for record in records}) > 1
    if any("error" in record.tags for record in records):
        table.add_column("why it ended")
    for record in records:
        m = record.metrics
        events = m.get("test/events")
        recall = m.get("test/event_recall")
        caught = "–"
        if recall is not None and events:
            caught = f"{recall * events:.0f} of {events:.0f}"
        table.add_row(
            record.run_id[:8],
            f"{record.experiment}: {record.name}" if several else record.name,
            record.status,
            ", ".join(record.models),
            caught,
            *(_figure(m.get(f"test/{n}")) for n in ("false_alarms_per_event", "pr_auc", "roc_auc")),
            *([record.tags["error"]] if "error" in record.tags else []),
        )
    return table


def drift_table(jobs: Sequence[JobRecord], name: str) -> Table:
    """Scoring jobs, newest first."""
    table = Table(title=f"scoring jobs of {name}", title_justify="left", title_style="bold")
    for column in ("job", "rows up to", "rows", "rejected", "alarms", "PSI", "drift"):
        numbers = column in ("rows", "rejected", "alarms", "PSI")
        table.add_column(column, justify="right" if numbers else "left", no_wrap=column != "drift")
    for job in jobs:
        counts = [job.metrics.get(f"scoring/{n}", 0) for n in ("rows", "rejected", "alarms")]
        table.add_row(
            job.started.replace("T", " ").removesuffix("+00:00"),
            job.last or "–",
            *(f"{count:,.0f}" for count in counts),
            _figure(job.metrics.get("drift/psi_max")),
            "quiet" if job.verdict == "quiet" else job.sentence.removeprefix("drift: "),
        )
    return table


def champions_table(found: Champions) -> Table:
    """Champions of a model, newest first."""
    title = Text(f"champions of {found.name}")
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in ("version", "from (UTC)", "until", "how", "by", "why"):
        table.add_column(column, no_wrap=column != "why")
    pairs = list(zip(found.reigns, found.until(), strict=True))
    for reign, end in reversed(pairs):
        lasts = "now" if reign.version == found.champion else "–"
        table.add_row(
            str(reign.version),
            _minute(reign.since),
            lasts if end is None else _minute(end),
            reign.how,
            Text(reign.who),
            # A reason is anybody's text, brackets and all.
            Text(reign.reason),
        )
    return table


def _minute(moment: str) -> str:
    return moment[:16].replace("T", " ")


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
