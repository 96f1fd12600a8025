"""Is there any skill at all? Scores against events whose times were shifted in a circle.

The scores stay as they are, nothing is learned again. What is asked is how well they rank the
rows before the events, and how well they would have ranked as many rows elsewhere: the events of
each part are moved on together, by the same random number of steps, and what leaves the part at
its end comes in at its start. That keeps what makes neighbouring rows alike, in the scores as in
the events, where shuffling rows would not (for the idea: Bullmore et al. 1996, Magnetic Resonance
in Medicine 35; Theiler et al. 1992, Physica D 58, on surrogate data).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rareevent.evaluation.scored import Scored
from rareevent.ingestion.frame import Bool, Clock, Float64, Int32, Int64

ALPHA = 0.01
# Together with the events as they are, 10,000 arrangements: p can fall to 0.0001.
SHIFTS = 9_999
# Cells that a part is laid out in; more rows than that share cells. Bounds time and memory.
_MOST_CELLS = 1 << 22
# A common clock is kept where its grid of assets and times is not mostly empty.
_MOST_CELLS_PER_ROW = 4
# A shift that takes more than half of the positive rows to where nothing was scored says little.
_LEAST_LANDED = 0.5
# Sums by Fourier transform are exact to about 1e-12.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class FitScores:
    """Rows that were scored by models of one fit, none of which had seen them.

    Attributes
    ----------
    asset : int32 [n]; rows are sorted by (asset, time)
    time : int64 [n], ticks
    positive : bool [n], rows with an event within the horizon
    score : model name -> float [n], any increasing function of its score
    """

    asset: Int32
    time: Int64
    positive: Bool
    score: Mapping[str, Float64]

    @classmethod
    def of(cls, scored: Mapping[str, Scored]) -> FitScores:
        """The same rows as several models scored them."""
        rows = next(iter(scored.values()))
        scores = {name: one.probability for name, one in scored.items()}
        return cls(rows.asset, rows.time, rows.target == 1, scores)

    def take(self, which: Bool) -> FitScores:
        """Some of the rows."""
        scores = {name: score[which] for name, score in self.score.items()}
        return FitScores(self.asset[which], self.time[which], self.positive[which], scores)


@dataclass(frozen=True)
class Skill:
    """Whether the best of several models ranks the rows before events higher than chance would.

    Attributes
    ----------
    p_value : share of the arrangements (the shifts, and the events as they are) in which some
        model stands out at least as far as the best one does; None where no row is positive
    statistic : how far the best model stands out, in standard deviations over the shifts
    best_model : its name
    by_model : model name -> the same for each model; the mean normal score of positive rows,
        ranked within each fit
    shifts : int, how many were looked at
    alpha : float, the p-value at which skill is believed
    """

    p_value: float | None
    statistic: float | None
    best_model: str | None
    by_model: Mapping[str, float]
    shifts: int = SHIFTS
    alpha: float = ALPHA

    @property
    def has_skill(self) -> bool:
        """Whether chance is ruled out at `alpha`."""
        return self.p_value is not None and self.p_value <= self.alpha

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**vars(self), "by_model": dict(self.by_model), "has_skill": self.has_skill}


def find_skill(
    fits: Sequence[FitScores], clock: Clock, *, seed: int, shifts: int = SHIFTS
) -> Skill:
    """Test the best of several models against circular shifts of the events.

    Every fit's part is shifted by its own draw, the same for all models, and the largest of the
    models' standardised figures is compared with the largest under each shift: looking at many
    models costs what it should (Westfall and Young 1993, Resampling-Based Multiple Testing).
    Short shifts are drawn too. They resemble the events as they are, which makes the test a
    little cautious; leaving them out would make it find skill in long-lived chance.

    Parameters
    ----------
    fits : parts that were scored by different fits; a model may be absent from some
    clock : says whether assets share a clock
    seed : of the shifts
    shifts : how many are drawn
    """
    rng = np.random.default_rng(seed)
    sums: dict[str, Float64] = {}
    landed: dict[str, Float64] = {}
    for fit in fits:
        if not fit.positive.any():
            continue
        here, hits = _under_shifts(fit, clock, shifts, rng)
        for name, values in here.items():
            sums[name] = sums.get(name, 0.0) + values
            landed[name] = landed.get(name, 0.0) + hits
    if not sums:
        return Skill(None, None, None, {}, shifts)
    kept = np.all([landed[n] >= _LEAST_LANDED * landed[n][0] for n in sums], axis=0)
    figures = {n: _standardised(sums[n][kept] / landed[n][kept]) for n in sums}
    highest = np.max(list(figures.values()), axis=0)
    found = {name: float(values[0]) for name, values in figures.items()}
    best = max(found, key=found.__getitem__)
    p_value = float(np.mean(highest >= highest[0] - _ROUNDING))
    return Skill(p_value, found[best], best, found, len(highest) - 1)


def _standardised(values: Float64) -> Float64:
    """Distances from the mean in standard deviations; 0 where nothing varies."""
    spread = values.std()
    return (values - values.mean()) / spread if spread > _ROUNDING else np.zeros_like(values)


def _under_shifts(
    fit: FitScores, clock: Clock, shifts: int, rng: np.random.Generator
) -> tuple[dict[str, Float64], Float64]:
    """Sums of normal scores over positive rows, as they are and under each shift.

    Returns
    -------
    sums : model name -> float64 [1 + shifts]
    landed : float64 [1 + shifts], positive rows that lie where there are scores
    """
    from scipy.fft import irfft, next_fast_len, rfft

    cell, cells = _cells(fit, clock)
    size = next_fast_len(cells, real=True)
    lag = np.concatenate([[0], rng.integers(0, size, shifts)])
    rows = np.bincount(cell, minlength=size).astype(np.float64)
    events = np.conj(rfft(np.bincount(cell[fit.positive], minlength=size).astype(np.float64)))
    landed = np.rint(irfft(events * rfft((rows > 0).astype(np.float64)), size)[lag])
    sums = {}
    for name, score in fit.score.items():
        total = np.bincount(cell, normal_scores(score), minlength=size)
        sums[name] = irfft(events * rfft(total / np.maximum(rows, 1.0)), size)[lag]
    return sums, landed


def _cells(fit: FitScores, clock: Clock) -> tuple[Int64, int]:
    """The circle's cell of every row, int64 [n] ascending, and how many cells there are.

    One asset after the other, row by row. Where several assets share a clock each gets a stretch
    of equal length, so that a shift moves all of them by the same time (modulo that length), and
    what happens to the whole fleet at once stays together.
    """
    rows = len(fit.time)
    cell, cells = np.arange(rows), rows
    code = np.cumsum(np.diff(fit.asset, prepend=fit.asset[:1]) != 0)
    assets = int(code[-1]) + 1
    if clock.kind == "datetime" and assets > 1:
        step = (fit.time - fit.time.min()) // clock.interval
        length = int(step.max()) + 1
        if length <= _MOST_CELLS_PER_ROW * rows // assets:
            cell, cells = code * length + step, assets * length
    width = -(-cells // _MOST_CELLS)
    return cell // width, -(-cells // width)


def normal_scores(score: Float64) -> Float64:
    """Ranks mapped to a normal distribution of mean 0 and deviation 1, float64 [n].

    Equal scores share a rank; where all are equal, all are 0.

    Examples
    --------
    >>> normal_scores(np.array([0.2, 0.9, 0.5])).round(3).tolist()
    [-1.225, 1.225, 0.0]
    """
    from scipy.special import ndtri
    from scipy.stats import rankdata

    normal = ndtri(rankdata(score) / (len(score) + 1))
    return _standardised(normal)
