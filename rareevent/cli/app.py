"""The `rareevent` command: finds its verbs lazily, turns errors into exit codes."""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from types import FrameType
from typing import Any, NoReturn, TextIO

import click

from rareevent import __version__
from rareevent.errors import RareEventError, RareEventWarning

# Verb -> one line of help; each lives in the module of its name. Kept here so that
# `rareevent --help` imports nothing but click.
VERBS = {
    "simulate": "Simulate a fleet with sensor data, events and the truth about them.",
    "check": "Report the quality of a pipeline's data, without training.",
    "audit": "Ask the split of a pipeline whether anything leaks, without training.",
    "model": "Show the layers of a pipeline's model and their parameters.",
    "train": "Train, evaluate, track and register a model.",
    "backtest": "Judge a pipeline on several consecutive test periods.",
    "tune": "Try settings on the validation folds and keep the best.",
    "evaluate": "Judge a trained model on labelled data.",
    "score": "Score new sensor files with a trained model.",
    "drift": "Tell how far scored rows drifted from training, and when to retrain.",
    "gates": "Show what the gates of a trained LSTM do.",
    "explain": "Show which sensors and rows raised a score.",
    "runs": "List runs with their headline figures, or compare two of them.",
    "report": "Write the HTML report of a run to a file.",
    "promote": "Make a version champion if it holds its own against the one that is.",
    "rollback": "Put the champion before this one back.",
    "champions": "Show who was champion of a model when, and why.",
    "refit": "Learn a model's configuration anew, on all data up to now.",
    "ui": "Open the MLflow UI over the tracked runs.",
    "demo": "Go the whole way on a simulated fleet.",
    "completion": "Print the shell completion script.",
}
EXIT_CODES = {
    0: "done",
    1: "an error of no kind below",
    2: "a pipeline file, an option or a key is wrong",
    3: "the input cannot be used as it is",
    4: "the leak audit failed the run",
    5: "training diverged, or there was nothing to learn from",
    6: "a model is not known, cannot be loaded, or does not fit the data",
    7: "an output cannot be written",
    8: "another job holds the output",
    9: "MLflow cannot be reached, or does not know the run",
    10: "scored rows drifted beyond the limits (score --fail-on-drift)",
    11: "no other champion: the gate did not hold or could not be judged (promote), none was before"
    " (rollback), or somebody else was changing it",
    70: "a defect in rareevent; RAREEVENT_TRACEBACK=1 shows where",
    130: "interrupted",
    143: "stopped by SIGTERM",
}
_DEFECT, _INTERRUPTED, _STOPPED = 70, 130, 143


class LazyVerbs(click.Group):
    """A group that imports a verb's module only when the verb is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs, in the order of the work."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The verb's command."""
        if name not in VERBS:
            return None
        module = importlib.import_module(f"rareevent.cli.{name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of verbs, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The exit codes."""
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), text) for code, text in EXIT_CODES.items()])


@click.command(cls=LazyVerbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def app() -> None:
    """See a rare failure coming from sensor data, and know honestly how well you can.

    Example: rareevent train pipelines/demo.yaml
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with the code of what happened."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    warnings.showwarning = _show_warning
    # There is no stream where the caller closed it; this one lives as long as the process.
    nowhere = open(os.devnull, "w")  # noqa: SIM115
    sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere
    # Unwinds as an interrupt does, so that locks, temporary files and runs are put in order.
    signal.signal(signal.SIGTERM, _stop)
    sys.exit(_run(arguments))


def _run(arguments: list[str]) -> int:
    stdout = sys.stdout
    try:
        result: Any = app.main(arguments, prog_name="rareevent", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except (click.exceptions.Exit, click.exceptions.NoArgsIsHelpError) as stop:
        if isinstance(stop, click.exceptions.NoArgsIsHelpError):
            stop.show()
        return stop.exit_code
    except (Exception, KeyboardInterrupt, SystemExit) as error:
        if _reader_went_away(error, stdout):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
            return 0
        text, code = _explain(error)
        return _fail(text, code, arguments)


def _reader_went_away(error: BaseException, stdout: TextIO) -> bool:
    """Whether nobody reads our output any more, as with `| head`; nothing is wrong then.

    rich and click turn the broken pipe into an exit of their own; click then replaces stdout.
    """
    if not isinstance(error, SystemExit):
        return isinstance(error, BrokenPipeError)
    return isinstance(error.__context__, BrokenPipeError) or sys.stdout is not stdout


def _explain(error: BaseException) -> tuple[str, int]:
    """What to tell of an exception, and the exit code; defects are raised on where asked for."""
    if isinstance(error, RareEventError):
        return str(error), error.exit_code
    if isinstance(error, click.ClickException):
        return _usage(error), error.exit_code
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return "interrupted", _INTERRUPTED
    if isinstance(error, SystemExit) and error.code == _STOPPED:
        return "stopped", _STOPPED
    if os.environ.get("RAREEVENT_TRACEBACK") or isinstance(error, SystemExit):
        raise error
    said = " ".join(str(error).split())
    if isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith("rareevent"):
        return _lacking((error.name or "").partition(".")[0]), RareEventError.exit_code
    if isinstance(error, OSError):
        # The system refused something that no stage expected it to; there is nothing to mend here.
        return f"the system refused: {said}", RareEventError.exit_code
    text = f"unexpected {type(error).__name__}: {said}"
    return f"{text} (this is a defect; set RAREEVENT_TRACEBACK=1 to see where)", _DEFECT


def _lacking(package: str) -> str:
    """What to do where a package is not installed: scoring machines have few, extras are extra."""
    extra = {"pyspark": ".[spark]", "psycopg": ".[postgresql]"}.get(package, ".")
    return (
        f"this needs the package {package!r}, which is not installed here (a light install only"
        f" scores); in the project's folder, `make setup` or pip install '{extra}' brings it"
    )


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(_STOPPED)


def _show_warning(
    message: Warning | str, category: type[Warning], *_place: object, **_more: object
) -> None:
    """One line on stderr, without the place in the code."""
    kind = "" if issubclass(category, RareEventWarning) else f"{category.__name__}: "
    click.echo(f"rareevent: {kind}{' '.join(str(message).split())}", err=True)


def _usage(error: click.ClickException) -> str:
    """What click complains about, in one line, and where to read on."""
    said = " ".join(error.format_message().split()).rstrip(".")
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "rareevent"
    return f"{said}; see `{command} --help`"


def _fail(text: str, code: int, arguments: list[str]) -> int:
    """One line for a person on stderr; with --json the same for a machine on stdout."""
    for line in text.splitlines() or [""]:
        click.echo(f"rareevent: {line}", err=True)
    if "--json" in arguments:
        click.echo(json.dumps({"error": text, "exit_code": code}))
    return code
