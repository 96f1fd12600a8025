"""What each element of one window adds to a model's log-odds, beside a window that says nothing.

The quiet window to compare with holds the median training row at every step. For each member of
the score the credits add up to its log-odds less those of the quiet window:

- **LSTM**: integrated gradients (Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep
  Networks", ICML 2017, equation 1): the gradient, averaged on the straight line from the quiet
  window to this one, times how far the element moved. The mean is Gauss' quadrature; nodes are
  added until the sum is right.
- **Linear model**: weight times how far the last row moved, which is exact.
- **Trees**: they have no gradient. Sensors are made quiet one after the other, and each is credited
  with the fall it brings; as the order matters where sensors act together, it is the mean over
  random orders, each taken from both ends (Štrumbelj and Kononenko, "An Efficient Explanation of
  Individual Classifications using Game Theory", JMLR 2010, algorithm 1, here with antithetic
  orders). For the steps there are two orders, oldest first and newest first.
"""

from __future__ import annotations

import numpy as np

from rareevent.blend.features import window_features
from rareevent.blend.linear import Linear
from rareevent.blend.trees import Trees
from rareevent.ingestion.frame import Float32, Float64, Int64
from rareevent.lstm.backward import value_gradients
from rareevent.lstm.cell import forward_values
from rareevent.lstm.network import Network
from rareevent.windowing.temporalize import Windows

# Quadrature nodes, tried in turn; smooth activations need the fewest.
_NODES = (16, 64, 256)
# How close the sum has to come, as a share of what there is to explain.
_CLOSE = 0.005
# Log-odds that no probability shows; without it a window like the quiet one would never be close.
_NEGLIGIBLE = 1e-3
# Pairs of orders. At 14 sensors the credits then vary by a few hundredths of log-odds.
_ORDERS = 24
_SEED = 0


def lstm_credits(network: Network, window: Float32, quiet: Float32) -> Float64:
    """Integrated gradients of the logit for the pipeline's own horizon.

    Parameters
    ----------
    network : Network
    window : float32 [lookback, c]
    quiet : float32 [c], the row to compare with

    Returns
    -------
    float64 [lookback, c]. Their sum is within half a percent of the difference in logits, unless
    an activation has so many kinks that 256 nodes do not do.

    Raises
    ------
    ModelError
        When the window does not fit the network.
    """
    start = np.broadcast_to(quiet, window.shape)
    high, low = forward_values(network, np.stack([window, start]))[:, 0].astype(np.float64)
    moved = window.astype(np.float64) - start
    allowed = max(_CLOSE * abs(high - low), _NEGLIGIBLE)
    credit = np.zeros(window.shape)
    for nodes in _NODES:
        place, weight = np.polynomial.legendre.leggauss(nodes)
        along = start + (place[:, None, None] + 1) / 2 * moved
        slopes = value_gradients(network, along.astype(np.float32))
        credit = np.tensordot(weight / 2, slopes.astype(np.float64), axes=1) * moved
        if abs(credit.sum() - (high - low)) <= allowed:
            break
    return credit


def linear_credits(model: Linear, row: Float32, quiet: Float32) -> Float64:
    """What each channel of the last row, float32 [c], adds beside the quiet one; float64 [c]."""
    return model.weights * (row.astype(np.float64) - quiet)


def tree_sensor_credits(trees: Trees, window: Float32, quiet: Float32, owner: Int64) -> Float64:
    """What each owner's channels add, in the mean over orders in which they are made quiet.

    Every feature of a window is that of one channel, so that a sensor is made quiet by putting
    the quiet window's features in the place of its own.

    Parameters
    ----------
    window : float32 [lookback, c]
    quiet : float32 [c]
    owner : int64 [c], each channel's owner, 0 … k - 1

    Returns
    -------
    float64 [k]
    """
    calm = np.broadcast_to(quiet, window.shape)
    now, calm = _features(np.stack([window, calm]))
    owners = int(owner.max()) + 1
    of_feature = np.tile(owner, len(now) // len(owner))
    rng, credit = np.random.default_rng(_SEED), np.zeros(owners)
    for _ in range(_ORDERS):
        order = rng.permutation(owners)
        for one in (order, order[::-1]):
            turn = np.empty(owners, np.int64)
            turn[one] = np.arange(owners)
            # In row r the first r owners of the order are quiet.
            is_quiet = turn[of_feature] < np.arange(owners + 1)[:, None]
            logits = trees.logits(np.where(is_quiet, calm, now))
            credit[one] -= np.diff(logits)
    return credit / (2 * _ORDERS)


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
    return np.mean(falls, axis=0)


def _features(values: Float32) -> Float32:
    """What trees read of windows given by value, float32 [k, lookback, c]."""
    count, lookback, channels = values.shape
    starts = np.arange(count) * lookback
    rows = values.reshape(-1, channels)
    return window_features(Windows(rows, starts, starts + lookback - 1, lookback))
