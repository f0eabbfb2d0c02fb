"""The table of paired differences from fine-tuning."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.report.names import in_sentence, title
from benchmarks.report.numbers.differences import LEVEL, REFERENCE, Compared, Difference
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


def numbers(compared: Callable[[RowT], Compared | None]) -> list[Column[RowT]]:
    """Return the columns of a CSV file whose rows have differences."""
    parts: dict[str, Callable[[Difference], float | None]] = {
        "": lambda found: found.mean,
        ":low": lambda found: found.interval and found.interval[0],
        ":high": lambda found: found.interval and found.interval[1],
        ":pairs": lambda found: found.pairs,
    }

    def column(name: str, end: str) -> Column[RowT]:
        def value(row: RowT) -> float | None:
            found: Difference | None = getattr(compared(row), name, None)
            return found and parts[end](found)

        return Column(f"difference_{name}{end}", value)

    return [column(name, end) for name in ("accuracy", "forgetting") for end in parts]


def table(
    name: str, setting: str, compared: Sequence[Compared], each: str, about: Sequence[str]
) -> Table:
    """Return the table of the differences, with the formula below; `each` is what makes a pair."""
    reference = in_sentence(REFERENCE)
    notes = [
        f"Mean over {each}s of the method's number minus that of {reference} with the same {each},"
        " in points. Above zero is better for accuracy, below zero for forgetting. Interval: mean ±"
        f" t({(1 + LEVEL) / 2:g}, n − 1) · s / √n, where n is the number of {each}s in common, s the"
        " standard deviation of the differences (divisor n − 1) and t the quantile of Student's"
        " t-distribution. The intervals are not corrected for multiple comparisons."
    ]
    if each != "seed":
        notes.append(f"The number of one {each} is a mean over the seeds in common.")
    for pairs, said in ((1, f"one {each}, so no interval"), (0, f"no {each}")):
        if concerned := [title(one.method) for one in compared if _pairs(one) == pairs]:
            notes.append(f"In common with {reference}: {said} ({', '.join(concerned)}).")
    title_ = f"Paired differences from {reference}, {setting}"
    return table_of(f"{name}-paired", title_, _COLUMNS, compared, [*notes, *about], narrow=4)
