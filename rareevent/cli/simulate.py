"""`rareevent simulate`."""

import click

from rareevent.cli.console import example, json_option, print_json


@click.command("simulate")
@click.option("--output", required=True, type=click.Path(file_okay=False), help="Folder to write.")
@click.option("--seed", required=True, type=int, help="The same seed gives the same fleet.")
@click.option("--assets", default=6, show_default=True, help="Machines in the fleet.")
@click.option("--days", default=40.0, show_default=True, help="Days per machine.")
@click.option(
    "--difficulty",
    default="medium",
    show_default=True,
    type=click.Choice(["easy", "medium", "hard"]),
    help="How well events hide.",
)
@click.option("--interval", default=5.0, show_default=True, help="Minutes between rows.")
@click.option(
    "--hold-back", default=0, show_default=True, help="Last days written apart, one file each."
)
@json_option
@example("rareevent simulate --output data/fleet --seed 1 --assets 4 --days 30")
def command(
    output: str,
    seed: int,
    assets: int,
    days: float,
    difficulty: str,
    interval: float,
    hold_back: int,
    as_json: bool,
) -> None:
    """Simulate a fleet with sensor data, events and the truth about them.

    Writes sensors.parquet, events.csv and truth.parquet: for every event whether it was announced,
    by which sensors, and from when.
    """
    from pathlib import Path

    from rareevent.simulate import simulate

    made = simulate(
        Path(output),
        seed=seed,
        assets=assets,
        days=days,
        difficulty=difficulty,
        interval_minutes=interval,
        hold_back_days=hold_back,
    )
    if as_json:
        print_json(made.to_json())
        return
    click.echo(
        f"{made.rows:,} rows, {made.assets} assets, {made.sensors} sensors, {made.events} events"
        f" ({made.unannounced} without a precursor), written to {output}"
    )
    click.echo(f"a horizon of {made.horizon_minutes:g} minutes fits the leads")
