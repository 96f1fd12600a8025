"""The picture of the house in CONTRIBUTING, the contract that holds it, and what is on disk."""

import re
import shutil
import subprocess
import sys
import tomllib

import pytest
import yaml

from tests.conftest import REPOSITORY

PACKAGE = REPOSITORY / "rareevent"
HOOKS = REPOSITORY / ".pre-commit-config.yaml"


def picture() -> list[str]:
    """The floors that CONTRIBUTING draws, from the top."""
    page = (REPOSITORY / "CONTRIBUTING.md").read_text()
    drawn = page.split("## The picture of the house")[1].split("```text\n")[1].split("```")[0]
    return re.findall(r"^[\w.]+/?", drawn, re.MULTILINE)


def contract() -> list[str]:
    """The layers that import-linter holds, from the top."""
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    (layered,) = [c for c in settings["tool"]["importlinter"]["contracts"] if c["type"] == "layers"]
    return [name.removeprefix("rareevent.") for name in layered["layers"]]


def on_disk() -> set[str]:
    """Packages and modules at the top of the package."""
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    return folders | {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}


def test_the_picture_shows_the_floors_in_the_order_that_the_contract_holds():
    assert [floor.removesuffix("/").removesuffix(".py") for floor in picture()] == contract()


def test_every_package_on_disk_stands_in_the_picture():
    assert on_disk() == set(contract())


def test_what_the_picture_calls_a_folder_is_one():
    wrong = [floor for floor in picture() if not (PACKAGE / floor).exists()]
    assert wrong == []


def test_every_floor_has_tests_that_run_alone():
    floors = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
    calls = [("make", "--dry-run", "--always-make", f"test-{floor}") for floor in floors]
    done = [subprocess.run(c, cwd=REPOSITORY, capture_output=True, text=True) for c in calls]
    for floor, result in zip(floors, done, strict=True):
        (called,) = re.findall(r"pytest -m \"not slow\" (\S+) (\S+)", result.stdout)
        assert called[1] == f"rareevent/{floor}"
        assert all((REPOSITORY / path).exists() for path in called)


def test_where_do_i_put_names_places_that_exist():
    page = (REPOSITORY / "CONTRIBUTING.md").read_text()
    table = page.split("## Where do I put")[1].split("\n## ")[0]
    named = re.findall(r"`([\w/.]+(?:/|\.py|\.md|\.yaml))`", table)
    assert len(named) > 8

    roots = (REPOSITORY, PACKAGE)
    absent = [name for name in named if not any((root / name).exists() for root in roots)]
    assert absent == []


def test_hooks_run_what_lint_runs_and_fetch_nothing():
    repositories = yaml.safe_load(HOOKS.read_text())["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"]
    hooks = repositories[0]["hooks"]
    assert {hook["language"] for hook in hooks} == {"system"}
    recipe = (REPOSITORY / "Makefile").read_text().split("\nlint: ")[1].split("\n\n")[0]
    linted = re.findall(r"\$\(BIN\)/([\w-]+(?: (?:check|format))?)", recipe)
    hooked = [re.match(r"\.venv/bin/([\w-]+(?: (?:check|format))?)", h["entry"])[1] for h in hooks]
    assert hooked == linted


@pytest.mark.slow
def test_hooks_pass_over_the_tree_and_stop_a_commit_that_breaks_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PRE_COMMIT_HOME", str(tmp_path / "home"))
    clone = tmp_path / "clone"
    clone.mkdir()
    shutil.copytree(PACKAGE, clone / "rareevent", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", HOOKS.name):
        shutil.copy(REPOSITORY / name, clone)
    (clone / ".venv").symlink_to(sys.prefix)
    monkeypatch.setenv("PYTHONPATH", str(clone))

    def run(*call):
        return subprocess.run(call, cwd=clone, capture_output=True, text=True, check=False)

    run("git", "init", "--quiet")
    run("git", "add", "rareevent", "pyproject.toml", HOOKS.name)
    hooks = (sys.executable, "-m", "pre_commit", "run", "--all-files")
    clean = run(*hooks)
    assert clean.returncode == 0, clean.stdout + clean.stderr

    # An import that goes up the house, and a number where a text is declared.
    with (clone / "rareevent" / "errors.py").open("a") as module:
        module.write("\n\nfrom rareevent import cli  # noqa\n\nNAME: str = len(cli.__all__)\n")
    broken = run(*hooks)
    assert broken.returncode == 1
    results = dict(re.findall(r"^([\w -]+?)\.{3,}(Passed|Failed)", broken.stdout, re.MULTILINE))
    assert results["mypy"] == results["import-linter"] == "Failed", broken.stdout
