"""The trade-off between events caught and false alarms, over thresholds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rareevent.alarms.policy import AlarmPolicy, raise_alarms
from rareevent.evaluation.catches import Judgement, judge
from rareevent.evaluation.metrics import rate_factors
from rareevent.evaluation.scored import Scored
from rareevent.ingestion.frame import Bool, Clock, Float64, Int64

MOST_CANDIDATES = 240
# Nobody is woken by a tenth of all rows: beyond it a dozen thresholds show where the curve ends.
_COARSE_SHARE = 0.1
_COARSE = 12


@dataclass(frozen=True)
class Curve:
    """Counts at each threshold, thresholds descending.

    Attributes
    ----------
    threshold : float64 [m]
    alarms, caught, false_alarms : int64 [m]
    above : int64 [m], rows at or above the threshold
    rows, assets, events : int, what the counts are out of
    rate_factors : name of a rate -> factor of (false alarms / rows)
    """

    threshold: Float64
    alarms: Int64
    caught: Int64
    false_alarms: Int64
    above: Int64
    rows: int
    assets: int
    events: int
    rate_factors: dict[str, float]

    def event_recall(self) -> Float64:
        """Share of the events caught, float64 [m]; NaN without an event."""
        return self.caught / self.events if self.events else np.full(len(self.caught), np.nan)

    def precision(self) -> Float64:
        """caught / (caught + false), float64 [m]; NaN where neither is."""
        total = self.caught + self.false_alarms
        out = np.full(len(total), np.nan)
        np.divide(self.caught, total, out=out, where=total > 0)
        return out

    def rate(self, name: str) -> Float64:
        """False alarms per event or per time, float64 [m], by the metric's name.

        Raises
        ------
        KeyError
            When the rate does not exist here: per event without an event, per day on an age
            clock.
        """
        if name == "false_alarms_per_event":
            if not self.events:
                raise KeyError(name)
            return self.false_alarms / self.events
        return self.false_alarms / max(self.rows, 1) * self.rate_factors[name]

    def to_json(self) -> list[dict[str, Any]]:
        """One plain record per threshold."""
        columns: dict[str, np.ndarray] = {
            "threshold": self.threshold,
            "alarms": self.alarms,
            "caught": self.caught,
            "false_alarms": self.false_alarms,
            "event_recall": self.event_recall(),
            "alarm_precision": self.precision(),
            "time_above_threshold": self.above / max(self.rows, 1),
        }
        names = ["false_alarms_per_event"] if self.events else []
        columns |= {name: self.rate(name) for name in [*names, *self.rate_factors]}
        plain = {
            name: [None if value != value else value for value in column.tolist()]
            for name, column in columns.items()
        }
        return [dict(zip(plain, line, strict=True)) for line in zip(*plain.values(), strict=True)]


def candidate_thresholds(probability: Float64, limit: int = MOST_CANDIDATES) -> Float64:
    """Thresholds worth trying, descending: from one that no row reaches to one that all do.

    Each lies half-way between two neighbouring scores, so that no result hangs on an exact tie.
    Where there are more than `limit`, those are kept whose number of rows above grows
    geometrically: alarms are rare, and there the steps must be fine.

    Examples
    --------
    >>> candidate_thresholds(np.array([0.2, 0.6, 0.6, 0.4])).round(2).tolist()
    [0.8, 0.5, 0.3, 0.1]
    """
    score, rows = np.unique(probability, return_counts=True)
    score, above = score[::-1], np.cumsum(rows[::-1])
    if not len(score):
        return np.array([0.5])
    if len(score) > limit - 1:
        many = max(1.0, _COARSE_SHARE * above[-1])
        fine, coarse = (
            np.geomspace(1, many, limit - _COARSE),
            np.geomspace(many, above[-1], _COARSE),
        )
        keep = np.unique(np.searchsorted(above, np.round(np.concatenate([fine, coarse[1:]]))))
    else:
        keep = np.arange(len(score))
    below = np.append(score[1:], min(0.0, 2 * score[-1]))
    middle = (score + below) / 2
    # Between two neighbouring floats there is no middle: the upper one separates them.
    middle = np.where(middle > below, middle, score)
    top = (score[0] + 1) / 2 if score[0] < 1 else score[0] + 1
    top = top if top > score[0] else np.nextafter(score[0], np.inf)
    return np.append(top, middle[keep])


def tradeoff_curve(
    scored: Scored,
    counted: Bool,
    clock: Clock,
    policy: AlarmPolicy,
    thresholds: Float64 | None = None,
) -> Curve:
    """Raise and judge the alarms at every threshold, with the policy's k, n and silence.

    Parameters
    ----------
    scored : Scored; its own alarms are not looked at
    counted : bool [k], events whose whole catch window lies in this part
    thresholds : float64 [m], descending; `candidate_thresholds` of the scores by default
    """
    if thresholds is None:
        thresholds = candidate_thresholds(scored.probability)
    counts = np.zeros((4, len(thresholds)), np.int64)
    for i, threshold in enumerate(thresholds.tolist()):
        alarm = raise_alarms(
            replace(policy, threshold=threshold), scored.time, scored.segment, scored.probability
        )
        judged = judge(replace(scored, alarm=alarm), counted)
        counts[:, i] = (
            len(judged.row),
            np.count_nonzero(judged.caught),
            judged.count(Judgement.FALSE),
            np.count_nonzero(scored.probability >= threshold),
        )
    assets = scored.assets_seen()
    alarms, caught, false, above = counts
    return Curve(
        thresholds,
        alarms,
        caught,
        false,
        above,
        rows=len(scored),
        assets=assets,
        events=int(counted.sum()),
        rate_factors=rate_factors(clock, assets),
    )


def recall_at(curve: Curve, name: str, rate: float) -> float | None:
    """Best event recall at no more than this rate of false alarms; None without an event.

    Read off the part that is judged, so a comparison of models' curves, not a promise.
    """
    if not curve.events:
        return None
    within = curve.rate(name) <= rate
    return float(curve.event_recall()[within].max(initial=0.0))
