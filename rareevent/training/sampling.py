"""Which windows training sees: the cap on negatives, and imbalanced-learn's samplers."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rareevent.config import TrainStage
from rareevent.errors import TrainingError
from rareevent.ingestion.frame import Float32, Int8, Int64
from rareevent.training.schedule import negatives_for
from rareevent.windowing.temporalize import Windows

if TYPE_CHECKING:
    from imblearn.base import SamplerMixin

# Samplers that look at nothing but the class.
_BLIND = ("random_under", "random_over")
# Samplers that clean take out negatives only, however many there are.
_NEGATIVES = [0]
_NEIGHBOURS = 3
_HARDNESS_FOLDS = 5


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
        """Log-odds that the choice adds to what a model learns.

        Exact where windows of a class were drawn at random. A sampler that goes by channels
        leaves out negatives of one region rather than another, so there it holds on average only;
        Platt's slope and intercept, fitted on rows that nothing was left out of, mend the rest.
        """
        return math.log(self.positives_kept / self.negatives_kept)


def sample_windows(windows: Windows, target: Int8, train: TrainStage, seed: int) -> Sample:
    """Choose the windows to train on: first the cap on negatives, then the sampler.

    Parameters
    ----------
    windows : Windows, m of them; a sampler that goes by channels sees each one's last row
    target : int8 [m], the label of the pipeline's own horizon: 1, 0, or -1 where it has none;
        windows without a label are always kept, for the other heads
    train : TrainStage, its `negatives_per_positive` and `sampler`
    seed : the same seed chooses the same windows

    Raises
    ------
    TrainingError
        When there is no positive or no negative window, before the choice or after it, or the
        sampler cannot work on so few.
    """
    require_both_classes(target)
    index = cap_negatives(target, train.negatives_per_positive, seed)
    if train.sampler != "none":
        index = _resample(index, windows, target, train.sampler, seed)
    chosen = target[index]
    if not np.any(chosen == 0) or not np.any(chosen == 1):
        raise TrainingError(
            f"train.sampler {train.sampler} left {np.sum(chosen == 1)} positive and"
            f" {np.sum(chosen == 0)} negative windows to train on; take another sampler"
        )
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
    per_positive : most negatives per positive, fewer where `schedule.negatives_for` says so; None
        keeps all

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
        most = min(most, negatives_for(int(np.sum(target == 1)), per_positive))
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


def _resample(index: Int64, windows: Windows, target: Int8, name: str, seed: int) -> Int64:
    """Labelled windows as the sampler chooses; those without a label are kept beside them."""
    labelled = index[target[index] >= 0]
    positives = int(np.sum(target[labelled] == 1))
    sampler = _sampler(name, min(positives, len(labelled) - positives), seed)
    seen = labelled[:, None] if name in _BLIND else _last_rows(windows, labelled)
    with warnings.catch_warnings():
        # NearMiss 3 says that it found fewer than it was asked for; the odds are taken as found.
        warnings.filterwarnings("ignore", "The number of the samples to be selected")
        sampler.fit_resample(seen, target[labelled])
    chosen = labelled[sampler.sample_indices_]
    return np.sort(np.concatenate([index[target[index] < 0], chosen]))


def _last_rows(windows: Windows, chosen: Int64) -> Float32:
    rows = windows.rows[windows.ends[chosen]]
    if odd := int(np.sum(~np.isfinite(rows))):
        raise TrainingError(
            f"{odd} values of the channels are not finite, of {rows.size} in the last rows of the"
            " windows that train.sampler chooses among: check the inputs"
        )
    return rows


def _sampler(name: str, fewest: int, seed: int) -> SamplerMixin:
    """imbalanced-learn's sampler of that name, for a smaller class of `fewest` windows."""
    from imblearn import over_sampling, under_sampling

    near = min(_NEIGHBOURS, fewest)
    if name == "random_under":
        return under_sampling.RandomUnderSampler(random_state=seed)
    if name == "random_over":
        return over_sampling.RandomOverSampler(random_state=seed)
    if name.startswith("near_miss_"):
        version = int(name.removeprefix("near_miss_"))
        return under_sampling.NearMiss(version=version, n_neighbors=near, n_neighbors_ver3=near)
    if name == "tomek_links":
        return under_sampling.TomekLinks(sampling_strategy=_NEGATIVES)
    if name == "edited_nearest_neighbours":
        return under_sampling.EditedNearestNeighbours(
            sampling_strategy=_NEGATIVES, n_neighbors=near
        )
    if name == "one_sided_selection":
        return under_sampling.OneSidedSelection(sampling_strategy=_NEGATIVES, random_state=seed)
    return _instance_hardness(fewest, seed)


def _instance_hardness(fewest: int, seed: int) -> SamplerMixin:
    """Leaves out what a shrunk logistic regression finds hard; a forest would take minutes."""
    from imblearn.under_sampling import InstanceHardnessThreshold
    from sklearn.linear_model import LogisticRegression

    if fewest < 2:
        raise TrainingError(
            "train.sampler instance_hardness needs at least 2 windows of each class, one to learn"
            f" from and one to try; received {fewest}; take another sampler"
        )
    judge = LogisticRegression(C=0.01, max_iter=1_000)
    folds = min(_HARDNESS_FOLDS, fewest)
    return InstanceHardnessThreshold(estimator=judge, cv=folds, random_state=seed)
