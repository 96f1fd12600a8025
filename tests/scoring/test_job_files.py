"""Ten files equal one: carried over from file to file, job to job, and piece to piece of a file."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from rareevent.bundle import load_bundle, save_bundle
from rareevent.errors import ModelError
from rareevent.scoring.job import ScoreOptions, plan_files, score_files
from rareevent.scoring.pieces import rows_at_once
from rareevent.scoring.survey import survey_file
from tests.bundles import MINUTE, tiny_bundle
from tests.scoring.fleets import BEGIN, fleet_bundle, fleet_events, fleet_rows
from tests.scoring.outputs import manifest, scored, tree
from tests.scoring.test_carry import reader_of


def write_whole(folder, table):
    folder.mkdir()
    table.to_parquet(folder / "all.parquet")
    return folder


def write_pieces(folder, table, minutes):
    """A file per stretch of time, alternately CSV and Parquet, named against the order of time."""
    folder.mkdir()
    edges = [-1, *sorted(set(minutes)), 10**6]
    at = (table["when"].to_numpy().astype("M8[us]").view(np.int64) - BEGIN) // MINUTE
    for place in range(len(edges) - 1):
        part = table[(at > edges[place]) & (at <= edges[place + 1])]
        if len(part):
            name = folder / f"{chr(ord('z') - place)}"
            if place % 2:
                part.to_csv(name.with_suffix(".csv"), index=False)
            else:
                part.to_parquet(name.with_suffix(".parquet"))
    return folder


def assert_same(first, second):
    for kind in ("scores", "alarms", "rejected"):
        one, other = scored(first, kind), scored(second, kind)
        drop = [c for c in ("file", "row", "detail") if c in one]
        pd.testing.assert_frame_equal(
            one.drop(columns=drop), other.drop(columns=drop), atol=1e-5, rtol=0
        )


@given(
    pad=st.sampled_from(["first", "none"]),
    seed=st.integers(0, 10**6),
    minutes=st.lists(st.integers(0, 58), min_size=2, max_size=6),
    feed=st.booleans(),
)
@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_files_leave_the_output_of_one_file(tmp_path_factory, pad, seed, minutes, feed):
    bundle = fleet_bundle(pad=pad, silence=8, event_delay=2)
    table, place = fleet_rows(seed), tmp_path_factory.mktemp("cut")
    events = None
    if feed:
        events = place / "events.csv"
        fleet_events(seed).to_csv(events, index=False)
    whole = score_files(bundle, write_whole(place / "one", table), place / "whole", events)
    source = write_pieces(place / "many", table, minutes)
    pieces = score_files(bundle, source, place / "out", events)

    probability = scored(place / "whole")["probability"].to_numpy()
    assume(np.abs(probability - bundle.policy.threshold).min() > 1e-5)
    assert_same(place / "whole", place / "out")
    assert (pieces.rows_scored, pieces.not_scored) == (whole.rows_scored, whole.not_scored)
    assert (pieces.alarms, pieces.events_known) == (whole.alarms, whole.events_known)


def test_a_job_per_file_leaves_the_output_of_one_job(tmp_path):
    bundle, table = fleet_bundle(), fleet_rows(1)
    score_files(bundle, write_whole(tmp_path / "one", table), tmp_path / "whole")
    write_pieces(tmp_path / "many", table, [5, 6, 7, 30, 31])
    paths = sorted((tmp_path / "many").iterdir(), reverse=True)
    known = [score_files(bundle, path, tmp_path / "out").files_known for path in paths]

    assert known == [0] * 6
    assert_same(tmp_path / "whole", tmp_path / "out")
    assert len(manifest(tmp_path / "out")) == 6
    assert score_files(bundle, tmp_path / "many", tmp_path / "out").files_known == 6


@pytest.mark.parametrize("order", [["machine", "when"], ["when", "machine"]])
def test_a_file_read_in_pieces_leaves_the_output_of_one_read_at_once(tmp_path, monkeypatch, order):
    bundle, table = fleet_bundle(), fleet_rows(2).sort_values(order)
    source = write_whole(tmp_path / "one", table)
    whole = score_files(bundle, source, tmp_path / "whole")
    steps = []
    monkeypatch.setattr("rareevent.scoring.pieces.rows_at_once", lambda reader, survey: 7)
    pieces = score_files(bundle, source, tmp_path / "out", step=lambda *step: steps.append(step))

    assert_same(tmp_path / "whole", tmp_path / "out")
    assert pieces.rows_scored == whole.rows_scored
    done = [done for _, done, _, _ in steps]
    assert done == sorted(done)
    assert done[:3] == [0, 7, 14]
    assert done[-1] == steps[-1][2] == len(table)


def test_only_a_file_that_is_in_order_is_read_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr("rareevent.scoring.pieces._PIECE_CELLS", 1)
    monkeypatch.setattr("rareevent.scoring.pieces._FEWEST_ROWS", 16)
    bundle, table = fleet_bundle(lookback=1, windows=(2,)), fleet_rows(2)
    reader = reader_of(bundle)
    kept = 4 * reader.kept_rows * 3

    def at_once(rows):
        rows.to_parquet(tmp_path / "x.parquet")
        survey = survey_file(tmp_path / "x.parquet", reader.roles, reader.stage, bundle.clock)
        return rows_at_once(reader, survey)

    assert at_once(table) == at_once(table.sort_values(["when", "machine"])) == max(kept, 16)
    assert at_once(table[::-1]) == len(table)
    assert at_once(pd.concat([table, table[:1]])) == len(table) + 1


def test_unsorted_and_repeated_rows_are_put_right_within_a_file(tmp_path):
    bundle, table = fleet_bundle(), fleet_rows(4)
    score_files(bundle, write_whole(tmp_path / "one", table), tmp_path / "whole")
    mixed = pd.concat([table, table[:9]]).sample(frac=1, random_state=0)
    summary = score_files(bundle, write_whole(tmp_path / "two", mixed), tmp_path / "out")

    assert_same(tmp_path / "whole", tmp_path / "out")
    assert summary.not_scored == {"merged_duplicate": 9}


def test_an_asset_that_appears_later_starts_fresh(tmp_path):
    bundle = fleet_bundle()
    old, new = fleet_rows(1, ("m1",)), fleet_rows(2, ("m2",))
    old[:30].to_csv(tmp_path / "a.csv", index=False)
    pd.concat([old[30:], new]).to_csv(tmp_path / "b.csv", index=False)
    new.to_csv(tmp_path / "c.csv", index=False)
    score_files(bundle, tmp_path / "a.csv", tmp_path / "out")
    score_files(bundle, tmp_path / "b.csv", tmp_path / "out")
    score_files(bundle, tmp_path / "c.csv", tmp_path / "alone")

    rows = scored(tmp_path / "out")
    found = rows[rows["asset"] == "m2"].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, scored(tmp_path / "alone"), atol=1e-5, rtol=0)


def test_the_output_of_another_bundle_is_refused_and_rescored_on_request(tmp_path):
    table = fleet_rows(1)
    source = write_pieces(tmp_path / "many", table, [20, 40])
    save_bundle(fleet_bundle(), tmp_path / "b1")
    save_bundle(fleet_bundle(lookback=6, windows=(3,)), tmp_path / "b2")
    first, second = load_bundle(tmp_path / "b1"), load_bundle(tmp_path / "b2")
    score_files(first, source, tmp_path / "out", options=ScoreOptions(model="models:/line/1"))
    score_files(second, source, tmp_path / "expected")

    with pytest.raises(
        ModelError, match=r"belongs to the bundle .* \(models:/line/1\).*--reprocess"
    ):
        score_files(second, source, tmp_path / "out")
    again = ScoreOptions(reprocess=True)
    # One of the files is named; the others are known from the manifest.
    one = tmp_path / "many" / "y.csv"
    assert len(plan_files(second, one, tmp_path / "out", again)["files"]) == 3
    summary = score_files(second, one, tmp_path / "out", options=again)
    assert len(summary.files) == 3
    assert_same(tmp_path / "expected", tmp_path / "out")
    assert len(manifest(tmp_path / "out")) == 3
    assert all(second.digest[:8] in name for name in tree(tmp_path / "out") if "part-" in name)


def test_another_bundle_is_refused_where_files_are_gone_and_nothing_is_forgotten(tmp_path):
    source = write_pieces(tmp_path / "many", fleet_rows(1), [20, 40])
    score_files(fleet_bundle(), source, tmp_path / "out")
    before = scored(tmp_path / "out")
    (source / "z.parquet").unlink()
    with pytest.raises(Exception, match=r"1 of 3 files that were scored are gone, such as .*z\."):
        score_files(tiny_bundle(), source, tmp_path / "out", options=ScoreOptions(reprocess=True))
    pd.testing.assert_frame_equal(scored(tmp_path / "out"), before)


def test_a_job_asked_to_stop_ends_between_files_and_the_next_one_goes_on(tmp_path):
    bundle, table = fleet_bundle(), fleet_rows(1)
    source = write_pieces(tmp_path / "many", table, [10, 20, 30])
    score_files(bundle, source, tmp_path / "whole")
    asked = iter([False, False, True])
    summary = score_files(bundle, source, tmp_path / "out", stop=lambda: next(asked))

    assert (summary.stopped, len(summary.files)) == (True, 2)
    rest = score_files(bundle, source, tmp_path / "out")
    assert (rest.stopped, len(rest.files), rest.files_known) == (False, 2, 2)
    assert_same(tmp_path / "whole", tmp_path / "out")


def test_types_of_events_have_columns_of_their_own(tmp_path):
    plain = fleet_bundle()
    model = plain.config.model.model_copy(update={"types": ("hot", "cold")})
    bundle = replace(plain, config=plain.config.model_copy(update={"model": model}))
    score_files(plain, write_whole(tmp_path / "in", fleet_rows(1)), tmp_path / "plain")
    score_files(bundle, tmp_path / "in", tmp_path / "out")
    rows, alarms = scored(tmp_path / "out"), scored(tmp_path / "out", "alarms")

    assert rows.columns[2:].tolist() == [
        *("probability", "probability_hot", "probability_cold", "alarm")
    ]
    both = rows["probability_hot"] + rows["probability_cold"]
    np.testing.assert_allclose(both, rows["probability"], atol=1e-6)
    pd.testing.assert_frame_equal(
        rows[["probability", "alarm"]], scored(tmp_path / "plain")[["probability", "alarm"]]
    )
    raised = rows[rows["alarm"]]
    likeliest = np.where(raised["probability_hot"] >= raised["probability_cold"], "hot", "cold")
    assert alarms["type"].tolist() == likeliest.tolist()
    assert alarms.columns.tolist() == ["asset", "time", "probability", "threshold", "type", "model"]


def test_who_watches_sees_every_new_row_once_with_its_readings(tmp_path, monkeypatch):
    monkeypatch.setattr("rareevent.scoring.pieces.rows_at_once", lambda reader, survey: 7)
    table, pieces = fleet_rows(1), []
    source = write_whole(tmp_path / "in", table)
    summary = score_files(fleet_bundle(), source, tmp_path / "out", watch=pieces.append)

    assert sum(int(piece.new.sum()) for piece in pieces) == len(table)
    assert sum(len(piece.scores) for piece in pieces) == summary.rows_scored
    readings = np.concatenate([piece.frame.sensors["s1"][piece.new] for piece in pieces])
    np.testing.assert_array_equal(np.sort(readings), np.sort(table["s1"].to_numpy()))


def test_a_feed_without_an_event_yet_is_a_feed(tmp_path):
    source = write_whole(tmp_path / "in", fleet_rows(1))
    (tmp_path / "events.csv").write_text("when,machine\n")
    summary = score_files(fleet_bundle(), source, tmp_path / "out", tmp_path / "events.csv")

    assert summary.events_known == 0
