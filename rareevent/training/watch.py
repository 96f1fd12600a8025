"""Watching one fit: an `EpochHealth` per epoch, gathered at the cost of about one step."""

from __future__ import annotations

import math

import numpy as np

from rareevent.ingestion.frame import Float32, Int8, Int64
from rareevent.training.health import EpochHealth, LayerHealth
from rareevent.training.trainer import EpochSteps, Trainer

# The input's gradient is looked at on so many windows, half of them positive, and after the first
# and the last epoch and so many steps apart: it costs about as much as a step does.
PROBED_WINDOWS, STEPS_BETWEEN_PROBES = 256, 30


class Watch:
    """Keeps an `EpochHealth` per epoch of one fit.

    Parameters
    ----------
    trainer : that makes the steps
    probed : int64, windows whose input gradient is looked at
    epochs : there will be
    """

    def __init__(self, trainer: Trainer, probed: Int64, epochs: int) -> None:
        self.history: list[EpochHealth] = []
        self._trainer, self._probed, self._epochs = trainer, probed, epochs
        self._unprobed_steps = 0
        self._weights: list[list[Float32]] | None = None

    def epoch(self, epoch: int, batches: list[Int64]) -> EpochSteps:
        """Have the trainer make an epoch's steps, and take down what they did."""
        before = self._weights or self._trainer.weights()
        steps = self._trainer.epoch(batches)
        self._weights = self._trainer.weights()
        layers = self._layers(before, steps)
        finite = bool(np.isfinite(steps.loss) and np.isfinite(steps.norms).all())
        finite &= all(np.isfinite(layer.weight_norm) for layer in layers.values())
        norms = steps.step_norms
        self.history.append(EpochHealth(epoch, finite, layers, norms, self._probe(epoch, norms)))
        return steps

    def _layers(self, before: list[list[Float32]], steps: EpochSteps) -> dict[str, LayerHealth]:
        norms = steps.norms.mean(axis=0)
        each = zip(self._trainer.layers, before, self._weights or (), norms, strict=True)
        return {name: _layer_health(old, new, float(norm)) for name, old, new, norm in each}

    def _probe(self, epoch: int, norms: Float32) -> Float32 | None:
        self._unprobed_steps += len(norms)
        due = self._unprobed_steps >= STEPS_BETWEEN_PROBES
        if not due and 1 < epoch < self._epochs:
            return None
        self._unprobed_steps = 0
        return self._trainer.input_gradient(self._probed)


def _layer_health(old: list[Float32], new: list[Float32], gradient_norm: float) -> LayerHealth:
    # A weight near the largest float has a square that is none; the health says so.
    with np.errstate(over="ignore", invalid="ignore"):
        norm = _norm(new)
        moved = _norm([b - a for a, b in zip(old, new, strict=True)])
    parameters = sum(array.size for array in new)
    return LayerHealth(parameters, gradient_norm, norm, moved / norm if norm else 0.0)


def _norm(arrays: list[Float32]) -> float:
    return math.sqrt(sum(float(np.vdot(array, array)) for array in arrays))


def probed_windows(target: Int8) -> Int64:
    """Windows whose input gradient is looked at: evenly spaced ones of either class."""
    half = PROBED_WINDOWS // 2
    classes = [np.flatnonzero(target == label) for label in (0, 1)]
    return np.concatenate([of[:: -(-len(of) // half)] for of in classes])
