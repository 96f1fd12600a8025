"""The alarm timeline as PNG, laid out as on the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rareevent.report.canvas import (
    AMBER,
    BLUE,
    HAIR,
    SCORE,
    SOFT,
    VERMILION,
    VIOLET,
    as_written,
    new_figure,
    to_png,
)
from rareevent.report.content import Json
from rareevent.report.lanes import Plan, left_out, plan_lanes, score_top
from rareevent.report.reading import Judged
from rareevent.report.timeline import alarm_style
from rareevent.report.words import Times

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_EVENTS = {
    "caught": ("o", BLUE, BLUE, "event caught"),
    "missed": ("D", VERMILION, VERMILION, "event missed"),
    "unforeseeable": ("D", "white", VERMILION, "event missed, unforeseeable"),
    "boundary": ("o", "white", SOFT, "event on the boundary"),
}
_ALARMS = {
    "catch": (BLUE, "alarm that caught"),
    "false": (AMBER, "false alarm"),
    "late": (VIOLET, "late alarm"),
}
_WIDTH = 1080  # pixels of the drawing whose layout the picture shares
_LABEL = 24  # letters
_ALARM_HEIGHT = 0.68  # of a lane


@as_written()
def timeline_png(model: Judged, series: Sequence[Json], times: Times) -> bytes | None:
    """The alarm timeline, laid out as on the page; None where nothing happened."""
    plan = plan_lanes(model, series, times, _WIDTH)
    if plan is None:
        return None
    figure, (axes,) = new_figure(size=(11, 1.2 + 0.42 * len(plan.lanes)))
    threshold = model.policy.get("threshold")
    _scores(axes, plan, threshold)
    _marks(axes, plan)
    first = plan.lanes[0]
    axes.set_xlim(0, first.high - first.low)
    axes.set_xticks([tick - first.low for tick, _ in plan.ticks], [w for _, w in plan.ticks])
    axes.set_yticks(
        [-n for n in range(len(plan.lanes))], [lane.label[:_LABEL] for lane in plan.lanes]
    )
    axes.set_ylim(0.2 - len(plan.lanes), 1)
    axes.grid(visible=False)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8, ncols=6, loc="lower left", bbox_to_anchor=(0, 1.0))
    note = left_out(plan, model)
    if note:
        axes.set_xlabel(note, fontsize=8)
    return to_png(figure)


def _scores(axes: Axes, plan: Plan, threshold: float | None) -> None:
    top = score_top(plan, threshold)
    for place, lane in enumerate(plan.lanes):
        axes.axhline(-place, color=HAIR, linewidth=0.8, zorder=0)
        x = [tick - lane.low for tick, _ in lane.scores]
        heights = [_height(score, top) - place for _, score in lane.scores]
        axes.fill_between(x, heights, -place, color=SCORE, linewidth=0, zorder=1)
        if lane.scores and threshold is not None:
            level = _height(threshold, top) - place
            axes.axhline(level, color=SOFT, linestyle=(0, (2, 3)), linewidth=0.6, zorder=1)


def _height(score: float | None, top: float) -> float:
    """Share of a lane's height: a square root, as on the page; NaN lifts the pen."""
    return float("nan") if score is None else 0.55 * min(max(score / top, 0.0), 1.0) ** 0.5


def _marks(axes: Axes, plan: Plan) -> None:
    for style, (colour, name) in _ALARMS.items():
        x, y = _places(
            (alarm.time - lane.low, place)
            for place, lane in enumerate(plan.lanes)
            for alarm in lane.alarms
            if alarm_style(alarm.judgement) == style
        )
        if x:
            heads = [base + _ALARM_HEIGHT for base in y]
            axes.vlines(x, y, heads, color=colour, linewidth=0.8, alpha=0.6, zorder=2)
            axes.scatter(x, heads, s=26, marker="v", color=colour, label=name, zorder=3)
    for outcome, (marker, face, edge, name) in _EVENTS.items():
        x, y = _places(
            (event.time - lane.low, place)
            for place, lane in enumerate(plan.lanes)
            for event in lane.events
            if event.outcome == outcome
        )
        if x:
            marks = axes.scatter(x, y, s=26, marker=marker, label=name, linewidths=1.2, zorder=3)
            marks.set(facecolor=face, edgecolor=edge)


def _places(pairs: Iterable[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """Ticks into the lane, and the heights of the lanes' base lines."""
    found = list(pairs)
    return [x for x, _ in found], [-place for _, place in found]
