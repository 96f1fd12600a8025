"""The stages of a Spark job give what the local job gives, however rows fall to tasks."""

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from rareevent.errors import DataError
from rareevent.scoring import spark_job
from rareevent.scoring.job import ScoreOptions, score_files
from rareevent.scoring.spark_job import score_on_spark
from rareevent.scoring.spark_messages import pack, unpack
from rareevent.scoring.spark_scores import finish_assets, score_slices
from rareevent.scoring.spark_slices import cut_slices, read_files
from tests.scoring.fleets import fleet_bundle, fleet_events, fleet_rows
from tests.scoring.outputs import manifest, scored

HALF = pd.Timestamp("2024-03-01 00:30")


class Table:
    """What Spark gives back, as far as the job looks at it."""

    def __init__(self, batches):
        self.table = pa.Table.from_batches(batches)

    def toArrow(self):
        return self.table


def shuffled(batches, keys, parts, draw):
    """Batches as a shuffle hands them to each task: by key, sorted, cut anywhere."""
    table = pa.Table.from_batches(list(batches))
    code = pd.factorize(table["asset"].to_pandas())[0]
    for part in range(parts):
        mine = table.filter(pa.array(code % parts == part)).sort_by(
            [(k, "ascending") for k in keys]
        )
        if len(mine):
            yield mine.combine_chunks().to_batches(max_chunksize=int(draw.integers(1, 40)))


def without_spark(monkeypatch, parts, seed=0):
    """The stages one after the other in this process: starting the JVM takes ten seconds."""
    draw = np.random.default_rng(seed)

    def work_through(_session, work):
        ranks = [
            pa.record_batch({"rank": pa.array([r], pa.int32())}) for r in range(len(work.files))
        ]
        read = [batch for rank in ranks for batch in read_files(work, [rank])]
        keys = ["asset", "rank", "tick", "number"]
        cut = [b for part in shuffled(read, keys, parts, draw) for b in cut_slices(work, part)]
        order = draw.permutation(len(cut))
        slices = [cut[place] for place in order]
        score = [b for p in range(parts) for b in score_slices(work, slices[p::parts])]
        last = shuffled(score, ["asset", "place"], parts, draw)
        # Each task writes files of its own name; here there is no context that numbers them.
        tasks = ((replace(work, name=f"{work.name}-{p}"), part) for p, part in enumerate(last))
        return Table([batch for task, part in tasks for batch in finish_assets(task, part)])

    monkeypatch.setattr(spark_job, "spark_session", lambda master: nullcontext())
    monkeypatch.setattr(spark_job, "_work_through", work_through)


def dirty(rows):
    """Text times, words among numbers, no asset, a row twice: each has its reason."""
    rows = rows.assign(when=rows["when"].astype(str), s1=rows["s1"].astype(object))
    rows.iloc[3, rows.columns.get_loc("s1")] = "fault"
    rows.iloc[5, rows.columns.get_loc("when")] = "soon"
    rows.iloc[7, rows.columns.get_loc("machine")] = None
    return pd.concat([rows, rows.iloc[[9]], rows.iloc[[11]].assign(s2=5.0)])


def write(folder, seed, minutes=60):
    """Two files of the same assets, the later one dirty; then one with late and known rows."""
    rows = fleet_rows(seed, minutes=minutes)
    folder.mkdir(parents=True)
    rows[rows["when"] < HALF].to_parquet(folder / "b.parquet")
    dirty(rows[rows["when"] >= HALF]).to_csv(folder / "a.csv", index=False)
    return rows


def write_late(folder, rows):
    late = rows.iloc[20:40].assign(s1=lambda t: t["s1"].where(t.index % 2 == 0, 4.5))
    more = fleet_rows(77, ("m1", "other")).assign(when=lambda t: t["when"] + pd.Timedelta("90min"))
    pd.concat([late, more]).to_parquet(folder / "c.parquet")


def assert_equal(one, other):
    for kind in ("scores", "alarms"):
        pd.testing.assert_frame_equal(scored(one, kind), scored(other, kind), atol=1e-9)
    order = ["file", "asset", "time", "reason", "row", "detail"]
    rejected = [
        scored(out, "rejected").sort_values(order, ignore_index=True) for out in (one, other)
    ]
    pd.testing.assert_frame_equal(*rejected)
    for query in (
        "SELECT path, sha256, rows, scored, rejected, alarms, first, last, last_tick FROM inputs",
        "SELECT * FROM states ORDER BY asset",
        "SELECT * FROM late ORDER BY asset",
        "SELECT * FROM monitored ORDER BY slot",
        "SELECT * FROM events ORDER BY asset, tick",
    ):
        assert manifest(one, query) == manifest(other, query)
    assert len(scored(one, "alarms")) > 3


