"""Promotion: which registered version is the champion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rareevent.errors import TrackingError
from rareevent.tracking.home import Home, connect, find_home
from rareevent.tracking.listing import full_run_id
from rareevent.tracking.models import aliases, set_alias, version_of_run
from rareevent.tracking.resolve import resolve_model


@dataclass(frozen=True)
class Promotion:
    """What changed: the alias of `name` moved from version `previous` (None) to `version`."""

    name: str
    alias: str
    version: int
    previous: int | None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return dict(vars(self))


def promote(version: str, alias: str = "champion", *, home: Home | None = None) -> Promotion:
    """Point an alias at a registered version.

    Parameters
    ----------
    version : "models:/NAME/NUMBER", another registered URI, or the id of the run that made it

    Raises
    ------
    TrackingError, ModelError
        When there is no such version, or the run registered none.
    """
    home = home or find_home()
    client = connect(home)
    if version.startswith("models:/"):
        found = resolve_model(version, home)
        name, number = found.name, found.version
    else:
        name, number = version_of_run(client, full_run_id(version, home)) or (None, None)
    if name is None or number is None:
        raise TrackingError(
            f"{version}: registered no version of a model; give models:/NAME/NUMBER, or train"
            " with register.model set"
        )
    previous = aliases(client, name).get(alias)
    set_alias(client, name, number, alias)
    return Promotion(name, alias, number, previous)
