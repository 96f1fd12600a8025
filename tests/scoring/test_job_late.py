"""Files that grew, rows that come again, come late or were corrected, and scoring them anew."""

import os

import numpy as np
import pandas as pd
import pytest

from rareevent.errors import DataError
from rareevent.scoring.job import ScoreOptions, plan_files, score_files
from tests.bundles import MINUTE, raw_rows
from tests.scoring.fleets import BEGIN, fleet_bundle, fleet_rows
from tests.scoring.outputs import manifest, scored, tree
from tests.scoring.test_job_files import assert_same, write_whole
from tests.scoring.test_job_rows import with_ingest

AGAIN = ScoreOptions(reprocess=True)


@pytest.fixture(scope="module")
def bundle():
    return fleet_bundle(silence=8)


def minutes_of(table):
    return (table["when"].to_numpy().astype("M8[us]").view(np.int64) - BEGIN) // MINUTE


def between(table, first, stop):
    at = minutes_of(table)
    return table[(at >= first) & (at < stop)]


def expect(bundle, tmp_path, table):
    """The output of one file that held these rows from the beginning."""
    score_files(bundle, write_whole(tmp_path / "at-once", table), tmp_path / "expected")
    return tmp_path / "expected"


def test_a_file_that_grew_goes_on_from_its_assets_last_times(bundle, tmp_path):
    table = fleet_rows(1).sort_values(["when", "machine"])
    for stop in (20, 21, 60):
        between(table, 0, stop).to_csv(tmp_path / "log.csv", index=False)
        summary = score_files(bundle, tmp_path / "log.csv", tmp_path / "out")
    assert_same(expect(bundle, tmp_path, table), tmp_path / "out")

    before = len(between(table, 0, 21))
    assert summary.not_scored == {"already_scored": before}
    assert summary.rows_scored + before == summary.rows_read == len(table)
    assert summary.rows_rejected == 0
    assert len(manifest(tmp_path / "out")) == 3


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_bad_rows_of_a_file_that_grows_are_told_once(bundle, tmp_path, form):
    table = fleet_rows(1).sort_values(["when", "machine"], ignore_index=True)
    table["s1"] = table["s1"].astype(object)
    table.loc[4, "s1"], table.loc[130, "s1"] = "fault", "fault"
    table.loc[5, "when"] = None
    counts = []
    for stop in (60, 100, len(table)):
        table[:stop].to_csv(tmp_path / "log.csv", index=False)
        options = ScoreOptions(format=form)
        counts.append(score_files(bundle, tmp_path / "log.csv", tmp_path / "out", options=options))

    assert [done.rows_rejected for done in counts] == [2, 2, 3]
    assert sorted(scored(tmp_path / "out", "rejected")["row"]) == [5, 6, 131]


def test_rows_that_contradict_each_other_are_not_late_once_their_file_has_grown(tmp_path):
    bundle = with_ingest(duplicates="refuse")
    table = raw_rows(20, ("m1",))
    table = pd.concat([table[:6], table[5:6].assign(s1=5.0), table[6:]], ignore_index=True)
    for stop in (10, 21):
        table[:stop].to_csv(tmp_path / "log.csv", index=False)
        done = score_files(bundle, tmp_path / "log.csv", tmp_path / "out")

    assert (done.not_scored, done.late) == ({"already_scored": 10}, {})
    assert scored(tmp_path / "out", "rejected")["reason"].tolist() == ["conflicting_duplicate"] * 2


