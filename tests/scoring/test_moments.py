"""Times of a scored file: those that can be read are read, the others are told apart."""

from datetime import date, datetime

import numpy as np
import pyarrow as pa
import pytest

from rareevent.errors import DataError
from rareevent.ingestion.frame import Clock
from rareevent.scoring.moments import read_moments
from tests.bundles import tiny_config

CLOCK, AGE = Clock("datetime", 60_000_000), Clock("age", 1)
DAY = 86_400_000_000


def read(values, clock=CLOCK, **stage):
    column = pa.chunked_array([pa.array(values)])
    settings = tiny_config().ingest.model_copy(update=stage)
    asset = np.zeros(len(values), np.int32)
    found = read_moments(column, asset, settings, clock, "x.csv")
    if found.problem:
        raise DataError(found.problem)
    return [int(t) if k else None for t, k in zip(found.ticks, found.read, strict=True)]


def stored(values, kind):
    """A column of times as it is stored, so that it can hold what no calendar has."""
    return pa.array(values, pa.int64()).cast(kind)


def test_text_in_one_format_with_dirt_between():
    values = ["1970-01-02", "NA", None, "1970-02-30", "x", "1970-01-03 00:00:01"]
    assert read(values) == [DAY, None, None, None, None, 2 * DAY + 1_000_000]


def test_a_given_format_and_what_it_does_not_read():
    values = ["02.01.1970", "1.1970", "03.01.1970"]
    assert read(values, time_format="%d.%m.%Y") == [DAY, None, 2 * DAY]


def test_typed_times_and_dates():
    assert read([datetime(1970, 1, 2), None]) == [DAY, None]
    assert read([date(1970, 1, 2), None]) == [DAY, None]


@pytest.mark.parametrize("unit", ["s", "ms", "us"])
def test_a_typed_time_that_no_calendar_has_is_no_time_and_the_others_are(unit):
    kind, day = pa.timestamp(unit), DAY // {"s": 10**6, "ms": 10**3, "us": 1}[unit]
    assert read(stored([day, 2**62, None, 2 * day, -(2**62)], kind)) == [
        DAY,
        None,
        None,
        2 * DAY,
        None,
    ]


def test_a_number_too_large_for_a_time_is_no_time_and_the_others_are():
    assert read([86400, 10**17, 172800], time_format="epoch_s") == [DAY, None, 2 * DAY]
    assert read(["86400", "9" * 30, "172800"], time_format="epoch_s") == [DAY, None, 2 * DAY]
    assert read([3, 2**62, 5], AGE) == read(["3", "9" * 20, "5"], AGE) == [3, None, 5]
    assert read([19700102, 19701399, 19700103], time_format="%Y%m%d") == [DAY, None, 2 * DAY]


def test_ages_are_whole_numbers_from_any_type():
    assert read([3, None, 5], AGE) == [3, None, 5]
    assert read([3.0, 3.5, np.nan, np.inf, 5.0], AGE) == [3, None, None, None, 5]
    assert read(["3", "3.0", "x", "", "3.5", "1e3"], AGE) == [3, 3, None, None, None, None]


def test_seconds_since_1970():
    assert read(["86400", "soon", "86400.5"], time_format="epoch_s") == [DAY, None, DAY + 500_000]
    assert read([86400.0, np.nan], time_format="epoch_s") == [DAY, None]


def test_local_times_become_utc_row_by_row():
    values = ["2024-07-01 12:00", "?", "2024-01-01 12:00"]
    summer, _, winter = read(values, timezone="Europe/Berlin")
    assert np.datetime64(summer, "us") == np.datetime64("2024-07-01T10:00")
    assert np.datetime64(winter, "us") == np.datetime64("2024-01-01T11:00")


def test_rows_of_an_hour_that_the_clock_repeats_or_skips_are_set_apart_where_nothing_tells():
    zone = {"timezone": "Europe/Berlin"}
    told = read(["2020-10-25 01:59", "2020-10-25 02:00", "2020-10-25 02:01"], **zone)
    assert np.diff(told).tolist() == [60_000_000] * 2
    alone = ["2020-10-25 02:10", "2020-10-25 02:11", "2020-10-25 03:30"]
    assert [tick is None for tick in read(alone, **zone)] == [True, True, False]
    spring = ["2020-03-29 01:59", "2020-03-29 02:00", "2020-03-29 03:00"]
    before, skipped, after = read(spring, **zone)
    assert (skipped, after - before) == (None, 60_000_000)


def test_no_rows_have_no_times():
    assert read(pa.array([], pa.string())) == []


@pytest.mark.parametrize(
    ("values", "clock", "said"),
    [
        (["soon", "later"], CLOCK, "soon"),
        ([None, None], CLOCK, "2 of 2 rows have no time"),
        (["01/02/2024", "03/04/2024"], CLOCK, "both read every value"),
        ([1, 2], CLOCK, r"whole numbers \(an age\), but the model knows time as points in time"),
        (["2024-01-01"], AGE, "points in time, but the model knows time as whole numbers"),
        ([True, False], CLOCK, "not points in time or an age"),
    ],
)
def test_a_column_that_holds_no_times_is_refused_as_a_whole(values, clock, said):
    with pytest.raises(DataError, match=said):
        read(values, clock)


@pytest.mark.parametrize("written", ["%d/%m/%Y", "%m/%d/%y %H:%M"])
@pytest.mark.parametrize("rows", [3, 1500])
def test_a_broken_value_does_not_tell_the_day_from_the_month(written, rows):
    """1,500 rows are more than are looked at first."""
    ambiguous = [datetime(2024, 3, 1 + row % 11).strftime(written) for row in range(rows)]
    with pytest.raises(DataError, match=f"both read {rows} of {rows + 1} values, such as '0"):
        read(["soon", *ambiguous, None])
    with pytest.raises(DataError, match=f"x.csv, row 1: .* both read {rows} of {rows + 1} values"):
        read([*ambiguous, "soon"])


@pytest.mark.parametrize("written", ["%d/%m/%Y", "%m/%d/%Y"])
@pytest.mark.parametrize("rows", [3, 1500])
def test_one_day_above_the_twelfth_tells_them_whatever_is_broken(written, rows):
    days = [datetime(1970, 1, 2), datetime(1970, 1, 3)] * (rows // 2) + [datetime(1970, 1, 14)]
    values = [day.strftime(written) for day in days]
    assert read([*values, "soon"]) == [*[DAY, 2 * DAY] * (rows // 2), 13 * DAY, None]
    assert read(["soon", *values]) == [None, *[DAY, 2 * DAY] * (rows // 2), 13 * DAY]


@pytest.mark.parametrize("odd", ["1970-01-02T00Z", "19700102T00", "1970-W01", "24:00", "1970"])
def test_an_odd_value_among_iso_times_is_set_apart_alone(odd):
    values = ["1970-01-02 00:00:00", "1970-01-03 00:00:00", odd, "1970-01-04 00:00:00"]
    assert read(values)[:2] == [DAY, 2 * DAY]
    assert read(values)[3] == 3 * DAY
    assert read(values)[2] in (None, DAY, 0)
