"""The first sentences of a page: who is best, what MAS offers, and what all of it rests on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from benchmarks.report.names import in_sentence, is_upper_bound, listed, span, title, written
from benchmarks.report.numbers.differences import (
    OURS,
    Compared,
    Difference,
    by_seed,
    by_sequence,
    comparisons,
)
from benchmarks.report.numbers.groups import Group
from benchmarks.report.numbers.summary import Rated, printed

STEADY = 0.05
"""Memory that grows by less than this share from the first task to the last counts as fixed."""


def grows(sizes: Sequence[float]) -> bool:
    """Return whether what a method keeps, given after each task, grows with the tasks."""
    return sizes[-1] > (1 + STEADY) * sizes[0]


def story_of(
    groups: Sequence[Group],
    rated: Sequence[Rated],
    each: str = "seed",
    kept: Mapping[str, Sequence[float]] | None = None,
) -> str:
    """Return the story of the methods of some groups; see `story`."""
    reference = reference_of(rated)
    if reference is None:
        return ""
    several = len(groups) > 1
    compared = by_sequence(groups, reference) if several else by_seed(groups[0], reference)
    return story(rated, compared, each, limits_of(groups), kept)


def reference_of(rated: Iterable[Rated]) -> str | None:
    """Return the method that the others are compared with: MAS, or without it the most accurate.

    There is none if fewer than two methods learn task after task.
    """
    ranked = _ranked(rated)
    if len(ranked) < 2:
        return None
    return OURS if any(one.method == OURS for one in ranked) else ranked[0].method


def story(
    rated: Sequence[Rated],
    compared: Sequence[Compared],
    each: str,
    limits: Sequence[str],
    kept: Mapping[str, Sequence[float]] | None = None,
) -> str:
    """Return the sentences above a main table; empty if there is nothing to compare.

    A difference counts only if its interval excludes zero.

    Args:
        rated: The methods of the table; those that are not compared are not mentioned.
        compared: Their differences from `reference_of`.
        each: What makes a pair, such as "seed".
        limits: What all of it rests on; see `limits_of`.
        kept: What each method keeps beside the network after every task, in multiples of the
            network's size.
    """
    reference = reference_of(rated)
    names = {reference, *(one.method for one in compared)}
    ranked = [one for one in _ranked(rated) if one.method in names]
    if reference is None or len(ranked) < 2:
        return ""
    others = [one for one in compared if one.method in {r.method for r in ranked}]
    sentences = [_leader(ranked, others, reference, each)]
    if reference == OURS:
        sentences += [*_forgetting(ranked, others), *_memory(kept or {})]
    return " ".join([*sentences, f"All of this rests on {listed(limits)}."])


def limits_of(groups: Sequence[Group]) -> list[str]:
    """Return what the numbers of some groups rest on: seeds, rates, orders and stand-ins."""
    seeds = span(len(runs) for group in groups for runs in group.runs.values())
    found = ["one seed" if seeds == "1" else f"{seeds} seeds"]
    if not any(group.config.get("choose") for group in groups):
        found.append("one learning rate for all methods")
    if len({tuple(group.tasks) for group in groups}) == 1:
        found.append("one order of the tasks")
    if groups[0].config["source"] == "drawn":
        found.append("drawn images")
    elif marked := dict.fromkeys(label for g in groups for label in g.labels if label[-1] == "†"):
        found.append(f"stand-ins for {listed(label[:-1] for label in marked)}")
    return found


def _ranked(rated: Iterable[Rated]) -> list[Rated]:
    """Return the methods that learn task after task, the most accurate first."""
    own = [one for one in rated if not is_upper_bound(one.method)]
    return sorted(own, key=lambda one: -one.accuracy.mean)


def _leader(
    ranked: Sequence[Rated], compared: Sequence[Compared], reference: str, each: str
) -> str:
    """Name the most accurate method, and its lead on the reference, or the reference's on the next."""
    first = ranked[0]
    leads = first.method == reference
    other = ranked[1] if leads else next(one for one in ranked if one.method == reference)
    apart = other.method if leads else first.method
    found = next(one.accuracy for one in compared if one.method == apart)
    return (
        f"{title(first.method)} has the highest mean accuracy at the end,"
        f" {printed(first.accuracy):.1f} %; {in_sentence(other.method)} has"
        f" {printed(other.accuracy):.1f} %{_margin(found, -1 if leads else 1, each, compared)}"
    )


def _margin(found: Difference | None, sign: int, each: str, compared: Sequence[Compared]) -> str:
    """Say, at the end of a sentence, whether a difference expected of this sign is more than chance."""
    if found is None:
        return f", with no {each} in common."
    if found.interval is None and found.pairs > 1:
        return f". It is the same with all {found.pairs} {each}s, so its spread is not known."
    if found.interval is None:
        return f". With a single {each}, this difference may be chance."
    if found.sign != sign:
        return f", and {found.pairs} {each}s do not tell the two apart."
    low, high = sorted(abs(100 * bound) for bound in found.interval)
    number = comparisons(compared)
    corrected = f", corrected for {number} comparisons" if number > 1 else ""
    return (
        f". The difference is {abs(100 * found.mean):.1f} points (95 % interval {low:.1f} to"
        f" {high:.1f}{corrected})."
    )


def _sign(found: Difference | None) -> int:
    return found.sign if found else 0


def _forgetting(rated: Sequence[Rated], compared: Sequence[Compared]) -> list[str]:
    """Say who forgets more or less than MAS at an accuracy that is not shown to differ."""
    ours = next(one.forgetting for one in rated if one.method == OURS)
    level = [one for one in compared if one.accuracy and not one.accuracy.sign]
    more = [in_sentence(one.method) for one in level if _sign(one.forgetting) > 0]
    less = [in_sentence(one.method) for one in level if _sign(one.forgetting) < 0]
    if ours is None or not more + less:
        return []
    said = [_forget(more, "more")] if more else []
    said.append(_forget(less, "less") if less else "none is shown to forget less")
    return [
        f"MAS forgets {written(printed(ours))} points. Of the methods whose accuracy is not shown"
        f" to differ from that of MAS, {', and '.join(said)}."
    ]


def _forget(names: Sequence[str], how: str) -> str:
    return f"{listed(names)} forget{'s' if len(names) == 1 else ''} {how}"


def _memory(kept: Mapping[str, Sequence[float]]) -> list[str]:
    """Say so if what MAS keeps does not grow from task to task, and that of others does."""
    growing = [method for method, sizes in kept.items() if grows(sizes)]
    if OURS not in kept or OURS in growing or len(kept[OURS]) < 2:
        return []
    said = f"Beside the network, MAS keeps {kept[OURS][-1]:.1f} times its size after every task"
    if growing:
        most = max(growing, key=lambda method: kept[method][-1])
        said += f"; {in_sentence(most)} ends with {kept[most][-1]:.1f} times"
    return [f"{said}."]
