"""A stream's state as a file: written so that it survives a power cut, believed only where it fits.

One JSON document: `format`, `model` (digest of the bundle), `states` (asset -> its state) and
`sha256` of all of that. A reading that is not finite is null or the text inf, -inf.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from rareevent.alarms.policy import AlarmCarry
from rareevent.bundle.files import sync
from rareevent.errors import DataError, ModelError, OutputError
from rareevent.scoring.carry import AssetState, Reader
from rareevent.whole_files import written_aside

# 1 had no digest.
_FORMAT = 2
_TICKS = range(-(2**63), 2**63)
_INFINITE = {"inf": math.inf, "-inf": -math.inf}
_ADVICE = "take an older copy, or start afresh with StreamScorer(bundle)"


def write_stream(path: Path, model: str, states: Mapping[str, AssetState]) -> None:
    """Write states to a file, whole or not at all; on the disk when this returns.

    Parameters
    ----------
    model : digest of the bundle whose states they are

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    plain = {
        "format": _FORMAT,
        "model": model,
        "states": {name: _plain(state) for name, state in states.items()},
    }
    text = json.dumps({**plain, "sha256": _digest(plain)}, allow_nan=False)
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")
        sync(aside)
    try:
        sync(path.absolute().parent)
    except OSError as error:
        raise OutputError(f"{path}: may not survive a power cut: {error.strerror}") from None


def read_stream(path: Path, reader: Reader) -> dict[str, AssetState]:
    """The states that `write_stream` wrote for this model.

    Raises
    ------
    DataError
        When the file cannot be read.
    ModelError
        When it holds no states, those of another model or of a newer rareevent, or was cut short
        or changed.
    """
    plain = _document(path)
    digest = reader.bundle.digest
    if plain["model"] != digest:
        raise ModelError(
            f"{path}: the state of another model ({str(plain['model'])[:12]}, not {digest[:12]});"
            " start afresh, or load the model it was saved with"
        )
    if not isinstance(plain["states"], dict):
        _refuse(path, "its 'states' are no object")
    states = {}
    for name, state in plain["states"].items():
        try:
            states[name] = _state(state, reader)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            why = f"lacks {error}" if isinstance(error, KeyError) else str(error)
            _refuse(path, f"the state of asset {name!r}: {why}")
    return states


def _document(path: Path) -> dict[str, Any]:
    """The file's content, of a format that this package reads, as it was written."""
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        _refuse(path, f"it is no JSON, or was cut short ({error})")
    if not isinstance(plain, dict) or not {"format", "model", "states"} <= plain.keys():
        _refuse(path, "it is no object with format, model and states")
    found = plain["format"]
    if type(found) is not int or found < 1:
        _refuse(path, f"there is no format {found!r}")
    if found > _FORMAT:
        raise ModelError(
            f"{path}: a state of format {found}, written by a newer rareevent; this one reads up to"
            f" {_FORMAT}: update it, or start afresh with StreamScorer(bundle)"
        )
    if found > 1 and plain.pop("sha256", None) != _digest(plain):
        _refuse(path, "it is not what was written: its sha256 differs")
    return plain


def _refuse(path: Path, why: str) -> NoReturn:
    raise ModelError(f"{path}: holds no state of a stream: {why}; {_ADVICE}")


def _digest(plain: Mapping[str, Any]) -> str:
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(state: AssetState) -> dict[str, Any]:
    """An asset's state as plain data."""
    return {
        "last": state.last,
        "time": state.time.tolist(),
        "sensors": [[_number(value) for value in row] for row in state.sensors.tolist()],
        "texts": [list(column) for column in state.texts],
        "alarm": state.alarm.to_json(),
    }


def _number(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else str(value)


def _state(plain: Mapping[str, Any], reader: Reader) -> AssetState:
    """An asset's state; a ValueError, KeyError or TypeError where it is none of this model's."""
    last, time = _tick(plain["last"]), [_tick(tick) for tick in plain["time"]]
    if any(low >= high for low, high in pairwise([*time, last + 1])):
        raise ValueError("its times do not ascend up to its last one")
    if len(time) > reader.kept_rows:
        raise ValueError(f"it has {len(time)} rows; this model keeps {reader.kept_rows}")
    sensors = [[_reading(value) for value in row] for row in plain["sensors"]]
    texts = tuple(tuple(_name(name) for name in column) for column in plain["texts"])
    _check_columns(sensors, reader.roles.sensors, len(time))
    _check_columns(texts, reader.roles.texts, len(time))
    values = np.array(sensors, np.float64).reshape(len(reader.roles.sensors), len(time))
    alarm = _alarm(plain["alarm"], last, reader)
    return AssetState(last, np.array(time, np.int64), values, texts, alarm)


def _check_columns(columns: Sequence[Sequence[Any]], names: Sequence[str], rows: int) -> None:
    if len(columns) != len(names):
        raise ValueError(f"it has {len(columns)} columns where the model reads {len(names)}")
    for name, column in zip(names, columns, strict=True):
        if len(column) != rows:
            raise ValueError(f"it has {rows} times and {len(column)} values of {name!r}")


def _alarm(plain: Mapping[str, Any], last: int, reader: Reader) -> AlarmCarry:
    reached, raised = plain["reached"], plain["last_alarm"]
    most = reader.bundle.policy.n - 1
    if len(reached) > most or not all(type(flag) is int and flag in (0, 1) for flag in reached):
        raise ValueError(f"what the alarm rule looks back on is not at most {most} of 0 and 1")
    if raised is not None and _tick(raised) > last:
        raise ValueError("its last alarm is later than its last row")
    return AlarmCarry.from_json(plain)


def _tick(value: Any) -> int:
    if type(value) is not int or value not in _TICKS:
        raise ValueError(f"{value!r} is no time")
    return value


def _reading(value: Any) -> float:
    if value is None:
        return math.nan
    if isinstance(value, str) and value in _INFINITE:
        return _INFINITE[value]
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no reading")
    return float(value)


def _name(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{value!r} is no name")
    return value
