"""Large inputs stay within their time and memory, measured in a process of their own."""

import json
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow

INGEST_TO_WINDOWS = """
import json, sys, time
from rareevent.config import load_pipeline
from rareevent.jobs.prepare import fill_auto, prepare
from rareevent.windowing.fit_encode import fit_encoder
from rareevent.windowing.temporalize import temporalize
from tests.benchmarks.processes import peak_mb
import pandas, pyarrow.parquet, pyarrow.csv

config = load_pipeline(sys.argv[1])
started = time.perf_counter()
prepared = fill_auto(prepare(config))
learned = prepared.split.rows_before(1) & prepared.in_segment
encoder = fit_encoder(prepared.frame, learned, prepared.config.channels)
windows, short = temporalize(
    encoder.encode(prepared.frame), prepared.frame.segments, config.window.lookback
)
print(json.dumps({
    "seconds": time.perf_counter() - started,
    "megabytes": peak_mb(),
    "rows": len(prepared.frame),
    "windows": len(windows),
    "channels": len(encoder.channels),
    "segments": len(prepared.frame.segments),
    "events": len(prepared.frame.events),
}))
"""


def ingest_to_windows(pipeline):
    done = subprocess.run(
        [sys.executable, "-c", INGEST_TO_WINDOWS, str(pipeline)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    figures = json.loads(done.stdout)
    print(figures)
    return figures


def test_fleet_of_twenty_thousand_short_histories(tmp_path):
    """A failure is an asset's last row; a text column with 60 levels; gaps; short histories."""
    import pyarrow as pa
    import pyarrow.csv

    draw = np.random.default_rng(0)
    assets, days = 20_000, 40
    asset = np.repeat(np.arange(assets), days)
    day = np.tile(np.arange(days), assets)
    kept = (draw.random(len(asset)) > 0.05) & (day < draw.integers(3, 3 * days, assets)[asset])
    columns = {
        "serial": np.char.add("disk-", asset[kept].astype(str)),
        "date": np.datetime64("2024-01-01", "D") + day[kept],
        "model": np.char.add("maker-", (asset[kept] % 60).astype(str)),
    }
    columns |= {f"smart_{k}": draw.gamma(1.0, 100.0, kept.sum()).round(2) for k in range(8)}
    pa.csv.write_csv(pa.table(columns), tmp_path / "fleet.csv")
    (tmp_path / "fleet.yaml").write_text(
        f"""
name: fleet
ingest: {{source: {tmp_path}/fleet.csv, time: date, asset: serial, events: last_row}}
split: {{strategy: by_asset}}
label: {{horizon: 7d}}
window: {{lookback: 14}}
"""
    )

    figures = ingest_to_windows(tmp_path / "fleet.yaml")

    assert figures["rows"] == kept.sum()
    assert figures["events"] == len(np.unique(asset[kept]))
    assert figures["windows"] == figures["rows"] - figures["events"]
    assert figures["seconds"] < 20
    assert figures["megabytes"] < 1536


def test_one_asset_of_five_million_rows(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    draw = np.random.default_rng(0)
    rows, sensors = 5_000_000, 20
    columns = {
        "time": np.datetime64("2020-01-01", "us") + np.arange(rows) * np.timedelta64(60, "s")
    }
    columns |= {f"s{k}": draw.normal(size=rows).astype(np.float64) for k in range(sensors)}
    columns["y"] = (draw.random(rows) < 1e-4).astype(np.int8)
    pq.write_table(pa.table(columns), tmp_path / "line.parquet")
    (tmp_path / "line.yaml").write_text(
        f"""
name: line
ingest: {{source: {tmp_path}/line.parquet, time: time, label: y}}
label: {{horizon: 1h}}
window: {{lookback: 20}}
"""
    )

    figures = ingest_to_windows(tmp_path / "line.yaml")

    assert figures["rows"] == rows
    assert figures["windows"] == rows - figures["events"]
    assert figures["seconds"] < 40
    assert figures["megabytes"] < 4096
