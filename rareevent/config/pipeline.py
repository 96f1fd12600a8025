"""A whole pipeline: its stages under their keys."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from rareevent.config.monitoring import MonitorStage
from rareevent.config.stages import (
    AlarmStage,
    ChannelsStage,
    EvaluateStage,
    Ingest,
    LabelStage,
    ModelStage,
    RegisterStage,
    ScoreStage,
    SplitStage,
    Stage,
    TrainStage,
    WindowStage,
)
from rareevent.config.tuning import TuneStage


class PipelineConfig(Stage):
    """A whole pipeline: its keys are the stages, in the order data flows."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$")] = "pipeline"
    ingest: Ingest
    split: SplitStage = SplitStage()
    label: LabelStage = LabelStage()
    channels: ChannelsStage = ChannelsStage()
    window: WindowStage = WindowStage()
    model: ModelStage = ModelStage()
    train: TrainStage = TrainStage()
    alarm: AlarmStage = AlarmStage()
    evaluate: EvaluateStage = EvaluateStage()
    score: ScoreStage = ScoreStage()
    monitor: MonitorStage = MonitorStage()
    audit: Literal["normal", "strict"] = "normal"
    register_: Annotated[RegisterStage, Field(alias="register")] = RegisterStage()
    tune: TuneStage = TuneStage()

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, populate_by_name=True
    )

    def dump(self) -> dict[str, Any]:
        """The resolved settings as plain data, in the order of the stages."""
        return self.model_dump(mode="json", by_alias=True)
