"""The command line: parse, make one call, map errors to exit codes."""

from rareevent.cli.app import main

__all__ = ["main"]
