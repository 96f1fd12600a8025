"""The command line: instant help, one line per error, the documented exit code."""

import json
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
import yaml

from rareevent import errors
from rareevent.cli.app import EXIT_CODES, VERBS, app
from tests.conftest import REPOSITORY
from tests.lines import line_settings, write_line


def rareevent(*arguments, folder=None):
    return subprocess.run(
        [sys.executable, "-c", "from rareevent.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )


def refused(done, code, *words):
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("rareevent: ")]
    assert lines, done.stderr
    for word in words:
        assert word in done.stderr
    return lines


@pytest.fixture
def line(tmp_path):
    """A pipeline file over a small line, and a way to change it."""
    settings = line_settings(write_line(tmp_path))

    def write(**ingest):
        changed = {**settings, "ingest": {**settings["ingest"], **ingest}}
        path = tmp_path / "line.yaml"
        path.write_text(yaml.safe_dump(changed))
        return path

    return write


def test_help_is_instant_and_imports_nothing_heavy():
    code = (
        "import sys, rareevent.cli.app as a\n"
        "try: a.app.main(['--help'], standalone_mode=False)\n"
        "finally: print(sorted({m.split('.')[0] for m in sys.modules} & "
        "{'tensorflow', 'keras', 'mlflow', 'pandas', 'numpy', 'sklearn', 'pyarrow', 'rich'}))"
    )
    times = []
    for _ in range(3):
        started = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        times.append(time.perf_counter() - started)

    assert done.stdout.strip().endswith("[]")
    # Alone on a core it takes a third of this; the bound leaves room for busy machines.
    assert min(times) < 0.9


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example_and_stands_in_the_documentation(verb):
    command = app.get_command(click.Context(app), verb)
    help_text = command.get_help(click.Context(command, info_name=verb))
    pages = "".join(p.read_text() for p in (REPOSITORY / "docs").rglob("*.md"))

    assert "Example:" in help_text
    assert f"rareevent {verb}" in help_text
    assert f"rareevent {verb}" in pages


@pytest.mark.parametrize("verb", sorted(set(VERBS) - {"ui", "completion"}))
def test_every_verb_that_answers_can_answer_a_machine(verb):
    command = app.get_command(click.Context(app), verb)

    assert "--json" in {option for p in command.params for option in p.opts}


def test_every_error_has_a_documented_exit_code():
    kinds = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, Exception)]
    codes = {kind.exit_code for kind in kinds if issubclass(kind, errors.RareEventError)}
    page = (REPOSITORY / "docs" / "reference" / "commands.md").read_text()

    assert codes <= set(EXIT_CODES)
    for code, meaning in EXIT_CODES.items():
        assert f"| {code} | {meaning} |" in page


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell):
    assert "_RAREEVENT_COMPLETE" in rareevent("completion", shell).stdout


def test_unknown_verb_and_option_exit_with_two():
    assert rareevent("predict").returncode == 2
    assert rareevent("train", "--nope").returncode == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("train",), ("PIPELINE", "`rareevent train --help`")),
        (("check", "."), ("is a directory", "`rareevent check --help`")),
        (("score", "--model", "m"), ("--input", "`rareevent score --help`")),
    ],
)
def test_a_wrong_call_is_one_line_and_json_when_asked(arguments, words):
    done = rareevent(*arguments, "--json")

    assert len(refused(done, 2, *words)) == len(done.stderr.splitlines()) == 1
    assert json.loads(done.stdout)["exit_code"] == 2


def test_what_the_system_refuses_is_no_defect(tmp_path):
    done = rareevent("simulate", "--output", tmp_path / ("o" * 300), "--seed", 1)

    assert done.returncode not in (0, 70)
    assert len(refused(done, done.returncode, "File name too long")) == 1


