"""Who was champion when: a registered model's history, kept as tags beside its alias.

One tag of the registered model per change, named by its time. It is written before the alias
moves, and once more, as settled, after. So a process killed in between leaves the old alias or
the new one, and a change of which the history knows why: the next call settles what came into
force and takes away what did not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from rareevent.errors import ModelError
from rareevent.tracking.home import tracking_errors
from rareevent.tracking.models import CHAMPION, registered, set_alias, versions
from rareevent.tracking.runs import os_user

if TYPE_CHECKING:
    from mlflow import MlflowClient

How = Literal["first", "gate", "forced", "rollback", "outside"]

_PREFIX = "champion/"
_KEY_TIME = "%Y%m%dT%H%M%S.%fZ"
_TICK = timedelta(microseconds=1)


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
    """

    version: int
    since: str
    how: How
    who: str = ""
    reason: str = ""
    run_id: str | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)
    settled: bool = True

    def to_json(self) -> dict[str, Any]:
        """Plain data, without what only the writing needs."""
        return {name: value for name, value in asdict(self).items() if name != "settled"}


def read_champions(client: MlflowClient, name: str) -> list[Reign]:
    """The champions of a registered model, oldest first; the last one is it now, if any is.

    Raises
    ------
    ModelError
        When there is no such model.
    """
    reigns, champion = _stored(client, name)
    return _as_it_stands(reigns, champion)


def set_champion(
    client: MlflowClient,
    name: str,
    version: int,
    how: How,
    *,
    reason: str = "",
    figures: Mapping[str, Any] | None = None,
) -> Reign:
    """Make a version champion, and keep when, by whom, how and why.

    Raises
    ------
    ModelError
        When there is no such model or version.
    """
    if version not in (known := versions(client, name)):
        listed = ", ".join(map(str, known)) or "none"
        raise ModelError(f"{name!r} has no version {version}; it has {listed}")
    past = settle(client, name)
    now = datetime.now(UTC)
    if past:
        # Clocks of two machines may differ; the order of changes may not.
        now = max(now, datetime.fromisoformat(past[-1].since) + _TICK)
    with tracking_errors(f"cannot read version {version} of {name!r}"):
        run_id = client.get_model_version(name, str(version)).run_id or None
    reign = Reign(
        version,
        now.isoformat(timespec="microseconds"),
        how,
        who=os_user(),
        reason=reason,
        run_id=run_id,
        figures=figures or {},
        settled=False,
    )
    _write(client, name, reign)
    set_alias(client, name, version)
    return _write(client, name, replace(reign, settled=True))


def settle(client: MlflowClient, name: str) -> list[Reign]:
    """Put a history in order that a kill left half written, or that the alias ran away from.

    Returns
    -------
    The champions, oldest first, as `read_champions` tells them
    """
    stored, champion = _stored(client, name)
    reigns = _as_it_stands(stored, champion)
    kept = {reign.since for reign in reigns}
    for reign in stored:
        if reign.since not in kept:
            with tracking_errors(f"cannot tidy the champions of {name!r}"):
                client.delete_registered_model_tag(name, _key(reign))
    known = {reign.since for reign in stored if reign.settled}
    for reign in reigns:
        if reign.since not in known:
            _write(client, name, reign)
    return reigns


def interrupted(client: MlflowClient, name: str) -> Reign | None:
    """The last change, where its alias moved but the process ended before it could say so."""
    stored, champion = _stored(client, name)
    last = stored[-1] if stored else None
    return last if last and not last.settled and last.version == champion else None


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


def _as_it_stands(stored: Sequence[Reign], champion: int | None) -> list[Reign]:
    """What came into force, all of it settled; what the alias tells and no tag does comes last."""
    in_force = list(stored)
    if in_force and not in_force[-1].settled and in_force[-1].version == champion:
        in_force[-1] = replace(in_force[-1], settled=True)
    in_force = [reign for reign in in_force if reign.settled]
    if champion is not None and (not in_force or in_force[-1].version != champion):
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        in_force.append(Reign(champion, now, "outside"))
    return in_force


def _stored(client: MlflowClient, name: str) -> tuple[list[Reign], int | None]:
    """The tags' changes, oldest first, and the version that the alias points to."""
    if name not in (known := registered(client)):
        listed = ", ".join(sorted(known)) or "nothing yet"
        raise ModelError(f"no model {name!r} is registered; there is: {listed}")
    with tracking_errors(f"cannot read the champions of {name!r}"):
        model = client.get_registered_model(name)
    tags = sorted((key, text) for key, text in model.tags.items() if key.startswith(_PREFIX))
    champion = model.aliases.get(CHAMPION)
    return [Reign(**json.loads(text)) for _, text in tags], champion and int(champion)


def _write(client: MlflowClient, name: str, reign: Reign) -> Reign:
    with tracking_errors(f"cannot write the champions of {name!r}"):
        text = json.dumps(asdict(reign), ensure_ascii=False, allow_nan=False)
        client.set_registered_model_tag(name, _key(reign), text)
    return reign


def _key(reign: Reign) -> str:
    return _PREFIX + datetime.fromisoformat(reign.since).strftime(_KEY_TIME)
