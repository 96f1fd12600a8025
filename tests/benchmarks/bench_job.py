"""The whole job, Parquet in to Parquet out, beside the same job written the usual way.

20 sensors, minute by minute, four assets; levels and volatility, lookback 10, one member without
blend on both sides, the same weights. Both come to the same probabilities, or the benchmark fails.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np

from rareevent.bundle import Bundle
from tests.benchmarks.lines import Line, Size, at_least, best_rounds, compared
from tests.benchmarks.plant import make_bundle, write_rows

ROWS = {Size.TINY: 800, Size.USUAL: 100_000, Size.FULL: 400_000}
ROUNDS = {Size.TINY: 1, Size.USUAL: 2, Size.FULL: 3}
BATCHES = (32, 1024, 8192)
OURS, SHIPPED = "rareevent score, 1 member", "rareevent score, 3 members + blend"
_AGREE = 1e-4


def measure(size: Size) -> list[Line]:
    """Rows per second of each."""
    os.environ["TF_NUM_INTRAOP_THREADS"] = str(os.cpu_count())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(folder / "in.parquet", ROWS[size])
        best = best_rounds(_contenders(folder), ROUNDS[size])
        _check_agreement(folder)
    by_hand = {batch: best[_usual(batch)].wall for batch in BATCHES}
    ours = best[OURS].wall
    lines = [
        at_least("against the usual way, Keras' default batch, 32", by_hand[32] / ours, 10),
        at_least("against the usual way, its best batch", min(by_hand.values()) / ours, 10),
    ]
    return lines + compared(best, OURS, ROWS[size], "rows")


def _usual(batch: int) -> str:
    return f"the usual way, batch {batch}"


def _contenders(folder: Path) -> dict:
    from rareevent.lstm.build import build_stacked_lstm, network_from_keras
    from rareevent.scoring.job import score_files
    from tests.benchmarks.usual_job import score_by_hand
    from tests.lstm.networks import disturbed

    bundle = make_bundle()
    stage, lookback = bundle.config.model, bundle.config.window.lookback
    channels = len(bundle.encoder.channels)
    model = disturbed(build_stacked_lstm(lookback, channels, stage, 3, seed=0))
    bundle = replace(bundle, networks=(network_from_keras(model),))
    shipped, source, turn = make_bundle(members=3, blended=True), folder / "in.parquet", count()

    def ours(with_bundle: Bundle, place: str) -> None:
        # A job into an output that is there already would find nothing to do.
        score_files(with_bundle, source, folder / f"{place}_{next(turn)}")

    found = {
        OURS: lambda: ours(bundle, "ours"),
        SHIPPED: lambda: ours(shipped, "shipped"),
    }
    for batch in BATCHES:
        found[_usual(batch)] = lambda batch=batch: score_by_hand(
            bundle, model, source, folder / "usual.parquet", batch
        )
    return found


def _check_agreement(folder: Path) -> None:
    import pandas as pd

    key = ["asset", "time"]
    ours = pd.read_parquet(next(folder.glob("ours_*")) / "scores").sort_values(key)
    usual = pd.read_parquet(folder / "usual.parquet").sort_values(key)
    apart = np.abs(ours["probability"].to_numpy() - usual["probability"].to_numpy()).max()
    same = (ours["alarm"].to_numpy() == usual["alarm"].to_numpy()).mean()
    if not (apart < _AGREE and same > 0.999):
        raise AssertionError(f"the two jobs differ by {apart:.1e}; {same:.2%} of alarms agree")
