"""Where the fit of a member starts: what the recurrence reads, and the linear part beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rareevent.config import ModelStage
from rareevent.errors import TrainingError
from rareevent.ingestion.frame import Bool, Float32, Int8
from rareevent.training.shrinkage import fit_logistic, logistic_c
from rareevent.windowing.screen import events_among, screen_channels
from rareevent.windowing.temporalize import Windows

# Evenly spaced negatives beyond these change the linear part less than the penalty does, and with
# thousands of channels that holds sooner.
_MOST_NEGATIVES, _FEWEST_NEGATIVES = 40_000, 5_000
_ELEMENTS = 1 << 26


@dataclass(frozen=True)
class Start:
    """What all members of an ensemble have in common before they differ by their seeds.

    Attributes
    ----------
    events : int, that the windows teach
    reads : bool [c], channels that the recurrence reads
    skip : float32 [c, H], the last row's share of the logits, or None where it is to be learned
    bias : float32 [H], of the same regression, or None
    """

    events: int
    reads: Bool
    skip: Float32 | None
    bias: Float32 | None


def find_start(windows: Windows, targets: Int8, model: ModelStage) -> Start:
    """Learn from the windows that teach, and from nothing else, where a fit starts.

    Parameters
    ----------
    windows : Windows, m of them
    targets : int8 [m, heads], 1, 0, or -1 for no label; screening goes by head 0, and the last
        heads are the types of events that `model.types` names
    model : ModelStage, its `screen`, `events_per_channel`, `skip`, `skip_start` and `types`

    Raises
    ------
    TrainingError
        When values are not finite.
    """
    events = events_among(windows, targets[:, 0])
    skip, bias = None, None
    if model.skip and model.skip_start == "logistic":
        types = len(model.type_names)
        binary, of_types = np.split(targets, [targets.shape[1] - types], axis=1)
        kernels, biases = zip(*(_logistic(windows, target) for target in binary.T), strict=True)
        skip, bias = np.stack(kernels, axis=1), np.array(biases, np.float32)
        if types:
            kernel, offset = _softmax(windows, of_types)
            skip, bias = np.hstack([skip, kernel]), np.append(bias, offset)
    reads = np.ones(windows.rows.shape[1], bool)
    if model.screen is not None:
        most = max(2, events // model.events_per_channel)
        reads = screen_channels(windows, targets[:, 0], model.screen, most)
    return Start(events, reads, skip, bias)


def _logistic(windows: Windows, target: Int8) -> tuple[Float32, float]:
    """Weights float32 [c] of the last row and the bias, both classes weighing the same in all."""
    hits, misses = np.flatnonzero(target == 1), np.flatnonzero(target == 0)
    channels = windows.rows.shape[1]
    if not len(hits) or not len(misses):
        return np.zeros(channels, np.float32), 0.0
    most = max(_FEWEST_NEGATIVES, min(_MOST_NEGATIVES, _ELEMENTS // channels))
    misses = misses[:: -(-len(misses) // most)]
    chosen = np.concatenate([hits, misses])
    positive = np.arange(len(chosen)) < len(hits)
    weight = np.where(positive, 1.0, len(hits) / len(misses))
    rows = _last_rows(windows.take(chosen))
    kernel, bias = fit_logistic(rows, positive, weight, logistic_c(windows, target))
    return kernel.astype(np.float32), bias


def _softmax(windows: Windows, targets: Int8) -> tuple[Float32, Float32]:
    """Weights float32 [c, K] of the last row and biases [K] of the types of events.

    A multinomial regression as strongly shrunk as the others, over the windows whose type is
    known. Where some type has none, nothing but how often each occurs.
    """
    known = np.flatnonzero((targets == 1).any(axis=1))
    kind = targets[known].argmax(axis=1)
    counts = np.bincount(kind, minlength=targets.shape[1])
    if not counts.all():
        channels = windows.rows.shape[1]
        # Half a window more of each keeps a type that was not seen possible.
        return np.zeros((channels, len(counts)), np.float32), np.log(counts + np.float32(0.5))
    from sklearn.linear_model import LogisticRegression

    seen = windows.take(known)
    c = logistic_c(seen, np.ones(len(known), np.int8))
    regression = LogisticRegression(C=c, max_iter=1_000)
    regression.fit(_last_rows(seen), kind)
    kernel, bias = regression.coef_.T, regression.intercept_
    if len(counts) == 2:
        # scikit-learn has one log-odds for two classes: half of it speaks for each.
        kernel, bias = kernel @ [[-0.5, 0.5]], np.array([-0.5, 0.5]) * bias
    return kernel.astype(np.float32), bias.astype(np.float32)


def _last_rows(windows: Windows) -> Float32:
    rows = windows.rows[windows.ends]
    if odd := int(np.sum(~np.isfinite(rows))):
        raise TrainingError(
            f"{odd} values of the channels are not finite, of {rows.size} in the last rows of the"
            " windows to train on: check the inputs"
        )
    return rows
