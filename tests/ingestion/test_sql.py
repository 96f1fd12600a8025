"""A database as a source: the same rows as from a file, paged, and no password kept."""

import os
import re
import sqlite3
import uuid

import numpy as np
import pandas as pd
import pytest

from rareevent.config import validate_pipeline
from rareevent.errors import ConfigError, DataError
from rareevent.ingestion import ingest
from rareevent.ingestion import sql as sql_module
from rareevent.ingestion.sql import absolute_source, connect, parse_sql, shown_url, source_files
from tests.postgres import server

ROWS = 300


def readings():
    rng = np.random.default_rng(0)
    times = pd.date_range("2024-03-01", periods=ROWS, freq="min")
    return pd.DataFrame(
        {
            "time": times,
            "asset": np.where(np.arange(ROWS) % 2, "p1", "p2"),
            "flow": rng.normal(size=ROWS).round(6),
            "grade": rng.choice(["A", "B"], ROWS),
            "level": np.where(rng.random(ROWS) < 0.1, np.nan, rng.normal(size=ROWS).round(6)),
        }
    ).sort_values(["asset", "time"], ignore_index=True)


def events():
    return pd.DataFrame({"time": ["2024-03-01 02:00:30", "2024-03-01 04:00:30"], "asset": "p1"})


def stage(source, log):
    return validate_pipeline(
        {
            "ingest": {
                "source": source,
                "time": "time",
                "asset": "asset",
                "events": {"source": log, "asset": "asset"},
                "categorical": ["grade"],
                "interval": "2min",
            }
        }
    ).ingest


def same_frame(one, other):
    assert one.assets == other.assets
    np.testing.assert_array_equal(one.time, other.time)
    np.testing.assert_array_equal(one.events.time, other.events.time)
    for name in one.sensors:
        np.testing.assert_array_equal(one.sensors[name], other.sensors[name])
    for name in one.texts:
        np.testing.assert_array_equal(one.texts[name].codes, other.texts[name].codes)


@pytest.fixture
def from_file(tmp_path):
    readings().to_csv(tmp_path / "rows.csv", index=False)
    events().to_csv(tmp_path / "events.csv", index=False)
    frame, _ = ingest(stage(str(tmp_path / "rows.csv"), str(tmp_path / "events.csv")))
    return frame


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "plant.db"
    with sqlite3.connect(path) as link:
        readings().sample(frac=1, random_state=1).to_sql("readings", link, index=False)
        events().to_sql("events", link, index=False)
    link.close()
    return f"sqlite:///{path}"


def test_a_table_reads_as_the_file_it_was_written_from_whatever_the_pages(
    from_file, database, monkeypatch
):
    monkeypatch.setattr(sql_module, "_PAGE_ROWS", 37)
    frame, quality = ingest(stage(f"{database}#readings", f"{database}#events"))
    same_frame(frame, from_file)
    assert quality.rows_read == ROWS


def test_a_query_reads_what_it_selects(from_file, database):
    query = "select time, asset, flow, level, grade from readings where flow is not null;"
    frame, _ = ingest(stage(f"{database}#{query}", f"{database}#select * from events"))
    same_frame(frame, from_file)


def test_the_same_rows_give_the_same_digest_and_others_another(database, tmp_path):
    frame, _ = ingest(stage(f"{database}#readings", f"{database}#events"))
    again, _ = ingest(stage(f"{database}#readings", f"{database}#events"))
    with sqlite3.connect(tmp_path / "plant.db") as link:
        link.execute("update readings set flow = flow + 1 where rowid = 5")
    link.close()
    changed, _ = ingest(stage(f"{database}#readings", f"{database}#events"))
    assert frame.data_sha256() == again.data_sha256() != changed.data_sha256()


def test_pages_are_bounded(database, monkeypatch):
    monkeypatch.setattr(sql_module, "_PAGE_ROWS", 100)
    with source_files(f"{database}#readings", "input", ("asset", "time")) as files:
        assert [pd.read_parquet(f).shape[0] for f in files] == [100, 100, 100]
    assert not any(f.exists() for f in files)


def test_what_cannot_be_read_is_said_in_one_line(database):
    with pytest.raises(DataError, match=re.escape("there is no such table; the database has:")):
        ingest(stage(f"{database}#reading", f"{database}#events"))
    with pytest.raises(DataError, match="cannot be read: no such column: speed"):
        ingest(stage(f"{database}#select speed from readings", f"{database}#events"))
    with pytest.raises(ConfigError, match=r"needs a table or a query after '#'"):
        parse_sql(database, "ingest.source")
    with pytest.raises(ConfigError, match=r"ingest.source: nosuch://host/db: "):
        connect("nosuch://host/db", "ingest.source")


def test_a_password_is_taken_from_the_environment_and_never_shown(monkeypatch):
    with pytest.raises(ConfigError, match="password in clear") as refused:
        connect("postgresql+psycopg://plant:secret@host/db", "ingest.source")
    assert "secret" not in str(refused.value)
    url = "postgresql+psycopg://plant:${PLANT_PASSWORD}@host/db"
    with pytest.raises(ConfigError, match="the variable PLANT_PASSWORD is not set"):
        connect(url, "ingest.source")
    monkeypatch.setenv("PLANT_PASSWORD", "p@ss:w/rd")
    assert connect(url, "ingest.source").url.password == "p@ss:w/rd"
    assert shown_url("postgresql://plant:secret@host/db") == "postgresql://plant:***@host/db"


def test_a_relative_sqlite_file_is_found_from_any_folder():
    assert absolute_source("sqlite:///a.db#t") == f"sqlite:///{os.getcwd()}/a.db#t"


def test_postgresql_reads_as_the_file_does(from_file):
    with server() as url:
        engine = connect(url, "input")
        readings().to_sql("readings", engine, index=False)
        logged = events().assign(time=lambda t: pd.to_datetime(t["time"]).dt.tz_localize("UTC"))
        logged.to_sql("events", engine, index=False)
        frame, _ = ingest(stage(f"{url}#readings", f"{url}#public.events"))
        engine.dispose()
    same_frame(frame, from_file)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://plant:se@cret@host/db", "postgresql://plant:***@host/db"),
        ("postgresql://host/db?user=p&password=secret", "postgresql://host/db?user=p&password=***"),
        (
            "postgresql://u@host/db?sslpassword=secret&x=1",
            "postgresql://u@host/db?sslpassword=***&x=1",
        ),
    ],
)
def test_a_password_is_refused_and_hidden_wherever_it_stands_in_a_url(url, shown):
    assert shown_url(url) == shown
    with pytest.raises(ConfigError, match=re.escape(f"{shown}: a password in clear")):
        connect(url, "input")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (
            "mysql://host/db",
            "the driver of this database is not installed: No module named",
        ),
        ("postgresql+psycopg://host:port/db", "invalid literal for int"),
    ],
)
def test_a_url_that_cannot_be_used_is_a_configuration_error(url, said):
    with pytest.raises(ConfigError, match=said):
        connect(url, "input")


def test_a_query_may_hold_colons_and_end_in_a_comment(database):
    query = "select * from readings where ' :flow' = ' :flow' and grade <> 'x:y' -- all of them"
    with source_files(f"{database}#{query}", "input") as files:
        assert sum(len(pd.read_parquet(path)) for path in files) == ROWS


def test_identifiers_of_a_type_of_their_own_are_read_as_text():
    names = [uuid.UUID(int=1), None]
    assert sql_module.page_column(names).to_pylist() == [str(names[0]), None]
