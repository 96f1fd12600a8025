"""`rareevent demo`."""

import click

from rareevent.cli.console import example, json_option, print_json, progress, stdout_console


@click.command("demo")
@click.option(
    "--output",
    default="data/demo",
    show_default=True,
    type=click.Path(file_okay=False),
    help="Folder for the fleet and its scores.",
)
@click.option("--seed", default=1, show_default=True, help="Seed of the fleet.")
@json_option
@example("rareevent demo --seed 3")
def command(output: str, seed: int, as_json: bool) -> None:
    """Go the whole way on a simulated fleet.

    Simulates a fleet, trains and registers a model, scores a week it never saw, judges that week,
    and prints what it found in one table.
    """
    with progress() as shown:
        shown.log("waking TensorFlow and MLflow (a few seconds)")
        from rareevent.jobs.demo import demo

        result = demo(output, seed=seed, progress=shown)
    if as_json:
        print_json(result.to_json())
        return
    from rareevent.cli.tables import headline_table

    stdout_console().print(headline_table(result.trained))
    click.echo(result.trained.verdict_sentence)
    week = result.unseen.evaluation.metrics
    click.echo(
        f"In the week after, {result.scored.rows_scored:,} rows were batch-scored:"
        f" {result.scored.alarms} alarms, {week['caught']} of {week['events']} events caught,"
        f" {week['false_alarms']} false alarms."
    )
    click.echo("\nWhat next:")
    for text, line in _next_steps(result.folder, result.trained.run_id):
        click.echo(f"  {text:<28}{line}")


def _next_steps(folder: str, run_id: str) -> list[tuple[str, str]]:
    return [
        ("read the report", f"rareevent report {run_id} -o report.html"),
        ("compare runs in MLflow", "rareevent ui"),
        ("look at the scores", f"{folder}/scores/scores"),
        ("change a setting", f"rareevent train {folder}/pipeline.yaml --set window.lookback=12"),
        ("bring your own data", "docs/own_data.md"),
    ]
