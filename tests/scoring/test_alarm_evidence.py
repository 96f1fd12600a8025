"""`score --evidence`: the sensors that raised each alarm, however the rows come and go."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from rareevent.bundle import load_bundle, save_bundle
from rareevent.jobs.explain import explain
from rareevent.scoring import sql_plan
from rareevent.scoring.alarm_evidence import EVIDENCE, top_credits
from rareevent.scoring.attribution import attribution_of
from rareevent.scoring.job import ScoreOptions, score_files
from rareevent.scoring.spark_job import score_on_spark
from rareevent.scoring.sql_job import score_to_tables
from tests.postgres import server
from tests.scoring.fleets import fleet_bundle, fleet_rows
from tests.scoring.outputs import scored
from tests.scoring.test_evidence import draw_blend
from tests.scoring.test_job_files import write_pieces
from tests.scoring.test_job_kills import assert_identical
from tests.scoring.test_job_late import minutes_of
from tests.scoring.test_spark_tasks import without_spark
from tests.scoring.test_sql_job import HALF, get

TOLD = ScoreOptions(evidence=True)
CREDITS = [name for name in EVIDENCE if name.startswith("credit")]


@pytest.fixture(scope="module")
def bundle():
    bundle = fleet_bundle()
    return replace(bundle, blend=draw_blend(len(bundle.encoder.channels)))


@pytest.fixture(scope="module")
def table():
    return fleet_rows(3)


@pytest.fixture(scope="module")
def whole(bundle, table, tmp_path_factory):
    """The output of a job over one file, told with evidence."""
    folder = tmp_path_factory.mktemp("whole")
    source = write_pieces(folder / "in", table, [])
    score_files(bundle, source, folder / "out", options=TOLD)
    return folder / "out"


def alarms_of(folder):
    found = scored(folder, "alarms")
    return found.assign(time=pd.to_datetime(found["time"]).astype("datetime64[us]"))


def assert_told_alike(found, expected):
    pd.testing.assert_frame_equal(found, expected, atol=1e-4)
    assert len(expected) > 3
    assert expected["sensor_1"].notna().all()


def assert_same_evidence(found, expected):
    """Alike but for how a format or a database writes that there is none."""
    for name in ("asset", "time", *EVIDENCE):
        assert found[name].isna().tolist() == expected[name].isna().tolist()
        one, other = found[name].dropna().tolist(), expected[name].dropna().tolist()
        assert one == (pytest.approx(other, abs=1e-4) if name in CREDITS else other), name


def test_alarms_name_the_sensors_that_explain_credits_most(bundle, table, whole, workplace):
    save_bundle(bundle, "bundle")
    table.to_csv("rows.csv", index=False)
    alarms = alarms_of(whole)

    for alarm in alarms.head(4).itertuples():
        shown = explain("bundle", "rows.csv", str(alarm.time), asset=alarm.asset).to_json()
        expected = [(s["name"], s["credit"]) for s in shown["sensors"] if s["credit"] > 5e-5][:3]
        found = [
            (getattr(alarm, f"sensor_{place}"), getattr(alarm, f"credit_{place}"))
            for place in range(1, len(expected) + 1)
        ]
        assert [name for name, _ in found] == [name for name, _ in expected]
        assert [c for _, c in found] == pytest.approx([c for _, c in expected], abs=1e-4)
    assert alarms.columns.tolist()[-6:] == list(EVIDENCE)


def test_without_the_option_nothing_is_told_and_nothing_else_differs(
    bundle, table, whole, tmp_path
):
    score_files(bundle, write_pieces(tmp_path / "in", table, []), tmp_path / "out")

    plain = alarms_of(tmp_path / "out")
    pd.testing.assert_frame_equal(plain, alarms_of(whole).drop(columns=list(EVIDENCE)))
    pd.testing.assert_frame_equal(scored(tmp_path / "out"), scored(whole))


def test_sensors_that_lowered_the_score_are_not_named(bundle):
    given = attribution_of(bundle)
    windows = np.random.default_rng(0).normal(0, 2, (40, 4, len(given.owner))).astype(np.float32)

    found = top_credits(given, windows)

    named = found.owner >= 0
    assert (found.credit[named] > 0).all()
    assert np.isnan(found.credit[~named]).all()
    assert not named.all()
    assert found.columns()["sensor_3"].count(None) == (~named[:, 2]).sum()


@pytest.mark.parametrize("cuts", [[30], [7, 15, 22, 30, 37, 45, 52]])
def test_it_does_not_matter_how_the_input_was_cut(bundle, table, whole, tmp_path, cuts):
    score_files(bundle, write_pieces(tmp_path / "in", table, cuts), tmp_path / "out", options=TOLD)

    assert_told_alike(alarms_of(tmp_path / "out"), alarms_of(whole))


def test_a_job_that_ends_between_files_leaves_what_one_that_goes_on_leaves(bundle, table, tmp_path):
    source = write_pieces(tmp_path / "in", table, [15, 30, 45])
    score_files(bundle, source, tmp_path / "one", options=TOLD)
    for _ in range(4):
        asked = iter([False, True])
        score_files(bundle, source, tmp_path / "two", options=TOLD, stop=lambda a=asked: next(a))

    assert_identical(tmp_path / "one", tmp_path / "two")


@pytest.mark.parametrize("rows", [5, 1000])
def test_spark_tells_the_same(bundle, table, whole, tmp_path, monkeypatch, rows):
    without_spark(monkeypatch, 3)
    source = write_pieces(tmp_path / "in", table, [20])
    score_on_spark(bundle, source, tmp_path / "out", options=TOLD, slice_rows=rows)

    assert_told_alike(alarms_of(tmp_path / "out"), alarms_of(whole))


def test_csv_tells_the_same(bundle, table, whole, tmp_path):
    options = replace(TOLD, format="csv")
    score_files(bundle, write_pieces(tmp_path / "in", table, []), tmp_path / "out", options=options)

    assert_same_evidence(alarms_of(tmp_path / "out"), alarms_of(whole))


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_rows_scored_anew_are_told_anew(bundle, table, whole, tmp_path, form):
    late = (table["machine"] == "m1") & (minutes_of(table) == 25)
    options = replace(TOLD, format=form)
    (tmp_path / "in").mkdir()
    table[~late].to_parquet(tmp_path / "in" / "a.parquet")
    score_files(bundle, tmp_path / "in", tmp_path / "out", options=options)
    table[late].to_parquet(tmp_path / "in" / "b.parquet")
    again = replace(options, reprocess=True)
    done = score_files(bundle, tmp_path / "in", tmp_path / "out", options=again)

    assert done.rows_rescored > 10
    assert_same_evidence(alarms_of(tmp_path / "out"), alarms_of(whole))


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_table_made_without_evidence_gets_its_columns(
    bundle, table, whole, tmp_path, monkeypatch, kind
):
    monkeypatch.setattr(sql_plan, "_rows_of", lambda reader, marks: 37)
    early, later, then = tmp_path / "early.parquet", tmp_path / "later.parquet", ScoreOptions()
    table[table["when"] < HALF].to_parquet(early)
    table[table["when"] >= HALF].to_parquet(later)

    def told(url):
        for path, options in ((early, then), (later, TOLD), (later, then)):
            score_to_tables(bundle, str(path), f"{url}#scores", options=options)
        return get(url, "scores_alarms")

    if kind == "sqlite":
        found = told(f"sqlite:///{tmp_path / 'plant.db'}")
    else:
        with server() as url:
            found = told(url)
    expected = alarms_of(whole).drop(columns="model")
    new, known = found["time"] >= HALF, expected["time"] >= HALF
    assert 0 < new.sum() < len(found) == len(expected)
    assert found.loc[~new, list(EVIDENCE)].isna().all(axis=None)
    assert_same_evidence(found[new], expected[known])


def test_a_bundle_that_was_saved_tells_the_same(bundle, table, whole, tmp_path):
    save_bundle(bundle, tmp_path / "b")
    source = write_pieces(tmp_path / "in", table, [])
    score_files(load_bundle(tmp_path / "b"), source, tmp_path / "out", options=TOLD)

    # Another digest, other names of files; the same alarms.
    assert_told_alike(
        alarms_of(tmp_path / "out"),
        alarms_of(whole).assign(model=alarms_of(tmp_path / "out")["model"]),
    )
