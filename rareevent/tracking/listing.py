"""The table of runs: who was trained when, and how well it did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rareevent.errors import TrackingError
from rareevent.tracking.home import Home, connect, find_home, tracking_errors
from rareevent.tracking.models import all_pages, registered
from rareevent.tracking.resolve import run_of_model
from rareevent.tracking.views import SCORING_SUFFIX

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

# The columns of the table, best first; what a run lacks is left out.
HEADLINE = (
    "test/event_recall",
    "test/events",
    "test/false_alarms_per_event",
    "test/false_alarms_per_day",
    "test/false_alarms_per_1000_cycles",
    "test/alarm_precision",
    "test/lead_time_median_min",
    "test/lead_time_median_cycles",
    "test/pr_auc",
    "test/prevalence",
    "test/roc_auc",
)
_SHOWN_TAGS = ("verdict", "verdict_sentence", "leaky", "leak_audit", "git_commit", "error")
_ID_LENGTH = 32
_MOST_SEARCHED = 1000
_PARENT_TAG = "mlflow.parentRunId"


@dataclass(frozen=True)
class RunRecord:
    """One run as plain data.

    Attributes
    ----------
    started : ISO time, UTC
    seconds : duration; None while it runs
    metrics : figures of `HEADLINE` that the run has
    tags : verdict, leaky, leak_audit, git_commit, error, where set
    models : registered versions it made, as "NAME/VERSION", with "@ALIAS" where one points there
    """

    run_id: str
    name: str
    experiment: str
    status: str
    started: str
    seconds: float | None
    parent: str | None
    metrics: dict[str, float]
    tags: dict[str, str]
    models: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data, JSON-able."""
        return {**asdict(self), "models": list(self.models)}


def list_runs(
    experiment: str | None = None,
    *,
    home: Home | None = None,
    limit: int = 50,
    metrics: Sequence[str] = HEADLINE,
) -> list[RunRecord]:
    """Runs, newest first.

    Parameters
    ----------
    experiment : only of this one; None for all but those of scoring jobs
    home : default `find_home()`
    limit : most runs returned
    metrics : names of the figures to return

    Raises
    ------
    TrackingError
        When MLflow cannot be reached, or there is no such experiment; lists what there is.
    """
    home = home or find_home()
    client = connect(home)
    with tracking_errors(f"cannot list the runs at {home.shown}"):
        names = {e.experiment_id: e.name for e in all_pages(client.search_experiments, None)}
        chosen = [key for key, name in names.items() if _is_wanted(name, experiment)]
        if not chosen:
            raise _unknown(experiment, home, names)
        newest = ["attributes.start_time DESC"]
        found = client.search_runs(chosen, max_results=limit, order_by=newest)
        models = _models_by_run(client)
    return [_record(run, names, models, metrics) for run in found]


def full_run_id(run_id: str, home: Home | None = None) -> str:
    """The run that an id, the beginning of one as tables show it, or a registered model stands for.

    Raises
    ------
    TrackingError
        When no run or several begin so.
    ModelError
        When there is no such model.
    """
    if run_id.startswith("models:/"):
        return run_of_model(run_id, home)
    run_id = run_id.removeprefix("runs:/")
    if len(run_id) == _ID_LENGTH:
        return run_id
    found = [r.run_id for r in list_runs(home=home, limit=_MOST_SEARCHED, metrics=())]
    matching = [known for known in found if known.startswith(run_id)]
    if len(matching) == 1:
        return matching[0]
    several = f"begins {len(matching)} run ids" if matching else "begins no run id"
    raise TrackingError(f"{run_id!r} {several}; `rareevent runs` lists them")


def get_record(run_id: str, home: Home | None = None) -> RunRecord:
    """One run with all its metrics.

    Raises
    ------
    TrackingError
        When there is no such run.
    """
    home = home or find_home()
    client = connect(home)
    with tracking_errors(f"cannot read run {run_id!r} at {home.shown}"):
        run = client.get_run(run_id)
        names = {run.info.experiment_id: client.get_experiment(run.info.experiment_id).name}
        return _record(run, names, _models_by_run(client), tuple(run.data.metrics))


def _is_wanted(name: str, experiment: str | None) -> bool:
    if experiment is not None:
        return name == experiment
    return not name.endswith(SCORING_SUFFIX)


def _unknown(experiment: str | None, home: Home, names: dict[str, str]) -> TrackingError:
    known = ", ".join(sorted(names.values())) or "none"
    return TrackingError(f"no experiment {experiment!r} at {home.shown}; there is: {known}")


def _models_by_run(client: MlflowClient) -> dict[str, list[str]]:
    aliases = registered(client)
    found: dict[str, list[str]] = {}
    for version in all_pages(client.search_model_versions, None):
        points = [a for a, v in aliases.get(version.name, {}).items() if v == int(version.version)]
        name = "".join([f"{version.name}/{version.version}", *(f"@{a}" for a in sorted(points))])
        found.setdefault(version.run_id, []).append(name)
    return found


def _record(
    run: Run, names: dict[str, str], models: dict[str, list[str]], metrics: Sequence[str]
) -> RunRecord:
    info, data = run.info, run.data
    ended = info.end_time
    return RunRecord(
        run_id=info.run_id,
        name=info.run_name or "",
        experiment=names[info.experiment_id],
        status=info.status,
        started=datetime.fromtimestamp(info.start_time / 1000, UTC).isoformat(timespec="seconds"),
        seconds=(ended - info.start_time) / 1000 if ended else None,
        parent=data.tags.get(_PARENT_TAG),
        metrics={name: data.metrics[name] for name in metrics if name in data.metrics},
        tags={name: data.tags[name] for name in _SHOWN_TAGS if name in data.tags},
        models=tuple(models.get(info.run_id, ())),
    )
