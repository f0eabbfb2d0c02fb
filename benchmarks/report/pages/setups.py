"""Training set-ups in Avalanche beside a loop written by hand."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from benchmarks.report.tables import Column, Table, table_of

FORMS = ("damped", "gradient", "loss")
MEASURED = ("parameters", "importance", "anchors")

Row = Mapping[str, Any]
Forms = Mapping[str, Row]
"""The rows of one set-up, by form of the penalty."""


def table(found: Mapping[str, Any]) -> Table:
    """Return the largest difference of each set-up and form, and what was refused.

    Args:
        found: What `benchmarks.commands.setups` recorded.
    """
    setups: dict[str, dict[str, Row]] = {}
    for row in found["rows"]:
        setups.setdefault(row["setup"], {})[row["form"]] = row
    columns: list[Column[Forms]] = [
        Column("Set-up", _name),
        *(Column(form, partial(_outcome, form)) for form in FORMS),
        Column("without the penalty", _effect, lambda effect: f"{effect:.2f}"),
    ]
    limits = sorted({row["tolerance"] for row in found["rows"]})
    return table_of(
        "setups",
        "Relative difference from the loop by hand after the last task, by the penalty's form",
        columns,
        setups.values(),
        [
            "The largest difference of an entry of the parameters, of Ω or of θ*, relative to the "
            f"largest entry of its tensor. Counted as the same: up to {limits[0]:g}, or "
            f"{limits[-1]:g} with autocast, where the parameters are float32 instead of float64. "
            "Last column: by how much the parameters differ if the loop leaves out the penalty, "
            "in the form where that is least.",
            *(
                f"{row['setup']} is refused with “{row['form']}”: {row['refused']}."
                for row in found["rows"]
                if "refused" in row
            ),
        ],
    )


def is_wrong(row: Row) -> bool:
    """Return whether a set-up differs from the loop, or is refused or accepted against expectation."""
    if "refused" in row or row["refusal_expected"]:
        return bool(("refused" in row) != row["refusal_expected"])
    return any(row[name] is None or row[name] > row["tolerance"] for name in MEASURED)


def _name(forms: Forms) -> str:
    row = forms[FORMS[0]]
    return f"{row['setup']} ({row['orders']} orders)" if row["orders"] > 1 else f"{row['setup']}"


def _outcome(form: str, forms: Forms) -> str:
    row = forms[form]
    text = "refused" if "refused" in row else _largest(row)
    return f"{text}, **wrong**" if is_wrong(row) else text


def _largest(row: Row) -> str:
    differences = [row[name] for name in MEASURED]
    return "not a number" if None in differences else f"{max(differences):.0e}"


def _effect(forms: Forms) -> float | None:
    effects = [row["penalty"] for row in forms.values() if "refused" not in row]
    return None if None in effects else min(effects)
