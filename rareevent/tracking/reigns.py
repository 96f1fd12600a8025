"""Who was champion when: a registered model's history, as tags beside its alias.

One tag of the registered model per change, named by its time. What is written here is read by
`champions`, which decides who may change it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from rareevent.errors import ModelError
from rareevent.tracking.home import tracking_errors
from rareevent.tracking.models import CHAMPION, find_registered, registered
from rareevent.tracking.orphans import is_gone

if TYPE_CHECKING:
    from mlflow import MlflowClient

How = Literal["first", "gate", "forced", "rollback", "outside"]

TICK = timedelta(microseconds=1)
# A change takes a few requests. One that was announced longer ago, by a process that cannot be
# seen from here, was given up.
GIVEN_UP = timedelta(seconds=60)
_PREFIX = "champion/"
_KEY_TIME = "%Y%m%dT%H%M%S.%fZ"
_OF_THE_WRITING = ("settled", "owner", "token")


@dataclass(frozen=True)
class Reign:
    """A version becoming champion.

    Attributes
    ----------
    version : int
    since : ISO time, UTC; of a change made outside of rareevent, when it was first seen
    how : "first", as the first version of its model; "gate", which held; "forced"; "rollback";
        "outside", by other means than rareevent
    who : user of the operating system; empty where unknown
    reason : as given, or the verdict
    run_id : of the run that made the version; None where unknown
    figures : what was measured
    settled : whether the alias was seen to have moved
    owner : the process that writes it, see `orphans.owner`
    token : tells it from another of the same instant
    """

    version: int
    since: str
    how: How
    who: str = ""
    reason: str = ""
    run_id: str | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)
    settled: bool = True
    owner: str = ""
    token: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain data, without what only the writing needs."""
        return {name: one for name, one in asdict(self).items() if name not in _OF_THE_WRITING}

    @property
    def at(self) -> datetime:
        """When."""
        return datetime.fromisoformat(self.since)

    @property
    def key(self) -> str:
        """Name of its tag; the names of later changes come later in the alphabet."""
        return f"{_PREFIX}{self.at.strftime(_KEY_TIME)}{'-' * bool(self.token)}{self.token}"

    @property
    def under_way(self) -> bool:
        """Whether a process may still be about to move the alias."""
        return not (self.settled or is_gone(self.owner) or datetime.now(UTC) - self.at > GIVEN_UP)


@dataclass(frozen=True)
class History:
    """What the registry holds of a model's champions.

    Attributes
    ----------
    stored : every change that has a tag, oldest first; some of them may not have come into force
    champion : version that the alias points to; None where it points to none
    """

    stored: tuple[Reign, ...]
    champion: int | None

    def in_force(self) -> list[Reign]:
        """The changes that came into force, oldest first, all of them settled.

        A process that was killed when it had moved the alias left its change unsettled.
        """
        done = [reign for reign in self.stored if reign.settled]
        if done and done[-1].version == self.champion:
            return done
        newest = done[-1].key if done else ""
        left = [r for r in self.stored if r.version == self.champion and r.key > newest]
        return [*done, *(replace(reign, settled=True) for reign in left[:1])]

    def reigns(self, now: datetime | None = None) -> list[Reign]:
        """The same, and last what the alias tells and no change does.

        Parameters
        ----------
        now : when that is seen; default the time of the call
        """
        told = self.in_force()
        if self.champion is None or (told and told[-1].version == self.champion):
            return told
        seen = (now or datetime.now(UTC)).isoformat(timespec="microseconds")
        return [*told, Reign(self.champion, seen, "outside")]


def read_history(client: MlflowClient, name: str) -> History:
    """The history of a registered model's champions.

    Raises
    ------
    ModelError
        When there is no such model, or one of its tags is not as it was written.
    """
    model = find_registered(client, name)
    if model is None:
        listed = ", ".join(sorted(registered(client))) or "nothing yet"
        raise ModelError(f"no model {name!r} is registered; there is: {listed}")
    tags = sorted((key, text) for key, text in model.tags.items() if key.startswith(_PREFIX))
    champion = model.aliases.get(CHAMPION)
    stored = tuple(_read(name, key, text) for key, text in tags)
    return History(stored, None if champion is None else int(champion))


def write_reign(client: MlflowClient, name: str, reign: Reign) -> Reign:
    """Keep a change under its key."""
    with tracking_errors(f"cannot write the champions of {name!r}"):
        text = json.dumps(asdict(reign), ensure_ascii=False, allow_nan=False)
        client.set_registered_model_tag(name, reign.key, text)
    return reign


def take_away(client: MlflowClient, name: str, reign: Reign) -> None:
    """Keep a change no longer: it did not come into force."""
    with tracking_errors(f"cannot tidy the champions of {name!r}"):
        client.delete_registered_model_tag(name, reign.key)


def line_of_champions(reigns: Sequence[Reign]) -> list[int]:
    """The versions that `rollback` goes back along, oldest first, without what was taken back.

    Examples
    --------
    >>> def became(version, how="gate"):
    ...     return Reign(version, "", how)
    >>> line_of_champions([became(1), became(2), became(3), became(2, "rollback")])
    [1, 2]
    >>> line_of_champions([became(1), became(2), became(1, "rollback"), became(4)])
    [1, 4]
    """
    line: list[int] = []
    for reign in reigns:
        if reign.how == "rollback" and reign.version in line:
            while line[-1] != reign.version:
                line.pop()
        elif not line or line[-1] != reign.version:
            line.append(reign.version)
    return line


def _read(name: str, key: str, text: str) -> Reign:
    try:
        reign = Reign(**json.loads(text))
        whole = reign.key == key
    except (ValueError, TypeError):
        whole = False
    if not whole:
        raise ModelError(
            f"the tag {key!r} of the registered model {name!r} is not as rareevent wrote it:"
            f" {text[:80]!r}; delete it in the MLflow UI, and the history goes on without it"
        )
    return reign
