"""The output folder: held by one job at a time, and never part of its input."""

from __future__ import annotations

import contextlib
import fnmatch
import glob
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rareevent.errors import LockedError, OutputError

if TYPE_CHECKING:
    from filelock import FileLock


SCORES, ALARMS, REJECTED = "scores", "alarms", "rejected"


KINDS = (SCORES, ALARMS, REJECTED)


MANIFEST_FILE = "manifest.db"


_LOCK_FILE = ".rareevent.lock"


STAGING = ".staging"


@contextmanager
def output_folder(folder: Path) -> Iterator[Path]:
    """The output directory, held by this job alone; it and nothing else is left behind.

    Raises
    ------
    LockedError
        When another job holds it.
    OutputError
        When it cannot be made.
    """
    lock, made = _hold(folder)
    try:
        yield folder
    finally:
        with contextlib.suppress(OSError):
            (folder / STAGING).rmdir()
        # Removed while held: who opened it in the meantime notices and starts over.
        (folder / _LOCK_FILE).unlink(missing_ok=True)
        lock.release()
        if made:
            # Goes away again unless something was written.
            with contextlib.suppress(OSError):
                folder.rmdir()


@contextmanager
def state_lock(state: Path) -> Iterator[None]:
    """Hold a state that lies outside its output, which another output's job could open too.

    Raises
    ------
    LockedError
        When another job holds it.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(state.with_name(f".{state.name}.lock"), timeout=0)
    try:
        state.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise LockedError(f"{state}: another job is using this state; wait for it") from None
    except OSError as error:
        raise OutputError(f"{state}: cannot be written: {error}") from error
    try:
        yield
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def _hold(folder: Path) -> tuple[FileLock, bool]:
    """The lock on the directory, and whether the directory was made for it."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / _LOCK_FILE, timeout=0)
    try:
        made = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise LockedError(
            f"{folder}: another job is writing there; wait for it or name another output"
        ) from None
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error}") from error
    return lock, made


def check_apart(folder: Path, source: str | Path | Sequence[Path]) -> None:
    """Refuse an output that the input would take for its own data.

    Parameters
    ----------
    folder : output directory
    source : file, directory or glob, or several files

    Raises
    ------
    OutputError
        When the output is the input, lies inside it, or matches its glob.
    """
    several = [source] if isinstance(source, str | Path) else list(source)
    places = {Path(os.path.normpath(folder.absolute())), folder.resolve()}
    targets = [place / kind / "date=x" / "part-x.parquet" for place in places for kind in KINDS]
    for given in several:
        if any(_reads(given, target) for target in targets):
            raise OutputError(
                f"{folder}: the output would become part of the input {given}; name an output"
                " outside of it"
            )
    # Other than Path.exists, this raises nothing, whatever the name.
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise OutputError(f"{folder}: is a file; the output must be a directory")


def _reads(given: str | Path, target: Path) -> bool:
    """Whether an input given as file, directory or glob covers a target file."""
    place = Path(given).expanduser().absolute()
    # What is there by this very name is no pattern, though it may look like one.
    plain = os.path.exists(place)
    for pattern in (Path(os.path.normpath(place)), place.resolve()):
        parts = tuple(map(glob.escape, pattern.parts)) if plain else pattern.parts
        if _covers(parts, target.parts):
            return True
    return False


def _covers(pattern: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether a glob matches a path or a folder above it, part by part."""
    if not pattern:
        return True
    if pattern[0] == "**":
        return any(_covers(pattern[1:], parts[skip:]) for skip in range(len(parts) + 1))
    return bool(
        parts and fnmatch.fnmatchcase(parts[0], pattern[0]) and _covers(pattern[1:], parts[1:])
    )


def check_fresh(folder: Path) -> None:
    """Refuse to begin a new manifest over the output of another one, whose rows it cannot know.

    Raises
    ------
    OutputError
    """
    held = next((path for kind in KINDS for path in folder.glob(f"{kind}/**/part-*")), None)
    if held is not None:
        raise OutputError(
            f"{folder}: holds the output of earlier jobs ({held.relative_to(folder)}), but not the"
            f" state that they left; name it with --state, or take another output"
        )
