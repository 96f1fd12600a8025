"""From what a user types for a model to the bundle's directory."""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import yaml

from rareevent.bundle import BUNDLE_FILE, Bundle, load_bundle
from rareevent.errors import ModelError
from rareevent.tracking.home import Home, connect, find_home, tracking_errors
from rareevent.tracking.models import LOADER_MODULE, aliases, registered, versions

if TYPE_CHECKING:
    from mlflow import MlflowClient

_MODEL_ID = re.compile(r"^m-[0-9a-f]{32}$")
_FORMS = "models:/NAME@champion, models:/NAME/VERSION, runs:/RUN_ID or a bundle directory"


@dataclass(frozen=True)
class ResolvedModel:
    """A model on this machine.

    Attributes
    ----------
    folder : the bundle's directory
    uri : what it is known as: "models:/NAME/VERSION", "models:/MODEL_ID" or the directory
    name, version : in the registry; None where it has none
    kept : a download that lives as long as this object
    """

    folder: Path
    uri: str
    name: str | None = None
    version: int | None = None
    kept: tempfile.TemporaryDirectory[str] | None = None


def resolve_model(model: str, home: Home | None = None) -> ResolvedModel:
    """Find the bundle behind a model URI or a directory; downloads it where it is elsewhere.

    Parameters
    ----------
    model : "models:/NAME@ALIAS", "models:/NAME/VERSION", "models:/NAME/latest",
        "models:/MODEL_ID", "runs:/RUN_ID", a bundle directory, or a directory that holds an
        MLflow model with one inside
    home : default `find_home()`; not touched for a directory

    Raises
    ------
    ModelError
        When there is no such model; lists what there is.
    TrackingError
        When MLflow cannot be reached.
    """
    if not model.startswith(("models:/", "runs:/")):
        return ResolvedModel(_bundle_in(Path(model), model), str(model))
    home = home or find_home()
    client = connect(home)
    if model.startswith("runs:/"):
        model_id, name, version = _model_of_run(client, home, model), None, None
        location = _logged_location(client, home, model_id)
        return _local(location, f"models:/{model_id}", name, version)
    reference = model.removeprefix("models:/").strip("/")
    if _MODEL_ID.match(reference):
        return _local(_logged_location(client, home, reference), model, None, None)
    name, version = _registered_version(client, home, reference)
    with tracking_errors(f"cannot read version {version} of {name!r} at {home.shown}"):
        source = client.get_model_version(name, str(version)).source
    if source is None:
        raise ModelError(
            f"version {version} of {name!r} at {home.shown} does not say where its files are;"
            " register it again"
        )
    if _MODEL_ID.match(source.removeprefix("models:/")):
        source = _logged_location(client, home, source.removeprefix("models:/"))
    return _local(source, f"models:/{name}/{version}", name, version)


def load_model(model: str, home: Home | None = None) -> Bundle:
    """The bundle behind a model URI or a directory, as `resolve_model` finds it.

    What had to be downloaded is gone from disk again: who needs the files resolves the model, and
    keeps what comes of it for as long.

    Raises
    ------
    ModelError
        When there is no such model, or its bundle cannot be read.
    TrackingError
        When MLflow cannot be reached.
    """
    found = resolve_model(model, home)
    try:
        return load_bundle(found.folder)
    finally:
        if found.kept is not None:
            found.kept.cleanup()


def name_and_version(model: str, home: Home) -> tuple[str, int] | None:
    """The registered name and version behind a URI; None of a model that was never registered.

    Nothing is downloaded, so the version's files may be gone.

    Parameters
    ----------
    model : "models:/NAME@ALIAS", "models:/NAME/VERSION", "models:/NAME/latest" or
        "models:/MODEL_ID"

    Raises
    ------
    ModelError
        When there is no such version; lists what there is.
    TrackingError
        When MLflow cannot be reached.
    """
    reference = model.removeprefix("models:/").strip("/")
    if _MODEL_ID.match(reference):
        return None
    return _registered_version(connect(home), home, reference)


def run_of_model(model: str, home: Home | None = None) -> str:
    """The id of the run that made a registered version.

    Parameters
    ----------
    model : "models:/NAME@ALIAS", "models:/NAME/VERSION" or "models:/NAME/latest"

    Raises
    ------
    ModelError
        When there is no such version; lists what there is.
    TrackingError
        When MLflow cannot be reached.
    """
    home = home or find_home()
    client = connect(home)
    name, version = _registered_version(client, home, model.removeprefix("models:/").strip("/"))
    with tracking_errors(f"cannot read version {version} of {name!r} at {home.shown}"):
        run_id = client.get_model_version(name, str(version)).run_id
    if not run_id:
        raise ModelError(f"version {version} of {name!r} at {home.shown} was made by no run")
    return run_id


