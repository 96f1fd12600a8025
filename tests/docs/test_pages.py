"""Every code block of every page runs, or is read by what would read it; see `blocks`."""

import json
import shutil

import pytest

from rareevent.config import validate_pipeline
from tests.docs.blocks import (
    LANGUAGES,
    RUN,
    blocks,
    documents,
    goes_on_from,
    lay_out,
    pages,
    run_page,
)

# Pages whose blocks run within a few seconds; the others are slow.
FAST = {"docs/cell.md"}
SMALLEST = {"ingest": {"source": "a.csv", "time": "t", "label": "y"}}
RUNNING = [page for page in pages() if any(b.language in RUN for b in blocks(page))]

# Page -> the first line of every block that nothing on the page runs, and why not.
NOT_RUN = {
    "CONTRIBUTING.md": [
        "make setup      # .venv with the pinned dependencies",  # the suites themselves
        "cli/          one small file per verb: parse, one call, map errors to exit codes",  # drawn
    ],
    "README.md": [
        # The tutorial runs the demo; the tests would call themselves.
        "make demo     # simulate a fleet, train, evaluate, register, score a week it never saw",
        "files ──▶ ingestion ──▶ SensorFrame: validated, sorted, cut into segments"
        "      rareevent check",  # drawn
        "test part, 2025-02-01 16:05:00 to 2025-02-12 23:55:00",  # what the demo printed
        # Needs the public data; tests/jobs/test_real_data.py trains on them.
        "rareevent train pipelines/sheet_break_published.yaml",
    ],
    "data/README.md": [
        "time,asset,grade,felt_temperature,draw_tension,vacuum",  # the sample's first lines
        "rareevent check my_pipeline.yaml",  # the reader's own file
    ],
    # Minutes to hours; tests/benchmarks runs each of these harnesses on little.
    "docs/benchmarks.md": ["make benchmark-quality"],
    "docs/forecast.md": ["python -m tests.benchmarks.quality.forecast"],
    "docs/imbalance.md": ["python -m tests.benchmarks.quality.imbalance"],
    "docs/speed.md": [
        "make bench                                   # all of it, minutes on two quiet cores"
    ],
    "docs/cell.md": [  # equations and a drawing
        "i_t = σ(W_i x_t + U_i h_{t−1} + b_i)      input gate: how much of the candidate enters",
        "∂c_t / ∂c_{t−1} = diag(f_t)  +  terms by way of h_{t−1}, through U and the slopes of the"
        " gates",
        "∂c_t / ∂c_{t−k}  ≈  f_t ∘ f_{t−1} ∘ … ∘ f_{t−k+1}",
        "row ── projection (8) ── LSTM (16) ── LSTM (8) ── head ──┐",
    ],
    "docs/desk.md": [  # printed by a server that goes on; tests/tracking/test_desk.py opens it
        "line: http://127.0.0.1:5000/#/experiments/1/runs?viewStateShareKey=best-first"
    ],
    "docs/explain.md": [  # slow tests themselves
        "pytest -m slow -s tests/evaluation/test_importance_coverage.py",
        "pytest -m slow -s tests/jobs/test_evidence_truth.py",
    ],
    "docs/production.md": [  # test_production reads each by its scheduler's rules
        "# m h dom mon dow  command",
        "[Unit]",
        "[Unit]",
    ],
    "docs/scoring.md": [
        "scores/",  # a folder's files
        # Needs a PostgreSQL server; tests/scoring has one.
        "rareevent score --model models:/my-line@champion \\",
    ],
    "docs/spark.md": [
        # Needs a cluster; tests/scoring runs Spark on this machine.
        "rareevent score --model models:/my-line@champion --input '/share/new/*.parquet' \\",
        "a day of 10,000 assets at one-minute rows: 14,400,000 rows, 0.33 core hours",  # printed
    ],
    "docs/tutorial.md": ["make setup"],  # installs
}


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """Page -> the folder in which its blocks ran; each page runs once."""
    done = {}

    def run(page):
        if page not in done:
            folder = tmp_path_factory.mktemp("page") / "clone"
            before = goes_on_from(page)
            if before:
                shutil.copytree(run(before), folder)
            else:
                folder.mkdir()
                lay_out(folder)
            run_page(page, folder)
            done[page] = folder
        return done[page]

    return run


# The first page of a folder that others go on from runs within whichever test asks first.
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "page", [p if p in FAST else pytest.param(p, marks=pytest.mark.slow) for p in RUNNING]
)
def test_the_code_of_a_page_runs(page, folders):
    folders(page)


@pytest.mark.parametrize("page", pages())
def test_every_block_says_what_it_is(page):
    assert [b.place for b in blocks(page) if b.language not in LANGUAGES] == []


def test_the_blocks_that_nothing_runs_are_these():
    found = {p: [b.first for b in blocks(p) if b.language in ("text", "ini")] for p in pages()}
    found = {page: first for page, first in found.items() if first}
    # The reference holds the examples of the help texts: test_reference has them parsed.
    found.pop("docs/reference/commands.md")

    assert found == NOT_RUN


@pytest.mark.parametrize("page", pages())
def test_pipelines_and_json_in_the_pages_are_valid(page):
    for block in blocks(page):
        if block.language == "json":
            json.loads(block.code)
        elif block.language == "yaml":
            for document in documents(block):
                if "kind" not in document:
                    validate_pipeline({**SMALLEST, **document}, block.place)
