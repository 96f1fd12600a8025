"""A run's description on its MLflow page: the verdict and the headline figures, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rareevent.report.reading import MODEL_NAMES
from rareevent.report.words import Times, number, percent, score

_HEAD = ("", "events caught", "event recall", "false alarms per event", "median lead time")
_SCORES = ("PR-AUC", "ROC-AUC")


def run_note(sentence: str, models: Mapping[str, Mapping[str, Any]], kind: str) -> str:
    """The description of a run.

    Parameters
    ----------
    sentence : the verdict in words
    models : name -> figures on the test part, the registered model first
    kind : "datetime" or "age", how time is counted

    Examples
    --------
    >>> figures = {"caught": 3, "events": 4, "event_recall": 0.75, "pr_auc": 0.5}
    >>> run_note("Better.", {"lstm": figures}, "datetime").splitlines()[-1]
    '| Stacked LSTM | 3 of 4 | 75\\xa0% | – | – | – | 0.500 | – |'
    """
    times = Times(kind)
    head = (*_HEAD, f"false alarms {times.rate_words}", *_SCORES)
    lines = [_line(head), _line(("---", *("---:" for _ in head[1:])))]
    lines += [_line(_cells(name, figures, times)) for name, figures in models.items()]
    return "\n".join((sentence, "", *lines))


def _cells(name: str, figures: Mapping[str, Any], times: Times) -> tuple[str, ...]:
    get = figures.get
    caught, events = get("caught"), get("events")
    return (
        MODEL_NAMES.get(name, name),
        "–" if caught is None or not events else f"{number(caught)} of {number(events)}",
        percent(get("event_recall")),
        number(get("false_alarms_per_event")),
        times.lead(get(f"lead_time_median_{times.lead_unit}")),
        number(get(times.rate_key)),
        score(get("pr_auc")),
        score(get("roc_auc")),
    )


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"
