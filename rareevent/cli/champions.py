"""`rareevent champions`."""

import click

from rareevent.cli.console import example, json_option, print_json, stdout_console


@click.command("champions")
@click.argument("name")
@json_option
@example("rareevent champions demo")
def command(name: str, as_json: bool) -> None:
    """Show who was champion of a model when, and why.

    NAME is a registered model. The newest comes first.
    """
    from rareevent.jobs.rollback import champions

    found = champions(name)
    if as_json:
        print_json(found.to_json())
        return
    from rareevent.cli.tables import champions_table

    stdout_console().print(champions_table(found))
    if found.champion is None:
        click.echo(f"No version of {found.name} is champion now.")
