"""Events from a label, a log and last rows, and which of them count."""

import numpy as np
import pytest

from rareevent.errors import ConfigError, DataError
from rareevent.ingestion import check_source, ingest
from rareevent.ingestion.events import events_at_last_rows, events_from_label
from rareevent.ingestion.frame import Fate
from tests.ingestion.tables import stage, write

ONE = np.zeros(9, np.int32)


def pairs(events):
    return list(zip(events.asset.tolist(), events.time.tolist(), strict=True))


def test_a_run_of_ones_is_one_event_at_its_onset():
    label = np.array([0, 1, 1, 1, 0, 0, 1, 0, 1], np.int8)
    events, run = events_from_label(ONE, np.arange(9), label, "onset", max_gap=1)
    assert events.time.tolist() == [1, 6, 8]
    assert np.flatnonzero(run).tolist() == [2, 3]


def test_each_one_of_a_run_is_an_event_when_asked_for():
    label = np.array([0, 1, 1, 1, 0, 0, 1, 0, 1], np.int8)
    events, run = events_from_label(ONE, np.arange(9), label, "each", max_gap=1)
    assert events.time.tolist() == [1, 2, 3, 6, 8]
    assert not run.any()


def test_a_gap_ends_a_run_and_so_does_the_next_asset():
    time = np.array([0, 1, 5, 6, 7, 8])
    asset = np.array([0, 0, 0, 0, 1, 1], np.int32)
    label = np.array([0, 1, 1, 1, 1, 0], np.int8)
    events, run = events_from_label(asset, time, label, "onset", max_gap=2)
    assert pairs(events) == [(0, 1), (0, 5), (1, 7)]
    assert np.flatnonzero(run).tolist() == [3]


def test_last_row_of_every_asset_is_its_event():
    events = events_at_last_rows(np.array([0, 0, 1, 2, 2], np.int32), np.array([3, 4, 1, 5, 9]))
    assert pairs(events) == [(0, 4), (1, 1), (2, 9)]


ROWS = """
    t,unit,s
    0,a,1.5
    1,a,2.5
    2,a,0.5
    0,b,1.0
    1,b,2.0
    2,b,1.0
"""


def log_stage(tmp_path, log, rows=ROWS, **keys):
    source = {"source": str(write(tmp_path, log, "log.csv")), "time": "when"}
    events = {"asset": "unit", **source, **keys.pop("columns", {})}
    return stage(write(tmp_path, rows), asset="unit", events=events, **keys)


def test_a_log_is_matched_by_asset_and_sorted(tmp_path):
    frame, quality = ingest(log_stage(tmp_path, "unit,when\nb,1\na,2\na,1"))
    assert pairs(frame.events) == [(0, 1), (0, 2), (1, 1)]
    assert frame.events.kinds == ("event",)
    assert quality.events == 3
    assert frame.segments.of_row.tolist() == [0, -1, -1, 1, -1, 2]


def test_what_is_unknown_repeated_or_outside_is_counted_and_left_out(tmp_path):
    log = "unit,when\na,1\na,1\nzz,1\na,-1\nb,3\nb,4\nb,7"
    frame, quality = ingest(log_stage(tmp_path, log))
    # b's event at 3 comes one interval after its last row at 2 and counts; those later do not.
    assert pairs(frame.events) == [(0, 1), (1, 3)]
    assert quality.event_counts == {
        "of_unknown_assets": 1,
        "repeated": 1,
        "before_first_row": 1,
        "after_last_row": 2,
    }
    assert any("'zz'" in note for note in quality.notes)
    assert any("max_gap" in note for note in quality.notes)


def test_types_of_events_become_kinds_and_the_first_name_wins_at_one_time(tmp_path):
    log = "unit,when,what\na,1,trip\na,1,break\nb,2,trip"
    frame, _ = ingest(log_stage(tmp_path, log, columns={"type": "what"}))
    assert frame.events.kinds == ("break", "trip")
    assert frame.events.kind.tolist() == [0, 1]


def test_an_event_without_a_type_is_of_none_and_is_counted(tmp_path):
    log = "unit,when,what\na,1,trip\na,2,\nb,1,\nb,1,break"
    frame, quality = ingest(log_stage(tmp_path, log, columns={"type": "what"}))
    assert frame.events.kinds == ("break", "trip")
    assert frame.events.kind.tolist() == [1, -1, 0]
    assert "1 of 3 events have no type; none is guessed for them" in quality.notes


def test_entries_that_do_not_agree_on_an_events_type_are_told(tmp_path):
    log = "unit,when,what\na,1,trip\na,1,break\na,1,stop\nb,2,trip\nb,2,trip"
    _, quality = ingest(log_stage(tmp_path, log, columns={"type": "what"}))
    assert quality.notes[-1] == (
        "1 events have several types, such as 'break' and 'stop' at one time; the first in order"
        " counts"
    )


def test_a_log_with_another_separator_is_read(tmp_path):
    frame, _ = ingest(log_stage(tmp_path, "unit;when\na;1"))
    assert pairs(frame.events) == [(0, 1)]


