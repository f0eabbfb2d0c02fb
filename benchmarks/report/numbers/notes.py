"""Sentences that a reader needs beside the numbers, each derived from the runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from benchmarks.record.imported import is_path
from benchmarks.record.tuned import TUNED
from benchmarks.report.names import in_order, in_sentence, listed, method_named, span, title
from benchmarks.report.numbers.differences import (
    LEVEL,
    OURS,
    Compared,
    Difference,
    by_seed,
    comparisons,
    identical,
)
from benchmarks.report.numbers.groups import Group
from benchmarks.report.numbers.runs import FinishedRun
from benchmarks.report.numbers.summary import Summary

_NEAR = 0.05
"""How far above chance an accuracy may be, and still show nothing learned; half of chance if less."""


def notes(group: Group, summaries: list[Summary]) -> list[str]:
    """Return the sentences below a table of accuracies."""
    return [
        about_seeds([(title(s.method), s.seeds) for s in summaries]),
        *about_data([group]),
        *about_chance([group]),
        *about_equals(group),
        *about_methods(group.runs),
        *about_strengths([group]),
        *about_versions(group.everything),
        *against_mas(by_seed(group, OURS)),
    ]


def about_chance(groups: Iterable[Group]) -> list[str]:
    """Name the tasks that no method has learned, as far as the runs record their classes."""
    found = dict.fromkeys(one for group in groups for one in _not_learned(group))
    if not found:
        return []
    return [
        f"No method has learned {listed(found)}: the best accuracy when just learned is hardly above"
        " chance, so that forgetting says nothing there."
    ]


def _not_learned(group: Group) -> Iterator[str]:
    runs = [r for m, own in group.runs.items() if not method_named(m).joint for r in own]
    classes = runs[0].result.get("classes") if runs else None
    for task, count in enumerate(classes or ()):
        best, chance = max(run.accuracy[task, task] for run in runs), 1 / count
        if best <= chance + min(_NEAR, chance / 2):
            yield f"{group.labels[task]} ({100 * best:.1f} %, chance {100 * chance:.1f} %)"


def about_equals(group: Group) -> list[str]:
    """Name methods whose results are identical."""
    return [
        f"{title(one)} has exactly the accuracies of {in_sentence(other)}, in every entry of the"
        f" accuracy matrix{why and f': {why}'}."
        for one in in_order(group.runs)
        for other, why in method_named(one).may_equal.items()
        if identical(group, one, other)
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
        each_row = "; ".join(f"{title}: {_listed(own)}" for title, own in rows)
        return f"{shown} over the seeds, where there are several. {each_row}."
    (common,) = seeds
    if len(common) == 1:
        return f"One run{each} ({_listed(common)}), so no spread."
    return f"{shown} over {len(common)} runs{each} ({_listed(common)})."


def about_mean(runs: Iterable[FinishedRun], spread: str = "") -> str:
    """Say what a figure draws of several seeds: their mean, and the spread in the words given."""
    if len({run.seed for run in runs}) == 1:
        return "one seed"
    return "mean over seeds" + (f", {spread}" if spread else "")


def _listed(seeds: tuple[int, ...]) -> str:
    return ("seed " if len(seeds) == 1 else "seeds ") + ", ".join(map(str, seeds))


_VARIES = {
    "code": "versions of the code",
    "cpu": "kinds of processor",
    "platform": "platforms",
    "threads": "numbers of threads",
}
"""Fields of `versions.json` in words; the others are versions of libraries."""


def about_versions(runs: Iterable[FinishedRun]) -> list[str]:
    """Say which protocols, versions and machines the runs of a table have, if there are several.

    Own modules, by import path, count in the runs that use them.
    """
    together = list(runs)
    fields = dict.fromkeys(f for run in together for one in run.all_versions for f in one)
    found = {"protocols": [[run.config.get("protocol")] for run in together]}
    for field in fields.keys() - {"continued", "trained"}:
        noun = _VARIES.get(field, f"versions of {field}")
        found[noun] = [
            [one.get(field) for one in run.all_versions]
            for run in together
            if not is_path(field) or field in run.config.values()
        ]
    said = []
    for noun, values in sorted(found.items()):
        counts = Counter(value for own in values for value in {*map(_version, own)})
        if len(counts) > 1:
            counted = ", ".join(f"{value} in {runs}" for value, runs in sorted(counts.items()))
            said.append(f"{len(counts)} {noun} ({counted})")
    return [f"The {len(together)} runs were made with {'; '.join(said)}."] if said else []


def _version(value: Any) -> str:
    """Write a protocol or an entry of `versions.json`; of the code the start of its commit."""
    if isinstance(value, dict):
        changed = " with changes" if value.get("changed") else ""
        return f"{str(value.get('commit'))[:7]}{changed}"
    return "not recorded" if value is None else str(value)


def against_mas(compared: Sequence[Compared], each: str = "seed") -> list[str]:
    """Say which methods the differences from MAS show to be better or worse, and which neither."""
    number = comparisons(compared)
    if not number:
        few = f"Too few {each}s to say which methods are better or worse than MAS."
        return [few] if compared else []
    return [
        *_verdict("Better than MAS in mean accuracy", "Worse", 1, compared, "accuracy", each),
        *_verdict("Less forgetting than MAS", "More", -1, compared, "forgetting", each),
        f"Told apart: the {100 * LEVEL:.0f} % interval of the paired difference from MAS, corrected"
        f" for {number} comparison{'s'[: number != 1]}, is above or below zero.",
    ]


def _verdict(
    better: str, worse: str, sign: int, compared: Sequence[Compared], number: str, each: str
) -> list[str]:
    """List the methods whose interval is on one side of zero, on the other, or on both."""
    differences: dict[str, Difference | None] = {c.method: getattr(c, number) for c in compared}
    known = {method: one for method, one in differences.items() if one and one.pairs > 1}
    if not known:
        return []
    several = f"{span(one.pairs for one in known.values())} {each}s"
    parts = {better: sign, worse: -sign, f"Not told apart by {several}": 0}
    verdicts = {
        part: "; ".join(title(method) for method, one in known.items() if one.sign == wanted)
        for part, wanted in parts.items()
    }
    return [" ".join(f"{part}: {some or 'none'}." for part, some in verdicts.items())]
