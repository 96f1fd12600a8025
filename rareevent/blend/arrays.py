"""Checks of arrays that come from a file: what is there, of which kind and shape."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from rareevent.errors import ModelError

_KINDS = {"f": "numbers", "iu": "whole numbers", "b": "true or false"}


def take_arrays(
    what: str, arrays: Mapping[str, np.ndarray], names: Collection[str]
) -> dict[str, np.ndarray]:
    """Exactly these arrays, by name.

    Raises
    ------
    ModelError
        When one is missing, or another is there.
    """
    missing, odd = sorted(set(names) - set(arrays)), sorted(set(arrays) - set(names))
    if missing or odd:
        problem = f"lacks {missing}" if missing else f"has the unknown arrays {odd}"
        raise ModelError(f"{what}: {problem}; train again with this version")
    return {name: np.asarray(arrays[name]) for name in names}


def require_shape(
    what: str, name: str, array: np.ndarray, shape: tuple[int, ...], kinds: str
) -> np.ndarray:
    """The array, where its shape and its NumPy kind (of `kinds`: "f", "iu" or "b") are right.

    Raises
    ------
    ModelError
        Names the array, and what it should be.
    """
    if array.shape != shape or array.dtype.kind not in kinds:
        raise ModelError(
            f"{what}: {name!r} must hold {_KINDS[kinds]} in the shape {shape}; received"
            f" {array.dtype} in {array.shape}"
        )
    return array
