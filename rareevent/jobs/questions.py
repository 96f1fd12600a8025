"""What the gate asks of a version that would be champion, and what is found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rareevent.bundle import Bundle
from rareevent.config import PipelineConfig
from rareevent.errors import ModelError, PromotionError, RareEventError
from rareevent.evaluation.promotion import GateCheck, failed, gate_checks, skill_checks
from rareevent.jobs.challenge import Challenge, challenge
from rareevent.jobs.proven import (
    FORCE,
    TrainedVerdict,
    skill_in_words,
    skill_of_version,
    trained_verdict,
)
from rareevent.tracking.home import Home
from rareevent.tracking.resolve import load_model

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class Findings:
    """What the gate was asked, and what of it cannot be answered."""

    checks: tuple[GateCheck, ...] = ()
    challenge: Challenge | None = None
    trouble: str = ""

    @property
    def hold(self) -> bool:
        """Whether the gate is open."""
        return not self.trouble and not failed(self.checks)


@dataclass(frozen=True)
class Asked:
    """A version that would be champion, and by which pipeline it is judged."""

    client: MlflowClient
    home: Home
    name: str
    number: int
    bundle: Bundle
    used: PipelineConfig

    @property
    def own_data(self) -> bool:
        """Whether it is judged by the data that it was trained with, as far as names tell."""
        own, used = self.bundle.config.ingest, self.used.ingest
        return (own.source, own.events) == (used.source, used.events)

    def verdict(self) -> TrainedVerdict | None:
        """What its training said of it."""
        return trained_verdict(self.client, self.name, self.number)


def ask(asked: Asked, previous: int | None, force: bool) -> Findings:
    """Everything the gate asks; what cannot be asked stands in the way only where not forced."""
    try:
        if previous is None:
            return _alone(asked)
        return _against_champion(asked, previous)
    except RareEventError as error:
        if not force:
            raise
        return Findings(trouble=" ".join(str(error).split()))


def _alone(asked: Asked) -> Findings:
    """Where nobody is champion there is nothing to be compared with: only skill is asked for."""
    stage = asked.used.promote
    if not stage.require_skill:
        return Findings()
    verdict = asked.verdict() if asked.own_data else None
    uri = f"models:/{asked.name}/{asked.number}"
    skill = skill_of_version(verdict, uri, asked.used, asked.home)
    return Findings(skill_checks(stage, skill))


def _against_champion(asked: Asked, previous: int) -> Findings:
    try:
        champion = load_model(f"models:/{asked.name}/{previous}", asked.home)
    except ModelError as error:
        raise PromotionError(
            f"the champion, version {previous}, cannot be loaded: {error}; {FORCE}"
        ) from None
    found = challenge(asked.bundle, champion, asked.used)
    same = found.data_sha256 == asked.bundle.provenance.get("data_sha256")
    verdict = asked.verdict() if same else None
    where = f"{found.source} from {found.since} on"
    skill = verdict.finding() if verdict else skill_in_words(found.skill, where)
    counts = found.challenger["false_alarms"], found.champion["false_alarms"]
    return Findings(gate_checks(asked.used.promote, found.comparison, counts, skill), found)
