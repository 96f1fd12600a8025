"""Where runs are tracked: MLflow's address, and the one place that wakes MLflow."""

from __future__ import annotations

import importlib
import logging
import os
import socket
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from rareevent.errors import TrackingError
from rareevent.ingestion.sql import shown_url
from rareevent.tracking.views import dress

if TYPE_CHECKING:
    from types import ModuleType

    from mlflow import MlflowClient
    from mlflow.entities import Experiment

DATABASE = Path("mlruns") / "mlflow.db"
_SQLITE = "sqlite:///"
# MLflow retries an unreachable server for minutes; one attempt to connect tells sooner.
_CONNECT_TIMEOUT_SEC = 5.0
# Servers that MLflow can track in, and where they listen unless the address says otherwise.
_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}


@dataclass(frozen=True)
class Home:
    """An MLflow address.

    Attributes
    ----------
    uri : the tracking and registry URI
    artifacts : folder for the artifacts of new experiments; None leaves the choice to the server
    """

    uri: str
    artifacts: Path | None

    @property
    def shown(self) -> str:
        """The address as messages may show it: without a password."""
        return shown_url(self.uri)


def find_home(folder: Path | None = None) -> Home:
    """The tracking home: `MLFLOW_TRACKING_URI` if set, else `mlruns/mlflow.db` under `folder`.

    The artifacts of an SQLite home lie beside its database, wherever that is, so that they do not
    depend on the folder a command was started in. Nothing is created here.

    Parameters
    ----------
    folder : default the working directory
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI", "").strip()
    if not uri:
        database = (folder or Path.cwd()).absolute() / DATABASE
        return Home(f"{_SQLITE}{database}", database.parent / "artifacts")
    named = _database_of(uri)
    if named is None:
        return Home(uri, None)
    query = uri.partition("?")[2]
    return Home(f"{_SQLITE}{named}{'?' if query else ''}{query}", named.parent / "artifacts")


def connect(home: Home | None = None) -> MlflowClient:
    """A client of the tracking home; makes the folders and database of an SQLite home.

    Making the database takes about three seconds, once (MLflow migrates an empty one step by
    step); opening it takes less than one.

    Raises
    ------
    TrackingError
        When the address cannot be reached, or is of a kind that MLflow no longer serves.
    """
    home = home or find_home()
    _check_reachable(home.uri)
    with tracking_errors(f"cannot open the tracking home {shown_url(home.uri)}"):
        if database := _database_of(home.uri):
            database.parent.mkdir(parents=True, exist_ok=True)
        mlflow = wake_mlflow()
        inherited = os.environ.get("MLFLOW_TRACKING_URI")
        mlflow.set_tracking_uri(home.uri)
        # MLflow also writes the address into the environment, where the next look for a home,
        # from another folder, would find it and take it for the user's wish.
        if inherited is None:
            os.environ.pop("MLFLOW_TRACKING_URI", None)
        client: MlflowClient = mlflow.MlflowClient()
        client.search_experiments(max_results=1)
    return client


def experiment_id(client: MlflowClient, home: Home, name: str) -> str:
    """The id of the experiment of that name, created where it does not exist, with its view.

    Raises
    ------
    TrackingError
        When an experiment of that name was deleted, or cannot be created.
    """
    with tracking_errors(f"cannot open the experiment {name!r} at {home.shown}"):
        found = client.get_experiment_by_name(name)
        if found is None:
            found = _create_experiment(client, home, name)
    if found.lifecycle_stage == "deleted":
        raise TrackingError(
            f"the experiment {name!r} at {home.shown} was deleted; restore it with"
            f" `mlflow experiments restore -x {found.experiment_id}` or use another name"
        )
    with tracking_errors(f"cannot describe the experiment {name!r} at {home.shown}"):
        dress(client, found)
    return found.experiment_id


def _create_experiment(client: MlflowClient, home: Home, name: str) -> Experiment:
    """The experiment, made here or by another process at the same instant."""
    from mlflow.exceptions import MlflowException

    location = home.artifacts.as_uri() if home.artifacts else None
    try:
        return client.get_experiment(client.create_experiment(name, location))
    except MlflowException:
        made_meanwhile = client.get_experiment_by_name(name)
        if made_meanwhile is None:
            raise
        return made_meanwhile


def wake_mlflow(module: str = "mlflow") -> ModuleType:
    """Import MLflow, or a module of it, quietly: no chatter, no usage reports sent out.

    What MLflow logs below a warning stays off stderr, and so do progress bars.
    `MLFLOW_LOGGING_LEVEL` and `MLFLOW_DISABLE_TELEMETRY` in the environment overrule.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    with warnings.catch_warnings():
        # What MLflow says about its own type hints and dependencies is nothing a user can mend.
        warnings.simplefilter("ignore")
        awake = importlib.import_module(module)
    if "MLFLOW_LOGGING_LEVEL" not in os.environ:
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        # Prints the traceback of what it raises; that becomes one line of ours.
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    return awake


@contextmanager
def tracking_errors(doing: str) -> Iterator[None]:
    """Turn what MLflow, its database driver and the network raise into one `TrackingError`.

    Parameters
    ----------
    doing : what failed, the start of the message
    """
    try:
        yield
    except _tracking_failures() as error:
        raise TrackingError(f"{doing}: {_first_line(error)}") from error


def _tracking_failures() -> tuple[type[Exception], ...]:
    """The exceptions of MLflow, SQLAlchemy, the network and the file system.

    Looked up when one was raised: a library that is not loaded raised nothing.
    """
    bases = (("mlflow.exceptions", "MlflowException"), ("sqlalchemy.exc", "SQLAlchemyError"))
    loaded = [(sys.modules[module], name) for module, name in bases if module in sys.modules]
    # A database driver that is not installed is an ImportError.
    return (OSError, ImportError, *(getattr(module, name) for module, name in loaded))


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _database_of(uri: str) -> Path | None:
    """The absolute path of an SQLite URI's file; None for other URIs and databases in memory."""
    if not uri.startswith(_SQLITE):
        return None
    path = unquote(uri.removeprefix(_SQLITE).partition("?")[0])
    return Path(path).absolute() if path and path != ":memory:" else None


def _check_reachable(uri: str) -> None:
    """Refuse what is no address or does not answer, before MLflow tries for minutes."""
    host, port = _server_of(uri)
    by_web = uri.startswith("http")
    proxied = any(os.environ.get(name) for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"))
    if host is None or (by_web and proxied):
        return
    try:
        socket.create_connection((host, port), _CONNECT_TIMEOUT_SEC).close()
    except OSError as error:
        raise TrackingError(
            f"cannot reach the {'MLflow' if by_web else 'database'} server at {shown_url(uri)}:"
            f" {error}; start it, or unset"
            " MLFLOW_TRACKING_URI to track in mlruns/ here"
        ) from None


def _server_of(uri: str) -> tuple[str | None, int]:
    """Host and port of a server's address; None for addresses of other kinds."""
    try:
        parts = urlsplit(uri)
        scheme = parts.scheme.partition("+")[0]
        port = parts.port or _PORTS.get(scheme, 0)
        # A database without a host is reached by a socket of this machine.
        if scheme not in _PORTS or (scheme not in ("http", "https") and not parts.hostname):
            return None, port
        if not parts.hostname:
            raise ValueError("it names no host")
    except ValueError as error:
        raise TrackingError(
            f"MLFLOW_TRACKING_URI: {shown_url(uri)!r} is no address: {error}; write"
            " http://HOST:PORT, or unset it to track in mlruns/ here"
        ) from None
    return parts.hostname, port
