"""`rareevent runs`."""

import click

from rareevent.cli.console import example, json_option, print_json, stdout_console


@click.command("runs")
@click.option("--experiment", help="Only runs of this experiment (a pipeline's name).")
@click.option("--limit", default=20, show_default=True, help="Most runs shown.")
@click.option("--compare", nargs=2, metavar="A B", help="Compare two runs on their test part.")
@json_option
@example("rareevent runs --experiment demo")
def command(
    experiment: str | None, limit: int, compare: tuple[str, str] | None, as_json: bool
) -> None:
    """List runs with their headline figures, or compare two of them.

    With --compare, two runs (ids, or registered models such as models:/demo/1, for the runs that
    made them) are compared on the same test rows, with intervals of the differences and the
    verdict in words.
    """
    from rareevent.jobs.runs import compare_runs, list_runs

    if compare:
        outcome = compare_runs(*compare)
        if as_json:
            print_json(outcome.to_json())
            return
        click.echo(outcome.verdict.sentence)
        for line in outcome.verdict.details:
            click.echo(line)
        return
    records = list_runs(experiment, limit=limit)
    if as_json:
        print_json([record.to_json() for record in records])
        return
    if not records:
        from rareevent.tracking.home import find_home

        click.echo(
            f"no runs at {find_home().shown}; train one, call from the folder that holds mlruns/,"
            " or set MLFLOW_TRACKING_URI"
        )
        return
    from rareevent.cli.tables import runs_table

    stdout_console().print(runs_table(records))
