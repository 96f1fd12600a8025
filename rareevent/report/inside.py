"""The section "Inside the LSTM": parameters, gradient health, gates, units that move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from rareevent.report.content import Json
from rareevent.report.inside_charts import STYLES, gradient_chart, layer_names, reach_chart
from rareevent.report.tables import Cell, Table
from rareevent.report.words import number, percent, plural

_MOST_MOVES = 12


@dataclass(frozen=True)
class Finding:
    """A rule that found something: its name, what was seen, what to do."""

    rule: str
    words: str
    remedy: str


@dataclass(frozen=True)
class LayerView:
    """A layer's gates: its name, what stands out in words, and every unit."""

    name: str
    words: str
    units: Table


@dataclass(frozen=True)
class InsideView:
    """What the template shows.

    Attributes
    ----------
    parameters, warning : in words; `layers` lists them
    findings, healthy : what is wrong, or the sentence that nothing is
    legend : (style, layer) of the lines of `gradients`
    gradients, reach : charts
    gates : one view per layer
    moves, moved : which units move before events, in words and as a table
    """

    parameters: str
    warning: str
    layers: Table
    findings: tuple[Finding, ...]
    healthy: str
    legend: tuple[tuple[str, str], ...]
    gradients: Markup | None
    reach: Markup | None
    gates: tuple[LayerView, ...]
    moves: str
    moved: Table | None


def inside_view(inside: Json) -> InsideView:
    """Arrange what `jobs.inside.inside_content` gathered."""
    parameters, health, gates = inside["parameters"], inside["health"], inside.get("gates") or {}
    members = health["members"]
    fits = plural(health["fits"], "fit")
    return InsideView(
        parameters=_parameter_words(parameters),
        warning=parameters.get("warning") or "",
        layers=_layer_table(parameters),
        findings=tuple(
            Finding(one["rule"], one["words"], one["remedy"]) for one in health["findings"]
        ),
        healthy="" if health["findings"] else f"No rule found anything in {fits}.",
        legend=tuple(zip(STYLES, layer_names(members), strict=False)),
        gradients=gradient_chart(members),
        reach=reach_chart(members),
        gates=tuple(_layer_view(layer) for layer in gates.get("layers", ())),
        moves=_move_words(gates.get("moves")),
        moved=_move_table(gates.get("moves")),
    )


def _parameter_words(parameters: Json) -> str:
    words = (
        f"A member has {number(parameters['parameters'])} parameters, of which"
        f" {number(parameters['learned'])} are learned; the recurrence reads"
        f" {number(parameters['channels_read'])} of {plural(parameters['channels'], 'channel')}."
    )
    each = parameters.get("parameters_per_positive")
    if each is None:
        return words
    positives = plural(parameters["positives"], "positive training window")
    events = plural(parameters["events"], "event")
    return f"{words} There are {positives} of {events}: {number(each)} learned parameters for each."


def _layer_table(parameters: Json) -> Table:
    rows = tuple(
        (
            Cell(layer["name"]),
            Cell(" × ".join(str(size) for size in layer["shape"])),
            Cell(number(layer["parameters"]), float(layer["parameters"])),
            Cell(number(layer["learned"]), float(layer["learned"])),
            Cell(layer["formula"]),
        )
        for layer in parameters["layers"]
    )
    heads = ("layer", "output", "parameters", "learned", "4m(m + p + 1)")
    return Table(heads, (False, True, True, True, False), rows)


def _layer_view(layer: Json) -> LayerView:
    units = layer["units"]
    marks = {
        "memory": [unit["unit"] for unit in units if unit["memory"]],
        "never_changes": [unit["unit"] for unit in units if unit["never_changes"]],
    }
    hard = {
        gate: sum(unit["shut"][gate] + unit["open"][gate] for unit in units) / len(units)
        for gate in ("input", "forget", "output")
    }
    shares = ", ".join(f"{percent(share)} ({gate})" for gate, share in hard.items())
    words = f"gates are below 0.1 or above 0.9 for {shares} of the time."
    words += _which(marks["memory"], "act as memory: forget near 1 while input is near 0")
    words += _which(marks["never_changes"], "never change, whatever the window")
    return LayerView(layer["name"], words, _unit_table(units))


def _which(units: Sequence[int], what: str) -> str:
    if not units:
        return ""
    return f" {plural(len(units), 'unit')} ({', '.join(map(str, units))}) {what}."


def _unit_table(units: Sequence[Json]) -> Table:
    heads = ["unit"]
    for gate in ("input", "forget", "output"):
        heads += [gate, "shut", "open"]
    rows = []
    for unit in units:
        cells = [Cell(str(unit["unit"]), float(unit["unit"]))]
        for gate in ("input", "forget", "output"):
            mean, shut, wide = (unit[key][gate] for key in ("mean", "shut", "open"))
            cells += [
                Cell(f"{mean:.2f}", mean),
                Cell(percent(shut), shut),
                Cell(percent(wide), wide),
            ]
        cells += [Cell(percent(unit["holds"]), unit["holds"])]
        cells += [Cell(f"{unit['spread']:.3f}", unit["spread"])]
        rows.append(tuple(cells))
    heads += ["holds", "spread of output"]
    return Table(tuple(heads), (True,) * len(heads), tuple(rows))


def _move_words(moves: Json | None) -> str:
    if moves is None:
        return "No event there has a full window before it and a matched one beside it."
    events = plural(moves["events"], "event")
    matched = (
        f"{plural(moves['windows'], 'window')} before {events} beside as many of the same asset"
        " that no event is near, the nearest in time"
    )
    left = f" ({plural(moves['unmatched'], 'event')} without a match)" if moves["unmatched"] else ""
    if _without_intervals(moves):
        return f"{matched}{left}. With fewer than {moves['fewest_events']} events, no intervals."
    moved = sum(unit["moved"] for unit in moves["units"])
    return (
        f"{matched}{left}. Of {number(moves['comparisons'])} differences, {number(moved) or 0}"
        f" {'excludes' if moved == 1 else 'exclude'} 0. Intervals are by bootstrap over events and"
        f" simultaneous: with {percent(moves['confidence'])} confidence all of them hold at once."
    )


def _without_intervals(moves: Json) -> bool:
    return not moves["units"] or moves["units"][0]["low"] is None


def _move_table(moves: Json | None) -> Table | None:
    if moves is None or not moves["units"]:
        return None
    moved = [unit for unit in moves["units"] if unit["moved"]]
    shown = (moved or moves["units"])[:_MOST_MOVES]
    rows = tuple(_move_row(unit) for unit in shown)
    more = len(moved or moves["units"]) - len(shown)
    note = f"{plural(more, 'more')} in the run's report.json.".replace("mores", "more")
    heads = ("layer", "unit", "mean of", "difference", "interval")
    return Table(heads, (False, True, False, True, True), rows, note if more > 0 else "")


def _move_row(unit: Json) -> tuple[Cell, ...]:
    difference, low, high = (unit[key] for key in ("difference", "low", "high"))
    interval = "–" if low is None else f"{low:+.3f} to {high:+.3f}".replace("-", "−")
    return (
        Cell(str(unit["layer"])),
        Cell(str(unit["unit"]), float(unit["unit"])),
        Cell(str(unit["quantity"])),
        Cell(f"{difference:+.3f}".replace("-", "−"), float(difference)),
        Cell(interval),
    )
