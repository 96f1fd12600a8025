"""Data quality on the page: what was found, where, and nothing about clean columns."""

from rareevent.ingestion.quality import ColumnQuality, Quality
from rareevent.report.quality import quality_view
from rareevent.report.words import Times

FOUND = Quality(
    files=("a.csv", "b.csv"),
    rows_read=105,
    rows=100,
    assets=2,
    interval=120_000_000,
    gaps=3,
    unsorted=4,
    columns=(
        ColumnQuality("clean"),
        ColumnQuality("x1", missing=7),
        ColumnQuality("x2", dirty=3, dirty_values=(("n/a", 2), ("##", 1)), note="read as missing"),
    ),
    repairs={"forward_fill": 7, "nothing": 0},
    notes=("a note",),
    problems=("a problem",),
)
VIEW = quality_view(FOUND.to_json(), Times("datetime"))


def test_facts_name_what_there_is_and_skip_what_there_is_not():
    facts = dict(VIEW.facts)
    assert facts["files"] == "a.csv and 1 more"
    assert facts["rows"] == "100"
    assert facts["rows read"] == "105"
    assert facts["interval"] == "2\u00a0min"
    assert facts["rows out of order"] == "4"
    assert facts["columns with a finding"] == "2 of 3"
    assert "clock changes" not in facts


def test_only_columns_with_a_finding_are_listed_and_only_keys_that_hold_one():
    assert VIEW.columns.heads == ("column", "kind", "missing", "dirty", "dirty values", "note")
    assert [[cell.words for cell in row] for row in VIEW.columns.rows] == [
        ["x1", "sensor", "7", "", "", ""],
        ["x2", "sensor", "", "3", "'n/a' (2), '##' (1)", "read as missing"],
    ]
    assert VIEW.columns.numeric == (False, False, True, True, False, False)


def test_repairs_are_counted_and_problems_come_before_remarks():
    assert [[cell.words for cell in row] for row in VIEW.repairs.rows] == [["forward fill", "7"]]
    assert VIEW.remarks == ("a problem", "a note")


def test_clean_data_have_no_table():
    view = quality_view(Quality(rows=1, columns=(ColumnQuality("x"),)).to_json(), Times("age"))
    assert view.columns is None
    assert view.repairs is None
