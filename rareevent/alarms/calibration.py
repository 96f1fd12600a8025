"""Calibration: from a logit to the probability that is written out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from rareevent.errors import ModelError
from rareevent.ingestion.frame import Float64, Int8

# Isotonic regression follows noise unless there is plenty to follow.
ISOTONIC_POSITIVE_ROWS = 500
# Each step of the isotonic curve stands on at least this many positive rows.
_POSITIVES_PER_STEP = 10
# This share of Platt keeps scores in order that the isotonic steps would tie, and keeps 0 and 1
# out of reach.
_PLATT_SHARE = 0.01
# Without skill the probability stays at the base rate; this little slope (per standard deviation
# of the logit) keeps the order of the scores.
_NO_SKILL_SLOPE = 1e-3
_NEWTON_STEPS = 100


def _no_knots() -> Float64:
    return np.zeros(0, np.float64)


@dataclass(frozen=True)
class Calibration:
    """A monotone map from logit to probability, held as plain numbers.

    With z = logit - shift: "identity" gives sigmoid(z), "platt" gives
    sigmoid(slope z + intercept), "isotonic" interpolates (knots, levels) at z, with a hundredth
    of Platt's probability mixed in.

    Attributes
    ----------
    kind : which of the three
    shift : float, log-odds that class weights and sampling added in training
    slope, intercept : float; slope > 0
    knots, levels : float64 [s], ascending logits and the probabilities there; empty unless
        isotonic
    note : what a reader should know about the fit; empty when there is nothing to say
    """

    kind: Literal["identity", "platt", "isotonic"] = "identity"
    shift: float = 0.0
    slope: float = 1.0
    intercept: float = 0.0
    knots: Float64 = field(default_factory=_no_knots)
    levels: Float64 = field(default_factory=_no_knots)
    note: str = ""

    def apply(self, logit: Float64) -> Float64:
        """Probability of an event within the horizon, float64 [n], for logits [n]."""
        z = np.asarray(logit, np.float64) - self.shift
        smooth = sigmoid(self.slope * z + self.intercept)
        if self.kind != "isotonic":
            return smooth
        steps = np.interp(z, self.knots, self.levels)
        return (1 - _PLATT_SHARE) * steps + _PLATT_SHARE * smooth

    def to_parts(self) -> tuple[dict[str, Any], dict[str, Float64]]:
        """Plain data and named arrays, as a bundle stores them."""
        plain = {
            "kind": self.kind,
            "shift": self.shift,
            "slope": self.slope,
            "intercept": self.intercept,
            "note": self.note,
        }
        return plain, {"knots": self.knots, "levels": self.levels}

    @classmethod
    def from_parts(cls, plain: Mapping[str, Any], arrays: Mapping[str, Float64]) -> Calibration:
        """The calibration that `to_parts` gave.

        Raises
        ------
        ModelError
            When the kind is unknown, or a part is missing.
        """
        try:
            kind = plain["kind"]
            if kind not in ("identity", "platt", "isotonic"):
                raise ModelError(
                    f"calibration: the kind must be identity, platt or isotonic; received {kind!r}"
                )
            numbers = {name: float(plain[name]) for name in ("shift", "slope", "intercept")}
            knots, levels = (np.asarray(arrays[name], np.float64) for name in ("knots", "levels"))
        except KeyError as error:
            raise ModelError(f"calibration: the part {error} is missing") from None
        return cls(kind, **numbers, knots=knots, levels=levels, note=str(plain.get("note", "")))


def sigmoid(x: Float64) -> Float64:
    """1 / (1 + exp(-x)) without overflow and exact in relative terms for small results."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, small) / (1.0 + small)


def prior_shift(
    positive_weight: float = 1.0,
    negative_weight: float = 1.0,
    positives_kept: float = 1.0,
    negatives_kept: float = 1.0,
) -> float:
    """Log-odds that class weights and sampling add to what a model learns.

    Weighting or sampling by class multiplies the odds of a positive by the same factor at every
    input (Saerens, Latinne and Decaestecker 2002, Neural Computation 14, section 2.2), so
    taking its logarithm off the logit restores the odds of the unweighted data.

    Parameters
    ----------
    positive_weight, negative_weight : class weights of the loss
    positives_kept, negatives_kept : share of each class that training saw; above 1 where a
        class was repeated

    Examples
    --------
    >>> round(prior_shift(negatives_kept=0.1), 3)
    2.303
    """
    odds = (positive_weight * positives_kept) / (negative_weight * negatives_kept)
    return float(np.log(odds))


