"""The report as one self-contained HTML file, which needs no network and no other file."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, metadata
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from benchmarks.report.figures.drawing import WIDTH
from benchmarks.report.names import FAMILY, span, title
from benchmarks.report.page import Page
from benchmarks.report.pages.provenance import provenance
from benchmarks.report.tables import NOTHING, Table, once

_NUMBER = re.compile(r"\[?[+−-]?\d+(\.\d+)?(e[+-]?\d+)?(?=$|[\s,%(])")

PAGE = 1184
"""The width of the page's text in pixels, at most."""


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
        pages=[_shown(page, svg) for page, svg in pages],
        facts=_facts([page for page, _ in pages]),
        home=_home(),
        ours=set(map(title, FAMILY)),
        left_out=left_out,
        numeric=numeric,
        address=_address,
        width=_width,
        digest=_digest,
        style=source("report.css"),
        script=source("report.js"),
    )


def _shown(page: Page, svg: Mapping[str, bytes]) -> tuple[Page, Mapping[str, bytes], list[Table]]:
    """Return the page, its drawings and its provenance; a note that several tables need comes once."""
    tables = once([*page.tables, *provenance(page)])
    count = len(page.tables)
    return replace(page, tables=tables[:count]), svg, tables[count:]


def _facts(pages: Sequence[Page]) -> list[str]:
    """Return when the runs were made, and with which versions."""
    runs = [run for page in pages for run in page.runs]
    found = ["Runs of " + span(str(run.result["finished"])[:10] for run in runs)]
    for name in ("avalanche-mas", "avalanche-lib", "torch", "python"):
        known = sorted({str(run.versions[name]) for run in runs if run.versions.get(name)})
        found += [f"{name} {', '.join(known)}"] * bool(known)
    return found


def _home() -> str | None:
    """Return the address of the project's repository, if its package names one."""
    try:
        addresses = metadata("avalanche-mas").get_all("Project-URL") or []
    except PackageNotFoundError:
        return None
    known = dict(address.split(", ", 1) for address in addresses)
    return known.get("Repository")


def _width(svg: bytes) -> int | None:
    """Return the width of a drawing on the page in pixels, where `WIDTH` fills the page."""
    found = re.search(rb'<svg [^>]*?width="([\d.]+)pt"', svg)
    return round(float(found[1]) / 72 / WIDTH * PAGE) if found else None


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
