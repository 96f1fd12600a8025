"""What a benchmark hands back: lines of one table, each a figure beside its target."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum


class Size(IntEnum):
    """How much is measured: barely anything, what takes minutes, or as long as it takes."""

    TINY, USUAL, FULL = range(3)


@dataclass(frozen=True)
class Line:
    """A line of the table.

    Attributes
    ----------
    what : was measured
    measured : in words
    target : in words; empty where there is none
    met : whether it was reached; None where there is no target
    """

    what: str
    measured: str
    target: str = ""
    met: bool | None = None


def at_least(what: str, ratio: float, target: float) -> Line:
    """A line for a ratio that should be as high as the target."""
    return Line(what, f"{ratio:.1f} ×", f"≥ {target:g} ×", ratio >= target)


def at_most(what: str, figure: float, target: float, unit: str = "") -> Line:
    """A line for a figure that should be as low as the target."""
    return Line(what, f"{figure:.2f}{unit}", f"≤ {target:g}{unit}", figure <= target)


def table(lines: Iterable[tuple[str, Line]]) -> str:
    """Lines under the names of their benchmarks, in Markdown."""
    met = {True: "yes", False: "**no**", None: ""}
    rows = [f"| {n} | {x.what} | {x.measured} | {x.target} | {met[x.met]} |" for n, x in lines]
    head = "| benchmark | what | measured | target | met |"
    return "\n".join([head, "| --- | --- | --- | --- | --- |", *rows])


@dataclass(frozen=True)
class Took:
    """Seconds of the quickest round: on the wall clock, and of all cores' computing."""

    wall: float = float("inf")
    cpu: float = float("inf")


def best_rounds(
    contenders: Mapping[str, Callable[[], object]], rounds: int, warm_up: int = 1
) -> dict[str, Took]:
    """How long each contender takes.

    They run in turn, so that a busy moment of the machine hits all of them; rounds before the
    ones that count warm them up.
    """
    best = dict.fromkeys(contenders, Took())
    for turn in range(warm_up + rounds):
        for name, run in contenders.items():
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            if turn >= warm_up:
                best[name] = Took(min(best[name].wall, wall), min(best[name].cpu, cpu))
    return best


def compared(best: Mapping[str, Took], ours: str, items: int, unit: str) -> list[Line]:
    """A line for each contender: its rate, its computing, and how many times ours is quicker.

    On a machine that is busy with other things the ratio of computing is the steadier one.
    """
    lines = []
    for name, took in best.items():
        words = f"{items / took.wall:,.0f} {unit}/s, {1e6 * took.cpu / items:.2f} µs CPU each"
        if name != ours:
            wall, cpu = took.wall / best[ours].wall, took.cpu / best[ours].cpu
            words += f"; ours {wall:.1f} × as quick, by CPU {cpu:.1f} ×"
        lines.append(Line(name, words))
    return lines
