"""Markdown: one table per data set, and under it what the differences are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from rareevent.evaluation.intervals import Interval
from rareevent.evaluation.metrics import row_metrics
from rareevent.ingestion.frame import Clock
from tests.benchmarks.quality.figures import RECALL, Figure, Judgement, judge_models
from tests.benchmarks.quality.measure import Measured
from tests.benchmarks.quality.recipes import OURS, RANDOM, ROWS, Row
from tests.benchmarks.quality.sets import DataSet

_AREAS = {"roc_auc": "ROC-AUC", "pr_auc": "PR-AUC"}


def table(data: DataSet, sources: Sequence[Mapping[str, Sequence[Measured]]]) -> str:
    """The table of a data set.

    Parameters
    ----------
    sources : recipe -> its test periods, of each source of rows
    """
    models = [(row.recipe.name, row.model) for row in ROWS]
    judged = judge_models(sources, models, len(data.budgets))
    clock = next(iter(sources[0].values()))[0].clock
    head = ["model", *(_AREAS.values() if data.ranked else ())]
    for budget in data.budgets:
        head += [f"events caught at {budget.text}", "false alarms"]
    head += ["median lead time"]
    lines = [_line(head), _line(["---"] * len(head))]
    lines += [_line(_cells(data, row, judged[row.recipe.name, row.model], clock)) for row in ROWS]
    parts = [f"### {data.title}", _about(data, sources, judged), "\n".join(lines)]
    if data.ranked:
        parts.append(_differences(data, judged))
    return "\n\n".join(parts)


def _about(data: DataSet, sources, judged: Mapping[tuple[str, str], list[Judgement]]) -> str:
    periods = [p for source in sources for p in source[OURS.recipe.name]]
    rows = [row_metrics(p.scored[OURS.model][0]) for p in periods]
    labelled = sum(r["labelled_rows"] for r in rows)
    prevalence = sum(r["positive_rows"] for r in rows) / labelled
    ours = judged[OURS.recipe.name, OURS.model][0]
    blocks = ours.figures[RECALL].blocks
    text = (
        f"{ours.events} events, {labelled:,} judged rows, prevalence {prevalence:.3f}"
        f" (PR-AUC without skill), `{data.name}`"
    )
    resampled = f"; 95 % intervals from {blocks} blocks" if data.ranked else ""
    return f"{text}{resampled}."


def _cells(data: DataSet, row: Row, found: list[Judgement], clock: Clock) -> list[str]:
    cells = [row.title]
    if data.ranked:
        cells += [_with_interval(found[0].figures[name]) for name in _AREAS]
    for budget, judgement in zip(data.budgets, found, strict=True):
        count = f"{judgement.caught:.1f}" if row.model == RANDOM else f"{judgement.caught:.0f}"
        caught = f"{count} of {judgement.events}"
        if data.ranked:
            caught += f", {_with_interval(judgement.figures[RECALL], 2)}"
        rate = judgement.figures[budget.rate].value / _unit(budget)
        cells += [caught, f"{judgement.false_alarms:.0f} ({rate:.1f})"]
    lead = found[-1].lead_time
    return [*cells, "–" if lead is None else clock.duration_text(lead)]


def _unit(budget) -> float:
    """What the rate is divided by so that it reads in the budget's own words."""
    return budget.limit / float(budget.text.split()[0])


def _differences(data: DataSet, judged: Mapping[tuple[str, str], list[Judgement]]) -> str:
    """The default less every other row, on identical resamples."""
    ours = judged[OURS.recipe.name, OURS.model]
    head = [f"{OURS.title} −", *_AREAS.values()]
    head += [f"event recall at {budget.text}" for budget in data.budgets]
    lines = [_line(head), _line(["---"] * len(head))]
    for row in ROWS:
        if row is OURS:
            continue
        theirs = judged[row.recipe.name, row.model]
        cells = [row.title]
        for name in _AREAS:
            cells.append(_signed(*ours[0].figures[name].minus(theirs[0].figures[name])))
        for mine, other in zip(ours, theirs, strict=True):
            cells.append(_signed(*mine.figures[RECALL].minus(other.figures[RECALL])))
        lines.append(_line(cells))
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _with_interval(figure: Figure, digits: int = 3) -> str:
    if not np.isfinite(figure.value):
        return "–"
    text = f"{figure.value:.{digits}f}"
    between = figure.interval
    if between is None or between[0] == between[1]:
        return text
    return f"{text} [{between[0]:.{digits}f}, {between[1]:.{digits}f}]"


def _signed(value: float, between: Interval) -> str:
    if not np.isfinite(value):
        return "–"
    text = f"{value:+.3f}"
    return text if between is None else f"{text} [{between[0]:+.3f}, {between[1]:+.3f}]"
