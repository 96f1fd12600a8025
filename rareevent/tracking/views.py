"""How an experiment looks in the MLflow UI: the columns that answer a question, already chosen.

MLflow keeps a saved view of the table of runs as a tag of the experiment, and opens it by its key
in the address. So every experiment is given one that puts the best run first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

# Experiments of scoring jobs, which have no test figures to compare.
SCORING_SUFFIX = "/scoring"
_VIEW_TAG = "mlflow.sharedViewState."
# Without it the UI opens an experiment as one about language models.
_KIND_TAG, _KIND = "mlflow.experimentKind", "custom_model_development"
_NOTE_TAG = "mlflow.note.content"
_NAME = "attributes.`Run Name`"
# In pixels; the names of runs and metrics are cut where they are wider.
_NAME_WIDTH, _WIDTH = 330, 190


@dataclass(frozen=True)
class View:
    """A saved view of an experiment's table of runs.

    Attributes
    ----------
    key : in the address that opens it
    title : in the menu of views
    columns : what is shown beside name and time, such as "metrics.test/event_recall"
    order : the column it is sorted by, the largest first
    runs : which runs it shows, in MLflow's search language
    note : description of the experiment, Markdown
    """

    key: str
    title: str
    columns: tuple[str, ...]
    order: str
    runs: str
    note: str


BEST_FIRST = View(
    "best-first",
    "Best first",
    (
        "metrics.test/event_recall",
        "metrics.test/false_alarms_per_event",
        "metrics.test/lead_time_median_min",
        "metrics.test/pr_auc",
        "metrics.test/roc_auc",
        "metrics.test/events",
        "tags.verdict",
        "params.label.horizon",
        "params.window.lookback",
        "params.alarm.false_alarms_per_event",
        "attributes.Dataset",
        "attributes.Models",
    ),
    "metrics.test/event_recall",
    # What was judged by a leaky split is of another kind, and a fold of a backtest is another test.
    "tags.kind = 'training'",
    "Runs of one pipeline. The view *Best first* sorts the trainings by the share of the test"
    " part's events that were caught. Read it beside the false alarms per event, which the alarm"
    " budget holds down; recall at another horizon or budget, or on other data, does not compare.",
)
LATEST_JOBS = View(
    "latest-jobs",
    "Latest jobs",
    (
        "metrics.scoring/rows",
        "metrics.scoring/alarms",
        "metrics.scoring/rejected",
        "metrics.drift/findings",
        "metrics.drift/alarm_rate_ratio",
        "metrics.model/age_days",
        "tags.verdict",
        "tags.model",
    ),
    "attributes.start_time",
    "",
    "Scoring jobs, one run each; `rareevent drift` prints the same.",
)


def view_of(name: str) -> View:
    """The view of an experiment, by its name."""
    return LATEST_JOBS if name.endswith(SCORING_SUFFIX) else BEST_FIRST


def dress(client: MlflowClient, experiment: Experiment) -> None:
    """Give an experiment its view, kind and description, once; what a person set stays."""
    if has_view(experiment):
        return
    view = view_of(experiment.name)
    tags = {_KIND_TAG: _KIND, _NOTE_TAG: view.note}
    tags = {name: text for name, text in tags.items() if name not in experiment.tags}
    # Last, so that one that was stopped half way is dressed again.
    tags[f"{_VIEW_TAG}{view.key}"] = _envelope(view, experiment.creation_time or 0)
    for name, text in tags.items():
        _set_tag(client, experiment.experiment_id, name, text)


def _set_tag(client: MlflowClient, experiment_id: str, name: str, text: str) -> None:
    """Set a tag, or find that another process set it at the same instant.

    MLflow looks whether a tag is there and then inserts it, so that of two processes which both
    found it missing one is refused by the database.
    """
    from mlflow.exceptions import MlflowException

    try:
        client.set_experiment_tag(experiment_id, name, text)
    except MlflowException:
        if name not in client.get_experiment(experiment_id).tags:
            raise


def has_view(experiment: Experiment) -> bool:
    """Whether the experiment has its view, which all have that a run of ours was made in."""
    return f"{_VIEW_TAG}{view_of(experiment.name).key}" in experiment.tags


def page(address: str, experiment: Experiment) -> str:
    """The address of an experiment's view in the UI at `address`, such as http://127.0.0.1:5000."""
    view = view_of(experiment.name)
    return f"{address}/#/experiments/{experiment.experiment_id}/runs?viewStateShareKey={view.key}"


def _envelope(view: View, created: int) -> str:
    """The view as MLflow's UI stores one."""
    state = json.dumps(_state(view))
    return json.dumps({"name": view.title, "createdAt": created, "state": state})


def _state(view: View) -> Mapping[str, Any]:
    columns = [_canonical(column) for column in view.columns]
    order = view.order if view.order.startswith("attributes.") else _canonical(view.order)
    return {
        "searchFilter": view.runs,
        "orderByKey": order,
        "orderByAsc": False,
        "selectedColumns": columns,
        "columnOrder": [_NAME, *columns],
        "columnWidths": {_NAME: _NAME_WIDTH, **dict.fromkeys(columns, _WIDTH)},
    }


def _canonical(column: str) -> str:
    """A column's key: its group, and its name in backticks."""
    group, _, name = column.partition(".")
    return f"{group}.`{name}`"
