"""Rows to score: no label, no event but those a feed tells, columns as training settled them."""

import numpy as np
import pandas as pd
import pytest

from rareevent.config import EventLog
from rareevent.errors import DataError
from rareevent.ingestion import (
    frame_from_table,
    ingest,
    ingest_for_scoring,
    resolve_stage,
    with_event_delay,
    without_feed,
)
from rareevent.ingestion.frame import Clock, Fate
from tests.ingestion.tables import stage, write

HOURS = "\n".join(
    f"{d}/1/2020 {h}:00,a,{h % 5},G{h % 2},{int(h == 7)}" for d in (1, 30) for h in range(24)
)
TRAINING = f"t,unit,s,g,y\n{HOURS}"
NEEDED = ("s", "g")


@pytest.fixture
def trained(tmp_path):
    """The resolved stage and the clock of a small training set."""
    given = stage(write(tmp_path, TRAINING, "train.csv"), asset="unit")
    frame, quality = ingest(given)
    return resolve_stage(given, frame, quality), frame.clock


def test_what_was_inferred_from_all_rows_is_written_out(trained):
    resolved, clock = trained
    assert resolved.time_format == "%d/%m/%Y %H:%M"
    assert (resolved.categorical, resolved.interval) == (("g",), "3600000000us")
    assert clock == Clock("datetime", 3_600_000_000)


def test_a_model_taught_iso_times_reads_no_others(tmp_path):
    hours = "\n".join(f"2020-01-{d} {h:02}:00,a,{h},{h % 2}" for d in (10, 30) for h in range(24))
    given = stage(write(tmp_path, f"t,unit,s,y\n{hours}", "iso.csv"), asset="unit")
    frame, quality = ingest(given)
    resolved = resolve_stage(given, frame, quality)
    assert resolved.time_format == "ISO8601"
    for moment in ("13/02/2020 00:00", "02/13/2020 00:00", "1580515200000"):
        source = write(tmp_path, f"t,unit,s\n{moment},a,1", "new.csv")
        with pytest.raises(DataError, match="cannot be read as 'ISO8601', such as '"):
            ingest_for_scoring(resolved, source, frame.clock, ("s",))
    source = write(tmp_path, "t,unit,s\n2020-02-13T00:00:00Z,a,1", "new.csv")
    assert len(ingest_for_scoring(resolved, source, frame.clock, ("s",))[0]) == 1


def test_the_resolved_stage_gives_the_same_frame_again(trained):
    resolved, clock = trained
    frame, _ = ingest(resolved)
    assert (frame.clock, list(frame.texts), list(frame.sensors)) == (clock, ["g"], ["s"])


def test_rows_are_scored_without_label_and_read_as_in_training(tmp_path, trained):
    resolved, clock = trained
    # Alone, these rows could be 2 January; the sensor g holds numbers only; y and z are ignored.
    rows = (
        "t,unit,z,s,g\n1/2/2020 0:00,a,Bad,1,96\n1/2/2020 1:00,a,Bad,2,96.0\n1/2/2020 3:00,a,x,1,96"
    )
    source = write(tmp_path, rows, "new.csv")
    frame, quality = ingest_for_scoring(resolved, source, clock, NEEDED)
    assert clock.text(int(frame.time[0])) == "2020-02-01 00:00:00"
    assert (list(frame.sensors), list(frame.texts)) == (["s"], ["g"])
    assert (frame.texts["g"].levels, len(frame.events)) == (("96",), 0)
    assert frame.segments.of_row.tolist() == [0, 0, 1]
    assert not quality.problems


def test_a_lone_row_can_be_scored(tmp_path, trained):
    source = write(tmp_path, "t,unit,s,g\n1/2/2020 0:00,new,1,G1", "one.csv")
    frame, _ = ingest_for_scoring(trained[0], source, trained[1], NEEDED)
    assert (len(frame), frame.assets) == (1, ("new",))


def test_a_constant_or_counting_sensor_stays_when_rows_are_scored(tmp_path, trained):
    rows = "\n".join(f"{1 + i // 24}/2/2020 {i % 24}:00,a,{i},G1" for i in range(48))
    source = write(tmp_path, f"t,unit,s,g\n{rows}", "count.csv")
    frame, _ = ingest_for_scoring(trained[0], source, trained[1], NEEDED)
    assert frame.sensors["s"].tolist() == list(range(48))


def test_words_in_a_numeric_column_are_dirt_even_if_nothing_else_is_there(tmp_path, trained):
    source = write(tmp_path, "t,unit,s,g\n1/2/2020 0:00,a,Bad,G1", "bad.csv")
    with pytest.raises(DataError, match=r"numeric columns: 's' 1 x \('Bad'\)"):
        ingest_for_scoring(trained[0], source, trained[1], NEEDED)
    forgiving = trained[0].model_copy(update={"dirty_text": "missing"})
    frame, _ = ingest_for_scoring(forgiving, source, trained[1], NEEDED)
    assert np.isnan(frame.sensors["s"]).all()


