"""The `tune` stage: which keys of the pipeline may be varied, and over what.

A key is tried over a list of values, or over a range::

    tune:
      metric: pr_auc
      space:
        model.units: [[8, 4], [16, 8], [32, 16]]
        window.lookback: {low: 5, high: 40, step: 5}
        train.learning_rate: {low: 0.0003, high: 0.01, log: true}
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import (
    BaseModel,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)

from rareevent.config.durations import Seed
from rareevent.config.problems import words_of
from rareevent.config.stage import Stage

# What the model is and how it learns. All else says what is asked or how it is judged, and would
# be "better" only by changing the question.
_TUNABLE = ("channels", "window", "model", "train")
_REFUSED = {
    "model.blend": "what is tuned is the LSTM",
    "window.pad": "it changes which rows are judged",
    "window.min_history": "it changes which rows are judged",
    "train.seed": "the best of several seeds is luck",
    "train.refit": "it changes nothing that is tuned by",
}


Metric = Literal["pr_auc", "roc_auc", "event_recall"]


class Range(Stage):
    """Numbers from `low` to `high`; whole ones where both are, by `step` or on a `log` scale."""

    low: int | float
    """First value."""
    high: int | float
    """Last value."""
    step: Annotated[float, Field(gt=0)] | Annotated[int, Field(gt=0)] | None = None
    """Between values."""
    log: bool = False
    """Draw on a logarithmic scale."""

    @model_validator(mode="after")
    def _makes_sense(self) -> Range:
        if self.low >= self.high:
            raise ValueError(f"'low' must be below 'high'; received {self.low} and {self.high}")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("'log' needs 'low' above 0 and no 'step'")
        if self.whole and self.step is not None and self.step != int(self.step):
            raise ValueError(f"'step' must be whole between whole numbers; received {self.step}")
        return self

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are tried."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def highest(self) -> int | float:
        """The largest value that is tried: steps are counted from `low`."""
        if self.step is None:
            return self.high
        steps = int((self.high - self.low) / self.step + 1e-9)
        return round(self.low + steps * self.step, 12)

    @property
    def probes(self) -> tuple[int | float, ...]:
        """The values that must be allowed for all others to be: the ends, and one between."""
        if self.whole:
            return (self.low, int(self.highest))
        # One that is hardly ever whole, as most between 2.0 and 8.0 are not.
        between = self.low + (self.step or (self.high - self.low) / math.pi)
        return (self.low, between, self.highest)


def _kind(values: Any) -> str:
    return "range" if isinstance(values, dict | Range) else "list"


Choices = Annotated[tuple[Any, ...], Field(min_length=1), Tag("list")]
Space = dict[str, Annotated[Annotated[Range, Tag("range")] | Choices, Discriminator(_kind)]]

# Where a pipeline names no space. Few keys on purpose: the more is tried, the more the best of it
# is luck.
DEFAULT_SPACE: dict[str, Any] = {
    "model.units": [[8, 4], [16, 8], [32, 16]],
    "model.projection": [4, 8, 16],
    "model.dropout": {"low": 0.0, "high": 0.4, "step": 0.1},
    "model.screen": [0.3, 0.5, 0.8, None],
    "window.lookback": {"low": 5, "high": 40, "step": 5},
    "train.learning_rate": {"low": 0.0005, "high": 0.01, "log": True},
}


class TuneStage(Stage):
    """What `rareevent tune` varies, and by which figure of the validation folds it chooses."""

    metric: Metric = "pr_auc"
    """The figure on forward scores of the validation folds; `event_recall` is at the alarm
    objective.
    """
    seed: Seed = 0
    """Of the draws."""
    space: Space = Field(default_factory=dict)
    """Key of the pipeline → a list of values, or a range; a small space of its own where it is
    left out.
    """

    def over(self) -> Space:
        """The space, the default one where none is given."""
        return self.space or TuneStage.model_validate({"space": DEFAULT_SPACE}).space


def check_space(
    space: Space, stages: type[BaseModel], try_value: Callable[[str, Any], None]
) -> None:
    """Refuse keys that do not exist or must not be tuned, and values that a stage refuses.

    Parameters
    ----------
    stages : the pipeline's model, for its keys
    try_value : (key, value) -> None; raises ValidationError where the pipeline refuses it

    Raises
    ------
    ValueError
        Names the key, the value and the nearest valid key.
    """
    known = tunable_keys(stages)
    for key, values in space.items():
        if key in _REFUSED:
            raise ValueError(f"'tune.space': {key!r} cannot be tuned: {_REFUSED[key]}")
        if key not in known:
            raise ValueError(f"'tune.space': {_unknown(key, known)}")
        for value in values.probes if isinstance(values, Range) else _each_once(key, values):
            try:
                try_value(key, value)
            except ValidationError as error:
                said = words_of(error)
                raise ValueError(f"'tune.space.{key}': {value!r} does not fit: {said}") from None


def _each_once(key: str, choices: tuple[Any, ...]) -> tuple[Any, ...]:
    if len({json.dumps(choice) for choice in choices}) < len(choices):
        raise ValueError(f"'tune.space.{key}': names a value twice; received {list(choices)}")
    return choices


def tunable_keys(stages: type[BaseModel]) -> tuple[str, ...]:
    """Every key that may stand in a space, such as "model.units"."""
    keys = get_type_hints(stages)
    found = [f"{stage}.{name}" for stage in _TUNABLE for name in keys[stage].model_fields]
    return (*(key for key in found if key not in _REFUSED), "label.auxiliary")


def _unknown(key: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.7)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    stages = f"{', '.join(_TUNABLE)} and label.auxiliary"
    return f"{key!r} is no key that can be tuned, which are those of {stages}{hint}"


def with_values(data: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Pipeline data with some keys replaced, as in {"model.units": [8, 4]}; nothing is changed.

    Examples
    --------
    >>> with_values({"model": {"units": [16, 8], "skip": True}}, {"model.units": [8, 4]})
    {'model': {'units': [8, 4], 'skip': True}}
    """
    out = dict(data)
    for key, value in values.items():
        stage, _, name = key.partition(".")
        out[stage] = {**(out.get(stage) or {}), name: value}
    return out
