"""Rows from a database, scores into one: what files give, once each, whatever kills the job."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import inspect, text

from rareevent.bundle import load_bundle, save_bundle
from rareevent.config import Ingest
from rareevent.errors import ConfigError, DataError, LockedError, ModelError, OutputError
from rareevent.ingestion.frame import Clock
from rareevent.ingestion.sql import connect, parse_sql
from rareevent.scoring import sql_plan
from rareevent.scoring.job import ScoreOptions, score_files
from rareevent.scoring.sql_job import score_from_table, score_to_tables
from rareevent.scoring.sql_output import open_tables
from rareevent.scoring.sql_plan import model_key, plan_tables
from tests.postgres import server
from tests.scoring.drifting import minutes, monitored_bundle
from tests.scoring.fleets import fleet_bundle, fleet_events, fleet_rows
from tests.scoring.outputs import finish, scored, start

HALF = pd.Timestamp("2024-03-01 00:30")


@pytest.fixture(scope="module")
def bundle():
    return fleet_bundle()


@pytest.fixture
def plant(tmp_path):
    """An SQLite database with a third of the fleet's rows per page."""
    return f"sqlite:///{tmp_path / 'plant.db'}"


@pytest.fixture(autouse=True)
def small_pages(monkeypatch):
    monkeypatch.setattr(sql_plan, "_rows_of", lambda reader, marks: 37)


def put(url, table, name="readings"):
    engine = connect(url, "input")
    with engine.begin() as link:
        table.to_sql(name, link, index=False, if_exists="append")
    engine.dispose()


def get(url, table="scores", drop=("model",)):
    engine = connect(url, "output")
    with engine.connect() as link:
        found = pd.read_sql(f"select * from {table}", link)
    engine.dispose()
    if "time" in found:
        found["time"] = pd.to_datetime(found["time"]).astype("datetime64[us]")
    if "alarm" in found:
        found["alarm"] = found["alarm"].astype(bool)
    order = [name for name in ("asset", "time", "reason", "detail") if name in found]
    found = found.drop(columns=list(drop)).sort_values(order, ignore_index=True, kind="stable")
    return found


def by_files(bundle, rows, folder, **more):
    folder.mkdir(exist_ok=True)
    rows.to_parquet(folder / "rows.parquet")
    score_files(bundle, folder / "rows.parquet", folder / "out", **more)
    return scored(folder / "out"), scored(folder / "out", "alarms")


def assert_as_files(url, files, tolerance=1e-9):
    scores, alarms = files
    pd.testing.assert_frame_equal(get(url)[scores.columns.tolist()], scores, atol=tolerance)
    told = get(url, "scores_alarms", ())
    wanted = alarms.drop(columns="model")
    pd.testing.assert_frame_equal(told[wanted.columns.tolist()], wanted, atol=tolerance)
    assert len(alarms) > 3


def test_a_table_scores_as_the_file_with_its_rows_does(bundle, plant, tmp_path):
    rows = fleet_rows(3)
    put(plant, rows.sample(frac=1, random_state=1))
    fleet_events(3).to_csv(tmp_path / "events.csv", index=False)
    files = by_files(bundle, rows, tmp_path / "files", events=tmp_path / "events.csv")
    done = score_to_tables(bundle, f"{plant}#readings", f"{plant}#scores", tmp_path / "events.csv")

    assert_as_files(plant, files)
    assert (done.rows_read, done.rows_scored) == (len(rows), len(files[0]))
    assert len(done.files) > 3
    assert done.output == f"{plant}#scores"
    assert set(get(plant, drop=())["model"]) == {model_key(bundle, "")}


