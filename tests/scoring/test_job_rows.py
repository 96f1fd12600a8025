"""Rows that cannot be scored are set apart with their reason; the others are scored as ever."""

import gzip

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rareevent.errors import DataError
from rareevent.scoring.job import ScoreOptions, score_files
from tests.bundles import raw_rows, tiny_bundle, tiny_config
from tests.scoring.fleets import fleet_bundle
from tests.scoring.outputs import scored


@pytest.fixture(scope="module")
def bundle():
    return tiny_bundle()


def with_ingest(**changes):
    return tiny_bundle(tiny_config(ingest={**tiny_config().dump()["ingest"], **changes}))


def score_lines(bundle, tmp_path, lines, header="when,machine,s1,s2,grade", **options):
    (tmp_path / "day.csv").write_text("\n".join([header, *lines]) + "\n")
    out = tmp_path / "out"
    summary = score_files(bundle, tmp_path / "day.csv", out, options=ScoreOptions(**options))
    return summary, scored(out), scored(out, "rejected")


def lines_of(table):
    return table.to_csv(index=False, header=False).splitlines()


def test_each_broken_row_is_rejected_with_its_place_and_reason(bundle, tmp_path):
    lines = lines_of(raw_rows(rows=8, assets=("m1",)))
    lines[1] = "yesterday,m1,1,2,A"
    lines[2] = ",m1,1,2,A"
    lines[3] = lines[3].replace("m1", "")
    lines[4] = "2024-03-01 00:04:00,m1,Bad,2,A"
    lines[5] = "2024-03-01 00:05:00,m1,1,,A"
    lines[6] = "2024-03-01 00:06:00,m1,1"
    summary, rows, rejected = score_lines(bundle, tmp_path, lines)

    found = rejected.sort_values("row")[["row", "reason", "detail"]]
    assert found.astype(object).fillna("-").to_numpy().tolist() == [
        [2, "unreadable_time", "yesterday"],
        [3, "unreadable_time", ""],
        [4, "no_asset", ""],
        [5, "text_in_number", "s1: Bad"],
        ["-", "broken_row", "2024-03-01 00:06:00,m1,1"],
    ]
    assert set(rejected["file"]) == {str(tmp_path / "day.csv")}
    # Minute 5 has a missing reading, which is filled; the gaps that rejected rows leave cut.
    assert rows["time"].dt.minute.tolist() == [0, 5, 7]
    assert (summary.rows_read, summary.rows_scored, summary.rows_rejected) == (8, 3, 5)
    assert summary.rows_scored + sum(summary.not_scored.values()) == 8


def test_the_good_rows_are_scored_as_if_the_others_had_not_come(bundle, tmp_path):
    good = lines_of(raw_rows(rows=20))
    _, expected, _ = score_lines(bundle, tmp_path, good)
    (tmp_path / "mixed").mkdir()
    bad = ["never,m1,1,2,A", "2024-03-01 00:00:30,m1,x,2,A", "2024-03-01 00:01:30,m2,1,1e,A"]
    mixed = [*bad[:1], *good[:7], *bad[1:2], *good[7:], *bad[2:]]
    _, rows, rejected = score_lines(bundle, tmp_path / "mixed", mixed)

    pd.testing.assert_frame_equal(rows, expected, atol=1e-9)
    assert len(rejected) == 3


def test_text_is_missing_where_the_model_was_trained_so_and_a_comma_is_never_guessed(tmp_path):
    bundle = with_ingest(dirty_text="missing")
    lines = ["2024-03-01 00:00:00,m1,1,2,A", "2024-03-01 00:01:00,m1,Bad,2,A"]
    lines += ['2024-03-01 00:02:00,m1,"1,5",2,A', "2024-03-01 00:03:00,m1,true,2,A"]
    summary, rows, rejected = score_lines(bundle, tmp_path, lines)

    assert rows["time"].dt.minute.tolist() == [0, 1, 3]
    assert rejected[["reason", "detail"]].to_numpy().tolist() == [["text_in_number", "s1: 1,5"]]
    assert summary.notes == ("text in a numeric column made missing: 1",)


