"""The report as one self-contained HTML file, which needs no network and no other file."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from benchmarks.report.page import Page
from benchmarks.report.pages.provenance import provenance
from benchmarks.report.tables import NOTHING, Table

_NUMBER = re.compile(r"\[?[+−-]?\d+(\.\d+)?(e[+-]?\d+)?(?=$|[\s,%(])")


def html(pages: Sequence[tuple[Page, Mapping[str, bytes]]], left_out: Table | None = None) -> str:
    """Return the report of all pages, each with its figures as SVG files, as the text of an HTML file.

    Everything from run folders is escaped. The page also forbids the browser to load anything from
    elsewhere, and to use any scripts and styles but its own.
    """
    loader = PackageLoader("benchmarks.report")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def source(name: str) -> str:
        return loader.get_source(environment, name)[0]

    return environment.get_template("report.html").render(
        pages=[(page, svg, provenance(page)) for page, svg in pages],
        left_out=left_out,
        numeric=numeric,
        address=_address,
        digest=_digest,
        style=source("report.css"),
        script=source("report.js"),
    )


def _address(svg: bytes) -> str:
    """Return an address that contains the whole drawing."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"


def numeric(table: Table) -> list[bool]:
    """Return for each column whether every cell is empty or begins with a number to sort by."""
    columns: list[tuple[Any, ...]] = list(zip(*table.rows, strict=True)) if table.rows else []
    texts = [{cell.text for cell in column} - {NOTHING} for column in columns]
    return [all(map(_NUMBER.match, own)) for own in texts] or [False] * len(table.header)


def _digest(text: str) -> str:
    """Return the digest that identifies a script or style in a content security policy."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
