"""The batch job: exact rows out, whole or not at all, and clear words when it cannot."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rareevent.bundle import load_bundle, save_bundle
from rareevent.errors import DataError, LockedError, ModelError, OutputError, RareEventError
from rareevent.ingestion.frame import Clock
from rareevent.scoring.job import score_files
from tests.bundles import raw_rows, tiny_bundle, tiny_config

ROOT = Path(__file__).parents[2]


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


def scored(folder) -> pd.DataFrame:
    return pq.read_table(folder / "scores.parquet").to_pandas()


def test_every_row_comes_out_once_with_probability_and_alarm(bundle, day, tmp_path):
    summary = score_files(bundle, day, tmp_path / "out", model="models:/tiny/1")
    assert pq.read_schema(tmp_path / "out" / "scores.parquet") == pa.schema(
        [
            ("asset", pa.string()),
            ("time", pa.timestamp("us")),
            ("probability", pa.float64()),
            ("alarm", pa.bool_()),
        ]
    )
    rows = scored(tmp_path / "out")
    raw = raw_rows()
    assert rows["asset"].tolist() == raw["machine"].tolist()
    assert rows["time"].tolist() == raw["when"].tolist()
    assert rows["probability"].between(0, 1).all()
    alarms = pq.read_table(tmp_path / "out" / "alarms.parquet").to_pandas()
    assert alarms.columns.tolist() == ["asset", "time", "probability", "threshold"]
    expected = rows[rows["alarm"]].reset_index(drop=True)
    pd.testing.assert_frame_equal(alarms[["asset", "time"]], expected[["asset", "time"]])
    assert (alarms["threshold"] == 0.25).all()
    assert (summary.rows_read, summary.rows_scored, dict(summary.not_scored)) == (120, 120, {})
    assert (summary.assets, summary.alarms) == (2, len(alarms))
    assert (summary.first, summary.last) == ("2024-03-01 00:00:00", "2024-03-01 01:59:00")
    assert summary.events_known is None
    assert summary.model == "models:/tiny/1"
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "alarms.parquet",
        "scores.parquet",
    ]
    json.dumps(summary.to_json(), allow_nan=False)


def test_the_order_of_input_rows_does_not_matter(bundle, day, tmp_path):
    score_files(bundle, day, tmp_path / "out")
    pd.read_parquet(day).sample(frac=1, random_state=3).to_parquet(tmp_path / "mixed.parquet")
    score_files(bundle, tmp_path / "mixed.parquet", tmp_path / "mixed")
    pd.testing.assert_frame_equal(scored(tmp_path / "out"), scored(tmp_path / "mixed"))


def test_many_files_of_either_kind_are_one_input(bundle, day, tmp_path):
    score_files(bundle, day, tmp_path / "whole")
    table = pd.read_parquet(day)
    (tmp_path / "parts").mkdir()
    table[:50].to_csv(tmp_path / "parts" / "1.csv", index=False)
    table[50:].to_csv(tmp_path / "parts" / "2.csv.gz", index=False)
    for source in (tmp_path / "parts", tmp_path / "parts" / "*.csv*"):
        score_files(bundle, source, tmp_path / "out")
        pd.testing.assert_frame_equal(
            scored(tmp_path / "out"), scored(tmp_path / "whole"), atol=1e-5, rtol=0
        )


def test_each_asset_alone_scores_as_it_does_in_the_whole(bundle, day, tmp_path):
    score_files(bundle, day, tmp_path / "whole")
    table, parts = pd.read_parquet(day), []
    for asset in ("m1", "m2"):
        table[table["machine"] == asset].to_parquet(tmp_path / "one.parquet")
        score_files(bundle, tmp_path / "one.parquet", tmp_path / "one")
        parts.append(scored(tmp_path / "one"))
    together = pd.concat(parts, ignore_index=True)
    pd.testing.assert_frame_equal(together, scored(tmp_path / "whole"), atol=1e-5, rtol=0)


def test_repeated_rows_are_merged_and_counted(bundle, day, tmp_path):
    table = pd.read_parquet(day)
    pd.concat([table, table[:5]]).to_parquet(tmp_path / "twice.parquet")
    summary = score_files(bundle, tmp_path / "twice.parquet", tmp_path / "out")
    assert (summary.rows_read, summary.rows_scored) == (125, 120)
    assert summary.not_scored == {"merged_duplicate": 5}
    assert any("identical row dropped: 5" in note for note in summary.notes)


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


def test_ages_stay_whole_numbers(tmp_path):
    ingest = {"source": "x", "time": "cycle", "asset": "unit", "events": "last_row"}
    ingest |= {"categorical": ["grade"]}
    bundle = tiny_bundle(tiny_config(ingest=ingest, label={"horizon": 5}), clock=Clock("age", 1))
    table = raw_rows(rows=10).rename(columns={"machine": "unit"})
    table["cycle"] = table.groupby("unit").cumcount() + 1
    table.drop(columns="when").to_csv(tmp_path / "units.csv", index=False)
    summary = score_files(bundle, tmp_path / "units.csv", tmp_path / "out")
    rows = scored(tmp_path / "out")
    assert rows["time"].dtype == np.int64
    assert rows["time"].tolist() == [*range(1, 11)] * 2
    assert (summary.first, summary.last) == ("1", "10")


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
        (lambda t: t.assign(s1="Bad"), DataError, "'s1'.*Bad"),
        (lambda t: t[:0], DataError, "no row"),
        (lambda t: t.assign(machine=None), DataError, "rows have no asset"),
    ],
)
def test_input_that_does_not_fit_is_refused_and_nothing_is_written(
    bundle, tmp_path, spoil, error, said
):
    spoil(raw_rows()).to_csv(tmp_path / "bad.csv", index=False)
    with pytest.raises(error, match=said):
        score_files(bundle, tmp_path / "bad.csv", tmp_path / "new" / "out")
    assert not (tmp_path / "new" / "out").exists()


def test_an_error_leaves_an_earlier_output_as_it_was(bundle, day, tmp_path):
    score_files(bundle, day, tmp_path / "out")
    before = {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}
    (tmp_path / "bad.csv").write_text("when,machine,s1,s2,grade\nsoon,m1,1,2,A\n")
    with pytest.raises(RareEventError):
        score_files(bundle, tmp_path / "bad.csv", tmp_path / "out")
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == before


@pytest.mark.parametrize("source", ["data", "data/*.parquet", "data/../data", "data/**"])
def test_an_output_inside_its_own_input_is_refused(bundle, day, tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    day.rename("data/day.parquet")
    for output in ("data", "data/out"):
        if source == "data/*.parquet" and output == "data/out":
            continue
        with pytest.raises(OutputError, match="part of the input"):
            score_files(bundle, source, output)
    assert os.listdir("data") == ["day.parquet"]


def test_an_output_may_lie_beside_a_single_input_file_but_never_replace_it(bundle, day, tmp_path):
    score_files(bundle, day, tmp_path)
    assert len(scored(tmp_path)) == 120
    with pytest.raises(OutputError, match="part of the input"):
        score_files(bundle, tmp_path / "scores.parquet", tmp_path)


def test_an_output_that_is_a_file_is_refused(bundle, day, tmp_path):
    (tmp_path / "out").write_text("x")
    with pytest.raises(OutputError, match="is a file"):
        score_files(bundle, day, tmp_path / "out")


def test_an_output_whose_name_the_system_refuses_is_refused_in_words(bundle, day, tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        score_files(bundle, day, tmp_path / ("o" * 300))


def test_dirt_in_a_scored_file_names_what_can_be_done_now(bundle, day, tmp_path):
    pd.read_parquet(day).assign(s1="Bad").to_csv(tmp_path / "bad.csv", index=False)
    with pytest.raises(DataError, match=r"'s1' 120 x \('Bad'\); clean them; a model trained with"):
        score_files(bundle, tmp_path / "bad.csv", tmp_path / "out")


def test_a_full_disk_leaves_the_old_output_and_no_rest(bundle, day, tmp_path, monkeypatch):
    score_files(bundle, day, tmp_path / "out")
    before = {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}

    def full(*arguments, **named):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_batch", full)
    with pytest.raises(OutputError, match="No space left"):
        score_files(tiny_bundle(members=1), day, tmp_path / "out")
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == before


CHILD = """
    import os, signal, sys, time
    from pathlib import Path
    from rareevent.bundle import load_bundle
    from rareevent.scoring import job
    bundle, source, output, moment = sys.argv[1:]
    real = os.replace
    seen = []
    def die(old, new):
        if len(seen) == int(moment):
            os.kill(os.getpid(), signal.SIGKILL)
        seen.append(new)
        return real(old, new)
    os.replace = die
    job.score_files(load_bundle(bundle), source, output)
