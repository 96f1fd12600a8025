"""`rareevent backtest`."""

from typing import Literal

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


@click.command("backtest")
@pipeline_argument
@set_option
@click.option(
    "--folds", default=5, show_default=True, type=click.IntRange(1, 100), help="Test periods."
)
@click.option(
    "--first",
    default=0.5,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Share of the rows before the first test period.",
)
@click.option(
    "--window",
    default="expanding",
    show_default=True,
    type=click.Choice(["expanding", "sliding"]),
    help="Train on all rows before a test period, or on a stretch as long as --first.",
)
@click.option(
    "--output", required=True, type=click.Path(file_okay=False), help="Folder for the outcome."
)
@click.option("--workers", type=click.IntRange(1), help="Processes; default one per core.")
@json_option
@example("rareevent backtest pipelines/sheet_break.yaml --output backtests/sheet-break")
def command(
    pipeline: str,
    overrides: tuple[str, ...],
    folds: int,
    first: float,
    window: Literal["expanding", "sliding"],
    output: str,
    workers: int | None,
    as_json: bool,
) -> None:
    """Judge a pipeline on several consecutive test periods.

    Each fold learns, chooses and is judged on its own, with all baselines. Writes
    OUTPUT/report.html, and OUTPUT/predictions.parquet, from which every figure can be recomputed.
    Killed and called again, it goes on with the folds that are missing.
    """
    from rareevent.config import load_pipeline
    from rareevent.jobs.backtest import backtest
    from rareevent.jobs.fold import FoldPlan

    config = load_pipeline(pipeline, overrides)
    plan = FoldPlan(folds, first, window)
    with progress() as shown:
        result = backtest(config, plan, output, workers=workers, progress=shown)
    if as_json:
        print_json(result.to_json())
        return
    from rareevent.cli.tables import contenders

    columns = {name: figures["metrics"] for name, figures in result.pooled.items()}
    stdout_console().print(contenders(columns, f"{folds} test periods, pooled"))
    click.echo(result.verdict_sentence)
    log(f"run {result.run_id}, written to {result.output} in {result.seconds:.0f} s")
