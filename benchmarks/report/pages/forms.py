"""The pages of a report: one for each experiment, each in its own form."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.report.numbers.groups import Group, group
from benchmarks.report.numbers.runs import Run
from benchmarks.report.page import Page
from benchmarks.report.pages import (
    adaptation,
    comparison,
    importance_data,
    local_vs_global,
    sequences,
)

FORMS: dict[str, Callable[[list[Group]], Page]] = {
    "importance-data": importance_data.page,
    "adaptation": adaptation.page,
    "local-vs-global": local_vs_global.page,
    "two-tasks": sequences.pairs_page,
    "orders": sequences.orders_page,
}
"""What makes the page of an experiment; of all others it is a comparison of methods."""


def pages(runs: Sequence[Run]) -> list[Page]:
    """The pages that runs fill.

    Raises:
        ReportError: the runs cannot be reported, or not together.
    """
    together: dict[str, list[Group]] = {}
    for one in group(runs):
        together.setdefault(one.name, []).append(one)
    return [FORMS.get(g[0].config["experiment"], comparison.page)(g) for g in together.values()]
