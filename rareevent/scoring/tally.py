"""What taking rows came to, in figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rareevent.ingestion.frame import Int64


@dataclass(frozen=True)
class Tally:
    """What taking a file came to, in figures.

    Attributes
    ----------
    rows, scored, rejected, alarms : how many
    not_scored : reason -> rows; with `scored` they add up to `rows`
    repairs : what was mended, by the name of the rule
    assets : that have a row in it
    events : (asset, time) of the events that concern it
    span : first and last time scored, in ticks; None where nothing was
    last : last time among its rows, in ticks; None before one was met
    counts : slot -> int64 [places], the scored rows counted for drift
    silent : columns that the model reads without a reading in any of the rows
    """

    rows: int
    scored: int
    rejected: int
    alarms: int
    not_scored: Mapping[str, int]
    repairs: Mapping[str, int]
    assets: frozenset[str]
    events: frozenset[tuple[str, int]]
    span: tuple[int, int] | None
    last: int | None
    counts: Mapping[int, Int64]
    silent: frozenset[str]
