"""Names: what is found on attribute access, and what was called otherwise in the last release."""

from __future__ import annotations

import importlib
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import avalanche_mas
from avalanche_mas import LocalMASPlugin, MASPlugin, streams
from avalanche_mas.importance import Importance, Measure, global_importance
from avalanche_mas.penalty import QuadraticPenalty

ROOMS = (
    "checkpoint",
    "importance",
    "logging",
    "metrics",
    "models",
    "penalty",
    "plugins",
    "strategies",
    "streams",
)


def test_rooms_are_found_on_the_package_that_was_just_imported() -> None:
    look = f"import avalanche_mas; print(*(getattr(avalanche_mas, r).__name__ for r in {ROOMS}))"
    shown = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == [f"avalanche_mas.{room}" for room in ROOMS]


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "strategies"])
def test_a_room_lists_its_public_names_and_nothing_else(room: str) -> None:
    module = importlib.import_module(f"avalanche_mas.{room}")
    assert dir(module) == sorted(module.__all__)
    for name in dir(module):
        assert not name.startswith("_")
        assert hasattr(module, name)


def test_the_public_names_are_listed_and_have_a_version() -> None:
    assert set(dir(avalanche_mas)) == {*avalanche_mas.__all__, *ROOMS, "__version__"}
    assert {*avalanche_mas.__all__, *ROOMS} <= set(dir(avalanche_mas))
    assert avalanche_mas.__version__.count(".") == 2


def measured(**options: Any) -> tuple[nn.Module, Importance]:
    torch.manual_seed(0)
    model = nn.Linear(2, 3)
    return model, global_importance(model, [torch.randn(5, 2)], **options)


def test_importance_says_what_it_is() -> None:
    _, omega = measured(granularity="batch")
    assert repr(omega) == "Importance('l2, batch', samples=5, parameters=2)"


def test_penalty_and_plugins_say_what_they_hold() -> None:
    model, omega = measured()
    penalty = QuadraticPenalty(0.5)
    for _ in range(2):
        penalty.consolidate(model, omega)
    said = "lambda_reg=0.5, tasks=2, parameters=2, entries=9, size='72 B'"
    assert repr(penalty) == f"QuadraticPenalty({said})"
    plugin = LocalMASPlugin(1.0, 0.25)
    plugin._memory.learn(model, omega, ())
    said = "lambda_reg=1, alpha=0.25, tasks=1, parameters=2, entries=9, size='72 B'"
    assert repr(plugin) == f"LocalMASPlugin({said}, samples=5)"


def test_options_that_are_not_the_default_are_shown() -> None:
    assert repr(QuadraticPenalty()) == "QuadraticPenalty(lambda_reg=1, tasks=0)"
    assert repr(MASPlugin()) == "MASPlugin(lambda_reg=1, tasks=0)"
    plugin = MASPlugin(
        accumulation="max",
        importance_dtype=torch.bfloat16,
        forward=measured,
        benchmark=[],
        exclude="head.*",
        batch_size=8,
        output="vector",
    )
    assert repr(plugin) == (
        "MASPlugin(lambda_reg=1, accumulation='max', importance_dtype=torch.bfloat16, benchmark=<list>, "
        "forward=measured, exclude=('head.*',), batch_size=8, output='vector', tasks=0)"
    )


def test_sizes_have_units() -> None:
    penalty, model = QuadraticPenalty(), nn.Linear(500, 500, bias=False)
    penalty.consolidate(model, {"weight": torch.ones(500, 500)})
    assert "entries=250000, size='2 MB'" in repr(penalty)


def deprecated(of: Any, old: str, new: str) -> bool:
    with pytest.deprecated_call(match=new):
        return getattr(of, old) is getattr(of, new)


def test_old_names_work_and_say_what_is_new() -> None:
    assert deprecated(streams, "TaskStream", "TaskBenchmark")
    assert deprecated(streams, "TaskData", "TaskInfo")
    assert deprecated(MASPlugin(), "held", "quadratic_penalty")
    with pytest.raises(AttributeError, match="TaskStreams"):
        streams.TaskStreams  # noqa: B018 - looking it up is the test


def test_kinds_are_measures() -> None:
    _, omega = measured(granularity="batch")
    for each in (omega, omega.summary(), MASPlugin(granularity="batch")):
        assert each.measure == Measure("l2", "batch")
        with pytest.deprecated_call(match="measure"):
            assert each.kind == "l2, batch"
    values: dict[str, Tensor] = dict(omega)
    with pytest.deprecated_call(match="measure="):
        assert Importance(values, 5, kind="vector, batch").measure == Measure("vector", "batch")
