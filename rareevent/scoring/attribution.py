"""How the log-odds of a bundle's scores divide among sensors, beside a window that says nothing.

What is the same for all windows of a bundle is worked out once: whose each channel is, the quiet
row, and the way to every leaf of its trees.
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
from rareevent.forecast.encoder import Encoder, SurpriseEncoder
from rareevent.ingestion.frame import Float32, Float64, Int64
from rareevent.scoring.credits import (
    linear_credits,
    lstm_credits,
    tree_sensor_credits,
    tree_step_credits,
)
from rareevent.scoring.tree_credits import LeafPaths, leaf_paths
from rareevent.windowing.scale import median_scores

# Elements of windows that are credited at once; gradients at 8 places of the way to each are held.
_ELEMENTS = 1 << 18


@dataclass(frozen=True)
class Attribution:
    """What it takes to credit the score of any window of a bundle.

    Attributes
    ----------
    bundle : Bundle
    names : of the k owners: sensors, categorical columns and, with surprise, "(all)"
    owner : int64 [c], the owner of each channel
    quiet : float32 [c], the row to compare with
    weights : of the score's members
    linear : the linear member; None where there is none
    paths : of the trees; None where there are none
    """

    bundle: Bundle
    names: tuple[str, ...]
    owner: Int64
    quiet: Float32
    weights: Mapping[str, float]
    linear: Linear | None
    paths: LeafPaths | None

    def credit(self, windows: Float32) -> Float64:
        """What each owner adds to the log-odds of windows, float64 [a, k].

        Parameters
        ----------
        windows : float32 [a, lookback, c]
        """
        whose = self.owner[:, None] == np.arange(len(self.names))
        found: Float64 = np.zeros((len(windows), len(self.names)))
        step = max(1, _ELEMENTS // max(windows[:1].size, 1))
        for low in range(0, len(windows), step):
            part = windows[low : low + step]
            found[low : low + step] = self.by_channel(part).sum(axis=1) @ whose
        for row, window in enumerate(windows):
            found[row] += self.of_trees(window)
        return found

    def by_channel(self, windows: Float32) -> Float64:
        """What each element adds, float64 [a, lookback, c]: by all members but the trees."""
        found: Float64 = np.zeros(windows.shape)
        if self.weights.get(LSTM, 0.0) > 0:
            members = [lstm_credits(n, windows, self.quiet) for n in self.bundle.networks]
            found += self.weights[LSTM] * np.mean(members, axis=0)
        if self.linear is not None:
            linear = linear_credits(self.linear, windows[:, -1], self.quiet)
            found[:, -1] += self.weights[LOGISTIC] * linear
        return found

    def of_trees(self, window: Float32) -> Float64:
        """What each owner adds to the trees' part, float64 [k]."""
        if self.paths is None:
            return np.zeros(len(self.names))
        return self.weights[BOOSTING] * tree_sensor_credits(self.paths, window, self.quiet)

    def steps(self, window: Float32) -> Float64:
        """What each step adds to the trees' part, float64 [lookback]."""
        if self.paths is None:
            return np.zeros(len(window))
        credit: Float64 = tree_step_credits(self.paths.trees, window, self.quiet)
        return self.weights[BOOSTING] * credit


def attribution_of(bundle: Bundle) -> Attribution:
    """All that is the same for every window of a bundle."""
    names, owner = channel_owners(bundle.encoder)
    blend = bundle.blend
    beside = () if blend is None else (blend.linear, blend.trees)
    models = [member.model for member in beside if member is not None]
    return Attribution(
        bundle,
        names,
        owner,
        quiet_row(bundle.encoder, bundle.profile),
        {LSTM: 1.0} if blend is None else blend.weights,
        next((model for model in models if isinstance(model, Linear)), None),
        next((leaf_paths(model, owner) for model in models if isinstance(model, Trees)), None),
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
