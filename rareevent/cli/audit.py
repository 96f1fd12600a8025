"""`rareevent audit`."""

import click

from rareevent.cli.console import (
    example,
    json_option,
    log,
    pipeline_argument,
    print_json,
    set_option,
)
from rareevent.errors import LeakError


@click.command("audit")
@pipeline_argument
@set_option
@json_option
@example("rareevent audit pipelines/sheet_break.yaml --set split.purge=strict")
def command(pipeline: str, overrides: tuple[str, ...], as_json: bool) -> int:
    """Ask the split of a pipeline whether anything leaks, without training.

    Exits with 4 when a check fails, and names what was found.
    """
    from rareevent.config import load_pipeline
    from rareevent.jobs.audit import audit

    result = audit(load_pipeline(pipeline, overrides))
    if as_json:
        print_json(result.to_json())
    else:
        for check in result.audit.checks:
            click.echo(f"{'pass' if check.passed else 'FAIL'}  {check.name}: {check.detail}")
        click.echo(f"{result.shared_windows:.0%} of test windows hold a row of a training window")
        if result.suspects:
            click.echo(f"alone separate the classes: {', '.join(result.suspects)}")
    if not result.audit.passed:
        log(f"rareevent: the leak audit failed ({result.audit.mode})")
        return LeakError.exit_code
    return 0
