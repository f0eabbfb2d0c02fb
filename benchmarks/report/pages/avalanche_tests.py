"""What came of Avalanche's own tests with `MASPlugin` in place of its own, and beside each strategy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from textwrap import shorten
from typing import Any, NamedTuple, TypeAlias

from benchmarks.report.tables import Column, Table, table_of

LONG = 100
"""Up to how many characters of a message are shown."""

AS_IT_IS, IN_PLACE, BESIDE = WAYS = ("as it is", "in place", "beside")
"""Avalanche's tests as they are; its `MASPlugin` and `MAS` replaced by ours; ours in every strategy."""

PACKED = "PackNet trains only weights that earlier tasks do not use, and whose Ω is therefore 0"
REPRODUCES = "compares a training, digit by digit, with one that has no plugin"
EXPLAINED = {
    "test_cope": "CoPE's outputs have length 1, so their squared norm has no gradient, and Ω is "
    'rounding error; `MASPlugin(output="vector")` measures an Ω there',
    "test_pnn": "a progressive network freezes the columns of earlier tasks, and uses no earlier head",
    "test_PackNet_adam": PACKED,
    "test_PackNet_sgd": PACKED,
    "test_multihead_head_selection": "the model has nothing but a head for each task",
    "test_reproduce_old_base_strategy": REPRODUCES,
    "test_reproduce_old_cumulative_strategy": REPRODUCES,
}
"""Why a test fails with our plugin and passes without, or why the penalty takes no effect in it."""

Ways: TypeAlias = Mapping[str, Mapping[str, Any]]


class Row(NamedTuple):
    """The tests of a strategy, or of a file."""

    name: str
    tests: list[Ways]

    def passed(self, way: str) -> int:
        """Return how many of the tests pass, of those that pass as they are."""
        return sum(_passes(ways, AS_IT_IS) and _passes(ways, way) for ways in self.tests)

    def refused(self) -> int | None:
        """Return how many are refused beside, or None."""
        return sum(ways[BESIDE]["outcome"] == "refused" for ways in self.tests) or None

    def effect(self) -> str:
        """Return in how many of the tests with a penalty to apply it changed a gradient."""
        held = [ways for ways in self.tests if _holds(ways)]
        seen = sum(not _idle(ways) for ways in held)
        return f"{seen} of {len(held)}" if held else "nothing to hold"


COLUMNS: tuple[Column[Row], ...] = (
    Column("strategy or file", lambda row: row.name),
    Column("tests", lambda row: len(row.tests)),
    Column("pass as they are", lambda row: row.passed(AS_IT_IS)),
    Column("pass in place", lambda row: row.passed(IN_PLACE)),
    Column("pass beside", lambda row: row.passed(BESIDE)),
    Column("refused beside", lambda row: row.refused()),
    Column("penalty takes effect", lambda row: row.effect()),
)


def table(found: Mapping[str, Any]) -> Table:
    """Return how many tests of each strategy and file pass in each way, and why the others do not.

    Args:
        found: What `benchmarks.commands.avalanche_tests` recorded.
    """
    tests: dict[str, Ways] = found["tests"]
    grouped: dict[str, list[Ways]] = defaultdict(list)
    for name, ways in tests.items():
        grouped[_group(name)].append(ways)
    rows = [Row(name, group) for name, group in grouped.items()]
    return table_of(
        "avalanche-tests",
        f"Tests of Avalanche {found['avalanche-lib']} that train a strategy",
        COLUMNS,
        [*rows, Row("all", list(tests.values()))],
        [*_notes(tests), f"Run with torch {found['torch']} and Python {found['python']}."],
    )


def unexplained(tests: Mapping[str, Ways]) -> list[str]:
    """Return the tests that fail with our plugin only, or show no effect of it, without a reason."""
    wrong = [
        name
        for name, ways in tests.items()
        if _passes(ways, AS_IT_IS) and (_fails(ways) or _idle(ways))
    ]
    return [name for name in wrong if _short(name) not in EXPLAINED]


def _notes(tests: Mapping[str, Ways]) -> list[str]:
    """Return why tests fail as they are, are refused, or are without effect, and what was in place."""
    built_in = {name: ways[IN_PLACE] for name, ways in tests.items() if ways[IN_PLACE].get("begun")}
    used = [
        f"`{_short(name)}` ({way.get('steps', 0)} steps changed)" for name, way in built_in.items()
    ]
    refused = {n: w[BESIDE] for n, w in tests.items() if w[BESIDE]["outcome"] == "refused"}
    failing = {n: w[AS_IT_IS] for n, w in tests.items() if not _passes(w, AS_IT_IS)}
    reasons = dict.fromkeys(f"`{n}`: {EXPLAINED[n]}" for n in map(_short, tests) if n in EXPLAINED)
    return [
        f"Tests that use the built-in plugin: {', '.join(used) or 'none'}.",
        f"Refused: {_said(refused)}.",
        f"Fail as they are: {_said(failing)}.",
        f"Fail beside the plugin, or show no effect, and why: {'; '.join(reasons)}.",
    ]


def _said(outcomes: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the tests by what they said."""
    named: dict[str, list[str]] = defaultdict(list)
    for name, outcome in outcomes.items():
        named[shorten(outcome["message"], LONG, placeholder=" ...")].append(f"`{_short(name)}`")
    return (
        "; ".join(f"{', '.join(names)} ({message})" for message, names in named.items()) or "none"
    )


def _passes(ways: Ways, way: str) -> bool:
    return bool(ways[way]["outcome"] == "passed")


def _fails(ways: Ways) -> bool:
    """Whether it fails with our plugin; what is refused says why."""
    return any(ways[way]["outcome"] not in ("passed", "refused") for way in (IN_PLACE, BESIDE))


def _holds(ways: Ways) -> bool:
    """Whether a task was trained with a penalty of tasks before, to the end."""
    return _passes(ways, BESIDE) and ways[BESIDE].get("held", 0) > 0


def _idle(ways: Ways) -> bool:
    return _holds(ways) and not ways[BESIDE].get("steps")


def _group(name: str) -> str:
    """Return the strategy that a test is of, if it is of one, and else its file."""
    file, owner, *_ = name.split("::")
    strategy = file.endswith("test_strategies.py") and owner == "StrategyTest"
    return _short(name).removeprefix("test_") if strategy else file.removeprefix("tests/")


def _short(name: str) -> str:
    return name.split("::")[-1]
