"""The pages as HTML: Sphinx has no warning, and reading them needs no network."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.docs.blocks import pages


@pytest.fixture(scope="module")
def html(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    done = subprocess.run(
        [sys.executable, REPOSITORY / "docs" / "build.py", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


def test_every_page_is_built_and_stands_in_the_contents(html):
    contents = (html / "docs" / "index.html").read_text(encoding="utf-8")

    for page in pages():
        assert (html / page).with_suffix(".html").exists()
        link = f"../{page}" if not page.startswith("docs/") else page.removeprefix("docs/")
        if page != "docs/index.md":
            assert f'href="{link.removesuffix(".md")}.html"' in contents


def test_nothing_is_fetched_to_read_a_page(html):
    for page in html.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=\"(?:https?:)?//", text) == []


def test_the_first_page_leads_to_the_contents(html):
    assert "url=docs/index.html" in (html / "index.html").read_text(encoding="utf-8")
