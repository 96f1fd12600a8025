"""Boosted trees as plain arrays: what a bundle stores, checked before anything walks it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rareevent.blend.arrays import require_shape, take_arrays
from rareevent.blend.bits import Plan
from rareevent.errors import ModelError
from rareevent.ingestion.frame import Bool, Float32, Float64, Int32, Int64

# Leaves of a tree are numbered in at most one byte.
MOST_LEAVES = 256
# At this size the bits of 200 trees of 15 leaves stay in a core's caches.
ROWS_PER_BLOCK = 4096
_NAMES = ("roots", "feature", "threshold", "missing_left", "left", "right", "value", "start")


@dataclass(frozen=True)
class Trees:
    """A sum of regression trees, every tree's nodes side by side, parents before children.

    Attributes
    ----------
    features : int, columns that it reads
    roots : int64 [t], the first node of each tree, ascending from 0
    feature : int32 [k], the column that a node asks about; -1 at a leaf
    threshold : float64 [k], a row goes left where its value is at most this; may be infinite
    missing_left : bool [k], whether a value that is not a number goes left
    left, right : int32 [k], nodes; -1 at a leaf
    value : float64 [k], what a leaf adds; 0 elsewhere
    start : float64, what every row starts from
    """

    features: int
    roots: Int64
    feature: Int32
    threshold: Float64
    missing_left: Bool
    left: Int32
    right: Int32
    value: Float64
    start: float

    def logits(self, values: Float32, block: int = ROWS_PER_BLOCK) -> Float64:
        """The sum of the leaves that each row reaches, float64 [m].

        Parameters
        ----------
        values : float32 [m, features]
        block : most rows computed at once; changes speed and memory, not results

        Raises
        ------
        ModelError
            When the rows have another number of columns.
        """
        if values.ndim != 2 or values.shape[1] != self.features:
            raise ModelError(
                f"the trees read {self.features} features; received an array of shape"
                f" {values.shape}: compute them as for the training of the same bundle"
            )
        plan, out = self._plan, np.full(len(values), self.start)
        for low in range(0, len(values), block):
            part = values[low : low + block]
            plan.add(np.ascontiguousarray(part.T, np.float32), out[low : low + len(part)])
        return out

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Plain arrays that `from_arrays` takes back."""
        arrays = {name: np.asarray(getattr(self, name)) for name in _NAMES}
        return {**arrays, "features": np.array(self.features, np.int64)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Trees:
        """The inverse of `to_arrays`; everything that evaluation relies on is checked.

        Raises
        ------
        ModelError
            Names what is missing, of a wrong shape or kind, not finite, or no tree.
        """
        found = take_arrays("the trees", arrays, (*_NAMES, "features"))
        features = int(require_shape("the trees", "features", found["features"], (), "iu"))
        start = float(require_shape("the trees", "start", found["start"], (), "f"))
        roots, nodes = (found["roots"].size,), (found["feature"].size,)
        shapes, kinds = (roots, *[nodes] * 6), ("iu", "iu", "f", "b", "iu", "iu", "f")
        for name, shape, kind in zip(_NAMES, shapes, kinds, strict=False):
            require_shape("the trees", name, found[name], shape, kind)
        trees = cls(features, **{name: found[name] for name in _NAMES[:-1]}, start=start)
        _check(trees)
        return trees

    @cached_property
    def _plan(self) -> Plan:
        return Plan(self)


def _check(trees: Trees) -> None:
    """Refuse what evaluation would index out of range with, or walk in circles."""
    nodes, roots = len(trees.feature), trees.roots
    if not len(roots) or roots[0] != 0 or np.any(np.diff(roots) < 1) or roots[-1] >= nodes:
        raise ModelError("the trees' 'roots' must ascend from 0 and lie among their nodes")
    inner = trees.feature >= 0
    if np.any(trees.feature < -1) or np.any(trees.feature >= trees.features):
        raise ModelError(f"the trees' 'feature' must lie in -1 … {trees.features - 1}")
    if not np.isfinite(trees.value).all() or not np.isfinite(trees.start):
        raise ModelError("the trees' 'value' and 'start' must be finite")
    if np.isnan(trees.threshold).any():
        raise ModelError("the trees' 'threshold' must be numbers")
    if np.any(trees.left[~inner] != -1) or np.any(trees.right[~inner] != -1):
        raise ModelError("the trees' leaves must have no children")
    _check_children(trees, np.flatnonzero(inner))
    leaves = np.add.reduceat(~inner, roots)
    if leaves.max() > MOST_LEAVES:
        raise ModelError(f"a tree has {leaves.max()} leaves; at most {MOST_LEAVES} are read")


def _check_children(trees: Trees, inner: Int64) -> None:
    """Every node but a root is the child of exactly one earlier node of its tree."""
    nodes, roots = len(trees.feature), trees.roots
    parents = np.concatenate([inner, inner])
    children = np.concatenate([trees.left[inner], trees.right[inner]]).astype(np.int64)
    ends = np.append(roots[1:], nodes)[np.searchsorted(roots, parents, side="right") - 1]
    if np.any(children <= parents) or np.any(children >= ends):
        raise ModelError("the trees' children must come after their parents, within their tree")
    count = np.bincount(children, minlength=nodes)
    count[roots] += 1
    if np.any(count != 1):
        raise ModelError("every node of the trees but a root must be the child of exactly one")
