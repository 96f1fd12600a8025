"""`rareevent gates`."""

from __future__ import annotations

import click

from rareevent.cli.console import example, json_option, log, print_json, stdout_console


@click.command("gates")
@click.option(
    "--model",
    required=True,
    help="models:/NAME@champion, models:/NAME/VERSION, runs:/RUN_ID or a bundle directory.",
)
@click.option("--input", "source", required=True, help="A file, a directory or a glob.")
@click.option("--at", help="Time of the window's last row; without it, all windows are looked at.")
@click.option("--asset", help="Needed with --at where the input holds several assets.")
@click.option("--events", type=click.Path(dir_okay=False), help="Known events, one row each.")
@click.option("--member", default=1, show_default=True, help="Which model of the ensemble.")
@click.option(
    "--output", type=click.Path(file_okay=False), help="Folder for heatmaps and gates.csv (--at)."
)
@json_option
@example("rareevent gates --model models:/demo@champion --input new.parquet --at 2025-02-03T08:15")
def command(
    model: str,
    source: str,
    at: str | None,
    asset: str | None,
    events: str | None,
    member: int,
    output: str | None,
    as_json: bool,
) -> None:
    """Show what the gates of a trained LSTM do.

    With --at, in one window: each unit's gates and cell state over its steps, per layer. Without,
    over all windows of the input: how hard the gates switch, which units remember or never
    change and, with --events, which units move before events. Needs no TensorFlow.
    """
    if at is None:
        if output is not None:
            raise click.UsageError("--output needs --at: heatmaps show one window")
        _show_windows(model, source, asset, events, member, as_json)
        return
    from rareevent.jobs.gates import save_window, window_gates

    shown = window_gates(model, source, at, asset=asset, events=events, member=member)
    written = [] if output is None else save_window(shown, output)
    if as_json:
        print_json({**shown.to_json(), "written": [str(path) for path in written]})
        return
    from rareevent.cli.inside import window_table

    console = stdout_console()
    asset_words = f"{shown.asset}, " if shown.asset else ""
    click.echo(f"{asset_words}{shown.times[0]} to {shown.at}: probability {shown.probability:.1%}")
    for name, layer in shown.layers.items():
        console.print(window_table(name, layer))
    for path in written:
        log(f"written to {path}")


def _show_windows(
    model: str, source: str, asset: str | None, events: str | None, member: int, as_json: bool
) -> None:
    from rareevent.jobs.gates import gates_over_windows

    uri, read = gates_over_windows(model, source, asset=asset, events=events, member=member)
    plain = read.to_json()
    if as_json:
        print_json({"model": uri, "member": member, **plain})
        return
    from rareevent.cli.inside import moves_table, statistics_table

    console = stdout_console()
    for layer in plain["layers"]:
        console.print(statistics_table(layer))
    if plain["moves"] is not None:
        console.print(moves_table(plain["moves"]))
    elif events is not None:
        click.echo("No event has a full window before it and one to compare it with.")
