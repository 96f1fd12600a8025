"""The weights of a blend, from log-odds that its members gave rows they had not learned from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rareevent.ingestion.frame import Bool, Float64, Int8

# What the prior for equal weights is worth. With a dozen events the weights stay near equal; with
# a hundred, one member that is far better takes most. Chosen between 3 and 30 on simulated fleets
# and the first half of the sheet-break rows, where it hardly matters: docs/blend.md.
PRIOR_EVENTS = 5.0
# Evenly spaced negatives beyond these change the weights less than the prior does; leaving
# negatives out moves the intercept and nothing else (Prentice and Pyke 1979, Biometrika 66).
_MOST_NEGATIVES = 100_000


def fit_weights(
    logits: Mapping[str, Float64], target: Int8, events: int, prior: float = PRIOR_EVENTS
) -> dict[str, float]:
    """Weights of at least 0 that add up to 1, drawn toward equal ones where events are few.

    With m_i the weighted sum of the members' log-odds for row i, they maximise

        Σ_i log p(target_i | slope · m_i + intercept) / r + prior · mean_k log w_k

    over weights, slope and intercept; r is the number of positive rows per event, because rows of
    one event say nearly the same: each event counts once. The second term is the logarithm of a
    Dirichlet density around equal weights (up to a constant). It stays as it is while the first
    grows with the events, so few of them leave the weights nearly equal and many decide; it keeps
    every weight above 0. The log-odds are taken as they are, not standardised: how far apart a
    member sets the rows says how sure it is.

    Parameters
    ----------
    logits : member -> float64 [m], log-odds, class weights and sampling taken off
    target : int8 [m], 1 or 0; rows with -1 are left out
    events : int, that the positive rows belong to
    prior : events that the prior is worth

    Returns
    -------
    dict, member -> weight; equal ones where a class has no row
    """
    names, known = list(logits), target >= 0
    scores = np.stack([logits[name][known] for name in names], axis=1)
    positive = target[known] == 1
    if not len(names) > 1 or not 0 < positive.sum() < len(positive):
        return dict.fromkeys(names, 1 / len(names))
    kept, share = _thinned(positive), max(events, 1) / positive.sum()
    weights = _maximise(scores[kept] - scores.mean(axis=0), positive[kept], share, prior)
    return dict(zip(names, weights.tolist(), strict=True))


def _thinned(positive: Bool) -> Bool:
    """Rows to fit on, bool [m]: every positive and evenly spaced negatives."""
    negative, kept = np.flatnonzero(~positive), positive.copy()
    kept[negative[:: -(-len(negative) // _MOST_NEGATIVES)]] = True
    return kept


def _maximise(scores: Float64, positive: Bool, share: float, prior: float) -> Float64:
    """The weights, float64 [k]: quasi-Newton over their logarithms, log slope and intercept.

    Parameters
    ----------
    share : of an event, that a row counts for
    """
    from scipy.optimize import minimize

    size = scores.shape[1]

    def loss(at: Float64) -> tuple[float, Float64]:
        weights, slope, intercept = _softmax(at[:size]), np.exp(at[size]), at[size + 1]
        mean = scores @ weights
        logit = slope * mean + intercept
        value = share * float(np.sum(np.logaddexp(0.0, logit) - positive * logit))
        residual = share * (0.5 * np.tanh(0.5 * logit) + 0.5 - positive)
        by_weight = slope * (residual @ scores)
        by_log_weight = weights * (by_weight - weights @ by_weight) - prior * (1 / size - weights)
        by_slope = slope * float(residual @ mean)
        gradient = np.concatenate([by_log_weight, [by_slope, residual.sum()]])
        return value - prior * float(np.mean(np.log(weights))), gradient

    rate = float(positive.mean())
    start = np.concatenate([np.zeros(size + 1), [np.log(rate / (1 - rate))]])
    return _softmax(minimize(loss, start, jac=True, method="BFGS").x[:size])


def _softmax(at: Float64) -> Float64:
    # A weight of exactly 0 would have no logarithm.
    raised = np.exp(np.maximum(at - at.max(), -500.0))
    shares: Float64 = raised / raised.sum()
    return shares
