"""Drift without labels: found where it was injected, and not where there is none."""

from dataclasses import replace

import numpy as np
import pytest

from rareevent.config import MonitorStage
from rareevent.errors import ModelError
from rareevent.ingestion.frame import Clock
from rareevent.scoring.drift import judge_columns
from rareevent.scoring.drift_counts import ColumnReference, Reference, count_rows
from rareevent.scoring.drift_report import age_days, judge
from rareevent.scoring.job import ScoreOptions, score_files
from rareevent.scoring.monitor import read_counts
from rareevent.scoring.store import open_store
from tests.bundles import tiny_bundle
from tests.frames import make_frame
from tests.scoring.drifting import (
    DAY,
    HOUR,
    judged_day,
    minutes,
    monitored_bundle,
    reference_of,
    simulated_frame,
)

NAN = np.nan


def column(name="s", **changes) -> ColumnReference:
    """Two bins, split at 10, 50 training readings in each, from 0 to 20."""
    highest = {"psi": 0.1, "missing": 0.0, "outside": 0.0}
    whole = ColumnReference(
        name, np.array([10.0]), None, frozenset(), np.array([50, 50]), 0.0, 0.0, 20.0, highest
    )
    return replace(whole, **changes)


def by_hand(*columns, windows=20, **changes) -> Reference:
    """A reference in hours, so that a window is a day."""
    clock = Clock("datetime", HOUR)
    whole = Reference(clock, DAY, 24, columns or (column(),), windows, 2400, 100, 1.0)
    return replace(whole, **changes)


def test_rows_are_counted_by_slot_bin_missing_and_outside():
    frame = make_frame(
        {"a": [0, 1, HOUR, HOUR + 1, HOUR + 2]},
        sensors={"s": [9.9, 10.0, NAN, 21.0, -1.0]},
        kind="datetime",
        interval=HOUR,
    )
    alarm = np.array([0, 1, 0, 0, 1], bool)

    counts = count_rows(by_hand(), frame, np.arange(5), alarm)

    # rows, alarms, below 10, from 10 on, missing, outside
    assert {slot: found.tolist() for slot, found in counts.items()} == {
        0: [2, 1, 1, 1, 0, 0],
        1: [3, 1, 1, 1, 1, 2],
    }


def test_levels_are_counted_by_name_and_a_new_one_is_outside():
    known = column(levels=("A", "B"), seen=frozenset("ABC"), expected=np.array([5, 5, 1]))
    frame = make_frame({"a": range(5)}, texts={"s": ["B", "A", "C", "Z", "B"]})
    frame.texts["s"].codes[4] = -1

    (counts,) = count_rows(by_hand(known), frame, np.arange(5), np.zeros(5, bool)).values()

    # A, B, the others, missing, never seen
    assert counts.tolist() == [5, 0, 1, 1, 2, 1, 1]


def test_only_the_rows_named_are_counted():
    frame = make_frame({"a": range(4)}, sensors={"s": [1.0, 11.0, 1.0, 11.0]})

    (counts,) = count_rows(by_hand(), frame, np.array([1, 3]), np.zeros(2, bool)).values()

    assert counts.tolist() == [2, 0, 0, 2, 0, 0]
    assert count_rows(by_hand(), frame, np.zeros(0, int), np.zeros(0, bool)) == {}


def judged(counts, reference=None, **stage):
    return judge_columns(reference or by_hand(), MonitorStage(**stage), np.array(counts))[0]


def test_limits_are_the_conventional_ones_where_training_held_still():
    drift = judged([24, 0, 12, 12, 0, 0])

    # 2.5 times the furthest of twenty training windows, .1, is .25.
    assert drift.psi_limit == pytest.approx(0.25)
    assert (drift.missing_limit, drift.outside_limit) == (0.05, 0.05)
    assert not drift.findings()


def test_limits_go_with_what_training_itself_did_and_are_wider_with_few_windows():
    far = column(highest={"psi": 0.2, "missing": 0.1, "outside": 0.1})

    many = judged([24, 0, 24, 0, 0, 0], by_hand(far, windows=40))
    few = judged([24, 0, 24, 0, 0, 0], by_hand(far, windows=5))

    assert (many.psi_limit, many.missing_limit, many.outside_limit) == pytest.approx(
        (0.4, 0.2, 0.2)
    )
    assert (few.psi_limit, few.missing_limit) == pytest.approx((1.1, 0.5))


