"""The demo: the whole way on a simulated fleet, from nothing to scored days."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rareevent.config import EventLog, PipelineConfig, dump_pipeline, validate_pipeline
from rareevent.jobs.evaluate import EvaluationResult, evaluate_model
from rareevent.jobs.progress import Progress, Quiet
from rareevent.jobs.score import score
from rareevent.jobs.train import TrainResult, train
from rareevent.scoring.job import ScoreOptions
from rareevent.scoring.summary import ScoreSummary
from rareevent.simulate import simulate
from rareevent.tracking.home import Home

# Long enough that the test part has the ten days that an interval takes.
DAYS = 45
UNSEEN_DAYS = 7


@dataclass(frozen=True)
class DemoResult:
    """What the demo did.

    Attributes
    ----------
    folder : where the fleet, the pipeline file and the scores lie
    trained : the training run
    scored : the batch job on the unseen days
    unseen : the same days judged, now that their events are known
    """

    folder: str
    trained: TrainResult
    scored: ScoreSummary
    unseen: EvaluationResult

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "folder": self.folder,
            "train": self.trained.to_json(),
            "score": self.scored.to_json(),
            "unseen": self.unseen.to_json(),
        }


def demo_pipeline(folder: Path) -> PipelineConfig:
    """The demo's pipeline over a fleet in `folder`."""
    return validate_pipeline(
        {
            "name": "demo",
            "ingest": {
                "source": str(folder / "sensors.parquet"),
                "time": "time",
                "asset": "asset",
                "events": {"source": str(folder / "events.csv"), "asset": "asset"},
                "categorical": ["grade"],
                "interval": "5min",
            },
            "split": {"validation": 0.25, "test": 0.3},
            "label": {"horizon": "1h"},
            "window": {"lookback": 24},
            "alarm": {"false_alarms_per_event": 3},
            "register": {"model": "demo"},
        }
    )


def demo(
    folder: str | Path,
    *,
    seed: int = 1,
    home: Home | None = None,
    progress: Progress | None = None,
) -> DemoResult:
    """Simulate a fleet, train and register a model, score days it never saw, and judge those.

    Parameters
    ----------
    folder : made where absent; an earlier demo in it is replaced
    seed : of the fleet
    """
    progress, folder = progress or Quiet(), Path(folder)
    fleet = simulate(folder, seed=seed, days=DAYS, hold_back_days=UNSEEN_DAYS)
    progress.log(
        f"simulated {fleet.rows:,} rows of {fleet.assets} assets with {fleet.events} events, and"
        f" {fleet.unseen_rows:,} rows of the {UNSEEN_DAYS} days after"
    )
    config = demo_pipeline(folder)
    (folder / "pipeline.yaml").write_text(dump_pipeline(config), encoding="utf-8")
    trained = train(config, home=home, progress=progress)
    unseen = folder / "unseen"
    days = str(unseen / "*.parquet")
    # An earlier demo's model scored into the same folder: what it left is scored anew.
    anew = ScoreOptions(reprocess=True)
    feed = str(unseen / "events.csv")
    scored = score(trained.model_uri, days, folder / "scores", feed, anew, home=home)
    judged = evaluate_model(
        trained.model_uri, _over(config, days, unseen / "events.csv"), home=home
    )
    return DemoResult(str(folder), trained, scored, judged)


def _over(config: PipelineConfig, source: str, events: Path) -> PipelineConfig:
    """The pipeline over other files."""
    log = config.ingest.events
    if isinstance(log, EventLog):
        log = log.model_copy(update={"source": str(events)})
    ingest = config.ingest.model_copy(update={"source": source, "events": log})
    return config.model_copy(update={"ingest": ingest})
