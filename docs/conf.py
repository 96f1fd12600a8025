"""Settings of Sphinx; `make docs` calls it.

The pages are plain Markdown that reads well by itself, so nothing in them is Sphinx's own: the
table of contents is the lists of links in index.md, which `_add_contents` repeats as Sphinx wants
them.
Nothing is fetched from a network, neither when the pages are built nor when they are read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rareevent import __version__

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "rareevent"
release = __version__
copyright = ""
root_doc = "docs/index"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
# Anchors as forges make them, so that links to headings work in both.
myst_heading_anchors = 4
# Fences are labelled; what is not code is `text`.
highlight_language = "text"

html_theme = "furo"
html_title = f"rareevent {release}"
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_extra_path = ["_extra"]


def _add_contents(_app: Sphinx, page: str, source: list[str]) -> None:
    if page != root_doc:
        return
    for title, part in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", source[0], re.M | re.S):
        links = re.findall(r"^- \[[^\]]+\]\(([^)#]+)\.md\)", part, re.M)
        entries = "\n".join(f"/docs/{link}" if link[0] != "." else link[2:] for link in links)
        source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n{entries}\n```\n"


def setup(app: Sphinx) -> None:
    """What Sphinx calls when it has read the settings."""
    app.connect("source-read", _add_contents)
