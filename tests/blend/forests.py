"""Forests made by hand and at random, as plain arrays."""

import numpy as np

from rareevent.blend.trees import Trees


def stump_and_tree() -> Trees:
    """x0 <= 1 ? -1 : (x1 <= 2 ? 10 : 20), plus x1 <= 0 ? 0.5 : 0.25; starting from 100.

    What is missing goes right in the first tree and left in the second.
    """
    return Trees(
        features=2,
        roots=np.array([0, 5]),
        feature=np.array([0, -1, 1, -1, -1, 1, -1, -1], np.int32),
        threshold=np.array([1.0, 0, 2.0, 0, 0, 0.0, 0, 0]),
        missing_left=np.array([0, 0, 0, 0, 0, 1, 0, 0], bool),
        left=np.array([1, -1, 3, -1, -1, 6, -1, -1], np.int32),
        right=np.array([2, -1, 4, -1, -1, 7, -1, -1], np.int32),
        value=np.array([0, -1.0, 0, 10.0, 20.0, 0, 0.5, 0.25]),
        start=100.0,
    )


def walk(trees: Trees, row: np.ndarray) -> float:
    """One row through every tree, node by node: what the definition says."""
    total = trees.start
    for node in trees.roots:
        while trees.feature[node] >= 0:
            x = row[trees.feature[node]]
            left = trees.missing_left[node] if np.isnan(x) else x <= trees.threshold[node]
            node = trees.left[node] if left else trees.right[node]
        total += trees.value[node]
    return total


def random_forest(rng: np.random.Generator, trees: int, leaves: int, features: int) -> Trees:
    """Trees grown by splitting a random leaf; children come after their parents."""
    nodes, roots = [], []
    for _ in range(trees):
        roots.append(len(nodes))
        nodes.append([-1, -1])
        mine = [len(nodes) - 1]
        for _ in range(rng.integers(0, leaves)):
            parent = mine.pop(rng.integers(len(mine)))
            nodes[parent] = [len(nodes), len(nodes) + 1]
            mine += nodes[parent]
            nodes += [[-1, -1], [-1, -1]]
    children = np.array(nodes, np.int32)
    inner, size = children[:, 0] >= 0, len(children)
    return Trees(
        features=features,
        roots=np.array(roots),
        feature=np.where(inner, rng.integers(0, features, size), -1).astype(np.int32),
        threshold=np.where(inner, rng.integers(-3, 4, size) / 2, 0.0),
        missing_left=inner & (rng.random(size) < 0.5),
        left=children[:, 0],
        right=children[:, 1],
        value=np.where(inner, 0.0, rng.normal(size=size)),
        start=float(rng.normal()),
    )
