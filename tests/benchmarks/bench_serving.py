"""How long a request and a streamed row take, beside MLflow around a model that does nothing.

20 sensors, the shipped default of three members and the blend. The bare model has the same
signature and answers with a table that is ready. Over HTTP the server is MLflow's own, asked by one
client, one request after the other.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import pandas as pd

from rareevent.bundle import Bundle
from tests.benchmarks.lines import Line, Size, at_most
from tests.benchmarks.plant import NAME, make_bundle, register_bundle, write_rows

ROUNDS = {Size.TINY: 3, Size.USUAL: 60, Size.FULL: 300}
MANY = {Size.TINY: 60, Size.USUAL: 1_000, Size.FULL: 1_000}
_START_SEC = 240


@dataclass(frozen=True)
class Answer:
    """A model that does nothing: its answer is ready."""

    table: pd.DataFrame

    def predict(self, model_input: pd.DataFrame) -> pd.DataFrame:
        """The answer."""
        return self.table


def measure(size: Size) -> list[Line]:
    """Milliseconds of a request in memory, over HTTP, and of a streamed row."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(folder / "new.parquet", 4 * MANY[size])
        bundle = make_bundle(members=3, blended=True)
        register_bundle(folder, bundle, "new.parquet")
        table = pd.read_parquet(folder / "new.parquet")
        table = table[table["asset"] == "line 0"]
        lines = [Line("rows that make a request", f"{bundle.request_rows}")]
        for rows in (bundle.request_rows, MANY[size]):
            lines += _in_memory(folder, bundle, table.tail(rows), ROUNDS[size])
        lines += _over_http(folder, table.tail(bundle.request_rows), ROUNDS[size])
        lines += _stream(bundle, table, ROUNDS[size])
    return lines


def _milliseconds(run: Callable[[], object], rounds: int) -> np.ndarray:
    """Of each round but the first, float64 [rounds]."""
    took = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        run()
        took.append(1e3 * (time.perf_counter() - began))
    return np.array(took[1:])


def _words(took: np.ndarray) -> str:
    middle, late = np.percentile(took, [50, 95])
    return f"{middle:.1f} ms, of 20 one above {late:.1f} ms"


def _in_memory(folder: Path, bundle: Bundle, table: pd.DataFrame, rounds: int) -> list[Line]:
    import mlflow

    from rareevent.scoring.pyfunc import score_table

    ours = mlflow.pyfunc.load_model(f"models:/{NAME}@champion")
    bare = mlflow.pyfunc.PyFuncModel(ours.metadata, Answer(ours.predict(table)))
    took = {
        "MLflow around a model that does nothing": _milliseconds(
            lambda: bare.predict(table), rounds
        ),
        "mlflow.pyfunc predict": _milliseconds(lambda: ours.predict(table), rounds),
        "score_table": _milliseconds(lambda: score_table(bundle, table), rounds),
    }
    nothing, whole, plain = (np.median(one) for one in took.values())
    rows = f"{len(table):,} rows"
    return [
        *(Line(f"{rows}, {what}", _words(one)) for what, one in took.items()),
        Line(f"{rows}, predict against MLflow's own part", f"{whole / nothing:.1f} ×"),
        Line(f"{rows}, score_table against predict", f"{plain / whole:.2f} ×"),
    ]


def _over_http(folder: Path, table: pd.DataFrame, rounds: int) -> list[Line]:
    split = json.loads(table.assign(time=table["time"].astype(str)).to_json(orient="split"))
    body = json.dumps({"dataframe_split": split})
    with _served(folder) as port:
        connection = HTTPConnection("127.0.0.1", port, timeout=60)

        def ask(method: str, path: str, sent: str | None) -> None:
            connection.request(method, path, sent, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            said = answer.read()
            if answer.status != 200:
                raise AssertionError(f"{path}: {answer.status}: {said[:300]!r}")

        ping = _milliseconds(lambda: ask("GET", "/ping", None), rounds)
        asked = _milliseconds(lambda: ask("POST", "/invocations", body), rounds)
    return [
        Line("GET /ping", _words(ping)),
        Line(f"POST /invocations, {len(table)} rows", _words(asked)),
        at_most("the middle request", float(np.median(asked)), 100, " ms"),
    ]


@contextmanager
def _served(folder: Path) -> Iterator[int]:
    """MLflow's server over the registered champion; its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = [sys.executable, "-m", "mlflow", "models", "serve", "-m", f"models:/{NAME}@champion"]
    command = [*program, "--env-manager", "local", "-h", "127.0.0.1", "-p", str(port)]
    path = os.pathsep.join((os.path.dirname(sys.executable), os.environ["PATH"]))
    root = str(Path(__file__).parents[2])
    home = f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": root, "MLFLOW_TRACKING_URI": home}
    quiet = subprocess.DEVNULL
    server = subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet)
    try:
        _wait_for(port, server)
        yield port
    finally:
        server.terminate()
        server.wait(30)


def _wait_for(port: int, server: subprocess.Popen) -> None:
    until = time.monotonic() + _START_SEC
    while time.monotonic() < until and server.poll() is None:
        try:
            connection = HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/ping")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError("MLflow's server does not answer")


def _stream(bundle: Bundle, table: pd.DataFrame, rounds: int) -> list[Line]:
    from rareevent.scoring.stream import StreamScorer

    rows = table.to_dict("records")
    scorer = StreamScorer(bundle)
    warm = bundle.request_rows
    for row in rows[:warm]:
        scorer.score(row)
    following = iter(rows[warm : warm + rounds + 1])
    took = _milliseconds(lambda: scorer.score(next(following)), min(rounds, len(rows) - warm - 1))
    rate = f"{1e3 / np.median(took):,.0f} rows/s"
    return [Line("StreamScorer, a row", f"{_words(took)}, {rate}")]
