"""Going back to an earlier champion, and the list of all there were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rareevent.errors import ModelError, PromotionError
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
from rareevent.tracking.resolve import load_model

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class Rollback:
    """What `rollback` did.

    Attributes
    ----------
    name, version : who is champion again
    previous : version in whose place; None where none was champion
    finished : whether an earlier call had moved the alias and was killed before it could say so
    reason : as given
    passed_over : earlier champions that lie between, still registered, but without a bundle that
        could score
    """

    name: str
    version: int
    previous: int | None
    finished: bool
    reason: str
    passed_over: tuple[int, ...] = ()

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

    What a rollback left behind is passed over, and so is a version that was deleted or whose
    bundle cannot be loaded. A rollback that was killed when the alias had moved is finished, not
    repeated.

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
    home = home or find_home()
    client = connect(home)
    found = settle(client, name)
    demand_nothing_under_way(name, found)
    reigns, left = found.reigns(), interrupted(found)
    if left is not None and left.how == "rollback":
        before = reigns[-2].version if len(reigns) > 1 else None
        return Rollback(name, left.version, before, True, left.reason)
    current = found.champion
    line = _line_before(client, name, line_of_champions(reigns), current)
    version, passed_over = _newest_that_loads(name, line, current, home)
    set_champion(
        client,
        name,
        version,
        "rollback",
        instead_of=current,
        reason=reason,
        figures={"previous": current},
    )
    return Rollback(name, version, current, False, reason, passed_over)


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


def _line_before(
    client: MlflowClient, name: str, line: Sequence[int], current: int | None
) -> list[int]:
    """The earlier champions that are still registered, newest first."""
    known = versions(client, name)
    before = line[:-1] if line and line[-1] == current else line
    return [version for version in reversed(before) if version in known and version != current]


def _newest_that_loads(
    name: str, line: Sequence[int], current: int | None, home: Home
) -> tuple[int, tuple[int, ...]]:
    """The first of the line whose bundle can score, and those before it whose cannot."""
    gone: list[int] = []
    why = ""
    for version in line:
        try:
            load_model(f"models:/{name}/{version}", home)
        except ModelError as error:
            gone.append(version)
            why += f"; version {version} cannot be loaded: {error}"
        else:
            return version, tuple(gone)
    now = "no version is champion" if current is None else f"version {current} is champion"
    raise PromotionError(
        f"{name}: {now} and the history has none before it to go back to{why}; `rareevent champions"
        f" {name}` shows it, `rareevent promote models:/{name}/VERSION` makes another one champion"
    )
