"""One self-contained HTML page per run: nothing is fetched, everything is inline."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from rareevent.report import charts, headline, tables
from rareevent.report.content import RunReport
from rareevent.report.glossary import glossary
from rareevent.report.importance import importance_view
from rareevent.report.inside import inside_view
from rareevent.report.quality import quality_view
from rareevent.report.reading import CHANCE, Judged, Rival, read, rivals
from rareevent.report.svg import drawing, mark
from rareevent.report.timeline import EVENT_SHAPES, alarm_style, timeline
from rareevent.report.words import Times, number, percent, plural, score
from rareevent.whole_files import written_aside

_WIDE, _NARROW = 1080, 372  # pixels: a desktop column, a phone
_OUTCOME_WORDS = {
    "caught": "caught",
    "missed": "missed",
    "unforeseeable": "missed, unforeseeable",
    "boundary": "on the boundary, not counted",
}
_ALARM_WORDS = {
    "catch": ("alarm", " that caught"),
    "false": ("false alarm", ""),
    "late": ("alarm", " that came too late or is not counted"),
}

__all__ = ["RunReport", "render", "write_report"]


@dataclass(frozen=True)
class Asset:
    """An inline style or script, and the digest under which the page allows it to run."""

    text: str
    digest: str


def render(report: RunReport) -> str:
    """The page as HTML; the same report gives the same bytes.

    Names that come from data are escaped, and the page's content security policy runs no script
    but its own and fetches nothing.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(_resource("template.html.j2"))
    return template.render(_context(report))


def write_report(report: RunReport, path: str | Path) -> Path:
    """Write the page to a file, whole or not at all.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    path = Path(path)
    page = render(report)
    with written_aside(path) as aside:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(page, encoding="utf-8")
    return path


def _resource(name: str) -> str:
    return files("rareevent.report").joinpath(name).read_text(encoding="utf-8")


def _inline(name: str) -> Asset:
    text = _resource(name).strip()
    digest = b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Asset(text, f"sha256-{digest}")


def _context(report: RunReport) -> dict[str, Any]:
    times = Times(str(report.clock.get("kind", "datetime")))
    model = read(report.model)
    others = rivals(report.baselines)
    asides = {
        "without knowing of past events": report.without_feed,
        "on validation": report.validation,
    }
    return {
        "report": report,
        "css": _inline("report.css"),
        "js": _inline("report.js"),
        "times": times,
        "answer": headline.answer(model, times, report.skill),
        "tiles": headline.tiles(model, others, times, percent(report.confidence)),
        "contenders": headline.contenders(
            report.model_name,
            model,
            others,
            {name: read(one) for name, one in asides.items() if one},
            times,
        ),
        "facts": _facts(report, model, times),
        "policy": _policy_words(model.policy, times),
        "legend": _legend(model),
        "interval_words": headline.interval_words(model, percent(report.confidence)),
        "model": model,
        "score": score,
        "percent": percent,
        "plural": plural,
        "glossary": glossary(times, percent(report.confidence)),
        **_drawings(report, model, others, times),
        **_tables(report, model, times),
        "importance": importance_view(report.importance) if report.importance else None,
        "inside": inside_view(report.inside) if report.inside else None,
        "quality": quality_view(report.quality, times) if report.quality else None,
    }


def _drawings(
    report: RunReport, model: Judged, others: Sequence[Rival], times: Times
) -> dict[str, Any]:
    threshold = model.policy.get("threshold")
    chosen = charts.operating_point(model, times)
    fitted = [other for other in others if other.style != CHANCE]
    leads = [e.lead for e in model.events if e.outcome == "caught" and e.lead is not None]
    return {
        "wide": timeline(model, report.series, threshold, times, _WIDE),
        "narrow": timeline(model, report.series, threshold, times, _NARROW),
        "tradeoff": charts.tradeoff_chart(model, others, chosen, times),
        "pr": charts.pr_chart(model, fitted, model.metrics.get("prevalence")),
        "reliability": charts.reliability_chart(model.reliability),
        "leads": charts.lead_chart(leads, times),
        "loss": charts.training_chart(report.history, "loss", "loss"),
        "epochs": charts.training_chart(
            report.history, "validation_pr_auc", "PR-AUC on validation"
        ),
        "split_bar": _split_bar(report),
    }


def _split_bar(report: RunReport) -> Any:
    sizes = [
        (str(name), float(part["rows"]))
        for name, part in report.split.items()
        if isinstance(part, Mapping) and part.get("rows")
    ]
    return charts.split_bar(sizes) if sizes else None


def _tables(report: RunReport, model: Judged, times: Times) -> dict[str, Any]:
    return {
        "assets": tables.asset_table(model),
        "uncaught": tables.uncaught_table(model, times),
        "alarms": tables.alarm_table(model, times),
        "parts": tables.split_table(report.split, times),
        "folds": tables.fold_table(report.folds, times),
        "dropped": tables.count_table(report.dropped, ("rows without a window", "rows")),
    }


def _facts(report: RunReport, model: Judged, times: Times) -> list[tuple[str, str]]:
    test = report.split.get("test") or {}
    facts = [("run", report.run_id), ("made", report.created)]
    if test.get("from") is not None and test.get("to") is not None:
        first, last = (tables.moment(test[key], times).words for key in ("from", "to"))
        facts.append(("test part", f"{first} to {last}"))
    if model.per_asset:
        facts.append(("assets", number(len(model.per_asset))))
    if model.metrics.get("rows"):
        facts.append(("scored rows", number(model.metrics["rows"])))
    return [(name, words) for name, words in facts if words]


def _policy_words(policy: Mapping[str, Any], times: Times) -> str:
    if not policy:
        return ""
    k, n = policy.get("k", 1), policy.get("n", 1)
    rows = "a row" if n == 1 else f"{k} of the last {n} rows"
    words = f"An alarm is raised when {rows} reach{'es' if n == 1 else ''} a probability of"
    words += f" {percent(policy.get('threshold'))}"
    silence = policy.get("silence")
    return f"{words}, then there is silence for {times.span(silence)}." if silence else f"{words}."


def _legend(model: Judged) -> list[tuple[Any, str]]:
    items = []
    for outcome, shape in EVENT_SHAPES.items():
        events = model.count(outcome)
        if events:
            symbol = _symbol(mark(shape, 9, 9, 5, f"event {outcome}"))
            items.append((symbol, f"{plural(events, 'event')} {_OUTCOME_WORDS[outcome]}"))
    styles = [alarm_style(alarm.judgement) for alarm in model.alarms]
    for style, (noun, more) in _ALARM_WORDS.items():
        if style in styles:
            symbol = _symbol(mark("down", 9, 9, 4.5, f"alarm {style}"))
            items.append((symbol, plural(styles.count(style), noun) + more))
    return items


def _symbol(shape: str) -> Any:
    return drawing(18, 18, "", [shape], "key")
