"""The bundle as an MLflow pyfunc: MLflow imports this module and hands it the bundle's path."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rareevent.bundle import Bundle, load_bundle
from rareevent.errors import ModelError, RareEventError
from rareevent.ingestion import frame_from_table
from rareevent.ingestion.frame import Int64, SensorFrame
from rareevent.ingestion.roles import roles_for_scoring
from rareevent.ingestion.table import read_frame
from rareevent.ingestion.time_numbers import Place
from rareevent.ingestion.times import read_times
from rareevent.ingestion.timezones import localise
from rareevent.scoring.engine import score_frame
from rareevent.scoring.inputs import check_columns

if TYPE_CHECKING:
    import pandas as pd


# MLflow sets it where answers become JSON: in its scoring server and in `mlflow models predict`.
_SERVING = "_MLFLOW_IS_IN_SERVING_ENVIRONMENT"


@dataclass(frozen=True)
class ScoringModel:
    """What `mlflow.pyfunc.load_model` wraps."""

    bundle: Bundle

    def predict(self, model_input: pd.DataFrame) -> pd.DataFrame:
        """Score raw rows: one row out for each row in, in the order of the input.

        Rows belong together as in any input: those of an asset are sorted by time and cut into
        segments at gaps; columns that the model does not read, a label among them, are not looked
        at. Earlier calls are not remembered.

        Parameters
        ----------
        model_input : pandas.DataFrame with the time column, the asset column where the model was
            trained with one, and every column that the model reads

        Returns
        -------
        pandas.DataFrame with `asset` (text), `time` (datetime64[us], UTC without a zone, or an
            integer age), `probability` (float64) and `alarm` (bool), with the input's index. A row
            that cannot be scored (excluded, or too little history) has probability NaN and no
            alarm; of several rows with one asset and time, all have the probability and the first
            has the alarm. Where MLflow turns the answer into JSON, which has no NaN, such a
            probability is null.

        Raises
        ------
        MlflowException
            When the rows cannot be scored; the message says which and why. A served model answers
            with status 400. Within a task of Spark nothing is scored: a UDF is handed rows in
            batches, which would cut windows without a word.
        """
        from mlflow.exceptions import MlflowException
        from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

        try:
            _refuse_in_spark()
            scored = score_table(self.bundle, model_input)
            return _without_nan(scored) if os.environ.get(_SERVING) == "true" else scored
        except RareEventError as error:
            raise MlflowException(str(error), error_code=INVALID_PARAMETER_VALUE) from error

    def get_raw_model(self) -> ScoringModel:
        """What `mlflow.pyfunc.load_model(…).get_raw_model()` gives: `predict` without the wrapper.

        MLflow looks at every value once to hold a table against the signature, which takes longer
        than scoring it; what cannot be read is refused here either way.
        """
        return self


def _refuse_in_spark() -> None:
    """Refuse to be a Spark UDF."""
    tasks = sys.modules.get("pyspark.taskcontext")
    if tasks is not None and tasks.TaskContext.get() is not None:
        raise ModelError(
            "a Spark UDF is handed rows in batches, whatever asset they are of, and so would be"
            " scored without the rows before them; use `rareevent score --engine spark`, or"
            " rareevent.score_table on all rows of an asset (applyInPandas)"
        )


def _without_nan(scored: pd.DataFrame) -> pd.DataFrame:
    """The same, with None for a probability that is not there."""
    known = scored["probability"].notna()
    return scored.assign(probability=scored["probability"].astype(object).where(known, None))


def _load_pyfunc(path: str) -> ScoringModel:
    """Called by MLflow with the bundle's directory."""
    return ScoringModel(load_bundle(path))


def score_table(bundle: Bundle, table: pd.DataFrame) -> pd.DataFrame:
    """Score raw rows in memory, see `ScoringModel.predict`.

    Raises
    ------
    ModelError
        When the table lacks columns that the model reads.
    DataError
        When a value cannot be read.
    """
    import pandas as pd

    if not isinstance(table, pd.DataFrame):
        raise ModelError(f"the model takes a table of raw rows; received {type(table).__name__}")
    check_columns(bundle, [str(name) for name in table.columns], "the table")
    if table.empty:
        none = np.zeros(0)
        return _as_table(bundle, np.zeros(0, object), none, none, none, table.index)
    frame, _ = frame_from_table(table, bundle.config.ingest, bundle.clock, bundle.needs)
    scores = score_frame(bundle, frame)
    probability = np.full(len(frame), np.nan)
    probability[scores.row] = scores.probability
    alarm = np.zeros(len(frame), bool)
    alarm[scores.row] = scores.alarm
    place, first = _places(bundle, table, frame)
    asset = np.array(frame.assets, object)[frame.asset[place]]
    return _as_table(
        bundle, asset, frame.time[place], probability[place], alarm[place] & first, table.index
    )


def _places(bundle: Bundle, table: pd.DataFrame, frame: SensorFrame) -> tuple[Int64, np.ndarray]:
    """Row of the frame for each row of the table, and whether it is the first one there.

    The frame's rows are the table's, sorted by asset and time, each pair once.
    """
    stage = bundle.config.ingest
    names = [str(name) for name in table.columns]
    raw = read_frame(table, roles_for_scoring(names, stage, (), "the table"), stage)
    times = read_times(
        raw.time, stage.time_format, stage.missing_values, Place(stage.time, raw.row, fixed=True)
    )
    ticks = times.ticks
    if stage.timezone is not None and times.local:
        ticks = localise(ticks, raw.asset, stage.timezone, f"column {stage.time!r}").ticks
    order = np.lexsort((ticks, raw.asset))
    new = np.ones(len(order), bool)
    new[1:] = (np.diff(raw.asset[order]) != 0) | (np.diff(ticks[order]) != 0)
    place, first = np.empty(len(order), np.int64), np.empty(len(order), bool)
    place[order], first[order] = np.cumsum(new) - 1, new
    return place, first


def _as_table(
    bundle: Bundle,
    asset: np.ndarray,
    ticks: np.ndarray,
    probability: np.ndarray,
    alarm: np.ndarray,
    index: pd.Index,
) -> pd.DataFrame:
    import pandas as pd

    ticks = ticks.astype(np.int64)
    columns = {
        "asset": pd.array(asset, dtype="str"),
        "time": ticks.view("datetime64[us]") if bundle.clock.kind == "datetime" else ticks,
        "probability": probability,
        "alarm": alarm.astype(bool),
    }
    return pd.DataFrame(columns, index=index)
