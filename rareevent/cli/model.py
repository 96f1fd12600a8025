"""`rareevent model`."""

import click

from rareevent.cli.console import (
    example,
    json_option,
    log,
    pipeline_argument,
    print_json,
    set_option,
    stdout_console,
)


@click.command("model")
@pipeline_argument
@set_option
@click.option(
    "--channels",
    type=click.IntRange(min=1),
    help="Assume so many channels instead of reading the data.",
)
@json_option
@example("rareevent model pipelines/sheet_break.yaml --set 'model.units=[8, 4]'")
def command(pipeline: str, overrides: tuple[str, ...], channels: int | None, as_json: bool) -> None:
    """Show the layers of a pipeline's model, their shapes and their parameters.

    Reads the data to know the channels, and warns where the parameters outnumber the positive
    training windows (those before the test part) by more than ten to one.
    """
    from rareevent.config import load_pipeline

    config = load_pipeline(pipeline, overrides)
    from rareevent.jobs.model import model

    summary = model(config, channels)
    if as_json:
        print_json(summary.to_json())
        return
    from rareevent.cli.inside import model_table

    stdout_console().print(model_table(summary))
    read = summary.channels_read
    if read is not None:
        click.echo(f"The recurrence reads {read:,} of {summary.channels:,} channels.")
    if summary.positives is not None:
        click.echo(
            f"{summary.positives:,} positive training windows of {summary.events:,} events;"
            f" {summary.per_positive:.1f} learned parameters for each."
        )
    click.echo(
        f"Of the last {summary.request_rows:,} rows of an asset, the newest is scored as by all"
        " before it: so many make a request."
    )
    if summary.warning:
        log(f"rareevent: {summary.warning}")
