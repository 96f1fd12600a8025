"""Plots of a run as PNG, for MLflow."""

from __future__ import annotations

from collections.abc import Sequence

from rareevent.report.canvas import (
    AMBER,
    BLUE,
    COLOURS,
    DOTTED,
    INK,
    SOFT,
    VERMILION,
    draw_line,
    new_figure,
    to_png,
)
from rareevent.report.charts import curve_points, operating_point, tradeoff_reach
from rareevent.report.content import Json, RunReport
from rareevent.report.plot_timeline import timeline_png
from rareevent.report.reading import CHANCE, Judged, Rival, read, rivals
from rareevent.report.words import Times, percent


def draw_plots(report: RunReport) -> dict[str, bytes]:
    """Every plot that the run has data for: name -> PNG."""
    times = Times(str(report.clock.get("kind", "datetime")))
    model, others = read(report.model), rivals(report.baselines)
    validation = read(report.validation)
    drawn = {
        "pr_curve": pr_curve_png(report.model_name, model, others),
        "threshold": threshold_png(model, validation, times),
        "tradeoff": tradeoff_png(report.model_name, model, others, times),
        "reliability": reliability_png(model.reliability),
        "training": training_png(report.history),
        "timeline": timeline_png(model, report.series, times),
    }
    return {name: png for name, png in drawn.items() if png is not None}


def pr_curve_png(name: str, model: Judged, others: Sequence[Rival]) -> bytes | None:
    """Precision against recall of rows, with the prevalence line; None without positive rows."""
    if not model.pr:
        return None
    figure, (axes,) = new_figure()
    for other in others:
        draw_line(axes, other.judged.pr, other.name, other.style)
    draw_line(axes, model.pr, name, "model")
    prevalence = model.metrics.get("prevalence")
    if prevalence is not None:
        words = f"prevalence {percent(prevalence)}"
        axes.axhline(prevalence, color=SOFT, linestyle=DOTTED, linewidth=1, label=words)
    axes.set(xlabel="recall of rows", ylabel="precision of rows", xlim=(0, 1))
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=8)
    return to_png(figure)


def threshold_png(model: Judged, validation: Judged, times: Times) -> bytes | None:
    """Event recall, alarm precision and false alarms at every threshold; None without a curve.

    Thin lines are validation, on which the threshold was chosen; thick ones the test part.
    """
    if not model.curve:
        return None
    figure, (upper, lower) = new_figure(rows=2)
    for judged, width, where in ((validation, 1.0, "validation"), (model, 2.0, "test")):
        for key, colour, name in (
            ("event_recall", BLUE, "events caught"),
            ("alarm_precision", VERMILION, "alarm precision"),
        ):
            points = _by_threshold(judged.curve, key)
            upper.plot(*points, color=colour, linewidth=width, label=f"{name}, {where}")
        rates = _by_threshold(judged.curve, times.rate_key)
        lower.plot(*rates, color=AMBER, linewidth=width, label=where)
    for axes in (upper, lower):
        axes.set_xscale("log")
        axes.minorticks_off()
        if model.policy.get("threshold"):
            axes.axvline(model.policy["threshold"], color=INK, linestyle=":", linewidth=1)
        axes.legend(frameon=False, fontsize=7)
    upper.set(ylabel="share", ylim=(0, 1.02))
    lower.set(xlabel="threshold (probability)", ylabel=f"false alarms\n{times.rate_words}")
    chosen = operating_point(model, times)
    if chosen is not None and chosen[0] > 0:
        lower.set_ylim(0, 4 * chosen[0])  # thresholds near 0 alarm always and would hide the rest
    return to_png(figure)


def _by_threshold(curve: Sequence[Json], key: str) -> tuple[list[float], list[float]]:
    known = [(p["threshold"], p[key]) for p in curve if p.get(key) is not None]
    known = sorted(pair for pair in known if pair[0] > 0)
    return [x for x, _ in known], [y for _, y in known]


def tradeoff_png(name: str, model: Judged, others: Sequence[Rival], times: Times) -> bytes | None:
    """Event recall against false alarms, the chosen point as a ring; None without a curve."""
    points = curve_points(model, times)
    if not points:
        return None
    figure, (axes,) = new_figure()
    for other in others:
        draw_line(axes, curve_points(other.judged, times), other.name, other.style, "steps-post")
    draw_line(axes, points, name, "model", "steps-post")
    ends = [(other, operating_point(other.judged, times)) for other in others]
    for other, end in ends:
        if end is not None:
            label = other.name if other.style == CHANCE else None
            axes.plot(*end, "o", color=COLOURS[other.style], markersize=6, label=label)
    chosen = operating_point(model, times)
    if chosen is not None:
        axes.plot(
            *chosen,
            "o",
            color=BLUE,
            markerfacecolor="white",
            markersize=9,
            markeredgewidth=2.5,
            label="chosen point",
        )
    axes.set_xlim(0, tradeoff_reach(points, [chosen, *(end for _, end in ends)]))
    axes.set(xlabel=f"false alarms {times.rate_words}", ylabel="share of events caught")
    axes.set_ylim(0, 1.02)
    axes.legend(frameon=False, fontsize=8)
    return to_png(figure)


def reliability_png(bins: Sequence[Json]) -> bytes | None:
    """Observed frequency against forecast probability; None without labelled rows."""
    if not bins:
        return None
    figure, (axes,) = new_figure()
    forecast = [b["mean_probability"] for b in bins]
    observed = [b["observed"] for b in bins]
    top = 1.05 * max(*forecast, *observed, 1e-3)
    axes.plot([0, top], [0, top], color=SOFT, linestyle=DOTTED, linewidth=1)
    axes.plot(forecast, observed, "o-", color=BLUE, linewidth=1.5, markersize=5)
    axes.set(xlabel="forecast probability", ylabel="observed frequency")
    axes.set(xlim=(0, top), ylim=(0, top))
    return to_png(figure)


def training_png(history: Sequence[Sequence[Json]]) -> bytes | None:
    """Loss and validation PR-AUC by epoch, one line per member; None without an epoch."""
    if not any(history):
        return None
    keys = {"loss": "training loss", "validation_pr_auc": "PR-AUC on validation"}
    known = [k for k in keys if any(e.get(k) is not None for member in history for e in member)]
    figure, panels = new_figure(rows=len(known))
    for axes, key in zip(panels, known, strict=True):
        for number, member in enumerate(history, 1):
            points = [(e["epoch"], e[key]) for e in member if e.get(key) is not None]
            x, y = zip(*points, strict=True) if points else ((), ())
            axes.plot(
                x,
                y,
                "o-",
                color=BLUE,
                linewidth=1.5,
                markersize=3,
                alpha=max(0.35, 1 - 0.2 * (number - 1)),
                label=f"member {number}",
            )
        axes.set_ylabel(keys[key])
        axes.locator_params(axis="x", integer=True)
    panels[-1].set_xlabel("epoch")
    return to_png(figure)