"""


def run_child(*arguments, code=CHILD):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("moment", [0, 1])
def test_killed_while_writing_leaves_whole_files_and_the_next_job_finishes(
    bundle, day, tmp_path, moment
):
    save_bundle(tiny_bundle(members=1), tmp_path / "b")
    score_files(bundle, day, tmp_path / "out")
    old = scored(tmp_path / "out")
    assert run_child(tmp_path / "b", day, tmp_path / "out", moment).returncode == -9
    pd.testing.assert_frame_equal(scored(tmp_path / "out"), old)
    pq.read_table(tmp_path / "out" / "alarms.parquet")
    score_files(load_bundle(tmp_path / "b"), day, tmp_path / "out")
    score_files(load_bundle(tmp_path / "b"), day, tmp_path / "fresh")
    pd.testing.assert_frame_equal(scored(tmp_path / "out"), scored(tmp_path / "fresh"))
    assert sorted(os.listdir(tmp_path / "out")) == ["alarms.parquet", "scores.parquet"]


HOLDER = """
    import sys, time
    from pathlib import Path
    from rareevent.scoring.output import output_folder
    with output_folder(Path(sys.argv[1])):
        print("held", flush=True)
        time.sleep(60)
"""


def test_a_second_job_on_one_output_is_refused_at_once(bundle, day, tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLDER), str(tmp_path / "out")],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LockedError, match="another job"):
            score_files(bundle, day, tmp_path / "out")
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    assert score_files(bundle, day, tmp_path / "out").rows_scored == 120


PURE = """
    import sys
    from rareevent.bundle import load_bundle
    from rareevent.scoring.job import score_files
    score_files(load_bundle(sys.argv[1]), sys.argv[2], sys.argv[3])
    heavy = {"tensorflow", "keras", "sklearn", "imblearn", "matplotlib", "mlflow"}
    print(sorted(heavy & set(sys.modules)))
"""


def test_scoring_a_bundle_imports_no_training_library(bundle, day, tmp_path):
    save_bundle(bundle, tmp_path / "b")
    done = run_child(tmp_path / "b", day, tmp_path / "out", code=PURE)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
    assert len(scored(tmp_path / "out")) == 120


def test_rows_are_written_in_bounded_pieces(bundle, day, tmp_path, monkeypatch):
    score_files(bundle, day, tmp_path / "out")
    monkeypatch.setattr("rareevent.scoring.output._CHUNK", 7)
    score_files(bundle, day, tmp_path / "pieces")
    pd.testing.assert_frame_equal(scored(tmp_path / "out"), scored(tmp_path / "pieces"))
