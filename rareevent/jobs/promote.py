"""Promotion: a challenger against the champion, and who is champion after it."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from rareevent.config import PipelineConfig, override_pipeline
from rareevent.errors import ConfigError, TrackingError
from rareevent.evaluation.promotion import GateCheck
from rareevent.jobs.challenge import Challenge
from rareevent.jobs.proven import kept_figures
from rareevent.jobs.questions import Asked, Findings, ask
from rareevent.tracking.champions import set_champion, settle
from rareevent.tracking.home import Home, connect, find_home
from rareevent.tracking.listing import full_run_id
from rareevent.tracking.models import CHAMPION, aliases, version_of_run
from rareevent.tracking.resolve import load_model, name_and_version

Outcome = Literal["promoted", "forced", "refused", "already_champion"]

# A tag of the registry holds 5,000 characters, figures included.
_LONGEST_REASON = 1000


@dataclass(frozen=True)
class Promotion:
    """What `promote` found and did; `to_json` is what `promote --json` prints.

    Attributes
    ----------
    name, version : the challenger
    previous : version that was champion before; None where none was
    outcome : "promoted", "forced", "refused" (the champion stays) or "already_champion"
    checks : every question of the gate; empty where none could be asked
    gate : the gate's settings
    challenge : the two compared; None where there was no champion, or no comparison
    reason : as given, or the gate in words
    trouble : why nothing could be compared; empty where it could
    """

    name: str
    version: int
    previous: int | None
    outcome: Outcome
    checks: tuple[GateCheck, ...]
    gate: Mapping[str, Any]
    challenge: Challenge | None
    reason: str
    trouble: str = ""

    @property
    def is_champion(self) -> bool:
        """Whether the version is the champion now."""
        return self.outcome != "refused"

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            **vars(self),
            "is_champion": self.is_champion,
            "checks": [check.to_json() for check in self.checks],
            "challenge": self.challenge.to_json() if self.challenge else None,
        }


def promote(
    version: str,
    config: PipelineConfig | None = None,
    *,
    overrides: tuple[str, ...] = (),
    force: bool = False,
    reason: str = "",
    home: Home | None = None,
) -> Promotion:
    """Make a registered version champion if it holds its own against the one that is.

    Without a champion only its skill is asked for. What the gate asks stands in `promote` of the
    pipeline.

    Parameters
    ----------
    version : "models:/NAME/NUMBER", another registered URI, or the id of the run that made it
    config : says where the labelled data are and what the gate asks; default the version's own
    overrides : keys of the version's own pipeline to replace, as `key.path=value`
    force : promote whatever the gate says, and even where nothing can be compared
    reason : kept with the change; `force` needs one

    Raises
    ------
    PromotionError
        When no honest comparison is possible, unless forced; when the champion was changed
        meanwhile.
    ConfigError, DataError, TrackingError, ModelError
        When a setting or the source is wrong, or there is no such version.
    """
    check_reason(reason, needed=force)
    home = home or find_home()
    client = connect(home)
    name, number = registered_version(version, home)
    previous = aliases(client, name).get(CHAMPION)
    bundle = load_model(f"models:/{name}/{number}", home)
    used = config or override_pipeline(bundle.config, overrides, where=version)
    known = Promotion(
        name, number, previous, "refused", (), used.promote.model_dump(), None, reason
    )
    if previous == number:
        settle(client, name)
        return replace(known, outcome="already_champion")
    asked = Asked(client, home, name, number, bundle, used)
    found = ask(asked, previous, force)
    known = replace(known, checks=found.checks, challenge=found.challenge, trouble=found.trouble)
    if not found.hold and not force:
        return known
    known = replace(
        known,
        outcome="promoted" if found.hold else "forced",
        reason=reason or "; ".join(f"{c.name}: {c.found}" for c in found.checks),
    )
    how: Literal["gate", "forced"] = "gate" if found.hold else "forced"
    text, figures = known.reason[:_LONGEST_REASON], _figures(known, found)
    set_champion(client, name, number, how, instead_of=previous, reason=text, figures=figures)
    return known


def check_reason(reason: str, *, needed: bool) -> None:
    """Refuse a reason that is missing, too long to keep or no text.

    Raises
    ------
    ConfigError
    """
    if needed and not reason.strip():
        raise ConfigError("--force needs --reason TEXT: the history keeps why")
    if len(reason) > _LONGEST_REASON:
        raise ConfigError(
            f"--reason: at most {_LONGEST_REASON:,} characters are kept; received {len(reason):,}"
        )
    for letter in reason:
        # Cc: what a terminal would obey; Cs: bytes that were no text.
        if unicodedata.category(letter) in ("Cc", "Cs") and letter not in "\n\t":
            raise ConfigError(f"--reason: {letter!r} in it is no letter of a text; leave it out")


def registered_version(version: str, home: Home) -> tuple[str, int]:
    """Name and number of a registered version, by its URI or by the run that made it.

    Raises
    ------
    TrackingError, ModelError
        When there is no such version, or the run registered none.
    """
    if version.startswith("models:/"):
        found = name_and_version(version, home)
    else:
        found = version_of_run(connect(home), full_run_id(version, home))
    if found is None:
        raise TrackingError(
            f"{version}: registered no version of a model; give models:/NAME/NUMBER, or train"
            " with register.model set"
        )
    return found


def _figures(known: Promotion, found: Findings) -> dict[str, Any]:
    """What the history keeps of the comparison; all of it would outgrow a tag."""
    figures: dict[str, Any] = {"previous": known.previous, "gate": dict(known.gate)}
    if found.trouble:
        figures["not_compared"] = found.trouble[:_LONGEST_REASON]
    figures["checks"] = {check.name: check.passed for check in found.checks}
    one = found.challenge
    if one is None:
        return figures
    metric = known.gate["metric"]
    return figures | {
        "since": one.since,
        "until": one.until,
        "data_sha256": one.data_sha256,
        "challenger": kept_figures(one.challenger),
        "champion": kept_figures(one.champion),
        "difference": asdict(one.comparison.differences[metric]),
    }