def test_infinite_readings_are_missing_or_rejected_as_in_training(tmp_path):
    lines = ["2024-03-01 00:00:00,m1,1,2,A", "2024-03-01 00:01:00,m1,inf,2,A"]
    summary, rows, _ = score_lines(tiny_bundle(), tmp_path, lines)
    assert (len(rows), summary.notes) == (2, ("infinite value made missing: 1",))
    (tmp_path / "strict").mkdir()
    _, rows, rejected = score_lines(with_ingest(infinite="refuse"), tmp_path / "strict", lines)
    assert (len(rows), rejected["reason"].tolist()) == (1, ["infinite"])


def test_contradicting_rows_are_averaged_or_rejected_as_in_training(tmp_path):
    lines = ["2024-03-01 00:00:00,m1,1,2,A", "2024-03-01 00:01:00,m1,5,2,A"]
    lines += ["2024-03-01 00:01:00,m1,9,2,A", "2024-03-01 00:00:00,m1,1,2,A"]
    summary, rows, _ = score_lines(tiny_bundle(), tmp_path, lines)
    assert (len(rows), summary.not_scored) == (2, {"merged_duplicate": 2})
    assert "identical row dropped: 1" in summary.notes
    (tmp_path / "strict").mkdir()
    strict = with_ingest(duplicates="refuse")
    summary, rows, rejected = score_lines(strict, tmp_path / "strict", lines)
    assert rejected[["row", "reason"]].to_numpy().tolist() == [
        [2, "conflicting_duplicate"],
        [3, "conflicting_duplicate"],
    ]
    assert summary.not_scored == {"conflicting_duplicate": 2, "merged_duplicate": 1}
    assert len(rows) == 1


def test_rows_without_enough_history_are_rejected_and_counted(tmp_path):
    bundle = fleet_bundle(pad="none", lookback=4)
    raw_rows(rows=10, assets=("m1",)).to_parquet(tmp_path / "day.parquet")
    summary = score_files(bundle, tmp_path / "day.parquet", tmp_path / "out")
    rejected = scored(tmp_path / "out", "rejected")

    # Two segments of five rows; the first three of each have fewer than four behind them.
    assert rejected["time"].dt.minute.tolist() == [0, 1, 2, 5, 6, 7]
    assert set(rejected["reason"]) == {"short_history"}
    assert (summary.rows_scored, summary.not_scored) == (4, {"short_history": 6})


def test_all_rows_rejected_is_an_answer_and_no_failure(bundle, tmp_path):
    table = raw_rows(rows=5).assign(s1="Bad")
    summary, rows, rejected = score_lines(bundle, tmp_path, lines_of(table))

    assert (len(rows), len(rejected), summary.rows_read) == (0, 10, 10)
    assert summary.not_scored == {"text_in_number": 10}


def test_a_file_with_a_header_alone_is_taken(bundle, tmp_path):
    summary, rows, _ = score_lines(bundle, tmp_path, [])

    assert (len(summary.files), summary.rows_read, len(rows)) == (1, 0, 0)


def test_columns_that_the_model_does_not_know_are_ignored(bundle, tmp_path):
    lines = [f"{line},note {i}" for i, line in enumerate(lines_of(raw_rows(rows=4)))]
    summary, _, _ = score_lines(bundle, tmp_path, lines, "when,machine,s1,s2,grade,remark")

    assert summary.rows_scored == 8


def test_unreadable_ages_and_epochs_are_rejected_one_by_one(tmp_path):
    table = raw_rows(rows=6, assets=("m1",))
    bundle = with_ingest(time_format="epoch_s")
    stamps = (table["when"] - pd.Timestamp(0)) // pd.Timedelta("1s")
    lines = lines_of(table.assign(when=stamps.astype(object).where(table.index != 2, "soon")))
    _, rows, rejected = score_lines(bundle, tmp_path, lines)

    assert len(rows) == 5
    assert rejected[["row", "detail"]].to_numpy().tolist() == [[3, "soon"]]


