"""`rareevent tune`."""

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


@click.command("tune")
@pipeline_argument
@set_option
@click.option(
    "--trials",
    default=30,
    show_default=True,
    type=click.IntRange(2),
    help="Finished trials in all; the pipeline as it is counts as one.",
)
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1), help="Processes.")
@click.option(
    "--output", type=click.Path(dir_okay=False), help="File for the best pipeline; else printed."
)
@click.option(
    "--study",
    type=click.Path(file_okay=False),
    help="Folder for studies; default mlruns/tune, beside the tracking database.",
)
@json_option
@example("rareevent tune pipelines/demo.yaml --trials 20 --workers 2 --output tuned.yaml")
def command(
    pipeline: str,
    overrides: tuple[str, ...],
    trials: int,
    workers: int,
    output: str | None,
    study: str | None,
    as_json: bool,
) -> None:
    """Try settings on the validation folds and keep the best.

    The pipeline's `tune` stage says what is varied and by which figure. No trial sees the test
    part. Killed and called again, it goes on where it was.
    """
    from rareevent.config import load_pipeline

    config = load_pipeline(pipeline, overrides)
    with progress() as shown:
        from rareevent.jobs.tune import tune

        result = tune(
            config, trials=trials, workers=workers, output=output, folder=study, progress=shown
        )
    if as_json:
        print_json(result.to_json())
        return
    from rareevent.cli.tables import trials_table
    from rareevent.jobs.tuned import tuned_file

    stdout_console().print(trials_table(result))
    click.echo(result.sentence)
    if output is None:
        click.echo(tuned_file(result), nl=False)
    where = f", best pipeline in {output}" if output else ""
    log(f"run {result.run_id}, study {result.study}{where}, {result.seconds:.0f} s")
