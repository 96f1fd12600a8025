"""Events that the feed tells of after rows behind them were scored: told, and heeded when asked."""

import sqlite3
from contextlib import closing

import pandas as pd
import pytest

from rareevent.scoring.job import ScoreOptions, plan_files, score_files
from rareevent.scoring.sql_job import score_to_tables
from tests.scoring.fleets import fleet_bundle, fleet_events, fleet_rows
from tests.scoring.outputs import manifest, scored
from tests.scoring.test_job_files import assert_same
from tests.scoring.test_job_late import AGAIN, between
from tests.scoring.test_sql_job import get, put

START = pd.Timestamp("2024-03-01")


def at(*minutes, asset="m1"):
    """Events of an asset, in minutes from the first row on."""
    return pd.DataFrame({"when": [START + pd.Timedelta(minutes=m) for m in minutes]}).assign(
        machine=asset
    )


def feed(tmp_path, events, name="events.csv"):
    events.to_csv(tmp_path / name, index=False)
    return tmp_path / name


def score(bundle, tmp_path, table, events=None, options=None):
    """Score rows and keep the file, which scoring anew reads again."""
    name = f"{table['when'].iloc[0]:%H%M}-{len(table)}.csv"
    table.to_csv(tmp_path / name, index=False)
    return score_files(bundle, tmp_path / name, tmp_path / "out", events, options)


def at_once(bundle, tmp_path, table, events):
    table.to_csv(tmp_path / "whole.csv", index=False)
    score_files(bundle, tmp_path / "whole.csv", tmp_path / "expected", events)
    return tmp_path / "expected"


@pytest.mark.parametrize(
    ("seed", "delay", "recovery"), [(1, 0, 0), (2, 2, 0), (3, 0, 4), (4, 3, 5), (5, 1, 0)]
)
def test_late_events_are_told_once_and_heeded_as_if_they_had_been_known(
    tmp_path, seed, delay, recovery
):
    bundle, table = fleet_bundle(event_delay=delay, recovery=recovery), fleet_rows(seed)
    late = feed(tmp_path, pd.concat([fleet_events(seed), at(20)]))
    score(bundle, tmp_path, table)
    before = scored(tmp_path / "out")
    planned = plan_files(bundle, tmp_path / "*-*.csv", tmp_path / "out", events=late)
    told = score(bundle, tmp_path, table, late)
    again = score(bundle, tmp_path, table, late)

    assert told.events_late > 0 == again.events_late
    assert (planned["late_events"], planned["late"]) == (told.events_late, told.late)
    assert again.late == told.late
    pd.testing.assert_frame_equal(scored(tmp_path / "out"), before)

    heeded = score(bundle, tmp_path, table, late, AGAIN)
    assert heeded.rows_rescored > 0
    assert heeded.late == {}
    assert_same(at_once(bundle, tmp_path, table, late), tmp_path / "out")
    assert score(bundle, tmp_path, table, late).events_late == 0


def test_a_feed_that_tells_of_events_in_time_has_no_late_ones(tmp_path):
    bundle, table = fleet_bundle(event_delay=2), fleet_rows(7)
    for first, known in ((0, [-90, 5]), (20, [5, 18, 25]), (40, [5, 18, 25, 39, 41])):
        # What is older than the first row was over before it.
        events = feed(tmp_path, at(*known))
        done = score(bundle, tmp_path, between(table, first, first + 20), events)
        assert (done.events_late, done.late) == (0, {})
    assert_same(at_once(bundle, tmp_path, table, events), tmp_path / "out")


def test_a_feed_of_the_newest_events_alone_does_not_undo_older_ones(tmp_path):
    bundle, table = fleet_bundle(), fleet_rows(7)
    row = (table["machine"] == "m1") & (table["when"] == START + pd.Timedelta("30min"))
    score(bundle, tmp_path, table[~row], feed(tmp_path, at(20)))
    score(bundle, tmp_path, table[row], feed(tmp_path, at(50)), AGAIN)
    every = feed(tmp_path, at(20, 50))
    assert_same(at_once(bundle, tmp_path, table, every), tmp_path / "out")


def test_an_event_of_another_asset_changes_none_but_its_own(tmp_path):
    bundle, table = fleet_bundle(), fleet_rows(7)
    score(bundle, tmp_path, table)
    events = feed(tmp_path, pd.concat([at(20, asset="m2"), at(20, asset="stranger")]))
    told = score(bundle, tmp_path, table, events)
    assert (told.events_late, list(told.late)) == (1, ["m2"])


def test_a_state_from_before_events_were_kept_is_read_and_brought_up_to_date(tmp_path):
    bundle, table = fleet_bundle(), fleet_rows(7)
    score(bundle, tmp_path, between(table, 0, 40))
    with closing(sqlite3.connect(tmp_path / "out" / "manifest.db")) as connection:
        connection.executescript("DROP TABLE events; PRAGMA user_version = 1")
    rest = between(table, 40, 60)
    rest.to_csv(tmp_path / "rest.csv", index=False)
    assert len(plan_files(bundle, tmp_path / "rest.csv", tmp_path / "out")["files"]) == 1
    score_files(bundle, tmp_path / "rest.csv", tmp_path / "out", feed(tmp_path, at(50)))
    assert manifest(tmp_path / "out", "SELECT count(*) FROM events") == [(1,)]
    assert_same(at_once(bundle, tmp_path, table, tmp_path / "events.csv"), tmp_path / "out")


def test_late_events_are_told_and_heeded_where_the_output_is_a_database_too(tmp_path):
    bundle, table, url = fleet_bundle(), fleet_rows(7), f"sqlite:///{tmp_path / 'plant.db'}"
    given = (bundle, f"{url}#readings", f"{url}#scores")
    put(url, between(table, 0, 40))
    score_to_tables(*given, feed(tmp_path, at(5)))
    put(url, between(table, 40, 60))
    put(url, at(5, 20, 45), "breaks")
    told = score_to_tables(*given, f"{url}#breaks")
    again = score_to_tables(*given, f"{url}#breaks")
    heeded = score_to_tables(*given, f"{url}#breaks", ScoreOptions(reprocess=True))

    assert [(done.events_late, list(done.late)) for done in (told, again, heeded)] == [
        (1, ["m1"]),
        (0, []),
        (0, []),
    ]
    expected = at_once(bundle, tmp_path, table, feed(tmp_path, at(5, 20, 45)))
    pd.testing.assert_frame_equal(
        get(url)[["asset", "time", "probability", "alarm"]], scored(expected), atol=1e-9
    )