def test_times_missing_from_a_typed_column_are_rejected(bundle, tmp_path):
    table = raw_rows(rows=6, assets=("m1",))
    table.loc[4, "when"] = pd.NaT
    table.to_parquet(tmp_path / "day.parquet")
    score_files(bundle, tmp_path / "day.parquet", tmp_path / "out")

    assert scored(tmp_path / "out", "rejected")["reason"].tolist() == ["unreadable_time"]
    assert len(scored(tmp_path / "out")) == 5


def test_a_typed_time_that_no_calendar_has_is_rejected_and_the_others_are_scored(bundle, tmp_path):
    table = raw_rows(20, ("m1",))
    good = table.drop(index=7)
    stored = table["when"].to_numpy().astype("M8[us]").view(np.int64)
    stored[7] = 2**62
    when = pa.array(stored).cast(pa.timestamp("us"))
    rest = pa.Table.from_pandas(table.drop(columns="when"), preserve_index=False)
    pq.write_table(rest.add_column(0, "when", when), tmp_path / "rows.parquet")
    summary = score_files(bundle, tmp_path / "rows.parquet", tmp_path / "out")
    good.to_parquet(tmp_path / "good.parquet")
    score_files(bundle, tmp_path / "good.parquet", tmp_path / "expected")

    assert summary.not_scored == {"unreadable_time": 1}
    rejected = scored(tmp_path / "out", "rejected")
    assert rejected[["row", "detail"]].to_numpy().tolist() == [[8, str(2**62)]]
    pd.testing.assert_frame_equal(scored(tmp_path / "out"), scored(tmp_path / "expected"))


def test_a_sensor_without_a_reading_in_a_file_is_told_by_name(bundle, tmp_path):
    for name, silent in (("a", ["s2", "grade"]), ("b", ["s2"]), ("c", [])):
        table = raw_rows(10, (name,))
        table[silent] = None
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    summary = score_files(bundle, tmp_path / "*.csv", tmp_path / "out")

    a = tmp_path / "a.csv"
    assert [note.split(";")[0] for note in summary.notes] == [
        f"grade has no reading in {a}",
        f"s2 has no reading in {a} and 1 more",
    ]
    assert summary.rows_scored == 30


@pytest.mark.parametrize("minutes", [45, 80, 110])
def test_a_file_that_ends_in_the_hour_that_the_clock_repeats_is_scored_and_the_next_goes_on(
    tmp_path, minutes
):
    zoned = with_ingest(timezone="Europe/Berlin")
    table = raw_rows(180, ("m1",)).assign(
        when=pd.date_range("2024-10-26T23:30", periods=180, freq="min")
    )
    wall = table["when"].dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin").dt.tz_localize(None)
    local = table.assign(when=wall)
    local[:minutes].to_csv(tmp_path / "a.csv", index=False)
    local[minutes:].to_csv(tmp_path / "b.csv", index=False)
    told = [score_files(zoned, tmp_path / f"{n}.csv", tmp_path / "out") for n in "ab"]
    table.to_csv(tmp_path / "utc.csv", index=False)
    score_files(with_ingest(), tmp_path / "utc.csv", tmp_path / "expected")

    assert [dict(done.not_scored) for done in told] == [{}, {}]
    expected = scored(tmp_path / "expected")
    pd.testing.assert_frame_equal(scored(tmp_path / "out"), expected, atol=1e-5, rtol=0)


