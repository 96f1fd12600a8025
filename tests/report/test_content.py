"""What a report is made from: it survives storage, and scores are thinned without losing peaks."""

import json

import numpy as np
import pytest

from rareevent.errors import DataError
from rareevent.report.content import RunReport, score_series
from rareevent.report.page import render


def test_stored_report_draws_the_same_page(sample):
    report = sample(events=6, rows=600)
    stored = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert render(RunReport.from_json(stored)) == render(report)


def test_stored_report_of_another_version_is_refused_by_key():
    with pytest.raises(DataError, match="colour, model"):
        RunReport.from_json(
            {"name": "a", "run_id": "b", "created": "c", "verdict": "", "colour": 1}
        )


def test_thinned_scores_keep_every_stretch_highest_score():
    time = np.arange(10)
    score = np.array([0.1, 0.9, 0.2, 0.3, 0.3, 0.8, 0.0, 0.7, 0.6, 0.5])
    (only,) = score_series(["a"], np.zeros(10, np.int32), time, score, interval=1, points=5)
    assert only["time"] == [1, 3, 5, 7, 8]
    assert only["probability"] == [0.9, 0.3, 0.8, 0.7, 0.6]


def test_gap_lifts_the_pen_where_it_ends():
    time = np.array([0, 1, 5, 6])
    (only,) = score_series(["a"], np.zeros(4, np.int32), time, np.full(4, 0.5), interval=1)
    assert only["time"] == [0, 1, 5, 5, 6]
    assert only["probability"] == [0.5, 0.5, None, 0.5, 0.5]


def test_only_shown_assets_with_rows_have_a_series():
    asset = np.array([0, 0, 2], np.int32)
    found = score_series(
        ["a", "b", "c"], asset, np.array([0, 1, 0]), np.ones(3), interval=1, shown=["b", "c"]
    )
    assert [one["asset"] for one in found] == ["c"]