def _registered_version(client: MlflowClient, home: Home, reference: str) -> tuple[str, int]:
    """Name and version behind "NAME@ALIAS", "NAME/VERSION" or "NAME/latest"."""
    # MLflow lets no name hold a slash; one with an @ may come from elsewhere.
    mark = "/" if "/" in reference or "@" not in reference else "@"
    name, _, which = reference.rpartition(mark)
    if not name:
        name, which = reference, ""
    known = versions(client, name)
    if not known:
        raise ModelError(f"no model {name!r} is registered at {home.shown}; {_catalogue(client)}")
    if mark == "@" and which in (named := aliases(client, name)):
        return name, named[which]
    if mark == "/" and which == "latest":
        return name, known[-1]
    if mark == "/" and which.isdigit() and int(which) in known:
        return name, int(which)
    wanted = {"@": f"no alias {which!r}", "/": f"no version {which!r}"}[mark]
    said = f"has {wanted}" if which else "needs a version or an alias: say which"
    crown = (
        f"; `rareevent promote models:/{name}/{known[-1]}` makes version {known[-1]} the champion"
        " if it has skill"
        if (mark, which) == ("@", "champion")
        else ""
    )
    raise ModelError(f"the model {name!r} {said}; {_catalogue(client)}{crown}; use {_FORMS}")


def _catalogue(client: MlflowClient) -> str:
    """What is registered, in one phrase."""
    models = registered(client)
    if not models:
        return (
            "nothing is registered there yet: train with `register.model` set, call from the folder"
            " that holds mlruns/, or set MLFLOW_TRACKING_URI"
        )
    parts = []
    for name, named in sorted(models.items()):
        have = ", ".join(str(v) for v in versions(client, name)) or "none"
        point = "".join(f", {alias} is {version}" for alias, version in sorted(named.items()))
        parts.append(f"{name} (versions {have}{point})")
    return "registered: " + "; ".join(parts)


def _model_of_run(client: MlflowClient, home: Home, uri: str) -> str:
    run_id = uri.removeprefix("runs:/").split("/")[0]
    with tracking_errors(f"cannot find run {run_id!r} at {home.shown}"):
        run = client.get_run(run_id)
    made = run.outputs.model_outputs if run.outputs else []
    if not made:
        raise ModelError(
            f"run {run_id} at {home.shown} has no model; it ended as {run.info.status}"
        )
    return made[-1].model_id


def _logged_location(client: MlflowClient, home: Home, model_id: str) -> str:
    with tracking_errors(f"cannot find the model {model_id} at {home.shown}"):
        return client.get_logged_model(model_id).artifact_location


def _local(location: str, uri: str, name: str | None, version: int | None) -> ResolvedModel:
    """The bundle at an artifact location; what lies on this machine is used where it lies."""
    parts = urlsplit(location)
    if parts.scheme in ("", "file"):
        folder = Path(unquote(parts.path))
        return ResolvedModel(_bundle_in(folder, uri), uri, name, version)
    from mlflow.artifacts import download_artifacts

    kept = tempfile.TemporaryDirectory(prefix="rareevent-model-")
    with tracking_errors(f"cannot download {uri} from {location}"):
        folder = Path(download_artifacts(artifact_uri=location, dst_path=kept.name))
    return ResolvedModel(_bundle_in(folder, uri), uri, name, version, kept)


def _bundle_in(folder: Path, asked: str) -> Path:
    """The bundle's directory: the folder itself, or the data of the MLflow model in it."""
    # Other than Path.is_dir, this raises nothing, whatever the name.
    if not os.path.isdir(folder):
        raise ModelError(f"{asked}: no such model: {folder} is no directory; use {_FORMS}")
    description = folder / "MLmodel"
    if (folder / BUNDLE_FILE).is_file() or not description.is_file():
        return folder
    try:
        flavor = yaml.safe_load(description.read_text(encoding="utf-8"))["flavors"]
        loader, data = (flavor["python_function"][key] for key in ("loader_module", "data"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError):
        loader, data = None, ""
    if loader != LOADER_MODULE:
        raise ModelError(f"{asked} is an MLflow model, but not one that rareevent made")
    return folder / str(data)