@settings(
    max_examples=6,
    phases=(Phase.explicit, Phase.generate),  # A failing example says enough, and each takes long.
    suppress_health_check=list(HealthCheck),
)
@given(seed=st.integers(0, 10**6), rows=st.integers(1, 70), parts=st.integers(1, 4))
def test_slices_of_any_size_in_any_order_give_what_the_local_job_gives(
    tmp_path_factory, monkeypatch, seed, rows, parts
):
    folder = tmp_path_factory.mktemp("job")
    delay = seed % 3
    bundle = fleet_bundle(event_delay=delay, min_history=1 + seed % 2 * 2, k=1 + seed % 3)
    write(folder / "in", seed)
    fleet_events(seed).to_csv(folder / "events.csv", index=False)
    given = (bundle, folder / "in")
    local = score_files(*given, folder / "one", folder / "events.csv")
    without_spark(monkeypatch, parts, seed)
    spark = score_on_spark(*given, folder / "two", folder / "events.csv", slice_rows=rows)
    for kind in ("scores", "alarms"):
        one, two = scored(folder / "one", kind), scored(folder / "two", kind)
        pd.testing.assert_frame_equal(one, two, atol=1e-9)
    assert spark.not_scored == local.not_scored
    for query in ("SELECT * FROM states ORDER BY asset", "SELECT * FROM events ORDER BY asset"):
        assert manifest(folder / "one", query) == manifest(folder / "two", query)


def test_both_engines_take_turns_on_one_output(tmp_path, monkeypatch):
    bundle, source = fleet_bundle(), tmp_path / "in"
    rows = write(source, 5)
    without_spark(monkeypatch, 3)
    ways = {
        "local": (score_files, score_files),
        "spark": (score_on_spark, score_on_spark),
        "mixed": (score_files, score_on_spark),
        "turned": (score_on_spark, score_files),
    }
    for name, (first, _) in ways.items():
        first(bundle, source, tmp_path / name)
    write_late(source, rows)
    told = {name: second(bundle, source, tmp_path / name) for name, (_, second) in ways.items()}
    for name in ("spark", "mixed", "turned"):
        assert_equal(tmp_path / "local", tmp_path / name)
        assert told[name].late == told["local"].late != {}
        assert told[name].not_scored == told["local"].not_scored
        assert told[name].files_known == 2
        assert told[name].notes == told["local"].notes
    assert score_on_spark(bundle, source, tmp_path / "spark").files == ()


def test_rows_before_since_warm_up_and_are_not_written(tmp_path, monkeypatch):
    bundle, source = fleet_bundle(), tmp_path / "in"
    write(source, 6)
    without_spark(monkeypatch, 2)
    options = ScoreOptions(since="2024-03-01 00:20")
    local = score_files(bundle, source, tmp_path / "one", options=options)
    spark = score_on_spark(bundle, source, tmp_path / "two", options=options, slice_rows=9)
    assert_equal(tmp_path / "one", tmp_path / "two")
    assert spark.not_scored == local.not_scored
    assert spark.not_scored["before_since"] > 20


def test_what_goes_wrong_in_a_task_is_raised_as_it_was_and_nothing_is_taken(tmp_path, monkeypatch):
    bundle, source = fleet_bundle(), tmp_path / "in"
    write(source, 7)
    without_spark(monkeypatch, 2)
    through = spark_job._work_through

    def changed(session, work):
        (source / "a.csv").write_text((source / "a.csv").read_text() + "\n")
        return through(session, work)

    monkeypatch.setattr(spark_job, "_work_through", changed)
    with pytest.raises(DataError, match="changed while it was being read"):
        score_on_spark(bundle, source, tmp_path / "out")
    assert not list((tmp_path / "out").rglob("part-*"))
    assert manifest(tmp_path / "out") == []


def test_a_body_comes_out_as_it_went_in():
    facts, arrays = unpack(pack({"a": [1, None, "é"]}, {"x": np.array([1.5, np.nan])}))
    assert facts == {"a": [1, None, "é"]}
    np.testing.assert_array_equal(arrays["x"], [1.5, np.nan])
