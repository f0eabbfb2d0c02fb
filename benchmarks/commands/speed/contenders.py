"""What the suite of the importance pass shows: its tables, and its figure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from matplotlib.figure import Figure

from avalanche_mas.figure_style import INK, PALE
from benchmarks.commands.speed.timing import per_sample, ratio_text
from benchmarks.methods import Look
from benchmarks.report.figures.drawing import WIDTH, handles_of, name_rows
from benchmarks.report.formats import bare_markdown
from benchmarks.report.tables import Column

Row = Mapping[str, Any]

TITLES = {
    "plain": "forward and backward",
    "loop": "loop of one",
    "vmap": "vmap",
    "opacus": "Opacus",
    "backpack": "BackPACK",
    "avalanche": "Avalanche's approximate",
    "batch": "batch form",
    "local": "l-MAS",
}
LOOKS = {
    "plain": Look("#777777", "|"),
    "loop": Look("#0072b2", "o"),
    "vmap": Look("#009e73", "s"),
    "opacus": Look("#d55e00", "^"),
    "backpack": Look("#cc79a7", "v"),
    "avalanche": Look("#e69f00", "D"),
    "batch": Look("#56b4e9", "X"),
    "local": Look("#8c564b", "P"),
}
LONGEST = 100
"""The most letters of a reason in print."""

HEADLINE = ("plain", "avalanche", "loop", "vmap", "opacus", "backpack")


def table(found: Row) -> str:
    """Show the large batches: times per sample, ratios, and the share of the arithmetic bound."""
    rows = [row for row in found["networks"].values() if row["large"]]
    share: Column[Row] = Column(
        "share of the matrix-product rate",
        lambda row: row["flop"] / statistics.median(row["seconds"]["exact"]),
        lambda rate: f"{100 * rate / found['flop_per_second']:.0f} %",
    )
    return bare_markdown([*_names(), *_measured(_over, HEADLINE, rows), share], rows)


def times(found: Row) -> str:
    """Show the time of every way at every batch size, as a ratio to the exact pass."""
    rows = list(found["networks"].values())
    ways = [*TITLES, *(f"{way}, tf32" for way in ("plain", "exact", "batch"))]
    return bare_markdown(
        [*_names(), *_measured(_over, ways, rows), *_measured(_checks, ["exact"], rows)], rows
    )


def memory(found: Row) -> str:
    """Show by how many megabytes each way raises the peak."""
    rows = list(found["networks"].values())
    ways = ["exact", *TITLES]
    return bare_markdown([*_names()[:2], *_measured(_megabytes, ways, rows)], rows)


def refused(found: Row) -> str:
    """Show which other exact way does not work on which networks, and what it says."""
    networks: dict[tuple[str, str], dict[str, None]] = {}
    for row in found["networks"].values():
        for way, reason in row["left_out"].items():
            networks.setdefault((TITLES[way], _short(reason)), {})[row["network"]] = None
    columns: list[Column[tuple[Any, Any]]] = [
        Column("way", lambda entry: entry[0][0]),
        Column("networks", lambda entry: ", ".join(entry[1])),
        Column("why", lambda entry: entry[0][1]),
    ]
    return bare_markdown(columns, sorted(networks.items()))


PARTS = {"times": times, "memory": memory, "refused": refused}


def figure(found: Row) -> Figure:
    """Draw every way's time as a ratio to the exact pass, median and range: a panel per batch size."""
    rows = list(found["networks"].values())
    networks = list(dict.fromkeys(row["network"] for row in rows))
    drawn = Figure(figsize=(WIDTH, 0.6 * len(networks) + 1.3), layout="constrained")
    sizes = sorted({row["large"] for row in rows}, reverse=True)
    panels = drawn.subplots(1, len(sizes), sharex=True, sharey=True, squeeze=False)[0]
    for panel, large in zip(panels, sizes, strict=True):
        own = {row["network"]: row for row in rows if row["large"] is large}
        panel.set_title("Large batch" if large else "Small batch", loc="left")
        panel.set_xscale("log")
        panel.grid(axis="x", color=PALE, linewidth=0.5)
        panel.axvline(1, color=INK, linewidth=0.8)
        for y, network in enumerate(networks):
            if network in own:
                _draw(panel, y, own[network])
            panel.axhline(y + 0.5, color=PALE, linewidth=0.5)
    name_rows(panels[0], [_batches(network, rows) for network in networks], margin=0.5)
    panels[0].xaxis.set_major_formatter("{x:g}")
    drawn.supxlabel("time / exact pass's time (beyond 1: slower than the exact pass)", fontsize=8)
    handles = handles_of(panels)
    labels = [title for title in TITLES.values() if title in handles]
    drawn.legend([handles[label] for label in labels], labels, loc="outside upper center", ncols=4)
    return drawn


def _batches(network: str, rows: list[Row]) -> str:
    """Return a network's name, and its batch sizes, the large one first."""
    own = [str(row["samples"]) for row in rows if row["network"] == network]
    return f"{network}\n{' / '.join(own)}"


def _draw(panel: Any, y: int, row: Row) -> None:
    for k, (way, look) in enumerate(LOOKS.items()):
        if found := row["over_exact"].get(way):
            middle = found["median"]
            panel.errorbar(
                middle,
                y + 0.09 * (k - (len(LOOKS) - 1) / 2),
                xerr=[[middle - found["min"]], [found["max"] - middle]],
                color=look.colour,
                marker=look.marker,
                linestyle="",
                elinewidth=1.0,
                label=TITLES[way],
            )


def _names() -> list[Column[Row]]:
    return [
        Column("network", itemgetter("network")),
        Column("batch", itemgetter("samples")),
        per_sample("exact, ms per sample", "exact"),
    ]


def _measured(make: Any, ways: Any, rows: list[Row]) -> list[Column[Row]]:
    """Return the columns of the ways that at least one row has."""
    columns = [make(way) for way in ways]
    return [column for column in columns if any(column.value(row) is not None for row in rows)]


def _over(way: str) -> Column[Row]:
    title = f"{TITLES.get(way, way.replace('tf32', 'TF32'))} / exact"
    return Column(title, lambda row: row["over_exact"].get(way), ratio_text)


def _checks(way: str) -> Column[Row]:
    title = "checks of the first samples, share of 1,000"
    return Column(title, lambda row: row.get("checks", {}).get(way), lambda s: f"{100 * s:.1f} %")


def _megabytes(way: str) -> Column[Row]:
    title = f"{TITLES.get(way, way)}, MB"
    return Column(title, lambda row: row["peak_bytes"].get(way), lambda n: f"{n / 1e6:.0f}")


def _short(reason: str) -> str:
    line = reason.splitlines()[0].replace("|", r"\|")
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
