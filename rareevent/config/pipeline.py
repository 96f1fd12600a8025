"""A whole pipeline: its stages under their keys."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from rareevent.config.ingest import Ingest
from rareevent.config.learning import ModelStage, TrainStage
from rareevent.config.monitoring import MonitorStage
from rareevent.config.promotion import PromoteStage
from rareevent.config.stage import Stage
from rareevent.config.stages import AlarmStage, EvaluateStage, RegisterStage, ScoreStage
from rareevent.config.tuning import TuneStage
from rareevent.config.windows import ChannelsStage, LabelStage, SplitStage, WindowStage


class PipelineConfig(Stage):
    """A whole pipeline: its keys are the stages, in the order data flows."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$")] = "pipeline"
    """Of the pipeline, its runs and its experiment; the file's name where it is left out."""
    ingest: Ingest
    """What to read, and what its columns mean."""
    split: SplitStage = SplitStage()
    """Which rows teach, which choose, which judge."""
    label: LabelStage = LabelStage()
    """What counts as 'event ahead'."""
    channels: ChannelsStage = ChannelsStage()
    """What the model sees of each sensor."""
    window: WindowStage = WindowStage()
    """How many rows the LSTM reads at once."""
    model: ModelStage = ModelStage()
    """The stacked LSTM, and what its logit is blended with."""
    train: TrainStage = TrainStage()
    """How the model learns."""
    alarm: AlarmStage = AlarmStage()
    """When to wake someone."""
    evaluate: EvaluateStage = EvaluateStage()
    """How the model is judged."""
    score: ScoreStage = ScoreStage()
    """What a scoring job will know."""
    monitor: MonitorStage = MonitorStage()
    """What a scoring job compares with the training rows, and where it warns."""
    audit: Literal["normal", "strict"] = "normal"
    """Whether one sensor that alone separates the classes is a warning or, under `strict`, an
    error.
    """
    register_: Annotated[RegisterStage, Field(alias="register")] = RegisterStage()
    """Under which name the bundle is registered."""
    promote: PromoteStage = PromoteStage()
    """What a version has to show before `rareevent promote` makes it champion."""
    tune: TuneStage = TuneStage()
    """What `rareevent tune` varies."""

    model_config = ConfigDict(populate_by_name=True)

    def dump(self) -> dict[str, Any]:
        """The resolved settings as plain data, in the order of the stages."""
        return self.model_dump(mode="json", by_alias=True)
