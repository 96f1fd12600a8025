"""Learning, as training and every fold of a backtest do it: choose on forward scores, then refit.

Each validation fold is scored by models that learned from the rows before it. On those scores
the calibration and the alarm policy are chosen, for the LSTM and for every baseline alike. Then
all of them learn once more from everything before the test part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from rareevent.alarms.calibration import Calibration, fit_calibration
from rareevent.alarms.policy import AlarmPolicy, raise_alarms
from rareevent.config import PipelineConfig
from rareevent.evaluation.baselines import Baseline, fit_baseline
from rareevent.evaluation.objectives import FittedPolicy, fit_policy
from rareevent.evaluation.scored import Scored
from rareevent.ingestion.frame import Bool, Float64, Int64
from rareevent.jobs.prepare import Prepared
from rareevent.jobs.progress import Progress
from rareevent.lstm.cell import forward
from rareevent.training.fit import EpochReport, FittedLSTM, fit_lstm
from rareevent.windowing.audit import Fit
from rareevent.windowing.encode import RowEncoder, fit_encoder
from rareevent.windowing.split import EventPart
from rareevent.windowing.temporalize import Windows, temporalize

LSTM = "lstm"


@dataclass(frozen=True)
class PartFit:
    """Everything learned to judge one part.

    Attributes
    ----------
    part : number of the judged part
    encoder : channels and scaling
    windows : over every row of the frame that has one
    short_history : rows in a segment without a window
    members : the LSTM ensemble
    baselines : name -> fitted baseline
    learned_from, judged_on : bool [n], for the audit: the very masks that were used
    """

    part: int
    encoder: RowEncoder
    windows: Windows
    short_history: int
    members: tuple[FittedLSTM, ...]
    baselines: Mapping[str, Baseline]
    learned_from: Bool
    judged_on: Bool

    def logits(self, name: str, windows: Windows) -> Float64:
        """Scores of some windows by the LSTM ensemble (the members' mean) or a baseline."""
        if name != LSTM:
            return self.baselines[name].logits(windows)
        scores = [forward(m.network, windows)[:, 0] for m in self.members]
        return np.mean(scores, axis=0, dtype=np.float64)


@dataclass(frozen=True)
class Chosen:
    """What was chosen for one model on forward out-of-fold scores.

    Attributes
    ----------
    calibration, fitted : from logit to probability, and the alarm policy fitted on those
    scored : the validation rows with their calibrated scores and the policy's alarms
    """

    calibration: Calibration
    fitted: FittedPolicy
    scored: Scored

    @property
    def policy(self) -> AlarmPolicy:
        """The alarm policy."""
        return self.fitted.policy


@dataclass(frozen=True)
class Learned:
    """The outcome of learning.

    Attributes
    ----------
    folds : what was learned to score each validation fold
    final : what was learned to judge the test part, and goes into the bundle
    chosen : model name -> its calibration and policy; "lstm" and each baseline
    fits : what the leak audit asks about
    """

    folds: tuple[PartFit, ...]
    final: PartFit
    chosen: Mapping[str, Chosen]
    fits: tuple[Fit, ...]


def learn(prepared: Prepared, progress: Progress) -> Learned:
    """Fit, choose and refit on rows before the test part.

    Raises
    ------
    DataError, TrainingError
        When there is nothing to learn from, or the loss is no longer a number.
    """
    split, config = prepared.split, prepared.config
    steps = _Steps(config, split.folds + 1, progress)
    folds = tuple(fit_part(prepared, part, steps) for part in range(1, split.folds + 1))
    chosen = {name: _choose(prepared, folds, name) for name in model_names(config)}
    refit_part = split.test if config.train.refit else 1
    final = fit_part(prepared, split.test, steps, learn_for=refit_part)
    fits = [Fit(_fold_name(f.part, split.folds), f.learned_from, f.judged_on) for f in folds]
    fits.append(Fit("scaling, channels and models", final.learned_from, final.judged_on))
    fits.append(Fit("calibration and alarm policy", _choosing(prepared), final.judged_on))
    return Learned(folds, final, chosen, tuple(fits))


def model_names(config: PipelineConfig) -> tuple[str, ...]:
    """The LSTM and the baselines it is judged beside."""
    return (LSTM, *config.evaluate.baselines)


def fit_part(prepared: Prepared, part: int, steps: _Steps, learn_for: int | None = None) -> PartFit:
    """Learn from the rows before a part, ready to judge it.

    Parameters
    ----------
    learn_for : learn only from rows before this earlier part
    """
    config, frame = prepared.config, prepared.frame
    learned_from = prepared.split.rows_before(learn_for or part) & prepared.in_segment
    judged_on = prepared.split.rows_of(part) & prepared.in_segment
    encoder = fit_encoder(frame, learned_from, config.channels)
    windows, short = temporalize(
        encoder.encode(frame),
        frame.segments,
        config.window.lookback,
        config.window.pad,
        config.window.min_history,
    )
    teach = learned_from[windows.ends] & prepared.labelled[windows.ends]
    target = prepared.targets[windows.ends]
    watched = judged_on[windows.ends] & prepared.labelled[windows.ends]
    monitor = None
    if part != prepared.split.test and watched.any():
        monitor = (windows.take(watched), target[watched, 0])
    members = _fit_members(windows.take(teach), target[teach], config, monitor, steps)
    baselines = {
        name: fit_baseline(name, windows.take(teach), target[teach, 0], seed=config.train.seed)
        for name in config.evaluate.baselines
    }
    return PartFit(part, encoder, windows, short, members, baselines, learned_from, judged_on)


def _fit_members(
    windows: Windows,
    targets: np.ndarray,
    config: PipelineConfig,
    monitor: tuple[Windows, np.ndarray] | None,
    steps: _Steps,
) -> tuple[FittedLSTM, ...]:
    members = []
    for member in range(config.model.members):
        members.append(
            fit_lstm(
                windows,
                targets,
                config.model,
                config.train,
                seed=config.train.seed + member,
                epochs=config.train.epochs,
                monitor=monitor,
                on_epoch=steps.epoch(member),
            )
        )
        steps.finished_member()
    return tuple(members)


def _choosing(prepared: Prepared) -> Bool:
    return prepared.split.choosing_rows() & prepared.in_segment


def _choose(prepared: Prepared, folds: tuple[PartFit, ...], name: str) -> Chosen:
    """Calibrate and fit the alarm policy on the folds' forward scores."""
    row, logit = _forward_scores(prepared, folds, name)
    target = prepared.labels.target[row]
    calibration = fit_calibration(logit, target, shift=_shift(folds, name))
    scored = as_scored(prepared, row, calibration.apply(logit))
    counted, _ = events_of(prepared, EventPart.VALIDATION, _choosing(prepared))
    fitted = fit_policy(
        scored,
        counted,
        prepared.frame.clock,
        prepared.config.alarm,
        horizon=prepared.labels.horizon,
    )
    return Chosen(calibration, fitted, with_alarms(scored, fitted.policy))


def _forward_scores(
    prepared: Prepared, folds: tuple[PartFit, ...], name: str
) -> tuple[Int64, Float64]:
    choosing = _choosing(prepared)
    rows, logits = [], []
    for fold in folds:
        mine = fold.windows.take((choosing & fold.judged_on)[fold.windows.ends])
        rows.append(mine.ends)
        logits.append(fold.logits(name, mine))
    row, logit = np.concatenate(rows), np.concatenate(logits)
    order = np.argsort(row, kind="stable")
    return row[order], logit[order]


def events_of(prepared: Prepared, part: EventPart, rows: Bool) -> tuple[Bool, Bool]:
    """Events counted in a part, and those with a positive row in it that it holds only partly.

    The leaky random split tears every event apart; there, those with a row in the part count.
    """
    labels = prepared.labels
    here = np.zeros(len(prepared.event_part), bool)
    here[labels.event[rows & (labels.target == 1)]] = True
    if prepared.split.strategy == "random_leaky":
        return here, np.zeros(len(here), bool)
    return prepared.event_part == part, here & (prepared.event_part == EventPart.BOUNDARY)


def as_scored(prepared: Prepared, row: Int64, probability: Float64) -> Scored:
    """Rows with probabilities, as yet without alarms."""
    segment = prepared.frame.segments.of_row[row]
    silent = np.zeros(len(row), bool)
    return Scored.of_rows(prepared.frame, prepared.labels, row, segment, probability, silent)


def with_alarms(scored: Scored, policy: AlarmPolicy) -> Scored:
    """The same rows with the alarms that a policy raises on them."""
    alarm = raise_alarms(policy, scored.time, scored.segment, scored.probability)
    return scored.with_scores(scored.probability, alarm)


def _shift(folds: tuple[PartFit, ...], name: str) -> float:
    """What class weights and sampling added to the log-odds, on average over members and folds.

    Baselines have taken it off themselves.
    """
    if name != LSTM:
        return 0.0
    return float(np.mean([member.prior_shift for fold in folds for member in fold.members]))


def _fold_name(part: int, folds: int) -> str:
    return "fold" if folds == 1 else f"fold {part}"


class _Steps:
    """Counts members over all fits, so that one bar shows the whole of training."""

    def __init__(self, config: PipelineConfig, fits: int, progress: Progress) -> None:
        self._members = config.model.members
        self._total = fits * self._members
        self._finished = 0
        self._progress = progress

    def epoch(self, member: int) -> Callable[[EpochReport], None]:
        """What a member's fit calls after every epoch."""

        def tell(report: EpochReport) -> None:
            fit = self._finished // self._members + 1
            detail = f"fit {fit}, member {member + 1}, epoch {report.epoch}/{report.epochs}"
            detail += f", loss {report.loss:.4f}"
            if report.validation_pr_auc is not None:
                detail += f", validation PR-AUC {report.validation_pr_auc:.3f}"
            done = self._finished + report.epoch / report.epochs
            self._progress.step("training", done, self._total, detail)

        return tell

    def finished_member(self) -> None:
        """A member is done."""
        self._finished += 1
