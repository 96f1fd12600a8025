"""Pipeline files: their stages, their durations, and how they are read and written."""

from rareevent.config.durations import Duration, parse_duration_us
from rareevent.config.files import (
    digest_pipeline,
    dump_pipeline,
    load_pipeline,
    override_pipeline,
    validate_pipeline,
)
from rareevent.config.ingest import EventLog, Ingest, Interval
from rareevent.config.learning import BlendWeights, ModelStage, TrainStage
from rareevent.config.monitoring import MonitorStage
from rareevent.config.pipeline import PipelineConfig
from rareevent.config.promotion import ComparedMetric, PromoteStage
from rareevent.config.stage import Stage
from rareevent.config.stages import AlarmStage, EvaluateStage, RegisterStage, ScoreStage
from rareevent.config.tuning import Metric, Range, Space, TuneStage, with_values
from rareevent.config.windows import (
    ChannelsStage,
    LabelStage,
    SplitStage,
    SurpriseStage,
    WindowStage,
)

__all__ = [
    "AlarmStage",
    "BlendWeights",
    "ChannelsStage",
    "ComparedMetric",
    "Duration",
    "EvaluateStage",
    "EventLog",
    "Ingest",
    "Interval",
    "LabelStage",
    "Metric",
    "ModelStage",
    "MonitorStage",
    "PipelineConfig",
    "PromoteStage",
    "Range",
    "RegisterStage",
    "ScoreStage",
    "Space",
    "SplitStage",
    "Stage",
    "SurpriseStage",
    "TrainStage",
    "TuneStage",
    "WindowStage",
    "digest_pipeline",
    "dump_pipeline",
    "load_pipeline",
    "override_pipeline",
    "parse_duration_us",
    "validate_pipeline",
    "with_values",
]
