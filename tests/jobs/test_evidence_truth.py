"""Evidence against the truth: do the sensors that are named announce the event?"""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from rareevent.bundle import load_bundle
from rareevent.jobs.demo import demo_pipeline
from rareevent.jobs.gates import read_rows
from rareevent.jobs.train import train
from rareevent.scoring.engine import score_frame
from rareevent.scoring.evidence import find_evidence
from rareevent.simulate import simulate
from rareevent.tracking.resolve import resolve_model
from rareevent.windowing.temporalize import temporalize

pytestmark = pytest.mark.slow
# A fleet that nothing was chosen on; the demo's 45 days to learn from, and 15 unseen ones.
SEED, DAYS, UNSEEN_DAYS = 1302, 60, 15


def first_catches(bundle, scores, frame, truth):
    """(row of the alarm, sensors that announce the event) of every caught event."""
    for event in truth:
        time = np.datetime64(event["time"], "us").astype(np.int64)
        ahead = (scores.time >= time - bundle.horizon) & (scores.time < time)
        mine = scores.alarm & ahead & (scores.asset == frame.assets.index(event["asset"]))
        if mine.any():
            yield int(scores.row[mine][0]), set(event["sensors"])


def test_most_caught_events_have_both_causes_among_their_first_three_sensors(workplace):
    fleet = Path("fleet")
    simulate(fleet, seed=SEED, days=DAYS, hold_back_days=UNSEEN_DAYS)
    trained = train(demo_pipeline(fleet))
    bundle = load_bundle(resolve_model(trained.model_uri).folder)
    frame = read_rows(bundle, "fleet/unseen/*.parquet", "fleet/unseen/events.csv")
    windows, _ = temporalize(bundle.encoder.encode(frame), frame.segments, 24)
    scores = score_frame(bundle, frame)
    truth = pq.read_table(fleet / "truth.parquet").to_pylist()

    by_credit, by_occlusion = [], []
    for row, causes in first_catches(bundle, scores, frame, truth):
        found = find_evidence(bundle, windows.take(windows.ends == row))
        rise = found.logit - found.quiet_logit
        assert found.credit.sum() == pytest.approx(rise, rel=0.01, abs=2e-3)
        for hits, order in ((by_credit, found.order), (by_occlusion, np.argsort(found.without))):
            first = {found.owners[number] for number in order[:3]}
            hits.append(len(first & causes) >= 2)

    shares = np.mean(by_credit), np.mean(by_occlusion)
    print(f"{len(by_credit)} caught: {shares[0]:.1%} by credit, {shares[1]:.1%} by occlusion")
    # Measured 88.6 % and 100 % of 70; a machine's own rounding moves a few of them.
    assert len(by_credit) >= 50
    assert shares[0] >= 0.8
    assert shares[1] >= 0.9
