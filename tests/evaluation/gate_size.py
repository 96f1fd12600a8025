"""How often the gate lets a challenger through: the figures of docs/promotion.md.

`python -m tests.evaluation.gate_size` prints them. Events and alarms are drawn, everything from
`judge` to the gate is the real thing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter
from scipy.stats import norm

from rareevent.config import EvaluateStage, PromoteStage
from rareevent.evaluation.catches import Judgement, judge
from rareevent.evaluation.compare import Comparison, compare
from rareevent.evaluation.metrics import row_metrics
from rareevent.evaluation.promotion import GateCheck, SkillFinding, gate_checks
from rareevent.evaluation.scored import Scored
from rareevent.ingestion.frame import Clock, Events
from rareevent.windowing.curve_shift import NEVER, Status
from tests.evaluation.worlds import DAY, MINUTE, long_run

SKILL = SkillFinding(True, "given")
REPEATS, DRAWS = 1000, 1000
EVENTS = (15, 40, 100)
# How alike the two catch: as two trainings of one pipeline, as two kinds of model, or one of them
# only loses what the other catches.
ALIKE = {"two trainings": 0.9, "two kinds of model": 0.5, "one only loses": 1.0}
# Of the day-to-day luck of the events, and of what each model adds of its own.
_SHARED_BY_A_DAY = 0.2


@dataclass(frozen=True)
class Pair:
    """Champion and challenger on days with events.

    Attributes
    ----------
    events, days : in all; a day is a block of the bootstrap
    recall : of the champion
    worse : how much lower the challenger's is
    alike : correlation of what decides whether each of the two catches an event; 1 makes the
        challenger lose some of the champion's catches and win none
    false_alarms : of the champion as expected, per event; half of them are the challenger's too
    """

    events: int
    days: int = 30
    recall: float = 0.7
    worse: float = 0.0
    alike: float = 0.9
    false_alarms: float = 1.5

    def draw(self, rng: np.random.Generator) -> tuple[Scored, Scored, Events]:
        """The challenger's and the champion's alarms on the same rows, and the events."""
        at = np.sort(rng.choice(self.days * DAY // MINUTE, self.events, replace=False)) * MINUTE
        day = at // DAY
        fate = _daily(rng, day)
        theirs = norm.cdf(fate) < self.recall
        own = _daily(rng, day)
        mixed = self.alike * fate + np.sqrt(1 - self.alike**2) * own
        ours = norm.cdf(mixed) < self.recall - self.worse
        mean = self.false_alarms * self.events / 2
        false = [rng.poisson(mean) for _ in ("both", "challenger", "champion")]
        return _laid_out(rng, at, self.days, (ours, theirs), false)


def _daily(rng: np.random.Generator, day: np.ndarray) -> np.ndarray:
    """Standard normal, alike within a day."""
    _, place = np.unique(day, return_inverse=True)
    whole, own = rng.normal(size=place.max() + 1), rng.normal(size=len(day))
    return np.sqrt(_SHARED_BY_A_DAY) * whole[place] + np.sqrt(1 - _SHARED_BY_A_DAY) * own


def _laid_out(rng, at, days, caught, false):
    """A row before each event, and one for each false alarm."""
    quiet = rng.integers(0, days * DAY, sum(false))
    time = np.concatenate([at - MINUTE // 2, quiet])
    order = np.argsort(time, kind="stable")
    event = np.concatenate([np.arange(len(at)), np.full(len(quiet), -1)])
    both, first, _ = false
    place = np.arange(len(quiet))
    raised = (
        np.concatenate([caught[0], place < both + first]),
        np.concatenate([caught[1], (place < both) | (place >= both + first)]),
    )
    base = Scored(
        asset=np.zeros(len(time), np.int32),
        time=time[order],
        segment=np.zeros(len(time), np.int64),
        probability=np.zeros(len(time)),
        alarm=np.zeros(len(time), bool),
        target=(event >= 0).astype(np.int8)[order],
        status=np.full(len(time), Status.LABELLED, np.int8),
        event=event.astype(np.int32)[order],
        time_to_event=np.where(event >= 0, MINUTE, NEVER)[order],
    )
    ours, theirs = (base.with_scores(0.1 + 0.8 * one[order], one[order]) for one in raised)
    none = np.zeros(len(at), np.int32)
    return ours, theirs, Events(none, at, none)


def checks(
    pair: Pair, gate: PromoteStage, repeats: int, seed: int = 0
) -> Iterator[list[GateCheck]]:
    """What the gate says of each of so many draws."""
    counted = np.ones(pair.events, bool)
    clock, stage = Clock("datetime", MINUTE), EvaluateStage(bootstrap=DRAWS)
    for rng in np.random.default_rng(seed).spawn(repeats):
        ours, theirs, events = pair.draw(rng)
        found = compare(
            ours, theirs, events, counted, clock, stage, lookback=10, horizon=5 * MINUTE
        )
        false = [judge(one, counted).count(Judgement.FALSE) for one in (ours, theirs)]
        yield list(gate_checks(gate, found, (false[0], false[1]), SKILL))


def shares(pair: Pair, gate: PromoteStage, repeats: int = REPEATS) -> dict[str, float]:
    """The share of draws in which each check holds, and in which all do."""
    said = [{check.name: check.passed for check in found} for found in checks(pair, gate, repeats)]
    each = {name: float(np.mean([one[name] for one in said])) for name in said[0]}
    return each | {"all": float(np.mean([all(one.values()) for one in said]))}


@dataclass(frozen=True)
class Ranking:
    """Two models whose scores are a shared one and an error of their own, on one machine's rows.

    Attributes
    ----------
    events : in all, one per 230 rows of two minutes, which is three a day
    errors : standard deviations of the champion's and the challenger's own error
    """

    events: int
    errors: tuple[float, float]

    def compared(self, rng: np.random.Generator) -> Comparison:
        """The challenger's ranking of rows against the champion's."""
        scored, log, counted, clock = long_run(rng, 230 * self.events, self.events, lift=3.0)
        theirs, ours = (_with_error(rng, scored, error) for error in self.errors)
        stage = EvaluateStage(bootstrap=DRAWS)
        return compare(ours, theirs, log, counted, clock, stage, lookback=10, horizon=10 * MINUTE)


def _with_error(rng: np.random.Generator, scored: Scored, deviation: float) -> Scored:
    """The scores with an error that wanders as they do."""
    noise = lfilter([np.sqrt(1 - 0.9**2)], [1, -0.9], rng.normal(size=len(scored)))
    logit = np.log(scored.probability / (1 - scored.probability)) + deviation * noise
    return scored.with_scores(1 / (1 + np.exp(-logit)), scored.alarm)


def error_for(metric: str, margin: float, own: float) -> float:
    """The own error at which a model's figure lies the margin below that of one with `own`."""
    scored, *_ = long_run(np.random.default_rng(1), 460_000, 2_000, lift=3.0)
    errors = own + np.arange(0.0, 3.0, 0.1)
    figures = [
        row_metrics(_with_error(np.random.default_rng(2), scored, error))[metric]
        for error in errors
    ]
    return float(np.interp(margin - figures[0], -np.array(figures), errors))


