"""Which windows training sees: the cap on negatives, and imbalanced-learn's samplers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rareevent.config import TrainStage
from rareevent.errors import TrainingError
from rareevent.ingestion.frame import Int8, Int64


@dataclass(frozen=True)
class Sample:
    """Windows chosen for training, and what the choice did to the classes.

    Attributes
    ----------
    index : int64 [k], chosen windows; one may be there more than once
    positives_kept, negatives_kept : chosen over given windows of the class; above 1 where a
        class was repeated
    """

    index: Int64
    positives_kept: float
    negatives_kept: float

    @property
    def prior_shift(self) -> float:
        """Log-odds that the choice adds to what a model learns."""
        return math.log(self.positives_kept / self.negatives_kept)


def sample_windows(target: Int8, train: TrainStage, seed: int) -> Sample:
    """Choose the windows to train on: first the cap on negatives, then the sampler.

    Parameters
    ----------
    target : int8 [m], the label of the pipeline's own horizon: 1, 0, or -1 where it has none;
        windows without a label are always kept, for the other heads
    train : TrainStage, its `negatives_per_positive` and `sampler`
    seed : the same seed chooses the same windows

    Raises
    ------
    TrainingError
        When there is no positive or no negative window.
    """
    require_both_classes(target)
    index = cap_negatives(target, train.negatives_per_positive, seed)
    if train.sampler != "none":
        index = _resample(index, target, train.sampler, seed)
    chosen = target[index]
    return Sample(
        index,
        positives_kept=float(np.sum(chosen == 1) / np.sum(target == 1)),
        negatives_kept=float(np.sum(chosen == 0) / np.sum(target == 0)),
    )


def cap_negatives(target: Int8, per_positive: float | None, seed: int) -> Int64:
    """Every window but surplus negatives, which are drawn without replacement.

    Parameters
    ----------
    target : int8 [m], 1, 0 or -1
    per_positive : most negatives per positive; None keeps all

    Returns
    -------
    int64, chosen windows in ascending order

    Examples
    --------
    >>> cap_negatives(np.array([0, 1, 0, 0, 0], np.int8), per_positive=2, seed=0).size
    3
    """
    negatives = np.flatnonzero(target == 0)
    most = len(negatives)
    if per_positive is not None:
        most = min(most, math.ceil(per_positive * int(np.sum(target == 1))))
    if most == len(negatives):
        return np.arange(len(target))
    drawn = np.random.default_rng(seed).choice(negatives, most, replace=False)
    return np.sort(np.concatenate([np.flatnonzero(target != 0), drawn]))


def require_both_classes(target: Int8) -> None:
    """Refuse to train where one class is missing.

    Raises
    ------
    TrainingError
        Says which class is missing and what to change.
    """
    positive, negative = int(np.sum(target == 1)), int(np.sum(target == 0))
    if positive == 0:
        raise TrainingError(
            f"no positive window among the {negative} to train on: no event lies ahead of these"
            " rows within label.horizon; lengthen label.horizon, move the split so that training"
            " holds events, or bring more history"
        )
    if negative == 0:
        raise TrainingError(
            f"no negative window beside the {positive} positive ones to train on: every row has an"
            " event within label.horizon; shorten label.horizon or bring rows without events"
        )


def _resample(index: Int64, target: Int8, sampler: str, seed: int) -> Int64:
    """Labelled windows made equally many per class; those without a label are kept beside them."""
    from imblearn.over_sampling import RandomOverSampler
    from imblearn.under_sampling import RandomUnderSampler

    samplers = {"random_under": RandomUnderSampler, "random_over": RandomOverSampler}
    labelled = index[target[index] >= 0]
    chooser = samplers[sampler](random_state=seed)
    chooser.fit_resample(labelled[:, None], target[labelled])
    chosen = labelled[chooser.sample_indices_]
    return np.sort(np.concatenate([index[target[index] < 0], chosen]))
