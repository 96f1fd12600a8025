"""The simulated fleet: what is promised about it, and the measured difficulty."""

import csv
import dataclasses
import runpy
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from rareevent.errors import ConfigError, OutputError
from rareevent.simulate import (
    ANSWER,
    DIFFICULTIES,
    GRADES,
    HORIZON_ROWS,
    SENSORS,
    TRIGGER,
    Fleet,
    make_fleet,
    simulate,
    write_fleet,
)
from rareevent.simulate.disturbances import _retimed, _without_telling
from rareevent.simulate.parameters import STOP_ROWS

BENCH = runpy.run_path(str(Path(__file__).parent / "benchmarks" / "bench_simulate.py"))
INTERVAL = np.timedelta64(5 * 60_000_000, "us")
DAY = np.timedelta64(1, "D")


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return make_fleet(seed=11, assets=3, days=20)


@pytest.fixture(scope="module")
def default() -> Fleet:
    return make_fleet(seed=1)


def longest_run(values: np.ndarray) -> int:
    """Most identical values in a row."""
    changes = np.flatnonzero(np.diff(values) != 0)
    return int(np.diff(np.concatenate([[-1], changes, [len(values) - 1]])).max())


def onsets(fleet: Fleet, asset: int, sensor: str) -> np.ndarray:
    return BENCH["onset_rows"](fleet, asset, sensor)


# --- the same seed, the same fleet


def test_the_same_seed_writes_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        simulate(tmp_path / name, seed=3, assets=2, days=5, hold_back_days=1)
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*.*"))
    assert [str(file) for file in files] == [
        "events.csv",
        "sensors.parquet",
        "truth.parquet",
        "unseen/2025-01-10.parquet",
        "unseen/events.csv",
    ]
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_another_seed_makes_another_fleet(fleet):
    other = make_fleet(seed=12, assets=3, days=20)
    assert not np.array_equal(fleet.events.time, other.events.time)


def test_more_assets_leave_the_earlier_ones_as_they_are(fleet):
    fewer = make_fleet(seed=11, assets=1, days=20)
    first = fleet.asset == 0
    np.testing.assert_array_equal(fewer.time, fleet.time[first])
    for sensor in SENSORS:
        np.testing.assert_array_equal(fewer.sensors[sensor.name], fleet.sensors[sensor.name][first])


# --- rows and sensors


def test_the_default_fleet_has_the_size_the_demo_needs(default):
    assert 60_000 <= len(default) <= 90_000
    assert 200 <= len(default.events) <= 300
    assert len(default.sensors) >= 12
    assert default.assets == ("PM1", "PM2", "PM3", "PM4", "PM5", "PM6")


def test_rows_are_sorted_and_lie_on_the_grid(fleet):
    order = np.lexsort((fleet.time, fleet.asset))
    np.testing.assert_array_equal(order, np.arange(len(fleet)))
    assert ((fleet.time - fleet.time[0]) % INTERVAL == np.timedelta64(0)).all()


def test_grades_change_and_move_levels(fleet):
    assert set(fleet.grade) == set(range(len(GRADES)))
    one = fleet.asset == 0
    moved = 0
    for sensor in SENSORS:
        values = fleet.sensors[sensor.name][one] / sensor.noise
        levels = [np.nanmedian(values[fleet.grade[one] == grade]) for grade in range(len(GRADES))]
        moved += max(levels) - min(levels) > 2
    assert moved >= 10


def test_every_sensor_has_stuck_and_missing_readings(default):
    for name, values in default.sensors.items():
        assert longest_run(values) >= 6, name
        assert 0.001 < np.isnan(values).mean() < 0.02, name
        assert np.isfinite(values).mean() > 0.98, name


def test_after_a_stoppage_readings_need_some_rows_to_settle(default):
    age = BENCH["segment_ages"](default)
    for name, values in default.sensors.items():
        moved = np.abs(values[12:] - values[:-12])  # over twelve rows of one run
        settling, settled = age[12:] == 12, age[12:] == 42
        assert np.nanmedian(moved[settling]) > 1.8 * np.nanmedian(moved[settled]), name


# --- events and their truth


def test_a_stoppage_follows_every_event(fleet):
    for asset, event in zip(fleet.events.asset, fleet.events.time, strict=True):
        rows = fleet.time[fleet.asset == asset]
        after = np.searchsorted(rows, event)
        assert event - rows[after - 1] < INTERVAL
        if after < len(rows):
            gap = rows[after] - rows[after - 1]
            assert (STOP_ROWS[0] + 1) * INTERVAL <= gap <= STOP_ROWS[1] * INTERVAL


