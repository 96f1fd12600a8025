"""What each sensor adds to the log-odds of boosted trees, beside a quiet window: exact, and fast.

Sensors are made quiet one after the other, and each is credited with the fall it brings; as the
order matters where sensors act together, the credit is the mean over all orders: the Shapley value
of the game whose worth is the trees' sum with some sensors as they are and all others quiet
(Shapley 1953; Lundberg et al., "From local explanations to global understanding with explainable
AI for trees", Nature Machine Intelligence 2020, the interventional form with one row to compare
with). No order has to be tried. A leaf is reached where some sensors are as they are (u of them)
and some others are quiet (v of them), whatever the rest; so it adds its value over u C(u + v, u)
to each of the former, and takes its value over v C(u + v, v) from each of the latter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rareevent.blend.trees import Trees
from rareevent.ingestion.frame import Bool, Float32, Float64, Int64


@dataclass(frozen=True)
class LeafPaths:
    """The way to every leaf of some trees, as the owners of its conditions see it.

    Attributes
    ----------
    trees : Trees
    owners : int, how many there are
    node : int64 [e], the inner nodes on the way to each leaf, all leaves one after the other
    left : bool [e], whether the way goes left there
    pair : int64 [e], which pair of a leaf and an owner the condition belongs to
    leaf, owner : int64 [p], of each pair; leaves are counted from 0
    value : float64 [l], of each leaf
    """

    trees: Trees
    owners: int
    node: Int64
    left: Bool
    pair: Int64
    leaf: Int64
    owner: Int64
    value: Float64

    def credits(self, now: Float32, quiet: Float32) -> Float64:
        """What each owner's features add, float64 [owners].

        Parameters
        ----------
        now, quiet : float32 [features], of the window and of the quiet one
        """
        goes_now, goes_quiet = (self._goes_left(values)[self.node] for values in (now, quiet))
        open_now, open_quiet = goes_now == self.left, goes_quiet == self.left
        as_is, calm = self._any(open_now & ~open_quiet), self._any(open_quiet & ~open_now)
        shut = self._any(~open_now & ~open_quiet) | (as_is & calm)
        leaves = len(self.value)
        reached = np.bincount(self.leaf, shut, leaves) == 0
        u, v = (np.bincount(self.leaf, which, leaves).astype(np.int64) for which in (as_is, calm))
        adds = np.where(reached, self.value * self._shares[u, v], 0.0)
        takes = np.where(reached, self.value * self._shares[v, u], 0.0)
        parts: Float64 = as_is * adds[self.leaf] - calm * takes[self.leaf]
        credit: Float64 = np.bincount(self.owner, parts, self.owners).astype(np.float64)
        return credit

    def _goes_left(self, values: Float32) -> Bool:
        """Whether a row goes left at each node, bool [k]; means nothing at a leaf."""
        asked = values[self.trees.feature]
        with np.errstate(invalid="ignore"):
            return np.where(np.isnan(asked), self.trees.missing_left, asked <= self.trees.threshold)

    def _any(self, which: Bool) -> Bool:
        """Whether it holds of any condition of each pair, bool [p]."""
        return np.bincount(self.pair, which, len(self.leaf)) > 0

    @cached_property
    def _shares(self) -> Float64:
        """1 / (u C(u + v, u)), float64 [u, v]; 0 for u = 0."""
        most = int(np.bincount(self.leaf, minlength=1).max()) + 1
        shares = np.zeros((most, most))
        for u in range(1, most):
            shares[u] = [1 / (u * math.comb(u + v, u)) for v in range(most)]
        return shares


def leaf_paths(trees: Trees, owner: Int64) -> LeafPaths:
    """The way to every leaf.

    Parameters
    ----------
    trees : of the features of windows with c channels
    owner : int64 [c], each channel's owner; every feature is that of one channel
    """
    owners = int(owner.max()) + 1
    of_feature = np.tile(owner, trees.features // len(owner))
    parent, is_left = np.full(len(trees.feature), -1), np.zeros(len(trees.feature), bool)
    inner = np.flatnonzero(trees.feature >= 0)
    parent[trees.left[inner]] = parent[trees.right[inner]] = inner
    is_left[trees.left[inner]] = True
    place = np.flatnonzero(trees.feature < 0)
    value, leaf = trees.value[place], np.arange(len(place))
    node, left, of_leaf = [], [], []
    while len(place):
        above = parent[place] >= 0
        place, leaf = place[above], leaf[above]
        left.append(is_left[place])
        place = parent[place]
        node.append(place)
        of_leaf.append(leaf)
    nodes = np.concatenate(node)
    key = np.concatenate(of_leaf) * owners + of_feature[trees.feature[nodes]]
    pairs, pair = np.unique(key, return_inverse=True)
    return LeafPaths(
        trees, owners, nodes, np.concatenate(left), pair, pairs // owners, pairs % owners, value
    )
