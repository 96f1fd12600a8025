"""What a report is made from: plain data that jobs assemble and MLflow keeps as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np

from rareevent.errors import DataError
from rareevent.ingestion.frame import Float64, Int32, Int64

Json = Mapping[str, Any]


@dataclass(frozen=True)
class RunReport:
    """Everything one page shows; only plain data, so that a stored report draws the same page.

    Attributes
    ----------
    name, run_id, created : what was run, under which id, and when (text, shown as it is)
    verdict : how it compares, in one sentence: `Verdict.sentence`
    skill : `Skill.to_json()`; None where it was not asked for
    model : `Evaluation.to_json()` of the model on the test part
    model_name : what it is called
    clock : kind ("datetime" or "age") and interval (ticks)
    leaky : whether the split was random, so that a loud banner says what the figures are worth
    validation : the evaluation on validation, out of fold
    without_feed : the model on the test part, scored without knowing of past events
    baselines : name -> evaluation of that baseline on the test part; metrics alone suffice
    comparisons : records whose `words` compare the model with one baseline in a sentence
    history : per member a list of epochs: epoch, loss, validation_pr_auc, gradient_norm
    quality : `Quality.to_json()`
    audit : `Audit.to_json()`: mode, checks (name, passed, detail), warnings
    split : part -> rows, windows, events, from, to
    folds : of a backtest, per fold its period, threshold and metrics
    dropped : reason -> rows without a window
    confidence : of every interval shown
    channels : why the model sees what it sees, in words
    config_yaml : the resolved pipeline
    series : per shown asset the scores over time, see `score_series`
    inside : parameters, gradient health and gates, as `jobs.inside.inside_content` gathers them
    importance : which sensors it relies on, see `jobs.importance.importance_content`
    notes : further remarks for the reader, one sentence each
    """

    name: str
    run_id: str
    created: str
    verdict: str
    model: Json
    model_name: str = "Stacked LSTM"
    clock: Json = field(default_factory=lambda: {"kind": "datetime"})
    skill: Json | None = None
    leaky: bool = False
    validation: Json | None = None
    without_feed: Json | None = None
    baselines: Mapping[str, Json] = field(default_factory=dict)
    comparisons: Sequence[Json] = ()
    history: Sequence[Sequence[Json]] = ()
    quality: Json | None = None
    audit: Json | None = None
    split: Json = field(default_factory=dict)
    folds: Sequence[Json] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)
    confidence: float = 0.95
    channels: str = ""
    config_yaml: str = ""
    series: Sequence[Json] = ()
    inside: Json | None = None
    importance: Json | None = None
    notes: Sequence[str] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain data; what `from_json` makes of it draws the same page."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Json) -> RunReport:
        """A stored report.

        Raises
        ------
        DataError
            When keys are missing or unknown: the report was written by another version.
        """
        known = {f.name for f in fields(cls)}
        needed = {"name", "run_id", "created", "verdict", "model"}
        wrong = sorted(set(data) - known) + sorted(needed - set(data))
        if wrong:
            raise DataError(
                f"the stored report has missing or unknown keys: {', '.join(wrong)}; it was"
                " written by another version of rareevent: evaluate the run again"
            )
        return cls(**data)


def score_series(
    assets: Sequence[str],
    asset: Int32,
    time: Int64,
    probability: Float64,
    *,
    interval: int,
    shown: Sequence[str] = (),
    points: int = 1500,
) -> list[dict[str, Any]]:
    """Scores over time, thinned for drawing: the highest of each stretch, so that no peak is lost.

    Parameters
    ----------
    assets : names; `asset` holds codes into them
    asset, time, probability : int32, int64, float64 [m], sorted by (asset, time)
    interval : int, ticks; a step above one and a half of it lifts the pen
    shown : names to draw; all where empty
    points : int, at most so many per asset, before the gaps

    Returns
    -------
    list of {asset, time: [ticks], probability: [float, or None where the pen is lifted]}

    Examples
    --------
    >>> import numpy as np
    >>> code, time = np.zeros(5, np.int32), np.array([0, 1, 2, 3, 9])
    >>> score = np.array([0.1, 0.4, 0.2, 0.3, 0.5])
    >>> score_series(["a"], code, time, score, interval=1, points=3)[0]["time"]
    [1, 3, 9, 9]
    """
    out = []
    for code, name in enumerate(assets):
        if shown and name not in shown:
            continue
        low, high = np.searchsorted(asset, [code, code + 1])
        if high > low:
            out.append(
                {"asset": name, **_thin(time[low:high], probability[low:high], interval, points)}
            )
    return out


def _thin(time: Int64, probability: Float64, interval: int, points: int) -> dict[str, list[Any]]:
    rows = max(1, -(-len(time) // points))
    first = np.arange(0, len(time), rows)
    peaks = [f + int(np.argmax(probability[f : f + rows])) for f in first]
    times: list[int] = []
    scores: list[float | None] = []
    for place, peak in enumerate(peaks):
        if place and np.diff(time[peaks[place - 1] : peak + 1]).max() > 1.5 * interval:
            times.append(int(time[peak]))
            scores.append(None)
        times.append(int(time[peak]))
        scores.append(round(float(probability[peak]), 5))
    return {"time": times, "probability": scores}
