"""The batch job: exact rows out, each file once, and clear words when it cannot."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from rareevent.bundle import save_bundle
from rareevent.errors import ConfigError, DataError, ModelError, OutputError
from rareevent.ingestion.frame import Clock
from rareevent.scoring.job import ScoreOptions, plan_files, score_files
from tests.bundles import raw_rows, tiny_bundle, tiny_config
from tests.scoring.outputs import finish, manifest, scored, start, tree


@pytest.fixture(scope="module")
def bundle():
    return tiny_bundle()


@pytest.fixture
def day(tmp_path):
    """A file of raw rows with a column that the model does not know."""
    table = raw_rows()
    table["y"] = 0
    table.to_parquet(tmp_path / "day.parquet")
    return tmp_path / "day.parquet"


def test_every_row_comes_out_once_with_probability_and_alarm(bundle, day, tmp_path):
    out = tmp_path / "out"
    summary = score_files(bundle, day, out, options=ScoreOptions(model="models:/tiny/1"))
    (part,) = (out / "scores").glob("date=2024-03-01/part-*.parquet")
    assert pq.read_schema(part) == pa.schema(
        [
            ("asset", pa.string()),
            ("time", pa.timestamp("us")),
            ("probability", pa.float64()),
            ("alarm", pa.bool_()),
        ]
    )
    rows = scored(out)
    raw = raw_rows()
    assert rows["asset"].tolist() == raw["machine"].tolist()
    assert rows["time"].tolist() == raw["when"].tolist()
    assert rows["probability"].between(0, 1).all()
    alarms = scored(out, "alarms")
    assert alarms.columns.tolist() == ["asset", "time", "probability", "threshold", "model"]
    expected = rows[rows["alarm"]].reset_index(drop=True)
    pd.testing.assert_frame_equal(alarms[["asset", "time"]], expected[["asset", "time"]])
    assert (alarms["threshold"] == 0.25).all()
    assert (alarms["model"] == "models:/tiny/1").all()
    assert (summary.rows_read, summary.rows_scored, dict(summary.not_scored)) == (120, 120, {})
    assert (summary.assets, summary.alarms) == (2, len(alarms))
    assert (summary.first, summary.last) == ("2024-03-01 00:00:00", "2024-03-01 01:59:00")
    assert (summary.events_known, summary.model) == (None, "models:/tiny/1")
    assert {path.split("/")[0] for path in tree(out)} == {"scores", "alarms", "manifest.db"}
    json.dumps(summary.to_json(), allow_nan=False)


def test_the_output_reads_as_one_table_with_a_folder_per_day(bundle, tmp_path):
    table = raw_rows(assets=("m1",))
    days = [table.assign(when=table["when"] + pd.Timedelta(days=d)) for d in range(3)]
    pd.concat(days).to_parquet(tmp_path / "days.parquet")
    score_files(bundle, tmp_path / "days.parquet", tmp_path / "out")
    whole = ds.dataset(tmp_path / "out" / "scores", partitioning="hive").to_table()

    assert whole.num_rows == 180
    assert whole.column_names == ["asset", "time", "probability", "alarm", "date"]
    assert sorted(set(whole["date"].to_pylist())) == ["2024-03-01", "2024-03-02", "2024-03-03"]
    dates = whole["time"].cast("date32").cast("string")
    assert dates.to_pylist() == whole["date"].to_pylist()


def test_csv_output_holds_what_parquet_output_holds(bundle, day, tmp_path):
    score_files(bundle, day, tmp_path / "out")
    score_files(bundle, day, tmp_path / "csv", options=ScoreOptions(format="csv"))
    for kind in ("scores", "alarms"):
        rows = scored(tmp_path / "csv", kind)
        rows["time"] = pd.to_datetime(rows["time"]).astype("M8[us]")
        pd.testing.assert_frame_equal(rows, scored(tmp_path / "out", kind), check_dtype=False)


def test_the_order_of_input_rows_does_not_matter(bundle, day, tmp_path):
    score_files(bundle, day, tmp_path / "out")
    pd.read_parquet(day).sample(frac=1, random_state=3).to_parquet(tmp_path / "mixed.parquet")
    score_files(bundle, tmp_path / "mixed.parquet", tmp_path / "mixed")
    pd.testing.assert_frame_equal(scored(tmp_path / "out"), scored(tmp_path / "mixed"))


def test_a_file_is_taken_once_whatever_it_is_called(bundle, day, tmp_path):
    first = score_files(bundle, day, tmp_path / "out")
    before = {name: (tmp_path / "out" / name).read_bytes() for name in tree(tmp_path / "out")}
    again = score_files(bundle, day, tmp_path / "out")
    day.rename(tmp_path / "renamed.parquet")
    renamed = score_files(bundle, tmp_path / "*.parquet", tmp_path / "out")

    assert (first.files_known, again.files_known, renamed.files_known) == (0, 1, 1)
    assert (again.rows_read, renamed.rows_read, again.first) == (0, 0, None)
    del before["manifest.db"]
    for name, content in before.items():
        assert (tmp_path / "out" / name).read_bytes() == content
    assert len(manifest(tmp_path / "out")) == 1


def test_the_manifest_says_what_became_of_each_file(bundle, day, tmp_path):
    import hashlib

    score_files(bundle, day, tmp_path / "out", options=ScoreOptions(model="models:/tiny/3"))
    columns = "path, sha256, rows, scored, rejected, alarms, first, last, model"
    (row,) = manifest(tmp_path / "out", f"SELECT {columns} FROM inputs")
    alarms = len(scored(tmp_path / "out", "alarms"))
    sha256 = hashlib.sha256(day.read_bytes()).hexdigest()
    times = ("2024-03-01 00:00:00", "2024-03-01 01:59:00")

    assert row == (str(day), sha256, 120, 120, 0, alarms, *times, "models:/tiny/3")
    (listed,) = manifest(tmp_path / "out", "SELECT sum(rows) FROM outputs WHERE kind = 'scores'")
    assert listed == (120,)


def test_each_asset_alone_scores_as_it_does_in_the_whole(bundle, day, tmp_path):
    score_files(bundle, day, tmp_path / "whole")
    table, parts = pd.read_parquet(day), []
    for asset in ("m1", "m2"):
        table[table["machine"] == asset].to_parquet(tmp_path / "one.parquet")
        score_files(bundle, tmp_path / "one.parquet", tmp_path / asset)
        parts.append(scored(tmp_path / asset))
    together = pd.concat(parts, ignore_index=True)
    pd.testing.assert_frame_equal(together, scored(tmp_path / "whole"), atol=1e-5, rtol=0)


def test_an_event_feed_cuts_segments_and_its_rows_are_counted(bundle, day, tmp_path):
    (tmp_path / "events.csv").write_text(
        "when,machine\n2024-03-01 00:10:00,m1\n2024-03-01 00:20:30,m2\n2024-03-01 00:05:00,m9\n"
    )
    blind = score_files(bundle, day, tmp_path / "blind")
    summary = score_files(bundle, day, tmp_path / "out", tmp_path / "events.csv")
    assert blind.events_known is None
    assert summary.events_known == 2
    assert summary.not_scored == {"event": 1}
    without, with_feed = scored(tmp_path / "blind"), scored(tmp_path / "out")
    missing = set(zip(without["asset"], without["time"], strict=True)) - set(
        zip(with_feed["asset"], with_feed["time"], strict=True)
    )
    assert missing == {("m1", pd.Timestamp("2024-03-01 00:10"))}
    at = (with_feed["asset"] == "m1") & (with_feed["time"] == pd.Timestamp("2024-03-01 00:11"))
    before = (without["asset"] == "m1") & (without["time"] == pd.Timestamp("2024-03-01 00:11"))
    assert with_feed[at]["probability"].item() != without[before]["probability"].item()


def test_the_time_column_of_a_feed_may_simply_be_called_time(bundle, day, tmp_path):
    (tmp_path / "events.csv").write_text("time,machine\n2024-03-01 00:10:00,m1\n")
    assert score_files(bundle, day, tmp_path / "out", tmp_path / "events.csv").events_known == 1


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("at,machine", r"lacks a time column \('when' or 'time'\)"),
        ("when,where", "lacks the asset column 'machine'"),
        ("a,b", "lacks a time column .* and the asset column"),
    ],
)
def test_a_feed_without_its_columns_is_refused_in_words(bundle, day, tmp_path, header, said):
    (tmp_path / "events.csv").write_text(f"{header}\n2024-03-01 00:10:00,m1\n")
    with pytest.raises(DataError, match=said):
        score_files(bundle, day, tmp_path / "out", tmp_path / "events.csv")
    assert not (tmp_path / "out").exists()


def test_a_model_trained_with_an_event_log_reads_feeds_like_it(day, tmp_path):
    log = {"source": "log.csv", "time": "tripped", "asset": "unit"}
    ingest = {**tiny_config().dump()["ingest"], "label": None, "events": log}
    bundle = tiny_bundle(tiny_config(ingest=ingest))
    (tmp_path / "feed.csv").write_text("unit,tripped\nm1,2024-03-01 00:10:00\n")
    assert score_files(bundle, day, tmp_path / "out", tmp_path / "feed.csv").events_known == 1
    (tmp_path / "feed.csv").write_text("unit,time\nm1,2024-03-01 00:10:00\n")
    with pytest.raises(DataError, match="tripped"):
        score_files(bundle, day, tmp_path / "out", tmp_path / "feed.csv")


def test_ages_stay_whole_numbers_and_share_folders_by_the_thousand(tmp_path):
    ingest = {"source": "x", "time": "cycle", "asset": "unit", "events": "last_row"}
    ingest |= {"categorical": ["grade"]}
    bundle = tiny_bundle(tiny_config(ingest=ingest, label={"horizon": 5}), clock=Clock("age", 1))
    table = raw_rows(rows=10).rename(columns={"machine": "unit"})
    table["cycle"] = table.groupby("unit").cumcount() + 994
    table.drop(columns="when").to_csv(tmp_path / "units.csv", index=False)
    summary = score_files(bundle, tmp_path / "units.csv", tmp_path / "out")
    rows = scored(tmp_path / "out")
    assert rows["time"].dtype == np.int64
    assert rows["time"].tolist() == [*range(994, 1004)] * 2
    assert (summary.first, summary.last) == ("994", "1003")
    folders = sorted(path.name for path in (tmp_path / "out" / "scores").iterdir())
    assert folders == ["age=0", "age=1000"]


@pytest.mark.parametrize(
    ("spoil", "error", "said"),
    [
        (
            lambda t: t.rename(columns={"s2": "other", "machine": "plant"}),
            ModelError,
            "lacks machine, s2; the model needs time 'when', asset 'machine' and s1, s2, grade",
        ),
        (lambda t: t.rename(columns={"when": "t"}), ModelError, "lacks when"),
        (lambda t: t.assign(when="soon"), DataError, "soon"),
        (lambda t: t.assign(when=range(len(t))), DataError, "whole numbers .* points in time"),
    ],
)
def test_input_that_does_not_fit_is_refused_and_nothing_is_written(
    bundle, tmp_path, spoil, error, said
):
    spoil(raw_rows()).to_csv(tmp_path / "bad.csv", index=False)
    with pytest.raises(error, match=said):
        score_files(bundle, tmp_path / "bad.csv", tmp_path / "new" / "out")
    assert not (tmp_path / "new" / "out").exists()


def test_rows_before_since_warm_up_and_are_not_written(bundle, day, tmp_path):
    score_files(bundle, day, tmp_path / "whole")
    since = ScoreOptions(since="2024-03-01 00:15:00")
    summary = score_files(bundle, day, tmp_path / "out", options=since)
    expected = scored(tmp_path / "whole")
    expected = expected[expected["time"] >= "2024-03-01 00:15"].reset_index(drop=True)

    pd.testing.assert_frame_equal(scored(tmp_path / "out"), expected)
    assert summary.not_scored == {"before_since": 30}
    assert summary.rows_scored == len(expected)
    with pytest.raises(ConfigError, match="--since: must be points in time"):
        score_files(bundle, day, tmp_path / "out", options=ScoreOptions(since="7"))


def test_a_dry_run_tells_the_plan_in_the_order_of_time_and_writes_nothing(bundle, tmp_path):
    table = raw_rows(assets=("m1",))
    table[:20].to_csv(tmp_path / "z.csv", index=False)
    table[20:].to_csv(tmp_path / "a.csv", index=False)
    before = tree(tmp_path)
    plan = plan_files(bundle, tmp_path / "*.csv", tmp_path / "out")

    assert [(Path(f["file"]).name, f["rows"]) for f in plan["files"]] == [
        ("z.csv", 20),
        ("a.csv", 40),
    ]
    assert plan["files"][1]["first"] == "2024-03-01 00:20:00"
    assert (plan["known"], plan["late"]) == (0, {})
    assert tree(tmp_path) == before
    score_files(bundle, tmp_path / "z.csv", tmp_path / "out")
    plan = plan_files(bundle, tmp_path / "*.csv", tmp_path / "out")
    assert ([Path(f["file"]).name for f in plan["files"]], plan["known"]) == (["a.csv"], 1)


@pytest.mark.parametrize("source", ["data", "data/*", "data/../data", "data/**", "da*"])
def test_an_output_inside_its_own_input_is_refused(bundle, day, tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    day.rename("data/day.parquet")
    for output in ("data", "data/out"):
        with pytest.raises(OutputError, match="part of the input"):
            score_files(bundle, source, output)
    assert os.listdir("data") == ["day.parquet"]


@pytest.mark.parametrize("source", ["data/*.parquet", "data/day.parquet"])
def test_an_output_beside_the_files_that_a_glob_names_is_allowed(
    bundle, day, tmp_path, monkeypatch, source
):
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    day.rename("data/day.parquet")
    assert score_files(bundle, source, "data/out").rows_scored == 120
    assert score_files(bundle, source, "data/out").files_known == 1


def test_an_output_that_is_a_file_is_refused(bundle, day, tmp_path):
    (tmp_path / "out").write_text("x")
    with pytest.raises(OutputError, match="is a file"):
        score_files(bundle, day, tmp_path / "out")


def test_an_output_whose_name_the_system_refuses_is_refused_in_words(bundle, day, tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        score_files(bundle, day, tmp_path / ("o" * 300))


def test_an_output_without_its_state_is_not_written_into(bundle, day, tmp_path):
    score_files(bundle, day, tmp_path / "out")
    (tmp_path / "out" / "manifest.db").rename(tmp_path / "kept.db")
    for run in (score_files, plan_files):
        with pytest.raises(
            OutputError, match=r"not the state that they left; name it with --state"
        ):
            run(bundle, day, tmp_path / "out")
    (tmp_path / "kept.db").rename(tmp_path / "out" / "manifest.db")
    assert score_files(bundle, day, tmp_path / "out").files_known == 1


def test_a_state_may_lie_elsewhere_and_belongs_to_one_output(bundle, day, tmp_path):
    options = ScoreOptions(state=tmp_path / "states" / "line.db")
    score_files(bundle, day, tmp_path / "out", options=options)
    assert score_files(bundle, day, tmp_path / "out", options=options).files_known == 1
    assert os.listdir(tmp_path / "states") == ["line.db"]
    assert "manifest.db" not in tree(tmp_path / "out")
    for run in (score_files, plan_files):
        with pytest.raises(OutputError, match="a state belongs to one output"):
            run(bundle, day, tmp_path / "other", options=options)


def test_what_is_no_state_is_refused_in_words(bundle, day, tmp_path):
    for content in (b"no database " * 1000, b"SQLite format 3\0"):
        (tmp_path / "line.db").write_bytes(content)
        with pytest.raises(OutputError, match="state"):
            score_files(
                bundle, day, tmp_path / "out", options=ScoreOptions(state=tmp_path / "line.db")
            )


PURE = """
import sys
from rareevent.cli.app import main
try:
    main(["score", "--model", sys.argv[1], "--input", sys.argv[2], "--output", sys.argv[3]])
