"""`rareevent train`."""

import click

from rareevent.cli.console import (
    example,
    json_option,
    log,
    pipeline_argument,
    print_json,
    progress,
    set_option,
    stdout_console,
)


@click.command("train")
@pipeline_argument
@set_option
@json_option
@example("rareevent train pipelines/sheet_break.yaml --set train.seed=5")
def command(pipeline: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Train, evaluate, track and register a model.

    Everything that is chosen is chosen on data before the test part. The run with its report,
    plots and model is in the MLflow UI (`rareevent ui`).
    """
    from rareevent.config import load_pipeline

    config = load_pipeline(pipeline, overrides)
    with progress() as shown:
        from rareevent.jobs.train import train

        result = train(config, progress=shown)
    if as_json:
        print_json(result.to_json())
        return
    from rareevent.cli.tables import headline_table

    stdout_console().print(headline_table(result))
    for note in (*result.notes, result.verdict_sentence):
        click.echo(note)
    # Where it lacks skill, a note has said so already.
    if result.registered_version and not result.champion and result.verdict != "no_skill":
        click.echo(
            f"This version is not the champion; `rareevent promote {result.model_uri}` compares it"
            " with the one that is."
        )
    log(f"run {result.run_id}, model {result.model_uri}, {result.seconds:.0f} s")
    log(
        f"`rareevent report {result.run_id[:8]} -o report.html` writes the whole answer as one page"
    )
