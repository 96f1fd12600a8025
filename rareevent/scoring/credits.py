"""What each element of one window adds to a model's log-odds, beside a window that says nothing.

The quiet window to compare with holds the median training row at every step. For each member of
the score the credits add up to its log-odds less those of the quiet window:

- **LSTM**: integrated gradients (Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep
  Networks", ICML 2017, equation 1): the gradient, averaged on the straight line from the quiet
  window to this one, times how far the element moved. The mean is Gauss' quadrature on pieces
  of that line; what the logit rises on a piece is known, so a piece is halved until it is right.
- **Linear model**: weight times how far the last row moved, which is exact.
- **Trees**: they have no gradient. Sensors are made quiet one after the other, and each is credited
  with the fall it brings, in the mean over all orders (`rareevent.scoring.tree_credits`). For the
  steps there are two orders, oldest first and newest first.
"""

from __future__ import annotations

import numpy as np

from rareevent.blend.features import window_features
from rareevent.blend.linear import Linear
from rareevent.blend.trees import Trees
from rareevent.ingestion.frame import Float32, Float64
from rareevent.lstm.backward import value_gradients
from rareevent.lstm.cell import forward_values
from rareevent.lstm.network import Network
from rareevent.scoring.tree_credits import LeafPaths
from rareevent.windowing.temporalize import Windows

# Quadrature nodes on each piece of the way. An activation with a kink has no use for more on the
# whole way: the piece with the kink in it is halved, up to so many times.
_NODES, _HALVINGS = 8, 8
# How close the sum has to come, as a share of what there is to explain, and the share of that
# which one piece may take: errors of pieces have either sign.
_CLOSE, _OF_PIECE = 0.005, 0.125
# Log-odds that no probability shows; without it a window like the quiet one would never be close.
_NEGLIGIBLE = 1e-3


def lstm_credits(network: Network, windows: Float32, quiet: Float32) -> Float64:
    """Integrated gradients of the logit for the pipeline's own horizon.

    Parameters
    ----------
    network : Network
    windows : float32 [a, lookback, c]
    quiet : float32 [c], the row to compare with

    Returns
    -------
    float64 [a, lookback, c]. Each window's sum is within half a percent of the difference in
    logits, or within a thousandth where that is more.

    Raises
    ------
    ModelError
        When the windows do not fit the network.
    """
    pieces, of = np.tile([0.0, 1.0], (len(windows), 1)), np.arange(len(windows))
    credit: Float64 = np.zeros(windows.shape)
    allowed = np.zeros(len(windows))
    for halving in range(_HALVINGS + 1):
        rise, found = _on_pieces(network, windows[of], quiet, pieces)
        if halving == 0:
            allowed = _OF_PIECE * np.maximum(_CLOSE * np.abs(rise), _NEGLIGIBLE)
        wrong = np.abs(found.sum(axis=(1, 2)) - rise) > allowed[of]
        if halving == _HALVINGS:
            wrong[:] = False
        np.add.at(credit, of[~wrong], found[~wrong])
        if not wrong.any():
            break
        low, high = pieces[wrong].T
        middle = (low + high) / 2
        pieces = np.stack([np.append(low, middle), np.append(middle, high)], axis=1)
        of = np.tile(of[wrong], 2)
    return credit


def _on_pieces(
    network: Network, windows: Float32, quiet: Float32, pieces: Float64
) -> tuple[Float64, Float64]:
    """What the logit rises on pieces of the way, and what the quadrature makes of it.

    Parameters
    ----------
    windows : float32 [k, lookback, c], the window of each piece
    pieces : float64 [k, 2], from 0 (quiet) to 1 (the window)

    Returns
    -------
    rise : float64 [k]
    credit : float64 [k, lookback, c]
    """
    moved = windows.astype(np.float64) - quiet

    def at(place: Float64) -> Float32:
        values = quiet + place[:, :, None, None] * moved[:, None]
        return values.reshape(-1, *windows.shape[1:]).astype(np.float32)

    ends = forward_values(network, at(pieces))[:, 0].astype(np.float64).reshape(-1, 2)
    node, weight = np.polynomial.legendre.leggauss(_NODES)
    width = np.diff(pieces, axis=1)
    slopes = value_gradients(network, at(pieces[:, :1] + width * (node + 1) / 2))
    slopes = slopes.reshape(len(pieces), _NODES, *windows.shape[1:])
    mean = np.einsum("n,knlc->klc", weight / 2, slopes, dtype=np.float64)
    return ends[:, 1] - ends[:, 0], mean * width[:, :, None] * moved


def linear_credits(model: Linear, rows: Float32, quiet: Float32) -> Float64:
    """What each channel of last rows, float32 [a, c], adds beside the quiet one; float64 [a, c]."""
    return model.weights * (rows.astype(np.float64) - quiet)


def tree_sensor_credits(paths: LeafPaths, window: Float32, quiet: Float32) -> Float64:
    """What each owner's channels add; see `rareevent.scoring.tree_credits`.

    Every feature of a window is that of one channel, so that a sensor is made quiet by putting
    the quiet window's features in the place of its own.

    Parameters
    ----------
    paths : `leaf_paths` of the trees
    window : float32 [lookback, c]
    quiet : float32 [c]

    Returns
    -------
    float64 [k]
    """
    return paths.credits(*_features(np.stack([window, np.broadcast_to(quiet, window.shape)])))


def tree_step_credits(trees: Trees, window: Float32, quiet: Float32) -> Float64:
    """What each step adds: the mean of making steps quiet oldest first and newest first.

    Returns
    -------
    float64 [lookback]
    """
    steps = np.arange(len(window))
    falls = []
    for turn in (steps, steps[::-1]):
        is_quiet = turn < np.arange(len(window) + 1)[:, None]
        values = np.where(is_quiet[:, :, None], quiet, window)
        falls.append(-np.diff(trees.logits(_features(values)))[turn])
    mean: Float64 = np.mean(falls, axis=0)
    return mean


def _features(values: Float32) -> Float32:
    """What trees read of windows given by value, float32 [k, lookback, c]."""
    count, lookback, channels = values.shape
    starts = np.arange(count) * lookback
    rows = values.reshape(-1, channels)
    return window_features(Windows(rows, starts, starts + lookback - 1, lookback))
