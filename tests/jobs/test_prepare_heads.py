"""Auxiliary heads are left out where their purge would take the validation folds away."""

import pandas as pd
import pytest

from rareevent.config import dump_pipeline, validate_pipeline
from rareevent.jobs.choose import choosing_events
from rareevent.jobs.prepare import prepare


def daily(folder, days, **label):
    """One asset, a reading a day, an event every tenth day."""
    table = pd.DataFrame({"time": pd.date_range("2024-01-01", periods=days, freq="1D")})
    table["s"] = [(7 * i) % 11 for i in range(days)]
    table["y"] = [int(i % 10 == 9) for i in range(days)]
    table.to_csv(folder / "daily.csv", index=False)
    ingest = {"source": str(folder / "daily.csv"), "time": "time", "label": "y"}
    return validate_pipeline({"ingest": ingest, "label": {"horizon": 4, **label}})


@pytest.mark.parametrize(
    # A validation fold is a tenth of the days; a quarter of it holds 2.5 or 5 horizons of 4 days.
    ("days", "kept"),
    [(300, ()), (410, (2.5,)), (810, (2.5, 5.0))],
)
def test_heads_are_kept_as_far_as_the_history_is_long(tmp_path, days, kept):
    prepared = prepare(daily(tmp_path, days))

    assert prepared.config.label.auxiliary == kept
    assert prepared.targets.shape == (days, 1 + len(kept))
    assert ("label.auxiliary" in prepared.reasons) == (len(kept) < 2)


def test_a_short_history_keeps_events_to_choose_the_threshold_by(tmp_path):
    prepared = prepare(daily(tmp_path, 120))

    assert choosing_events(prepared).sum() >= 1
    assert "2.5, 5 left out" in prepared.reasons["label.auxiliary"]
    assert "# label.auxiliary: 2.5, 5 left out" in dump_pipeline(prepared.config, prepared.reasons)
