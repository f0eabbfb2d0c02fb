"""Two sentences on what MAS offers, for those who have not decided yet."""

from __future__ import annotations

from benchmarks.report.names import in_sentence, is_upper_bound, title, written
from benchmarks.report.numbers.differences import OURS, REFERENCE, by_seed
from benchmarks.report.numbers.groups import Group
from benchmarks.report.numbers.story import STEADY
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
        f"After {len(group.tasks)} data sets learned one after another, MAS has forgotten"
        f" {_forgotten(ours)} points of accuracy, where plain fine-tuning has forgotten"
        f" {_forgotten(plain)}; its mean accuracy is {_accuracy(ours)}, not {_accuracy(plain)}"
        f"{_best(group, found)}. Importance is measured without labels,"
        f" {_kept(memory.multiples(group)[OURS])}."
    )


def _best(group: Group, found: dict[str, Summary]) -> str:
    """Name the most accurate of the others, and say whether it is better than MAS for certain."""
    other = max((one for m, one in found.items() if m != OURS), key=lambda one: one.accuracy.mean)
    difference = next(o.accuracy for o in by_seed(group, OURS) if o.method == other.method)
    if difference is None or difference.interval is None:
        return ""
    named = f"{in_sentence(other.method)}, {_accuracy(other)}"
    if difference.sign:
        how = "more" if difference.sign > 0 else "less"
        return f" (that of the best other method, {named}, is {how} beyond chance)"
    return (
        f" (that of the best other method, {named}, is not told apart by {difference.pairs} seeds)"
    )


def _kept(sizes: list[float]) -> str:
    if sizes[-1] > (1 + STEADY) * sizes[0]:
        return f"and what is kept beside the network grows to {sizes[-1]:.1f} times its size"
    return f"and what is kept beside the network is {sizes[-1]:.1f} times its size after any number of tasks"


def _accuracy(one: Summary) -> str:
    return f"{printed(one.accuracy):.1f} %"


def _forgotten(one: Summary) -> str:
    if one.forgetting is None:
        raise KeyError(f"{title(one.method)} has no forgetting: there is one task")
    return written(printed(one.forgetting))
