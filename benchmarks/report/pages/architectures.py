"""Which networks importance is exact for: what the command `architectures` recorded, as tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from benchmarks.report.names import span
from benchmarks.report.tables import NOTHING, Column, Table, table_of

FORMS = {"global": "Ω", "local": "l-MAS"}

EXACT, GENERAL, REFUSED = "exact", "exact, general path", "refused"
DIFFERS, CRASHED = "differs", "crashed"

TOLERANCES = {"float32": 1e-4, "float64": 1e-9}
"""The largest error that is rounding; one of the two has to be kept."""

Row = Mapping[str, Any]


def outcomes(row: Row) -> list[str]:
    """Return what came out for the forms of `FORMS` on a network."""
    return [_outcome(row, form) for form in FORMS]


def summary(families: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return how many networks of each family have each outcome.

    Args:
        families: What the command recorded, by family.
    """
    columns: list[Column[Any]] = [
        Column("family", lambda pair: _title(*pair)),
        Column("networks", lambda pair: len(pair[1]["networks"])),
    ]
    kinds = {"by rule": (EXACT,), "general path": (GENERAL,), "refused": (REFUSED,)}
    for form, title in FORMS.items():
        for name, kind in {**kinds, "wrong": (DIFFERS, CRASHED)}.items():
            columns.append(Column(f"{title}: {name}", partial(_count, form=form, kinds=kind)))
    return table_of(
        "architectures",
        "Networks by outcome, for Ω and for l-MAS",
        columns,
        families.items(),
        [
            "By rule, general path: exact, with layer rules for all parameters, or with the slower general "
            "path for some. Refused: an error names the reason. Wrong: another result, or a crash.",
        ],
    )


def table(family: str, recorded: Mapping[str, Any]) -> Table:
    """Return the outcomes of a family: a row per network, or in torchvision's case per kind of network."""
    lines: dict[str, list[Row]] = {}
    for name, row in sorted(recorded["networks"].items()):
        lines.setdefault(_kind(name) if family == "torchvision" else name, []).append(row)
    columns: list[Column[Any]] = [
        Column("network", lambda pair: f"{pair[0]} ({n})" if (n := len(pair[1])) > 1 else pair[0]),
        Column("parameters", lambda pair: _range([row.get("parameters") for row in pair[1]])),
    ]
    for form, title in FORMS.items():
        columns += [
            Column(title, partial(_outcomes, form=form)),
            Column("error", partial(_errors, form=form)),
        ]
    columns.append(Column("l-MAS against", _truths))
    return table_of(
        f"architectures-{family}",
        f"{_title(family, recorded)}: Ω and l-MAS against the loop",
        columns,
        lines.items(),
        [*_reasons(recorded["networks"]), _machine(recorded)],
    )


def _title(family: str, recorded: Mapping[str, Any]) -> str:
    package = "torch" if family == "layers" else family
    return f"{family} ({package} {recorded['versions'][package].partition('+')[0]})"


def _kind(name: str) -> str:
    """Return the first letters of a name, up to a number or an underscore."""
    found = re.match("(wide_)?[a-z]+", name)
    return found[0] if found else name


def _outcome(row: Row, form: str) -> str:
    found = row.get(form, {})
    if "refused" in found:
        return REFUSED
    if not any(dtype in found for dtype in TOLERANCES):
        return CRASHED
    if not any(found.get(dtype, 1.0) <= most for dtype, most in TOLERANCES.items()):
        return DIFFERS
    return GENERAL if found["without_rule"] else EXACT


def _count(pair: tuple[str, Mapping[str, Any]], form: str, kinds: Sequence[str]) -> int:
    return sum(_outcome(row, form) in kinds for row in pair[1]["networks"].values())


def _outcomes(pair: tuple[str, Sequence[Row]], form: str) -> str:
    """Return the outcomes of a line's networks, and the largest share without a rule."""
    found = [_outcome(row, form) for row in pair[1]]
    text = "; ".join(dict.fromkeys(found))
    share = max(row.get(form, {}).get("without_rule", 0.0) for row in pair[1])
    return text.replace("general path", f"{_percent(share)} general path")


def _percent(share: float) -> str:
    return "< 1 %" if share < 0.01 else f"{100 * share:.0f} %"


def _errors(pair: tuple[str, Sequence[Row]], form: str) -> str:
    found = [row.get(form, {}) for row in pair[1]]
    return " / ".join(_largest(one.get(dtype) for one in found) for dtype in TOLERANCES)


def _largest(errors: Iterable[float | None]) -> str:
    known = [error for error in errors if error is not None]
    return f"{max(known):.0e}" if known else NOTHING


def _truths(pair: tuple[str, Sequence[Row]]) -> str | None:
    truths = dict.fromkeys(row.get("local", {}).get("truth") for row in pair[1])
    return "; ".join(truth for truth in truths if truth) or None


def _range(numbers: Sequence[int | None]) -> str | None:
    """Return the smallest and the largest number."""
    known = [number for number in numbers if number is not None]
    return span(known, _short) if known else None


def _short(number: int) -> str:
    """Return a number with two digits or more, in thousands or millions."""
    for unit, name in ((10**6, " M"), (10**3, " k")):
        if number >= unit:
            return f"{number / unit:.{0 if number >= 10 * unit else 1}f}{name}"
    return str(number)


def _reasons(networks: Mapping[str, Row]) -> list[str]:
    """Return why networks were refused or crashed: a sentence for each reason."""
    reasons: dict[str, list[str]] = {}
    for name, row in sorted(networks.items()):
        for form, title in FORMS.items():
            found = row.get(form, row)
            said = found.get("refused") or found.get("crashed") or found.get("failed")
            if said:
                kind = _outcome(row, form)
                reason = re.sub(
                    "^ValueError: (the stretch of '.*' cannot be determined: )?", "", said
                )
                reasons.setdefault(f"{title} {kind}: {reason.split(';')[0]}", []).append(name)
    return [f"{reason} ({'; '.join(names)})." for reason, names in reasons.items()]


def _machine(recorded: Mapping[str, Any]) -> str:
    versions = recorded["versions"]
    return (
        "Errors: float32 / float64, the largest of the line. "
        f"Measured with torch {versions['torch']} on {versions['cpu']}."
    )
