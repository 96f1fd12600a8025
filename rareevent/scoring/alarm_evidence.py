"""The sensors with the largest credits at each alarm, as they stand beside it in the output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rareevent.ingestion.frame import Bool, Float32, Float64, Int64
from rareevent.scoring.attribution import Attribution

TOP = 3
EVIDENCE = tuple(f"{what}_{place}" for place in range(1, TOP + 1) for what in ("sensor", "credit"))
# Log-odds are told to four places: credits add up within a percent, and so the order of two that
# differ by rounding alone is that of the columns.
_PLACES = 4


@dataclass(frozen=True)
class TopCredits:
    """Of each of some alarms, the sensors that raised the score most.

    Attributes
    ----------
    names : that `owner` counts into
    owner : int64 [a, 3], the largest credit first; -1 where fewer sensors raised the score
    credit : float64 [a, 3], log-odds, above 0; NaN where there is none
    """

    names: tuple[str, ...]
    owner: Int64
    credit: Float64

    def take(self, which: Int64 | Bool) -> TopCredits:
        """Those of some alarms."""
        return TopCredits(self.names, self.owner[which], self.credit[which])

    def columns(self) -> dict[str, list[str | None] | list[float | None]]:
        """sensor_1, credit_1, sensor_2, … with None where there is none."""
        names = [*self.names, None]
        found: dict[str, list[str | None] | list[float | None]] = {}
        for place in range(TOP):
            owner, credit = self.owner[:, place].tolist(), self.credit[:, place].tolist()
            found[f"sensor_{place + 1}"] = [names[code] for code in owner]
            found[f"credit_{place + 1}"] = [
                value if code >= 0 else None for code, value in zip(owner, credit, strict=True)
            ]
        return found


def top_credits(given: Attribution, windows: Float32) -> TopCredits:
    """The sensors that raised each score most.

    Parameters
    ----------
    windows : float32 [a, lookback, c], of the alarms
    """
    owner = np.full((len(windows), TOP), -1, np.int64)
    credit = np.full((len(windows), TOP), np.nan)
    for alarm, found in enumerate(np.round(given.credit(windows), _PLACES)):
        first = np.argsort(-found, kind="stable")[:TOP]
        first = first[found[first] > 0]
        owner[alarm, : len(first)], credit[alarm, : len(first)] = first, found[first]
    return TopCredits(given.names, owner, credit)


def join_credits(parts: Sequence[TopCredits]) -> TopCredits:
    """Those of several stretches of alarms, one after the other; at least one part."""
    owner = np.concatenate([part.owner for part in parts])
    return TopCredits(parts[0].names, owner, np.concatenate([part.credit for part in parts]))
