"""Where the fit of a member starts: what the recurrence reads, and the linear part beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rareevent.config import ModelStage
from rareevent.errors import TrainingError
from rareevent.ingestion.frame import Bool, Float32, Int8
from rareevent.windowing.screen import events_among, screen_channels
from rareevent.windowing.temporalize import Windows

# 1 / C of the logistic regression when each positive window weighs 1, as in the baseline.
_LOGISTIC_C = 0.01
# Evenly spaced negatives beyond these change the linear part less than the penalty does.
_MOST_NEGATIVES = 40_000


@dataclass(frozen=True)
class Start:
    """What all members of an ensemble have in common before they differ by their seeds.

    Attributes
    ----------
    events : int, that the windows teach
    reads : bool [c], channels that the recurrence reads
    skip : float32 [c, H], the last row's share of the logits, or None where it is to be learned
    bias : float32 [H], of the same regression, or None
    """

    events: int
    reads: Bool
    skip: Float32 | None
    bias: Float32 | None


def find_start(windows: Windows, targets: Int8, model: ModelStage) -> Start:
    """Learn from the windows that teach, and from nothing else, where a fit starts.

    Parameters
    ----------
    windows : Windows, m of them
    targets : int8 [m, heads], 1, 0, or -1 for no label; screening goes by head 0
    model : ModelStage, its `screen`, `events_per_channel`, `skip` and `skip_start`

    Raises
    ------
    TrainingError
        When values are not finite.
    """
    events = events_among(windows, targets[:, 0])
    skip, bias = None, None
    if model.skip and model.skip_start == "logistic":
        kernels, biases = zip(*(_logistic(windows, target) for target in targets.T), strict=True)
        skip, bias = np.stack(kernels, axis=1), np.array(biases, np.float32)
    reads = np.ones(windows.rows.shape[1], bool)
    if model.screen is not None:
        most = max(2, events // model.events_per_channel)
        reads = screen_channels(windows, targets[:, 0], model.screen, most)
    return Start(events, reads, skip, bias)


def _logistic(windows: Windows, target: Int8) -> tuple[Float32, float]:
    """Weights float32 [c] of the last row and the bias, both classes weighing the same in all."""
    hits, misses = np.flatnonzero(target == 1), np.flatnonzero(target == 0)
    channels = windows.rows.shape[1]
    if not len(hits) or not len(misses):
        return np.zeros(channels, np.float32), 0.0
    from sklearn.linear_model import LogisticRegression

    misses = misses[:: -(-len(misses) // _MOST_NEGATIVES)]
    chosen = np.concatenate([hits, misses])
    positive = np.arange(len(chosen)) < len(hits)
    # Newton's method is exact and fast until the square of the channels outgrows the rows.
    solver = "newton-cholesky" if channels <= 2_000 else "lbfgs"
    regression = LogisticRegression(C=_LOGISTIC_C, solver=solver, max_iter=1_000)
    weight = np.where(positive, 1.0, len(hits) / len(misses))
    rows = windows.rows[windows.ends[chosen]]
    if odd := int(np.sum(~np.isfinite(rows))):
        raise TrainingError(
            f"{odd} values of the channels are not finite, of {rows.size} in the last rows of the"
            " windows to train on: check the inputs"
        )
    regression.fit(rows, positive, sample_weight=weight)
    return regression.coef_[0].astype(np.float32), float(regression.intercept_[0])
