"""MLflow's own server and command over a registered champion: a thousand requests, many bad."""

import json
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pandas as pd
import pytest
import requests

from rareevent.bundle import load_bundle, save_bundle
from rareevent.scoring.pyfunc import score_table
from rareevent.tracking.home import connect, find_home
from rareevent.tracking.models import log_bundle, set_alias
from rareevent.tracking.runs import training_run
from tests.bundles import raw_rows, tiny_bundle, tiny_config

REQUESTS, AT_ONCE, EVERY_BAD = 1000, 10, 10
# So many tables are sent again and again, in every form.
TABLES = 63
START_SEC = 240
EXCLUDED = [{"from": "2024-03-01 00:03", "to": "2024-03-01 00:04"}]
INGEST = {**tiny_config().dump()["ingest"], "exclude": EXCLUDED}
BUNDLE = tiny_bundle(tiny_config(ingest=INGEST))


@pytest.fixture(scope="module")
def registered(tmp_path_factory):
    """A home in which models:/tiny@champion is registered, as an environment for commands."""
    folder = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.chdir(folder)
        save_bundle(BUNDLE, folder / "bundle")
        with training_run("plant", "a run") as run:
            clock = load_bundle(folder / "bundle").clock
            example = raw_rows(rows=4)
            log_bundle(run, folder / "bundle", example, clock, register_as="tiny")
        set_alias(connect(), "tiny", 1)
        uri = find_home().uri
    path = os.pathsep.join((os.path.dirname(sys.executable), os.environ["PATH"]))
    return {**os.environ, "MLFLOW_TRACKING_URI": uri, "PATH": path}


@pytest.fixture(scope="module")
def address(registered, tmp_path_factory):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["mlflow", "models", "serve", "-m", "models:/tiny@champion"]
    command += ["--env-manager", "local", "-h", "127.0.0.1", "-p", str(port)]
    log = tmp_path_factory.mktemp("log") / "server.log"
    with log.open("w") as out:
        server = subprocess.Popen(command, env=registered, stdout=out, stderr=out)
    try:
        base = f"http://127.0.0.1:{port}"
        _wait_for(f"{base}/ping", server, log)
        yield base
        assert server.poll() is None, log.read_text()
    finally:
        server.terminate()
        server.wait(30)


def _wait_for(url, server, log):
    ends = time.monotonic() + START_SEC
    while time.monotonic() < ends:
        assert server.poll() is None, log.read_text()
        try:
            if requests.get(url, timeout=5).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.2)
    raise AssertionError(log.read_text())


def plain(table: pd.DataFrame) -> pd.DataFrame:
    """As JSON holds it: times as text, what is missing as None."""
    table = table.assign(when=table["when"].astype(str)).astype(object)
    return table.where(table.notna(), None)


def records(table):
    return plain(table).to_dict("records")


def split(table):
    return {"columns": list(table.columns), "data": plain(table).to_numpy().tolist()}


