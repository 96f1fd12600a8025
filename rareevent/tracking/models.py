"""Bundles as MLflow models: logged with their run, registered under a name, found by alias."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rareevent import __version__
from rareevent.errors import ModelError
from rareevent.ingestion.frame import Clock
from rareevent.tracking.home import tracking_errors, wake_mlflow
from rareevent.tracking.tracked import TrackedRun

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import RegisteredModel
    from mlflow.models import ModelSignature

CHAMPION = "champion"
LOADER_MODULE = "rareevent.scoring.pyfunc"
_ARTIFACT_NAME = "model"
# What scoring imports. Named, so that MLflow need not run the model to find out.
_SCORING_PACKAGES = ("mlflow", "numpy", "pandas", "pyarrow", "pydantic", "PyYAML")


@dataclass(frozen=True)
class LoggedBundle:
    """Where MLflow keeps a bundle.

    Attributes
    ----------
    uri : "models:/NAME/VERSION" where it was registered, else "models:/MODEL_ID"
    model_id : of the model in the run's experiment
    name, version : in the registry; None where it was not registered
    """

    uri: str
    model_id: str
    name: str | None = None
    version: int | None = None


def log_bundle(
    run: TrackedRun,
    bundle: Path,
    example: pd.DataFrame,
    clock: Clock,
    *,
    register_as: str | None = None,
    tags: Mapping[str, str] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> LoggedBundle:
    """Log a saved bundle as a pyfunc model of the run, and register it if a name is given.

    The model holds no code and no pickle: MLflow is told to load it with this package's
    `rareevent.scoring.pyfunc`.

    Parameters
    ----------
    run : the run that made it
    bundle : directory written by `save_bundle`
    example : a few raw rows with the columns that the model reads, as input example
    clock : how the model counts time, for the type of the output column
    register_as : registered model that gets a new version
    tags : of the registered version
    metadata : what MLflow keeps with the model, and `load_model(…).metadata.metadata` gives

    Raises
    ------
    TrackingError
        When MLflow cannot store or register the model.
    """
    pyfunc = wake_mlflow("mlflow.pyfunc")
    model = wake_mlflow("mlflow.models").Model
    with tracking_errors(f"cannot log the model of run {run.run_id} at {run.home.shown}"):
        # MLflow files a model under the active experiment, whatever the run's own is.
        wake_mlflow().set_experiment(experiment_id=run.experiment_id)
        logged = model.log(
            artifact_path=None,
            name=_ARTIFACT_NAME,
            flavor=pyfunc,
            run_id=run.run_id,
            loader_module=LOADER_MODULE,
            data_path=str(bundle),
            signature=model_signature(list(example.columns), clock),
            input_example=example,
            pip_requirements=scoring_requirements(),
            metadata=dict(metadata or {}),
        )
    if register_as is None:
        return LoggedBundle(f"models:/{logged.model_id}", logged.model_id)
    version = _register(run, logged.model_id, register_as, tags or {})
    return LoggedBundle(f"models:/{register_as}/{version}", logged.model_id, register_as, version)


def model_signature(columns: Sequence[str], clock: Clock) -> ModelSignature:
    """What the pyfunc takes and gives, as MLflow writes it.

    Inputs are of any type on purpose: MLflow would refuse a sensor whose readings happen to be
    whole numbers in one batch, or a time given as text once and as a timestamp later; ingestion
    reads both, and says which value it cannot read.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema, TensorSpec
    from mlflow.types.schema import AnyType

    time = DataType.datetime if clock.kind == "datetime" else DataType.long
    outputs: list[ColSpec | TensorSpec] = [
        ColSpec(DataType.string, "asset"),
        ColSpec(time, "time"),
        ColSpec(DataType.double, "probability"),
        ColSpec(DataType.boolean, "alarm"),
    ]
    inputs: list[ColSpec | TensorSpec] = [ColSpec(AnyType(), name) for name in columns]
    return ModelSignature(Schema(inputs), Schema(outputs))


def scoring_requirements() -> list[str]:
    """The packages that scoring imports, at the versions installed here."""
    others = [f"{name}=={installed(name)}" for name in _SCORING_PACKAGES]
    return [f"rareevent=={__version__}", *others]


def set_alias(client: MlflowClient, name: str, version: int, alias: str = CHAMPION) -> None:
    """Point an alias of a registered model at a version.

    Raises
    ------
    ModelError
        When there is no such version.
    """
    known = versions(client, name)
    if version not in known:
        raise ModelError(f"{name!r} has no version {version}; it has {_listed(known) or 'none'}")
    with tracking_errors(f"cannot set the alias {alias!r} of {name!r}"):
        client.set_registered_model_alias(name, alias, str(version))


def aliases(client: MlflowClient, name: str) -> dict[str, int]:
    """Alias -> version of a registered model; empty where there is no such model."""
    model = find_registered(client, name)
    return {alias: int(version) for alias, version in model.aliases.items()} if model else {}


def find_registered(client: MlflowClient, name: str) -> RegisteredModel | None:
    """A registered model with its tags and aliases; None where there is no such model."""
    from mlflow.exceptions import MlflowException

    with tracking_errors(f"cannot look for the registered model {name!r}"):
        try:
            return client.get_registered_model(name)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise


def versions(client: MlflowClient, name: str) -> list[int]:
    """Versions of a registered model, ascending; empty where there is no such model."""
    # With both marks in it no literal can hold the name.
    query = None if "'" in name and '"' in name else f"name={quoted(name)}"
    with tracking_errors(f"cannot list the versions of {name!r}"):
        found = all_pages(client.search_model_versions, query)
    return sorted(int(v.version) for v in found if v.name == name)


def version_of_run(client: MlflowClient, run_id: str) -> tuple[str, int] | None:
    """Name and version of the newest registered model that a run made; None where it made none."""
    with tracking_errors(f"cannot look for the model of run {run_id}"):
        found = all_pages(client.search_model_versions, f"run_id={quoted(run_id)}")
    newest = max(found, key=lambda v: int(v.version), default=None)
    return (newest.name, int(newest.version)) if newest else None


def registered(client: MlflowClient) -> dict[str, dict[str, int]]:
    """Every registered model's aliases: name -> alias -> version."""
    with tracking_errors("cannot list the registered models"):
        models = all_pages(client.search_registered_models, None)
    return {m.name: {alias: int(version) for alias, version in m.aliases.items()} for m in models}


def all_pages(search: Any, query: str | None) -> list[Any]:
    """Every result of a paged search of MLflow's registry."""
    results, token = [], None
    while True:
        page = search(filter_string=query, page_token=token)
        results += page
        token = page.token
        if not token:
            return results


def quoted(text: str) -> str:
    """A text as a literal of MLflow's search language, which knows no escape."""
    mark = '"' if "'" in text else "'"
    return f"{mark}{text}{mark}"


def _register(run: TrackedRun, model_id: str, name: str, tags: Mapping[str, str]) -> int:
    client = run.client
    with tracking_errors(f"cannot register the model as {name!r} at {run.home.shown}"):
        if find_registered(client, name) is None:
            client.create_registered_model(name)
        made = client.create_model_version(
            name, f"models:/{model_id}", run.run_id, tags=dict(tags), model_id=model_id
        )
    return int(made.version)


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(str(n) for n in numbers)
