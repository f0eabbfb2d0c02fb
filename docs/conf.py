"""How Sphinx builds the site: `make docs`."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from ziamath import Latex

import avalanche_mas

ROOT = Path(__file__).parents[1]

project = "avalanche-mas"
author = "The avalanche-mas authors"
version = release = avalanche_mas.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
default_role = "py:obj"

html_theme = "furo"
html_title = project
html_show_copyright = html_show_sphinx = False
html_copy_source = False
html_static_path = ["site.css"]
html_css_files = ["site.css"]

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # `make notebooks` executes them, and the tests do

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "imported-members": True}
napoleon_use_ivar = True
napoleon_use_rtype = False

BORROWED = {
    "index": "README.md",
    "contributing": "CONTRIBUTING.md",
    "changelog": "CHANGELOG.md",
    "security": "SECURITY.md",
}
"""Pages of the site that are files of the repository, where GitHub and PyPI show them."""

MOVED = (
    ("](docs/", "]("),
    ("](benchmarks/", "](../benchmarks/"),
    ("](../README.md", "](index.md"),
    ("](CONTRIBUTING.md", "](contributing.md"),
    ("](../CONTRIBUTING.md", "](contributing.md"),
    ("](CHANGELOG.md", "](changelog.md"),
    ("](SECURITY.md", "](security.md"),
)


FOLDER = re.compile(r"\[([^]]+)\]\(\.\./benchmarks/results(?:/tuning)?\)")
"""A link to a folder, which the site does not hold."""


def borrow(app: Sphinx, page: str, source: list[str]) -> None:
    """Put the repository's files before what a page holds, and turn links to their places in the site."""
    if page in BORROWED:
        file = ROOT / BORROWED[page]
        app.env.note_dependency(str(file))
        source[0] = file.read_text(encoding="utf-8") + "\n" + source[0]
    for old, new in MOVED:
        source[0] = source[0].replace(old, new)
    source[0] = FOLDER.sub(r"\1", source[0])


def escape_bars(*event: Any) -> None:
    """Keep |g| from being read as the name of a substitution."""
    lines = event[-1]
    lines[:] = [line.replace("|", r"\|") for line in lines]


def inline_formula(translator: Any, node: nodes.math) -> None:
    """Write a formula as a picture, which needs neither a script nor a font."""
    translator.body.append(picture(node.astext(), inline=True))
    raise nodes.SkipNode


def displayed_formula(translator: Any, node: nodes.math_block) -> None:
    """Write a formula on a line of its own."""
    translator.body.append(f'<p class="formula">{picture(node.astext(), inline=False)}</p>')
    raise nodes.SkipNode


def picture(latex: str, inline: bool) -> str:
    """Return a formula as SVG in the colour of the text, on its line."""
    formula = Latex(latex, size=16, color="currentColor", inline=inline)
    place = f'role="img" aria-label="{escape(latex)}" style="vertical-align: {formula.getyofst():.2f}px"'
    return str(formula.svg()).replace("<svg ", f"<svg {place} ", 1)


def setup(app: Sphinx) -> None:
    """Register the above."""
    app.connect("source-read", borrow)
    app.connect("autodoc-process-docstring", escape_bars)
    app.add_html_math_renderer("picture", (inline_formula, None), (displayed_formula, None))
    app.set_html_assets_policy("per_page")


html_math_renderer = "picture"