def test_later_jobs_read_what_is_new_and_running_twice_changes_nothing(bundle, plant, tmp_path):
    rows = fleet_rows(4)
    late_asset = fleet_rows(5, ("new",))
    put(plant, rows[rows["when"] < HALF])
    first = score_to_tables(bundle, f"{plant}#readings", f"{plant}#scores")
    put(plant, rows[rows["when"] >= HALF])
    put(plant, late_asset)
    second = score_to_tables(bundle, f"{plant}#readings", f"{plant}#scores")
    before = {t: get(plant, t, ()) for t in ("scores", "scores_alarms", "scores_states")}
    third = score_to_tables(bundle, f"{plant}#readings", f"{plant}#scores")

    assert_as_files(plant, by_files(bundle, pd.concat([rows, late_asset]), tmp_path / "files"))
    assert first.rows_scored + second.rows_scored == len(rows) + len(late_asset)
    assert (third.rows_scored, third.late) == (0, {})
    for table, held in before.items():
        pd.testing.assert_frame_equal(get(plant, table, ()), held)


def test_text_times_are_read_a_day_back_and_what_comes_again_is_passed_over(bundle, plant):
    put(plant, fleet_rows(4))
    score_to_tables(bundle, f"{plant}#readings", f"{plant}#scores")
    again = score_to_tables(bundle, f"{plant}#readings", f"{plant}#scores")
    assert again.not_scored == {"already_scored": len(fleet_rows(4))}
    moved = fleet_rows(4, ("m1",)).head(3).assign(when=lambda t: t["when"] - pd.Timedelta("30s"))
    put(plant, moved)
    told = score_to_tables(bundle, f"{plant}#readings", f"{plant}#scores")
    assert set(told.late) == {"m1"}
    assert get(plant, "scores_rejected")["reason"].tolist() == ["late"] * 3
    anew = score_to_tables(
        bundle, f"{plant}#readings", f"{plant}#scores", options=ScoreOptions(reprocess=True)
    )
    assert (anew.rows_scored, anew.late) == (len(fleet_rows(4)) + 3, {})
    assert get(plant, "scores_rejected").empty


def test_files_score_into_a_table_each_once(bundle, plant, tmp_path):
    rows = fleet_rows(6)
    folder = tmp_path / "in"
    folder.mkdir()
    rows[rows["when"] >= HALF].to_parquet(folder / "a.parquet")
    rows[rows["when"] < HALF].to_parquet(folder / "b.parquet")
    done = score_to_tables(bundle, str(folder), f"{plant}#scores")
    again = score_to_tables(bundle, str(folder), f"{plant}#scores")

    assert_as_files(plant, by_files(bundle, rows, tmp_path / "files"))
    assert [name[-9:] for name in done.files] == ["b.parquet", "a.parquet"]
    assert (again.files, again.files_known, again.rows_read) == ((), 2, 0)


def test_a_table_scores_into_a_folder_and_goes_on_where_it_was(bundle, plant, tmp_path):
    rows, out = fleet_rows(7), tmp_path / "out"
    put(plant, rows[rows["when"] < HALF])
    score_from_table(bundle, f"{plant}#readings", out)
    put(plant, rows[rows["when"] >= HALF])
    score_from_table(bundle, f"{plant}#readings", out)
    last = score_from_table(bundle, f"{plant}#readings", out)

    assert (last.rows_scored, last.late) == (0, {})
    scores, alarms = by_files(bundle, rows, tmp_path / "files")
    pd.testing.assert_frame_equal(scored(out), scores, atol=1e-9)
    pd.testing.assert_frame_equal(scored(out, "alarms"), alarms, atol=1e-9)
    with pytest.raises(ConfigError, match="a database is no file"):
        score_from_table(bundle, f"{plant}#readings", out, options=ScoreOptions(reprocess=True))


def test_each_model_version_has_rows_of_its_own(bundle, plant):
    put(plant, fleet_rows(4))
    for version in (1, 2, 2):
        known_as = ScoreOptions(model=f"models:/fleet/{version}")
        score_to_tables(bundle, f"{plant}#readings", f"{plant}#scores", options=known_as)
    models = get(plant, drop=())["model"].value_counts()
    assert models.to_dict() == {f"models:/fleet/{v}": len(fleet_rows(4)) for v in (1, 2)}


