"""What the production page gives to schedulers: read by the schedulers' own rules."""

import configparser
import re
import shlex
import shutil
import subprocess

import click
import pytest

from rareevent.cli.app import EXIT_CODES, app
from tests.docs.blocks import blocks, documents

PAGE = "docs/production.md"
_FIELDS = (range(60), range(24), range(1, 32), range(1, 13), range(8))


def of(language):
    return [block for block in blocks(PAGE) if block.language == language]


def units():
    return [b for b in of("ini") if b.code.startswith("[Unit]")]


def cron_job():
    (block,) = [b for b in of("yaml") if "CronJob" in b.code]
    (document,) = documents(block)
    return document


def allowed(field, values):
    """Whether one field of a crontab line holds only values of its range."""
    parts = [part for item in field.split(",") for part in re.split(r"[-/]", item)]
    return all(part == "*" or (part.isdigit() and int(part) in values) for part in parts)


def schedules():
    crontab = [line for b in of("text") for line in b.code.splitlines() if "/srv/" in line]
    return [*crontab, cron_job()["spec"]["schedule"]]


def test_schedules_are_five_fields_of_cron():
    assert len(schedules()) == 2
    for line in schedules():
        fields = line.split(maxsplit=5)
        assert len(fields) >= 5
        assert all(allowed(f, v) for f, v in zip(fields, _FIELDS, strict=False)), line


def test_the_units_of_systemd_have_their_sections():
    service, timer = (configparser.ConfigParser(strict=True) for _ in range(2))
    for parser in (service, timer):
        parser.optionxform = str
    texts = units()
    service.read_string(texts[0].code)
    timer.read_string(texts[1].code)

    assert set(service["Service"]) >= {"Type", "ExecStart", "SuccessExitStatus", "TimeoutStopSec"}
    assert set(timer["Timer"]) >= {"OnCalendar", "Persistent"}


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_takes_the_units(tmp_path):
    names = ("rareevent-score.service", "rareevent-score.timer")
    script = tmp_path / "nightly.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    for name, unit in zip(names, units(), strict=True):
        text = unit.code.replace("/srv/rareevent/nightly.sh", str(script))
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(tmp_path / name for name in names)],
        capture_output=True,
        text=True,
        check=False,
    )
    if "Failed to" in done.stderr and "runtime directory" in done.stderr:
        pytest.skip(f"systemd-analyze cannot verify here: {done.stderr.strip()}")
    ours = [line for line in done.stderr.splitlines() if "rareevent-score" in line]

    assert ours == []


def test_the_kubernetes_job_does_not_overlap_and_gives_time_to_stop():
    spec = cron_job()["spec"]
    pod = spec["jobTemplate"]["spec"]["template"]["spec"]
    rules = spec["jobTemplate"]["spec"]["podFailurePolicy"]["rules"]
    codes = {code for rule in rules for code in rule["onExitCodes"]["values"]}

    assert (cron_job()["apiVersion"], spec["concurrencyPolicy"]) == ("batch/v1", "Forbid")
    # A failure policy is only taken with pods that are never restarted in place.
    assert pod["restartPolicy"] == "Never"
    assert pod["terminationGracePeriodSeconds"] >= 60
    assert codes <= set(EXIT_CODES) - {0}
    mounts = {m["name"] for c in pod["containers"] for m in c["volumeMounts"]}
    assert mounts == {v["name"] for v in pod["volumes"]}


def calls():
    """Every call of rareevent on the page that a scheduler would make."""
    (container,) = cron_job()["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    script = "".join(b.code for b in of("bash")).replace("\\\n", " ")
    lines = [m[0] for m in re.finditer(r"rareevent score .+", script)]
    return [shlex.split(line)[1:] for line in lines] + [container["args"]]


def test_every_call_is_one_that_the_command_takes():
    assert len(calls()) == 2
    for verb, *arguments in calls():
        app.get_command(click.Context(app), verb).make_context(verb, list(arguments))


def test_the_table_of_exit_codes_names_codes_that_exist():
    text = "\n".join(block_free(PAGE))
    codes = [int(c) for c in re.findall(r"^\| (\d+) \|", text, re.M)]

    assert codes
    assert set(codes) <= set(EXIT_CODES)


def block_free(page):
    from tests.conftest import REPOSITORY

    return (REPOSITORY / page).read_text(encoding="utf-8").splitlines()