def test_a_learned_limit_that_hardly_anything_would_pass_is_none_and_that_is_said():
    # All but a tenth of fifty and fifty in one bin: .45 ln 10 + .45 ln 1.9 = 1.33.
    # No limit is below that of the middle column: here half-way between the two.
    wild = column("wild", highest={"psi": 0.54, "missing": 0.0, "outside": 0.4})
    tame = column("tame", highest={"psi": 0.4, "missing": 0.0, "outside": 0.3})
    reference = by_hand(tame, wild, windows=20)
    counts = {0: np.array([24, 1, *[24, 0, 0, 0] * 2]), -23: np.zeros(10, np.int64)}

    report = judge(reference, MonitorStage(), counts, (0, 0), None)
    given = judge(reference, MonitorStage(psi=9.0), counts, (0, 0), None)

    limits = {c.column: (c.psi_limit, c.outside_limit) for c in report.columns}
    assert limits == {"tame": (pytest.approx(1.175), pytest.approx(0.875)), "wild": (None, None)}
    assert [f.column for f in report.findings] == ["tame"]
    assert report.words.endswith("; not judged: outside of wild, psi of wild")
    assert report.to_json()["unjudged"] == {"outside": ["wild"], "psi": ["wild"]}
    # What the pipeline says goes.
    assert given.unjudged == {"outside": ("wild",)}


def test_a_category_that_is_one_level_a_window_as_a_rule_is_judged_by_new_levels_alone():
    grade = column(
        "grade",
        levels=("A", "B"),
        expected=np.array([60, 40, 1]),
        highest={"psi": 2.0, "missing": 0.0, "outside": 0.0},
    )

    drift = judged([24, 0, 0, 24, 0, 0, 2], by_hand(grade, windows=20))

    assert (drift.psi_limit, drift.outside_limit) == (None, 0.05)
    assert [finding.kind for finding in drift.findings()] == ["outside"]


def test_with_too_few_training_windows_only_missing_readings_are_judged():
    drift = judged([24, 0, 0, 0, 24, 0], by_hand(windows=4))

    assert (drift.psi_limit, drift.outside_limit) == (None, None)
    assert [finding.kind for finding in drift.findings()] == ["missing"]


def test_the_pipelines_own_limits_hold():
    drift = judged([24, 0, 12, 10, 2, 2], psi=9.0, missing=0.01, outside=0.01)

    assert [finding.kind for finding in drift.findings()] == ["missing", "outside"]


def test_an_outage_that_other_columns_had_is_usual_and_half_of_a_window_never_is():
    other = column("t", highest={"psi": 0.1, "missing": 1.0, "outside": 0.0})
    reference = by_hand(column(), other)

    drift = judge_columns(reference, MonitorStage(), np.array([24, 0, 5, 5, 14, 0, 12, 12, 0, 0]))

    assert {d.column: d.missing_limit for d in drift} == {"s": 0.5, "t": 0.5}
    assert [str(f) for d in drift for f in d.findings()] == [
        "s: missing in 58% of the rows (limit 50%)"
    ]


@pytest.mark.parametrize(
    ("alarms", "drifted"), [(0, True), (6, True), (7, False), (24, False), (72, False), (73, True)]
)
def test_alarms_are_far_from_expected_only_beyond_three_times_and_chance(alarms, drifted):
    # 100.5 in 2,400 rows make 24.1 in 576, give or take 5.5: from 24.1 - 3 x 5.5 - 1 = 6.7 to
    # three times 24.1.
    reference = by_hand(rows=576)
    counts = {0: np.array([576, alarms, 288, 288, 0, 0]), -23: np.zeros(6, np.int64)}

    report = judge(reference, MonitorStage(), counts, (0, 0), None)

    assert report.drifted is drifted
    assert report.alarms_expected == pytest.approx(24.12)
    assert report.alarm_rate_ratio == pytest.approx(alarms / 24.12)
    assert report.alarm_rate == pytest.approx(alarms / 24)


def test_two_alarms_where_a_fifth_of_one_is_expected_are_nothing():
    reference = by_hand(alarms=20)
    counts = {0: np.array([24, 2, 12, 12, 0, 0]), -23: np.zeros(6, np.int64)}

    assert not judge(reference, MonitorStage(), counts, (0, 0), None).drifted


def test_a_window_that_is_not_full_yet_or_has_few_rows_is_not_judged():
    full = np.array([24, 0, 24, 0, 0, 0])

    early = judge(by_hand(), MonitorStage(), {0: full}, (0, 0), None)
    sparse = judge(by_hand(rows=49), MonitorStage(), {0: full, -23: 0 * full}, (0, 0), None)

    assert (early.verdict, early.why) == ("not_judged", "the rows do not yet fill a window of 1 d")
    assert sparse.why == "24 rows in a window that has 49 in training"