def test_a_file_from_within_that_hour_alone_is_rejected_row_by_row_with_the_reason(tmp_path):
    zoned = with_ingest(timezone="Europe/Berlin")
    rows = raw_rows(5, ("m1",))
    rows["when"] = pd.date_range("2024-10-27T02:10", periods=5, freq="min")
    rows.to_csv(tmp_path / "a.csv", index=False)
    done = score_files(zoned, tmp_path / "a.csv", tmp_path / "out")
    assert done.not_scored == {"unreadable_time": 5}
    detail = scored(tmp_path / "out", "rejected")["detail"][0]
    assert detail == "2024-10-27 02:10:00 occurs twice as the clock goes back"


def test_a_row_from_the_future_is_told_for_what_comes_before_it_will_be_late(bundle, tmp_path):
    table = raw_rows(10, ("m1",))
    table.loc[9, "when"] = pd.Timestamp("2099-01-01")
    table.to_csv(tmp_path / "a.csv", index=False)
    (note,) = score_files(bundle, tmp_path / "a.csv", tmp_path / "out").notes
    assert note.startswith("the newest row is of 2099-01-01 00:00:00, which lies in the future")


def cut_short(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])


@pytest.mark.parametrize("kind", ["gzip", "parquet"])
def test_a_file_cut_short_stops_the_job_before_anything_is_scored_and_is_taken_once_whole(
    bundle, tmp_path, kind
):
    table = raw_rows(rows=3000, assets=("m1",))
    data = tmp_path / "data"
    data.mkdir()
    names = [data / f"{day}.{'csv.gz' if kind == 'gzip' else 'parquet'}" for day in range(3)]
    for place, path in enumerate(names):
        part = table[place * 1000 : (place + 1) * 1000]
        (part.to_csv if kind == "gzip" else part.to_parquet)(path, index=False)
    score_files(bundle, data, tmp_path / "whole")
    complete = names[1].read_bytes()
    cut_short(names[1])

    for _ in range(2):
        with pytest.raises(DataError, match=names[1].name):
            score_files(bundle, data, tmp_path / "out")
        assert not (tmp_path / "out").exists()
    names[1].write_bytes(complete)
    assert score_files(bundle, data, tmp_path / "out").rows_scored == 3000
    pd.testing.assert_frame_equal(scored(tmp_path / "out"), scored(tmp_path / "whole"))


def test_a_file_whose_readings_cannot_be_read_stops_the_job_and_leaves_what_was_taken(
    bundle, tmp_path, monkeypatch
):
    """Times and assets can be read, and so the file has its place; what follows them cannot."""
    table = raw_rows(rows=2000, assets=("m1",))
    table["s2"] = np.random.default_rng(0).normal(size=2000)
    data = tmp_path / "data"
    data.mkdir()
    for place in range(3):
        table[place * 500 : (place + 1) * 500].to_parquet(data / f"{place}.parquet")
    score_files(bundle, data, tmp_path / "whole")
    content = (data / "1.parquet").read_bytes()
    import pyarrow.parquet as pq

    at = pq.ParquetFile(data / "1.parquet").metadata.row_group(0).column(3).data_page_offset
    (data / "1.parquet").write_bytes(content[:at] + b"\xff" * 200 + content[at + 200 :])

    with pytest.raises(DataError, match=r"1\.parquet: cannot be read"):
        score_files(bundle, data, tmp_path / "out")
    assert len(scored(tmp_path / "out")) == 500
    (data / "1.parquet").write_bytes(content)
    assert score_files(bundle, data, tmp_path / "out").rows_scored == 1000
    pd.testing.assert_frame_equal(scored(tmp_path / "out"), scored(tmp_path / "whole"))


def test_a_cut_gzip_file_of_any_length_is_refused_in_one_line(bundle, tmp_path):
    content = gzip.compress("\n".join(["when,machine,s1,s2,grade", *lines_of(raw_rows())]).encode())
    for length in (1, 5, 100, len(content) - 9, len(content) - 1):
        (tmp_path / "day.csv.gz").write_bytes(content[:length])
        with pytest.raises(DataError) as refused:
            score_files(bundle, tmp_path / "day.csv.gz", tmp_path / "out")
        assert len(str(refused.value).splitlines()) == 1
