"""How a column becomes time: kinds, formats, ambiguity, offsets and clock changes."""

import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rareevent.errors import ConfigError, DataError
from rareevent.ingestion.time_formats import read_format
from rareevent.ingestion.time_numbers import Place
from rareevent.ingestion.times import read_times
from rareevent.ingestion.timezones import localise, read_local

PLACE = Place("when", lambda row: f"f.csv, row {row + 1}")


def read(values, time_format=None):
    array = values if isinstance(values, pa.Array) else pa.array(values)
    return read_times(pa.chunked_array([array]), time_format, ("", "NA"), PLACE)


def micros(*texts):
    return np.array(texts, "M8[us]").astype(np.int64).tolist()


@pytest.mark.parametrize(
    ("values", "expected", "time_format"),
    [
        (["2020-02-29", "2020-03-01"], ["2020-02-29", "2020-03-01"], "ISO8601"),
        (["2020-02-29T23:59:58.25"], ["2020-02-29T23:59:58.25"], "ISO8601"),
        (["2020-01-01 00:00:00.123456789"], ["2020-01-01T00:00:00.123456"], "ISO8601"),
        (["2020-1-5 3:00"], ["2020-01-05T03:00"], "%Y-%m-%d %H:%M"),
        (["5/1/99 0:00", "5/28/99 23:58"], ["1999-05-01", "1999-05-28T23:58"], "%m/%d/%y %H:%M"),
        (["31/1/2020", "1/2/2020"], ["2020-01-31", "2020-02-01"], "%d/%m/%Y"),
        (["01.02.2020 06:30"], ["2020-02-01T06:30"], "%d.%m.%Y %H:%M"),
        (["1/13/2020 1:02:03 PM"], ["2020-01-13T13:02:03"], "%m/%d/%Y %I:%M:%S %p"),
        (["01-Feb-20 00:00:00.5"], ["2020-02-01T00:00:00.5"], "%d-%b-%y %H:%M:%S.%f"),
    ],
)
def test_the_one_format_that_reads_every_value_is_found(values, expected, time_format):
    times = read(values)
    assert (times.kind, times.local, times.format) == ("datetime", True, time_format)
    assert times.ticks.tolist() == micros(*expected)


def test_day_or_month_first_is_refused_when_both_read_every_value():
    with pytest.raises(DataError, match=r"'%d/%m/%Y' and '%m/%d/%Y' both .*'2/1/2020'.*time_form"):
        read(["1/1/2020", "2/1/2020"])
    assert read(["2/1/2020"], "%m/%d/%Y").ticks.tolist() == micros("2020-02-01")


def test_day_or_month_first_does_not_matter_where_both_give_the_same():
    assert read(["1/1/2020", "2/2/2020"]).ticks.tolist() == micros("2020-01-01", "2020-02-02")


def test_the_format_given_overrules_and_names_what_it_cannot_read():
    message = r"f.csv, row 2: column 'when': 1 of 2 values .* '%d/%m/%Y', such as '1/31/2020'"
    with pytest.raises(DataError, match=message):
        read(["1/1/2020", "1/31/2020"], "%d/%m/%Y")


def test_iso_text_is_read_beside_a_format_that_cannot_mean_it_and_that_is_noted():
    times = read(["2020-01-01 00:00"], "%m/%d/%y %H:%M")
    assert times.ticks.tolist() == micros("2020-01-01")
    assert "ISO 8601" in times.notes[0]


@pytest.mark.parametrize("text", ["31/2/2020", "30/2/2020", "31/4/2020", "29/2/2021"])
def test_a_day_that_its_month_does_not_have_is_no_time(text):
    with pytest.raises(DataError, match=f"such as '{text}'"):
        read(["15/1/2020", text], "%d/%m/%Y")


@given(st.datetimes(datetime.datetime(1970, 1, 1), datetime.datetime(2099, 12, 31)))
def test_formats_read_what_they_write(moment):
    for time_format in ("%d/%m/%Y %H:%M:%S", "%d-%b-%y %I:%M:%S %p", "%d.%m.%Y %H:%M:%S.%f"):
        reading = read_format(pa.array([moment.strftime(time_format)]), time_format)
        expected = moment if "%f" in time_format else moment.replace(microsecond=0)
        if "%y" in time_format and moment.year > 2068:
            continue
        assert reading.read.all()
        assert reading.ticks.tolist() == micros(expected)


def test_offsets_are_converted_to_utc():
    times = read(["2020-01-01T00:30:00Z", "2020-01-01 00:30:00+02:00"])
    assert times.ticks.tolist() == micros("2020-01-01T00:30", "2019-12-31T22:30")
    assert not times.local
    given_format = read(["31/01/2020 23:30 +0200", "01/02/2020 00:30 -0300"], "%d/%m/%Y %H:%M %z")
    assert given_format.ticks.tolist() == micros("2020-01-31T21:30", "2020-02-01T03:30")


def test_times_with_and_without_offset_are_not_mixed():
    with pytest.raises(DataError, match=r"row 2.* 2 of 3 .*'2020-01-01 00:30:00'"):
        read(["2020-01-01T00:30:00Z", "2020-01-01 00:30:00", "2020-01-02T00:30:00+01:00"])


