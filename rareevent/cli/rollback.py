"""`rareevent rollback`."""

import click

from rareevent.cli.console import example, json_option, print_json


@click.command("rollback")
@click.argument("name")
@click.option("--reason", default="", help="Why; kept in the history.")
@json_option
@example("rareevent rollback demo --reason 'three false alarms in one night'")
def command(name: str, reason: str, as_json: bool) -> None:
    """Put the champion before this one back.

    NAME is a registered model. Called again, it goes one champion further back. Nothing is
    compared: an earlier champion has held the place before.
    """
    from rareevent.jobs.rollback import rollback

    done = rollback(name, reason=reason)
    if as_json:
        print_json(done.to_json())
        return
    for version in done.passed_over:
        click.echo(f"Version {version} is passed over: its bundle cannot be loaded.")
    instead = f", in place of version {done.previous}" if done.previous else ""
    finished = "; an interrupted call had begun it" if done.finished else ""
    click.echo(f"{done.name} version {done.version} is the champion again{instead}{finished}.")
