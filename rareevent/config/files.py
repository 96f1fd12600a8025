"""Pipeline files: read, overridden, validated, written; errors name the key and its neighbour."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from rareevent.config.pipeline import PipelineConfig
from rareevent.config.tuning import check_space, with_values
from rareevent.errors import ConfigError


def load_pipeline(path: str | Path, overrides: tuple[str, ...] = ()) -> PipelineConfig:
    """Read a pipeline file, apply `key.path=value` overrides and validate the whole.

    Raises
    ------
    ConfigError
        Names the file, the key path, the value received and the nearest valid key.
    """
    path = Path(path)
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such pipeline file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: must hold stages such as 'ingest:'; received {data!r}")
    for override in overrides:
        data = _override(data, override)
    data.setdefault("name", re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-._") or "pipeline")
    return validate_pipeline(data, where=str(path))


def validate_pipeline(data: dict[str, Any], where: str = "pipeline") -> PipelineConfig:
    """Validate plain data as a pipeline; every problem is listed, one per line."""
    try:
        config = PipelineConfig.model_validate(data)
        check_space(config.tune.space, PipelineConfig, partial(_try_value, data))
    except ValidationError as error:
        problems = [_problem(item) for item in error.errors()]
        raise ConfigError("\n".join(f"{where}: {text}" for text in problems)) from None
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None
    return config


def _try_value(data: Mapping[str, Any], key: str, value: Any) -> None:
    PipelineConfig.model_validate(with_values(data, {key: value}))


def dump_pipeline(config: PipelineConfig, reasons: Mapping[str, str] | None = None) -> str:
    """The resolved pipeline as YAML; loading it gives an equal configuration.

    Parameters
    ----------
    reasons : key -> why it became what it is; written as comments on top
    """
    notes = "".join(f"# {key}: {why}\n" for key, why in (reasons or {}).items())
    return notes + yaml.safe_dump(config.dump(), sort_keys=False, allow_unicode=True)


def override_pipeline(
    config: PipelineConfig, overrides: tuple[str, ...], where: str = "pipeline"
) -> PipelineConfig:
    """A resolved pipeline with some keys replaced, each given as `key.path=value`.

    Raises
    ------
    ConfigError
        Names the key path, the value received and the nearest valid key.
    """
    data = config.dump()
    for override in overrides:
        data = _override(data, override)
    return validate_pipeline(data, where=where)


def digest_pipeline(config: PipelineConfig) -> str:
    """The sha256 of a pipeline's resolved settings; equal settings have equal digests."""
    text = json.dumps(config.dump(), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _override(data: dict[str, Any], override: str) -> dict[str, Any]:
    key, equals, value = override.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set takes KEY.PATH=VALUE; received {override!r}")
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError:
        raise ConfigError(f"--set {key}: the value is not valid YAML: {value!r}") from None
    return _with(data, key.strip().split("."), parsed, override)


def _with(data: dict[str, Any], keys: list[str], value: Any, override: str) -> dict[str, Any]:
    head, *rest = keys
    if not rest:
        return {**data, head: value}
    inner = data.get(head) or {}
    if not isinstance(inner, dict):
        raise ConfigError(f"--set {override}: {head!r} holds {inner!r}, which has no keys")
    return {**data, head: _with(inner, rest, value, override)}


def _problem(item: Any) -> str:
    location = [str(part) for part in item["loc"]]
    path = ".".join(location) or "pipeline"
    if item["type"] == "extra_forbidden":
        close = _nearest(location)
        hint = f"; did you mean {close!r}?" if close else ""
        return f"unknown key {path!r}{hint}"
    if item["type"] == "missing":
        return f"{path!r} is required and missing"
    message = item["msg"].removeprefix("Value error, ")
    # A rule about several keys is given them all; what it received it says itself.
    whole = item["type"] == "value_error" and isinstance(item["input"], dict)
    received = "" if whole or "received" in message else f"; received {item['input']!r}"
    return f"{path!r}: {message}{received}"


def _nearest(location: list[str]) -> str | None:
    model: Any = PipelineConfig
    for part in location[:-1]:
        field = next((f for n, f in model.model_fields.items() if (f.alias or n) == part), None)
        candidates = [field.annotation, *getattr(field.annotation, "__args__", ())] if field else []
        model = next((c for c in candidates if hasattr(c, "model_fields")), None)
        if model is None:
            return None
    names = [field.alias or name for name, field in model.model_fields.items()]
    close = difflib.get_close_matches(location[-1], names, n=1, cutoff=0.5)
    return close[0] if close else None
