"""Evidence for one score: which sensors and which rows raised it, in log-odds and probability.

Two questions are asked. *Credit*: how the log-odds divide among sensors and rows, compared with a
quiet window (`rareevent.scoring.credits`); credits add up. *Without it*: what the probability
would be with one sensor's channels at their training median in the whole window, or with all
channels so from a row on (occlusion); where sensors act together, these do not add up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rareevent.blend.blend import BOOSTING, LOGISTIC, LSTM
from rareevent.blend.linear import Linear
from rareevent.blend.trees import Trees
from rareevent.bundle import Bundle
from rareevent.errors import DataError
from rareevent.forecast.encoder import Encoder, SurpriseEncoder
from rareevent.ingestion.frame import Bool, Float32, Float64, Int64
from rareevent.scoring.credits import (
    linear_credits,
    lstm_credits,
    tree_sensor_credits,
    tree_step_credits,
)
from rareevent.scoring.engine import mean_logit
from rareevent.windowing.scale import median_scores
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
    names, owner = channel_owners(bundle.encoder)
    quiet = quiet_row(bundle.encoder, bundle.profile)
    window = windows.gather()[0]
    logits = _logits(bundle, np.stack([window, np.broadcast_to(quiet, window.shape)]))
    if not np.isfinite(logits).all():
        raise DataError("the window's score is not a number; there is nothing to explain")
    smooth, by_owner, by_step = _credits(bundle, window, quiet, owner)
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


def channel_owners(encoder: Encoder) -> tuple[tuple[str, ...], Int64]:
    """Whose each channel is.

    Returns
    -------
    names : of the owners, in the order of their first channels
    owner : int64 [c], index into them
    """
    base = encoder.base if isinstance(encoder, SurpriseEncoder) else encoder
    levels = [name for name, known in base.texts.items() for _ in range(len(known) + 1)]
    plain = len(base.channels) - len(levels)
    # A kind of channel has no dot in its name, so what is left of the last dot is the sensor's.
    of = [channel.rpartition(".")[0] for channel in encoder.channels]
    of[plain : plain + len(levels)] = levels
    names = tuple(dict.fromkeys(of))
    place = {name: number for number, name in enumerate(names)}
    return names, np.array([place[name] for name in of], np.int64)


def quiet_row(encoder: Encoder, profile: Mapping[str, Any]) -> Float32:
    """The row that says nothing: each channel at its training median, each category at its mode.

    After rank-to-normal scaling a median is 0, or the score of the rows that tie there; after
    standard scaling 0 stands for the mean. No reading is missing.

    Returns
    -------
    float32 [c]
    """
    base = encoder.base if isinstance(encoder, SurpriseEncoder) else encoder
    quiet = median_scores(base.scaler)
    if isinstance(encoder, SurpriseEncoder):
        quiet = np.concatenate([quiet, median_scores(encoder.scaler)])
    at = len(base.channels) - sum(len(known) + 1 for known in base.texts.values())
    for name, known in base.texts.items():
        shares = profile["texts"].get(name, {"levels": {}})["levels"]
        common = max(known, key=lambda level: shares.get(level, 0.0), default=None)
        if common is not None:
            quiet[at + known.index(common)] = 1.0
        at += len(known) + 1
    return quiet


def _credits(
    bundle: Bundle, window: Float32, quiet: Float32, owner: Int64
) -> tuple[Float64, Float64, Float64]:
    """Credits by step and channel [lookback, c]; the trees' by owner [k] and by step [lookback]."""
    weights = {LSTM: 1.0} if bundle.blend is None else bundle.blend.weights
    smooth = np.zeros(window.shape)
    by_owner, by_step = np.zeros(int(owner.max()) + 1), np.zeros(len(window))
    if weights.get(LSTM, 0.0) > 0:
        members = [lstm_credits(network, window, quiet) for network in bundle.networks]
        smooth += weights[LSTM] * np.mean(members, axis=0)
    for name, model in _simple_members(bundle).items():
        if isinstance(model, Linear):
            smooth[-1] += weights[name] * linear_credits(model, window[-1], quiet)
        else:
            by_owner += weights[name] * tree_sensor_credits(model, window, quiet, owner)
            by_step += weights[name] * tree_step_credits(model, window, quiet)
    return smooth, by_owner, by_step


def _simple_members(bundle: Bundle) -> dict[str, Linear | Trees]:
    """The members beside the LSTM that have a part in the blend, by name."""
    if bundle.blend is None:
        return {}
    members = {LOGISTIC: bundle.blend.linear, BOOSTING: bundle.blend.trees}
    return {name: member.model for name, member in members.items() if member is not None}


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
