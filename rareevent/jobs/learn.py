"""Learning, as training and every fold of a backtest do it: choose on forward scores, then refit.

Each validation fold is scored by models that learned from the rows before it. On those scores
the weights of the blend are chosen, and the calibration and the alarm policy, for it and for
every other model alike. Then all members learn once more from everything before the test part.

Weights and calibration are fitted to the same scores. That flatters the blend's validation
figures a little: five numbers, two of them drawn toward equal weights, against the events of the
validation folds. The test part has no say in either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from rareevent.blend.blend import BOOSTING, LOGISTIC, LSTM, Blend, Simple, mix
from rareevent.config import PipelineConfig
from rareevent.evaluation.baselines import fit_baseline
from rareevent.evaluation.objectives import require_objective
from rareevent.ingestion.frame import Float64, Int64
from rareevent.jobs.choose import (
    Chosen,
    choose,
    choose_weights,
    choosing_events,
    choosing_rows,
)
from rareevent.jobs.contenders import (
    BLEND,
    WITHOUT_LSTM,
    blended_members,
    model_names,
    simple_names,
)
from rareevent.jobs.parts import Part, window_part
from rareevent.jobs.prepare import Prepared
from rareevent.jobs.progress import Progress
from rareevent.lstm.cell import forward
from rareevent.training.fit import EpochReport, FittedLSTM, fit_lstm
from rareevent.training.start import find_start
from rareevent.windowing.audit import Fit
from rareevent.windowing.temporalize import Windows

__all__ = ["LSTM", "Learned", "PartFit", "forward_scores", "learn", "model_names"]

_BASELINES_AT_ONCE = 2


@dataclass(frozen=True)
class PartFit:
    """A part, and the models that will judge it: the LSTM's members, and simple ones by name."""

    part: Part
    members: tuple[FittedLSTM, ...]
    baselines: Mapping[str, Simple]

    def logits(self, name: str, windows: Windows) -> Float64:
        """Log-odds of some windows by the LSTM ensemble (the members' mean) or a simple model.

        What class weights and sampling added in training is taken off.
        """
        if name != LSTM:
            return self.baselines[name].logits(windows)
        scores = [forward(m.network, windows)[:, 0] for m in self.members]
        mean: Float64 = np.asarray(np.mean(scores, axis=0, dtype=np.float64))
        return mean - self.prior_shift

    @property
    def prior_shift(self) -> float:
        """Log-odds that class weights and sampling added to the members' mean."""
        return float(np.mean([member.prior_shift for member in self.members]))


@dataclass(frozen=True)
class Learned:
    """The outcome of learning.

    Attributes
    ----------
    folds : what was learned to score each validation fold
    final : what was learned to judge the test part, and goes into the bundle
    chosen : model name -> its calibration and policy; the first is what the pipeline registers
    fits : what the leak audit asks about
    weights : name of a blend -> member -> weight; empty where nothing is blended
    """

    folds: tuple[PartFit, ...]
    final: PartFit
    chosen: Mapping[str, Chosen]
    fits: tuple[Fit, ...]
    weights: Mapping[str, Mapping[str, float]]

    @property
    def model(self) -> str:
        """What the pipeline registers: "lstm", or "blend"."""
        return next(iter(self.chosen))

    @property
    def blend(self) -> Blend | None:
        """What the registered model blends, or None where it is the LSTM alone."""
        if self.model != BLEND:
            return None
        weights, simple = self.weights[BLEND], self.final.baselines
        linear, trees = (simple[n] if weights[n] > 0 else None for n in (LOGISTIC, BOOSTING))
        return Blend(weights, self.final.prior_shift, linear, trees)

    @property
    def prior_shift(self) -> float:
        """Log-odds that training added to the registered model; a blend takes its own off."""
        return self.final.prior_shift if self.model == LSTM else 0.0

    def logits(self, windows: Windows) -> dict[str, Float64]:
        """Log-odds of some windows by every model, refitted; model name -> float64 [m]."""
        members = {n: self.final.logits(n, windows) for n in (LSTM, *self.final.baselines)}
        return members | {name: mix(weights, members) for name, weights in self.weights.items()}


