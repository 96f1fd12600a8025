"""Which commit the work was done at."""

from __future__ import annotations

import subprocess
from pathlib import Path

_TIMEOUT_SEC = 5


def git_commit(folder: Path | None = None) -> str | None:
    """The commit checked out in `folder` (default: the working directory).

    "-dirty" is appended where tracked files differ from it; None where there is no repository,
    no commit yet, or no git.
    """
    folder = folder or Path.cwd()
    commit = _git(folder, "rev-parse", "--verify", "HEAD")
    if not commit:
        return None
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return f"{commit}-dirty" if changed else commit


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SEC,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
