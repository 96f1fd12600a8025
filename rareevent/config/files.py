"""Pipeline files: read, overridden, validated, written; errors name the key and its neighbour."""

from __future__ import annotations

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
from rareevent.config.problems import problems_of
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
        problems = problems_of(error, data, PipelineConfig)
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
        quoted = '"' + value.replace('"', "") + '"'
        raise ConfigError(
            f"--set {key}: the value is not valid YAML: {value!r}; put it in quotes of its own, as"
            f" in --set '{key}={quoted}'"
        ) from None
    return _with(data, key.strip().split("."), parsed, override)


def _with(data: dict[str, Any], keys: list[str], value: Any, override: str) -> dict[str, Any]:
    head, *rest = keys
    if not rest:
        return {**data, head: value}
    inner = data.get(head) or {}
    if not isinstance(inner, dict):
        raise ConfigError(f"--set {override}: {head!r} holds {inner!r}, which has no keys")
    return {**data, head: _with(inner, rest, value, override)}
