"""What is chosen on forward out-of-fold scores: weights of a blend, calibration, alarm policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rareevent.alarms.calibration import Calibration, fit_calibration
from rareevent.alarms.policy import AlarmPolicy, raise_alarms
from rareevent.config import BlendWeights
from rareevent.evaluation.blend_weights import fit_weights
from rareevent.evaluation.objectives import FittedPolicy, fit_policy
from rareevent.evaluation.scored import Scored
from rareevent.ingestion.frame import Bool, Float64, Int64
from rareevent.jobs.prepare import Prepared
from rareevent.windowing.split import EventPart


@dataclass(frozen=True)
class Chosen:
    """What was chosen for one model on forward out-of-fold scores.

    Attributes
    ----------
    calibration, fitted : from logit to probability, and the alarm policy fitted on those
    scored : the validation rows with their calibrated scores and the policy's alarms
    """

    calibration: Calibration
    fitted: FittedPolicy
    scored: Scored

    @property
    def policy(self) -> AlarmPolicy:
        """The alarm policy."""
        return self.fitted.policy


def choose_weights(
    prepared: Prepared, row: Int64, logits: Mapping[str, Float64]
) -> dict[str, float]:
    """Weights of a blend's members, which add up to 1, as `model.blend` says.

    Parameters
    ----------
    row : int64 [m], ascending
    logits : member -> float64 [m], by fits that learned from earlier rows only; of given weights,
        those of the members named here are used
    """
    rule, names = prepared.config.model.blend, list(logits)
    if isinstance(rule, BlendWeights):
        given = {name: getattr(rule, name) for name in names}
        return {name: weight / sum(given.values()) for name, weight in given.items()}
    if rule == "equal":
        return dict.fromkeys(names, 1 / len(names))
    target = prepared.labels.target[row]
    events = len(np.unique(prepared.labels.event[row[target == 1]]))
    return fit_weights(logits, target, events)


def choose(prepared: Prepared, row: Int64, logit: Float64) -> Chosen:
    """Calibrate, and fit the alarm policy, on forward scores of some rows.

    Parameters
    ----------
    row : int64 [m], ascending
    logit : float64 [m], by models that learned from earlier rows only
    """
    target = prepared.labels.target[row]
    calibration = fit_calibration(logit, target)
    scored = as_scored(prepared, row, calibration.apply(logit))
    counted = choosing_events(prepared)
    fitted = fit_policy(
        scored,
        counted,
        prepared.frame.clock,
        prepared.config.alarm,
        horizon=prepared.labels.horizon,
    )
    return Chosen(calibration, fitted, with_alarms(scored, fitted.policy))


def choosing_events(prepared: Prepared) -> Bool:
    """Events that the alarm policy is fitted on, bool [k]."""
    counted, _ = events_of(prepared, EventPart.VALIDATION, choosing_rows(prepared))
    return counted


def choosing_rows(prepared: Prepared) -> Bool:
    """Rows whose forward scores are chosen by, bool [n]."""
    return prepared.split.choosing_rows() & prepared.in_segment


def events_of(prepared: Prepared, part: EventPart, rows: Bool) -> tuple[Bool, Bool]:
    """Events counted in a part, and those with a positive row in it that it holds only partly.

    The leaky random split tears every event apart; there, those with a row in the part count.
    """
    here = _with_positive_row(prepared, rows)
    if prepared.split.strategy == "random_leaky":
        return here, np.zeros(len(here), bool)
    counted = prepared.event_part == part
    if part == EventPart.VALIDATION:
        # An event whose rows the purge took away cannot be caught there.
        counted &= ~_with_positive_row(prepared, prepared.split.purged(prepared.split.test))
    return counted, here & ~counted


def _with_positive_row(prepared: Prepared, rows: Bool) -> Bool:
    """Events that have a positive row among some rows, bool [k]."""
    labels = prepared.labels
    here = np.zeros(len(prepared.event_part), bool)
    here[labels.event[rows & (labels.target == 1)]] = True
    return here


def as_scored(prepared: Prepared, row: Int64, probability: Float64) -> Scored:
    """Rows with probabilities, as yet without alarms."""
    segment = prepared.frame.segments.of_row[row]
    silent = np.zeros(len(row), bool)
    return Scored.of_rows(prepared.frame, prepared.labels, row, segment, probability, silent)


def with_alarms(scored: Scored, policy: AlarmPolicy) -> Scored:
    """The same rows with the alarms that a policy raises on them."""
    alarm = raise_alarms(policy, scored.time, scored.segment, scored.probability)
    return scored.with_scores(scored.probability, alarm)
