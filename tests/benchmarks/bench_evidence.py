"""What `score --evidence` costs beside `score`, and what one alarm's evidence does.

20 sensors, minute by minute, the shipped default of three members and the blend. One row in a
thousand raises an alarm, 1.4 a day and machine, which is many; and one in a hundred, so that what
an alarm costs can be told. The scores are the same in all jobs, or the benchmark fails.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np

from rareevent.bundle import Bundle
from tests.benchmarks.lines import Line, Size, Took, at_most, best_rounds
from tests.benchmarks.plant import make_bundle, write_rows

ROWS = {Size.TINY: 2_000, Size.USUAL: 100_000, Size.FULL: 400_000}
ROUNDS = {Size.TINY: 1, Size.USUAL: 4, Size.FULL: 4}
RARE, OFTEN, PLAIN, ONE = "one row in 1,000", "one row in 100", "score", "explain"
_ALARM_EVERY = {RARE: 1_000, OFTEN: 100}


def measure(size: Size) -> list[Line]:
    """Ratios, and what an alarm costs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(folder / "in.parquet", ROWS[size])
        bundle = make_bundle(members=3, blended=True)
        best = best_rounds(_contenders(bundle, folder), ROUNDS[size])
        _check_agreement(folder)
    plain, added = best[PLAIN], best[OFTEN].cpu - best[PLAIN].cpu
    each = 1e3 * added / (ROWS[size] / _ALARM_EVERY[OFTEN])
    return [
        at_most(
            f"alarms on {RARE}, against {PLAIN}, by CPU", best[RARE].cpu / plain.cpu, 1.2, " ×"
        ),
        *(_line(f"{PLAIN} --evidence, {rate}", best[rate], plain) for rate in _ALARM_EVERY),
        Line(PLAIN, f"{plain.wall:.2f} s, {plain.cpu:.2f} s CPU"),
        Line("evidence for an alarm, in a job", f"{each:.1f} ms CPU"),
        Line("all that explain asks of one window", f"{1e3 * best[ONE].wall:.1f} ms"),
    ]


def _line(what: str, took: Took, plain: Took) -> Line:
    wall, cpu = took.wall / plain.wall, took.cpu / plain.cpu
    seconds = f"{took.wall:.2f} s, {took.cpu:.2f} s CPU"
    return Line(what, f"{seconds}; {wall:.2f} × as long, by CPU {cpu:.2f} ×")


def _contenders(bundle: Bundle, folder: Path) -> dict:
    import pandas as pd

    from rareevent.jobs.gates import find_window
    from rareevent.scoring.evidence import find_evidence
    from rareevent.scoring.job import ScoreOptions, score_files
    from rareevent.scoring.pyfunc import score_table
    from rareevent.scoring.whole import read_whole

    turn, source = count(), folder / "in.parquet"
    scores = score_table(bundle, pd.read_parquet(source))["probability"].to_numpy()
    write_rows(folder / "few.parquet", 400)
    frame, _ = read_whole(bundle, str(folder / "few.parquet"), None)
    window = find_window(bundle, frame, len(frame) - 1, "few.parquet")

    def job(name: str, evidence: bool, every: int) -> None:
        threshold = float(np.quantile(scores, 1 - 1 / every))
        policy = replace(bundle.policy, threshold=threshold, silence=0)
        # A job into an output that is there already would find nothing to do.
        output, options = folder / f"{name}_{next(turn)}", ScoreOptions(evidence=evidence)
        score_files(replace(bundle, policy=policy), source, output, options=options)

    return {
        PLAIN: lambda: job("plain", False, _ALARM_EVERY[RARE]),
        RARE: lambda: job("rare", True, _ALARM_EVERY[RARE]),
        OFTEN: lambda: job("often", True, _ALARM_EVERY[OFTEN]),
        ONE: lambda: find_evidence(bundle, window),
    }


def _check_agreement(folder: Path) -> None:
    """Evidence changes no score, and no alarm lacks it."""
    import pandas as pd

    key = ["asset", "time"]
    found = {
        name: pd.read_parquet(next(folder.glob(f"{name}_*")) / "scores").sort_values(key)
        for name in ("plain", "rare", "often")
    }
    for name in ("rare", "often"):
        if not found[name]["probability"].equals(found["plain"]["probability"]):
            raise AssertionError("evidence changed the scores")
        alarms = pd.read_parquet(next(folder.glob(f"{name}_*")) / "alarms")
        if len(alarms) != found[name]["alarm"].sum() or alarms["sensor_1"].isna().any():
            raise AssertionError("alarms lack their evidence")
