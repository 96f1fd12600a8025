"""Who is judged beside whom: what the pipeline registers, its members, and what it must beat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rareevent.blend.blend import BOOSTING, LOGISTIC, LSTM
from rareevent.config import BlendWeights, PipelineConfig
from rareevent.evaluation.baselines import BaselineName
from rareevent.evaluation.compare import Comparison
from rareevent.evaluation.verdict import HEADLINES, Verdict, give_verdict

BLEND, WITHOUT_LSTM = "blend", "blend_without_lstm"
RANDOM = "alarms at random"
TITLES = {
    LSTM: "its LSTM alone",
    LOGISTIC: "logistic regression",
    BOOSTING: "gradient boosting",
    WITHOUT_LSTM: "the blend without its LSTM",
}
# What the verdict sets the registered model against; the rest stands in the details.
_SIMPLE = (TITLES[LOGISTIC], TITLES[BOOSTING], RANDOM)


def simple_names(config: PipelineConfig) -> tuple[BaselineName, ...]:
    """The simple models that are fitted: a blend needs both, whatever baselines are asked for."""
    return config.evaluate.baselines if config.model.blend == "off" else (LOGISTIC, BOOSTING)


def model_names(config: PipelineConfig) -> tuple[str, ...]:
    """Every model that is judged; the first one is what the pipeline registers."""
    blend = config.model.blend
    if blend == "off":
        return (LSTM, *config.evaluate.baselines)
    names = (BLEND, LSTM, LOGISTIC, BOOSTING)
    given = blend if isinstance(blend, BlendWeights) else None
    whole = given is None or (given.lstm > 0 and given.logistic + given.boosting > 0)
    return (*names, WITHOUT_LSTM) if whole else names


def blended_members(name: str) -> tuple[str, ...]:
    """The members of a blend by its name."""
    return (LOGISTIC, BOOSTING) if name == WITHOUT_LSTM else (LSTM, LOGISTIC, BOOSTING)


def say_weights(weights: Mapping[str, float]) -> str:
    """The weights of a blend in words; empty where nothing is blended.

    Examples
    --------
    >>> say_weights({"lstm": 0.5, "logistic": 0.2, "boosting": 0.3})
    'the blend weighs its LSTM 0.50, logistic regression 0.20, gradient boosting 0.30'
    """
    titles = {**TITLES, LSTM: "its LSTM"}
    parts = [f"{titles[name]} {weight:.2f}" for name, weight in weights.items()]
    return f"the blend weighs {', '.join(parts)}" if parts else ""


def say_verdict(comparisons: Mapping[str, Comparison], model: str) -> Verdict:
    """The registered model against simple ones; of a blend also what the LSTM adds to it.

    Parameters
    ----------
    comparisons : what the other is called in words -> Comparison with the registered model
    model : name of the registered model
    """
    ours = "the LSTM" if model == LSTM else "the blend"
    simple = {name: c for name, c in comparisons.items() if name in _SIMPLE}
    verdict = give_verdict(simple, ours)
    beside = {name: c for name, c in comparisons.items() if name not in _SIMPLE}
    details = (*verdict.details, *(give_verdict(beside, ours).details if beside else ()))
    without = comparisons.get(TITLES[WITHOUT_LSTM])
    said = "" if without is None else f" {_what_the_lstm_adds(without)}"
    return replace(verdict, sentence=verdict.sentence + said, details=details)


def _what_the_lstm_adds(without: Comparison) -> str:
    words = {without.differences[metric].word for metric in HEADLINES}
    if words == {"cannot be told apart"}:
        return "Whether the LSTM adds to the simple models cannot be told."
    if "worse" not in words:
        return "The LSTM adds to the simple models."
    if "better" not in words:
        return "The simple models do better without the LSTM."
    return "The LSTM adds to the simple models in one respect and takes from them in another."
