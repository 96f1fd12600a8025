"""`rareevent drift`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rareevent.cli.console import example, json_option, print_json, stdout_console

if TYPE_CHECKING:
    from rareevent.tracking.scoring_runs import JobRecord

_BARS = "▁▂▃▄▅▆▇█"
_MOST_BARS = 60


@click.command("drift")
@click.argument("model")
@click.option("--limit", default=20, show_default=True, help="Most jobs shown, the newest.")
@json_option
@example("rareevent drift models:/demo@champion")
def command(model: str, limit: int, as_json: bool) -> None:
    """How far the rows of a model's scoring jobs are from its training rows.

    MODEL is a registered name, a model URI or a bundle directory. Prints the jobs, newest first,
    and says whether to retrain.
    """
    from rareevent.jobs.drift import drift_history

    history = drift_history(model)
    if as_json:
        print_json(history.to_json())
        return
    from rareevent.cli.tables import drift_table

    stdout_console().print(drift_table(history.jobs[:limit], history.name))
    if bars := _sparkline(history.jobs):
        click.echo(f"figure nearest its limit, oldest to newest (█ is at or beyond it): {bars}")
    click.echo(history.advice)


def _sparkline(jobs: tuple[JobRecord, ...]) -> str:
    """A bar per job that was judged: its furthest figure over that figure's limit."""
    strains = [job.metrics.get("drift/strain_max") for job in reversed(jobs[:_MOST_BARS])]
    highest = len(_BARS) - 1
    return "".join(_BARS[min(int(s * highest), highest)] for s in strains if s is not None)
