"""A PostgreSQL server of the tests' own, on a loopback port, gone when they are done."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def programs() -> Path:
    """Where the server's programs are; skips the test where they are not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    initdb = shutil.which("initdb")
    if initdb is None:
        pytest.skip("PostgreSQL's server is not installed (Debian: postgresql)")
    return Path(initdb).parent


@contextmanager
def server() -> Iterator[str]:
    """The SQLAlchemy URL of a fresh, empty database.

    Its folder is not one of pytest's: those are closed to other users by every pytest that starts,
    and the server's user has to pass.
    """
    binaries = programs()
    with tempfile.TemporaryDirectory(prefix="rareevent-postgresql-") as folder:
        yield from _serve(binaries, Path(folder))


def _serve(binaries: Path, folder: Path) -> Iterator[str]:
    data = folder / "data"
    data.mkdir()
    as_user: list[str] = []
    if os.getuid() == 0:
        # The server refuses to run as root; its package made a user for it.
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        for place in (folder, data):
            shutil.chown(place, "postgres", "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = f"-c listen_addresses=127.0.0.1 -c port={port} -c fsync=off -k {folder}"
    control = [*as_user, binaries / "pg_ctl", "-D", data, "-w", "-l", folder / "log"]
    _quietly([*as_user, binaries / "initdb", "-D", data, "-A", "trust", "-U", "plant"])
    _quietly([*control, "-o", settings, "start"])
    try:
        yield f"postgresql+psycopg://plant@127.0.0.1:{port}/postgres"
    finally:
        _quietly([*control, "-m", "immediate", "stop"])


def _quietly(command: list[object]) -> None:
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, cwd="/", check=False)
    assert done.returncode == 0, done.stderr
