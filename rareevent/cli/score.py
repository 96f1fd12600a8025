"""`rareevent score`."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import click

from rareevent.cli.console import example, json_option, log, progress

if TYPE_CHECKING:
    from rareevent.scoring.summary import ScoreSummary

# The exit code of `--fail-on-drift`.
_DRIFTED = 10


@click.command("score")
@click.option(
    "--model",
    required=True,
    help="models:/NAME@champion, models:/NAME/VERSION, runs:/RUN_ID or a bundle directory.",
)
@click.option("--input", "source", required=True, help="File, directory, glob, or URL#TABLE.")
@click.option(
    "--output",
    required=True,
    type=click.Path(file_okay=False),
    help="Folder for the scores, or URL#TABLE of a database.",
)
@click.option("--events", type=click.Path(dir_okay=False), help="Known events, one row each.")
@click.option(
    "--state",
    type=click.Path(dir_okay=False),
    help="Manifest and states.  [default: OUTPUT/manifest.db]",
)
@click.option("--since", metavar="TIME", help="Earlier rows only warm up; they are not written.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["parquet", "csv"]),
    default="parquet",
    show_default=True,
    help="Of the files written.",
)
@click.option(
    "--engine",
    type=click.Choice(["local", "spark"]),
    default="local",
    show_default=True,
    help="Where the work is done.",
)
@click.option(
    "--master",
    metavar="URL",
    help="Spark's cluster.  [default: as the environment says, else this machine]",
)
@click.option("--dry-run", is_flag=True, help="Say what would be taken; write nothing.")
@click.option(
    "--reprocess",
    is_flag=True,
    help="Score anew: from where late or corrected rows begin, or everything for another model.",
)
@click.option(
    "--fail-on-drift",
    is_flag=True,
    help="Exit with 10 where the newest rows drifted beyond the model's limits; they are scored.",
)
@click.option(
    "--evidence",
    is_flag=True,
    help="Tell of each alarm the three sensors that raised it most, and their credits.",
)
@json_option
@example("rareevent score --model models:/demo@champion --input 'new/*.parquet' --output scores")
def command(
    model: str,
    source: str,
    output: str,
    events: str | None,
    state: str | None,
    since: str | None,
    form: Literal["parquet", "csv"],
    engine: Literal["local", "spark"],
    master: str | None,
    dry_run: bool,
    reprocess: bool,
    fail_on_drift: bool,
    evidence: bool,
    as_json: bool,
) -> int:
    """Score new sensor files with a trained model, each file once.

    Needs no label. Writes OUTPUT/scores, OUTPUT/alarms and OUTPUT/rejected, and goes on where an
    earlier call ended: files are known by their content, and every asset's last rows and alarm
    state are carried over. Killed and called again, it leaves the same output.
    """
    with _stop_signal() as stop:
        from rareevent.jobs.score import plan_score, score
        from rareevent.scoring.job import ScoreOptions

        options = ScoreOptions(
            state, since, form, reprocess, engine=engine, master=master, evidence=evidence
        )
        if dry_run:
            _tell_plan(plan_score(model, source, output, events, options), as_json)
            return 0
        with progress() as shown:
            done = score(model, source, output, events, options, progress=shown, stop=stop)
    if as_json:
        _print_line(done.to_json())
    else:
        _tell(done)
    if done.drift.drifted:
        log(f"warning: {done.drift.words}")
    return _DRIFTED if fail_on_drift and done.drift.drifted and not done.stopped else 0


@contextmanager
def _stop_signal() -> Iterator[Callable[[], bool]]:
    """Whether SIGTERM came, which then does not end the process: a file is finished first."""
    asked: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
    try:
        yield lambda: bool(asked)
    finally:
        signal.signal(signal.SIGTERM, before)


def _print_line(document: dict[str, Any]) -> None:
    click.echo(json.dumps(document, ensure_ascii=False, allow_nan=False))


def _tell_plan(plan: dict[str, Any], as_json: bool) -> None:
    if as_json:
        _print_line(plan)
        return
    click.echo(f"{len(plan['files'])} files to take, {plan['known']} taken before")
    for file in plan["files"]:
        grew = ", grew" if file["grew"] else ""
        click.echo(f"  {file['file']}: {file['rows']:,} rows from {file['first']}{grew}")
    for asset, since in plan["late"].items():
        click.echo(f"  late: {asset} from {since}")


def _tell(done: ScoreSummary) -> None:
    span = f", {done.first} to {done.last}" if done.first is not None else ""
    click.echo(
        f"{done.rows_scored:,} of {done.rows_read:,} rows scored, {len(done.files):,} files"
        f" ({done.files_known:,} known before), {done.assets:,} assets,"
        f" {done.alarms:,} alarms{span}"
    )
    for reason, rows in done.not_scored.items():
        click.echo(f"  not scored, {reason.replace('_', ' ')}: {rows:,} rows")
    if done.rows_rescored:
        click.echo(f"  scored anew: {done.rows_rescored:,} rows")
    if done.late:
        click.echo(
            f"  {len(done.late):,} assets have rows or events that came late or were corrected;"
            " --reprocess scores them anew"
        )
    if done.events_late:
        click.echo(f"  events told only after rows behind them were scored: {done.events_late:,}")
    for note in done.notes:
        click.echo(f"  {note}")
    click.echo(f"  {done.drift.words}")
    if done.stopped:
        click.echo("stopped; the next call goes on")
    log(f"written to {done.output} in {done.seconds:.1f} s by {done.model}")