def test_a_plan_says_what_would_be_read_and_scores_nothing(bundle, plant):
    put(plant, fleet_rows(4))
    plan = plan_tables(bundle, f"{plant}#readings", f"{plant}#scores")
    assert [(f["rows"], f["grew"]) for f in plan["files"]] == [(len(fleet_rows(4)), False)]
    assert plan["files"][0]["first"].startswith("2024-03-01 00:00")
    assert tables_of(plant) == ["readings"]
    score_to_tables(bundle, f"{plant}#readings", f"{plant}#scores")
    assert plan_tables(bundle, f"{plant}#readings", f"{plant}#scores")["files"][0]["grew"]


def tables_of(url):
    engine = connect(url, "output")
    names = inspect(engine).get_table_names()
    engine.dispose()
    return names


def test_drift_is_judged_by_the_whole_window_behind_a_job_whatever_jobs_brought_its_rows(plant):
    bundle, table = monitored_bundle(alarm_rate=None), minutes(3000, 70)
    verdicts = []
    for low in range(0, 70, 10):
        put(plant, table[low : low + 10])
        done = score_to_tables(bundle, f"{plant}#readings", f"{plant}#scores")
        verdicts.append(done.drift.verdict)
    assert verdicts == [*["not_judged"] * 5, "quiet", "quiet"]

    put(plant, minutes(3070, 60, s1=lambda s: s + 8))
    found = score_to_tables(bundle, f"{plant}#readings", f"{plant}#scores").drift
    assert found.findings[0].column == "s1"
    again = ScoreOptions(reprocess=True)
    anew = score_to_tables(bundle, f"{plant}#readings", f"{plant}#scores", options=again).drift
    assert anew.columns == found.columns


def test_where_time_is_an_age_the_counts_of_pages_are_kept_in_their_order(plant):
    from rareevent.scoring.monitor import oldest_kept

    bundle = fleet_bundle()
    with open_tables(parse_sql(f"{plant}#scores", "o"), bundle, "m") as tables:
        for number in (1, 2, 3):
            with tables.transaction() as link:
                assert tables.next_slot(link) == number
                tables.write_counts(link, {number: np.array([number, 0])})
        with tables.transaction() as link:
            tables.write_counts(link, {2: np.array([5, 1]), 2 - oldest_kept(0): np.array([9, 9])})
        kept = tables.read_counts()
    # Slot 2 is as far behind the newest as counts are kept, so it went with the first one.
    assert {slot: counts.tolist() for slot, counts in kept.items()} == {
        3: [3, 0],
        2 - oldest_kept(0): [9, 9],
    }


def test_rows_without_a_time_are_rejected_even_where_a_page_holds_no_others(
    bundle, plant, tmp_path
):
    put(plant, fleet_rows(4).head(5).assign(when=None))
    for act, output in ((score_to_tables, f"{plant}#scores"), (score_from_table, tmp_path / "o")):
        done = act(bundle, f"{plant}#readings", output)
        assert (done.not_scored, done.rows_rejected) == ({"unreadable_time": 5}, 5)


def test_a_version_of_another_registry_with_the_same_name_is_refused(bundle, plant):
    put(plant, fleet_rows(4))
    given, known_as = (f"{plant}#readings", f"{plant}#scores"), {"model": "models:/fleet/1"}
    score_to_tables(bundle, *given, options=ScoreOptions(**known_as))
    other, held = fleet_bundle(lookback=5), get(plant)
    for act in (score_to_tables, plan_tables):
        with pytest.raises(ModelError, match="models:/fleet/1 is the name of another bundle there"):
            act(other, *given, options=ScoreOptions(**known_as))
    pd.testing.assert_frame_equal(get(plant), held)
    anew = score_to_tables(other, *given, options=ScoreOptions(**known_as, reprocess=True))
    assert anew.rows_scored == len(held)


def test_a_database_in_memory_is_no_output(bundle, plant):
    put(plant, fleet_rows(4))
    with pytest.raises(ConfigError, match="a database in memory would be gone with the job"):
        score_to_tables(bundle, f"{plant}#readings", "sqlite://#scores")


