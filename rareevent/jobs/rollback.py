"""Going back to an earlier champion, and the list of all there were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rareevent.errors import PromotionError
from rareevent.jobs.promote import check_reason
from rareevent.tracking.champions import (
    demand_nothing_under_way,
    interrupted,
    set_champion,
    settle,
)
from rareevent.tracking.home import Home, connect, find_home
from rareevent.tracking.models import versions
from rareevent.tracking.reigns import Reign, line_of_champions, read_history

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class Rollback:
    """What `rollback` did: `version` is champion again, in place of `previous`.

    `finished` says that an earlier call had moved the alias and was killed before it could say so.
    """

    name: str
    version: int
    previous: int | None
    finished: bool
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return dict(vars(self))


@dataclass(frozen=True)
class Champions:
    """Who was champion of a model when, oldest first.

    Attributes
    ----------
    champion : version that the alias points to now; None where it points to none
    reigns : one per change
    """

    name: str
    champion: int | None
    reigns: tuple[Reign, ...]

    def until(self) -> list[str | None]:
        """When each reign ended, ISO; None for the one that lasts."""
        later = [reign.since for reign in self.reigns[1:]]
        return [*later, None] if self.reigns else []

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        pairs = zip(self.reigns, self.until(), strict=True)
        reigns = [{**reign.to_json(), "until": end} for reign, end in pairs]
        return {"name": self.name, "champion": self.champion, "reigns": reigns}


def champions(name: str, *, home: Home | None = None) -> Champions:
    """The history of a registered model's champions.

    Parameters
    ----------
    name : of the registered model, or a URI of it

    Raises
    ------
    ModelError, TrackingError
        When there is no such model, or MLflow cannot be reached.
    """
    name = plain_name(name)
    client = connect(home or find_home())
    found = read_history(client, name)
    return Champions(name, found.champion, tuple(found.reigns()))


def rollback(name: str, *, reason: str = "", home: Home | None = None) -> Rollback:
    """Put the champion before this one back; called again, the one before that.

    What a rollback left behind is passed over, and so is a version that was deleted. A rollback
    that was killed when the alias had moved is finished, not repeated.

    Parameters
    ----------
    name : of the registered model, or a URI of it
    reason : kept with the change

    Raises
    ------
    PromotionError
        When there is no earlier champion, or another process is changing it.
    ModelError, TrackingError
        When there is no such model, or MLflow cannot be reached.
    """
    check_reason(reason, needed=False)
    name = plain_name(name)
    client = connect(home or find_home())
    found = settle(client, name)
    demand_nothing_under_way(name, found)
    reigns, left = found.reigns(), interrupted(found)
    if left is not None and left.how == "rollback":
        before = reigns[-2].version if len(reigns) > 1 else None
        return Rollback(name, left.version, before, True, left.reason)
    current = found.champion
    version = _earlier(client, name, line_of_champions(reigns), current)
    set_champion(
        client,
        name,
        version,
        "rollback",
        instead_of=current,
        reason=reason,
        figures={"previous": current},
    )
    return Rollback(name, version, current, False, reason)


def plain_name(name: str) -> str:
    """The name in "NAME", "models:/NAME", "models:/NAME@champion" or "models:/NAME/VERSION".

    Examples
    --------
    >>> plain_name("plant"), plain_name("models:/plant@champion"), plain_name("models:/a@b/2")
    ('plant', 'plant', 'a@b')
    """
    if not name.startswith("models:/"):
        return name
    reference = name.removeprefix("models:/")
    mark = "/" if "/" in reference or "@" not in reference else "@"
    return reference.rpartition(mark)[0] or reference


def _earlier(client: MlflowClient, name: str, line: Sequence[int], current: int | None) -> int:
    """The newest version of the line before the current one that still exists."""
    known = versions(client, name)
    before = line[:-1] if line and line[-1] == current else line
    for version in reversed(before):
        if version in known and version != current:
            return version
    now = "no version is champion" if current is None else f"version {current} is champion"
    raise PromotionError(
        f"{name}: {now} and the history has none before it to go back to; `rareevent champions"
        f" {name}` shows it, `rareevent promote models:/{name}/VERSION` makes another one champion"
    )
