"""What a tuning found: the best trial against the pipeline as it is, in figures and words."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rareevent.evaluation.compare import Comparison, Difference, compare
from rareevent.jobs.choose import choosing_events
from rareevent.jobs.prepare import Prepared
from rareevent.jobs.study import AS_IS, finished, judged, record, values_of
from rareevent.jobs.trial import TrialTask, chosen_on, scores_path, with_tuned
from rareevent.whole_files import written_aside

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

TITLES = {"pr_auc": "PR-AUC", "roc_auc": "ROC-AUC", "event_recall": "event recall"}


@dataclass(frozen=True)
class TuneResult:
    """What tuning found; `to_json` is what `tune --json` prints.

    Attributes
    ----------
    study : folder that holds the study; the same call goes on there
    metric : the figure of the validation folds that was tuned by
    trials : every finished trial: its number, state, value, values and figures by fold
    best : number, value and values of the best trial
    as_is : value of the pipeline as it is, which is a trial like any other
    difference : best less as it is, on the same rows, with its interval from paired resamples.
        The best was chosen on these rows, so it is flattered.
    sentence : what to make of it
    pipeline : the best pipeline, resolved
    output : file it was written to
    reused : trials that an earlier call had finished
    """

    run_id: str
    study: str
    metric: str
    trials: Sequence[Mapping[str, Any]]
    best: Mapping[str, Any]
    as_is: float
    difference: Mapping[str, Any]
    sentence: str
    pipeline: Mapping[str, Any]
    output: str | None
    reused: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return dict(vars(self))


@dataclass(frozen=True)
class Found:
    """The finished trials, the best and the pipeline as it is, and the two compared."""

    trials: list[FrozenTrial]
    best: FrozenTrial
    as_is: FrozenTrial
    comparison: Comparison


def compare_best(study: Study, task: TrialTask, prepared: Prepared) -> Found:
    """The best trial against the pipeline as it is, on the rows that both scored."""
    trials, config = finished(study), task.config
    ranked = judged(trials)
    best, as_is = ranked[0], next(t for t in ranked if t.user_attrs.get(AS_IS))
    ours, theirs = (
        chosen_on(prepared, scores_path(task.folder, t.number)).scored for t in (best, as_is)
    )
    tuned = with_tuned(config, values_of(best, config.tune.over()))
    comparison = compare(
        ours,
        theirs,
        prepared.frame.events,
        choosing_events(prepared),
        prepared.frame.clock,
        config.evaluate,
        lookback=max(config.window.lookback, tuned.window.lookback),
        horizon=prepared.labels.horizon,
    )
    return Found(sorted(trials, key=lambda t: t.number), best, as_is, comparison)


def make_result(
    run_id: str,
    task: TrialTask,
    found: Found,
    output: str | Path | None,
    reused: int,
    started: float,
) -> TuneResult:
    """The result, `started` being the `time.perf_counter()` of the call."""
    config, space = task.config, task.config.tune.over()
    metric, best = config.tune.metric, found.best
    values = values_of(best, space)
    difference = found.comparison.differences[metric]
    return TuneResult(
        run_id=run_id,
        study=str(task.folder),
        metric=metric,
        trials=[record(trial, space) for trial in found.trials],
        best={"trial": best.number, "value": best.value, "values": values},
        as_is=found.as_is.values[0],
        difference={
            "value": difference.value,
            "interval": list(difference.interval) if difference.interval else None,
            "confidence": found.comparison.confidence,
            "events": found.comparison.events,
            "verdict": difference.word,
        },
        sentence=_sentence(found, difference, metric),
        pipeline=with_tuned(config, values).dump(),
        output=None if output is None else str(output),
        reused=reused,
        seconds=round(time.perf_counter() - started, 3),
    )


def _sentence(found: Found, difference: Difference, metric: str) -> str:
    tried, title = len(found.trials), TITLES[metric]
    if found.best.number == found.as_is.number:
        return f"None of {tried} trials has a better validation {title} than the pipeline as it is."
    events, interval = found.comparison.events, difference.interval
    figures = f"{found.best.value:.3f} against {found.as_is.value:.3f}"
    said = f"The best of {tried} trials has a validation {title} of {figures} as it is"
    between = (
        f"{found.comparison.confidence:.0%} interval of the difference {interval[0]:+.3f} to"
        f" {interval[1]:+.3f}"
        if interval
        else f"no interval: too few blocks of time, {found.comparison.blocks}"
    )
    told = (
        "better, though as the best of many it is flattered"
        if difference.word == "better"
        else "not to be told from the pipeline as it is"
    )
    return f"{said} ({between}): with {events} events that is {told}."


def tuned_file(result: TuneResult) -> str:
    """The best pipeline as a file, with what is known of it on top."""
    import yaml

    body = yaml.safe_dump(dict(result.pipeline), sort_keys=False, allow_unicode=True)
    return f"# {result.sentence}\n{body}"


def write_tuned(result: TuneResult, output: str | Path | None) -> None:
    """The best pipeline into its file, whole or not at all."""
    if output is None:
        return
    with written_aside(Path(output)) as aside:
        aside.write_text(tuned_file(result), encoding="utf-8")
