"""The reference pages: current, complete, and with examples that the commands understand."""

import shlex

import click
import pytest

from docs import generate
from rareevent.cli.app import VERBS, app
from rareevent.config import PipelineConfig, Stage
from tests.conftest import REPOSITORY


@pytest.mark.parametrize("name", ["commands", "pipeline"])
def test_the_reference_is_what_the_code_says(name):
    page = (REPOSITORY / "docs" / "reference" / f"{name}.md").read_text(encoding="utf-8")

    assert page == getattr(generate, name)(), "call `make docs` and commit docs/reference/"


def stages(model: type[Stage] = PipelineConfig) -> list[type[Stage]]:
    inner = [s for f in model.model_fields.values() for s in generate.stages_in(f.annotation)]
    return [model, *(stage for one in inner for stage in stages(one))]


def test_every_key_says_what_it_means():
    keys = {f"{s.__name__}.{n}": f for s in stages() for n, f in s.model_fields.items()}

    assert len(keys) > 100
    assert [key for key, field in keys.items() if not field.description] == []


@pytest.mark.parametrize("verb", [v for v in VERBS if v != "completion"])
def test_the_example_of_every_command_is_one_that_it_understands(verb):
    command = app.get_command(click.Context(app), verb)
    lines = [line.strip() for line in command.help.splitlines()]
    calls = [line for line in lines if line.startswith(f"rareevent {verb}")]

    assert calls
    for call in calls:
        command.make_context(verb, shlex.split(call, comments=True)[2:])


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_says_what_it_does(verb):
    command = app.get_command(click.Context(app), verb)
    options = [p for p in command.params if isinstance(p, click.Option)]

    assert [o.opts[-1] for o in options if not o.help] == []
