"""`rareevent evaluate`."""

import click

from rareevent.cli.console import example, json_option, print_json, set_option, stdout_console


@click.command("evaluate")
@click.option("--model", required=True, help="Registered model, run or bundle directory.")
@click.option(
    "--pipeline",
    type=click.Path(dir_okay=False),
    help="Pipeline whose `ingest` names the labelled data; default the model's own.",
)
@set_option
@json_option
@example("rareevent evaluate --model models:/demo@champion --pipeline pipelines/demo.yaml")
def command(model: str, pipeline: str | None, overrides: tuple[str, ...], as_json: bool) -> None:
    """Judge a trained model on labelled data.

    Only rows that the model has not learned from are judged: later ones, or other assets.
    """
    from rareevent.cli.tables import evaluation_table
    from rareevent.config import load_pipeline
    from rareevent.errors import ConfigError
    from rareevent.jobs.evaluate import evaluate_model

    if overrides and pipeline is None:
        raise ConfigError("--set needs --pipeline, whose keys it overrides")
    config = load_pipeline(pipeline, overrides) if pipeline else None
    result = evaluate_model(model, config)
    if as_json:
        print_json(result.to_json())
        return
    stdout_console().print(evaluation_table(result))
    click.echo(result.verdict_sentence)
