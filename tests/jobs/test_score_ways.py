"""Which way a scoring job takes: files, databases or Spark."""

import pytest

from rareevent.bundle import save_bundle
from rareevent.errors import ConfigError
from rareevent.jobs.score import plan_score, score
from rareevent.scoring.job import ScoreOptions
from rareevent.scoring.spark_session import spark_session
from tests.scoring.fleets import fleet_bundle, fleet_rows
from tests.scoring.outputs import scored
from tests.scoring.test_sql_job import get, put


def test_databases_are_told_from_paths_on_both_sides(workplace):
    save_bundle(fleet_bundle(), workplace / "b")
    rows, model = fleet_rows(4), str(workplace / "b")
    rows.to_parquet(workplace / "rows.parquet")
    put("sqlite:///plant.db", rows)
    table, scores = "sqlite:///plant.db#readings", "sqlite:///plant.db#scores"
    planned = [plan_score(model, table, "out"), plan_score(model, table, scores)]
    assert [plan["files"][0]["rows"] for plan in planned] == [len(rows)] * 2
    assert not (workplace / "out").exists()
    score(model, "rows.parquet", "files")
    score(model, table, "out")
    score(model, table, scores)
    score(model, "rows.parquet", "sqlite:///plant.db#others")
    wanted = scored(workplace / "files")["probability"].to_numpy()
    assert scored(workplace / "out")["probability"].to_numpy() == pytest.approx(wanted)
    for name in ("scores", "others"):
        assert get("sqlite:///plant.db", name)["probability"].to_numpy() == pytest.approx(wanted)


def test_what_an_engine_cannot_do_is_refused_before_anything_is_touched(workplace):
    save_bundle(fleet_bundle(), workplace / "b")
    spark = ScoreOptions(engine="spark")
    for source, output in (("sqlite:///x.db#t", "out"), ("rows.csv", "sqlite:///x.db#t")):
        with pytest.raises(ConfigError, match="reads and writes files, not databases"):
            score(str(workplace / "b"), source, output, options=spark)
    with pytest.raises(ConfigError, match="give --engine spark with it"):
        score(str(workplace / "b"), "rows.csv", "out", options=ScoreOptions(master="local"))
    assert {path.name for path in workplace.iterdir()} == {"b"}


def test_spark_without_java_is_told_in_words(monkeypatch, tmp_path):
    pytest.importorskip("pyspark")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="Spark needs Java 17 or newer"), spark_session(None):
        pass
