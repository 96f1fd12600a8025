"""Pipeline files: their stages, their durations, and how they are read and written."""

from rareevent.config.durations import Duration, parse_duration_us
from rareevent.config.files import dump_pipeline, load_pipeline, validate_pipeline
from rareevent.config.stages import (
    AlarmStage,
    ChannelsStage,
    EvaluateStage,
    EventLog,
    Ingest,
    Interval,
    LabelStage,
    ModelStage,
    PipelineConfig,
    RegisterStage,
    ScoreStage,
    SplitStage,
    Stage,
    TrainStage,
    WindowStage,
)

__all__ = [
    "AlarmStage",
    "ChannelsStage",
    "Duration",
    "EvaluateStage",
    "EventLog",
    "Ingest",
    "Interval",
    "LabelStage",
    "ModelStage",
    "PipelineConfig",
    "RegisterStage",
    "ScoreStage",
    "SplitStage",
    "Stage",
    "TrainStage",
    "WindowStage",
    "dump_pipeline",
    "load_pipeline",
    "parse_duration_us",
    "validate_pipeline",
]
