"""What `import rareevent` offers, and that it is what docs/api.md says."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from importlib.resources import files

import pytest

import rareevent
from tests.conftest import REPOSITORY

PAGE = REPOSITORY / "docs" / "api.md"
HEAVY = {"numpy", "pandas", "pyarrow", "tensorflow", "keras", "sklearn", "mlflow", "click"}


def documented() -> set[str]:
    """Every name in the table of the page."""
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([A-Za-z_]+)`", row)}


def for_type_checkers() -> dict[str, str]:
    """Name -> module, as type checkers read them."""
    tree = ast.parse(inspect.getsource(rareevent))
    (guarded,) = [node for node in tree.body if isinstance(node, ast.If)]
    return {line.names[0].name: line.module for line in guarded.body}


def test_the_public_names_are_the_documented_ones():
    assert documented() - {"MLFLOW_TRACKING_URI"} == set(rareevent.__all__)


def test_type_checkers_see_the_names_that_are_there_at_run_time():
    assert set(for_type_checkers()) | {"__version__"} == set(rareevent.__all__)
    for name, module in for_type_checkers().items():
        assert getattr(rareevent, name) is getattr(importlib.import_module(module), name)


def test_every_public_name_says_what_it_is():
    undocumented = [n for n in rareevent.__all__ if not getattr(rareevent, n).__doc__]
    assert undocumented == []


def test_an_unknown_name_is_an_attribute_error_and_the_public_ones_are_listed():
    with pytest.raises(AttributeError, match="'rareevent' has no attribute 'trian'"):
        _ = rareevent.trian
    assert set(rareevent.__all__) <= set(dir(rareevent))


def test_importing_the_package_imports_nothing_heavy():
    code = f"import sys, rareevent; print(sorted({HEAVY} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_model_is_loaded_and_a_table_scored_without_tensorflow_or_scikit_learn():
    code = (
        "import sys, rareevent as r; r.load_bundle, r.score_table, r.score;"
        "print(sorted({'tensorflow', 'keras', 'sklearn', 'mlflow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_package_says_that_it_is_typed():
    assert files("rareevent").joinpath("py.typed").is_file()


def test_no_type_error_is_silenced():
    sources = (REPOSITORY / "rareevent").rglob("*.py")
    assert [str(path) for path in sources if "type: ignore" in path.read_text()] == []


@pytest.mark.slow
def test_a_type_checker_tells_a_user_who_passes_the_wrong_thing(tmp_path):
    script = tmp_path / "mine.py"
    script.write_text(
        "import rareevent\n"
        "config = rareevent.load_pipeline('my_line.yaml')\n"
        "good: str = rareevent.train(config).verdict\n"
        "bad: int = rareevent.train('my_line.yaml').verdict\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path), str(script)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1, done.stdout + done.stderr
    told = [line for line in done.stdout.splitlines() if line.startswith(str(script))]
    assert len(told) == 2, done.stdout
    assert all(f"{script}:4: error" in line for line in told)
    assert "PipelineConfig" in done.stdout
