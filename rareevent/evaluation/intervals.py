"""How sure the figures are: intervals from resampled assets or stretches of time.

An interval reaches Student's t times the bootstrap standard error to both sides of the figure
(Hesterberg 2015, The American Statistician 69, section 5.2; Efron and Tibshirani 1993, An
Introduction to the Bootstrap, chapter 12). Percentiles of the draws were too narrow with a dozen
blocks: rates of few alarms are skewed, and the draws know nothing of that beyond the sample. So
shares are taken on the scale of log-odds and rates on that of logarithms, where both are nearly
symmetric and no interval leaves the possible. `tests/evaluation/test_coverage.py` measures how
often the intervals hold the truth.
"""

from __future__ import annotations

import numpy as np

from rareevent.evaluation.blocks import Blocks, draw_weights
from rareevent.evaluation.bootstrap import Ratio, Tally, block_sums, figures, point, ratios
from rareevent.ingestion.frame import Float64

# Draws without a value (no positive row, no event) up to this share are left out; beyond it
# there is no interval.
_MOST_UNDEFINED = 0.05
# Added to both counts of a ratio, so that draws without a single one still have a logarithm
# (Haldane 1956, Annals of Human Genetics 20; Anscombe 1956, Biometrika 43).
_HALF = 0.5
# At the difference that was seen a score test has nothing to ask; it is searched from beside it.
_NEXT_TO = 1e-9

Interval = tuple[float, float] | None


def intervals(
    tally: Tally, blocks: Blocks, *, draws: int, confidence: float, seed: int
) -> dict[str, Interval]:
    """An interval per metric; None throughout with fewer than ten blocks or without draws.

    None also for a metric that is undefined, or would be in more than one draw of twenty.
    """
    at = point(tally)
    found: dict[str, Interval] = dict.fromkeys(at)
    if not draws or not blocks.enough():
        return found
    weights = draw_weights(blocks, draws, seed)
    counts, positives = ratios(tally), float(tally.positives.sum())
    for name, drawn in figures(tally, weights).items():
        if np.isnan(at[name]) or not _mostly_defined(drawn):
            continue
        if name in counts:
            found[name] = ratio_interval(counts[name], weights, confidence)
        else:
            found[name] = share_interval(at[name], drawn, positives, blocks.count, confidence)
    return found


def ratio_interval(ratio: Ratio, weights: np.ndarray, confidence: float) -> tuple[float, float]:
    """Interval of a quotient of two counts, from its logarithm with half a count on both sides.

    Where one of the two is zero every draw repeats it and the bootstrap knows no doubt. Then the
    exact binomial interval is given, which for a rate is the ratio of two Poisson means given
    their total (Przyborowski and Wilenski 1940, Biometrika 31).

    Parameters
    ----------
    ratio : Ratio; its two sums are not both zero
    weights : [draws, blocks], how often each block is taken
    """
    above, below = float(ratio.above.sum()), float(ratio.below.sum())
    if not above or not below:
        least, most = _binomial(above, above + below, confidence)
        return float(ratio.of(least, 1 - least)), float(ratio.of(most, 1 - most))
    drawn_above, drawn_below = block_sums(weights, ratio.above, ratio.below)
    drawn = np.log((drawn_above + _HALF) / (drawn_below + _HALF))
    middle = np.log((above + _HALF) / (below + _HALF))
    reach = _reach(drawn, len(ratio.above), confidence)
    low, high = (float(ratio.of(np.exp(middle + side * reach), 1.0)) for side in (-1, 1))
    found = float(ratio.of(above, below))
    return min(low, found), max(high, found)


def share_interval(
    value: float, drawn: Float64, positives: float, blocks: int, confidence: float
) -> Interval:
    """Interval of an area or a score between 0 and 1, from its log-odds; None at 0 and at 1.

    Parameters
    ----------
    value : the figure on the data as they are
    drawn : float64 [draws], NaN where undefined
    positives : positive rows; draws that come nearer to 0 or 1 than half of one are held there
    """
    edge = min(_HALF / (positives + 1), value / 2, (1 - value) / 2)
    if edge <= 0:
        return None
    known = np.clip(drawn[np.isfinite(drawn)], edge, 1 - edge)
    reach = _reach(np.log(known / (1 - known)), blocks, confidence)
    odds = value / (1 - value) * np.exp([-reach, reach])
    low, high = odds / (1 + odds)
    return float(low), float(high)