def test_nothing_but_an_event_stops_an_asset(fleet):
    rows = BENCH["row_numbers"](fleet)
    stops = ((np.diff(rows) != 1) & (np.diff(fleet.asset) == 0)).sum()
    last = np.array([fleet.time[fleet.asset == asset][-1] for asset in range(3)])
    assert stops == (fleet.events.time < last[fleet.events.asset]).sum()


def test_an_announced_event_has_its_pair_at_a_telling_delay_and_lead(fleet):
    medium, truth = DIFFICULTIES["medium"], fleet.events
    told = truth.announced
    delay = (truth.answer - truth.trigger)[told] / INTERVAL
    lead = (truth.time - truth.answer)[told] / INTERVAL
    assert delay.min() >= medium.delay[0]
    assert delay.max() <= medium.delay[1]
    assert lead.min() > medium.lead[0]
    assert lead.max() < medium.lead[1] + 1
    assert (lead <= HORIZON_ROWS).mean() > 0.5
    assert np.isnat(truth.answer[~told]).all()
    assert np.isnat(truth.trigger[~told]).all()


def test_the_precursor_lies_in_rows_of_the_run_that_the_event_ends(fleet):
    truth, age = fleet.events, BENCH["segment_ages"](fleet)
    for k in np.flatnonzero(truth.announced):
        mine = fleet.asset == truth.asset[k]
        rows, ages = fleet.time[mine], age[mine]
        first, last = np.searchsorted(rows, [truth.trigger[k], truth.time[k]])
        assert rows[first] == truth.trigger[k]
        assert ages[last - 1] - ages[first] == last - 1 - first  # no stoppage between


def test_a_telling_pair_stands_before_announced_events_and_nowhere_else(fleet):
    shortest, longest = DIFFICULTIES["medium"].delay
    for asset in range(3):
        trigger, answer = onsets(fleet, asset, TRIGGER), onsets(fleet, asset, ANSWER)
        delays = answer[:, None] - trigger[None, :]
        telling = answer[((delays >= shortest) & (delays <= longest)).any(axis=1)]
        mine = fleet.events.announced & (fleet.events.asset == asset)
        planted = BENCH["grid_rows"](fleet, fleet.events.answer[mine])
        np.testing.assert_array_equal(telling, planted)


def test_the_precursors_sensors_are_disturbed_all_the_time_in_both_orders(default):
    """Decoys: alone, reversed, too soon and too late pairs far outnumber the telling ones."""
    shortest, longest = DIFFICULTIES["medium"].delay
    kinds = {"reversed": 0, "too soon": 0, "too late": 0, "alone": 0}
    for asset in range(len(default.assets)):
        trigger, answer = onsets(default, asset, TRIGGER), onsets(default, asset, ANSWER)
        delays = (answer[:, None] - trigger[None, :]).ravel()
        kinds["reversed"] += ((delays < 0) & (delays >= -14)).sum()
        kinds["too soon"] += ((delays >= 0) & (delays < shortest)).sum()
        kinds["too late"] += ((delays > longest) & (delays <= 14)).sum()
        nearest = np.abs(answer[:, None] - trigger[None, :]).min(axis=1)
        kinds["alone"] += (nearest > longest).sum()
    for kind, count in kinds.items():
        assert count > 2 * len(default.events), kind


def test_disturbances_are_as_frequent_before_events_as_elsewhere(default):
    """Presence says little: within 20 % for the two sensors of the precursor together."""
    rows, age = BENCH["row_numbers"](default), BENCH["segment_ages"](default)
    target, known = BENCH["labels"](default)
    counts = np.zeros(len(default))
    for asset in range(len(default.assets)):
        mine = default.asset == asset
        for sensor in (TRIGGER, ANSWER):
            starts = onsets(default, asset, sensor)
            window = np.searchsorted(starts, [rows[mine] - 20, rows[mine]], side="right")
            counts[mine] += window[1] - window[0]
    full = known & (age >= 20)
    ratio = counts[full & target].mean() / counts[full & ~target].mean()
    assert 0.9 < ratio < 1.4


