"""`rareevent completion`."""

import click

from rareevent.cli.console import example


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@example('eval "$(rareevent completion bash)"')
def command(shell: str) -> None:
    """Print the shell completion script, to be evaluated by the shell's start-up file."""
    from click.shell_completion import get_completion_class

    from rareevent.cli.app import app

    completer = get_completion_class(shell)
    if completer is None:
        raise click.UsageError(f"click completes nothing in {shell!r}; use bash, zsh or fish")
    click.echo(completer(app, {}, "rareevent", "_RAREEVENT_COMPLETE").source())
