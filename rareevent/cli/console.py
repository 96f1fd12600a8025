"""What the verbs share: options, machine output and the progress display on stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

pipeline_argument = click.argument("pipeline", type=click.Path(dir_okay=False))
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document on stdout; logs go to stderr."
)
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a key of the pipeline file, such as train.seed=5. May be repeated.",
)
# Between plain progress lines where stderr is no terminal.
_SECONDS_BETWEEN_LINES = 10.0
_WIDTH_OF_A_PIPE = 110


def print_json(document: Any) -> None:
    """One JSON document on stdout; numbers that are not finite are a defect, not `NaN`."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


def log(text: str) -> None:
    """One line on stderr."""
    click.echo(text, err=True)


def stdout_console(*, markup: bool = False) -> Any:
    """A rich console on stdout; wide enough for the tables where stdout is no terminal.

    Parameters
    ----------
    markup : whether what stands in brackets is a style; else it is printed, as "pressure [bar]" is
    """
    from rich.console import Console

    width = None if sys.stdout.isatty() else _WIDTH_OF_A_PIPE
    return Console(width=width, markup=markup)


class PlainProgress:
    """Progress as lines, for logs and pipes: at most one line every few seconds per task."""

    def __init__(self) -> None:
        self._told: dict[str, float] = {}

    def log(self, text: str) -> None:
        """Print the line."""
        log(text)

    def step(self, task: str, done: float, total: float, detail: str = "") -> None:
        """Print where the task stands, unless it was said a moment ago."""
        now = time.monotonic()
        first = task not in self._told
        if done < total and not first and now - self._told[task] < _SECONDS_BETWEEN_LINES:
            return
        self._told[task] = now
        log(f"{task} {done / max(total, 1):.0%}" + (f": {detail}" if detail else ""))


class BarProgress:
    """Progress as bars with the time left, on a terminal."""

    def __init__(self, bars: Any) -> None:
        self._bars = bars
        self._tasks: dict[str, Any] = {}

    def log(self, text: str) -> None:
        """Print the line above the bars."""
        self._bars.console.print(text, markup=False, highlight=False)

    def step(self, task: str, done: float, total: float, detail: str = "") -> None:
        """Move the task's bar."""
        if task not in self._tasks:
            self._tasks[task] = self._bars.add_task(task, total=total, detail="")
        self._bars.update(self._tasks[task], completed=done, total=total, detail=detail)


@contextmanager
def progress() -> Iterator[PlainProgress | BarProgress]:
    """A progress display: bars on a terminal, lines elsewhere."""
    if not sys.stderr.isatty():
        yield PlainProgress()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[detail]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        yield BarProgress(bars)


def example(text: str) -> Callable[[Any], Any]:
    """Give a command's help an example, indented and never re-wrapped."""

    def add(function: Any) -> Any:
        function.__doc__ = f"{function.__doc__.rstrip()}\n\n    \b\n    Example:\n      {text}\n"
        return function

    return add