GOOD = (
    lambda table: {"dataframe_split": split(table)},
    lambda table: {"dataframe_records": records(table)},
    lambda table: {"instances": records(table)},
    lambda table: {"inputs": plain(table).to_dict("list")},
)
# Kind of bad request -> its body, and what the answer says of it.
BAD = {
    "a column is missing": (
        lambda t: {"dataframe_split": split(t.drop(columns="s2"))},
        "missing inputs ['s2']",
    ),
    "text in a sensor": (
        lambda t: {"dataframe_split": split(t.assign(s1=[*t["s1"].astype(object)[:-1], "Bad"]))},
        "'s1' 1 x ('Bad')",
    ),
    "a time that cannot be read": (
        lambda t: {"dataframe_records": [*records(t), {**records(t)[0], "when": "soon"}]},
        "'soon'",
    ),
    "no time": (
        lambda t: {"instances": [{**row, "when": None} for row in records(t)]},
        "have no time",
    ),
    "no asset": (lambda t: {"dataframe_split": split(t.assign(machine=None))}, "have no asset"),
    "a time of another kind": (
        lambda t: {"dataframe_split": {**split(t), "data": [[17, "m1", 1, 2, "A"]]}},
        "the model knows time as",
    ),
    "times in milliseconds": (
        lambda t: {"instances": [{**row, "when": 1709251200000} for row in records(t)]},
        "write times as 2024-03-31T08:15:00Z",
    ),
    "an offset in one time alone": (
        lambda t: {"dataframe_records": [*records(t), {**records(t)[0], "when": "2024-03-01T00Z"}]},
        "have an offset from UTC, others have none",
    ),
    "half a character": (
        lambda t: {"inputs": {**plain(t).to_dict("list"), "s1": ["\ud800"] + [1.5] * (len(t) - 1)}},
        "is no valid text; mend how it is encoded",
    ),
    "a list in a cell": (
        lambda t: {"dataframe_records": [{**row, "s1": [1, 2]} for row in records(t)]},
        "column 's1' holds list",
    ),
    "an object in a cell": (
        lambda t: {"dataframe_records": [{**row, "when": {"a": 1}} for row in records(t)]},
        "column 'when' holds struct",
    ),
    "nothing at all": (lambda t: "", "valid JSON"),
    "no record": (lambda t: {"dataframe_records": []}, "missing inputs"),
    "malformed JSON": (lambda t: '{"dataframe_split": {"col', "valid JSON"),
    "a list instead of an object": (lambda t: [1, 2], "Received a list"),
    "another key": (lambda t: {"rows": records(t)}, "exactly one of the input fields"),
    "numbers instead of rows": (lambda t: {"inputs": 3}, "missing inputs"),
    "one name twice": (
        lambda t: {
            "dataframe_split": {
                "columns": ["when", "machine", "s1", "s1", "s2", "grade"],
                "data": [["2024-03-01", "m1", 1, 2, 3, "A"]],
            }
        },
        "Length of values",
    ),
}


def post(address, body, kind="application/json"):
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    began = time.perf_counter()
    answer = requests.post(
        f"{address}/invocations", data=text, headers={"Content-Type": kind}, timeout=120
    )
    return answer, time.perf_counter() - began


def strict(answer):
    """The answer's JSON, as a reader takes it that knows no NaN."""

    def refuse(word):
        raise AssertionError(f"{word} is not JSON")

    return json.loads(answer.text, parse_constant=refuse)


def assert_scored(answer, batch):
    assert answer.status_code == 200, answer.text
    found = strict(answer)["predictions"]
    assert [row["asset"] for row in found] == batch["asset"].tolist()
    assert [row["time"] for row in found] == [when.isoformat() for when in batch["time"]]
    assert [row["alarm"] for row in found] == batch["alarm"].tolist()
    probability = np.array([row["probability"] for row in found], float)
    np.testing.assert_allclose(probability, batch["probability"], rtol=0, atol=1e-5)


def assert_refused(answer, said):
    assert answer.status_code == 400, answer.text
    assert said in answer.json()["message"]
    assert "stack_trace" not in answer.json()


@cache
def table_of(seed: int) -> pd.DataFrame:
    assets = ("m1",) if seed % 3 else ("m2", "m1", "m3")
    table = raw_rows(rows=2 + seed % 30, assets=assets, seed=seed)
    table.loc[seed % len(table), "s1"] = np.nan
    return table


@cache
def batch_of(seed: int) -> pd.DataFrame:
    return score_table(BUNDLE, table_of(seed))