def test_what_cannot_be_done_is_said_in_one_line(bundle, plant, tmp_path):
    put(plant, fleet_rows(4).assign(when=lambda t: t["when"].dt.strftime("%d.%m.%Y %H:%M")))
    with pytest.raises(DataError, match="text that does not sort as time does, such as '01"):
        score_to_tables(bundle, f"{plant}#readings", f"{plant}#scores")
    options = ScoreOptions(state=tmp_path / "s.db")
    with pytest.raises(ConfigError, match="--state: the states stand beside the scores"):
        score_to_tables(bundle, f"{plant}#readings", f"{plant}#scores", options=options)
    with pytest.raises(DataError, match="cannot be read: no such table: absent"):
        score_to_tables(bundle, f"{plant}#absent", f"{plant}#scores")
    with pytest.raises(OutputError, match="the table 'readings' lacks the columns asset, time"):
        score_to_tables(bundle, f"{plant}#readings", f"{plant}#readings")
    target = parse_sql(f"{plant}#scores", "--output")
    with open_tables(target, bundle, "m"), pytest.raises(LockedError, match="another job"):
        score_to_tables(bundle, f"{plant}#readings", f"{plant}#scores")


KILLED = """
import os, signal, sys
from rareevent.bundle import load_bundle
from rareevent.scoring import sql_job, sql_plan, sql_tables
bundle, source, output, moment = sys.argv[1:]
left = [int(moment)]
def deadly(real):
    def call(*arguments, **named):
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        return real(*arguments, **named)
    return call
sql_plan._rows_of = lambda reader, marks: 37
sql_job.upsert = deadly(sql_job.upsert)
sql_tables.upsert = deadly(sql_tables.upsert)
sql_job.score_to_tables(load_bundle(bundle), source, output)
"""


def kill_and_finish(bundle, url, folder, moments):
    """Jobs that die at their n-th statement, one after the other; then one that is left alone."""
    save_bundle(bundle, folder / "b")
    for moment in moments:
        process = finish(
            start(folder / "b", f"{url}#readings", f"{url}#scores", moment, code=KILLED)
        )
        assert process.returncode == -9, process.stderr
    done = finish(start(folder / "b", f"{url}#readings", f"{url}#scores", 10**6, code=KILLED))
    assert done.returncode == 0, done.stderr


def test_killed_between_its_statements_a_job_leaves_what_one_left_alone_leaves(
    bundle, plant, tmp_path
):
    rows = fleet_rows(8)
    put(plant, rows)
    kill_and_finish(bundle, plant, tmp_path, [2, 8, 11])
    assert_as_files(plant, by_files(bundle, rows, tmp_path / "files"))


def test_postgresql_reads_writes_goes_on_and_survives_kills(bundle, tmp_path):
    rows = fleet_rows(9)
    zoned = rows.assign(when=rows["when"].dt.tz_localize("UTC"))
    with server() as url:
        put(url, zoned[rows["when"] < HALF])
        kill_and_finish(bundle, url, tmp_path, [3, 9])
        put(url, zoned[rows["when"] >= HALF])
        bundle = load_bundle(tmp_path / "b")
        done = score_to_tables(bundle, f"{url}#select * from readings", f"{url}#scores")
        held = get(url, drop=())
        again = score_to_tables(bundle, f"{url}#readings", f"{url}#scores")
        assert_as_files(url, by_files(bundle, rows, tmp_path / "files"))
        pd.testing.assert_frame_equal(get(url, drop=()), held)
        target = parse_sql(f"{url}#scores", "--output")
        # However the table is named, it is the same one.
        for name in ("scores", "public.scores"):
            with open_tables(target, bundle, "m"), pytest.raises(LockedError, match="another job"):
                score_to_tables(bundle, f"{url}#readings", f"{url}#{name}")
    new = int((rows["when"] >= HALF).sum())
    assert (done.rows_scored, done.not_scored) == (new, {"already_scored": len(rows) - new})
    assert again.not_scored == {"already_scored": len(rows)}


