"""`rareevent check`."""

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
from rareevent.errors import DataError


@click.command("check")
@pipeline_argument
@set_option
@json_option
@example("rareevent check pipelines/sheet_break.yaml --set ingest.dirty_text=missing")
def command(pipeline: str, overrides: tuple[str, ...], as_json: bool) -> int:
    """Report the quality of a pipeline's data, without training.

    Rows, assets, span, gaps, segments and events, and for each column what is missing, stuck,
    dirty or duplicated. Exits with 3 when the data could not be trained on as it is.
    """
    from rareevent.config import load_pipeline
    from rareevent.jobs.check import check

    quality = check(load_pipeline(pipeline, overrides))
    if as_json:
        print_json(quality.to_json())
    else:
        quality.render(stdout_console(markup=True))
    for problem in quality.problems:
        log(f"rareevent: {problem}")
    return DataError.exit_code if quality.problems else 0
