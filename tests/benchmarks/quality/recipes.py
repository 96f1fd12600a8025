"""What is compared: ways to train, as settings of a pipeline, and the rows they give a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rareevent.config import PipelineConfig, validate_pipeline
from rareevent.jobs.contenders import BLEND, BOOSTING, LOGISTIC, LSTM

# Not a model: as many alarms as the default raises, moved round by a random step.
RANDOM = "random"


@dataclass(frozen=True)
class Recipe:
    """A way to train.

    Attributes
    ----------
    name : folder of its results
    settings : key of a pipeline -> value, over whatever the data set's own pipeline says
    """

    name: str
    settings: Mapping[str, Any]

    def of(self, config: PipelineConfig) -> PipelineConfig:
        """The pipeline of a data set as this recipe has it."""
        data = config.dump()
        for key, value in self.settings.items():
            stage, name = key.split(".")
            data[stage] = {**data[stage], name: value}
        return validate_pipeline(data, where=f"recipe {self.name}")


@dataclass(frozen=True)
class Row:
    """A line of every table: which model of which recipe, and what it is called there."""

    title: str
    recipe: Recipe
    model: str


DEFAULT = Recipe("default", {})
# A stacked LSTM as tutorials have it: standardised readings, two layers, every window, twelve
# epochs. It is given the refit on the newest rows that all others get, and their calibration and
# alarms, so that nothing but the model differs.
NAIVE = Recipe(
    "naive",
    {
        "split.folds": 1,
        "label.auxiliary": [],
        "channels.use": ["value"],
        "channels.scaling": "standard",
        "model.units": [16, 8],
        "model.projection": None,
        "model.skip": False,
        "model.screen": None,
        "model.members": 1,
        "model.blend": "off",
        "train.negatives_per_positive": None,
        "train.epochs": 12,
        "train.batch_size": 128,
        "train.learning_rate": 0.001,
        "evaluate.baselines": [],
    },
)

OURS = Row("rareevent's default, a blend", DEFAULT, BLEND)
ROWS = (
    Row("alarms at random", DEFAULT, RANDOM),
    Row("logistic regression", DEFAULT, LOGISTIC),
    Row("gradient boosting", DEFAULT, BOOSTING),
    Row("naive stacked LSTM", NAIVE, LSTM),
    Row("the blend's LSTM alone", DEFAULT, LSTM),
    OURS,
)
RECIPES = tuple({row.recipe.name: row.recipe for row in ROWS}.values())
