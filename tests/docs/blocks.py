"""The code blocks of the pages, and how each kind is run or read.

The rules, which a reader can see in the pages:

- `bash` and `python` blocks run, in the order of the page, in one folder that looks like a clone
  (its `pipelines/` and `data/`). A page that says "in the folder of [Title](other.md)" goes on
  where that page ended.
- `yaml` is a pipeline file, or some stages of one, and is validated; where its first line is a
  comment with a file's name it is written there. With a `kind` it is a Kubernetes object.
- `json` parses.
- `text output` is what the block before it prints, figures apart; a line `…` leaves lines out.
- `text` and `ini` are not run. Every one of them stands in `test_pages.NOT_RUN`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml
from markdown_it import MarkdownIt

from tests.conftest import REPOSITORY

RUN = ("bash", "python")
LANGUAGES = (*RUN, "yaml", "json", "text", "text output", "ini")
_FILE = re.compile(r"\A# ([\w./-]+\.ya?ml)\n")
_GOES_ON = re.compile(r"[Ii]n the\s+folder\s+of\s+\[[^\]]+\]\(([\w/]+\.md)\)")
# What a figure, an id, a stretch of time or the frame of a table becomes before two are compared.
_FIGURES = re.compile(r"[0-9a-f]{32}|\d[\d,.:]*")
_FRAMES = re.compile(r"[\u2500-\u257f\s]+")


@dataclass(frozen=True)
class Block:
    """One fenced block: its page (from the repository), first line, language and code."""

    page: str
    line: int
    language: str
    code: str

    @property
    def first(self) -> str:
        """The first line of the code, by which a block is named."""
        return self.code.strip().splitlines()[0].strip() if self.code.strip() else ""

    @property
    def place(self) -> str:
        """Where it stands, as an editor opens it."""
        return f"{self.page}:{self.line}"


def pages() -> list[str]:
    """Every page, from the repository's root."""
    found = [*REPOSITORY.glob("*.md"), REPOSITORY / "data/README.md"]
    found += (REPOSITORY / "docs").rglob("*.md")
    return sorted(str(path.relative_to(REPOSITORY)) for path in found)


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, those inside lists too."""
    tokens = MarkdownIt("commonmark").parse((REPOSITORY / page).read_text(encoding="utf-8"))
    fences = [token for token in tokens if token.type == "fence"]
    return [Block(page, t.map[0] + 1, t.info.strip(), t.content) for t in fences]


def goes_on_from(page: str) -> str | None:
    """The page in whose folder this one goes on."""
    found = _GOES_ON.search((REPOSITORY / page).read_text(encoding="utf-8"))
    return str(Path(page).parent / found[1]) if found else None


def lay_out(folder: Path) -> None:
    """What a clone has beside the package."""
    shutil.copytree(REPOSITORY / "pipelines", folder / "pipelines")
    (folder / "data").mkdir()
    for path in (REPOSITORY / "data").glob("sample*.csv"):
        shutil.copy(path, folder / "data")


def run_page(page: str, folder: Path) -> None:
    """Run the blocks of a page in a folder.

    Raises
    ------
    AssertionError
        When one fails, or prints something else than the page says.
    """
    printed = ""
    for block in blocks(page):
        if block.language in RUN:
            printed = _run(block, folder)
        elif block.language == "yaml" and (name := _FILE.match(block.code)):
            (folder / name[1]).write_text(block.code, encoding="utf-8")
        elif block.language == "text output":
            compare(block, printed)


def _run(block: Block, folder: Path) -> str:
    kept = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    there = str(Path(sys.executable).parent)
    paths = {"PATH": f"{there}:{kept['PATH']}", "PYTHONPATH": str(REPOSITORY)}
    call = [sys.executable, "-"] if block.language == "python" else ["bash", "-euo", "pipefail"]
    done = subprocess.run(
        call,
        input=block.code,
        cwd=folder,
        env={**kept, **paths},
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    said = f"{block.place}\n{block.code}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert done.returncode == 0, said
    return done.stdout + done.stderr


def compare(block: Block, printed: str) -> None:
    """Every line of the block is among what was printed, in this order; figures may differ."""
    lines = [_shape(line) for line in printed.splitlines()]
    at = 0
    for line in block.code.splitlines():
        shape = _shape(line)
        if shape in ("", "…"):
            continue
        assert shape in lines[at:], f"{block.place}: {line!r} is not printed any more:\n{printed}"
        at += lines[at:].index(shape) + 1


def _shape(line: str) -> str:
    return _FRAMES.sub(" ", _FIGURES.sub("0", line)).strip()


def documents(block: Block) -> list[dict]:
    """The documents of a YAML block; a key that stands twice is refused."""
    for node in yaml.compose_all(block.code, Loader=yaml.SafeLoader):
        _refuse_twice(node, block)
    return list(yaml.safe_load_all(block.code))


def _refuse_twice(node: yaml.Node, block: Block) -> None:
    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value]
        assert len(set(keys)) == len(keys), f"{block.place}: a key stands twice among {keys}"
        for _, value in node.value:
            _refuse_twice(value, block)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _refuse_twice(value, block)
