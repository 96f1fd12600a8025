"""Gradient health: what training does to each layer, how far back it learns, and what to do.

The figures are gathered by the trainer; the rules here are plain functions of them, so that a
history written down by hand can be judged too. Bounds are far outside what healthy fits were
measured to show (docs/inside.md has both), because a finding that cries wolf is soon ignored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rareevent.ingestion.frame import Float32

# Healthy fits stay below 10, with a rare step above; one that is above 100 again and again is not
# descending but being thrown about.
GRADIENT_BOUND, GRADIENT_STEPS = 100.0, 5
# Root mean square of a layer's weights, below 1 in healthy fits. Inputs are scaled to about 1, so
# weights of this size shut or open every gate whatever comes in.
WEIGHT_BOUND = 5.0
# Gradient per weight of the first LSTM layer, as a share of the last one's: above 0.5 in healthy
# fits.
STARVED_SHARE = 1e-2
# Gradient with respect to a step's input, as a share of that of the strongest step: above 3e-4 in
# healthy fits of up to sixty steps, once the first epoch is over.
VANISHED_SHARE = 1e-5
# Gradient per weight of the last LSTM layer, as a share of the head's: above 1e-3 in healthy fits.
DEAD_SHARE = 1e-6

NOT_FINITE, WEIGHTS, GRADIENT = "not_finite", "weights_exploding", "gradient_exploding"
STARVED, VANISHED = "first_layer_starved", "no_gradient_beyond_step"

_REMEDIES = {
    NOT_FINITE: (
        "lower train.learning_rate, clip harder (train.clipnorm, train.clipvalue), or check the"
        " inputs for values far out of range"
    ),
    WEIGHTS: (
        "lower train.learning_rate, regularise (model.l2, fewer train.epochs), or go back to"
        " model.activation tanh, which is bounded"
    ),
    GRADIENT: (
        "clip (train.clipnorm 1, or train.clipvalue), lower train.learning_rate, or go back to"
        " model.activation tanh, which is bounded"
    ),
    STARVED: (
        "take fewer layers in model.units, raise train.learning_rate so that the initial weights"
        " are left behind, or change model.activation if its units have died (relu)"
    ),
    VANISHED: (
        "shorten window.lookback to the steps that are learned from; if the older ones must"
        " count, initialise so that the state is kept (a higher model.forget_bias), or give the"
        " older rows to the newest step with longer channels.volatility_windows or change_lags"
    ),
}
_REVIVE = (
    "its units have died or are shut: lower train.learning_rate, clip (train.clipnorm 1),"
    " initialise anew (model.kernel_initializer), or go back to model.activation tanh"
)


@dataclass(frozen=True)
class LayerHealth:
    """One layer in one epoch.

    Attributes
    ----------
    parameters : int, weights of the layer that are learned
    gradient_norm : float, mean over the epoch's steps of the norm before clipping
    weight_norm : float, at the end of the epoch
    update_ratio : float, norm of the change over the epoch over `weight_norm`; 0 where both are
    """

    parameters: int
    gradient_norm: float
    weight_norm: float
    update_ratio: float


@dataclass(frozen=True)
class EpochHealth:
    """One epoch of a fit.

    Attributes
    ----------
    epoch : int, counted from 1
    finite : bool, whether loss, gradients and weights are all numbers
    layers : name of the Keras layer -> LayerHealth, in the order of the flow
    step_norms : float32 [steps], norm of all gradients together at each step, before clipping
    input_gradient : float32 [lookback], oldest step first: the norm of the loss gradient with
        respect to the recurrence's input at that step, root mean square over sampled windows;
        None in epochs that were not probed
    """

    epoch: int
    finite: bool
    layers: Mapping[str, LayerHealth]
    step_norms: Float32
    input_gradient: Float32 | None = None

    @property
    def reach(self) -> int | None:
        """Steps back from a window's last row that are learned from, that row included."""
        return None if self.input_gradient is None else gradient_reach(self.input_gradient)

    def to_json(self) -> dict[str, Any]:
        """Plain data; figures that are not finite become None."""
        probed = self.input_gradient
        return {
            "epoch": self.epoch,
            "finite": self.finite,
            "layers": {
                name: {key: _plain(value) for key, value in asdict(layer).items()}
                for name, layer in self.layers.items()
            },
            "largest_step": _plain(float(np.max(self.step_norms, initial=0.0))),
            "input_gradient": None if probed is None else [_plain(value) for value in probed],
            "reach": self.reach,
        }


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with a fit, and what to do about it.

    Attributes
    ----------
    rule : its name, as `train.terminate_on` takes it
    epoch : where it was seen
    words : what was seen, in one clause
    remedy : what helps, in one clause
    """

    rule: str
    epoch: int
    words: str
    remedy: str

    @property
    def sentence(self) -> str:
        """Both clauses."""
        return f"{self.rule}: {self.words}; {self.remedy}"


def find_troubles(history: Sequence[EpochHealth]) -> tuple[Finding, ...]:
    """Judge a fit so far; each rule speaks at most once.

    What happened at any time counts for numbers that are not finite and for explosions. What
    passes by itself, a starved layer or a vanished gradient, counts where it holds in the newest
    epoch that shows it, the first one left out: it begins where the head has learned nothing.

    Parameters
    ----------
    history : the epochs in order
    """
    rules = (_not_finite, _weights_exploding, _gradient_exploding, _starved, _vanished)
    found = (rule(history) for rule in rules)
    return tuple(finding for finding in found if finding is not None)


def gradient_reach(input_gradient: Float32) -> int:
    """Steps back from the last one, it included, up to the oldest that still gets a gradient.

    Examples
    --------
    >>> gradient_reach(np.array([1e-9, 1e-3, 0.0, 1.0], np.float32))
    3
    >>> gradient_reach(np.zeros(4, np.float32))
    0
    """
    strongest = float(np.max(input_gradient, initial=0.0))
    alive = np.flatnonzero(input_gradient > VANISHED_SHARE * strongest)
    return len(input_gradient) - int(alive[0]) if len(alive) else 0


def layer_metrics(health: EpochHealth) -> dict[str, float]:
    """The epoch as flat figures, such as `gradient_norm/lstm_1`, for a log."""
    out: dict[str, float] = {}
    for name, layer in health.layers.items():
        out[f"gradient_norm/{name}"] = layer.gradient_norm
        out[f"weight_norm/{name}"] = layer.weight_norm
        out[f"update_ratio/{name}"] = layer.update_ratio
    if health.reach is not None:
        out["gradient_reach"] = float(health.reach)
    return out


def _not_finite(history: Sequence[EpochHealth]) -> Finding | None:
    for seen in history:
        if not seen.finite:
            return _finding(NOT_FINITE, seen, "loss, gradient or weights are no longer numbers")
    return None


def _weights_exploding(history: Sequence[EpochHealth]) -> Finding | None:
    for seen in history:
        for name, layer in seen.layers.items():
            size = layer.weight_norm / max(layer.parameters, 1) ** 0.5
            if np.isfinite(size) and size > WEIGHT_BOUND:
                words = f"the weights of {name} grew to {size:.3g} on average, above"
                return _finding(WEIGHTS, seen, f"{words} {WEIGHT_BOUND:g}")
    return None


def _gradient_exploding(history: Sequence[EpochHealth]) -> Finding | None:
    run = 0
    for seen in history:
        for norm in seen.step_norms:
            run = run + 1 if norm > GRADIENT_BOUND else 0
            if run == GRADIENT_STEPS:
                words = f"the gradient norm was above {GRADIENT_BOUND:g} for {run} steps in a row"
                return _finding(GRADIENT, seen, f"{words}, last {norm:.3g}")
    return None


def _starved(history: Sequence[EpochHealth]) -> Finding | None:
    seen = history[-1] if len(history) > 1 else None
    if seen is None or not seen.finite or _is_dead(seen):
        return None
    stack = _stack(seen)
    first, last = (_per_weight(seen.layers[name]) for name in (stack[0], stack[-1]))
    if first >= STARVED_SHARE * last:
        return None
    words = f"a weight of {stack[0]} gets {first / last:.1g} of the gradient of one of {stack[-1]}"
    return _finding(STARVED, seen, f"{words}, less than {STARVED_SHARE:g}")


def _per_weight(layer: LayerHealth) -> float:
    return layer.gradient_norm / math.sqrt(max(layer.parameters, 1))


def _vanished(history: Sequence[EpochHealth]) -> Finding | None:
    later = [seen for seen in history[1:] if seen.finite]
    if later and _is_dead(later[-1]):
        words = f"no gradient reaches the recurrence at any step (epoch {later[-1].epoch})"
        return Finding(VANISHED, later[-1].epoch, words, _REVIVE)
    probed = [(seen, seen.input_gradient) for seen in later if seen.input_gradient is not None]
    if not probed:
        return None
    seen, lookback = probed[-1][0], len(probed[-1][1])
    if seen.reach == lookback:
        return None
    words = f"of {lookback} steps the newest {seen.reach} are learned from: beyond step"
    words += f" {seen.reach} back the gradient is below {VANISHED_SHARE:g} of the strongest step's"
    return _finding(VANISHED, seen, words)


def _is_dead(seen: EpochHealth) -> bool:
    """Whether the head learns and the recurrence below it does not."""
    stack, head = _stack(seen), seen.layers.get("head")
    if not stack or head is None:
        return False
    return _per_weight(seen.layers[stack[-1]]) < DEAD_SHARE * _per_weight(head)


def _stack(seen: EpochHealth) -> list[str]:
    return [name for name in seen.layers if name.startswith("lstm")]


def _finding(rule: str, seen: EpochHealth, words: str) -> Finding:
    return Finding(rule, seen.epoch, f"{words} (epoch {seen.epoch})", _REMEDIES[rule])


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
