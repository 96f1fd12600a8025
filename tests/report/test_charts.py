"""Charts draw the figures they are given, in the same dress everywhere."""

import re

from rareevent.report.charts import (
    interval_bar,
    lead_chart,
    pr_chart,
    reliability_chart,
    tradeoff_chart,
    training_chart,
)
from rareevent.report.reading import read, rivals
from rareevent.report.words import Times

DATED = Times("datetime")
CURVE = [
    {"threshold": 0.1, "false_alarms": 8, "false_alarms_per_day": 4.0, "event_recall": 1.0},
    {"threshold": 0.9, "false_alarms": 0, "false_alarms_per_day": 0.0, "event_recall": 0.0},
    {"threshold": 0.5, "false_alarms": 2, "false_alarms_per_day": 1.0, "event_recall": 0.5},
]


def curve_of(svg, style):
    drawn = re.search(rf'<path d="M([^"]*)" class="curve {style}"', svg)[1]
    return [tuple(map(float, point.split())) for point in drawn.split("L")]


def test_tradeoff_is_a_staircase_in_the_order_of_false_alarms():
    points = curve_of(tradeoff_chart(read({"curve": CURVE}), [], None, DATED), "model")
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert len(points) == 5  # 3 thresholds, a tread before each rise
    assert points[0][1] == points[1][1] > points[2][1] == points[3][1] > points[4][1]


def test_chosen_point_lies_on_the_curve_that_passes_through_it():
    svg = tradeoff_chart(read({"curve": CURVE}), [], (1.0, 0.5), DATED)
    x, y = re.search(r'cx="([\d.]+)" cy="([\d.]+)" r="5" class="dot model chosen"', svg).groups()
    assert (float(x), float(y)) in curve_of(svg, "model")
    assert "chosen point: 50\u00a0% of events caught at 1 false alarms per day" in svg


def test_baseline_keeps_its_dress_from_chart_to_chart():
    pr = [{"recall": 0.1, "precision": 0.5}, {"recall": 1.0, "precision": 0.1}]
    full = {"curve": CURVE, "pr_curve": pr, "metrics": {}}
    others = rivals({"random": {"metrics": {}}, "logistic": full, "boosting": full})
    assert [(o.name, o.style) for o in others] == [
        ("Alarms at random", "chance"),
        ("Logistic regression", "other-1"),
        ("Gradient boosting", "other-2"),
    ]
    fitted = [o for o in others if o.style != "chance"]
    for svg in (tradeoff_chart(read(full), others, None, DATED), pr_chart(read(full), fitted, 0.1)):
        assert "curve other-1" in svg
        assert "curve other-2" in svg
        assert "curve other-3" not in svg


def test_precision_axis_ignores_the_spike_of_the_first_rows():
    pr = [{"recall": 0.001, "precision": 1.0}, {"recall": 0.5, "precision": 0.08}]
    svg = pr_chart(read({"pr_curve": pr}), [], 0.01)
    assert "10\u00a0%</text>" in svg
    assert "prevalence 1\u00a0%" in svg
    assert min(y for _, y in curve_of(svg, "model")) >= 30  # clipped to the panel


def test_bars_of_lead_times_count_every_caught_event():
    svg = lead_chart([2.0, 2.0, 4.0, 10.0, 3.9], DATED)
    counts = [int(n) for n in re.findall(r"<title>(\d+)\u00a0events? caught", svg)]
    assert sum(counts) == 5
    assert "2\u00a0events caught 2 to 3 min ahead" in svg


def test_lead_time_of_zero_and_none_at_all():
    assert "1\u00a0event caught 0 to" in lead_chart([0.0], DATED)
    assert lead_chart([], DATED) is None


def test_reliability_leaves_out_bins_without_rows():
    bins = [
        {"mean_probability": 0.1, "observed": 0.2, "rows": 50},
        {"mean_probability": None, "observed": None, "rows": 0},
    ]
    svg = reliability_chart(bins)
    assert svg.count("<circle") == 1
    assert "forecast 10\u00a0%, observed 20\u00a0% in 50\u00a0rows" in svg
    assert reliability_chart(bins[1:]) is None


def test_members_of_different_length_are_all_drawn():
    history = [[{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.4}], [{"epoch": 1, "loss": 0.6}]]
    svg = training_chart(history, "loss", "loss")
    assert svg.count("<circle") == 3
    assert "member 2, epoch 1: 0.6" in svg
    assert training_chart(history, "validation_pr_auc", "PR-AUC") is None


def test_interval_stays_inside_its_cell():
    svg = interval_bar(0.98, (0.8, 1.3), 1.0, "model")
    assert max(float(x) for x in re.findall(r'x2="([\d.]+)"', svg)) <= 120
    assert interval_bar(None, None, 1.0, "model") is None
