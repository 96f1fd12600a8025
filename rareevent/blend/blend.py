"""The blend: a weighted sum of the log-odds of its members."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from rareevent.blend.arrays import require_shape, take_arrays
from rareevent.blend.features import last_row, window_features
from rareevent.blend.linear import Linear
from rareevent.blend.trees import ROWS_PER_BLOCK, Trees
from rareevent.errors import ModelError
from rareevent.ingestion.frame import Float64
from rareevent.lstm.threads import one_blas_thread, share_out
from rareevent.windowing.temporalize import Windows

LSTM: Final = "lstm"
LOGISTIC: Final = "logistic"
BOOSTING: Final = "boosting"
MEMBERS = (LSTM, LOGISTIC, BOOSTING)
# Elements of windows whose features are held at once, 64 MB of float32.
_ELEMENTS = 1 << 24
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Simple:
    """A member beside the LSTM: what it is, and what its training added to its log-odds.

    Attributes
    ----------
    model : Linear of the last row, or Trees of the window's features
    shift : log-odds that class weights and sampling added in training; see
        `alarms.calibration.prior_shift`
    """

    model: Linear | Trees
    shift: float

    def logits(self, windows: Windows) -> Float64:
        """Log-odds of an event within the horizon, float64 [m]; class weights taken off.

        Raises
        ------
        ModelError
            When the windows have another number of channels than it was trained on.
        """
        features = last_row if isinstance(self.model, Linear) else window_features
        step = _windows_at_once(windows)
        out = np.empty(len(windows))

        def run(stretch: slice) -> None:
            for low in range(stretch.start, stretch.stop, step):
                part = slice(low, min(low + step, stretch.stop))
                out[part] = self.model.logits(features(windows.take(part)))

        with one_blas_thread():
            share_out(run, len(windows), step)
        return out - self.shift


@dataclass(frozen=True)
class Blend:
    """Members and their weights, which add up to 1.

    Attributes
    ----------
    weights : name of `MEMBERS` -> weight, 0 or more; a member without one has no part in it
    shift : log-odds that class weights and sampling added to the LSTM ensemble
    linear, trees : the members beside the LSTM; None where the weight is 0
    """

    weights: Mapping[str, float]
    shift: float
    linear: Simple | None
    trees: Simple | None

    def logits(self, lstm: Float64, windows: Windows) -> Float64:
        """The weighted sum of the members' log-odds, float64 [m].

        Parameters
        ----------
        lstm : float64 [m], log-odds by the LSTM ensemble, the mean of its members
        windows : the m windows that they are of
        """
        found = {LSTM: lstm - self.shift}
        for name, member in ((LOGISTIC, self.linear), (BOOSTING, self.trees)):
            if member is not None:
                found[name] = member.logits(windows)
        return mix(self.weights, found)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Plain arrays that `from_arrays` takes back."""
        arrays = {
            "weights": np.array([self.weights.get(name, 0.0) for name in MEMBERS]),
            "lstm.shift": np.array(self.shift, np.float64),
        }
        for name, member in ((LOGISTIC, self.linear), (BOOSTING, self.trees)):
            if member is not None:
                arrays[f"{name}.shift"] = np.array(member.shift, np.float64)
                arrays |= {f"{name}/{k}": v for k, v in member.model.to_arrays().items()}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], channels: int, lookback: int) -> Blend:
        """The inverse of `to_arrays`.

        Parameters
        ----------
        channels : columns of the row matrix that the members read
        lookback : rows per window

        Raises
        ------
        ModelError
            Names what is missing, unknown, of a wrong shape or kind, or not finite.
        """
        left = {name: np.asarray(array) for name, array in arrays.items()}
        weights = _take(left, "weights", (len(MEMBERS),))
        shift = float(_take(left, "lstm.shift", ()))
        if weights.min() < 0 or abs(weights.sum() - 1) > _ROUNDING:
            raise ModelError(f"the blend's weights must add up to 1; received {weights.tolist()}")
        by_name = dict(zip(MEMBERS, weights.tolist(), strict=True))
        wide = channels if lookback == 1 else 4 * channels
        linear = _take_member(left, by_name, LOGISTIC, Linear, channels)
        trees = _take_member(left, by_name, BOOSTING, Trees, wide)
        take_arrays("the blend", left, ())
        return cls(by_name, shift, linear, trees)


def _windows_at_once(windows: Windows) -> int:
    """As many as the trees take at once, or so many that the rows before them weigh little."""
    wanted = max(ROWS_PER_BLOCK, 4 * windows.lookback)
    channels: int = windows.rows.shape[1]
    return max(1, min(wanted, _ELEMENTS // (4 * max(channels, 1))))


def mix(weights: Mapping[str, float], logits: Mapping[str, Float64]) -> Float64:
    """The weighted sum of log-odds, float64 [m].

    Examples
    --------
    >>> mix({"lstm": 0.5, "logistic": 0.25, "boosting": 0.25},
    ...     {"lstm": np.array([2.0]), "logistic": np.array([-1.0]), "boosting": np.array([4.0])})
    array([1.75])
    """
    weighed = [weights[name] * logits[name] for name in weights if weights[name] > 0]
    total: Float64 = np.sum(weighed, axis=0)
    return total


def _take(left: dict[str, np.ndarray], name: str, shape: tuple[int, ...]) -> np.ndarray:
    """An array of finite numbers, taken out of what is left."""
    if name not in left:
        raise ModelError(f"the blend lacks {name!r}; train again with this version")
    array = require_shape("the blend", name, left.pop(name), shape, "f")
    if not np.isfinite(array).all():
        raise ModelError(f"the blend's {name!r} must be finite")
    return array


def _take_member(
    left: dict[str, np.ndarray],
    weights: Mapping[str, float],
    name: str,
    kind: type[Linear] | type[Trees],
    features: int,
) -> Simple | None:
    """A member, taken out of what is left; there where its weight is above 0, and only there."""
    if weights[name] == 0:
        return None
    shift = float(_take(left, f"{name}.shift", ()))
    mine = {key: left.pop(key) for key in list(left) if key.startswith(f"{name}/")}
    model = kind.from_arrays({key.removeprefix(f"{name}/"): a for key, a in mine.items()})
    if model.features != features:
        raise ModelError(
            f"the blend's {name!r} must read {features} columns; it reads {model.features}"
        )
    return Simple(model, shift)
