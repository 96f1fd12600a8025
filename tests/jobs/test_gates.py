"""`rareevent gates`: one window of a bundle, and all of them."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest

from rareevent.bundle import load_bundle, save_bundle
from rareevent.errors import ConfigError, DataError, ModelError
from rareevent.jobs.gates import gates_over_windows, save_window, window_gates
from rareevent.scoring.engine import score_frame
from tests.bundles import raw_rows, tiny_bundle, tiny_config


@pytest.fixture
def place(workplace):
    """A bundle and rows of two machines that it can score."""
    save_bundle(tiny_bundle(), workplace / "bundle")
    raw_rows(60).to_csv(workplace / "rows.csv", index=False)
    return workplace


def look(place, at="2024-03-01 00:20:00", **asked):
    return window_gates("bundle", "rows.csv", at, **{"asset": "m2", **asked})


def test_the_window_is_the_one_that_ends_at_the_time_and_its_logit_follows_from_its_gates(place):
    shown = look(place, member=2)

    assert shown.asset == "m2"
    assert [t[11:16] for t in shown.times] == ["00:17", "00:18", "00:19", "00:20"]
    assert {name: one["state"].shape for name, one in shown.layers.items()} == {
        "lstm_1": (4, 4),
        "lstm_2": (4, 3),
    }
    for one in shown.layers.values():
        # The cell's own equations, from what is shown.
        before = np.vstack([np.zeros_like(one["state"][:1]), one["state"][:-1]])
        state = one["forget"] * before + one["input"] * one["candidate"]
        np.testing.assert_allclose(one["state"], state, atol=1e-5)
        np.testing.assert_allclose(one["hidden"], one["output"] * np.tanh(state), atol=1e-5)


def test_the_probability_is_the_scorers(place):
    from rareevent.jobs.gates import find_row, read_rows

    bundle = load_bundle("bundle")
    frame = read_rows(bundle, "rows.csv", None)
    row = find_row(bundle, frame, "2024-03-01 00:20:00", "m2")
    scores = score_frame(bundle, frame)

    assert look(place).probability == pytest.approx(
        float(scores.probability[scores.row == row][0]), abs=1e-6
    )


def test_a_window_at_a_segments_start_repeats_its_first_row(place):
    assert [t[11:16] for t in look(place, "2024-03-01T00:01").times] == ["00:00"] * 3 + ["00:01"]


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ({"at": "2024-03-01 00:20:30"}, ConfigError, "nearest are .*00:20:00, .*00:21:00"),
        ({"at": "soon"}, ConfigError, "--at"),
        ({"asset": None}, ConfigError, "--asset is needed: the input holds m1, m2"),
        ({"asset": "m9"}, ConfigError, "no row has it; the input holds m1, m2"),
        ({"member": 3}, ConfigError, "must be 1 to 2"),
    ],
)
def test_what_cannot_be_found_is_refused_with_what_there_is(place, asked, error, words):
    with pytest.raises(error, match=words):
        look(place, **asked)


def test_a_row_without_a_window_says_why(place):
    config = tiny_config(window={"lookback": 4, "pad": "none"})
    save_bundle(tiny_bundle(config), place / "bundle")

    with pytest.raises(DataError, match="its segment has fewer than 4 rows by then"):
        look(place, "2024-03-01 00:01:00")


def test_an_input_that_does_not_fit_is_refused(place):
    raw_rows(5).drop(columns="s2").to_csv("rows.csv", index=False)

    with pytest.raises(ModelError, match="lacks s2"):
        look(place)


def test_heatmaps_and_every_figure_are_written(place):
    shown = look(place)

    written = save_window(shown, "out")

    assert [p.name for p in written] == ["gates_lstm_1.png", "gates_lstm_2.png", "gates.csv"]
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in written[:2])
    with open("out/gates.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 * (4 + 3)
    last = next(r for r in rows if (r["layer"], r["unit"], r["step"]) == ("lstm_2", "3", "4"))
    assert float(last["state"]) == pytest.approx(shown.layers["lstm_2"]["state"][3, 2], rel=1e-4)
    json.dumps(shown.to_json(), allow_nan=False)


def test_over_all_windows_events_are_compared_with_matched_windows(place):
    rows = raw_rows(400)
    rows.to_csv("rows.csv", index=False)
    rows[["when", "machine"]].iloc[20::40].to_csv("events.csv", index=False)

    _, without = gates_over_windows("bundle", "rows.csv")
    _, read = gates_over_windows("bundle", "rows.csv", events="events.csv")
    _, one = gates_over_windows("bundle", "rows.csv", events="events.csv", asset="m1")

    assert without.moves is None
    assert read.moves.events == 20
    assert one.moves.events == 10
    assert len(read.names) == 4 * (4 + 3)
    plain = json.loads(json.dumps(read.to_json(), allow_nan=False))
    assert [layer["windows"] for layer in plain["layers"]] == [780, 780]
    assert plain["moves"]["comparisons"] == 28


def test_the_command_answers_people_and_machines_without_tensorflow(place):
    code = (
        "import sys; from rareevent.cli.app import app\n"
        "app.main(sys.argv[1:], standalone_mode=False)\n"
        "heavy = {'tensorflow', 'keras', 'sklearn', 'mlflow'} & set(sys.modules)\n"
        "print(sorted(heavy), file=sys.stderr)"
    )
    window = ["--at", "2024-03-01 00:20:00", "--asset", "m1"]
    call = [sys.executable, "-c", code, "gates", "--model", "bundle", "--input", "rows.csv"]
    for arguments, words in (
        (window, "lstm_2: oldest step left"),
        ([*window, "--json"], '"probability"'),
        ([], "lstm_1, 120 windows"),
    ):
        done = subprocess.run(
            [*call, *arguments],
            capture_output=True,
            text=True,
            check=True,
        )
        assert words in done.stdout
        assert done.stderr.strip().endswith("[]")
