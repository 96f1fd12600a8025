"""`rareevent promote`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rareevent.cli.console import example, json_option, log, print_json, set_option, stdout_console

if TYPE_CHECKING:
    from rareevent.jobs.promote import Promotion

# The exit code of a gate that did not hold; `PromotionError` has the same.
_REFUSED = 11


@click.command("promote")
@click.argument("version")
@click.option(
    "--pipeline",
    type=click.Path(dir_okay=False),
    help="Pipeline whose `ingest` names the labelled data and whose `promote` is the gate;"
    " default the version's own.",
)
@set_option
@click.option("--force", is_flag=True, help="Promote whatever the gate says; needs --reason.")
@click.option("--reason", default="", help="Why; kept in the history.")
@json_option
@example("rareevent promote models:/demo/2")
def command(
    version: str,
    pipeline: str | None,
    overrides: tuple[str, ...],
    force: bool,
    reason: str,
    as_json: bool,
) -> int:
    """Make a version champion if it holds its own against the one that is.

    VERSION is models:/NAME/NUMBER, or the id of the run that registered it. Both are scored on the
    rows that neither has learned from and compared on the same resamples of them; the `promote`
    stage of the pipeline says what the challenger has to show. Exits with 11 where it does not.
    """
    from rareevent.config import load_pipeline
    from rareevent.jobs.promote import promote

    config = load_pipeline(pipeline, overrides) if pipeline else None
    own = () if pipeline else overrides
    done = promote(version, config, overrides=own, force=force, reason=reason)
    if as_json:
        print_json(done.to_json())
    else:
        _tell(done)
    return 0 if done.is_champion else _REFUSED


def _tell(done: Promotion) -> None:
    from rareevent.cli.tables import contenders

    this = f"{done.name} version {done.version}"
    if done.outcome == "already_champion":
        click.echo(f"{this} is the champion already.")
        return
    if done.challenge is not None:
        one = done.challenge
        columns = {
            f"version {done.version}": one.challenger,
            f"version {done.previous}, champion": one.champion,
        }
        title = f"rows that neither has learned from, {one.since} to {one.until}"
        stdout_console().print(contenders(columns, title))
    for check in done.checks:
        click.echo(f"{'holds' if check.passed else 'fails'}: {check.name}: {check.detail}")
        if check.advice:
            click.echo(f"       {check.advice}")
    if done.trouble:
        click.echo(f"not compared: {done.trouble}")
    if not done.is_champion:
        stays = f"version {done.previous} stays champion" if done.previous else "none is champion"
        log(
            f"rareevent: the gate did not hold: {stays}; --force --reason TEXT promotes it all the"
            " same, and is recorded"
        )
        return
    before = f", in place of version {done.previous}" if done.previous else ""
    forced = " (forced)" if done.outcome == "forced" else ""
    click.echo(f"{this} is the champion now{before}{forced}.")
