"""`rareevent refit`."""

import click

from rareevent.cli.console import example, json_option, log, print_json, progress


@click.command("refit")
@click.argument("model")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Where the data are now: ingest.source, ingest.events, ingest.events.source or"
    " ingest.exclude. May be repeated.",
)
@json_option
@example("rareevent refit models:/demo@champion --set ingest.source='plant/*.parquet'")
def command(model: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Learn a model's configuration anew, on all data up to now.

    MODEL is a registered version, a run or a bundle directory. What comes out is a new version. No
    row is held back to judge it, so it has no test figures and is never champion by itself:
    `rareevent promote` compares it once later rows are there.
    """
    with progress() as shown:
        from rareevent.jobs.refit import refit

        result = refit(model, overrides, progress=shown)
    if as_json:
        print_json(result.to_json())
        return
    click.echo(result.sentence)
    for note in result.notes:
        click.echo(note)
    if result.registered_version:
        click.echo(
            f"It is {result.model_uri}. `rareevent promote {result.model_uri} --set"
            " ingest.source=LATER` compares it with the champion on rows that came after it; where"
            " events have a log of their own, add --set ingest.events.source=LATER."
        )
    log(f"run {result.run_id}, model {result.model_uri}, {result.seconds:.0f} s")