@pytest.mark.parametrize(
    ("arguments", "redirection"),
    [("completion bash", "| true"), ("check line.yaml", "| true"), ("check line.yaml", ">&-")],
)
def test_an_output_that_nobody_reads_is_no_failure(line, tmp_path, arguments, redirection):
    line()
    command = f"{sys.executable} -c 'from rareevent.cli import main; main()' {arguments}"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{command} {redirection}"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_a_warning_is_one_line_without_the_place_in_the_code():
    code = (
        "import warnings, rareevent.cli.app as a\n"
        "from rareevent.errors import RareEventWarning\n"
        "a._run = lambda _: warnings.warn('look\\nhere', RareEventWarning)\n"
        "a.main([])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert done.stderr == "rareevent: look here\n"


def test_a_stop_signal_ends_with_its_code_and_one_line():
    code = (
        "import os, signal, time, rareevent.cli.app as a\n"
        "a.app.main = lambda *_, **__: (os.kill(os.getpid(), signal.SIGTERM), time.sleep(9))\n"
        "a.main(['--json'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert done.returncode == 143
    assert done.stderr == "rareevent: stopped\n"
    assert json.loads(done.stdout) == {"error": "stopped", "exit_code": 143}


def test_unknown_key_names_file_key_and_neighbour(line):
    done = rareevent("check", line(), "--set", "train.sead=5")

    refused(done, 2, "line.yaml", "'train.sead'", "did you mean 'seed'?")


def test_errors_are_json_too_when_asked(line):
    done = rareevent("train", line(), "--set", "ingest.source=nowhere.csv", "--json")

    document = json.loads(done.stdout)
    assert document["exit_code"] == done.returncode == 3
    assert "nowhere.csv" in document["error"]


@pytest.mark.parametrize(
    ("ingest", "code", "words"),
    [
        ({"source": "nowhere.csv"}, 3, ("nowhere.csv",)),
        ({"time": "when"}, 3, ("when", "time")),
        ({"label": "broken"}, 3, ("broken",)),
        ({"sensors": ["warm", "y"]}, 2, ("label", "'y'")),
        ({"sensors": ["cold"]}, 3, ("cold",)),
    ],
)
def test_bad_ingest_is_one_clear_line(line, tmp_path, ingest, code, words):
    done = rareevent("train", line(**ingest), folder=tmp_path)

    refused(done, code, *words)
    assert not (tmp_path / "mlruns").exists()


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", ("empty",)),
        ("time,y,warm\n", ("no row",)),
        ("time,y,warm\nyesterday,0,1\n2024-01-01,0,2\n", ("time", "yesterday")),
        ("time,y,warm\n2024-01-01,0,\n2024-01-02,1,\n", ("warm",)),
        ("time,y,warm\n2024-01-01,0,1\n2024-01-02,0,2\n2024-01-03,0,3\n", ("event",)),
        ("time,y,warm\n2024-01-01,0,7\n2024-01-02,1,7\n2024-01-03,0,7\n", ("warm",)),
    ],
)
def test_bad_files_are_refused_in_words(line, tmp_path, content, words):
    path = line()
    write(tmp_path / "line.csv", content)

    done = rareevent("train", path, folder=tmp_path)

    refused(done, 3, *words)


def test_directory_without_files_is_refused(line, tmp_path):
    (tmp_path / "empty").mkdir()

    done = rareevent("check", line(source=str(tmp_path / "empty")))

    assert done.returncode == 3
    assert "empty" in done.stderr


def test_check_names_every_dirty_column_and_exits_with_three(shared_data, tmp_path):
    settings = {
        "ingest": {
            "source": str(shared_data("dirty_process.csv.gz")),
            "time": "",
            "events": "last_row",
        }
    }
    path = write(tmp_path / "dirty.yaml", yaml.safe_dump(settings))

    done = rareevent("check", path, "--json")

    document = json.loads(done.stdout)
    dirty = {c["name"]: c for c in document["columns"] if c["dirty"]}
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert len(dirty) == 5
    for column in dirty.values():
        assert column["dirty_values"]
        assert column["name"] in done.stderr


def test_absent_model_says_what_there_is(tmp_path):
    done = rareevent("score", "--model", "none", "--input", "x", "--output", "y", folder=tmp_path)

    refused(done, 6, "none")
    assert not (tmp_path / "y").exists()
