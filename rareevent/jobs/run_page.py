"""What the page of a run says in MLflow: its name, the data it read, the verdict and figures."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rareevent.config import PipelineConfig
from rareevent.jobs.prepare import Prepared
from rareevent.report.note import run_note
from rareevent.tracking.tracked import TrackedRun


def run_name(config: PipelineConfig) -> str:
    """What a person tells a run of an experiment from the others by, what differs most first."""
    units = "-".join(str(u) for u in config.model.units)
    model = f"LSTM {units}" if config.model.blend == "off" else f"blend with LSTM {units}"
    when = datetime.now().strftime("%d %b %H:%M")
    warning = "LEAKY split, " if leaky(config) else ""
    choices = f"lookback {config.window.lookback}, seed {config.train.seed}"
    return f"{warning}{model}, horizon {config.label.horizon}, {choices}, {when}"


def leaky(config: PipelineConfig) -> bool:
    """Whether the pipeline asks for the random split of published numbers."""
    return config.split.strategy == "random_leaky"


def log_data(run: TrackedRun, prepared: Prepared, context: str, rows: str = "") -> None:
    """Record the data that a run read: name, place, digest, columns and counts.

    Parameters
    ----------
    run : the run
    prepared : its data
    context : what they were used for, such as "training"
    rows : which rows of the source they are, such as " before the test part"; empty for all
    """
    config, frame = prepared.config, prepared.frame
    profile = {
        "rows": len(frame),
        "assets": len(frame.assets),
        "events": len(frame.events),
        "from": frame.clock.text(int(frame.time.min())),
        "to": frame.clock.text(int(frame.time.max())),
    }
    time = "datetime" if frame.clock.kind == "datetime" else "long"
    names = {config.ingest.asset: "string"} if config.ingest.asset else {}
    columns = {config.ingest.time: time, **names}
    columns |= dict.fromkeys(frame.sensors, "double") | dict.fromkeys(frame.texts, "string")
    source, digest = config.ingest.source, frame.data_sha256()
    run.dataset(f"{config.name}{rows}", source, digest, context, profile, columns)


def describe(
    run: TrackedRun,
    verdict: str,
    sentence: str,
    figures: Mapping[str, Mapping[str, Any]],
    model: str,
    kind: str,
) -> None:
    """Write the verdict and the table of headline figures on a run's page.

    Parameters
    ----------
    run : the run
    verdict, sentence : as a word and in words
    figures : model -> figures on the test rows
    model : the one that is registered, which comes first
    kind : how time is counted, "datetime" or "age"
    """
    run.tags({"verdict": verdict, "verdict_sentence": sentence})
    run.describe(run_note(sentence, {model: figures[model], **figures}, kind))
