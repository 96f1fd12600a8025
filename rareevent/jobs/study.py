"""The study: which settings were tried, in an SQLite file of its own that processes share.

Optuna's tables and MLflow's cannot live in one database, so it lies in a folder beside.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rareevent.config import Range, Space

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

DATABASE = "study.db"
# Marks on a trial: it runs the pipeline as it is; it ended with this error; so often were its
# values left half done before.
AS_IS, ERROR, LEFT = "as_is", "error", "left"
# Values whose process dies time and again, for want of memory say, do so wherever they are tried.
_MOST_TRIES = 3
# Writers wait for each other; a write takes milliseconds.
_SECONDS_TO_WAIT = 60
# Before so many trials there is no median to prune by.
_UNPRUNED = 5


def open_study(folder: Path, name: str) -> Study:
    """The study of a folder, made where it does not exist."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.RDBStorage(
        f"sqlite:///{folder / DATABASE}",
        engine_kwargs={"connect_args": {"timeout": _SECONDS_TO_WAIT}},
    )
    return optuna.create_study(
        storage=storage,
        study_name=name,
        direction="maximize",
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=_UNPRUNED),
    )


def ask(study: Study, seed: int) -> Trial:
    """The next trial; what it draws depends on its number and the seed, not on its process."""
    import optuna

    trial = study.ask()
    study.sampler = optuna.samplers.TPESampler(seed=seed + trial.number)
    return trial


def suggest(trial: Trial, space: Space) -> dict[str, Any]:
    """A value for every key of the space; none for the trial of the pipeline as it is."""
    if trial.user_attrs.get(AS_IS):
        return {}
    return {key: _suggest(trial, key, values) for key, values in space.items()}


def _suggest(trial: Trial, key: str, values: Range | tuple[Any, ...]) -> Any:
    if not isinstance(values, Range):
        # Optuna keeps plain values only; a list such as model.units goes as text.
        texts = [json.dumps(value) for value in values]
        return json.loads(trial.suggest_categorical(key, texts))
    if values.whole:
        low, high, step = int(values.low), int(values.highest), int(values.step or 1)
        return trial.suggest_int(key, low, high, step=step, log=values.log)
    return trial.suggest_float(key, values.low, values.highest, step=values.step, log=values.log)


def values_of(trial: FrozenTrial, space: Space) -> dict[str, Any]:
    """What a trial tried: key -> value as a pipeline file has it."""
    return {
        key: value if isinstance(space[key], Range) else json.loads(value)
        for key, value in trial.params.items()
        if key in space
    }


def settle_leftovers(study: Study) -> int:
    """Queue again what a killed call left half done, and the pipeline as it is if it is missing.

    Only for who holds the study: no trial may be running.

    Values that were left half done three times are given up as failed.

    Returns
    -------
    how many trials were left half done and are tried again
    """
    from optuna.trial import TrialState

    left = study.get_trials(states=(TrialState.RUNNING,))
    again = [trial for trial in left if _is_tried_again(study, trial)]
    known = (TrialState.WAITING, TrialState.COMPLETE)
    if not any(t.user_attrs.get(AS_IS) for t in study.get_trials(states=known)):
        study.enqueue_trial({}, user_attrs={AS_IS: True})
    return len(again)


def _is_tried_again(study: Study, trial: FrozenTrial) -> bool:
    """End a trial that was left half done; whether its values are tried again."""
    from optuna.trial import Trial, TrialState

    tries = trial.user_attrs.get(LEFT, 0) + 1
    given_up = bool(trial.params) and tries >= _MOST_TRIES
    if given_up:
        words = f"its process was killed {tries} times, perhaps for want of memory"
        Trial(study, trial._trial_id).set_user_attr(ERROR, words)
    study.tell(trial.number, state=TrialState.FAIL)
    if trial.params and not given_up:
        study.enqueue_trial(trial.params, user_attrs={LEFT: tries})
    return not given_up


def finished(study: Study) -> list[FrozenTrial]:
    """Trials that ended by themselves: judged, pruned, or failed with an error."""
    from optuna.trial import TrialState

    ended = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
    return [
        trial
        for trial in study.get_trials(deepcopy=False, states=ended)
        if trial.state != TrialState.FAIL or ERROR in trial.user_attrs
    ]


def judged(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """Those that have a value, the best first; of equals the first."""
    with_value = [trial for trial in trials if trial.state.name == "COMPLETE"]
    return sorted(with_value, key=lambda trial: (-(trial.value or 0.0), trial.number))


def record(trial: FrozenTrial, space: Space) -> Mapping[str, Any]:
    """A trial as plain data."""
    return {
        "trial": trial.number,
        "state": {"COMPLETE": "judged", "PRUNED": "pruned", "FAIL": "failed"}[trial.state.name],
        "value": trial.value if trial.state.name == "COMPLETE" else None,
        "as_is": bool(trial.user_attrs.get(AS_IS)),
        "values": values_of(trial, space),
        "by_fold": [trial.intermediate_values[k] for k in sorted(trial.intermediate_values)],
        "error": trial.user_attrs.get(ERROR),
    }