def test_an_assets_name_is_the_same_written_as_96_and_as_96_0(tmp_path):
    rows = "t,unit,s\n0,96,1\n1,96,2\n0,97,5\n1,97,4"
    frame, _ = ingest(log_stage(tmp_path, "unit,when\n96.0,1", rows))
    assert (frame.assets, pairs(frame.events)) == (("96", "97"), [(0, 1)])


def test_a_log_without_an_asset_column_serves_a_table_without_one(tmp_path):
    log = write(tmp_path, "when\n1", "log.csv")
    rows = write(tmp_path, "t,s\n0,1\n1,2\n2,1")
    frame, _ = ingest(stage(rows, events={"source": str(log), "time": "when"}))
    assert pairs(frame.events) == [(0, 1)]


def test_a_log_must_name_its_asset_column_where_the_rows_have_one(tmp_path):
    with pytest.raises(ConfigError, match=r"ingest.events.asset: must name"):
        ingest(log_stage(tmp_path, "unit,when\na,1", columns={"asset": None}))


@pytest.mark.parametrize("columns", [{"asset": "when"}, {"type": "when"}, {"type": "unit"}])
def test_a_column_of_a_log_cannot_be_two_things(tmp_path, columns):
    with pytest.raises(ConfigError, match=r"ingest.events: .* must be different columns; received"):
        ingest(log_stage(tmp_path, "unit,when\na,1", columns=columns))


def test_a_log_that_lacks_a_column_is_refused_with_the_nearest_name(tmp_path):
    with pytest.raises(DataError, match=r"log.csv: has no column 'when' .*did you mean 'whenn'"):
        ingest(log_stage(tmp_path, "unit,whenn\na,1"))


def test_a_log_in_dates_beside_rows_by_age_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"'when' is points in time, but the rows' times are whole"):
        ingest(log_stage(tmp_path, "unit,when\na,2020-01-01"))


def test_a_logs_dates_are_read_as_the_rows_dates_are(tmp_path):
    rows = "t,s\n1/30/2020,1\n1/31/2020,2\n2/1/2020,1\n2/2/2020,3"
    log = write(tmp_path, "time\n2/1/2020", "log.csv")
    frame, _ = ingest(stage(write(tmp_path, rows), events=str(log)))
    # Read alone, 2/1/2020 could as well be 2 January, before the first row.
    assert [frame.clock.text(t) for t in frame.events.time] == ["2020-02-01 00:00:00"]


def test_without_any_event_the_source_is_refused_and_says_what_became_of_them(tmp_path):
    with pytest.raises(DataError, match=r"log.csv: no event is left; 1 of unknown assets"):
        ingest(log_stage(tmp_path, "unit,when\nzz,1"))
    with pytest.raises(DataError, match=r"label 'y': no event is left"):
        ingest(stage(write(tmp_path, "t,s,y\n0,1,0\n1,2,0")))
    with pytest.raises(DataError, match="no event is left"):
        ingest(log_stage(tmp_path, "unit,when"))


def test_a_single_event_is_taken_and_noted(tmp_path):
    quality = check_source(stage(write(tmp_path, "t,s,y\n0,1,0\n1,2,1\n2,1,0")))
    assert not quality.problems
    assert any("only one event" in note for note in quality.notes)


def test_events_in_an_excluded_stretch_do_not_count_and_cut_nothing(tmp_path):
    rows = "t,s,y\n0,1,0\n1,2,0\n2,1,1\n3,2,0\n4,1,0\n5,2,1\n6,3,0"
    keys = {"exclude": [{"from": 2, "to": 3}], "recovery": 2}
    frame, quality = ingest(stage(write(tmp_path, rows), **keys))
    assert frame.events.time.tolist() == [5]
    assert quality.event_counts == {"excluded": 1}
    fate = Fate
    assert frame.segments.fate.tolist() == [
        *(fate.IN_SEGMENT, fate.IN_SEGMENT, fate.EXCLUDED, fate.EXCLUDED),
        *(fate.IN_SEGMENT, fate.EVENT, fate.RECOVERY),
    ]


def test_an_exclusion_of_one_asset_leaves_the_others(tmp_path):
    keys = {"exclude": [{"from": 0, "to": 1, "asset": "b"}, {"from": 0, "to": 9, "asset": "zz"}]}
    frame, quality = ingest(log_stage(tmp_path, "unit,when\na,2", **keys))
    assert frame.segments.of_row.tolist() == [0, 0, -1, -1, -1, 1]
    assert any("'zz'" in note for note in quality.notes)


def test_exclusions_are_read_as_dates_and_must_run_forward(tmp_path):
    rows = write(tmp_path, "t,s,y\n2020-01-01,1,0\n2020-01-02,2,1\n2020-01-03,2,0\n2020-01-04,1,0")
    frame, _ = ingest(stage(rows, exclude=[{"from": "2020-01-03", "to": "2020-01-03 12:00"}]))
    assert frame.segments.of_row.tolist() == [0, -1, -1, 1]
    with pytest.raises(ConfigError, match=r"ingest.exclude.0: 'to' lies before 'from'"):
        ingest(stage(rows, exclude=[{"from": "2020-01-03", "to": "2020-01-02"}]))
    with pytest.raises(ConfigError, match=r"ingest.exclude.0.from: must be points in time"):
        ingest(stage(rows, exclude=[{"from": 3, "to": 4}]))
