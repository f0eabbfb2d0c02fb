"""Two sentences on what MAS offers, for those who have not decided yet."""

from __future__ import annotations

from benchmarks.report.names import in_sentence, is_upper_bound, title, written
from benchmarks.report.numbers.differences import OURS, REFERENCE, by_seed
from benchmarks.report.numbers.groups import Group
from benchmarks.report.numbers.story import grows
from benchmarks.report.numbers.summary import Summary, printed, summarise
from benchmarks.report.pages import memory


def worth(group: Group) -> str:
    """Return what MAS gains over fine-tuning, who else does as well, and what it costs.

    Raises:
        KeyError: MAS or fine-tuning is not among the methods.
    """
    found = {one.method: one for one in summarise(group) if not is_upper_bound(one.method)}
    ours, plain = found[OURS], found[REFERENCE]
    return (
        f"After learning {len(group.tasks)} data sets one after another, MAS has lost"
        f" {_forgotten(ours)} points of accuracy on the earlier ones, and plain fine-tuning"
        f" {_forgotten(plain)}; the mean accuracy is {_accuracy(ours)} with MAS and"
        f" {_accuracy(plain)} without{_best(group, found)}. MAS needs no labels to measure"
        f" importance, {_kept(memory.multiples(group)[OURS])}."
    )


def _best(group: Group, found: dict[str, Summary]) -> str:
    """Name the most accurate of the others, and say whether it differs from MAS beyond chance."""
    compared = {one.method: one.accuracy for one in by_seed(group, OURS)}
    other = max((found[method] for method in compared), key=lambda one: one.accuracy.mean)
    difference = compared[other.method]
    if difference is None or difference.pairs == 1:
        return ""
    verdict = {
        1: "is more accurate beyond chance",
        0: f"is not told apart from MAS by {difference.pairs} seeds",
        -1: "is less accurate beyond chance",
    }[difference.sign]
    return (
        f" (the best other method, {in_sentence(other.method)} with {_accuracy(other)}, {verdict})"
    )


def _kept(sizes: list[float]) -> str:
    how = "grows to" if grows(sizes) else "stays at"
    rest = "" if grows(sizes) else ", whatever the number of tasks"
    return f"and what it keeps beside the network {how} {sizes[-1]:.1f} times its size{rest}"


def _accuracy(one: Summary) -> str:
    return f"{printed(one.accuracy):.1f} %"


def _forgotten(one: Summary) -> str:
    if one.forgetting is None:
        raise KeyError(f"{title(one.method)} has no forgetting: there is one task")
    return written(printed(one.forgetting))
