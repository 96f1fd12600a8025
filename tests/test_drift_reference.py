"""The part of a bundle's profile that scored rows are compared with."""

import json
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rareevent.bundle.reference import (
    alarm_reference,
    drift_reference,
    population_stability,
    window_ticks,
)
from rareevent.errors import ConfigError
from rareevent.ingestion.frame import Clock
from tests.frames import make_frame

HOUR = 3_600_000_000
DAY = 24 * HOUR


def test_psi_of_literal_counts_is_what_a_hand_makes_of_them():
    # Half a reading more in each of two bins: shares .25 and .75 against .75 and .25.
    expected, found = np.array([2, 7]), np.array([7, 2])

    index = population_stability(expected, found)

    assert index == pytest.approx(0.5 * log(0.75 / 0.25) + -0.5 * log(0.25 / 0.75))


@given(
    st.lists(st.integers(0, 50), min_size=3, max_size=3),
    st.lists(st.integers(0, 50), min_size=3, max_size=3),
)
def test_psi_is_finite_never_negative_and_the_same_both_ways(one, other):
    a, b = np.array(one), np.array(other)

    assert 0 <= population_stability(a, b) < np.inf
    assert population_stability(a, b) == pytest.approx(population_stability(b, a))


def hourly(values, **more):
    times = {"a": range(0, len(values) * HOUR, HOUR)}
    return make_frame(times, sensors={"s": values}, kind="datetime", interval=HOUR, **more)


def of_sensor(values, window="1d"):
    frame = hourly(values)
    return drift_reference(frame, np.ones(len(values), bool), ("s",), window)


def test_bins_are_tenths_of_the_training_readings():
    found = of_sensor(np.arange(1.0, 101.0))["columns"]["s"]

    assert found["edges"] == [10, 20, 30, 40, 50, 60, 70, 80, 90]
    assert found["shares"] == pytest.approx([0.09, *[0.1] * 8, 0.11])
    assert (found["low"], found["high"], found["missing"]) == (1, 100, 0)


def test_readings_that_repeat_make_fewer_bins_and_a_constant_makes_two():
    two = of_sensor(np.tile([0.0, 0.0, 0.0, 5.0], 30))["columns"]["s"]
    one = of_sensor(np.full(48, 3.0))["columns"]["s"]

    assert (two["edges"], two["shares"]) == ([0, 5], [0, 0.75, 0.25])
    assert (one["edges"], one["shares"]) == ([3], [0, 1])


def test_a_sensor_without_a_reading_has_no_bins():
    found = of_sensor(np.full(48, np.nan))["columns"]["s"]

    assert found["edges"] is None
    assert found["missing"] == 1


def test_highest_missing_and_outside_are_those_of_the_furthest_day_after_the_first_third():
    # Six days; the first third is not compared. Day 4 misses 6 of 24, day 5 goes beyond 0..23 in
    # 3 of 24, and the first day misses 12, which does not count.
    values = np.tile(np.arange(24.0), 6)
    values[:12:1] = np.nan
    values[4 * 24 : 4 * 24 + 6] = np.nan
    values[5 * 24 : 5 * 24 + 3] = 99.0

    found = of_sensor(values)

    highest = found["columns"]["s"]["highest"]
    assert (found["windows"], found["rows"], found["window"]) == (4, 24, DAY)
    assert highest["missing"] == 6 / 24
    assert highest["outside"] == 3 / 24


def test_levels_that_wander_from_day_to_day_are_known_to_and_still_ones_are_not():
    draw = np.random.default_rng(0)
    wandering = np.repeat(draw.normal(0, 5, 20), 24) + draw.normal(0, 1, 480)

    far = of_sensor(wandering)["columns"]["s"]["highest"]["psi"]
    near = of_sensor(draw.normal(0, 1, 480))["columns"]["s"]["highest"]["psi"]

    assert far > 2 > 1 > near


def test_a_rare_level_shares_the_last_bin_and_a_first_seen_one_counts_as_outside():
    levels = ["A"] * 150 + ["B"] * 149 + ["rare"]
    frame = hourly(np.zeros(300), texts={"g": levels})

    found = drift_reference(frame, np.ones(300, bool), ("g",), "1d")["columns"]["g"]

    assert found["levels"] == ["A", "B"]
    assert found["seen"] == ["A", "B", "rare"]
    assert found["shares"] == pytest.approx([0.5, 149 / 300, 1 / 300])
    # B came first on the day of row 150, whose rows 144 to 167 hold 18 of it.
    assert found["highest"]["outside"] == 18 / 24


def test_only_training_rows_and_columns_that_the_model_reads_are_described():
    frame = make_frame({"a": range(30)}, sensors={"s": np.arange(30.0), "t": np.arange(30.0)})

    found = drift_reference(frame, np.arange(30) < 20, ("s",), 5)

    assert list(found["columns"]) == ["s"]
    assert found["columns"]["s"]["high"] == 19
    assert drift_reference(frame, np.zeros(30, bool), ("s",), 5) is None
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("step", "rows", "days"), [(HOUR // 60, 14_400, 1), (HOUR, 240, 9), (DAY, 100, 200)]
)
def test_an_automatic_window_is_a_day_or_as_many_as_200_rows_take(step, rows, days):
    time = np.arange(rows, dtype=np.int64) * step

    assert window_ticks(Clock("datetime", step), "auto", time) == days * DAY


def test_a_window_of_an_age_counts_rows_and_cannot_be_a_time():
    age, time = Clock("age", 1), np.arange(400)

    assert window_ticks(age, "auto", time) == 20
    assert window_ticks(age, 50, time) == 50
    with pytest.raises(ConfigError, match="integer age"):
        window_ticks(age, "1d", time)


def test_expected_alarms_know_how_unevenly_they_come():
    clock, time = Clock("datetime", HOUR), np.arange(240, dtype=np.int64) * HOUR
    even = np.arange(240) % 24 == 0
    uneven = np.arange(240) < 10

    assert alarm_reference(clock, time, even, DAY) == {
        "rows": 240,
        "alarms": 10,
        "dispersion": 1.0,
    }
    # Ten on one day of ten: mean 1, variance (81 + 9) / 9.
    assert alarm_reference(clock, time, uneven, DAY)["dispersion"] == pytest.approx(10)
    assert alarm_reference(clock, time, time < 0, DAY)["alarms"] == 0
