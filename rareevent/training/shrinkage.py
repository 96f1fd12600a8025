"""How strongly logistic regression is shrunk: more with many channels, and for long horizons.

Two things make many channels look informative by chance. Rows before one event resemble each
other, so k of them tell little more than one; and each channel that tells nothing adds its own
noise to the log-odds. So an event counts once, however many rows stand before it, and before any
data is seen the channels together may move its log-odds only so far, whether there are four of
them or four thousand.
"""

from __future__ import annotations

import numpy as np

from rareevent.errors import TrainingError
from rareevent.ingestion.frame import Bool, Float32, Float64, Int8
from rareevent.windowing.screen import events_among
from rareevent.windowing.temporalize import Windows

# Variance of an event's log-odds that the weights of all channels may add up to beforehand. Two is
# about what the first half of the sheet-break rows chose: C = 0.01 at 118 channels, two rows each.
PRIOR_VARIANCE = 2.0
# Newton's method is exact and takes a few steps, but each costs rows x channels squared.
_MOST_CHANNELS_BY_NEWTON = 500


def logistic_c(windows: Windows, target: Int8) -> float:
    """Inverse penalty C of a logistic regression whose positive windows weigh 1 each.

    C = 2 / (channels x positive windows per event): a normal prior of variance 2 / channels on
    every weight, and a log-likelihood in which an event's windows weigh 1 together. With many
    events the data outweigh it.

    Parameters
    ----------
    windows : Windows, m of them, of channels scaled to variance about 1
    target : int8 [m], 1 is positive

    Examples
    --------
    Two events with two positive windows each, one channel:

    >>> ends = np.array([2, 3, 7, 8])
    >>> windows = Windows(np.zeros((9, 1), np.float32), np.array([0, 0, 5, 5]), ends, lookback=2)
    >>> logistic_c(windows, np.array([1, 1, 1, 1], np.int8))
    1.0
    """
    per_event = int(np.sum(target == 1)) / max(events_among(windows, target), 1)
    channels: int = windows.rows.shape[1]
    return PRIOR_VARIANCE / (channels * max(per_event, 1.0))


def fit_logistic(rows: Float32, positive: Bool, weight: Float64, c: float) -> tuple[Float64, float]:
    """Logistic regression under the penalty 1 / c on the squared weights, halved.

    Parameters
    ----------
    rows : float32 [m, channels]
    positive : bool [m], both classes present
    weight : float64 [m], of the rows
    c : see `logistic_c`

    Returns
    -------
    weights float64 [channels], bias

    Raises
    ------
    TrainingError
        When no finite weights are found.
    """
    from sklearn.linear_model import LogisticRegression

    newton = rows.shape[1] <= _MOST_CHANNELS_BY_NEWTON
    solver = "newton-cholesky" if newton else "lbfgs"
    regression = LogisticRegression(C=c, solver=solver, max_iter=1_000)
    # Seen once: a product of finite numbers, with a finite result, that the
    # processor marks as invalid. Weights that are not finite are told below.
    with np.errstate(invalid="ignore"):
        regression.fit(rows, positive, sample_weight=weight)
    if not np.isfinite(regression.coef_).all():
        raise TrainingError(
            "the logistic regression found no finite weights; look for channels of extreme size"
            " with `rareevent check`"
        )
    return regression.coef_[0].astype(np.float64), float(regression.intercept_[0])
