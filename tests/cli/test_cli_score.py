"""`rareevent score` as people and machines call it."""

import json

import pandas as pd
import pytest
from click.testing import CliRunner

from rareevent.bundle import save_bundle
from rareevent.cli.score import command
from tests.bundles import raw_rows, tiny_bundle
from tests.scoring.outputs import scored, tree


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A bundle and two files of rows."""
    monkeypatch.chdir(tmp_path)
    save_bundle(tiny_bundle(), tmp_path / "b")
    table = raw_rows(assets=("m1",))
    (tmp_path / "in").mkdir()
    table[:40].to_csv(tmp_path / "in" / "1.csv", index=False)
    table[40:].to_csv(tmp_path / "in" / "2.csv", index=False)
    return tmp_path


def score(*arguments):
    given = ["--model", "b", "--input", "in", "--output", "out", *arguments]
    done = CliRunner().invoke(command, given, catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_a_person_is_told_what_was_scored_and_what_was_not(place):
    with (place / "in" / "2.csv").open("a") as file:
        file.write("never,m1,1,2,A\n")
    said = score()
    assert said.startswith("60 of 61 rows scored, 2 files (0 known before), 1 assets, ")
    assert "2024-03-01 00:00:00 to 2024-03-01 01:59:00" in said
    assert "  not scored, unreadable time: 1 rows" in said
    assert score().startswith("0 of 0 rows scored, 0 files (2 known before)")


def test_a_machine_gets_one_line(place):
    said = score("--json")
    summary = json.loads(said)

    assert len(said.splitlines()) == 1
    assert (summary["rows_scored"], summary["files_known"], summary["stopped"]) == (60, 0, False)
    assert [name.rpartition("/")[2] for name in summary["files"]] == ["1.csv", "2.csv"]


def test_a_dry_run_says_what_would_be_done_and_does_nothing(place):
    before = tree(place)
    said = score("--dry-run")
    plan = json.loads(score("--dry-run", "--json"))

    assert said.splitlines()[0] == "2 files to take, 0 taken before"
    assert "1.csv: 40 rows from 2024-03-01 00:00:00" in said
    assert [file["rows"] for file in plan["files"]] == [40, 20]
    assert tree(place) == before


def test_late_rows_are_told_with_the_option_that_scores_them(place):
    score()
    changed = raw_rows(assets=("m1",))
    changed.loc[10, "s1"] = 99.0
    changed[:40].to_csv(place / "in" / "1.csv", index=False)
    said = score()
    assert "  not scored, late: 1 rows" in said
    assert "1 assets have rows or events that came late or were corrected; --reprocess" in said
    assert "late: m1 from 2024-03-01 00:10:00" in score("--dry-run")
    assert "  scored anew: 50 rows" in score("--reprocess")
    assert json.loads(score("--json"))["late"] == {}


def test_options_reach_the_job(place):
    score("--format", "csv", "--since", "2024-03-01 01:00:00", "--state", "states/one.db")
    rows = scored(place / "out")

    assert (place / "states" / "one.db").exists()
    assert pd.to_datetime(rows["time"]).min() >= pd.Timestamp("2024-03-01 01:00")
    assert all(name.endswith(".csv") for name in tree(place / "out"))