def test_other_columns_and_another_clock_are_refused(tmp_path, trained):
    source = write(tmp_path, "t,unit,q\n1/2/2020 0:00,a,1", "other.csv")
    with pytest.raises(DataError, match=r"lacks 2 of 2 columns that the model reads: s, g; it has"):
        ingest_for_scoring(trained[0], source, trained[1], NEEDED)
    aged = write(tmp_path, "t,unit,s,g\n1,a,1,G1", "aged.csv")
    unset = trained[0].model_copy(update={"time_format": None})
    with pytest.raises(DataError, match=r"an age\), but the model knows time as points in time"):
        ingest_for_scoring(unset, aged, trained[1], NEEDED)


def test_a_feed_cuts_when_it_knows(tmp_path, trained):
    rows = "\n".join(f"1/2/2020 {h}:00,a,{h},G1" for h in range(6))
    source = write(tmp_path, f"t,unit,s,g\n{rows}", "six.csv")
    log = write(tmp_path, "when,unit\n2020-02-01 02:00,a\n2020-02-01 02:00,zz", "feed.csv")
    feed = EventLog(source=str(log), time="when", asset="unit")
    at_once, quality = ingest_for_scoring(trained[0], source, trained[1], NEEDED, feed)
    assert at_once.segments.of_row.tolist() == [0, 0, -1, 1, 1, 1]
    assert quality.event_counts == {"of_unknown_assets": 1}
    hour = trained[1].interval
    late, _ = ingest_for_scoring(trained[0], source, trained[1], NEEDED, feed, 2 * hour)
    assert late.segments.of_row.tolist() == [0, 0, 0, 0, 1, 1]
    assert with_event_delay(at_once, 2 * hour).segments.of_row.tolist() == [0, 0, 0, 0, 1, 1]
    assert with_event_delay(late, 0).segments.of_row.tolist() == [0, 0, -1, 1, 1, 1]


def test_without_a_feed_only_gaps_and_exclusions_cut(tmp_path):
    rows = "t,s,y\n0,1,0\n1,2,1\n2,1,1\n3,4,0\n4,1,0\n8,2,0\n9,1,0\n10,2,0"
    keys = {"recovery": 1, "exclude": [{"from": 9, "to": 9}]}
    frame, _ = ingest(stage(write(tmp_path, rows), **keys))
    assert frame.segments.of_row.tolist() == [0, -1, -1, 1, 1, 2, -1, 3]
    blind = without_feed(frame)
    assert blind.segments.of_row.tolist() == [0, 0, 0, 0, 0, 1, -1, 2]
    assert len(blind.events) == 0
    assert blind.segments.fate[6] == Fate.EXCLUDED
    assert blind.sensors is frame.sensors


def test_a_table_in_memory_gives_the_frame_of_the_same_file(tmp_path, trained):
    resolved, clock = trained
    table = pd.DataFrame(
        {
            "s": [1.0, np.nan, np.inf],
            "t": pd.to_datetime(["2020-02-01 02:00", "2020-02-01 00:00", "2020-02-01 01:00"]),
            "unit": ["a", "a", "b"],
            "g": ["G1", None, "G0"],
            "junk": [[1], {}, None],
        }
    )
    from_table, quality = frame_from_table(table, resolved, clock, NEEDED)
    path = tmp_path / "same.csv"
    table[["s", "t", "unit", "g"]].to_csv(path, index=False)
    from_file, _ = ingest_for_scoring(resolved, path, clock, NEEDED)
    assert from_table.time.tolist() == from_file.time.tolist()
    assert from_table.asset.tolist() == from_file.asset.tolist() == [0, 0, 1]
    np.testing.assert_array_equal(from_table.sensors["s"], [np.nan, 1.0, np.nan])
    np.testing.assert_array_equal(from_file.sensors["s"], from_table.sensors["s"])
    assert from_table.texts["g"].codes.tolist() == from_file.texts["g"].codes.tolist()
    assert (quality.unsorted, quality.column("s").infinite) == (1, 1)


def test_a_table_of_objects_with_numbers_and_words_side_by_side_is_read(trained):
    table = pd.DataFrame(
        {"t": ["1/2/2020 0:00"] * 2, "unit": [7, "b"], "s": ["1.5", 2], "g": [96.0, "A"]},
        dtype=object,
    )
    frame, _ = frame_from_table(table, trained[0], trained[1], NEEDED)
    assert (frame.assets, frame.texts["g"].levels) == (("7", "b"), ("96", "A"))
    assert frame.sensors["s"].tolist() == [1.5, 2.0]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"s": [1.0], "g": ["A"], "unit": ["a"]}, r"the table: has no column 't' \(ingest.time\)"),
        ({"t": ["1/2/2020 0:00"], "unit": ["a"]}, "the table: lacks 2 of 2 columns"),
        ({"t": ["x"], "unit": ["a"], "s": [1], "g": ["A"]}, "row 1 of the table: column 't'"),
        ({"t": [], "unit": [], "s": [], "g": []}, "the table: has a header and no row"),
    ],
)
def test_a_table_that_cannot_be_scored_is_refused(trained, columns, message):
    with pytest.raises(DataError, match=message):
        frame_from_table(pd.DataFrame(columns), trained[0], trained[1], NEEDED)
