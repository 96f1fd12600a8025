"""`rareevent report`."""

import click

from rareevent.cli.console import example, json_option, print_json


@click.command("report")
@click.argument("run")
@click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False), help="HTML file to write."
)
@json_option
@example("rareevent report models:/demo@champion -o report.html")
def command(run: str, output: str, as_json: bool) -> None:
    """Write the HTML report of a run to a file that opens without a network.

    RUN is a run id, as `rareevent runs` lists them, or a registered model such as
    models:/demo@champion or models:/demo/2, whose run is meant.
    """
    from rareevent.jobs.report import report

    path = report(run, output)
    if as_json:
        print_json({"run_id": run, "report": str(path)})
    else:
        click.echo(f"report written to {path}")