def test_the_newest_window_decides_and_earlier_ones_of_the_job_are_counted():
    still, far = np.array([24, 1, 12, 12, 0, 0]), np.array([24, 1, 24, 0, 0, 0])
    slots = {-47: 0 * still, -24: far, 0: still}

    report = judge(by_hand(), MonitorStage(), slots, (-24, 0), None)

    assert (report.verdict, report.windows, report.windows_drifted) == ("quiet", 2, 1)
    assert (report.first, report.last) == ("1969-12-31 01:00:00", "1970-01-01 01:00:00")


def test_a_model_older_than_allowed_is_told_even_where_nothing_else_is_judged():
    slots = {0: np.array([1, 0, 1, 0, 0, 0])}

    report = judge(by_hand(), MonitorStage(max_age="30d"), slots, (0, 0), 31.0)
    young = judge(by_hand(), MonitorStage(max_age="30d"), slots, (0, 0), 30.0)

    assert report.words == "drift: the model is 31 days old (limit 30)"
    assert young.verdict == "not_judged"


def test_the_age_of_a_model_is_counted_from_the_last_row_it_learned_from():
    bundle = tiny_bundle()
    bundle = replace(bundle, provenance={**bundle.provenance, "learned_until": 5 * DAY})
    of_age = replace(bundle, clock=Clock("age", 1))

    assert age_days(bundle, 15 * DAY) == 10
    assert age_days(bundle, 4 * DAY) == 0
    assert age_days(of_age, 15 * DAY) < 1


FLEET_DAYS, TRAINED_DAYS = 45, 40


@pytest.fixture(scope="module")
def fleet():
    """A simulated fleet of six, its reference, and the rows of a day after training."""
    frame = simulated_frame(5, 6, FLEET_DAYS)
    cut = frame.time.min() + TRAINED_DAYS * DAY
    reference = reference_of(frame, frame.time < cut)
    return frame, reference, np.flatnonzero((frame.time >= cut) & (frame.time < cut + DAY))


def injected(fleet, change) -> list[tuple[str, str | None]]:
    """What is found where one sensor's readings of that day are changed."""
    frame, reference, rows = fleet
    values = frame.sensors["couch_vacuum"].copy()
    values[rows] = change(values[rows])
    frame = replace(frame, sensors={**frame.sensors, "couch_vacuum": values})
    return [(f.kind, f.column) for f in judged_day(reference, frame, rows).findings]


def test_nothing_is_found_on_an_ordinary_day(fleet):
    assert injected(fleet, lambda values: values) == []


def test_a_shifted_sensor_is_found_and_named(fleet):
    deviation = np.nanstd(fleet[0].sensors["couch_vacuum"])

    assert injected(fleet, lambda v: v + 1.5 * deviation)[0] == ("psi", "couch_vacuum")


def test_a_sensor_whose_scale_changed_is_found_and_named(fleet):
    centre = np.nanmean(fleet[0].sensors["couch_vacuum"])

    assert ("psi", "couch_vacuum") in injected(fleet, lambda v: centre + 3 * (v - centre))
    assert injected(fleet, lambda v: centre + 0.1 * (v - centre)) == [("psi", "couch_vacuum")]


def test_a_sensor_that_goes_missing_is_found_and_named(fleet):
    half = np.arange(len(fleet[2])) % 2 == 0

    assert injected(fleet, lambda v: np.where(half, NAN, v)) == [("missing", "couch_vacuum")]
    assert injected(fleet, lambda v: np.full(len(v), NAN)) == [("missing", "couch_vacuum")]


def test_readings_beyond_the_training_range_are_found_and_named(fleet):
    high = np.nanmax(fleet[0].sensors["couch_vacuum"])
    some = np.arange(len(fleet[2])) % 8 == 0

    found = injected(fleet, lambda v: np.where(some, high + 1, v))

    assert ("outside", "couch_vacuum") in found


def test_a_new_level_of_a_category_is_found_and_named(fleet):
    frame, reference, rows = fleet
    grade = frame.texts["grade"]
    codes = grade.codes.copy()
    codes[rows[::3]] = len(grade.levels)
    changed = replace(grade, codes=codes, levels=(*grade.levels, "new"))

    report = judged_day(reference, replace(frame, texts={"grade": changed}), rows)

    assert ("outside", "grade") in [(f.kind, f.column) for f in report.findings]


@pytest.mark.parametrize(("assets", "trained", "seeds"), [(1, 30, 2), (6, 30, 2), (6, 14, 1)])
def test_fleets_without_drift_are_quiet_in_99_of_100_days(assets, trained, seeds):
    days = drifted = 0
    for seed in range(seeds):
        frame = simulated_frame(900 + seed, assets, trained + 100)
        cut = int(frame.time.min()) + trained * DAY
        reference = reference_of(frame, frame.time < cut)
        rows = np.flatnonzero(frame.time >= cut)
        slots = count_rows(reference, frame, rows, np.zeros(len(rows), bool))
        touched = (min(slots) + 23, max(slots))
        report = judge(reference, MonitorStage(), slots, touched, None)
        days += report.windows
        drifted += report.windows_drifted

    assert days >= 98 * seeds
    assert drifted <= days / 100


