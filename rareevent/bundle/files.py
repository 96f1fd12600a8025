"""A bundle on disk: written whole or not at all, and checked against its digests when read.

A bundle is a directory of `bundle.json` (all that is not an array), `weights.npz` (all that is,
read with `allow_pickle=False`) and `model.keras` (member 0; further members `member_1.keras`, …),
which only further training or export needs. `bundle.json` holds the sha256 of every other file,
and its own under `digest`, taken over all its other keys.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import uuid
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from rareevent.bundle.contents import Bundle, from_parts, to_parts
from rareevent.errors import ModelError, OutputError

BUNDLE_FILE = "bundle.json"
WEIGHTS_FILE = "weights.npz"
FORMAT = "rareevent-bundle"
# 2 may hold a blend, which a reader of format 1 would leave out; what is of format 1 is read.
FORMAT_VERSION = 2


class KerasModel(Protocol):
    """What is needed of a Keras model here; this module does not import Keras."""

    def save(self, filepath: str) -> None:
        """Write the model to a file."""


def save_bundle(
    bundle: Bundle, directory: str | Path, keras_models: Sequence[KerasModel] = ()
) -> str:
    """Write a bundle beside its place and rename it in, so that no half of one is ever seen.

    A process killed meanwhile leaves the old bundle; killed in the instant between the two
    renames, it leaves it whole under a hidden name (`.NAME.….old`) beside.

    Parameters
    ----------
    bundle : Bundle
    directory : created, or replaced where it holds a bundle or nothing
    keras_models : the members as Keras models, in the order of `bundle.networks`

    Returns
    -------
    str, the bundle's digest

    Raises
    ------
    OutputError
        When the directory holds something else, or cannot be written.
    """
    target = Path(directory).absolute()
    _check_replaceable(target)
    staging = target.parent / f".{target.name}.{uuid.uuid4().hex}.tmp"
    try:
        staging.mkdir(parents=True)
        digest = _write_files(bundle, staging, keras_models)
        _swap(staging, target)
    except (OSError, ValueError) as error:
        # A ValueError is a figure that JSON does not know: NaN or infinity.
        raise OutputError(f"{target}: the bundle cannot be written: {error}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return digest


def load_bundle(directory: str | Path) -> Bundle:
    """Read a bundle and check every file against its digest; runs no code that came with it.

    Raises
    ------
    ModelError
        When the directory is no bundle, was written by a newer format, or a file is missing,
        cut short or changed.
    """
    folder = Path(directory)
    plain = _read_description(folder)
    contents = {name: _read_checked(folder, name, sha) for name, sha in plain["files"].items()}
    if WEIGHTS_FILE not in contents:
        raise ModelError(f"{folder}: {BUNDLE_FILE} names no {WEIGHTS_FILE}; take a fresh copy")
    try:
        with np.load(io.BytesIO(contents[WEIGHTS_FILE]), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        return replace(from_parts(plain, arrays), digest=plain["digest"])
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(f"{folder / WEIGHTS_FILE}: cannot be read: {error}") from None
    except ModelError as error:
        raise ModelError(f"{folder}: the bundle does not fit together: {error}") from None


def _write_files(bundle: Bundle, folder: Path, keras_models: Sequence[KerasModel]) -> str:
    plain, arrays = to_parts(bundle)
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **arrays)
    (folder / WEIGHTS_FILE).write_bytes(packed.getvalue())
    for number, model in enumerate(keras_models):
        model.save(str(folder / (f"member_{number}.keras" if number else "model.keras")))
    files = {path.name: _sha256(path.read_bytes()) for path in sorted(folder.iterdir())}
    described = {"format": FORMAT, "version": FORMAT_VERSION, **plain, "files": files}
    # The digest is taken over what a reader will see: keys as text, tuples as lists.
    described = json.loads(json.dumps(described, allow_nan=False))
    digest = _self_digest(described)
    text = json.dumps({**described, "digest": digest}, indent=1, allow_nan=False)
    (folder / BUNDLE_FILE).write_text(text + "\n", encoding="utf-8")
    for path in (*folder.iterdir(), folder):
        sync(path)
    return digest


def _swap(staging: Path, target: Path) -> None:
    """Rename the new directory into place; an old bundle there leaves only then."""
    retired = target.parent / f".{target.name}.{uuid.uuid4().hex}.old"
    with contextlib.suppress(FileNotFoundError):
        target.rename(retired)
    try:
        staging.rename(target)
    except OSError:
        if retired.exists():
            retired.rename(target)
        raise
    sync(target.parent)
    shutil.rmtree(retired, ignore_errors=True)


def _check_replaceable(target: Path) -> None:
    if not target.exists() and not target.is_symlink():
        return
    if not target.is_dir():
        raise OutputError(f"{target}: is a file; name a directory for the bundle")
    if any(target.iterdir()) and not _looks_like_bundle(target):
        raise OutputError(f"{target}: holds other files and no bundle; name a new directory")


def _looks_like_bundle(folder: Path) -> bool:
    try:
        _read_description(folder)
    except ModelError:
        return False
    return True


def _read_description(folder: Path) -> dict[str, Any]:
    """`bundle.json` as plain data, of a format and version that this package reads."""
    path = folder / BUNDLE_FILE
    if not folder.is_dir():
        raise ModelError(f"{folder}: no such directory; name a bundle or a registered model")
    try:
        plain = json.loads(
            path.read_text(encoding="utf-8"),
            parse_constant=_refuse_constant,
            object_pairs_hook=_unique,
        )
    except FileNotFoundError:
        raise ModelError(f"{folder}: is no bundle: it has no {BUNDLE_FILE}") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read: {error}; take a fresh copy") from None
    if not isinstance(plain, dict) or plain.get("format") != FORMAT:
        raise ModelError(f"{path}: was not written by rareevent (its format is not {FORMAT!r})")
    _check_version(path, plain)
    if plain.get("digest") != _self_digest(plain) or not isinstance(plain.get("files"), dict):
        raise ModelError(f"{path}: was changed after it was written; take a fresh copy")
    return plain


def _check_version(path: Path, plain: Mapping[str, Any]) -> None:
    found = plain.get("version")
    made_by = "another rareevent"
    if isinstance(plain.get("provenance"), dict):
        versions = plain["provenance"].get("versions") or {}
        made_by = f"rareevent {versions.get('rareevent')}"
    if not isinstance(found, int) or found < 1:
        raise ModelError(f"{path}: has no format version that exists; received {found!r}")
    if found > FORMAT_VERSION:
        raise ModelError(
            f"{path}: is of format {found}, written by {made_by}; this rareevent reads up to"
            f" format {FORMAT_VERSION}: update it, or train again with this one"
        )


def _read_checked(folder: Path, name: str, sha256: str) -> bytes:
    path = folder / name
    if path.parent != folder:
        raise ModelError(f"{folder}: {BUNDLE_FILE} names a file outside the bundle: {name!r}")
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"{folder}: the bundle lacks {name}; take a fresh copy") from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error}") from None
    if _sha256(content) != sha256:
        raise ModelError(
            f"{path}: is not what {BUNDLE_FILE} says it is (cut short, or changed): its sha256"
            f" is {_sha256(content)}; take a fresh copy"
        )
    return content


def _self_digest(plain: Mapping[str, Any]) -> str:
    """sha256 of everything in bundle.json but the digest itself."""
    rest = {key: value for key, value in plain.items() if key != "digest"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return _sha256(text.encode())


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _refuse_constant(name: str) -> None:
    raise ValueError(f"holds {name}, which JSON does not know")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("names a key twice")
    return found


def sync(path: Path) -> None:
    """Make sure that what was written survives a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
