"""`rareevent score`."""

import click

from rareevent.cli.console import example, json_option, log, print_json


@click.command("score")
@click.option(
    "--model",
    required=True,
    help="models:/NAME@champion, models:/NAME/VERSION, runs:/RUN_ID or a bundle directory.",
)
@click.option("--input", "source", required=True, help="A file, a directory or a glob.")
@click.option(
    "--output", required=True, type=click.Path(file_okay=False), help="Folder for the scores."
)
@click.option("--events", type=click.Path(dir_okay=False), help="Known events, one row each.")
@json_option
@example("rareevent score --model models:/demo@champion --input 'new/*.parquet' --output scores")
def command(model: str, source: str, output: str, events: str | None, as_json: bool) -> None:
    """Score new sensor files with a trained model.

    Needs no label. Writes OUTPUT/scores.parquet (asset, time, probability, alarm) and
    OUTPUT/alarms.parquet, each replaced whole or not at all, and says how many rows could not
    be scored and why.
    """
    from rareevent.jobs.score import score

    summary = score(model, source, output, events)
    if as_json:
        print_json(summary.to_json())
        return
    click.echo(
        f"{summary.rows_scored:,} of {summary.rows_read:,} rows scored, {summary.assets:,} assets,"
        f" {summary.alarms:,} alarms, {summary.first} to {summary.last}"
    )
    for reason, rows in summary.not_scored.items():
        click.echo(f"  not scored, {reason.replace('_', ' ')}: {rows:,} rows")
    log(f"written to {summary.output} in {summary.seconds:.1f} s by {summary.model}")
