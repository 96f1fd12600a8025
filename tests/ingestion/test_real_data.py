"""The real files, read as the shipped pipelines read them."""

from pathlib import Path

import numpy as np
import pytest

from rareevent.config import Ingest, load_pipeline
from rareevent.errors import DataError
from rareevent.ingestion import check_source, ingest
from tests.ingestion.tables import shared_data

PIPELINES = Path(__file__).parents[2] / "pipelines"


def pipeline(name, *overrides):
    return load_pipeline(PIPELINES / name, overrides).ingest


def test_sheet_breaks_have_their_published_rows_events_and_gaps():
    source = shared_data() / "sheet_break.csv.gz"
    frame, quality = ingest(pipeline("sheet_break.yaml", f"ingest.source={source}"))
    assert (len(frame), len(frame.events), quality.gaps) == (18_398, 124, 107)
    assert (len(frame.sensors), set(frame.texts)) == (59, {"x28", "x61"})
    assert len(frame.texts["x28"].levels) == 8
    assert quality.time_format == "%m/%d/%y %H:%M"
    assert (quality.first, quality.last) == ("1999-05-01 00:00:00", "1999-05-29 00:06:00")
    assert len(frame.segments) == 125


def test_machine_temperature_steps_back_once_and_has_its_log_matched():
    data = shared_data()
    overrides = (
        f"ingest.source={data / 'machine_temperature.csv.gz'}",
        f"ingest.events.source={data / 'machine_temperature_events.csv'}",
    )
    frame, quality = ingest(pipeline("machine_temperature.yaml", *overrides))
    assert (quality.rows_read, quality.unsorted, len(frame.events)) == (22_695, 1, 4)
    assert quality.duplicates_conflicting == 12
    assert (np.diff(frame.time) > 0).all()
    first = frame.clock.text(int(frame.events.time[0]))
    assert first == "2013-12-11 06:00:00"


def test_turbofans_fail_at_their_last_cycle():
    source = shared_data() / "cmapss_train_FD001.txt.gz"
    frame, quality = ingest(pipeline("turbofan.yaml", f"ingest.source={source}"))
    assert (len(frame), len(frame.assets), len(frame.events)) == (20_631, 100, 100)
    assert frame.assets[:3] == ("1", "2", "3")
    assert (frame.clock.kind, frame.clock.interval, quality.gaps) == ("age", 1, 0)
    np.testing.assert_array_equal(frame.events.time, frame.end_of_observation())
    assert len(frame.sensors) == 24


def dirty_process(**keys):
    source = str(shared_data() / "dirty_process.csv.gz")
    return Ingest(source=source, time="", events="last_row", **keys)


def test_every_dirty_column_of_the_historians_export_is_named():
    quality = check_source(dirty_process())
    dirty = {c.name: (c.dirty, c.dirty_values[0][0]) for c in quality.columns if c.dirty}
    assert dirty == {
        "tag2": (156, "Inp OutRange"),
        "tag34": (14, "Bad"),
        "tag36": (1, "Scan Timeout"),
        "tag70": (326, "Bad"),
        "tag72": (1, "Scan Timeout"),
    }
    assert len(quality.problems) == 1
    for name in dirty:
        assert repr(name) in quality.problems[0]
    with pytest.raises(DataError, match="'tag2' 156 x"):
        ingest(dirty_process())


def test_the_historians_export_can_be_read_once_dirt_is_missing():
    frame, quality = ingest(dirty_process(dirty_text="missing"))
    assert int(np.isnan(frame.sensors["tag70"]).sum()) == 326
    assert quality.repairs == {"text in a numeric column made missing": 498}
