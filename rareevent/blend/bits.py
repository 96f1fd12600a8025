"""Boosted trees by bits: their exact evaluation in NumPy.

What makes it fast: rows are handled 64 at a time as the bits of a word. Every distinct condition
"feature <= threshold" is asked once per row, whatever number of trees ask it, and kept as one bit.
The rows that reach a node are then the bits of its parent and of the condition (or not of it): one
operation for all rows of a block, and for all nodes of one depth together. Of the leaf that a row
reaches in a tree, each binary digit of its number is the union of some leaves' bits; the digits
of a tree or two make a byte, which looks up the values. So the cost grows with nodes and
conditions, hardly with features, and there is no branch to mispredict. (The idea of computing a
tree by masks of leaves is QuickScorer's: Lucchese et al., SIGIR 2015; there a word holds the
leaves of a tree, here the rows of a block.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rareevent.ingestion.frame import Float32, Float64, Int64

# Of one level of all trees: where its inner nodes' bits lie (None at the roots), their conditions,
# and where the bits of their children begin.
_Level = tuple[Int64 | None, Int64, int]

if TYPE_CHECKING:
    from rareevent.blend.trees import Trees


class Plan:
    """A forest laid out for evaluation by bits: conditions, nodes by depth, digits of leaves."""

    def __init__(self, trees: Trees) -> None:
        inner = np.flatnonzero(trees.feature >= 0)
        self._conditions, condition = _distinct_conditions(trees, inner)
        of_node = np.full(len(trees.feature), -1)
        of_node[inner] = condition
        self._levels, place, self._size = _by_depth(trees, of_node)
        self._leaves, self._tables, self._digits = _leaf_layout(trees, place, self._size)

    def add(self, columns: Float32, out: Float64) -> None:
        """Add to `out` [m], in place, what the trees give for columns float32 [features, m]."""
        asked = self._ask(columns)
        # The last row belongs to no node: no bit of it is set.
        reached = np.zeros((self._size + 1, asked.shape[1]), np.uint64)
        for parents, conditions, low in self._levels:
            count = len(conditions)
            left, right = reached[low : low + count], reached[low + count : low + 2 * count]
            np.take(asked, conditions, axis=0, out=left, mode="clip")
            if parents is None:
                np.invert(left, out=right)
            else:
                np.take(reached, parents, axis=0, out=right, mode="clip")
                left &= right
                right ^= left
        self._add_values(reached, out)

    def _ask(self, columns: Float32) -> np.ndarray:
        """Every condition for every row, uint64 [conditions, words]; 64 rows to a word."""
        rows = columns.shape[1]
        words = -(-rows // 64)
        total = sum(len(limits) for _, _, limits in self._conditions)
        asked = np.zeros((max(total, 1), words * 8), np.uint8)
        at = 0
        for feature, missing_left, limits in self._conditions:
            column = columns[feature]
            # What is not a number is neither above a limit nor at most it.
            yes = ~(column > limits[:, None]) if missing_left else column <= limits[:, None]
            packed = np.packbits(yes, axis=1, bitorder="little")
            asked[at : at + len(limits), : packed.shape[1]] = packed
            at += len(limits)
        return asked.view(np.uint64)

    def _add_values(self, reached: np.ndarray, out: Float64) -> None:
        words, digits = reached.shape[1], self._digits
        width = 1 << digits
        leaves = np.take(reached, self._leaves, axis=0, mode="clip")
        leaves = leaves.reshape(-1, width, words)
        numbers = np.zeros((len(self._tables), words * 64), np.uint8)
        per_byte = len(leaves) // len(self._tables)
        for digit in range(digits):
            halves = leaves.reshape(len(leaves), width >> (digit + 1), 2, 1 << digit, words)
            plane = np.bitwise_or.reduce(halves[:, :, 1], axis=(1, 2))
            bits = np.unpackbits(plane.view(np.uint8), axis=1, bitorder="little")
            bits = bits.reshape(len(self._tables), per_byte, -1)
            for slot in range(per_byte):
                numbers |= bits[:, slot] << np.uint8(slot * digits + digit)
        for number, table in zip(numbers[:, : len(out)], self._tables, strict=True):
            out += table.take(number, mode="clip")


def _distinct_conditions(
    trees: Trees, inner: Int64
) -> tuple[list[tuple[int, bool, Float32]], Int64]:
    """Conditions by feature and way of missing values, and the one that each inner node asks.

    A float32 is at most a float64 threshold exactly where it is at most the largest float32 that
    is at most the threshold, so that comparing float32 with float32 changes nothing.
    """
    limit = trees.threshold[inner].astype(np.float32)
    above = limit.astype(np.float64) > trees.threshold[inner]
    limit[above] = np.nextafter(limit[above], np.float32(-np.inf))
    keys = np.zeros(len(inner), [("feature", "i4"), ("missing", "?"), ("limit", "f4")])
    keys["feature"], keys["missing"] = trees.feature[inner], trees.missing_left[inner]
    keys["limit"] = limit
    distinct, condition = np.unique(keys, return_inverse=True)
    groups = np.unique(distinct[["feature", "missing"]])
    conditions = []
    for feature, missing in groups.tolist():
        mine = (distinct["feature"] == feature) & (distinct["missing"] == missing)
        conditions.append((feature, missing, distinct["limit"][mine]))
    return conditions, condition


def _by_depth(trees: Trees, condition: Int64) -> tuple[list[_Level], Int64, int]:
    """Inner nodes level by level, and where the bits of every node lie.

    Returns
    -------
    levels : (places of the level's inner nodes, None at the roots; their conditions; where the
        bits of their left children begin, those of the right ones following)
    place : int64 [k], of every node; -1 for a root
    size : int, places in all
    """
    levels: list[_Level] = []
    place, size = np.full(len(trees.feature), -1), 0
    level = trees.roots[trees.feature[trees.roots] >= 0]
    while len(level):
        parents = place[level] if levels else None
        levels.append((parents, condition[level], size))
        children = np.concatenate([trees.left[level], trees.right[level]])
        place[children] = size + np.arange(len(children))
        size += len(children)
        level = children[trees.feature[children] >= 0]
    return levels, place, size


def _leaf_layout(trees: Trees, place: Int64, nowhere: int) -> tuple[Int64, Float64, int]:
    """Where each tree's leaves have their bits, and what each number of leaves adds.

    Returns
    -------
    leaves : int64 [groups * trees per group * 2**digits], places; `nowhere` where there is none
    tables : float64 [groups, 2**(trees per group * digits)]
    digits : int, binary digits of a leaf's number within its tree
    """
    leaf = np.flatnonzero(trees.feature < 0)
    tree = np.searchsorted(trees.roots, leaf, side="right") - 1
    number = np.arange(len(leaf)) - np.searchsorted(tree, tree)
    digits = max(1, int(number.max(initial=0)).bit_length())
    per_group = 8 // digits
    groups = -(-len(trees.roots) // per_group)
    values = np.zeros((groups * per_group, 1 << digits))
    places = np.full(values.shape, nowhere)
    values[tree, number] = trees.value[leaf]
    # A tree that is a leaf only: no bit leads there, and number 0 is what no bit gives.
    places[tree, number] = np.where(place[leaf] < 0, nowhere, place[leaf])
    tables = np.zeros((groups, 1))
    for slot in range(per_group):
        mine = values.reshape(groups, per_group, -1)[:, slot]
        tables = (mine[:, :, None] + tables[:, None, :]).reshape(groups, -1)
    return places.ravel(), tables, digits