def test_a_job_whose_connection_is_lost_ends_and_the_next_one_goes_on(bundle, tmp_path):
    rows = fleet_rows(9)
    with server() as url:
        put(url, rows)
        engine = connect(url, "input")
        kill = (
            "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()"
        )

        def lose(_done):
            with engine.connect() as link:
                link.execute(text(f"{kill} and datname = current_database()"))

        # With its connection goes its lock; had it opened another one, two jobs could write.
        with pytest.raises(OutputError, match=r"#scores: cannot be used: "):
            score_to_tables(bundle, f"{url}#readings", f"{url}#scores", watch=lose)
        assert get(url).empty
        score_to_tables(bundle, f"{url}#readings", f"{url}#scores")
        assert_as_files(url, by_files(bundle, rows, tmp_path / "files"))
        engine.dispose()


def test_bad_rows_of_a_table_are_told_once_in_a_folder(bundle, plant, tmp_path):
    rows, out = fleet_rows(4), tmp_path / "out"
    bad = pd.concat([rows.head(3).assign(when=None), rows.iloc[[7]].assign(machine=None)])
    late = rows[rows["machine"] == "m1"].iloc[[10]]
    put(plant, pd.concat([rows[rows["when"] < HALF].drop(late.index), bad]))
    first = score_from_table(bundle, f"{plant}#readings", out)
    put(plant, pd.concat([rows[rows["when"] >= HALF], late]))
    second = score_from_table(bundle, f"{plant}#readings", out)
    score_from_table(bundle, f"{plant}#readings", out)

    assert (first.rows_rejected, second.rows_rejected) == (4, 5)
    reasons = scored(out, "rejected")["reason"].value_counts().to_dict()
    assert reasons == {"unreadable_time": 3, "no_asset": 1, "late": 1}
    assert scored(out, "rejected")["row"].isna().all()


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        (pd.Timestamp("2024-03-01 12:00"), pd.Timestamp("2024-03-01 11:00")),
        (pd.Timestamp("2024-03-01 12:00", tz="UTC"), pd.Timestamp("2024-03-01 11:00", tz="UTC")),
        ("2024-03-01 12:00", "2024-02-29"),
        (date(2024, 3, 1), date(2024, 2, 29)),
        (b"2024", None),
    ],
)
def test_rows_are_looked_for_from_before_the_last_one_on_because_some_come_late(sample, expected):
    from rareevent.scoring.sql_input import NewRows, _raw_marks

    stage = Ingest(source="x", time="when", asset="unit", label="y")
    last = int(np.datetime64("2024-03-01T12:00", "us").astype(np.int64))
    wanted = NewRows(
        parse_sql("sqlite:///x#t", "i"), None, stage, Clock("datetime", 60), {"a": last}
    )
    assert _raw_marks(wanted, sample) == (None if expected is None else {"a": expected})


def test_ages_and_numbers_are_compared_as_they_are(plant, tmp_path):
    from rareevent.ingestion.roles import Roles
    from rareevent.scoring.sql_input import NewRows, spool

    table = pd.DataFrame(
        {"age": [3, 1, 2, 2], "unit": ["a", "a", "a", "b"], "v": [0.1, 0.2, 0.3, 1]}
    )
    put(plant, table, "units")
    roles = Roles("age", "unit", None, ("v",), (), False)
    stage = Ingest(source="x", time="age", asset="unit", label="y")
    wanted = NewRows(parse_sql(f"{plant}#units", "i"), roles, stage, Clock("age", 1), {"a": 1})
    (page,) = spool(wanted, tmp_path, 100)
    # The mark's own row comes again, for a number of seconds may have been rounded down.
    assert pd.read_parquet(page)[["age", "unit"]].to_numpy().tolist() == [
        [1, "a"],
        [2, "a"],
        [2, "b"],
        [3, "a"],
    ]


def test_a_page_never_parts_the_rows_of_one_time(plant, tmp_path):
    import pyarrow as pa

    from rareevent.scoring.sql_input import _where_last_begins

    assert _where_last_begins(pa.chunked_array([[1, 2, 2]])) == 1
    assert _where_last_begins(pa.chunked_array([[2, 2]])) == 0
    assert _where_last_begins(pa.chunked_array([[1, 2], [3]])) == 2