@pytest.mark.parametrize("difficulty", ["easy", "medium", "hard"])
def test_the_share_of_events_without_precursor_is_as_stated(difficulty):
    fleet = make_fleet(seed=4, assets=10, days=100, difficulty=difficulty)
    share = (~fleet.events.announced).mean()
    stated = DIFFICULTIES[difficulty].unannounced
    error = np.sqrt(stated * (1 - stated) / len(fleet.events))
    assert abs(share - stated) < 4 * error


def test_a_disturbance_is_visible_in_the_readings(fleet):
    """The largest changes of the trigger begin where the truth says that it was disturbed."""
    rows, age = BENCH["row_numbers"](fleet), BENCH["segment_ages"](fleet)
    mine = (fleet.asset == 0) & (age > 0)
    values = fleet.sensors[TRIGGER]
    change = np.abs(np.diff(values, prepend=np.float32(np.nan)))
    disturbed = np.isin(rows, onsets(fleet, 0, TRIGGER))
    ratio = np.nanmedian(change[mine & disturbed]) / np.nanmedian(change[mine & ~disturbed])
    assert ratio > 4


def test_the_nearest_disturbance_is_moved_and_a_far_one_is_left():
    ordinary = np.array([10, 14, 90])
    np.testing.assert_array_equal(_retimed(ordinary, np.array([13])), [10, 13, 90])
    np.testing.assert_array_equal(_retimed(ordinary, np.array([50])), [10, 14, 50, 90])
    np.testing.assert_array_equal(_retimed(ordinary[:0], np.array([50])), [50])


def test_chance_answers_at_a_telling_delay_are_dropped_with_a_margin():
    hidden = dataclasses.replace(DIFFICULTIES["medium"], delay=(4, 7))
    answer, trigger = np.array([98, 102, 103, 106, 108, 109]), np.array([100])
    kept = _without_telling(answer, trigger, np.array([106]), hidden)
    np.testing.assert_array_equal(kept, [98, 102, 106, 109])


# --- files


def test_files_hold_the_promised_columns_and_the_fleets_values(fleet, tmp_path):
    summary = write_fleet(fleet, tmp_path)
    sensors = pq.read_table(tmp_path / "sensors.parquet")
    assert sensors.column_names == ["asset", "time", "grade", *(s.name for s in SENSORS)]
    assert [str(t) for t in sensors.schema.types[:4]] == [
        "string",
        "timestamp[us]",
        "string",
        "float",
    ]
    np.testing.assert_array_equal(sensors["time"].to_numpy(), fleet.time)
    np.testing.assert_array_equal(sensors["draw_3"].to_numpy(), fleet.sensors["draw_3"])
    assert sensors["draw_3"].null_count == np.isnan(fleet.sensors["draw_3"]).sum()
    assert set(sensors["grade"].to_pylist()) == set(GRADES)

    with (tmp_path / "events.csv").open() as file:
        events = list(csv.reader(file))
    assert events[0] == ["asset", "time"]
    first = fleet.events.time[0].astype("datetime64[s]")
    assert events[1] == ["PM1", str(first).replace("T", " ")]
    assert len(events) - 1 == len(fleet.events) == summary.events
    assert summary.rows == len(fleet) == len(sensors)
    assert summary.to_json()["horizon_minutes"] == 60


def test_the_truth_file_tells_which_sensors_and_from_when(fleet, tmp_path):
    write_fleet(fleet, tmp_path)
    truth = pq.read_table(tmp_path / "truth.parquet").to_pylist()
    assert len(truth) == len(fleet.events)
    for row, told in zip(truth, fleet.events.announced, strict=True):
        assert row["precursor"] == told
        if told:
            assert row["sensors"] == [TRIGGER, ANSWER]
            assert row["precursor_start"] < row["precursor_complete"] < row["time"]
            lead = (row["time"] - row["precursor_complete"]).total_seconds() / 60
            assert row["lead_min"] == pytest.approx(lead)
        else:
            assert row["sensors"] == []
            assert row["precursor_start"] is row["precursor_complete"] is row["lead_min"] is None


