"""A run that is being written: parameters, metrics, tags, artifacts, datasets."""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from rareevent.tracking.home import Home, tracking_errors

if TYPE_CHECKING:
    from mlflow import MlflowClient

# MLflow's own limits, below which it neither truncates nor refuses.
_MAX_PARAM_CHARS = 6000
_MAX_TAG_CHARS = 5000
_MAX_KEY_CHARS = 250
# As many characters of a digest as a column of the UI shows; the run's tag has all of them.
_DIGEST_CHARS = 12
DIGEST_TAG = "data_sha256"
_MAX_COLUMNS = 1000
_PARAMS_PER_BATCH = 100
_METRICS_PER_BATCH = 1000


@dataclass(frozen=True)
class TrackedRun:
    """An MLflow run that is being written.

    Every method raises `TrackingError` when MLflow cannot be reached or refuses.
    """

    client: MlflowClient
    home: Home
    experiment_id: str
    run_id: str

    def params(self, settings: Mapping[str, Any]) -> None:
        """Log nested settings as parameters named by their path, such as `train.seed`.

        Values longer than MLflow takes are cut, ending in "…"; the resolved pipeline file is the
        complete record.
        """
        from mlflow.entities import Param

        flat = [
            Param(cut(key, _MAX_KEY_CHARS), cut(_text(value), _MAX_PARAM_CHARS))
            for key, value in flatten(settings)
        ]
        with self._errors("parameters"):
            for start in range(0, len(flat), _PARAMS_PER_BATCH):
                batch = flat[start : start + _PARAMS_PER_BATCH]
                self.client.log_batch(self.run_id, params=batch)

    def metrics(self, values: Mapping[str, float | None], prefix: str = "", step: int = 0) -> None:
        """Log figures as `prefix/name`; None and what is not finite is left out.

        Parameters
        ----------
        values : name -> figure
        prefix : group, such as "test"; empty where the names already have one
        step : epoch; MLflow shows the figure of the highest step as the run's, so a final figure
            needs a name that no epoch uses, or a later step
        """
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        found = [
            Metric(f"{prefix}/{name}" if prefix else name, float(value), now, step)
            for name, value in values.items()
            if value is not None and math.isfinite(value)
        ]
        with self._errors("metrics"):
            for start in range(0, len(found), _METRICS_PER_BATCH):
                batch = found[start : start + _METRICS_PER_BATCH]
                self.client.log_batch(self.run_id, metrics=batch)

    def tags(self, values: Mapping[str, Any]) -> None:
        """Set tags, such as `verdict`; None values are left out, long ones cut."""
        with self._errors("tags"):
            for key, value in values.items():
                if value is not None:
                    self.client.set_tag(self.run_id, key, cut(_text(value)))

    def describe(self, text: str) -> None:
        """Set the description that the MLflow page of the run shows, in Markdown."""
        self.tags({"mlflow.note.content": text})

    def save(self, name: str, content: bytes | str) -> None:
        """Store an artifact from memory, such as `plots/pr.png` or `pipeline.yaml`."""
        target = PurePosixPath(name)
        data = content.encode() if isinstance(content, str) else content
        with tempfile.TemporaryDirectory(prefix="rareevent-") as folder:
            path = Path(folder) / target.name
            path.write_bytes(data)
            self.save_file(path, "" if str(target.parent) == "." else str(target.parent))

    def save_file(self, path: Path, folder: str = "") -> None:
        """Store a file as an artifact under its own name, in `folder` of the run's artifacts."""
        with self._errors(f"the artifact {path.name}"):
            self.client.log_artifact(self.run_id, str(path), folder or None)

    def dataset(
        self,
        name: str,
        source: str,
        digest: str,
        context: str,
        profile: Mapping[str, Any],
        columns: Mapping[str, str],
    ) -> None:
        """Record which data the run used, by name, place, digest and columns; nothing is copied.

        Parameters
        ----------
        name : as the MLflow page lists it
        source : path or address the data was read from
        digest : digest of its bytes; its first 12 characters name the data in tables, the tag
            `data_sha256` has all of it
        context : what it was used for, such as "training"
        profile : plain figures, such as rows and events
        columns : name -> type, as MLflow names types ("double", "string", "datetime", "long")
        """
        from mlflow.entities import Dataset, DatasetInput, InputTag

        where = json.dumps({"uri": source})
        data = Dataset(
            name=name,
            digest=digest[:_DIGEST_CHARS],
            source_type="local",
            source=where,
            schema=_columns_text(columns),
            profile=json.dumps(profile, allow_nan=False),
        )
        tag = InputTag("mlflow.data.context", context)
        with self._errors("the dataset"):
            self.client.log_inputs(self.run_id, [DatasetInput(data, [tag])])
        self.tags({DIGEST_TAG: digest})

    def _errors(self, what: str) -> AbstractContextManager[None]:
        return tracking_errors(f"cannot log {what} of run {self.run_id} at {self.home.shown}")


def flatten(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Nested settings as (dotted path, value) pairs, in order.

    Examples
    --------
    >>> flatten({"train": {"seed": 5}, "name": "x"})
    [('train.seed', 5), ('name', 'x')]
    """
    pairs: list[tuple[str, Any]] = []
    for key, value in settings.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            pairs += flatten(value, f"{path}.")
        else:
            pairs.append((path, value))
    return pairs


def _columns_text(columns: Mapping[str, str]) -> str:
    """Columns as MLflow writes those of a dataset, at most as many as anyone will look through."""
    listed = list(columns.items())[:_MAX_COLUMNS]
    specs = [{"name": cut(n, _MAX_KEY_CHARS), "type": k, "required": True} for n, k in listed]
    return json.dumps({"mlflow_colspec": specs}, ensure_ascii=False)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) or (isinstance(value, Sequence) and not isinstance(value, bytes)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def cut(text: str, limit: int = _MAX_TAG_CHARS) -> str:
    """The text, shortened to `limit` characters and ending in "…" where it is longer."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
