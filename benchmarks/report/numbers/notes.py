"""Sentences that a reader needs beside the numbers, each derived from the runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from benchmarks.record.tuned import TUNED
from benchmarks.report.names import (
    in_order,
    in_sentence,
    is_upper_bound,
    method_named,
    title,
    written,
)
from benchmarks.report.numbers.groups import Group
from benchmarks.report.numbers.runs import FinishedRun
from benchmarks.report.numbers.summary import Rated, Summary, printed

OURS = "mas"
"""The method of this project; the report says where others are ahead of it."""


def notes(group: Group, summaries: list[Summary]) -> list[str]:
    """Return the sentences below a table of accuracies."""
    return [
        about_seeds([(title(s.method), s.seeds) for s in summaries]),
        *about_data([group]),
        *_about_equals(group),
        *about_methods(group.runs),
        *about_strengths([group]),
        *where_mas_is_not_best(summaries),
    ]


def _about_equals(group: Group) -> list[str]:
    """Name methods whose results are identical."""
    return [
        f"{title(one)} has exactly the accuracies of {in_sentence(other)}, in every entry of the"
        f" accuracy matrix{why and f': {why}'}."
        for one in in_order(group.runs)
        for other, why in method_named(one).may_equal.items()
        if _identical(group, one, other)
    ]


def about_methods(methods: Iterable[str]) -> list[str]:
    """Return the remarks that methods need wherever their accuracies appear, each once."""
    remarks = [method_named(method).remark for method in in_order(methods)]
    return list(dict.fromkeys(filter(None, remarks)))


def about_peak_memory(runs: Iterable[FinishedRun]) -> list[str]:
    """Explain what the peak memory leaves out, if a run was on a GPU."""
    if not any(str(run.config.get("device")).startswith("cuda") for run in runs):
        return []
    return ["Peak memory is the process's in main memory, not the GPU's."]


def about_data(groups: Iterable[Group]) -> list[str]:
    """Explain which data are not what their names say."""
    together = list(groups)
    if together[0].config["source"] == "drawn":
        return [
            "All tasks are small stand-ins drawn by code: nothing here is a result on the data sets"
            " whose names they bear."
        ]
    if any(group.stand_ins for group in together):
        return [
            "† a stand-in for this data set (other pictures, edge maps of the original ones, or its"
            " test images divided): results on it are not results on the data set."
        ]
    return []


def about_strengths(groups: Iterable[Group]) -> list[str]:
    """Name strengths that were not tuned, or tuned for another training."""
    runs = [run for group in groups for own in group.runs.values() for run in own]
    found = strengths([run for run in runs if run.config.get("strength_from") not in (None, TUNED)])
    if not found:
        return []
    return [f"Strengths that were not tuned for this comparison: {'; '.join(found)}."]


def strengths(runs: Iterable[FinishedRun]) -> list[str]:
    """Describe each method's strength and its origin, if the method has one."""
    found = {
        run.method: f"{run.config['strength']:g} ({run.config.get('strength_from')})"
        for run in runs
        if run.config.get("strength") is not None
    }
    return [f"{title(method)} {found[method]}" for method in in_order(found)]


def about_seeds(
    rows: Sequence[tuple[str, tuple[int, ...]]],
    each: str = " per method",
    shown: str = "Mean ± standard deviation",
) -> str:
    """Say how many runs each row, given by title and seeds, has."""
    seeds = {own for _, own in rows}
    if len(seeds) > 1:
        listed = "; ".join(f"{title}: {_listed(own)}" for title, own in rows)
        return f"{shown} over the seeds, where there are several. {listed}."
    (common,) = seeds
    if len(common) == 1:
        return f"One run{each} ({_listed(common)}), so no spread."
    return f"{shown} over {len(common)} runs{each} ({_listed(common)})."


def _listed(seeds: tuple[int, ...]) -> str:
    return ("seed " if len(seeds) == 1 else "seeds ") + ", ".join(map(str, seeds))


def _identical(group: Group, one: str, other: str) -> bool:
    matrices = [
        {run.seed: run.accuracy for run in group.runs.get(method, [])} for method in (one, other)
    ]
    common = matrices[0].keys() & matrices[1].keys()
    return bool(common) and all(
        np.array_equal(matrices[0][seed], matrices[1][seed], equal_nan=True) for seed in common
    )


def where_mas_is_not_best(summaries: Sequence[Rated]) -> list[str]:
    """Say in which headline numbers, as printed, other continual methods are ahead of MAS."""
    rivals = [s for s in summaries if s.method != OURS and not is_upper_bound(s.method)]
    ours = next((s for s in summaries if s.method == OURS), None)
    if ours is None:
        return []
    accuracy = printed(ours.accuracy)
    found = []
    if more := [s for s in rivals if printed(s.accuracy) > accuracy]:
        ranked = [*sorted(more, key=lambda s: -s.accuracy.mean), ours]
        each = [f"{title(s.method)} {printed(s.accuracy):.1f} %" for s in ranked]
        found.append(f"MAS is not the best in mean accuracy: {'; '.join(each)}.")
    forgetting = [
        (printed(s.forgetting), s.method) for s in (ours, *rivals) if s.forgetting is not None
    ]
    if ours.forgetting is not None and (less := [f for f in forgetting if f[0] < forgetting[0][0]]):
        each = [
            f"{title(method)} {written(points)}"
            for points, method in [*sorted(less), forgetting[0]]
        ]
        found.append(f"MAS is not the best in forgetting: {'; '.join(each)} points.")
    return found
