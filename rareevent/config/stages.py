"""The stages after learning: `alarm`, `evaluate`, `score` and `register`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from rareevent.config.durations import Duration, Rows, Seed
from rareevent.config.stage import Stage


class AlarmStage(Stage):
    """When to wake someone. The objective is met on data before the test part."""

    objective: Literal["budget", "cost", "fbeta", "precision", "recall"] = "budget"
    """What the threshold is chosen for: a `budget` of false alarms, the lowest `cost`, F-beta,
    or a floor of `precision` or `recall`.
    """
    false_alarms_per_event: Annotated[float, Field(ge=0)] | None = None
    """Budget per event, caught or missed: 3 where no other budget is given. It is kept on
    validation; what the test part made of it is reported.
    """
    false_alarms_per_day: Annotated[float, Field(ge=0)] | None = None
    """Budget per day of the whole fleet."""
    false_alarms_per_asset_day: Annotated[float, Field(ge=0)] | None = None
    """Budget per day of one asset."""
    cost_missed: Annotated[float, Field(gt=0)] = 10.0
    """Cost of a missed event, for `cost`, in any money."""
    cost_false: Annotated[float, Field(gt=0)] = 1.0
    """Cost of a false alarm, for `cost`, in the same money."""
    beta: Annotated[float, Field(gt=0)] = 2.0
    """For `fbeta`: recall counts beta times as much as precision."""
    floor: Annotated[float, Field(gt=0, le=1)] = 0.5
    """For `precision` and `recall`: the least that will do."""
    k: Rows = 1
    """So many of the last `n` rows must reach the threshold."""
    n: Rows = 1
    """See `k`: how many last rows are looked at."""
    silence: Duration | None = None
    """After an alarm, before the next; the horizon where it is left out."""

    @model_validator(mode="before")
    @classmethod
    def _one_budget(cls, data: Any) -> Any:
        names = ("false_alarms_per_event", "false_alarms_per_day", "false_alarms_per_asset_day")
        if not isinstance(data, dict):
            return data
        given = [n for n in names if data.get(n) is not None]
        if len(given) > 1:
            raise ValueError(f"takes one budget; received {' and '.join(given)}")
        return data if given else {**data, names[0]: 3.0}

    @model_validator(mode="after")
    def _k_of_n(self) -> AlarmStage:
        if self.k > self.n:
            raise ValueError(f"'k' must not exceed 'n'; received k={self.k}, n={self.n}")
        return self


class EvaluateStage(Stage):
    """How the model is judged."""

    baselines: tuple[Literal["logistic", "boosting"], ...] = ("logistic", "boosting")
    """What stands beside the model; a blend needs and reports both."""
    bootstrap: Annotated[int, Field(ge=0, le=100_000)] = 1000
    """Draws for the intervals; 0 gives none."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    """Of the intervals."""
    seed: Seed = 0
    """Of the draws."""


class ScoreStage(Stage):
    """What a scoring job will know."""

    event_delay: Duration = 0
    """How long after an event the scoring job will know of it."""
    with_events: bool = True
    """Whether the scoring job will know past events; evaluation does as it will."""


class RegisterStage(Stage):
    """Under which name the bundle is registered; without a name nothing is."""

    # A name with a slash or a colon could not be addressed as models:/NAME/VERSION.
    model: Annotated[str, Field(pattern=r"^[^/:@]*[^/:@\s][^/:@]*$")] | None = None
    """Name in the registry; nothing is registered without one."""
    champion: Literal["first", "never"] = "first"
    """The first version becomes the champion, or none does by itself."""
    require_skill: bool = True
    """None does by itself whose verdict is `no_skill`; false lets it. See docs/evaluation.md."""
