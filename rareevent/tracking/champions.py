"""Who becomes champion: one change at a time, each of them in the history.

A change is written before the alias moves, and once more, as settled, after. So a process killed
in between leaves the old alias or the new one, and a change of which the history knows why: the
next change settles what came into force and takes away what did not.

MLflow has no lock, and no alias that moves only from where one saw it. What was written stands in
for both: who would change the champion says so first and looks then who else did. Of two, at
least the later one to look sees the other; the one whose name comes later gives way, the other
waits for it to be gone. (The order of Lamport's bakery, 1974, Communications of the ACM 17.) Then
the alias has to be where it was when the decision was made.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rareevent.errors import ModelError, PromotionError
from rareevent.tracking.home import tracking_errors
from rareevent.tracking.models import set_alias, versions
from rareevent.tracking.orphans import owner
from rareevent.tracking.reigns import (
    GIVEN_UP,
    TICK,
    History,
    How,
    Reign,
    read_history,
    take_away,
    write_reign,
)
from rareevent.tracking.runs import os_user

if TYPE_CHECKING:
    from mlflow import MlflowClient

_BETWEEN_LOOKS_SEC = 0.1


def read_champions(client: MlflowClient, name: str) -> list[Reign]:
    """The champions of a registered model, oldest first; the last one is it now, if any is.

    Raises
    ------
    ModelError
        When there is no such model.
    """
    return read_history(client, name).reigns()


def set_champion(
    client: MlflowClient,
    name: str,
    version: int,
    how: How,
    *,
    instead_of: int | None,
    reason: str = "",
    figures: Mapping[str, Any] | None = None,
) -> Reign:
    """Make a version champion, and keep when, by whom, how and why.

    Parameters
    ----------
    instead_of : the champion that the decision was made against; None where there was none

    Raises
    ------
    PromotionError
        When another is champion by now, or another process is changing it; nothing was changed.
    ModelError
        When there is no such model or version.
    """
    if version not in (known := versions(client, name)):
        listed = ", ".join(map(str, known)) or "none"
        raise ModelError(f"{name!r} has no version {version}; it has {listed}")
    with tracking_errors(f"cannot read version {version} of {name!r}"):
        run_id = client.get_model_version(name, str(version)).run_id or None
    wanted = Reign(
        version,
        _next_moment(read_history(client, name)),
        how,
        who=os_user(),
        reason=reason,
        run_id=run_id,
        figures=figures or {},
        settled=False,
        owner=owner(),
        token=uuid.uuid4().hex[:8],
    )
    write_reign(client, name, wanted)
    try:
        found = _wait_for_turn(client, name, wanted)
        _demand_unchanged(name, found, wanted, instead_of)
    except PromotionError:
        take_away(client, name, wanted)
        raise
    _tidy(client, name, found, found.reigns(wanted.at - TICK))
    set_alias(client, name, version)
    return write_reign(client, name, replace(wanted, settled=True))


def settle(client: MlflowClient, name: str) -> History:
    """Put in order what a kill left half written.

    Returns
    -------
    The history, as it was found
    """
    found = read_history(client, name)
    _tidy(client, name, found, found.in_force())
    return found


def interrupted(found: History) -> Reign | None:
    """The last change, where its alias moved but the process ended before it could say so."""
    told = found.in_force()
    done = {reign.key for reign in found.stored if reign.settled}
    return told[-1] if told and told[-1].key not in done else None


def demand_nothing_under_way(name: str, found: History, but: Reign | None = None) -> None:
    """Refuse where another process is changing the champion.

    Raises
    ------
    PromotionError
    """
    for reign in found.stored:
        if reign.under_way and (but is None or reign.key != but.key):
            left = (reign.at + GIVEN_UP - datetime.now(UTC)).total_seconds()
            raise PromotionError(
                f"{name}: version {reign.version} is being made champion"
                f"{f' by {reign.who}' if reign.who else ''} at this moment; call again; should that"
                f" process have been killed, in {max(left, 0) + 1:.0f} s"
            )


def _next_moment(found: History) -> str:
    """Now; after all changes there are, since clocks of two machines differ."""
    now = datetime.now(UTC)
    if found.stored:
        # The tick between is for a change from outside, which is kept with this one.
        now = max(now, found.stored[-1].at + 2 * TICK)
    return now.isoformat(timespec="microseconds")


def _wait_for_turn(client: MlflowClient, name: str, wanted: Reign) -> History:
    """What the registry holds once nobody else is changing it.

    Raises
    ------
    PromotionError
        When another was first.
    """
    while True:
        found = read_history(client, name)
        others = [r for r in found.stored if r.under_way and r.key != wanted.key]
        if not others:
            return found
        if others[0].key < wanted.key:
            demand_nothing_under_way(name, found, but=wanted)
        # They give way, or have passed here already and will soon have moved the alias.
        time.sleep(_BETWEEN_LOOKS_SEC)


def _demand_unchanged(name: str, found: History, wanted: Reign, instead_of: int | None) -> None:
    later = any(reign.settled and reign.key > wanted.key for reign in found.stored)
    if found.champion == instead_of and not later:
        return
    was = "none was champion" if instead_of is None else f"version {instead_of} was champion"
    now = "none is" if found.champion is None else f"version {found.champion} is"
    raise PromotionError(
        f"{name}: {was} when version {wanted.version} was chosen, and now {now}: somebody changed"
        f" it meanwhile; nothing was done; `rareevent champions {name}` shows who, and called"
        " again this goes by the champion of now"
    )


def _tidy(client: MlflowClient, name: str, found: History, told: list[Reign]) -> None:
    """Take away what did not come into force, and write what did as settled."""
    kept = {reign.key for reign in told}
    for reign in found.stored:
        if not (reign.settled or reign.under_way or reign.key in kept):
            take_away(client, name, reign)
    done = {reign.key for reign in found.stored if reign.settled}
    for reign in told:
        if reign.key not in done:
            write_reign(client, name, reign)