def test_held_back_days_are_left_out_and_written_day_by_day(fleet, tmp_path):
    summary = write_fleet(fleet, tmp_path, hold_back_days=2)
    cut = np.datetime64("2025-01-24")
    seen = pq.read_table(tmp_path / "sensors.parquet")["time"].to_numpy()
    assert seen.max() < cut
    assert [Path(file).name for file in summary.unseen_files] == [
        "2025-01-24.parquet",
        "2025-01-25.parquet",
    ]
    for file, day in zip(summary.unseen_files, (cut, cut + DAY), strict=True):
        times = pq.read_table(file)["time"].to_numpy()
        assert times.min() >= day
        assert times.max() < day + DAY
        assert len(times) == ((fleet.time >= day) & (fleet.time < day + DAY)).sum()
    assert summary.rows + summary.unseen_rows == len(fleet)
    assert summary.events == (fleet.events.time < cut).sum()
    lines = Path(summary.unseen_events_file).read_text().splitlines()
    assert len(lines) - 1 == len(fleet.events)


def test_days_of_an_earlier_fleet_do_not_stay_behind(fleet, tmp_path):
    write_fleet(fleet, tmp_path, hold_back_days=3)
    foreign = tmp_path / "unseen" / "mine.parquet"
    foreign.touch()
    write_fleet(fleet, tmp_path, hold_back_days=1)
    assert sorted(p.name for p in (tmp_path / "unseen").iterdir()) == [
        "2025-01-25.parquet",
        "events.csv",
        "mine.parquet",
    ]
    write_fleet(fleet, tmp_path)
    assert list((tmp_path / "unseen").iterdir()) == [foreign]


def test_a_directory_that_cannot_be_made_is_an_output_error(fleet, tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(OutputError, match="taken: the fleet cannot be written"):
        write_fleet(fleet, tmp_path / "taken")


# --- arguments


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"seed": -1}, "'seed' must not be negative; received -1"),
        ({"assets": 0}, "'assets' must be at least 1; received 0"),
        ({"days": 0}, "'days' must be a number above 0; received 0"),
        ({"days": float("nan")}, "'days' must be a number above 0; received nan"),
        ({"days": 0.5}, "144 rows per asset; give at least 256"),
        ({"days": 40000}, "at most 10,000,000 can be simulated at once"),
        ({"interval_minutes": -5}, "'interval_minutes' must be a number above 0; received -5"),
        ({"interval_minutes": 0.001}, "at least 0.1; received 0.001"),
        ({"difficulty": "meduim"}, "received 'meduim'; did you mean 'medium'?"),
        ({"difficulty": "?"}, "one of easy, medium, hard; received '\\?'$"),
        ({"hold_back_days": 40}, "from 0 to less than the 40 calendar days there are; received 40"),
        ({"hold_back_days": -1}, "received -1"),
    ],
)
def test_an_impossible_argument_is_named_and_nothing_is_written(wrong, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        simulate(tmp_path / "out", **({"seed": 1} | wrong))
    assert not (tmp_path / "out").exists()


def test_another_interval_stretches_time_and_keeps_the_rows(fleet):
    longer = make_fleet(seed=11, assets=3, days=40, interval_minutes=10)
    np.testing.assert_array_equal(longer.sensors["draw_1"], fleet.sensors["draw_1"])
    np.testing.assert_array_equal((longer.time - longer.time[0]) / 2, fleet.time - fleet.time[0])


# --- difficulty, by measurement


def test_an_oracle_foresees_what_the_last_row_hardly_shows(default):
    assert BENCH["oracle_auc"](default) >= 0.95
    assert 0.55 <= BENCH["logistic_auc"](default) <= 0.75


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5, 6])
def test_medium_is_as_hard_as_stated(seed):
    fleet = make_fleet(seed=seed)
    assert 0.60 <= BENCH["logistic_auc"](fleet) <= 0.70
    assert BENCH["oracle_auc"](fleet) >= 0.95


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_easy_and_hard_lie_on_either_side_of_medium(seed):
    easy, hard = (make_fleet(seed=seed, difficulty=d) for d in ("easy", "hard"))
    assert BENCH["logistic_auc"](easy) > 0.70
    assert BENCH["logistic_auc"](hard) < 0.60
    assert BENCH["oracle_auc"](easy) >= 0.95
    assert 0.85 < BENCH["oracle_auc"](hard) < 0.95


@pytest.mark.slow
def test_a_million_rows_are_made_and_written_in_under_five_seconds(tmp_path):
    """Processor time, so that a busy machine does not decide it."""
    simulate(tmp_path, seed=1, assets=1, days=2)  # imports
    began = time.process_time()
    summary = simulate(tmp_path, seed=1, days=630)
    assert summary.rows > 1_000_000
    assert time.process_time() - began < 5
