"""Which column is what."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from rareevent.config import Ingest
from rareevent.errors import ConfigError, DataError
from rareevent.ingestion.quality import Findings

_LISTED = 12


@dataclass(frozen=True)
class Roles:
    """The columns to read.

    Attributes
    ----------
    time, asset, label : names; None where there is none
    sensors : columns that should be numeric
    texts : columns declared to be categorical
    learning : texts not declared may become categories, row counters are dropped
    """

    time: str
    asset: str | None
    label: str | None
    sensors: tuple[str, ...]
    texts: tuple[str, ...]
    learning: bool

    @property
    def read(self) -> tuple[str, ...]:
        """Every column to read, once."""
        named = (self.time, self.asset, self.label)
        return (*(name for name in named if name is not None), *self.sensors, *self.texts)


def roles_for_learning(names: Sequence[str], stage: Ingest, where: str, found: Findings) -> Roles:
    """Columns to learn from: the time, the asset, the label, and the rest or the listed sensors.

    Raises
    ------
    ConfigError
        When a column is to be two things.
    DataError
        When the time or the asset column is missing; other absences are noted as problems.
    """
    time, asset = _time_and_asset(names, stage, where)
    _refuse_two_roles(stage)
    roles = {time, asset, stage.label}
    listed = stage.sensors if stage.sensors is not None else tuple(names)
    columns = dict.fromkeys((*listed, *stage.categorical))
    wanted = [c for c in columns if c not in roles and c not in stage.ignore]
    _tell_absent(names, stage, where, found)
    if stage.sensors is not None and not wanted:
        raise ConfigError("ingest.sensors: names no column to learn from")
    present = [name for name in wanted if name in names]
    if not present:
        raise DataError(f"{where}: no sensor column is left beside {_words(roles)}")
    return Roles(
        time=time,
        asset=asset,
        label=stage.label if stage.label in names else None,
        sensors=tuple(name for name in present if name not in stage.categorical),
        texts=tuple(name for name in present if name in stage.categorical),
        learning=True,
    )


def roles_for_scoring(
    names: Sequence[str], stage: Ingest, needed: Sequence[str], where: str
) -> Roles:
    """Columns to score: the time, the asset and what the model needs; nothing else is looked at.

    Raises
    ------
    DataError
        When one is missing.
    """
    time, asset = _time_and_asset(names, stage, where)
    missing = [name for name in needed if name not in names]
    if missing:
        raise DataError(
            f"{where}: lacks {len(missing)} of {len(needed)} columns that the model reads:"
            f" {_words(missing)}; it has {_words(names)}"
        )
    return Roles(
        time=time,
        asset=asset,
        label=None,
        sensors=tuple(name for name in needed if name not in stage.categorical),
        texts=tuple(name for name in needed if name in stage.categorical),
        learning=False,
    )


def absent(name: str, names: Sequence[str], where: str, key: str) -> str:
    """The line on a column that is not there."""
    other = [mark for mark in (";", "\t", "|") if len(names) == 1 and mark in names[0]]
    if other:
        return (
            f"{where}: has no column {name!r} ({key}), for it has a single one, {names[0]!r:.80}:"
            f" set ingest.separator to {other[0]!r}"
        )
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    hint = f"; did you mean {close[0]!r}?" if close else f"; it has {_words(names)}"
    return f"{where}: has no column {name!r} ({key}){hint}"


def _time_and_asset(names: Sequence[str], stage: Ingest, where: str) -> tuple[str, str | None]:
    time = stage.time
    if time == "":
        time = next((name for name in names if name.startswith("Unnamed: ")), time)
    for key, name in (("time", time), ("asset", stage.asset)):
        if name is not None and name not in names:
            headless = all(_is_number(column) for column in names)
            hint = "; if the file has no header, set ingest.header: false" if headless else ""
            raise DataError(absent(name, names, where, f"ingest.{key}") + hint)
    return time, stage.asset


def _tell_absent(names: Sequence[str], stage: Ingest, where: str, found: Findings) -> None:
    label = (stage.label,) if stage.label is not None else ()
    named = {"label": label, "sensors": stage.sensors or (), "categorical": stage.categorical}
    for key, columns in {**named, "keep": stage.keep}.items():
        for name in columns:
            if name not in names:
                found.problem(absent(name, names, where, f"ingest.{key}"))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text.startswith("Unnamed: ")
    return True


def _refuse_two_roles(stage: Ingest) -> None:
    taken = {"time": stage.time, "asset": stage.asset, "label": stage.label}
    for role, column in taken.items():
        for key, listed in (("categorical", stage.categorical), ("ignore", stage.ignore)):
            if column is not None and column in listed:
                raise ConfigError(
                    f"ingest.{key}: {column!r} is the {role} column; take it out of there"
                )
    if len({c for c in taken.values() if c}) < sum(bool(c) for c in taken.values()):
        raise ConfigError(f"ingest: time, asset and label must differ; received {taken}")


def _words(names: Sequence[str] | set[str | None]) -> str:
    listed = [str(name) for name in names if name is not None]
    shown = ", ".join(listed[:_LISTED])
    return shown if len(listed) <= _LISTED else f"{shown} and {len(listed) - _LISTED} more"
