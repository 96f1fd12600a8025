"""`rareevent promote`."""

import click

from rareevent.cli.console import example, json_option, print_json


@click.command("promote")
@click.argument("version")
@click.option("--alias", default="champion", show_default=True, help="Alias to set.")
@json_option
@example("rareevent promote models:/demo/2")
def command(version: str, alias: str, as_json: bool) -> None:
    """Make a registered version the champion.

    VERSION is models:/NAME/NUMBER, or the id of the run that registered it.
    """
    from rareevent.jobs.promote import promote

    promoted = promote(version, alias)
    if as_json:
        print_json(promoted.to_json())
        return
    before = f" (was version {promoted.previous})" if promoted.previous else ""
    click.echo(f"{promoted.name}@{alias} is now version {promoted.version}{before}")
