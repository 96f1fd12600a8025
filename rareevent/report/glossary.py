"""What every number on the page means, in words."""

from __future__ import annotations

from rareevent.report.words import Times

# Terms and meanings, in the order in which the page uses them.
_TERMS = (
    (
        "Event caught",
        "At least one alarm was raised inside its catch window: no earlier than the horizon"
        " before the event, no later than the lead time needed to act.",
    ),
    (
        "Share caught (event recall)",
        "Events caught divided by events that count. Its interval is Clopper–Pearson: exact"
        " for a count out of a count, however few there are.",
    ),
    (
        "Unforeseeable",
        "No scored row lies in the event's catch window, for example because the machine had"
        " only just restarted. It counts as missed.",
    ),
    (
        "Boundary",
        "The catch window lies in two parts of the split, or reaches out of the data. It is"
        " listed and not counted.",
    ),
    (
        "Purged, censored",
        "Rows whose label looks into a later part of the split (purged), or past the end of what"
        " was observed (censored). They are neither trained on nor in the figures of rows.",
    ),
    (
        "Lead time",
        "From the first catching alarm to the event. The median is over caught events; one in"
        " ten was shorter than p10.",
    ),
    (
        "False alarm",
        "An alarm outside every catch window. A second alarm for the same event is neither"
        " false nor a catch; one that came too late to act on is counted as late.",
    ),
    (
        "False alarms {rate}",
        "False alarms of all assets together, over the {covered} covered by scored rows.",
    ),
    ("False alarms per event", "False alarms divided by events that count."),
    ("Alarm precision", "Of the alarms that could be judged, the share that caught an event."),
    (
        "Alarms at random",
        "The same number of alarms at random times. What they catch is luck, and a model must"
        " do better.",
    ),
    (
        "Without knowing of past events",
        "The same model scored as a job would score it that is not told when events happened:"
        " only gaps in the readings then separate one stretch from the next.",
    ),
    (
        "Interval",
        "Repeating the test period under the same conditions, {confidence} of such intervals"
        " would hold the true figure. Where assets are few, whole stretches of time are"
        " resampled together, since neighbouring rows are not independent.",
    ),
    (
        "Prevalence",
        "The share of rows with an event ahead: the precision of guessing.",
    ),
    (
        "PR-AUC",
        "Average precision of the ranking of rows, to be read against the prevalence.",
    ),
    (
        "ROC-AUC",
        "The chance that a row with an event ahead has a higher score than one without; 0.5 is"
        " guessing.",
    ),
    (
        "Brier score and skill",
        "The mean squared error of the probability; skill is how much of the error of always"
        " forecasting the base rate it removes (0: none, below 0: worse).",
    ),
    (
        "Leak audit",
        "Checks on the split that was used: no training label looks into a later part, no"
        " event is shared, nothing was fitted beyond training rows.",
    ),
)


def glossary(times: Times, confidence: str) -> list[tuple[str, str]]:
    """Terms and meanings, in the order in which the page uses them."""
    known = {
        "rate": times.rate_words,
        "covered": "time" if times.dated else "cycles",
        "confidence": confidence,
    }
    return [(term.format_map(known), meaning.format_map(known)) for term, meaning in _TERMS]
