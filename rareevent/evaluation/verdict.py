"""The comparisons in words: better, worse, not to be told apart, or no skill to compare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from rareevent.evaluation.compare import Comparison, Word
from rareevent.evaluation.skill import Skill

Outcome = Literal["no_skill", "better", "worse", "cannot_be_told_apart"]

HEADLINES = ("event_recall", "pr_auc")
_TITLES = {"event_recall": "event recall", "pr_auc": "PR-AUC"}
_PHRASES: dict[Word, str] = {
    "better": "is better than",
    "worse": "is worse than",
    "cannot be told apart": "cannot be told apart from",
}


@dataclass(frozen=True)
class Verdict:
    """What the comparisons say.

    Attributes
    ----------
    words : name of the other model -> metric of `HEADLINES` -> word
    sentence : the answer in one sentence
    details : one sentence per other model, with figures
    outcome : the answer in one word, for machines. "better": than every other model, in one of
        `HEADLINES` at least, and worse in none. "worse": so than one of them. "no_skill": the
        best of all models cannot be told from chance. Else "cannot_be_told_apart".
    """

    words: Mapping[str, Mapping[str, Word]]
    sentence: str
    details: tuple[str, ...]
    outcome: Outcome = "cannot_be_told_apart"

    def to_json(self) -> dict[str, Any]:
        """The verdict as plain data."""
        words = {name: dict(by_metric) for name, by_metric in self.words.items()}
        return {
            "outcome": self.outcome,
            "words": words,
            "sentence": self.sentence,
            "details": list(self.details),
        }


def give_verdict(comparisons: Mapping[str, Comparison], model: str = "the LSTM") -> Verdict:
    """The comparisons in words.

    Parameters
    ----------
    comparisons : name of the other model, as a sentence would call it -> Comparison
    model : what to call ours
    """
    words = {
        name: {metric: comparison.differences[metric].word for metric in HEADLINES}
        for name, comparison in comparisons.items()
    }
    details = tuple(_detail(model, name, comparison) for name, comparison in comparisons.items())
    return Verdict(words, _sentence(model, words, comparisons), details, _outcome(words))


def with_skill(verdict: Verdict, skill: Skill) -> Verdict:
    """The verdict, unless no model has skill: then there is nothing to compare."""
    if skill.has_skill:
        return verdict
    return replace(verdict, sentence=_no_skill_sentence(skill), outcome="no_skill")


def _no_skill_sentence(skill: Skill) -> str:
    said = (
        "There is no evidence that these events can be predicted from these sensors at this horizon"
    )
    if skill.p_value is None:
        return f"{said}: no event lies in the rows that could show it."
    share = f"{skill.p_value:.0%}" if skill.p_value >= 0.1 else f"{skill.p_value:.1%}"
    return (
        f"{said}: at {share} of {skill.shifts:,} shifts of the events in time some model does as"
        f" well as the best one does here, and up to {skill.alpha:.0%} would have been believed."
    )


def _outcome(words: Mapping[str, Mapping[str, Word]]) -> Outcome:
    found = [_against(set(by_metric.values())) for by_metric in words.values()]
    if "worse" in found:
        return "worse"
    return "better" if found and set(found) == {"better"} else "cannot_be_told_apart"


def _against(said: set[Word]) -> Word:
    """Against one model: better in one metric and worse in the other is neither."""
    if "better" in said and "worse" not in said:
        return "better"
    return "worse" if "worse" in said and "better" not in said else "cannot be told apart"


def _sentence(
    model: str, words: Mapping[str, Mapping[str, Word]], comparisons: Mapping[str, Comparison]
) -> str:
    if not words:
        return f"{_upper(model)} was compared with nothing."
    events = min(comparison.events for comparison in comparisons.values())
    groups: dict[tuple[Word, ...], list[str]] = {}
    for name, by_metric in words.items():
        groups.setdefault(tuple(by_metric.values()), []).append(name)
    parts = [_claim(found, names) for found, names in groups.items()]
    return f"With {events} event{'s' * (events != 1)}, {model} {_join(parts)}."


def _claim(words: tuple[Word, ...], names: list[str]) -> str:
    """What holds against these models, for the words of the headline metrics.

    Examples
    --------
    >>> _claim(("cannot be told apart", "better"), ["boosting"])
    'is better than boosting in PR-AUC but cannot be told apart from it in event recall'
    """
    if len(set(words)) == 1:
        return f"{_PHRASES[words[0]]} {_join(names)}"
    titles: dict[Word, list[str]] = {word: [] for word in _PHRASES}
    for metric, word in zip(HEADLINES, words, strict=True):
        titles[word].append(_TITLES[metric])
    said = [word for word, found in titles.items() if found]
    whom = [_join(names), *["it" if len(names) == 1 else "them"] * (len(said) - 1)]
    return " but ".join(
        f"{_PHRASES[word]} {one} in {_join(titles[word])}"
        for word, one in zip(said, whom, strict=True)
    )


def _detail(model: str, name: str, comparison: Comparison) -> str:
    parts = [
        f"{_TITLES[metric]} {_word(comparison, metric)} {_numbers(comparison, metric)}"
        for metric in HEADLINES
    ]
    text = f"{_upper(model)} against {name}: {'; '.join(parts)}"
    false = comparison.differences["false_alarms_per_event"]
    if false.ours is not None and false.theirs is not None:
        text += f"; at {false.ours:.2f} and {false.theirs:.2f} false alarms per event"
    return text + "."


def _word(comparison: Comparison, metric: str) -> str:
    word = comparison.differences[metric].word
    if word == "cannot be told apart":
        return f"cannot be told apart with {comparison.events} events"
    return f"is {word}"


def _numbers(comparison: Comparison, metric: str) -> str:
    d = comparison.differences[metric]
    if d.ours is None or d.theirs is None or d.value is None:
        return "(undefined here)"
    text = f"{d.ours:.3f} and {d.theirs:.3f}, difference {d.value:+.3f}"
    if d.interval is None:
        return f"({text}, no interval: {comparison.blocks} blocks)"
    low, high = d.interval
    return f"({text}, {comparison.confidence:.0%} interval {low:+.3f} to {high:+.3f})"


def _join(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
