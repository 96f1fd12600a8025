"""How a job tells what it is doing; the command line draws it, a library user may ignore it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """What a job calls while it works."""

    def log(self, text: str) -> None:
        """A line that stays, such as a warning or a finished stage."""

    def step(self, task: str, done: float, total: float, detail: str = "") -> None:
        """`done` of `total` steps of a task are behind us; `detail` says where it stands."""


class Quiet:
    """Says nothing."""

    def log(self, text: str) -> None:
        """Drop the line."""

    def step(self, task: str, done: float, total: float, detail: str = "") -> None:
        """Drop the step."""
