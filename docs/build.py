"""Build the pages as HTML: `python docs/build.py [FOLDER]`; any warning is an error.

Some pages lie outside docs/ (README.md, data/README.md, …) and are linked to as they lie, so that
the links work on a forge too. Sphinx reads one folder only: the pages are copied into one first.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from sphinx.cmd.build import build_main

ROOT = Path(__file__).parent.parent
OUTSIDE = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "data/README.md")


def build(folder: Path) -> int:
    """Write the pages under `folder`/html; the exit code of Sphinx."""
    source = folder / "source"
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(ROOT / "docs", source / "docs", ignore=shutil.ignore_patterns("__pycache__"))
    for name in OUTSIDE:
        (source / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    strict = ["-W", "--keep-going", "-n", "-q"]
    places = ["-c", source / "docs", "-d", folder / "doctrees", source, folder / "html"]
    return build_main([*strict, *map(str, places)])


if __name__ == "__main__":
    sys.exit(build(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build" / "docs")))