def fit_calibration(logit: Float64, target: Int8, *, shift: float = 0.0) -> Calibration:
    """Correct by the prior shift, then Platt; isotonic above 500 positive rows.

    Parameters
    ----------
    logit : float [n], scores of rows the model was not trained on
    target : int8 [n], 1 or 0; rows with -1 are left out
    shift : float, see `prior_shift`

    Returns
    -------
    Calibration
        "identity" where one of the classes has no row; with the slope all but 0 where the
        scores do not rise with the events. Either says so in its note.
    """
    known = target >= 0
    z = np.asarray(logit, np.float64)[known] - shift
    positive = target[known] == 1
    hits = int(positive.sum())
    if hits in (0, len(z)):
        missing = "positive" if hits == 0 else "negative"
        note = f"no {missing} row to calibrate on: only the prior shift is corrected"
        return Calibration("identity", shift, note=note)
    slope, intercept, note = _fit_platt(z, positive)
    if hits <= ISOTONIC_POSITIVE_ROWS or note:
        return Calibration("platt", shift, slope, intercept, note=note)
    knots, levels = _fit_isotonic(z, positive)
    return Calibration("isotonic", shift, slope, intercept, knots, levels)


def _fit_platt(z: Float64, positive: np.ndarray) -> tuple[float, float, str]:
    """Slope, intercept and a note, by Platt's smoothed targets (1999, section 2.2)."""
    hits = int(positive.sum())
    misses = len(z) - hits
    target = np.where(positive, (hits + 1) / (hits + 2), 1 / (misses + 2))
    centre, spread = float(z.mean()), float(z.std()) or 1.0
    slope, intercept = _newton((z - centre) / spread, target)
    note = ""
    if slope <= _NO_SKILL_SLOPE:
        rate = float(target.mean())
        slope, intercept = _NO_SKILL_SLOPE, float(np.log(rate / (1 - rate)))
        note = (
            "the scores do not rise towards the events on the rows kept for calibration:"
            f" probabilities stay near the base rate {hits / len(z):.4g}"
        )
    return slope / spread, intercept - slope / spread * centre, note


def _newton(x: Float64, target: Float64) -> tuple[float, float]:
    """Slope and intercept of the logistic curve of least cross-entropy, by damped Newton.

    Step halving as in Lin, Lin and Weng (2007), Machine Learning 68, section 3.
    """
    design = np.stack([x, np.ones_like(x)])
    rate = target.mean()
    beta = np.array([0.0, np.log(rate / (1 - rate))])
    loss = _cross_entropy(beta @ design, target)
    for _ in range(_NEWTON_STEPS):
        p = sigmoid(beta @ design)
        gradient = design @ (p - target)
        hessian = (design * (p * (1 - p))) @ design.T + 1e-9 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while size > 1e-10 and _cross_entropy((beta - size * step) @ design, target) > loss:
            size /= 2
        beta = beta - size * step
        before, loss = loss, _cross_entropy(beta @ design, target)
        if before - loss < 1e-12 * len(x):
            break
    return float(beta[0]), float(beta[1])


def _cross_entropy(logit: Float64, target: Float64) -> float:
    return float(np.sum(np.logaddexp(0.0, logit) - target * logit))


def _fit_isotonic(z: Float64, positive: np.ndarray) -> tuple[Float64, Float64]:
    """Knots and levels of an isotonic fit whose steps hold ten positive rows or more."""
    from scipy.optimize import isotonic_regression

    value, of_row = np.unique(z, return_inverse=True)
    hits = np.bincount(of_row, positive)
    rows = np.bincount(of_row).astype(np.float64)
    group = ((np.cumsum(hits) - hits) // _POSITIVES_PER_STEP).astype(np.int64)
    group = np.unique(group, return_inverse=True)[1]
    weight = np.bincount(group, rows)
    # One row at the base rate is added to each group, so that no level is 0 or 1.
    level = (np.bincount(group, hits) + hits.sum() / rows.sum()) / (weight + 1)
    fit = isotonic_regression(level, weights=weight)
    first = fit.blocks[:-1]
    total = np.add.reduceat(weight, first)
    knots = np.add.reduceat(np.bincount(group, rows * value), first) / total
    return knots, fit.x[first]
