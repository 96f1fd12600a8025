"""What a blend is worth, and choosing on forward scores: development data only.

`python -m tests.benchmarks.quality.blend` learns every member once per test period, keeps the
scores of its members, and weighs, calibrates and judges each kind of blend from the same scores.
The second table sets two validation folds and a refit against one validation tail without one.

The rows: the first half of the sheet-break rows, simulated fleets that nothing is reported on,
the turbofans that are no test units of `pipelines/turbofan.yaml`, and the machine temperature.
"""

from __future__ import annotations

import argparse
import gzip
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rareevent.blend.blend import mix
from rareevent.config import PipelineConfig, load_pipeline
from rareevent.evaluation.blend_weights import fit_weights
from rareevent.evaluation.catches import judge
from rareevent.evaluation.metrics import alarm_metrics, row_metrics
from rareevent.jobs.choose import as_scored, choose, events_of, with_alarms
from rareevent.jobs.contenders import LSTM
from rareevent.jobs.fold import FoldPlan, split_fold
from rareevent.jobs.learn import forward_scores, learn
from rareevent.jobs.prepare import Prepared, fill_auto, prepare
from rareevent.jobs.progress import Quiet
from rareevent.simulate import simulate
from rareevent.windowing.split import EventPart
from tests.benchmarks.quality.sets import REPOSITORY, data_file

OUTPUT = REPOSITORY / "data" / "benchmark-blend"
NAMES = (LSTM, "logistic", "boosting")
# Three test periods inside the first half, so that the last trains on nine tenths of it.
HALF = FoldPlan(3, 0.4, "expanding")
# The demo's fleet (1), the README's other one (101) and those of the report are left alone.
SEEDS = (2, 3)
SPLIT_SEEDS = (0, 1)
# Fewer events than these are counted, and rank nothing.
FEWEST_RANKED = 6


@dataclass(frozen=True)
class Period:
    """One test period: its name, the set it belongs to, and how its rows are parted."""

    name: str
    group: str
    config: PipelineConfig
    plan: FoldPlan | None = None
    fold: int = 1

    def prepared(self, *, tail: bool) -> Prepared:
        """The rows, parted; with one validation tail and no refit where asked for."""
        config = self.config
        if tail:
            split = config.split.model_copy(update={"folds": 1})
            train = config.train.model_copy(update={"refit": False})
            config = config.model_copy(update={"split": split, "train": train})
        rows = prepare(config)
        return fill_auto(rows if self.plan is None else split_fold(rows, self.plan, self.fold))


@dataclass(frozen=True)
class Scores:
    """What the members said: rows, and log-odds by member; chosen by, and judged on."""

    row: np.ndarray
    forward: Mapping[str, np.ndarray]
    test_row: np.ndarray
    test: Mapping[str, np.ndarray]


def periods(folder: Path) -> Iterator[Period]:
    """Every test period, set by set."""
    half = _first_half(folder)
    for rows, minutes in ((2, 4), (5, 10), (10, 20)):
        config = _pipeline("sheet_break", half, f"label.horizon={minutes}min")
        for fold in range(1, HALF.folds + 1):
            name = f"sheet_{minutes}min_{fold}"
            yield Period(name, f"sheet break, first half, {rows} rows", config, HALF, fold)
    for difficulty in ("easy", "medium", "hard"):
        for seed in SEEDS:
            name = f"sim_{difficulty}_{seed}"
            fleet = folder / name
            if not (fleet / "events.csv").exists():
                simulate(fleet, seed=seed, days=45, difficulty=difficulty)
            log = f"ingest.events.source={fleet / 'events.csv'}"
            config = _pipeline("demo", fleet / "sensors.parquet", log)
            yield Period(name, f"simulator, {difficulty}", config)
    fans = _units_not_tested(folder)
    for seed in SPLIT_SEEDS:
        config = _pipeline("turbofan", fans, f"split.seed={seed}")
        yield Period(f"fans_{seed}", "turbofans, no test units", config)
    log = f"ingest.events.source={data_file('machine_temperature_events.csv')}"
    config = _pipeline("machine_temperature", data_file("machine_temperature.csv.gz"), log)
    yield Period("temp_1", "machine temperature", config)


def _pipeline(name: str, source: Path, *overrides: str) -> PipelineConfig:
    given = (f"ingest.source={source}", "evaluate.bootstrap=0", *overrides)
    return load_pipeline(REPOSITORY / "pipelines" / f"{name}.yaml", given)


