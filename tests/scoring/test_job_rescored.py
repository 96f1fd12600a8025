"""Scoring anew loses nothing: twice in a row, in another format, and when files were moved."""

import os

import numpy as np
import pandas as pd
import pytest

from rareevent.errors import DataError
from rareevent.scoring.job import ScoreOptions, score_files
from tests.scoring.fleets import fleet_bundle, fleet_rows
from tests.scoring.outputs import scored
from tests.scoring.test_job_files import assert_same, write_whole
from tests.scoring.test_job_late import AGAIN, between, minutes_of


@pytest.fixture(scope="module")
def bundle():
    return fleet_bundle(silence=8)


@pytest.fixture
def table():
    return fleet_rows(4, ("m1", "m2"))


def without(table, *minutes):
    """The rows of m1 at some minutes apart from all others: (others, rows)."""
    which = (table["machine"] == "m1") & np.isin(minutes_of(table), minutes)
    assert which.sum() == len(minutes)
    return table[~which], table[which]


def test_a_second_reprocess_keeps_what_the_first_one_wrote(bundle, table, tmp_path):
    first, late = without(table, 20, 35)
    later = first["machine"].eq("m2") & (minutes_of(first) == 22)
    first[~later].to_csv(tmp_path / "a.csv", index=False)
    score_files(bundle, tmp_path / "a.csv", tmp_path / "out")
    # Both assets now share a part, of which the second time touches one only.
    for name, rows in (("b", pd.concat([late[:1], first[later]])), ("c", late[1:])):
        rows.to_csv(tmp_path / f"{name}.csv", index=False)
        score_files(bundle, tmp_path / f"{name}.csv", tmp_path / "out", options=AGAIN)

    score_files(bundle, write_whole(tmp_path / "one", table), tmp_path / "whole")
    assert_same(tmp_path / "whole", tmp_path / "out")


def test_what_is_left_of_a_part_keeps_its_format(bundle, table, tmp_path):
    first, late = without(table, 20)
    first.to_csv(tmp_path / "a.csv", index=False)
    score_files(bundle, tmp_path / "a.csv", tmp_path / "out", options=ScoreOptions(format="csv"))
    late.to_csv(tmp_path / "b.csv", index=False)
    score_files(bundle, tmp_path / "b.csv", tmp_path / "out", options=AGAIN)

    rows = scored(tmp_path / "out").assign(time=lambda rows: pd.to_datetime(rows["time"]))
    assert len(rows.drop_duplicates(["asset", "time"])) == len(rows) == len(table)
    assert all(path.read_bytes()[:4] != b"PAR1" for path in (tmp_path / "out").rglob("*.csv"))


def test_rows_before_since_stay_as_they_were_written(bundle, table, tmp_path):
    first, late = without(table, 10)
    first.to_csv(tmp_path / "a.csv", index=False)
    score_files(bundle, tmp_path / "a.csv", tmp_path / "out")
    before = scored(tmp_path / "out")
    late.to_csv(tmp_path / "b.csv", index=False)
    options = ScoreOptions(reprocess=True, since="2024-03-01 00:30")
    score_files(bundle, tmp_path / "b.csv", tmp_path / "out", options=options)

    after = scored(tmp_path / "out")
    pd.testing.assert_frame_equal(after[["asset", "time"]], before[["asset", "time"]])
    early = before["time"] < pd.Timestamp("2024-03-01 00:30")
    pd.testing.assert_frame_equal(after[early], before[early])


def test_a_file_that_was_renamed_is_found_by_its_content(bundle, table, tmp_path):
    first, late = without(table, 20)
    (tmp_path / "in").mkdir()
    first.to_csv(tmp_path / "in" / "a.csv", index=False)
    score_files(bundle, tmp_path / "in", tmp_path / "out")
    os.rename(tmp_path / "in" / "a.csv", tmp_path / "in" / "done.csv")
    late.to_csv(tmp_path / "in" / "b.csv", index=False)
    score_files(bundle, tmp_path / "in", tmp_path / "out", options=AGAIN)

    score_files(bundle, write_whole(tmp_path / "one", table), tmp_path / "whole")
    assert_same(tmp_path / "whole", tmp_path / "out")


def test_a_correction_that_was_taken_back_is_taken_back(bundle, table, tmp_path):
    wrong = table.copy()
    wrong.loc[wrong.index[5], "s1"] = 99.0
    for rows in (table, wrong, table):
        rows.to_csv(tmp_path / "a.csv", index=False)
        summary = score_files(bundle, tmp_path / "a.csv", tmp_path / "out")
    assert list(summary.late) == ["m1"]
    score_files(bundle, tmp_path / "a.csv", tmp_path / "out", options=AGAIN)

    score_files(bundle, write_whole(tmp_path / "one", table), tmp_path / "whole")
    assert_same(tmp_path / "whole", tmp_path / "out")


def test_rows_that_are_in_no_file_any_more_are_not_replaced_by_nothing(bundle, table, tmp_path):
    latest = tmp_path / "latest.csv"
    between(table, 0, 30).to_csv(latest, index=False)
    score_files(bundle, latest, tmp_path / "out")
    before = scored(tmp_path / "out")
    # Written over every half hour, and this time with a late row.
    kept = latest.read_bytes()
    corrected = between(table, 10, 11).assign(s1=99.0)
    pd.concat([corrected, between(table, 30, 60)]).to_csv(latest, index=False)
    with pytest.raises(DataError, match=r"rows that were scored are in no file any more, such as"):
        score_files(bundle, latest, tmp_path / "out", options=AGAIN)
    assert set(map(tuple, before[["asset", "time"]].to_numpy())) <= set(
        map(tuple, scored(tmp_path / "out")[["asset", "time"]].to_numpy())
    )

    (tmp_path / "first.csv").write_bytes(kept)
    files = [latest, tmp_path / "first.csv"]
    assert score_files(bundle, files, tmp_path / "out", options=AGAIN).late == {}
    truth = pd.concat([table.drop(corrected.index), corrected])
    score_files(bundle, write_whole(tmp_path / "one", truth), tmp_path / "whole")
    probability = scored(tmp_path / "out")["probability"]
    np.testing.assert_allclose(probability, scored(tmp_path / "whole")["probability"], atol=1e-5)
