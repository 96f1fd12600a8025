"""Columns that the model reads and a source holds no reading of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from rareevent.ingestion.cells import Cells


class Silent:
    """Which columns had no reading yet; shrinks in place, piece by piece.

    Attributes
    ----------
    columns : names
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns: frozenset[str] = frozenset(columns)

    def note(self, cells: Mapping[str, Cells]) -> None:
        """Take rows in, column by column; those that had a reading before are not looked at."""
        self.columns -= {name for name in self.columns if _has_reading(cells[name])}


def _has_reading(cells: Cells) -> bool:
    return bool(np.isfinite(cells.values).any() or cells.is_word().any())


def silent_notes(silent: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    """A line on each column that is silent in a source, naming the first such source.

    Parameters
    ----------
    silent : source -> its silent columns

    Examples
    --------
    >>> silent_notes({"a.csv": frozenset({"flow"}), "b.csv": frozenset()})[0]
    "flow has no reading in a.csv; its last one before, or training's median, stands in for it"
    """
    names = sorted({name for columns in silent.values() for name in columns})
    where = {name: [s for s, columns in silent.items() if name in columns] for name in names}
    return tuple(_note(name, sources) for name, sources in where.items())


def _note(name: str, sources: Sequence[str]) -> str:
    more = f" and {len(sources) - 1} more" if len(sources) > 1 else ""
    return (
        f"{name} has no reading in {sources[0]}{more}; its last one before, or training's median,"
        " stands in for it"
    )
