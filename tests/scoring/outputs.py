"""Reading what a job wrote, and running one as a process of its own."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[2]
MAIN = "from rareevent.cli import main; main()"


def scored(folder: Path, kind: str = "scores") -> pd.DataFrame:
    """All rows of one kind of output, sorted, without the column of its folders."""
    files = sorted(folder.glob(f"{kind}/**/part-*"))
    read = {".parquet": pd.read_parquet, ".csv": pd.read_csv}
    parts = [read[path.suffix](path, **_plain(path)) for path in files]
    if not parts:
        return pd.DataFrame()
    table = pd.concat(parts, ignore_index=True)
    return table.sort_values(["asset", "time"], ignore_index=True, kind="stable")


def _plain(path: Path) -> dict:
    # pandas would add the folder's date as a column.
    return {"partitioning": None} if path.suffix == ".parquet" else {}


def manifest(folder: Path, query: str = "SELECT * FROM inputs ORDER BY id") -> list[tuple]:
    """Rows of the manifest."""
    with closing(sqlite3.connect(folder / "manifest.db")) as connection:
        return connection.execute(query).fetchall()


def tree(folder: Path) -> list[str]:
    """Files below a folder, the lock left out."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    return sorted(str(path.relative_to(folder)) for path in files)


def start(*arguments: object, code: str = MAIN, **more) -> subprocess.Popen:
    """A rareevent process."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )


def finish(process: subprocess.Popen) -> subprocess.CompletedProcess:
    """Wait for a process and close its pipes."""
    out, err = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)
