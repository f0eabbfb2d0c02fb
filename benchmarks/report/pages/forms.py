"""The pages of a report, one for each experiment, in the form that the experiment defines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from benchmarks.experiments import PageForm
from benchmarks.report.names import experiment_named
from benchmarks.report.numbers.groups import Group, group
from benchmarks.report.numbers.runs import FinishedRun
from benchmarks.report.page import Page
from benchmarks.report.pages import (
    adaptation,
    comparison,
    importance_data,
    local_vs_global,
    sequences,
)

PAGES: dict[PageForm, Callable[[list[Group]], Page]] = {
    "comparison": comparison.page,
    "pairs": partial(sequences.page, each="pair"),
    "orders": partial(sequences.page, each="order"),
    "importance data": importance_data.page,
    "adaptation": adaptation.page,
    "layers": local_vs_global.page,
}


def pages(runs: Sequence[FinishedRun]) -> list[Page]:
    """Return the pages of runs; an unknown experiment gets a comparison of methods.

    Raises:
        ReportError: The runs cannot be reported, or not together.
    """
    together: dict[str, list[Group]] = {}
    for one in group(runs):
        together.setdefault(one.name, []).append(one)
    return [
        PAGES[experiment_named(groups[0].config["experiment"]).page](groups)
        for groups in together.values()
    ]
