"""What is wrong with a pipeline, one line per problem: the key, the value, the nearest key.

pydantic tells of every alternative that a value could have been, under names of its own. A reader
wants to know of the key that they wrote, once.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

_SHOULD_BE = "Input should be "
# pydantic speaks of Python's types, a pipeline file is YAML.
_IN_YAML = {
    "valid tuple": "valid list",
    "Tuple should": "List should",
    "a valid dictionary": "keys",
}


@dataclass(frozen=True)
class _Found:
    """One of pydantic's errors.

    Attributes
    ----------
    key : path of the key as the pipeline file has it
    of : path of the key whose alternatives this is one of; `key` where there is one only
    kind, received : as pydantic has them
    message : what is wrong, in words of YAML
    """

    key: tuple[str, ...]
    of: tuple[str, ...]
    kind: str
    message: str
    received: Any


def problems_of(error: ValidationError, data: Any, model: type[BaseModel]) -> list[str]:
    """Every problem in one line.

    Parameters
    ----------
    error : what pydantic raised
    data : what it was given
    model : what it was to become, for the nearest valid key
    """
    every = [_found(item, data) for item in error.errors()]
    by_key: dict[tuple[str, ...], list[_Found]] = {}
    for one in every:
        # A list is too short for pydantic when one of its items is wrong.
        if one.kind != "too_short" or not any(_is_below(other, one) for other in every):
            by_key.setdefault(one.of, []).append(one)
    lines = [line for of, found in by_key.items() for line in _lines(of, found, model)]
    return list(dict.fromkeys(lines))


def words_of(error: ValidationError) -> str:
    """The first thing that is wrong with a value, without the key."""
    return _worded(error.errors()[0]["msg"])


def _worded(message: str) -> str:
    for python, yaml in _IN_YAML.items():
        message = message.replace(python, yaml)
    return message.removeprefix("Value error, ")


def _is_below(other: _Found, one: _Found) -> bool:
    return len(other.key) > len(one.key) and other.key[: len(one.key)] == one.key


def _found(item: Mapping[str, Any], data: Any) -> _Found:
    """Where in the data an error lies: what the data do not have is a name of pydantic's."""
    place = item["loc"]
    key: list[str] = []
    shared: tuple[str, ...] | None = None
    for depth, part in enumerate(place, start=1):
        inside, below = _below(data, part)
        if inside or (item["type"] == "missing" and depth == len(place)):
            key.append(str(part))
            data = below
        elif shared is None:
            shared = tuple(key)
    whole = tuple(key)
    of = whole if shared is None else shared
    return _Found(whole, of, item["type"], _worded(item["msg"]), item["input"])


def _below(data: Any, part: Any) -> tuple[bool, Any]:
    """Whether the data have this part, and what lies there."""
    if isinstance(data, Mapping):
        # Keys of a mapping may be numbers, where pydantic has words.
        by_word = {str(key): value for key, value in data.items()}
        return str(part) in by_word, by_word.get(str(part))
    if isinstance(data, list | tuple) and isinstance(part, int) and part < len(data):
        return True, data[part]
    return False, None


def _lines(of: tuple[str, ...], found: Sequence[_Found], model: type[BaseModel]) -> list[str]:
    """The problems of one key: of its alternatives the one that was meant, or all in one line.

    Meant was the one that reads the value further than the others, or that a rule of ours refuses.
    """
    meant = [one for one in found if len(one.key) > len(of)]
    meant = meant or [one for one in found if one.kind == "value_error"]
    if meant or len(found) == 1:
        return [_line(one, model) for one in meant or found]
    wanted = ", or ".join(dict.fromkeys(one.message.removeprefix(_SHOULD_BE) for one in found))
    return [_said(_Found(of, of, "alternatives", _SHOULD_BE + wanted, found[0].received))]


def _line(found: _Found, model: type[BaseModel]) -> str:
    path = ".".join(found.key)
    if found.kind == "extra_forbidden":
        close = _nearest(found.key, model)
        hint = f"; did you mean {close!r}?" if close else ""
        return f"unknown key {path!r}{hint}"
    if found.kind == "missing":
        return f"{path!r} is required and missing"
    return _said(found)


def _said(found: _Found) -> str:
    path = ".".join(found.key) or "pipeline"
    # A rule about several keys is given them all; what it received it says itself.
    whole = found.kind == "value_error" and isinstance(found.received, dict)
    received = "" if whole or "received" in found.message else f"; received {found.received!r}"
    return f"{path!r}: {found.message}{received}"


def _nearest(key: tuple[str, ...], model: type[BaseModel]) -> str | None:
    at: Any = model
    for part in key[:-1]:
        field = next((f for n, f in at.model_fields.items() if (f.alias or n) == part), None)
        candidates = [field.annotation, *getattr(field.annotation, "__args__", ())] if field else []
        at = next((c for c in candidates if hasattr(c, "model_fields")), None)
        if at is None:
            return None
    names = [field.alias or name for name, field in at.model_fields.items()]
    close = difflib.get_close_matches(key[-1], names, n=1, cutoff=0.5)
    return close[0] if close else None