def difference_interval(value: float, drawn: Float64, blocks: int, confidence: float) -> Interval:
    """Interval of the difference between two models, on its own scale.

    Parameters
    ----------
    value : the difference on the data as they are; NaN where undefined
    drawn : float64 [draws], of the same resamples for both models; NaN where undefined

    Returns
    -------
    low, high; None where the difference is undefined, or in more than one draw of twenty
    """
    if np.isnan(value) or not _mostly_defined(drawn):
        return None
    reach = _reach(drawn[np.isfinite(drawn)], blocks, confidence)
    return float(value - reach), float(value + reach)


def _mostly_defined(drawn: Float64) -> bool:
    return bool(np.isfinite(drawn).mean() >= 1 - _MOST_UNDEFINED)


def _reach(drawn: Float64, blocks: int, confidence: float) -> float:
    """Student's t times the standard error; n / (n - 1) as drawing from n blocks varies less."""
    from scipy.stats import t

    error = np.std(drawn) * np.sqrt(blocks / (blocks - 1))
    return float(t.ppf((1 + confidence) / 2, blocks - 1) * error)


def clopper_pearson(caught: float, events: float, confidence: float) -> Interval:
    """Exact binomial interval (Clopper and Pearson 1934, Biometrika 26); None without an event.

    Examples
    --------
    >>> low, high = clopper_pearson(0, 10, 0.95)
    >>> round(low, 3), round(high, 3)
    (0.0, 0.308)
    """
    return _binomial(caught, events, confidence) if events else None


def paired_shares_interval(
    only_ours: float, only_theirs: float, total: float, confidence: float
) -> tuple[float, float]:
    """Score interval of the difference between two shares of the same cases, ours less theirs.

    Tango 1998, Statistics in Medicine 17, 891-908: the differences that a score test does not
    refuse. Other than a bootstrap it knows of doubt where no case, or hardly one, tells the two
    apart.

    Parameters
    ----------
    only_ours, only_theirs : cases that are in one of the two shares alone
    total : all cases, at least one

    Examples
    --------
    >>> low, high = paired_shares_interval(1, 7, 21, 0.95)
    >>> round(low, 3), round(high, 3)
    (-0.517, -0.026)
    >>> low, high = paired_shares_interval(0, 0, 44, 0.95)
    >>> round(low, 3), round(high, 3)
    (-0.08, 0.08)
    """
    low = _lowest_not_refused(only_ours, only_theirs, total, confidence)
    return low, -_lowest_not_refused(only_theirs, only_ours, total, confidence)


def _lowest_not_refused(ours: float, theirs: float, total: float, confidence: float) -> float:
    from scipy.optimize import brentq
    from scipy.stats import norm

    z = float(norm.ppf((1 + confidence) / 2))

    def excess(difference: float) -> float:
        # The likeliest share of cases that are theirs alone, given the difference.
        b = (2 * total - ours + theirs) * difference - ours - theirs
        c = -theirs * difference * (1 - difference)
        alone = (np.sqrt(max(b * b - 8 * total * c, 0.0)) - b) / (4 * total)
        variance = total * (2 * alone + difference * (1 - difference))
        return float((ours - theirs - total * difference) ** 2 - z * z * variance)

    nearest = (ours - theirs) / total - _NEXT_TO
    return float(brentq(excess, -1.0, nearest)) if excess(-1.0) > 0 > excess(nearest) else -1.0


def _binomial(caught: float, events: float, confidence: float) -> tuple[float, float]:
    from scipy.stats import beta

    tail = (1 - confidence) / 2
    low = beta.ppf(tail, caught, events - caught + 1) if caught else 0.0
    high = beta.ppf(1 - tail, caught + 1, events - caught) if caught < events else 1.0
    return float(low), float(high)
