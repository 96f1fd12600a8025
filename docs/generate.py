"""Write docs/reference/ from the code: every command, every exit code, every key of a pipeline.

`make docs` calls it; a test holds that the pages are what it would write.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import click
import yaml
from pydantic.fields import FieldInfo

from rareevent.cli.app import EXIT_CODES, app
from rareevent.config import PipelineConfig, Stage
from rareevent.config.durations import Duration, Fraction, Rows
from rareevent.config.ingest import Moment
from rareevent.config.tuning import DEFAULT_SPACE, Choices

FOLDER = Path(__file__).parent / "reference"
_NOTE = "<!-- Written by docs/generate.py; change the code's own words and call `make docs`. -->"

_COMMANDS = """# Every command

{note}

What `rareevent COMMAND --help` prints. `PIPELINE` is a [pipeline file](../pipeline.md); what
`--json` prints and what a model `URI` is stands in [Commands](../commands.md).
"""
_PIPELINE = """# Every key of a pipeline file

{note}

The stages in the order data flows. A *duration* is a text (`4min`, `2h`, `1d`) or a whole number:
that many nominal intervals. *Rows* are counted. [A pipeline file](../pipeline.md) says how the
stages go together, [Choosing](../choosing.md) how to settle the ones that matter.
"""
# A type as a person reads it; what is not here is put together from its parts.
_NAMED = (
    (Duration, "duration"),
    (Fraction, "share"),
    (Rows, "rows"),
    (Moment, "time"),
    (Choices, "list"),
    (bool, "true or false"),
    (int, "whole number"),
    (float, "number"),
    (str, "text"),
    (NoneType, "null"),
    (Any, "anything"),
)


def commands() -> str:
    """The page of commands."""
    parts = [_COMMANDS.format(note=_NOTE)]
    root = click.Context(app, info_name="rareevent")
    for verb in app.list_commands(root):
        parts.append(_command(root, verb))
    rows = [(str(code), meaning) for code, meaning in EXIT_CODES.items()]
    parts.append("## Exit codes\n\n" + _table(("code", "meaning"), rows))
    return "\n".join(parts)


def _command(root: click.Context, verb: str) -> str:
    command = app.get_command(root, verb)
    context = click.Context(command, info_name=verb, parent=root)
    words, _, example = inspect.cleandoc(command.help or "").partition("\b\nExample:")
    usage = " ".join(command.collect_usage_pieces(context))
    parts = [f"## rareevent {verb}", *(" ".join(text.split()) for text in words.split("\n\n"))]
    parts += [f"`rareevent {verb} {usage}`", _fence("\n".join(_lines(example)))]
    rows = [
        (f"`{record[0]}`", _plain(record[1]))
        for parameter in command.get_params(context)
        if (record := parameter.get_help_record(context)) and record[1] and not _is_help(parameter)
    ]
    if rows:
        parts.append(_table(("option", "meaning"), rows))
    return "\n\n".join(part.rstrip() for part in parts if part) + "\n"


def _is_help(parameter: click.Parameter) -> bool:
    return "--help" in parameter.opts


def _lines(example: str) -> list[str]:
    return [line.strip() for line in example.splitlines() if line.strip()]


def _plain(text: str) -> str:
    """Help text as Markdown: what would be markup is escaped, pages are linked."""
    return _linked(re.sub(r"([*<\[\]])", r"\\\1", " ".join(text.split())))


def _linked(text: str) -> str:
    return re.sub(r"\bdocs/(\w+\.md)", r"[docs/\1](../\1)", text)


def pipeline() -> str:
    """The page of keys."""
    parts = [_PIPELINE.format(note=_NOTE)]
    whole = [n for n, f in PipelineConfig.model_fields.items() if not stages_in(f.annotation)]
    parts.append("## The pipeline itself\n\n" + _keys(PipelineConfig, only=whole))
    for name, field in PipelineConfig.model_fields.items():
        for stage in stages_in(field.annotation):
            parts.append(f"## {field.alias or name}\n\n{_about(stage)}\n\n{_keys(stage)}")
            parts += _inner(field.alias or name, stage)
    return "\n".join(parts)


def _inner(path: str, stage: type[Stage]) -> Iterator[str]:
    for name, field in stage.model_fields.items():
        for inner in stages_in(field.annotation):
            yield f"### {path}.{name}\n\n{_about(inner)}\n\n{_keys(inner)}"
    if path == "tune":
        space = yaml.safe_dump({"tune": {"space": DEFAULT_SPACE}}, sort_keys=False).rstrip()
        yield f"The space where none is given:\n\n{_fence(space, 'yaml')}\n"


def _about(stage: type[Stage]) -> str:
    return _linked(" ".join((stage.__doc__ or "").split()))


def _keys(stage: type[Stage], only: list[str] | None = None) -> str:
    hints = get_type_hints(stage, include_extras=True)
    rows = []
    for name, field in stage.model_fields.items():
        if only is None or name in only:
            meaning = _linked(" ".join((field.description or "").split()))
            rows.append((f"`{field.alias or name}`", _kind(hints[name]), _default(field), meaning))
    return _table(("key", "takes", "default", "meaning"), rows)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "none"
    value = list(value) if isinstance(value, tuple) else value
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=1000)
    text = text.removesuffix("...\n").strip()
    return f"`{text}`"


def _kind(hint: Any) -> str:
    named = [words for known, words in _NAMED if hint is known or hint == known]
    if named:
        return named[0]
    origin, inside = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _kind(inside[0])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in inside)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_kind(part) for part in inside))
    if origin is tuple:
        return f"list of {_kind(inside[0])}"
    return "keys of its own" if stages_in(hint) else "mapping"


def stages_in(hint: Any) -> list[type[Stage]]:
    """The stages that a type speaks of."""
    if isinstance(hint, type) and issubclass(hint, Stage):
        return [hint]
    return [stage for part in get_args(hint) for stage in stages_in(part)]


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    cells = (" | ".join(cell.replace("|", r"\|") for cell in line) for line in lines)
    return "".join(f"| {line} |\n" for line in cells)


def _fence(text: str, language: str = "text") -> str:
    return f"```{language}\n{text.rstrip()}\n```"


def main() -> None:
    """Write the pages."""
    FOLDER.mkdir(exist_ok=True)
    for name, page in (("commands", commands()), ("pipeline", pipeline())):
        (FOLDER / f"{name}.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