def test_unreadable_and_missing_times_say_where_and_what():
    with pytest.raises(DataError, match=r"f.csv, row 3: .* 1 of 3 values .* such as 'soon'"):
        read(["2020-01-01 00:00", "2020-01-02 00:00", "soon"])
    with pytest.raises(DataError, match=r"f.csv, row 1: .* 'now' is in no time format known"):
        read(["now", "then"])
    with pytest.raises(DataError, match=r"f.csv, row 2: .* 2 of 3 rows have no time"):
        read(["2020-01-01", None, " NA "])


def test_a_format_that_is_none_is_a_configuration_error():
    with pytest.raises(ConfigError, match="'%Q' is no time format"):
        read(["2020"], "%Q")


def test_whole_numbers_are_an_age_in_every_guise():
    for values in ([1, 2, 3], ["1", "2", "3"], [1.0, 2.0, 3.0], ["1.0", "2.0", "3.0"]):
        times = read(values)
        assert (times.kind, times.ticks.tolist()) == ("age", [1, 2, 3])


def test_an_age_in_fractions_is_refused():
    with pytest.raises(DataError, match=r"row 2: .* 1 of 2 values are no whole numbers, such as 1"):
        read([1.0, 1.5])


def test_an_age_that_looks_like_a_date_or_an_epoch_is_noted():
    assert "'%Y%m%d'" in read([20200101, 20200102]).notes[0]
    assert "epoch_s" in read(["1600000000"]).notes[0]
    assert read([20200131], "%Y%m%d").ticks.tolist() == micros("2020-01-31")


@pytest.mark.parametrize(
    ("values", "unit"),
    [
        ([1_577_836_800], "epoch_s"),
        ([1_577_836_800.25], "epoch_s"),
        (["1577836800250"], "epoch_ms"),
    ],
)
def test_epochs_count_from_1970_in_utc(values, unit):
    times = read(values, unit)
    fraction = 250_000 if "25" in str(values[0]) else 0
    assert (times.kind, times.local) == ("datetime", False)
    assert times.ticks.tolist() == [micros("2020-01-01")[0] + fraction]


def test_typed_columns_are_taken_as_they_are():
    day = datetime.date(2020, 1, 1)
    assert read(pa.array([day])).ticks.tolist() == micros("2020-01-01")
    zoned = read(pa.array([1_000_000_000], pa.timestamp("ns", "Europe/Berlin")))
    assert (zoned.ticks.tolist(), zoned.local) == ([1_000_000], False)
    for kind in (pa.array([1], pa.duration("s")), pa.array([True]), pa.array([[1]])):
        with pytest.raises(DataError, match=r"'when' holds .*, not points in time or an age"):
            read(kind)


BERLIN = "Europe/Berlin"
HOUR = 3_600_000_000
AUTUMN = ["01:30", "02:00", "02:30", "02:00", "02:30", "03:00"]


def local(day, hours):
    return np.array(micros(*(f"{day}T{hour}" for hour in hours)))


def test_the_repeated_hour_is_told_apart_by_the_order_of_rows():
    found = localise(local("2020-10-25", AUTUMN), np.zeros(6, np.int32), BERLIN, "f")
    assert found.ticks.tolist() == [
        *micros("2020-10-24T23:30", "2020-10-25T00:00", "2020-10-25T00:30"),
        *micros("2020-10-25T01:00", "2020-10-25T01:30", "2020-10-25T02:00"),
    ]
    assert (found.ambiguous, found.changes) == (4, 1)


def test_two_assets_go_through_the_repeated_hour_each_on_its_own():
    hours = [hour for hour in AUTUMN for _ in range(2)]
    asset = np.array([0, 1] * 6, np.int32)
    both = localise(local("2020-10-25", hours), asset, BERLIN, "f").ticks
    one = localise(local("2020-10-25", AUTUMN), np.zeros(6, np.int32), BERLIN, "f").ticks
    assert both[asset == 0].tolist() == both[asset == 1].tolist() == one.tolist()


@pytest.mark.parametrize("hours", [["02:00", "02:30"], ["02:00", "02:00", "02:30", "02:30"]])
def test_the_repeated_hour_is_refused_where_the_order_does_not_tell(hours):
    with pytest.raises(DataError, match=r"f: \d local times occur twice in Europe/Berlin .*02:00"):
        localise(local("2020-10-25", hours), np.zeros(len(hours), np.int32), BERLIN, "f")


