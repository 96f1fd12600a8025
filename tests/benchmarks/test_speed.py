"""The harness behind docs/speed.md: it runs, and what it compares is the same work."""

import subprocess
import sys

import numpy as np
import pytest

from rareevent.lstm.cell import forward
from tests.benchmarks.__main__ import USUAL
from tests.benchmarks.lines import Line, Took, at_least, at_most, best_rounds, compared, table
from tests.benchmarks.onnx_file import onnx_bytes
from tests.benchmarks.plant import make_bundle, write_rows
from tests.benchmarks.usual_job import alarms_by_hand, channels_by_hand
from tests.conftest import REPOSITORY
from tests.lstm.networks import draw_network, draw_windows


def run(*arguments):
    command = [sys.executable, "-m", "tests.benchmarks", *arguments, "--tiny"]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


def test_one_benchmark_by_its_name_prints_versions_and_one_table():
    done = run("cost")

    assert done.returncode == 0, done.stderr
    versions, empty, head, rule, *rows = done.stdout.splitlines()
    assert "numpy" in versions
    assert "cores" in versions
    assert (empty, head.count("|"), rule.count("---")) == ("", 6, 5)
    assert rows
    assert all(row.startswith("| cost | ") and row.count("|") == 6 for row in rows)


@pytest.mark.slow
def test_every_benchmark_runs_and_finds_its_contenders_in_agreement():
    done = run()

    assert done.returncode == 0, done.stderr
    for name in USUAL:
        assert f"| {name} |" in done.stdout


def test_an_unknown_name_is_refused():
    assert run("nothing").returncode == 2


@pytest.mark.parametrize(("projection", "skip"), [(None, False), (3, True)])
def test_the_onnx_file_is_the_network(projection, skip):
    onnxruntime = pytest.importorskip("onnxruntime")
    network = draw_network(5, (4, 3, 2), heads=2, projection=projection, skip=skip)
    windows = draw_windows([9, 4], 5, lookback=6)

    session = onnxruntime.InferenceSession(onnx_bytes(network), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"windows": windows.gather()})

    np.testing.assert_allclose(found, forward(network, windows), atol=1e-6)


def test_channels_by_hand_are_the_encoders(tmp_path):
    import pandas as pd

    from tests.benchmarks.plant import MINUTE, NAMES, START
    from tests.frames import make_frame

    bundle = make_bundle()
    write_rows(tmp_path / "rows.parquet", 200, assets=1)
    rows = pd.read_parquet(tmp_path / "rows.parquet")
    frame = make_frame(
        {"line 0": range(START, START + 200 * MINUTE, MINUTE)},
        sensors={name: rows[name].to_numpy() for name in NAMES},
        kind="datetime",
        interval=MINUTE,
    )

    by_hand = channels_by_hand(bundle, rows)

    np.testing.assert_allclose(by_hand, bundle.encoder.encode(frame), atol=1e-4)


def test_alarms_by_hand_keep_silent_for_an_hour():
    time = np.datetime64("2024-01-01", "us") + np.timedelta64(1, "m") * np.array([0, 1, 59, 60, 90])

    raised = alarms_by_hand(make_bundle(), time, np.array([0.95, 0.99, 0.99, 0.9, 0.99]))

    assert raised.tolist() == [True, False, False, True, False]


def test_ratios_beyond_their_target_are_met_and_others_are_not():
    assert at_least("a", 4.0, 4).met
    assert not at_least("a", 3.9, 4).met
    assert at_most("a", 2.5, 2.5).met
    assert not at_most("a", 2.6, 2.5).met
    assert table([("x", at_least("a", 3.9, 4))]).endswith("| x | a | 3.9 × | ≥ 4 × | **no** |")
    assert table([("x", Line("a", "b"))]).endswith("| x | a | b |  |  |")


def test_contenders_take_turns_and_warming_up_does_not_count():
    order = []
    best = best_rounds({n: lambda n=n: order.append(n) for n in "ab"}, rounds=2, warm_up=1)

    assert order == list("ababab")
    assert best["a"].wall < 1
    (mine, other) = compared({"a": Took(1.0, 2.0), "b": Took(3.0, 3.0)}, "a", 10, "rows")
    assert mine.measured == "10 rows/s, 200000.00 µs CPU each"
    assert other.measured.endswith("ours 3.0 × as quick, by CPU 1.5 ×")