def _first_half(folder: Path) -> Path:
    copy = folder / "sheet_break_first_half.csv"
    with gzip.open(data_file("sheet_break.csv.gz"), "rt") as rows:
        lines = rows.readlines()
    copy.write_text("".join(lines[: 1 + (len(lines) - 1) // 2]))
    return copy


def _units_not_tested(folder: Path) -> Path:
    """The turbofans that the pipeline's own split does not test on."""
    source, copy = data_file("cmapss_train_FD001.txt.gz"), folder / "turbofans.txt"
    whole = prepare(_pipeline("turbofan", source))
    kept = np.unique(whole.frame.asset[whole.split.part < whole.split.test])
    names = {whole.frame.assets[asset] for asset in kept}
    with gzip.open(source, "rt") as rows:
        copy.write_text("".join(line for line in rows if line.split()[0] in names))
    return copy


def measure(period: Period, folder: Path, *, tail: bool) -> tuple[Prepared, Scores]:
    """Learn, or take what an earlier call kept."""
    prepared = period.prepared(tail=tail)
    kept = folder / f"{period.name}{'_tail' * tail}.npz"
    if not kept.exists():
        np.savez(kept, **_learned(prepared))
    with np.load(kept, allow_pickle=False) as stored:
        forward = {name: stored[f"oof_{name}"] for name in NAMES}
        test = {name: stored[f"test_{name}"] for name in NAMES}
        return prepared, Scores(stored["row"], forward, stored["test_row"], test)


def _learned(prepared: Prepared) -> dict[str, np.ndarray]:
    model = prepared.config.model.model_copy(update={"blend": "equal"})
    config = prepared.config.model_copy(update={"model": model})
    learned = learn(Prepared(**{**vars(prepared), "config": config}), Quiet())
    row, forward = forward_scores(prepared, learned.folds)
    part = learned.final.part
    windows = part.windows.take(part.judged_on[part.windows.ends])
    said = learned.logits(windows)
    return {
        "row": row,
        "test_row": windows.ends,
        **{f"oof_{name}": forward[name] for name in NAMES},
        **{f"test_{name}": said[name] for name in NAMES},
    }


def weights_of(kind: str, prepared: Prepared, scores: Scores) -> dict[str, float]:
    """Weights of a kind of blend: a member's name, "equal", "auto", or "no lstm"."""
    if kind in NAMES:
        return {kind: 1.0}
    if kind == "equal":
        return dict.fromkeys(NAMES, 1 / len(NAMES))
    members = NAMES if kind == "auto" else NAMES[1:]
    target = prepared.labels.target[scores.row]
    events = len(np.unique(prepared.labels.event[scores.row[target == 1]]))
    return fit_weights({name: scores.forward[name] for name in members}, target, events)


def figures(kind: str, prepared: Prepared, scores: Scores) -> dict[str, float]:
    """What a kind of blend does on the test rows, at the alarm policy it was given before."""
    weights = weights_of(kind, prepared, scores)
    chosen = choose(prepared, scores.row, mix(weights, scores.forward))
    probability = chosen.calibration.apply(mix(weights, scores.test))
    rows = with_alarms(as_scored(prepared, scores.test_row, probability), chosen.policy)
    test = prepared.split.rows_of(prepared.split.test)
    counted, _ = events_of(prepared, EventPart.TEST, test)
    judged = judge(rows, counted)
    found = alarm_metrics(rows, judged, counted, prepared.frame.clock, chosen.policy.threshold)
    return {**row_metrics(rows), **found, "weight": weights.get(LSTM, 0.0)}


def blend_table(measured: Mapping[str, Sequence[tuple[Prepared, Scores]]]) -> str:
    """Every kind of blend on every set."""
    lines = [
        "| data | model | ROC-AUC | PR-AUC | events caught | false alarms | weight of the LSTM |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for group, pairs in measured.items():
        for kind in (*NAMES, "no lstm", "equal", "auto"):
            lines.append(f"| {group} | {kind} | {_cells([figures(kind, *p) for p in pairs])} |")
    return "\n".join(lines)


def tail_table(
    forward: Mapping[str, Sequence[tuple[Prepared, Scores]]],
    tail: Mapping[str, Sequence[tuple[Prepared, Scores]]],
) -> str:
    """Forward scores and a refit against a single validation tail, for the LSTM and the blend."""
    lines = [
        "| data | model | chosen on | PR-AUC | event recall | false alarms per event | asked |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for group in tail:
        for kind in (LSTM, "auto"):
            for words, pairs in (("forward, refit", forward[group]), ("one tail", tail[group])):
                found = [figures(kind, *pair) for pair in pairs]
                events, caught = _sum(found, "events"), _sum(found, "caught")
                rate = f"{_sum(found, 'false_alarms') / max(events, 1):.2f}"
                asked = pairs[0][0].config.alarm.false_alarms_per_event
                recall = f"{caught / max(events, 1):.2f}"
                cells = (
                    _mean(found, "pr_auc"),
                    recall,
                    rate,
                    "–" if asked is None else f"{asked:g}",
                )
                lines.append(f"| {group} | {kind} | {words} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cells(found: Sequence[Mapping[str, float]]) -> str:
    caught = f"{_sum(found, 'caught'):.0f} of {_sum(found, 'events'):.0f}"
    weights = ", ".join(f"{f['weight']:.2f}" for f in found)
    areas = (_mean(found, "roc_auc"), _mean(found, "pr_auc"))
    if _sum(found, "events") < FEWEST_RANKED:
        areas = ("–", "–")
    return " | ".join((*areas, caught, f"{_sum(found, 'false_alarms'):.0f}", weights))


def _mean(found: Sequence[Mapping[str, float]], name: str) -> str:
    known = [f[name] for f in found if f[name] is not None]
    return f"{np.mean(known):.3f}" if known else "–"


def _sum(found: Sequence[Mapping[str, float]], name: str) -> float:
    return float(sum(f[name] for f in found))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print both tables; what was learned before is not learned again."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.quality.blend")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="keeps what was measured")
    parser.add_argument("--kept", action="store_true", help="leave out what has to be learned")
    options = parser.parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    found = {False: {}, True: {}}
    for tail in found:
        for period in periods(options.output):
            file = options.output / f"{period.name}{'_tail' * tail}.npz"
            if options.kept and not file.exists():
                continue
            pair = measure(period, options.output, tail=tail)
            found[tail].setdefault(period.group, {})[period.name] = pair
    print(blend_table({group: list(pairs.values()) for group, pairs in found[False].items()}))
    both = {g: [n for n in found[True][g] if n in found[False].get(g, {})] for g in found[True]}
    compared = [{g: [found[t][g][n] for n in both[g]] for g in both if both[g]} for t in found]
    print(f"\n{tail_table(*compared)}")


if __name__ == "__main__":
    main()
