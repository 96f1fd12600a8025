"""What is known of a version's skill: the verdict of its training, or a look at labelled data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rareevent.config import PipelineConfig
from rareevent.errors import DataError, PromotionError, TrackingError
from rareevent.evaluation.promotion import SkillFinding
from rareevent.evaluation.skill import Skill
from rareevent.jobs.evaluate import evaluate_model
from rareevent.tracking.home import Home, tracking_errors

if TYPE_CHECKING:
    from mlflow import MlflowClient

FORCE = "--force --reason TEXT promotes it all the same, and is recorded"
_KEPT_FIGURES = ("events", "caught", "false_alarms", "event_recall", "pr_auc", "roc_auc")
_VERDICTS = ("no_skill", "better", "worse", "cannot_be_told_apart")


@dataclass(frozen=True)
class TrainedVerdict:
    """The verdict of the run that trained a version, on rows that the version had not learned."""

    verdict: str

    def finding(self) -> SkillFinding:
        """Whether it found skill."""
        return SkillFinding(
            self.verdict != "no_skill",
            f"the verdict of its training was {self.verdict.replace('_', ' ')}",
        )


def trained_verdict(client: MlflowClient, name: str, version: int) -> TrainedVerdict | None:
    """The verdict of the run that made a version.

    None where there is none to go by: the run is gone, was split at random (its test rows had
    leaked), or judged nothing, as a refit.
    """
    try:
        with tracking_errors(f"cannot read the run of version {version} of {name!r}"):
            run_id = client.get_model_version(name, str(version)).run_id
            tags = client.get_run(run_id).data.tags if run_id else {}
    except TrackingError:
        return None
    verdict = tags.get("verdict", "")
    return TrainedVerdict(verdict) if verdict in _VERDICTS and "leaky" not in tags else None


def skill_of_version(
    verdict: TrainedVerdict | None, uri: str, config: PipelineConfig, home: Home
) -> SkillFinding:
    """A version's skill by the verdict of its training, else by rows that it has not learned from.

    Raises
    ------
    PromotionError
        When there is no verdict, and no row is left that could show skill.
    """
    if verdict is not None:
        return verdict.finding()
    try:
        found = evaluate_model(uri, config, home=home)
    except DataError as error:
        raise PromotionError(
            f"{error}; no test part has judged this version, and without rows that it has not"
            f" learned from its skill cannot be shown; {FORCE}"
        ) from None
    return skill_in_words(found.skill, f"{config.ingest.source} from {found.since} on")


def kept_figures(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """What the history of champions keeps of a version's figures; all would outgrow a tag."""
    return {name: metrics[name] for name in _KEPT_FIGURES}


def skill_in_words(skill: Skill, where: str) -> SkillFinding:
    """A test of skill as the gate tells it."""
    if skill.p_value is None:
        return SkillFinding(False, f"no event lies in the rows of {where}")
    words = f"p = {skill.p_value:.2g} on the rows of {where}, believed up to {skill.alpha:g}"
    return SkillFinding(skill.has_skill, words)
