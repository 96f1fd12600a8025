"""A Spark session for one job, quiet, and gone when the job is done."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rareevent.errors import ConfigError, RareEventError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_PYTHON = "PYSPARK_PYTHON"
_SHOWN = 300
_SETTINGS = {
    "spark.app.name": "rareevent score",
    "spark.ui.showConsoleProgress": "false",
    # A batch is held as a whole by both sides, and slices of wide tables are large.
    "spark.sql.execution.arrow.maxRecordsPerBatch": "50000",
    "spark.sql.execution.arrow.maxBytesPerBatch": str(64 << 20),
}
# Read by the JVM before Spark's own, which tells of much that is no concern of a job.
_LOGGING = """
status = error
rootLogger.level = error
rootLogger.appenderRef.console.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yy/MM/dd HH:mm:ss} %p %c{1}: %m%n%ex
"""


@contextmanager
def spark_session(master: str | None) -> Iterator[SparkSession]:
    """The session that is active, left as it is; or a new one, stopped at the end.

    Parameters
    ----------
    master : URL of the cluster; None for what the environment says, else all cores of this machine

    Raises
    ------
    ConfigError
        When there is no Java.
    RareEventError
        When Spark gives up.
    """
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    running = SparkSession.getActiveSession()
    before = os.environ.get(_PYTHON)
    if running is None:
        _need_java()
        # Otherwise tasks on this machine run the system's Python, which knows no rareevent.
        os.environ.setdefault(_PYTHON, sys.executable)
    try:
        with _quiet() as logging:
            session = running or _start(master, logging)
            try:
                yield session
            finally:
                if running is None:
                    session.stop()
    except PySparkException as error:
        raise RareEventError(f"--engine spark: Spark gave up: {_shown(error)}") from error
    finally:
        if before is None:
            os.environ.pop(_PYTHON, None)


@contextmanager
def _quiet() -> Iterator[Path]:
    """Without warnings that nobody can act on; and how the JVM is to log, as a file."""
    with warnings.catch_warnings(), tempfile.TemporaryDirectory(prefix="rareevent-") as folder:
        # Tables go through Arrow here, never through pandas.
        about_pandas = "PySpark does not yet fully support pandas"
        warnings.filterwarnings("ignore", about_pandas, FutureWarning)
        logging = Path(folder, "log4j2.properties")
        logging.write_text(_LOGGING)
        yield logging


def _start(master: str | None, logging: Path) -> SparkSession:
    from pyspark.sql import SparkSession

    builder = SparkSession.builder
    for key, value in _SETTINGS.items():
        builder = builder.config(key, value)
    if not {"SPARK_HOME", "SPARK_CONF_DIR"} & set(os.environ):
        options = f"-Dlog4j2.configurationFile={logging.as_uri()}"
        builder = builder.config("spark.driver.extraJavaOptions", options)
    if master is not None:
        builder = builder.master(master)
    if master is not None and master.startswith("local"):
        # Nobody looks at the page of a job on this machine; a port would be opened for it.
        builder = builder.config("spark.ui.enabled", "false")
        builder = builder.config("spark.driver.bindAddress", "127.0.0.1")
        builder = builder.config("spark.driver.host", "127.0.0.1")
    return builder.getOrCreate()


def _need_java() -> None:
    home = os.environ.get("JAVA_HOME")
    found = Path(home, "bin", "java").exists() if home else shutil.which("java") is not None
    if not found:
        where = f"JAVA_HOME={home}" if home else "the PATH"
        raise ConfigError(
            f"--engine spark: Spark needs Java 17 or newer, and there is none in {where}; install"
            " it (Debian: default-jre-headless) or score with --engine local"
        )


def _shown(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # The cause stands last in what a task of Python reports.
    causes = [line for line in lines if "Error: " in line or "Exception: " in line]
    return (causes or lines or [type(error).__name__])[-1][:_SHOWN]
