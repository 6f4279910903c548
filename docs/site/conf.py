"""The documentation as pages: `make docs-site` writes them to build/site, to be read offline."""

import re
from importlib import metadata
from typing import Any

project = "alpkd_pipeline"
author = "the alpkd_pipeline team"
release = metadata.version("alpkd_pipeline")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
# The pages stand where the repository shows them; this folder only says how they hang together.
root_doc = "docs/site/index"
include_patterns = ["*.md", "docs/*.md", "docs/site/*.md", "benchmarks/*.md", "benchmarks/*/*.md"]
suppress_warnings = ["toc.not_included"]  # reports are reached from where they are told

highlight_language = "none"  # equations are no Python; blocks say their language
html_theme = "furo"
html_title = "alpkd_pipeline"
html_extra_path = ["index.html"]  # leads from the root to this folder's page
html_copy_source = html_show_sourcelink = False

myst_heading_anchors = 4  # as the repository's own pages link to headings

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # they stand in the signature
autodoc_default_options = {"members": True, "show-inheritance": False}
default_role = "code"  # docstrings write `names` as Markdown does


def plain(_app: Any, _what: str, _name: str, _object: Any, _options: Any, lines: list[str]) -> None:
    """Docstrings are text: equations stand indented, and |x| and a * b are no markup."""
    shown: list[str] = []
    equation, last = False, ""
    for line in lines:
        if line.strip():
            indented = line.startswith("    ")
            if indented and not equation and shown and not shown[-1] and last[:1].isalnum():
                shown += ["::", ""]
                equation = True
            equation, last = equation and indented, line
        shown.append(line if equation else re.sub(r"(?<!`)([*|])(?![^`]*`)", r"\\\1", line))
    lines[:] = shown


def setup(app: Any) -> None:
    app.connect("autodoc-process-docstring", plain)