def test_a_last_line_that_was_half_written_is_taken_once_it_is_whole(bundle, tmp_path):
    table = fleet_rows(1, ("m1",))
    text = table.to_csv(index=False).encode()
    cut = text.rindex(b",", 0, text.rindex(b"\n", 0, len(text) // 2)) - 1
    (tmp_path / "log.csv").write_bytes(text[:cut])
    first = score_files(bundle, tmp_path / "log.csv", tmp_path / "out")
    (tmp_path / "log.csv").write_bytes(text)
    grown = score_files(bundle, tmp_path / "log.csv", tmp_path / "out")

    # A row cut before its last field is broken, not wrong.
    assert first.not_scored == {"broken_row": 1}
    assert "late" not in grown.not_scored
    expected = scored(expect(bundle, tmp_path, table))
    pd.testing.assert_frame_equal(scored(tmp_path / "out"), expected, atol=1e-5, rtol=0)


def test_a_last_reading_that_was_half_written_is_told_as_corrected(bundle, tmp_path):
    table = fleet_rows(1, ("m1",))[["when", "machine", "grade", "s1", "s2"]].dropna()
    text = table.to_csv(index=False).encode()
    cut = text.rindex(b"\n", 0, len(text) // 2) - 2
    (tmp_path / "log.csv").write_bytes(text[:cut])
    first = score_files(bundle, tmp_path / "log.csv", tmp_path / "out")
    (tmp_path / "log.csv").write_bytes(text)
    grown = score_files(bundle, tmp_path / "log.csv", tmp_path / "out", options=AGAIN)

    assert (first.not_scored, grown.not_scored["late"], grown.late) == ({}, 1, {})
    assert_same(expect(bundle, tmp_path, table), tmp_path / "out")


def test_rows_that_come_again_in_another_file_are_rejected_as_duplicates(bundle, tmp_path):
    table = fleet_rows(1)
    between(table, 0, 30).to_csv(tmp_path / "a.csv", index=False)
    between(table, 25, 60).to_csv(tmp_path / "b.csv", index=False)
    score_files(bundle, tmp_path / "a.csv", tmp_path / "out")
    summary = score_files(bundle, tmp_path / "b.csv", tmp_path / "out")
    again = len(between(table, 25, 30))

    assert summary.not_scored == {"duplicate": again}
    rejected = scored(tmp_path / "out", "rejected")
    assert sorted(minutes_of(rejected.rename(columns={"time": "when"}))) == sorted(
        minutes_of(between(table, 25, 30))
    )
    assert summary.late == {}
    pd.testing.assert_frame_equal(
        scored(tmp_path / "out"), scored(expect(bundle, tmp_path, table)), atol=1e-5, rtol=0
    )


def corrected(table, asset, minute):
    """The table with another reading of one asset at one minute."""
    table = table.copy()
    row = (table["machine"] == asset) & (minutes_of(table) == minute)
    assert row.sum() == 1
    table.loc[row, "s1"] = 99.0
    return table


def test_late_and_corrected_rows_are_told_apart_and_kept_out(bundle, tmp_path):
    table = fleet_rows(1)
    at = minutes_of(table[table["machine"] == "m2"])
    gone = (table["machine"] == "m2") & (minutes_of(table) == at[10])
    between(table[~gone], 0, 30).to_csv(tmp_path / "a.csv", index=False)
    score_files(bundle, tmp_path / "a.csv", tmp_path / "out")
    before = scored(tmp_path / "out")
    changed = corrected(table, "m2", at[15])
    between(changed, at[10], 30).to_csv(tmp_path / "b.csv", index=False)
    summary = score_files(bundle, tmp_path / "b.csv", tmp_path / "out")

    rejected = scored(tmp_path / "out", "rejected")
    late = rejected[rejected["reason"] == "late"]
    assert late["asset"].tolist() == ["m2", "m2"]
    assert late["detail"].tolist() == ["was not there", "differs from what was scored"]
    assert list(summary.late) == ["m2"]
    assert summary.not_scored["late"] == 2
    pd.testing.assert_frame_equal(scored(tmp_path / "out"), before)
    plan = plan_files(bundle, tmp_path / "b.csv", tmp_path / "out")
    assert plan["late"] == dict(summary.late)


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_reprocess_scores_late_and_corrected_rows_as_if_they_had_always_been_so(
    bundle, tmp_path, form
):
    table = fleet_rows(1)
    at = minutes_of(table[table["machine"] == "m2"])
    gone = (table["machine"] == "m2") & np.isin(minutes_of(table), at[10:13])
    between(table[~gone], 0, 30).to_csv(tmp_path / "a.csv", index=False)
    between(table, 30, 60).to_csv(tmp_path / "b.csv", index=False)
    options = ScoreOptions(format=form)
    score_files(bundle, [tmp_path / "a.csv", tmp_path / "b.csv"], tmp_path / "out", options=options)
    truth = corrected(table, "m1", minutes_of(table)[40])
    late = pd.concat([between(table[gone], 0, 60), truth[truth["s1"] == 99.0]])
    late.to_csv(tmp_path / "c.csv", index=False)
    told = score_files(bundle, tmp_path / "c.csv", tmp_path / "out", options=options)
    assert (list(told.late), told.rows_rescored) == (["m1", "m2"], 0)
    untouched = {n: (tmp_path / "out" / n).stat().st_mtime_ns for n in tree(tmp_path / "out")}

    # The late file was taken before; what is late is remembered until it is asked for.
    options = ScoreOptions(format=form, reprocess=True)
    summary = score_files(bundle, tmp_path / "c.csv", tmp_path / "out", options=options)
    expected = expect(bundle, tmp_path, truth)
    rows = scored(tmp_path / "out")
    if form == "csv":
        rows["time"] = pd.to_datetime(rows["time"]).astype("M8[us]")
    pd.testing.assert_frame_equal(rows, scored(expected), atol=1e-5, rtol=0, check_dtype=False)
    assert len(scored(tmp_path / "out", "alarms")) == len(scored(expected, "alarms"))
    assert summary.late == {}
    assert 0 < summary.rows_rescored < len(table)
    rejected = scored(tmp_path / "out", "rejected")
    assert rejected.empty or "late" not in set(rejected["reason"])
    assert untouched.keys() - set(tree(tmp_path / "out"))
    # And nothing is left to do.
    assert (
        score_files(bundle, tmp_path / "c.csv", tmp_path / "out", options=options).rows_rescored
        == 0
    )


def test_what_follows_a_rescoring_goes_on_from_it(bundle, tmp_path):
    table = fleet_rows(5)
    changed = corrected(table, "m1", minutes_of(table)[20])
    between(table, 0, 40).to_csv(tmp_path / "a.csv", index=False)
    score_files(bundle, tmp_path / "a.csv", tmp_path / "out")
    between(changed, 0, 40).to_csv(tmp_path / "a.csv", index=False)
    score_files(bundle, tmp_path / "a.csv", tmp_path / "out", options=AGAIN)
    between(changed, 40, 60).to_csv(tmp_path / "b.csv", index=False)
    summary = score_files(bundle, tmp_path / "b.csv", tmp_path / "out")

    assert summary.late == {}
    assert_same(expect(bundle, tmp_path, changed), tmp_path / "out")
    # The rows of the corrected file are known by their new readings.
    between(changed, 0, 41).to_csv(tmp_path / "a.csv", index=False)
    assert "late" not in score_files(bundle, tmp_path / "a.csv", tmp_path / "out").not_scored


def test_a_day_that_comes_after_the_next_one_is_late_and_can_be_put_in(bundle, tmp_path):
    table = fleet_rows(7)
    for name, first, stop in (("a", 0, 20), ("b", 20, 40), ("c", 40, 60)):
        between(table, first, stop).to_parquet(tmp_path / f"{name}.parquet")
    for name in "ac":
        score_files(bundle, tmp_path / f"{name}.parquet", tmp_path / "out")
    late = score_files(bundle, tmp_path / "b.parquet", tmp_path / "out")
    assert late.not_scored == {"late": len(between(table, 20, 40))}
    score_files(bundle, tmp_path / "b.parquet", tmp_path / "out", options=AGAIN)

    assert_same(expect(bundle, tmp_path, table), tmp_path / "out")


@pytest.mark.parametrize("spoil", [os.remove, lambda path: path.write_text("when\n")])
def test_reprocess_refuses_in_words_where_a_file_is_gone_or_changed(bundle, tmp_path, spoil):
    table = fleet_rows(7)
    between(table, 0, 40).to_csv(tmp_path / "a.csv", index=False)
    score_files(bundle, tmp_path / "a.csv", tmp_path / "out")
    between(corrected(table, "m1", minutes_of(table)[20]), 0, 40).to_csv(
        tmp_path / "b.csv", index=False
    )
    score_files(bundle, tmp_path / "b.csv", tmp_path / "out")
    before = scored(tmp_path / "out")
    spoil(tmp_path / "a.csv")

    with pytest.raises(DataError, match=r"a\.csv is gone or was changed since it was scored"):
        score_files(bundle, tmp_path / "b.csv", tmp_path / "out", options=AGAIN)
    pd.testing.assert_frame_equal(scored(tmp_path / "out"), before)


def test_only_the_stretch_between_gaps_is_read_again(bundle, tmp_path, monkeypatch):
    from rareevent.scoring import rescore

    table = fleet_rows(7, ("m1",), minutes=40)
    parts = [table.assign(when=table["when"] + pd.Timedelta(days=day)) for day in range(3)]
    for day, part in enumerate(parts):
        part.to_csv(tmp_path / f"{day}.csv", index=False)
    score_files(bundle, tmp_path / "*.csv", tmp_path / "out")
    parts[1].loc[parts[1].index[-1], "s1"] = 99.0
    parts[1].to_csv(tmp_path / "1.csv", index=False)
    read = []
    real = rescore.survey_file
    monkeypatch.setattr(
        rescore, "survey_file", lambda path, *a: read.append(path.name) or real(path, *a)
    )
    score_files(bundle, tmp_path / "*.csv", tmp_path / "out", options=AGAIN)

    assert sorted(read) == ["1.csv", "2.csv"]
    assert_same(expect(bundle, tmp_path, pd.concat(parts)), tmp_path / "out")


def test_assets_are_rescored_in_groups_that_fit_into_memory(bundle, tmp_path, monkeypatch):
    monkeypatch.setattr("rareevent.scoring.rescore._GROUP_CELLS", 1)
    table = fleet_rows(7)
    between(table, 0, 40).to_csv(tmp_path / "b.csv", index=False)
    score_files(bundle, tmp_path / "b.csv", tmp_path / "out")
    early = table.assign(when=table["when"] - pd.Timedelta(minutes=70))
    early.to_csv(tmp_path / "a.csv", index=False)
    score_files(bundle, tmp_path / "a.csv", tmp_path / "out", options=AGAIN)

    (count,) = manifest(tmp_path / "out", "SELECT value FROM about WHERE key = 'rescorings'")
    assert count == ("3",)
    assert_same(
        expect(bundle, tmp_path, pd.concat([early, between(table, 0, 40)])), tmp_path / "out"
    )


def test_a_rescoring_asked_to_stop_ends_between_groups_and_the_next_one_goes_on(
    bundle, tmp_path, monkeypatch
):
    monkeypatch.setattr("rareevent.scoring.rescore._GROUP_CELLS", 1)
    table = fleet_rows(7)
    between(table, 0, 40).to_csv(tmp_path / "b.csv", index=False)
    score_files(bundle, tmp_path / "b.csv", tmp_path / "out")
    early = table.assign(when=table["when"] - pd.Timedelta(minutes=70))
    early.to_csv(tmp_path / "a.csv", index=False)
    asked = iter([False, False, True])
    given = (bundle, tmp_path / "a.csv", tmp_path / "out")
    stopped = score_files(*given, options=AGAIN, stop=lambda: next(asked))
    rest = score_files(*given, options=AGAIN)

    # Asked before the file and before each of three assets.
    assert (stopped.stopped, len(stopped.late)) == (True, 2)
    assert (rest.stopped, rest.late) == (False, {})
    assert stopped.rows_rescored > 0 < rest.rows_rescored
    assert_same(
        expect(bundle, tmp_path, pd.concat([early, between(table, 0, 40)])), tmp_path / "out"
    )