def job(tmp_path, bundle, *tables, output="out"):
    """Score some tables, a file and a job each; the last summary."""
    for table in tables:
        first = str(table.when.iloc[0]).replace(" ", "T").replace(":", "")
        source = tmp_path / f"{first}-{len(table)}.csv"
        table.to_csv(source, index=False)
        summary = score_files(bundle, source, tmp_path / output, options=ScoreOptions())
    return summary


def test_a_job_tells_drift_of_its_newest_window_and_names_the_sensor(tmp_path):
    bundle = monitored_bundle(alarm_rate=None)

    quiet = job(tmp_path, bundle, minutes(2000, 120))
    drifted = job(tmp_path, bundle, minutes(2120, 60, s1=lambda s: s + 8))

    assert quiet.drift.verdict == "quiet"
    assert quiet.drift.windows == 2
    assert drifted.drift.findings[0].column == "s1"
    assert drifted.drift.words.startswith("drift: s1: ")
    assert drifted.to_json()["drift"]["verdict"] == "drifted"


def test_jobs_of_ten_minutes_are_judged_by_the_whole_hour_behind_them(tmp_path):
    bundle = monitored_bundle(alarm_rate=None)
    table = minutes(3000, 70)

    verdicts = [
        job(tmp_path, bundle, table[low : low + 10]).drift.verdict for low in range(0, 70, 10)
    ]

    assert verdicts == [*["not_judged"] * 5, "quiet", "quiet"]


def test_counts_do_not_depend_on_how_rows_are_cut_into_files(tmp_path):
    bundle, table = monitored_bundle(), minutes(3000, 150)

    whole = job(tmp_path, bundle, table, output="whole")
    parts = job(tmp_path, bundle, table[:37], table[37:40], table[40:], output="parts")

    counts = []
    for name in ("whole", "parts"):
        with open_store(tmp_path / name / "manifest.db", "read") as store:
            counts.append({slot: c.tolist() for slot, c in read_counts(store).items()})
    assert counts[0] == counts[1]
    assert sum(c[0] for c in counts[0].values()) == 150
    assert whole.drift.columns == parts.drift.columns


def test_rows_that_only_warm_up_are_not_counted(tmp_path):
    source = tmp_path / "rows.csv"
    minutes(3000, 150).to_csv(source, index=False)
    since = ScoreOptions(since=str(minutes(3000, 150).when[30]))

    score_files(monitored_bundle(), source, tmp_path / "out", options=since)

    with open_store(tmp_path / "out" / "manifest.db", "read") as store:
        assert sum(counts[0] for counts in read_counts(store).values()) == 120


def test_a_model_without_a_profile_to_compare_with_still_scores_and_says_so(tmp_path):
    summary = job(tmp_path, tiny_bundle(), minutes(2000, 60))

    assert summary.rows_scored == 60
    assert summary.drift.words == (
        "drift: not judged, the model has no profile to compare with; train it anew to have one"
    )


def test_monitoring_can_be_turned_off_and_a_job_without_new_rows_judges_nothing(tmp_path):
    off = job(tmp_path, monitored_bundle(enabled=False), minutes(2000, 60), output="off")
    bundle, table = monitored_bundle(), minutes(2000, 120)
    again = job(tmp_path, bundle, table, table)

    assert off.drift.why == "monitor.enabled is false"
    assert again.drift.why == "no new row was scored"


def test_another_model_starts_counting_anew(tmp_path):
    source = tmp_path / "rows.csv"
    minutes(2000, 120).to_csv(source, index=False)
    score_files(monitored_bundle(), source, tmp_path / "out")
    other = monitored_bundle(psi=0.5)

    with pytest.raises(ModelError, match="belongs to the bundle"):
        score_files(other, source, tmp_path / "out")
    anew = score_files(other, source, tmp_path / "out", options=ScoreOptions(reprocess=True))

    assert anew.drift.rows == 60


def test_where_time_is_an_age_the_newest_files_with_enough_rows_are_judged():
    reference = by_hand(clock=Clock("age", 1), window=30, rows=30)
    still, far = np.array([20, 1, 10, 10, 0, 0]), np.array([20, 1, 20, 0, 0, 0])

    report = judge(reference, MonitorStage(), {1: still, 2: far, 3: far}, (1, 3), None)

    assert (report.verdict, report.rows) == ("drifted", 40)
    assert report.last is None
