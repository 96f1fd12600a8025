"""Evidence for one score: which sensors and which rows raised it, in log-odds and probability.

Two questions are asked. *Credit*: how the log-odds divide among sensors and rows, compared with a
quiet window (`rareevent.scoring.credits`); credits add up. *Without it*: what the probability
would be with one sensor's channels at their training median in the whole window, or with all
channels so from a row on (occlusion); where sensors act together, these do not add up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rareevent.bundle import Bundle
from rareevent.errors import DataError
from rareevent.ingestion.frame import Bool, Float32, Float64, Int64
from rareevent.scoring.attribution import attribution_of
from rareevent.scoring.engine import mean_logit
from rareevent.windowing.temporalize import Windows

# Elements of windows that are asked about at once: 64 MB of float32.
_ELEMENTS = 1 << 24


@dataclass(frozen=True)
class Evidence:
    """What raised or lowered one score.

    Attributes
    ----------
    owners : k names: sensors, categorical columns and, with surprise, "(all)"
    owner : int64 [c], the owner of each channel
    row : int64 [r], the window's distinct rows, ascending
    logit, quiet_logit : of the window, and of the one with the median row at every step
    probability, quiet_probability : the same, calibrated
    credit : float64 [k], log-odds that each owner adds
    row_credit : float64 [r], log-odds that each row adds; a row that stands for missing history
        as well has the sum
    channel_credit, cells : float64 [c] and [k, r], the same by channel, and by owner and row, of
        all members of the score but the trees, whose credits belong to neither
    without : float64 [k], probability with the owner's channels at their median
    without_from : float64 [r], probability with all channels at their median from the row on
    farthest, farthest_row : float32 [c] and int64 [c], each channel's scaled value where it is
        farthest from its median, and the place of that row in `row`
    """

    owners: tuple[str, ...]
    owner: Int64
    row: Int64
    logit: float
    quiet_logit: float
    probability: float
    quiet_probability: float
    credit: Float64
    row_credit: Float64
    channel_credit: Float64
    cells: Float64
    without: Float64
    without_from: Float64
    farthest: Float32
    farthest_row: Int64

    @property
    def order(self) -> Int64:
        """Owners by credit, the largest first."""
        return np.argsort(-self.credit, kind="stable")


def find_evidence(bundle: Bundle, windows: Windows) -> Evidence:
    """Evidence for the score of one window.

    Parameters
    ----------
    bundle : Bundle
    windows : Windows over the encoder's rows, of which there is one

    Raises
    ------
    DataError
        When there are more or fewer, or its score is not a number.
    """
    if len(windows) != 1:
        raise DataError(f"evidence is found for one window at a time; received {len(windows)}")
    given = attribution_of(bundle)
    names, owner, quiet = given.names, given.owner, given.quiet
    window = windows.gather()[0]
    logits = _logits(bundle, np.stack([window, np.broadcast_to(quiet, window.shape)]))
    if not np.isfinite(logits).all():
        raise DataError("the window's score is not a number; there is nothing to explain")
    smooth, by_owner, by_step = (
        given.by_channel(window[None])[0],
        given.of_trees(window),
        given.steps(window),
    )
    row, step, place = np.unique(windows.index()[0], return_index=True, return_inverse=True)
    # A repeated row's first step stands for it: from there on it is quiet.
    cells = _summed(_summed(smooth, owner, len(names), axis=1), place, len(row), axis=0).T
    sensor_quiet = owner == np.arange(len(names))[:, None]
    later_quiet = np.arange(len(window)) >= step[:, None]
    far = np.abs(window - quiet).argmax(axis=0)
    probability, quiet_probability = bundle.calibration.apply(logits)
    return Evidence(
        owners=names,
        owner=owner,
        row=row,
        logit=float(logits[0]),
        quiet_logit=float(logits[1]),
        probability=float(probability),
        quiet_probability=float(quiet_probability),
        credit=cells.sum(axis=1) + by_owner,
        row_credit=cells.sum(axis=0) + np.bincount(place, by_step, len(row)),
        channel_credit=smooth.sum(axis=0),
        cells=cells,
        without=_occluded(bundle, window, quiet, sensor_quiet[:, None, :]),
        without_from=_occluded(bundle, window, quiet, later_quiet[:, :, None]),
        farthest=window[far, np.arange(window.shape[1])],
        farthest_row=place[far],
    )


def _summed(values: Float64, group: Int64, groups: int, axis: int) -> Float64:
    """Values of one group added up along an axis."""
    shape = list(values.shape)
    shape[axis] = groups
    out = np.zeros(shape)
    np.add.at(np.moveaxis(out, axis, 0), group, np.moveaxis(values, axis, 0))
    return out


def _occluded(bundle: Bundle, window: Float32, quiet: Float32, is_quiet: Bool) -> Float64:
    """Probabilities [k] with parts of the window quiet, bool [k, lookback or 1, c or 1]."""
    step, found = max(1, _ELEMENTS // window.size), []
    for low in range(0, len(is_quiet), step):
        values = np.where(is_quiet[low : low + step], quiet, window)
        found.append(bundle.calibration.apply(_logits(bundle, values)))
    return np.concatenate(found)


def _logits(bundle: Bundle, values: Float32) -> Float64:
    """The score of windows given by value, float32 [k, lookback, c], as log-odds float64 [k]."""
    count, lookback, channels = values.shape
    starts = np.arange(count) * lookback
    rows = values.reshape(-1, channels)
    return mean_logit(bundle, Windows(rows, starts, starts + lookback - 1, lookback))
