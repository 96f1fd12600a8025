"""The figures a plant asks for first, beside what simpler models and chance would have given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from rareevent.report.charts import interval_bar
from rareevent.report.reading import CHANCE, Judged, Rival
from rareevent.report.words import (
    NONE,
    Times,
    count,
    number,
    percent,
    percent_range,
    plural,
    score,
    score_range,
)

ASIDE = "aside"


@dataclass(frozen=True)
class Tile:
    """One headline figure: what it is, the figure, what to read beside it."""

    name: str
    value: str
    unit: str
    beside: tuple[str, ...]


@dataclass(frozen=True)
class Contender:
    """A row of the comparison: texts, and the drawings of its intervals.

    Attributes
    ----------
    style : CSS class of its curve and dots
    """

    name: str
    note: str
    style: str
    caught: str
    recall: str
    recall_bar: Markup | None
    precision: str
    rate: str
    per_event: str
    lead: str
    pr_auc: str
    pr_auc_range: str
    roc_auc: str
    roc_auc_range: str


def answer(judged: Judged, times: Times, skill: Mapping[str, Any] | None = None) -> str:
    """What a plant asks, in one sentence.

    Parameters
    ----------
    skill : `Skill.to_json()`: where there is none, catches are no answer
    """
    get = judged.metrics.get
    events, caught = get("events"), get("caught") or 0
    if skill is not None and not skill["has_skill"]:
        return "No evidence that these events can be predicted from these sensors at this horizon."
    if not events:
        return "There is no event in the test part, so nothing can be said about catching one."
    said = f"{number(caught) if caught else 'None'} of {plural(events, 'event')}"
    said += " were announced" if caught > 1 else " was announced"
    lead = get(f"lead_time_median_{times.lead_unit}")
    if lead is not None:
        said += f"{', half of them at least' if caught > 1 else ''} {times.lead(lead)} ahead"
    rate = get(times.rate_key)
    return said + (
        f", at {number(rate)} false alarms {times.rate_words}." if rate is not None else "."
    )


def caught_of(judged: Judged) -> str:
    """Events caught out of those that count."""
    caught, events = judged.metrics.get("caught"), judged.metrics.get("events")
    if events is None:
        return NONE
    return f"{count(caught)} of {count(events)}"


def tiles(judged: Judged, others: Sequence[Rival], times: Times, confidence: str) -> list[Tile]:
    """Events caught, lead time, false alarms, alarm precision."""
    get = judged.metrics.get
    alarms = get("alarms")
    unit = times.lead_unit
    p10 = get(f"lead_time_p10_{unit}")
    by_chance = next(
        (o.judged.metrics.get("event_recall") for o in others if o.style == CHANCE), None
    )
    return [
        Tile(
            "Events caught",
            number(get("caught")),
            f"of {number(get('events'))}",
            _lines(
                _with_range(percent(get("event_recall")), judged, "event_recall", confidence),
                by_chance is not None and f"alarms at random: {percent(by_chance)}",
            ),
        ),
        Tile(
            "Lead time, median",
            *_value_and_unit(times.lead(get(f"lead_time_median_{unit}"))),
            _lines(p10 is not None and f"one in ten shorter than {times.lead(p10)}"),
        ),
        Tile(
            "False alarms",
            number(get(times.rate_key)),
            times.rate_words,
            _lines(
                get("false_alarms") is not None and f"{number(get('false_alarms'))} in all",
                get("false_alarms_per_event") is not None
                and f"{number(get('false_alarms_per_event'))} per event",
                get("late_alarms") and f"{number(get('late_alarms'))} more came too late",
            ),
        ),
        Tile(
            "Alarm precision",
            *_value_and_unit(percent(get("alarm_precision"))),
            _lines(
                _range_words(judged, "alarm_precision", confidence),
                alarms is not None and f"{plural(alarms, 'alarm')} in all",
            ),
        ),
    ]


def _lines(*words: str | bool | int | float | None) -> tuple[str, ...]:
    return tuple(line for line in words if isinstance(line, str) and line)


def _value_and_unit(words: str) -> tuple[str, str]:
    value, _, unit = words.partition("\u00a0")
    return value, unit


def _with_range(words: str, judged: Judged, metric: str, confidence: str) -> str:
    return ", ".join(_lines(words, _range_words(judged, metric, confidence)))


def _range_words(judged: Judged, metric: str, confidence: str) -> str:
    pair = judged.interval(metric)
    return f"{confidence} interval {percent_range(pair)}" if pair else ""


def interval_words(judged: Judged, confidence: str) -> str:
    """Where the intervals come from, or why there are none."""
    blocks = judged.blocks
    what = "assets" if blocks.get("kind") == "assets" else "stretches of time"
    words = f"Ranges are {confidence} intervals: Clopper–Pearson for the share of events caught"
    if any(pair for name, pair in judged.intervals.items() if name != "event_recall_exact"):
        resampled = f" by resampling {number(blocks['count'])} {what}" if blocks else ""
        return f"{words}, the others{resampled}."
    if blocks:
        few = f"{number(blocks['count'])} {what} are too few to resample"
        return f"{words}. The other figures have none: {few}."
    return f"{words}."


def contenders(
    name: str,
    model: Judged,
    others: Sequence[Rival],
    asides: Mapping[str, Judged],
    times: Times,
) -> list[Contender]:
    """The model first, each baseline below it, then the model under other conditions.

    Parameters
    ----------
    name : what the model is called
    asides : condition, as in "on validation" -> the model's evaluation under it
    """
    rows = [(name, "", "model", model)]
    rows += [(other.name, "", other.style, other.judged) for other in others]
    rows += [(name, words, ASIDE, judged) for words, judged in asides.items()]
    return [_contender(*row, times) for row in rows]


def _contender(name: str, note: str, style: str, judged: Judged, times: Times) -> Contender:
    get = judged.metrics.get
    recall = judged.interval("event_recall")
    return Contender(
        name=name,
        note=note,
        style=style,
        caught=caught_of(judged),
        recall=" ".join(_lines(percent(get("event_recall")), _bracketed(percent_range(recall)))),
        recall_bar=interval_bar(get("event_recall"), recall, 1.0, style),
        precision=percent(get("alarm_precision")),
        rate=number(get(times.rate_key)),
        per_event=number(get("false_alarms_per_event")),
        lead=times.lead(get(f"lead_time_median_{times.lead_unit}")),
        pr_auc=score(get("pr_auc")),
        pr_auc_range=score_range(judged.interval("pr_auc")),
        roc_auc=score(get("roc_auc")),
        roc_auc_range=score_range(judged.interval("roc_auc")),
    )


def _bracketed(words: str) -> str:
    return f"({words})" if words else ""