def ranking_share(metric: str, events: int, errors: tuple[float, float], repeats: int) -> float:
    """The share of draws in which the gate's question about a ranking holds."""
    gate = PromoteStage(metric=metric, margin=0.1, false_alarms=None)
    pair, held = Ranking(events, errors), 0
    for rng in np.random.default_rng(events).spawn(repeats):
        checks_found = gate_checks(gate, pair.compared(rng), (0, 0), SKILL)
        held += checks_found[1].passed
    return held / repeats


def main() -> None:
    """Print how often the gate holds."""
    print(f"event recall, margin 0.1, champion 0.7; {REPEATS} draws each")
    print(f"{'events':>6}  {'':20}{'0.1 worse':>10}{'equal':>8}{'0.1 better':>12}")
    false = []
    for events in EVENTS:
        for name, alike in ALIKE.items():
            pairs = [Pair(events, alike=alike, worse=worse) for worse in (0.1, 0.0, -0.1)]
            told = [shares(pair, PromoteStage()) for pair in pairs]
            worse, equal, better = (one["event recall"] for one in told)
            print(f"{events:6}  {name:20}{worse:10.1%}{equal:8.0%}{better:12.0%}", flush=True)
        false.append(f"{told[1]['false alarms']:.0%} with {events} events")
    print(f"of equal ones, false alarms hold in {', '.join(false)}")
    for metric, title in (("pr_auc", "PR-AUC"), ("roc_auc", "ROC-AUC")):
        repeats = REPEATS // 2
        print(f"{title}, margin 0.1; {repeats} draws each")
        worse = error_for(metric, 0.1, 0.8)
        for events in EVENTS:
            told = [ranking_share(metric, events, (0.8, own), repeats) for own in (worse, 0.8)]
            print(f"{events:6}  {'':20}{told[0]:10.1%}{told[1]:8.0%}", flush=True)


if __name__ == "__main__":
    main()