def request_of(number: int):
    """The body of a request, and what its answer has to be: the scores of a table, or words."""
    table = table_of(number % TABLES)
    if number % EVERY_BAD == 0:
        kind = list(BAD)[number // EVERY_BAD % len(BAD)]
        make, said = BAD[kind]
        return make(table), said
    return GOOD[number % len(GOOD)](table), number % TABLES


@pytest.mark.slow
def test_a_thousand_requests_ten_at_a_time_are_each_answered_rightly(address, capsys):
    asked = [request_of(number) for number in range(REQUESTS)]
    with ThreadPoolExecutor(AT_ONCE) as ten:
        answers = list(ten.map(lambda pair: post(address, pair[0]), asked))
    unscored = alarms = refused = 0
    for (_, expected), (answer, _) in zip(asked, answers, strict=True):
        if isinstance(expected, str):
            assert_refused(answer, expected)
            refused += 1
        else:
            batch = batch_of(expected)
            assert_scored(answer, batch)
            unscored += int(batch["probability"].isna().sum())
            alarms += int(batch["alarm"].sum())
    assert refused == REQUESTS // EVERY_BAD
    assert unscored > 0
    assert alarms > 0
    assert requests.get(f"{address}/ping", timeout=60).ok
    middle, late = np.percentile([seconds * 1e3 for _, seconds in answers], [50, 99])
    with capsys.disabled():
        print(f"\n{REQUESTS} requests, {AT_ONCE} at a time: p50 {middle:.0f} ms, p99 {late:.0f} ms")


@pytest.mark.slow
def test_parquet_is_taken_no_rows_give_no_rows_and_odd_numbers_do_no_harm(address, tmp_path):
    table = raw_rows(rows=12)
    table.to_parquet(tmp_path / "rows.parquet")
    answer, _ = post(
        address, (tmp_path / "rows.parquet").read_bytes(), "application/vnd.apache.parquet"
    )
    assert_scored(answer, score_table(BUNDLE, table))
    answer, _ = post(address, {"dataframe_split": {**split(table), "data": []}})
    assert (answer.status_code, answer.json()) == (200, {"predictions": []})
    large = [{**row, "s1": 10**30} for row in records(table)]
    answer, _ = post(address, {"dataframe_records": large})
    assert_scored(answer, score_table(BUNDLE, table.assign(s1=1e30)))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["json", "csv"])
def test_mlflow_models_predict_scores_files(registered, tmp_path, kind):
    table = raw_rows(rows=12)
    if kind == "csv":
        table.to_csv(tmp_path / "rows.csv", index=False)
    else:
        (tmp_path / "rows.json").write_text(json.dumps({"dataframe_split": split(table)}))
    command = ["mlflow", "models", "predict", "-m", "models:/tiny@champion", "--env-manager"]
    command += ["local", "-i", f"rows.{kind}", "-t", kind, "-o", "out.json"]
    done = subprocess.run(command, env=registered, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    batch = score_table(BUNDLE, table)
    found = json.loads((tmp_path / "out.json").read_text())["predictions"]
    assert [row["alarm"] for row in found] == batch["alarm"].tolist()
    probability = np.array([row["probability"] for row in found], float)
    np.testing.assert_allclose(probability, batch["probability"], rtol=0, atol=1e-5)


def test_unscored_rows_are_null_where_the_answer_becomes_json(monkeypatch):
    from rareevent.scoring.pyfunc import ScoringModel

    table = raw_rows(rows=20, assets=("m1",))
    assert ScoringModel(BUNDLE).predict(table)["probability"].dtype == "float64"
    monkeypatch.setenv("_MLFLOW_IS_IN_SERVING_ENVIRONMENT", "true")
    found = ScoringModel(BUNDLE).predict(table)["probability"].tolist()
    assert [place for place, value in enumerate(found) if value is None] == [3, 4]


def test_whole_numbers_beyond_64_bits_are_read_as_numbers():
    table = raw_rows(rows=6, assets=("m1",))
    odd = table.assign(s1=pd.Series([10**30] * 6, dtype=object))
    pd.testing.assert_frame_equal(
        score_table(BUNDLE, odd), score_table(BUNDLE, table.assign(s1=1e30))
    )