except SystemExit as done:
    heavy = {"tensorflow", "keras", "sklearn", "imblearn", "matplotlib", "mlflow", "scipy"}
    print(done.code, sorted(heavy & set(sys.modules)))
"""


def test_scoring_with_a_bundle_directory_wakes_neither_mlflow_nor_a_training_library(
    bundle, day, tmp_path
):
    save_bundle(bundle, tmp_path / "b")
    done = finish(start(tmp_path / "b", day, tmp_path / "out", code=PURE))
    assert done.stdout.splitlines()[-1] == "0 []", done.stderr
    assert len(scored(tmp_path / "out")) == 120


def test_rows_are_written_in_bounded_pieces(bundle, day, tmp_path, monkeypatch):
    score_files(bundle, day, tmp_path / "out")
    monkeypatch.setattr("rareevent.scoring.tables._CHUNK", 7)
    score_files(bundle, day, tmp_path / "pieces")
    pd.testing.assert_frame_equal(scored(tmp_path / "out"), scored(tmp_path / "pieces"))


def test_an_output_inside_a_folder_named_like_a_pattern_is_refused(bundle, day, tmp_path):
    (tmp_path / "in[1]").mkdir()
    day.rename(tmp_path / "in[1]" / "a.parquet")
    with pytest.raises(OutputError, match="would become part of the input"):
        score_files(bundle, tmp_path / "in[1]", tmp_path / "in[1]" / "out")


def test_a_state_damaged_inside_is_told_in_words(bundle, day, tmp_path):
    score_files(bundle, day, tmp_path / "out")
    state = tmp_path / "out" / "manifest.db"
    whole = state.read_bytes()
    state.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    for run in (score_files, plan_files):
        with pytest.raises(OutputError, match=r"manifest\.db: the state cannot be used"):
            run(bundle, day, tmp_path / "out")


def test_a_file_whose_name_is_no_text_is_refused_in_words(bundle, day, tmp_path):
    (tmp_path / "in").mkdir()
    os.rename(day, os.fsencode(tmp_path / "in") + b"/\xff.parquet")
    with pytest.raises(DataError, match=r"udcff\.parquet'?: its name is no UTF-8 text; rename it"):
        score_files(bundle, tmp_path / "in", tmp_path / "out")