@pytest.mark.parametrize(
    ("hours", "second"),
    [
        # The file ends within the hour: what follows on the row before it is the first pass.
        (["01:30", "02:00", "02:30"], [0, 0, 0]),
        # The file begins within it: what the row after it follows on is the second pass.
        (["02:00", "02:30", "03:00"], [1, 1, 0]),
        # The recorder was off in between: each half hangs on its own neighbour.
        (["01:00", "01:30", "02:00", "02:50", "03:00", "03:30"], [0, 0, 0, 1, 0, 0]),
        # A row that stands there twice is no fall back.
        (["01:40", "01:50", "02:00", "02:10", "02:10", "02:20"], None),
        # Both neighbours, and no fall: one of the passes is missing, and nothing tells which.
        (["01:30", "02:00", "02:30", "03:00"], None),
        # A row every two hours follows on the one before it in either reading.
        (["20:00", "22:00", "00:00", "02:00"], None),
        # An hour without rows before it.
        (["00:30", "01:00", "02:10", "02:40"], None),
    ],
)
def test_an_hour_that_is_cut_is_told_by_the_rows_beside_it(hours, second):
    days = ["2020-10-24" if hour > "12" else "2020-10-25" for hour in hours]
    wall = np.array(micros(*(f"{d}T{h}" for d, h in zip(days, hours, strict=True))))
    found = read_local(wall, np.zeros(len(hours), np.int32), BERLIN)
    if second is None:
        assert found.unclear.any()
        assert not found.ticks[found.unclear].any()
        with pytest.raises(DataError, match="occur twice in Europe/Berlin"):
            localise(wall, np.zeros(len(hours), np.int32), BERLIN, "f")
        return
    assert not found.unclear.any()
    # Summer time is two hours ahead of UTC, winter time one.
    summer = [hour < "03:00" and not late for hour, late in zip(hours, second, strict=True)]
    assert (wall - found.ticks).tolist() == [HOUR * (2 if s else 1) for s in summer]


@given(st.integers(5, 29), st.integers(-200, 200), st.integers(-200, 200))
def test_any_cut_through_the_two_passes_is_read_right_or_not_at_all(minutes, first, last):
    change = datetime.datetime(2020, 10, 25, 1, tzinfo=datetime.UTC)
    low, high = sorted((first, last))
    utc = [change + datetime.timedelta(minutes=m) for m in range(low, high + 1, minutes)]
    wall = np.array(micros(*(m.astimezone(ZoneInfo(BERLIN)).replace(tzinfo=None) for m in utc)))
    found = read_local(wall, np.zeros(len(wall), np.int32), BERLIN)
    expected = np.array(micros(*(m.replace(tzinfo=None) for m in utc)))
    assert (found.ticks == expected)[~found.unclear].all()
    if low <= -60 - 2 * minutes or high >= 60 + 2 * minutes:
        # Enough rows outside the hour to know the step, and a neighbour.
        assert not found.unclear.any()


def test_times_that_the_clock_skips_are_refused():
    with pytest.raises(DataError, match=r"1 times do not exist in Europe/Berlin.*02:30:00"):
        localise(local("2020-03-29", ["01:30", "02:30"]), np.zeros(2, np.int32), BERLIN, "f")


def test_an_unknown_time_zone_is_a_configuration_error():
    with pytest.raises(ConfigError, match=r"ingest.timezone: .* received 'Mars/Base'"):
        localise(np.zeros(1, np.int64), np.zeros(1, np.int32), "Mars/Base", "f")


@given(st.integers(20, 60), st.integers(5, 59), st.integers(0, 3599))
def test_local_times_in_order_come_back_as_the_utc_they_were(before, minutes, offset):
    change = datetime.datetime(2020, 10, 25, 1, tzinfo=datetime.UTC)
    start = change - datetime.timedelta(minutes=before * minutes, seconds=offset)
    utc = [start + datetime.timedelta(minutes=minutes * i) for i in range(90)]
    wall = np.array(micros(*(m.astimezone(ZoneInfo(BERLIN)).replace(tzinfo=None) for m in utc)))
    found = localise(wall, np.zeros(90, np.int32), BERLIN, "f")
    assert found.ticks.tolist() == micros(*(m.replace(tzinfo=None) for m in utc))
    assert found.changes == 1


@pytest.mark.parametrize(
    ("values", "time_format"),
    [
        (pa.array([1.7e18, 1.8e18]), "epoch_s"),
        (pa.array([1_700_000_000_000_000_000]), "epoch_ms"),
        (pa.array([2**63 + 1], pa.uint64()), "epoch_us"),
        (pa.array([2**54], pa.int64()).cast(pa.timestamp("ms")), None),
        (pa.array([2**30], pa.int32()).cast(pa.date32()), None),
    ],
)
def test_a_time_no_calendar_has_is_refused_and_never_wraps_around(values, time_format):
    with pytest.raises(DataError, match=r"f.csv, row 1: .* outside the years 1 to 9999"):
        read(values, time_format)


@pytest.mark.parametrize(
    "values", [pa.array([0, 2**63], pa.uint64()), pa.array([0.0, 9e19]), ["0", "9" * 20]]
)
def test_an_age_too_large_to_count_with_is_refused(values):
    with pytest.raises(DataError, match=r"f.csv, row 2: .* an age must lie below 2\^60"):
        read(values)


def test_the_ends_of_the_calendar_are_read():
    ends = pa.array([datetime.date(1, 1, 1), datetime.date(9999, 12, 31)])
    assert read(ends).ticks.tolist() == micros("0001-01-01", "9999-12-31")