def learn(prepared: Prepared, progress: Progress) -> Learned:
    """Fit, choose and refit on rows before the test part.

    Raises
    ------
    DataError, TrainingError
        When there is nothing to learn from, or the loss is no longer a number.
    """
    split, config = prepared.split, prepared.config
    require_objective(choosing_events(prepared), prepared.frame.clock, config.alarm)
    parts = [window_part(prepared, part) for part in range(1, split.folds + 1)]
    parts.append(window_part(prepared, split.test, split.test if config.train.refit else 1))
    # The baselines learn beside the LSTM. Each fit has one thread of its own: matrix products in
    # several would sum in an order that depends on how busy the machine is. The limit reaches
    # only libraries that are loaded by then.
    import sklearn.ensemble
    import sklearn.linear_model  # noqa: F401

    with threadpool_limits(1), ThreadPoolExecutor(_BASELINES_AT_ONCE) as beside:
        baselines = [beside.submit(_fit_baselines, part, config) for part in parts]
        members = _fit_members(parts, config, progress)
        fits = [
            PartFit(part, ensemble, simple.result())
            for part, ensemble, simple in zip(parts, members, baselines, strict=True)
        ]
    *folds, final = fits
    row, logits = forward_scores(prepared, folds)
    weights = {
        name: choose_weights(prepared, row, {n: logits[n] for n in blended_members(name)})
        for name in model_names(config)
        if name in (BLEND, WITHOUT_LSTM)
    }
    logits |= {name: mix(by_member, logits) for name, by_member in weights.items()}
    chosen = {name: choose(prepared, row, logits[name]) for name in model_names(config)}
    return Learned(tuple(folds), final, chosen, _questions(prepared, folds, final), weights)


def forward_scores_of_fold(
    prepared: Prepared, part: int, progress: Progress
) -> tuple[Int64, Float64]:
    """Rows of one validation fold, and their log-odds by an LSTM ensemble of the rows before it.

    What `learn` does for a fold, without the simple models and without the refit.

    Returns
    -------
    row : int64 [m], ascending
    logit : float64 [m]
    """
    windowed = window_part(prepared, part)
    # The limit reaches only libraries that are loaded by then.
    import sklearn.linear_model  # noqa: F401

    with threadpool_limits(1):
        (members,) = _fit_members([windowed], prepared.config, progress)
        row, logits = forward_scores(prepared, [PartFit(windowed, members, {})])
    return row, logits[LSTM]


def _fit_baselines(part: Part, config: PipelineConfig) -> dict[str, Simple]:
    rule, seed = config.train.class_weight, config.train.seed
    return {
        name: fit_baseline(name, part.teach, part.target[:, 0], class_weight=rule, seed=seed)
        for name in simple_names(config)
    }


def _fit_members(
    parts: Sequence[Part], config: PipelineConfig, progress: Progress
) -> list[tuple[FittedLSTM, ...]]:
    """The ensemble of every part; one bar shows them all."""
    total, done, ensembles = len(parts) * config.model.members, 0, []
    for part in parts:
        start = find_start(part.teach, part.target, config.model)
        members = []
        for member in range(config.model.members):
            members.append(
                fit_lstm(
                    part.teach,
                    part.target,
                    config.model,
                    config.train,
                    seed=config.train.seed + member,
                    epochs=config.train.epochs,
                    monitor=part.monitor,
                    start=start,
                    on_epoch=_tell(progress, part.number, member, done, total),
                )
            )
            done += 1
        ensembles.append(tuple(members))
    return ensembles


def _tell(
    progress: Progress, part: int, member: int, done: int, total: int
) -> Callable[[EpochReport], None]:
    """What a member's fit calls after every epoch."""

    def tell(report: EpochReport) -> None:
        detail = f"fit {part}, member {member + 1}, epoch {report.epoch}/{report.epochs}"
        detail += f", loss {report.loss:.4f}"
        if report.validation_pr_auc is not None:
            detail += f", validation PR-AUC {report.validation_pr_auc:.3f}"
        progress.step("training", done + report.epoch / report.epochs, total, detail)

    return tell


def _questions(prepared: Prepared, folds: Sequence[PartFit], final: PartFit) -> tuple[Fit, ...]:
    """What the audit asks about: the very masks that were used."""
    parts = [fit.part for fit in folds]
    names = ["fold"] if len(parts) == 1 else [f"fold {part.number}" for part in parts]
    fits = [Fit(n, p.learned_from, p.judged_on) for n, p in zip(names, parts, strict=True)]
    last = final.part
    return (
        *fits,
        Fit("scaling, channels and models", last.learned_from, last.judged_on),
        Fit("blend, calibration and alarm policy", choosing_rows(prepared), last.judged_on),
    )


def forward_scores(
    prepared: Prepared, folds: Sequence[PartFit]
) -> tuple[Int64, dict[str, Float64]]:
    """Every row that is chosen by, and each member's log-odds by the fold that did not learn it.

    Returns
    -------
    row : int64 [m], ascending
    logits : "lstm" and each simple model -> float64 [m]
    """
    choosing, names = choosing_rows(prepared), (LSTM, *folds[0].baselines)
    rows, logits = [], []
    for fold in folds:
        windows = fold.part.windows
        mine = windows.take((choosing & fold.part.judged_on)[windows.ends])
        rows.append(mine.ends)
        logits.append([fold.logits(name, mine) for name in names])
    row = np.concatenate(rows)
    order = np.argsort(row, kind="stable")
    by_name = zip(names, np.concatenate(logits, axis=1), strict=True)
    return row[order], {name: logit[order] for name, logit in by_name}
