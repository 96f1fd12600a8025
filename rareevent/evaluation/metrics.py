"""Figures of one part: by row, by alarm and event, by asset."""

from __future__ import annotations

from typing import Any

import numpy as np

from rareevent.evaluation.catches import Judged, Judgement
from rareevent.evaluation.scored import Scored
from rareevent.ingestion.frame import Bool, Clock, Int64

Metrics = dict[str, float | int | None]

_RELIABILITY_BINS = 10
_CURVE_POINTS = 200
# imbalanced-learn's default weight of (sensitivity - specificity).
_DOMINANCE = 0.1


def ratio(part: float, whole: float) -> float | None:
    """part / whole; None where there is no whole."""
    return float(part / whole) if whole else None


def _count(which: Bool) -> int:
    return int(np.count_nonzero(which))


def row_metrics(scored: Scored) -> Metrics:
    """Row metrics over the rows that carry a label.

    ``pr_auc`` is the average precision; its line of no skill is ``prevalence``. ``brier_skill``
    is 1 - Brier / (Brier of always saying the prevalence). None where a class has no row.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    known = scored.target >= 0
    target, probability = scored.target[known], scored.probability[known]
    positives = int(np.count_nonzero(target == 1))
    both = 0 < positives < len(target)
    prevalence = ratio(positives, len(target))
    brier = float(np.mean((probability - target) ** 2)) if len(target) else None
    skill = None
    if both and prevalence is not None and brier is not None:
        skill = 1 - brier / (prevalence * (1 - prevalence))
    return {
        "rows": len(scored),
        "labelled_rows": len(target),
        "positive_rows": positives,
        "prevalence": prevalence,
        "roc_auc": float(roc_auc_score(target, probability)) if both else None,
        "pr_auc": float(average_precision_score(target, probability)) if both else None,
        "brier": brier,
        "brier_skill": skill,
    }


def threshold_metrics(scored: Scored, threshold: float) -> Metrics:
    """Row metrics at the alarm threshold, over the rows that carry a label.

    ``sensitivity`` is the share of positive rows at or above it, ``specificity`` that of negative
    rows below, ``geometric_mean`` the root of their product (Kubat and Matwin 1997, ICML), and
    ``index_balanced_accuracy`` that product weighed by 1 + 0.1 (sensitivity - specificity)
    (Garcia, Mollineda and Sanchez 2009, IbPRIA). None where a class has no row. They are those of
    ``imblearn.metrics``, which takes seconds for each over a million rows and, given counts as
    sample weights, gets the specificity wrong.
    """
    known = scored.target >= 0
    target, above = scored.target[known] == 1, scored.probability[known] >= threshold
    sensitivity = ratio(_count(target & above), _count(target))
    specificity = ratio(_count(~target & ~above), _count(~target))
    mean = balance = None
    if sensitivity is not None and specificity is not None:
        mean = (sensitivity * specificity) ** 0.5
        balance = (1 + _DOMINANCE * (sensitivity - specificity)) * mean**2
    return {
        "sensitivity": sensitivity,
        "specificity": specificity,
        "geometric_mean": mean,
        "index_balanced_accuracy": balance,
    }


def rate_factors(clock: Clock, assets: int) -> dict[str, float]:
    """Name of each rate -> what (false alarms / scored rows) is multiplied by.

    A scored row stands for one nominal interval of one asset. Per day means the whole fleet:
    the days of `assets` assets running side by side. Where time is an age, the only rate is per
    1,000 cycles of an asset.
    """
    days = clock.days(clock.interval)
    if days is None:
        return {"false_alarms_per_1000_cycles": 1000.0 / clock.interval}
    return {"false_alarms_per_day": assets / days, "false_alarms_per_asset_day": 1.0 / days}


def rates(false_alarms: float, rows: int, assets: int, clock: Clock) -> Metrics:
    """False alarms per time; on an age clock the per-day names are there and None."""
    out: Metrics = {"false_alarms_per_day": None, "false_alarms_per_asset_day": None}
    for name, factor in rate_factors(clock, assets).items():
        share = ratio(false_alarms, rows)
        out[name] = None if share is None else share * factor
    return out


def alarm_metrics(
    scored: Scored, judged: Judged, counted: Bool, clock: Clock, threshold: float
) -> Metrics:
    """Events and alarms, counted as defined; precision is caught / (caught + false)."""
    events, caught = int(counted.sum()), int(judged.caught.sum())
    false = judged.count(Judgement.FALSE)
    return {
        "events": events,
        "caught": caught,
        "event_recall": ratio(caught, events),
        "unforeseeable_events": int(np.count_nonzero(counted & ~judged.foreseeable)),
        "alarms": len(judged.row),
        "false_alarms": false,
        "late_alarms": judged.count(Judgement.LATE),
        "repeated_alarms": judged.count(Judgement.REPEAT),
        "boundary_alarms": judged.count(Judgement.BOUNDARY),
        "alarm_precision": ratio(caught, caught + false),
        "false_alarms_per_event": ratio(false, events),
        **rates(false, len(scored), scored.assets_seen(), clock),
        **lead_times(judged.lead_time[judged.caught], clock),
        "time_above_threshold": ratio(_count(scored.probability >= threshold), len(scored)),
    }


def lead_times(ticks: Int64, clock: Clock) -> Metrics:
    """Median and 10th percentile of the lead times of caught events."""
    values: Metrics = {"median": None, "p10": None}
    if len(ticks):
        values = {"median": float(np.median(ticks)), "p10": float(np.quantile(ticks, 0.1))}
    out: Metrics = {}
    for name, value in values.items():
        out[f"lead_time_{name}_min"] = None if value is None else clock.minutes(value)
        if clock.kind == "age":
            out[f"lead_time_{name}_cycles"] = value
    return out


def reliability(scored: Scored) -> list[dict[str, Any]]:
    """Mean probability against observed share, in bins of about equally many labelled rows.

    Equal probabilities share a bin, so there may be fewer than ten.
    """
    known = scored.target >= 0
    probability, positive = scored.probability[known], scored.target[known] == 1
    if not len(probability):
        return []
    inner = np.quantile(probability, np.arange(1, _RELIABILITY_BINS) / _RELIABILITY_BINS)
    place = np.searchsorted(np.unique(inner), probability, side="right")
    bins = []
    for index in np.unique(place):
        inside = place == index
        bins.append(
            {
                "rows": int(inside.sum()),
                "positives": int(positive[inside].sum()),
                "low": float(probability[inside].min()),
                "high": float(probability[inside].max()),
                "mean_probability": float(probability[inside].mean()),
                "observed": float(positive[inside].mean()),
            }
        )
    return bins


def pr_points(scored: Scored) -> list[dict[str, float]]:
    """The row precision-recall curve from high thresholds to low, thinned for plotting."""
    known = scored.target >= 0
    probability, positive = scored.probability[known], scored.target[known] == 1
    total = int(positive.sum())
    if not total:
        return []
    order = np.argsort(-probability, kind="stable")
    falling = probability[order]
    hits = np.cumsum(positive[order])
    last = np.flatnonzero(np.append(falling[1:] != falling[:-1], True))
    if len(last) > _CURVE_POINTS:
        # Even steps in recall and in the logarithm of the rank keep both ends of the curve.
        by_rank = np.geomspace(1, len(last), _CURVE_POINTS // 2).astype(int) - 1
        by_recall = np.searchsorted(hits[last], np.linspace(1, total, _CURVE_POINTS // 2))
        last = last[np.unique(np.concatenate([by_rank, by_recall]))]
    return [
        {
            "threshold": float(falling[i]),
            "precision": float(hits[i] / (i + 1)),
            "recall": float(hits[i] / total),
        }
        for i in last.tolist()
    ]


def per_asset_table(
    scored: Scored,
    judged: Judged,
    counted: Bool,
    event_asset: np.ndarray,
    assets: tuple[str, ...],
    clock: Clock,
) -> list[dict[str, Any]]:
    """One line per asset that has a scored row or a counted event here.

    Parameters
    ----------
    event_asset : int32 [k], the asset of every event
    """
    size = len(assets)
    alarm_asset = scored.asset[judged.row]
    false = judged.judgement == Judgement.FALSE
    columns = {
        "rows": np.bincount(scored.asset, minlength=size),
        "events": np.bincount(event_asset[counted], minlength=size),
        "caught": np.bincount(event_asset[judged.caught], minlength=size),
        "alarms": np.bincount(alarm_asset, minlength=size),
        "false_alarms": np.bincount(alarm_asset[false], minlength=size),
    }
    lines = []
    for code in np.flatnonzero(columns["rows"] + columns["events"]).tolist():
        counts = {name: int(column[code]) for name, column in columns.items()}
        lines.append(
            {
                "asset": assets[code],
                **counts,
                "event_recall": ratio(counts["caught"], counts["events"]),
                **rates(counts["false_alarms"], counts["rows"], 1, clock),
            }
        )
    return lines
