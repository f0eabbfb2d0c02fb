"""Tables of paired differences: from fine-tuning, and from MAS."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from benchmarks.report.names import in_order, in_sentence, title
from benchmarks.report.numbers.differences import (
    LEVEL,
    OURS,
    REFERENCE,
    Compared,
    Difference,
    comparisons,
)
from benchmarks.report.pages.columns import METHOD
from benchmarks.report.tables import Column, RowT, Table, signed, table_of

_INTERVAL = f"{100 * LEVEL:.0f} % interval"
_COLUMNS: list[Column[Compared]] = [
    METHOD,
    Column("n", lambda one: _pairs(one)),
    Column("Mean accuracy, points", lambda one: one.accuracy, lambda found: signed(found.mean)),
    Column(_INTERVAL, lambda one: _interval(one.accuracy)),
    Column("Forgetting, points", lambda one: one.forgetting, lambda found: signed(found.mean)),
    Column(_INTERVAL, lambda one: _interval(one.forgetting)),
]


def _pairs(one: Compared) -> int:
    return one.accuracy.pairs if one.accuracy else 0


def _interval(found: Difference | None) -> str | None:
    if found is None or found.interval is None:
        return None
    low, high = map(signed, found.interval)
    return f"[{low}, {high}]"


def numbers(prefix: str, compared: Callable[[RowT], Compared | None]) -> list[Column[RowT]]:
    """Return the columns of a CSV file whose rows have differences; their names have the prefix.

    A p-value is corrected by Holm's method where the intervals are corrected.
    """
    parts: dict[str, Callable[[Difference], float | None]] = {
        "": lambda found: found.mean,
        ":low": lambda found: found.interval and found.interval[0],
        ":high": lambda found: found.interval and found.interval[1],
        ":p": lambda found: found.p,
        ":pairs": lambda found: found.pairs,
    }

    def column(name: str, end: str) -> Column[RowT]:
        def value(row: RowT) -> float | None:
            found: Difference | None = getattr(compared(row), name, None)
            return found and parts[end](found)

        return Column(f"{prefix}_{name}{end}", value)

    return [column(name, end) for name in ("accuracy", "forgetting") for end in parts]


def tables(
    name: str,
    setting: str,
    each: str,
    compared: Mapping[str, Sequence[Compared]],
    methods: Iterable[str],
    about: Sequence[str],
) -> list[Table]:
    """Return the tables of the differences from fine-tuning, and from MAS if they have intervals.

    Args:
        name: The short name of the page.
        setting: What the methods were run on.
        each: What makes a pair, such as "seed".
        compared: The differences by reference.
        methods: All methods, of which the differences from MAS lack some.
        about: Sentences below both tables.
    """
    found = []
    if plain := compared[REFERENCE]:
        found.append(_table(f"{name}-paired", setting, plain, REFERENCE, each, about))
    if comparisons(corrected := compared[OURS]):
        missing = {*methods} - {one.method for one in corrected} - {OURS}
        left_out = [
            f"Not compared: {', '.join(map(title, in_order(missing)))} (exactly the accuracies of"
            " another method, or an upper bound)."
        ] * bool(missing)
        said = [*left_out, *about]
        found.append(_table(f"{name}-from-mas", setting, corrected, OURS, each, said))
    return found


def _table(
    name: str,
    setting: str,
    compared: Sequence[Compared],
    reference: str,
    each: str,
    about: Sequence[str],
) -> Table:
    beside = in_sentence(reference)
    notes = [
        f"Mean over {each}s of the method's number minus that of {beside} with the same {each},"
        " in points. Above zero is better for accuracy, below zero for forgetting."
        + _formula(each, comparisons(compared), corrected=reference == OURS)
    ]
    if each != "seed":
        notes.append(f"The number of one {each} is a mean over the seeds in common.")
    for pairs, said in ((1, f"one {each}, so no interval"), (0, f"no {each}")):
        if concerned := [title(one.method) for one in compared if _pairs(one) == pairs]:
            notes.append(f"In common with {beside}: {said} ({', '.join(concerned)}).")
    columns = [c for c in _COLUMNS if c.title != _INTERVAL or any(map(c.value, compared))]
    heading = f"Paired differences from {beside}, {setting}"
    narrow = len(columns) // 2 + 1
    return table_of(name, heading, columns, compared, [*notes, *about], narrow)


def _formula(each: str, number: int, *, corrected: bool) -> str:
    """Explain the intervals, if there are any, and how they are corrected for their number."""
    if not number:
        return ""
    level, said = (
        f"{(1 + LEVEL) / 2:g}",
        "The intervals are not corrected for multiple comparisons.",
    )
    if corrected:
        level = f"1 − {1 - LEVEL:g} / (2 · {number})"
        said = (
            f"By Bonferroni's inequality, the {number} intervals of this table hold at once with a"
            f" probability of at least {100 * LEVEL:.0f} %, if the differences are normally"
            " distributed."
        )
    return (
        f" Interval: mean ± t({level}, n − 1) · s / √n, where n is the number of {each}s in common, s"
        " the standard deviation of the differences (divisor n − 1) and t the quantile of Student's"
        f" t-distribution. {said}"
    )
