"""The job on a real Spark, from the command line and in a session that runs already."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from rareevent.bundle import save_bundle
from rareevent.scoring.job import score_files
from rareevent.scoring.pyfunc import ScoringModel, score_table
from rareevent.scoring.spark_session import spark_session
from tests.scoring.fleets import fleet_bundle, fleet_events, fleet_rows
from tests.scoring.outputs import finish, manifest, scored, start
from tests.scoring.test_spark_tasks import assert_equal, write, write_late

pytestmark = pytest.mark.slow


def need_spark():
    pytest.importorskip("pyspark")
    if shutil.which("java") is None:
        pytest.skip("Java is not installed (Debian: default-jre-headless)")


# The first job runs in slices of nine rows, so that every asset is split; both use one session.
TWICE = """
import sys
from pathlib import Path
from rareevent.bundle import load_bundle
from rareevent.scoring.spark_job import score_on_spark
from rareevent.scoring.spark_session import spark_session
bundle, source, later, output, events = sys.argv[1:]
with spark_session("local[2]") as session:
    for place, rows in ((source, 9), (later, None)):
        score_on_spark(load_bundle(bundle), place, output, events, slice_rows=rows)
    assert session.range(3).count() == 3
"""


def test_spark_gives_what_the_local_engine_gives_with_every_asset_split(tmp_path):
    need_spark()
    source, events, bundle = tmp_path / "in", tmp_path / "events.csv", fleet_bundle(event_delay=2)
    save_bundle(bundle, tmp_path / "b")
    rows = write(source, 8)
    fleet_events(8).to_csv(events, index=False)
    (tmp_path / "more").mkdir()
    write_late(tmp_path / "more", rows)
    given = (tmp_path / "b", source, tmp_path / "more")
    local = finish(start(*given, tmp_path / "one", events, code=LOCAL))
    assert local.returncode == 0, local.stderr
    spark = finish(start(*given, tmp_path / "two", events, code=TWICE))
    assert spark.returncode == 0, spark.stderr
    assert_equal(tmp_path / "one", tmp_path / "two")
    assert len(manifest(tmp_path / "two")) == 3


LOCAL = """
import sys
from rareevent.bundle import load_bundle
from rareevent.scoring.job import score_files
bundle, source, later, output, events = sys.argv[1:]
for place in (source, later):
    score_files(load_bundle(bundle), place, output, events)
"""


def test_the_command_scores_on_spark_without_tensorflow_and_says_little(tmp_path):
    need_spark()
    save_bundle(fleet_bundle(), tmp_path / "b")
    rows = fleet_rows(9)
    rows.to_parquet(tmp_path / "rows.parquet")
    process = start(
        "score",
        "--model",
        tmp_path / "b",
        "--input",
        tmp_path / "rows.parquet",
        "--output",
        tmp_path / "out",
        "--engine",
        "spark",
        "--master",
        "local[2]",
        "--json",
        code=LIGHT,
    )
    done = finish(process)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows_scored"] == len(rows)
    # The JVM tells of its own module, and Spark of nothing.
    assert not [line for line in done.stderr.splitlines() if "WARN " in line or "Error" in line]
    score_files(fleet_bundle(), tmp_path / "rows.parquet", tmp_path / "local")
    pd.testing.assert_frame_equal(scored(tmp_path / "local"), scored(tmp_path / "out"), atol=1e-9)


LIGHT = """
import sys
for name in ("tensorflow", "keras", "sklearn", "mlflow", "matplotlib"):
    sys.modules[name] = None
from rareevent.cli import main
main()
"""


def test_a_spark_udf_is_refused_as_its_batches_would_cut_windows(tmp_path):
    """What a task of Spark calls; `score_table` on all rows of an asset is what may be called."""
    need_spark()
    from pyspark.errors import PySparkException

    bundle, table = fleet_bundle(), fleet_rows(3, ("m1",))
    expected = score_table(bundle, table)["probability"]
    with spark_session("local[1]") as spark:
        table.to_parquet(tmp_path / "rows.parquet", coerce_timestamps="us")
        rows = spark.read.parquet(str(tmp_path / "rows.parquet"))

        def scored_by(call):
            def score(frames):
                for frame in frames:
                    yield call(frame)[["probability"]]

            answer = rows.mapInPandas(score, "probability double").collect()
            return [row.probability for row in answer]

        with pytest.raises(PySparkException, match="use `rareevent score --engine spark`"):
            scored_by(lambda frame: ScoringModel(bundle).predict(frame))
        found = scored_by(lambda frame: score_table(bundle, frame))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
