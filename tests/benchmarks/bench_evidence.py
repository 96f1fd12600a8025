"""What `score --evidence` costs beside `score`, and one score's evidence.

20 sensors, minute by minute, the shipped default of three members and the blend. The threshold is
set so that about one row in a thousand raises an alarm: 1.4 a day and machine, which is many. The
scores are the same in both, or the benchmark fails.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np

from rareevent.bundle import Bundle
from tests.benchmarks.lines import Line, Size, at_most, best_rounds
from tests.benchmarks.plant import make_bundle, write_rows

ROWS = {Size.TINY: 2_000, Size.USUAL: 100_000, Size.FULL: 400_000}
ROUNDS = {Size.TINY: 1, Size.USUAL: 3, Size.FULL: 3}
PLAIN, TOLD, ONE = "score", "score --evidence", "explain"
_ALARM_EVERY = 1_000


def measure(size: Size) -> list[Line]:
    """The ratio, and what an alarm costs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(folder / "in.parquet", ROWS[size])
        bundle = _rarely_alarming(make_bundle(members=3, blended=True), folder / "in.parquet")
        best = best_rounds(_contenders(bundle, folder), ROUNDS[size])
        alarms = _alarms(folder)
    added = best[TOLD].cpu - best[PLAIN].cpu
    rate = f"{alarms:,} alarms in {ROWS[size]:,} rows"
    return [
        at_most(f"{TOLD} against {PLAIN}, {rate}", best[TOLD].wall / best[PLAIN].wall, 1.5, " ×"),
        at_most("the same by CPU time", best[TOLD].cpu / best[PLAIN].cpu, 1.5, " ×"),
        Line(PLAIN, f"{best[PLAIN].wall:.2f} s, {best[PLAIN].cpu:.2f} s CPU"),
        Line(TOLD, f"{best[TOLD].wall:.2f} s, {best[TOLD].cpu:.2f} s CPU"),
        Line("evidence for an alarm, in a job", f"{1e3 * added / alarms:.1f} ms CPU"),
        Line("all that explain asks of one window", f"{1e3 * best[ONE].wall:.1f} ms"),
    ]


def _rarely_alarming(bundle: Bundle, source: Path) -> Bundle:
    """The bundle with a threshold that about one row in a thousand reaches after silence."""
    import pandas as pd

    from rareevent.scoring.pyfunc import score_table

    scores = score_table(bundle, pd.read_parquet(source))["probability"].to_numpy()
    policy = replace(bundle.policy, threshold=float(np.quantile(scores, 1 - 1 / _ALARM_EVERY)))
    return replace(bundle, policy=replace(policy, silence=0))


def _contenders(bundle: Bundle, folder: Path) -> dict:
    from rareevent.jobs.gates import find_window
    from rareevent.scoring.evidence import find_evidence
    from rareevent.scoring.job import ScoreOptions, score_files
    from rareevent.scoring.whole import read_whole

    turn, source = count(), folder / "in.parquet"
    write_rows(folder / "few.parquet", 400)
    frame, _ = read_whole(bundle, str(folder / "few.parquet"), None)
    window = find_window(bundle, frame, len(frame) - 1, "few.parquet")

    def job(name: str, evidence: bool) -> None:
        # A job into an output that is there already would find nothing to do.
        options = ScoreOptions(evidence=evidence)
        score_files(bundle, source, folder / f"{name}_{next(turn)}", options=options)

    return {
        PLAIN: lambda: job("plain", False),
        TOLD: lambda: job("told", True),
        ONE: lambda: find_evidence(bundle, window),
    }


def _alarms(folder: Path) -> int:
    """How many alarms there are; the two jobs must agree on scores and alarms."""
    import pandas as pd

    key = ["asset", "time"]
    plain, told = (
        pd.read_parquet(next(folder.glob(f"{name}_*")) / "scores").sort_values(key)
        for name in ("plain", "told")
    )
    if not plain["probability"].equals(told["probability"]):
        raise AssertionError("evidence changed the scores")
    alarms = pd.read_parquet(next(folder.glob("told_*")) / "alarms")
    if len(alarms) != plain["alarm"].sum() or alarms["sensor_1"].isna().all():
        raise AssertionError("alarms lack their evidence")
    return len(alarms)
