"""A pytest plugin for Avalanche's own tests: it puts `MASPlugin` into them and records what comes of each.

It writes a line of JSON with the names of the tests, and then one per test: the outcome, and how many
strategies were made, experiences begun with a penalty from tasks before, and steps in which the
penalty changed a gradient.
"""

from __future__ import annotations

import functools
import json
import random
import re
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import avalanche.training
import numpy as np
import pytest
import torch
from avalanche.training.templates import BaseSGDTemplate

from avalanche_mas import MAS, MASPlugin
from avalanche_mas.penalty import QuadraticPenalty
from benchmarks.commands.refusals import is_refusal
from benchmarks.report.pages.avalanche_tests import BESIDE, IN_PLACE, WAYS


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that the script passes."""
    parser.addoption("--way", choices=WAYS)
    parser.addoption("--record", type=Path, help="the file to write to")
    parser.addoption("--limit", type=int, help="seconds for a test")


def pytest_configure(config: pytest.Config) -> None:
    """Put our plugin where `--way` says, and record from here on."""
    recorder = Recorder(config.getoption("record"), config.getoption("limit"))
    if config.getoption("way") == IN_PLACE:
        replace(avalanche.training.MAS, MAS)
        replace(avalanche.training.plugins.MASPlugin, MASPlugin)
    count(recorder.seen, beside=config.getoption("way") == BESIDE)
    config.pluginmanager.register(recorder)


def replace(theirs: type, ours: type) -> None:
    """Replace a class of Avalanche's by one of ours in all of its modules."""
    for module in [m for name, m in sys.modules.items() if name.split(".")[0] == "avalanche"]:
        for name, value in list(vars(module).items()):
            if value is theirs:
                setattr(module, name, ours)


def count(seen: Counter[str], beside: bool) -> None:
    """Count strategies, experiences and steps from here on, and put our plugin into each strategy."""

    def made(make: Callable[..., None], self: Any, *args: Any, **options: Any) -> None:
        seen["strategies"] += 1
        if beside:
            ours = MASPlugin(accumulation="sum")
            options["plugins"] = [ours, *(options.get("plugins") or ())]
        make(self, *args, **options)

    def begun(begin: Callable[..., None], self: MASPlugin, *args: Any, **options: Any) -> None:
        begin(self, *args, **options)
        seen["begun"] += 1
        seen["held"] += bool(self.quadratic_penalty.importance)

    def stepped(
        add: Callable[..., None], self: Any, model: Any, *args: Any, **options: Any
    ) -> None:
        before = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
        add(self, model, *args, **options)
        after = [p.grad for p in model.parameters()]
        seen["steps"] += any(map(_differ, before, after))

    wrap(BaseSGDTemplate, "__init__", made)
    wrap(MASPlugin, "before_training_exp", begun)
    wrap(QuadraticPenalty, "add_gradient", stepped)


def wrap(owner: type, name: str, around: Callable[..., None]) -> None:
    """Let `around(method, self, ...)` be called in place of a method."""
    method = getattr(owner, name)

    @functools.wraps(method)
    def wrapped(*arguments: Any, **options: Any) -> None:
        around(method, *arguments, **options)

    setattr(owner, name, wrapped)


class Recorder:
    """Records what comes of each test, and stops those that take too long."""

    def __init__(self, record: Path, limit: int) -> None:
        self.record, self.limit = record, limit
        self.seen = Counter[str]()
        self.outcome: dict[str, str] = {}
        self.refused = False

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Record which tests there are."""
        self._write([item.nodeid for item in session.items])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Run a test with the same random numbers in every way, and record what came of it."""
        self.seen.clear()
        self.outcome, self.refused = {"outcome": "passed"}, False
        for seed in (random.seed, np.random.seed, torch.manual_seed):
            seed(0)
        ended = yield
        self._write({"test": item.nodeid, **self.outcome, **self.seen})
        return ended

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Iterator[None]:
        """Stop a test at the limit."""
        signal.signal(signal.SIGALRM, self._stop)
        signal.alarm(self.limit)
        try:
            return (yield)
        finally:
            signal.alarm(0)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, call: Any) -> Iterator[None]:
        """Tell an error that this library raises of its own accord from others."""
        report = yield
        if call.excinfo is not None and call.excinfo.errisinstance((TypeError, ValueError)):
            self.refused = is_refusal(call.excinfo.value)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the outcome of a test, or of a part of it, unless it passed."""
        if report.passed or self.outcome["outcome"] in ("failed", "refused"):
            return
        outcome = "refused" if self.refused else report.outcome
        self.outcome = {"outcome": outcome, "message": said(report)}

    def _stop(self, *_: Any) -> None:
        raise TimeoutError(f"stopped after {self.limit} s")

    def _write(self, line: Any) -> None:
        with self.record.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def said(report: pytest.TestReport) -> str:
    """Return the first sentence of what a test that has not passed says."""
    if isinstance(report.longrepr, tuple):  # of a test that was skipped
        return report.longrepr[2].removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash else str(report.longrepr)
    return re.split(r"[.;] |\n", text)[0]


def _differ(before: torch.Tensor | None, after: torch.Tensor | None) -> bool:
    return after is not None and (before is None or not torch.equal(before, after))
