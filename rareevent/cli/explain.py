"""`rareevent explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rareevent.cli.console import example, json_option, log, print_json, stdout_console

if TYPE_CHECKING:
    from rich.table import Table

_MOST_SENSORS, _MOST_ROWS = 8, 6


@click.command("explain")
@click.option(
    "--model",
    required=True,
    help="models:/NAME@champion, models:/NAME/VERSION, runs:/RUN_ID or a bundle directory.",
)
@click.option("--input", "source", required=True, help="A file, a directory or a glob.")
@click.option(
    "--at",
    required=True,
    help="Time of the row whose score is to be explained, as the input writes times, or with Z or"
    " another offset from UTC.",
)
@click.option("--asset", help="Needed where the input holds several assets.")
@click.option("--events", type=click.Path(dir_okay=False), help="Known events, one row each.")
@click.option(
    "--output", type=click.Path(file_okay=False), help="Folder for evidence.png and evidence.csv."
)
@json_option
@example(
    "rareevent explain --model models:/demo@champion --input new.parquet --at 2025-02-03T08:15"
)
def command(
    model: str,
    source: str,
    at: str,
    asset: str | None,
    events: str | None,
    output: str | None,
    as_json: bool,
) -> None:
    """Show which sensors and which rows raised a score, and how they moved.

    Credits are log-odds beside a window in which every channel is at its training median; they
    add up. Needs no TensorFlow.
    """
    from rareevent.jobs.explain import explain, save_explanation

    shown = explain(model, source, at, asset=asset, events=events)
    written = [] if output is None else save_explanation(shown, output)
    plain = shown.to_json()
    if as_json:
        print_json({**plain, "written": [str(path) for path in written]})
        return
    asset_words = f"{shown.asset}, " if shown.asset else ""
    click.echo(
        f"{asset_words}{shown.times[0]} to {shown.at}{shown.zone}:"
        f" probability {plain['probability']:.1%}, threshold {plain['threshold']:.1%};"
        f" {plain['quiet_probability']:.1%} were every channel at its training median"
    )
    console = stdout_console()
    console.print(sensor_table(plain["sensors"]))
    console.print(row_table(plain["rows"]))
    click.echo(quality_words(plain["quality"]))
    if shown.left_out:
        click.echo(f"{shown.left_out:,} rows of the input cannot be read; a job rejects them too.")
    if plain["similar"]["windows"]:
        console.print(similar_table(plain["similar"]))
    else:
        click.echo(f"Similar before: none; {plain['similar']['why_none']}.")
    for path in written:
        log(f"written to {path}")


def sensor_table(sensors: list[dict[str, Any]]) -> Table:
    """The sensors with the largest credits: how they moved, and the score without each."""
    from rich.table import Table

    table = Table(title="What raised it", title_justify="left", title_style="bold")
    for head in ("sensor", "credit", "without it", "reading", "normal", "rank"):
        table.add_column(head, justify="left" if head in ("sensor", "normal") else "right")
    table.add_column("channel, farthest")
    for one in sensors[:_MOST_SENSORS]:
        table.add_row(
            one["name"],
            f"{one['credit']:+.2f}",
            f"{one['without']:.1%}",
            *_reading_cells(one),
            _channel_words(one),
        )
    return table


def _channel_words(one: dict[str, Any]) -> str:
    """The channel with the largest credit, without its sensor's name, and its farthest score."""
    channel = one["channels"][0]
    kind = channel["name"].removeprefix(one["name"]).lstrip(".=")
    return f"{kind} {channel['farthest']:+.1f}"


def _reading_cells(one: dict[str, Any]) -> tuple[str, str, str]:
    """Last reading, where four of five training rows lie, and the reading's rank there."""
    if "level" in one:
        return one["level"] or "missing", "", ""
    if "last" not in one:
        return "", "", ""
    reading = "missing" if one["last"] is None else f"{one['last']:.4g}"
    normal = "" if one["normal"] is None else f"{one['normal'][0]:.4g} to {one['normal'][2]:.4g}"
    return reading, normal, "" if one["rank"] is None else f"{one['rank']:.0%}"


def row_table(rows: list[dict[str, Any]]) -> Table:
    """The rows with the largest credits, in the order of time."""
    from rich.table import Table

    table = Table(title="When", title_justify="left", title_style="bold")
    table.add_column("time")
    table.add_column("credit", justify="right")
    table.add_column("quiet from here on", justify="right")
    largest = sorted(rows, key=lambda row: -row["credit"])[:_MOST_ROWS]
    for row in sorted(largest, key=rows.index):
        table.add_row(row["time"], f"{row['credit']:+.2f}", f"{row['quiet_from_here']:.1%}")
    return table


def similar_table(similar: dict[str, Any]) -> Table:
    """Past windows that resemble this one where it mattered, and what came of them."""
    from rich.table import Table

    usual = f"half of {similar['compared']:,} lie beyond {similar['typical_distance']:.2f}"
    table = Table(title=f"Similar before ({usual})", title_justify="left", title_style="bold")
    for head in ("asset", "window until", "distance", "what came"):
        table.add_column(head, justify="right" if head == "distance" else "left")
    for one in similar["windows"]:
        table.add_row(one["asset"], one["time"], f"{one['distance']:.2f}", one["what_came"])
    return table


def quality_words(quality: dict[str, Any]) -> str:
    """The window's data quality in one line."""
    said = [f"{quality['rows']} rows", f"{quality['missing']:.1%} of readings missing"]
    if quality["repeated"]:
        said.append(f"{quality['repeated']} steps repeat the segment's first row")
    if quality["gaps"]:
        said.append(f"{quality['gaps']} gaps")
    names = {
        "silent": "no reading at all",
        "constant": "constant",
        "outside": "beyond the training range",
        "unknown": "level unknown or missing",
    }
    said += [f"{words}: {', '.join(quality[key])}" for key, words in names.items() if quality[key]]
    return f"Data of the window: {'; '.join(said)}."
