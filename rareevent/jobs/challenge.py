"""A challenger and its champion on the rows that neither has learned from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rareevent.bundle import Bundle
from rareevent.config import Ingest, PipelineConfig
from rareevent.errors import DataError, PromotionError
from rareevent.evaluation.catches import judge
from rareevent.evaluation.compare import Comparison, compare
from rareevent.evaluation.metrics import alarm_metrics, row_metrics
from rareevent.evaluation.promotion import LATER
from rareevent.evaluation.scored import Scored
from rareevent.evaluation.skill import FitScores, Skill, find_skill
from rareevent.ingestion import ingest
from rareevent.ingestion.frame import Bool, Int64, SensorFrame
from rareevent.jobs.evaluate import as_scored, countable_events, rows_not_learned_from
from rareevent.jobs.proven import FORCE
from rareevent.scoring.engine import Scores, score_frame
from rareevent.windowing.curve_shift import Labels, curve_shift


@dataclass(frozen=True)
class Challenge:
    """How challenger and champion did on the same rows.

    Attributes
    ----------
    since, until : first and last compared time, as texts
    source, data_sha256 : where the rows were read, and the digest of all that was read
    comparison : the challenger's figures less the champion's, paired
    challenger, champion : row and alarm metrics of each
    skill : of the challenger, on these rows
    """

    since: str
    until: str
    source: str
    data_sha256: str
    comparison: Comparison
    challenger: Mapping[str, Any]
    champion: Mapping[str, Any]
    skill: Skill

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        parts = {"comparison": self.comparison.to_json(), "skill": self.skill.to_json()}
        return {**vars(self), **parts}


def challenge(challenger: Bundle, champion: Bundle, config: PipelineConfig) -> Challenge:
    """Score both on the same rows, each as its scoring job would, and compare them paired.

    Compared are the rows that neither has learned from and that at least one of the two scores;
    where the other gives no score (its windows ask for more history) it counts as silent. An
    event counts where its whole catch window is new to both.

    Parameters
    ----------
    config : whose `ingest` says where the data are and what an event is, and whose `evaluate`
        says how to compare

    Raises
    ------
    PromotionError
        When the two answer different questions, read different columns, or no row is new to both.
    DataError, ConfigError
        When the source cannot be read.
    """
    _same_question(challenger, champion)
    frame = _read(config.ingest, champion)
    if frame.clock.kind != challenger.clock.kind:
        raise PromotionError(
            f"{config.ingest.source}: counts time as {frame.clock.kind}, the models as"
            f" {challenger.clock.kind}: these are other data than they learned from; {FORCE}"
        )
    labels = curve_shift(frame, challenger.horizon, frame.clock.ticks(challenger.config.label.lead))
    both = (challenger, champion)
    fresh = np.logical_and(*(rows_not_learned_from(bundle, frame) for bundle in both))
    out = [_scores(bundle, frame) for bundle in both]
    row = np.union1d(out[0].row, out[1].row)
    row = row[fresh[row]]
    if not len(row):
        raise PromotionError(_nothing_new(challenger, champion, frame, config.ingest.source))
    ours, theirs = (_laid_out(frame, labels, row, one) for one in out)
    counted = np.logical_and(
        *(
            countable_events(bundle, frame, labels, rows_not_learned_from(bundle, frame))[0]
            for bundle in both
        )
    )
    comparison = compare(
        ours,
        theirs,
        frame.events,
        counted,
        frame.clock,
        config.evaluate,
        lookback=max(bundle.config.window.lookback for bundle in both),
        horizon=challenger.horizon,
    )
    return Challenge(
        since=frame.clock.text(int(frame.time[row].min())),
        until=frame.clock.text(int(frame.time[row].max())),
        source=config.ingest.source,
        data_sha256=frame.data_sha256(),
        comparison=comparison,
        challenger=_metrics(ours, counted, frame, challenger),
        champion=_metrics(theirs, counted, frame, champion),
        skill=find_skill(
            [FitScores.of({"challenger": ours})], frame.clock, seed=config.evaluate.seed
        ),
    )


def _same_question(challenger: Bundle, champion: Bundle) -> None:
    """Refuse models whose alarms are not caught by the same rows."""
    asked = [
        (b.clock.kind, b.horizon, b.clock.ticks(b.config.label.lead))
        for b in (challenger, champion)
    ]
    if asked[0] == asked[1]:
        return
    (kind, *ours), (other, *theirs) = asked
    if kind != other:
        said = f"one counts time as {kind}, the other as {other}"
    else:
        texts = [
            bundle.clock.duration_text(horizon)
            + (f" (lead {bundle.clock.duration_text(lead)})" if lead else "")
            for bundle, (horizon, lead) in zip((challenger, champion), (ours, theirs), strict=True)
        ]
        said = f"the challenger looks {texts[0]} ahead and the champion {texts[1]}"
    raise PromotionError(
        f"{said}: their events are not caught by the same rows, so no comparison is fair; {FORCE}"
    )


def _read(stage: Ingest, champion: Bundle) -> SensorFrame:
    """The rows with the columns of both; the champion may read some that the stage leaves out."""
    wide = _widened(stage, champion)
    try:
        return ingest(wide)[0]
    except DataError as error:
        if wide == stage:
            raise
        raise PromotionError(f"the data lack what the champion reads: {error}; {FORCE}") from None


def _widened(stage: Ingest, champion: Bundle) -> Ingest:
    needs, categories = champion.needs, champion.config.ingest.categorical
    changes = {
        "ignore": tuple(c for c in stage.ignore if c not in needs),
        "categorical": _with(stage.categorical, [c for c in categories if c in needs]),
        "keep": _with(stage.keep, champion.config.ingest.keep),
    }
    if stage.sensors is not None:
        changes["sensors"] = _with(stage.sensors, [c for c in needs if c not in categories])
    return stage.model_copy(update=changes)


def _with(names: tuple[str, ...], more: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    return (*names, *(name for name in more if name not in names))


def _scores(bundle: Bundle, frame: SensorFrame) -> Scores:
    try:
        return score_frame(bundle, as_scored(bundle, frame))
    except DataError as error:
        raise PromotionError(f"one of the two cannot score these data: {error}; {FORCE}") from None


def _laid_out(frame: SensorFrame, labels: Labels, row: Int64, out: Scores) -> Scored:
    """A model's scores on the common rows; silent, at probability 0, where it gives none."""
    mine = np.isin(out.row, row)
    place = np.searchsorted(row, out.row[mine])
    probability, alarm = np.zeros(len(row)), np.zeros(len(row), bool)
    probability[place], alarm[place] = out.probability[mine], out.alarm[mine]
    return Scored.of_rows(frame, labels, row, frame.segments.of_row[row], probability, alarm)


def _metrics(scored: Scored, counted: Bool, frame: SensorFrame, bundle: Bundle) -> dict[str, Any]:
    judged = judge(scored, counted)
    threshold = bundle.policy.threshold
    return {
        **row_metrics(scored),
        **alarm_metrics(scored, judged, counted, frame.clock, threshold),
    }


def _nothing_new(challenger: Bundle, champion: Bundle, frame: SensorFrame, source: str) -> str:
    ends = frame.clock.text(int(frame.time.max()))
    said = f"{source}: no row is new to both, up to {ends}"
    for name, bundle in (("challenger", challenger), ("champion", champion)):
        until = bundle.provenance.get("learned_until")
        if "learned_assets" in bundle.provenance:
            count = len(bundle.provenance["learned_assets"])
            said += f"; the {name} learned from {count} asset{'s' * (count != 1)}"
        elif until is not None:
            said += f"; the {name} learned from rows up to {frame.clock.text(until)}"
    if challenger.provenance.get("refit_of") is not None:
        said += "; a refit holds nothing back, so only rows that came after it can judge it"
    return f"{said}; {LATER}, or: {FORCE}"
