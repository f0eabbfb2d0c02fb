"""The speed command: that it measures, writes and shows. How fast it is, is not tested."""

from __future__ import annotations

import json
import math
import os
import stat
import subprocess
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import DeviceType

from avalanche_mas.penalty import QuadraticPenalty
from benchmarks.commands import speed
from benchmarks.commands.speed import accuracy, forms, importance, main, peers, run, step
from benchmarks.commands.speed.setup import Setup, measure_rows
from benchmarks.commands.speed.timing import PRECISIONS, precision, ratio, ratio_text, take_turns

CPU = torch.device("cpu")
SCRIPT = Path(speed.__file__).with_name("gpu.sh")


def quick(suite: str, folder: Path, *more: str) -> dict[str, Any]:
    assert main([suite, "--quick", "--output", str(folder), *more]) == 0
    found: dict[str, Any] = json.loads((folder / f"{suite}.json").read_text(encoding="utf-8"))
    assert found["suite"] == suite
    assert found["machine"]["threads"] >= 1
    assert found["failed"] == {}
    return found


def test_contenders_take_turns_after_a_warm_up() -> None:
    calls: list[str] = []
    seconds = take_turns({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 2)
    assert calls == ["a", "b"] * 3
    assert {name: len(times) for name, times in seconds.items()} == {"a": 2, "b": 2}


def test_a_turn_ends_when_the_device_is_done() -> None:
    calls: list[str] = []
    take_turns({"a": lambda: calls.append("a")}, 2, lambda: calls.append("done"))
    assert calls == ["a", "done"] * 3


def test_a_ratio_is_taken_round_by_round() -> None:
    found = ratio([2.0, 9.0, 4.0], [1.0, 3.0, 4.0], scale=2)
    assert found == {"median": 4.0, "min": 2.0, "max": 6.0}
    assert ratio_text(found) == "4.00 (2.00 to 6.00)"


@pytest.mark.parametrize("name", PRECISIONS)
def test_a_precision_is_set_and_put_back(name: str) -> None:
    def flags() -> tuple[bool, bool]:
        return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32

    before = flags()
    with precision(name):
        assert flags() == ((name == "tf32"),) * 2
    assert flags() == before


def test_a_row_that_fails_costs_itself_only() -> None:
    def fail() -> None:
        raise RuntimeError("out of memory")

    rows = {"a": lambda: 1, "b": fail, "c": lambda: 3}
    *_, found = measure_rows({"known": 0}, rows, Setup(CPU, progress=lambda _: None))
    assert found == {
        "known": 0,
        "networks": {"a": 1, "c": 3},
        "failed": {"b": "RuntimeError: out of memory"},
    }


def test_a_failed_row_is_said_and_the_command_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(step.CASES, "quick", [("no_such_network", 2)])
    assert main(["step", "--quick", "--output", str(tmp_path)]) == 1
    assert "step, no_such_network, 2: AttributeError" in capsys.readouterr().err
    assert "no_such_network, 2" in json.loads((tmp_path / "step.json").read_text())["failed"]


def test_each_row_is_written_before_the_next_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []

    def look(network: str, batch: int, setup: Setup) -> dict[str, Any]:  # noqa: ARG001
        file = tmp_path / "step.json"
        seen.append(list(json.loads(file.read_text())["cases"]) if file.exists() else [])
        return {"seconds": {"plain": [1.0]}, **dict.fromkeys(RATIOS, ratio([1.0], [1.0]))}

    monkeypatch.setattr(step, "_measure", look)
    monkeypatch.setitem(step.CASES, "quick", [("a", 1), ("b", 2)])
    assert main(["step", "--quick", "--output", str(tmp_path)]) == 0
    assert seen == [[], ["a, 1"]]
    assert main(["step", "--quick", "--seconds", "0", "--output", str(tmp_path)]) == 0
    assert list(json.loads((tmp_path / "step.json").read_text())["cases"]) == ["a, 1"]


RATIOS = tuple(f"{name}_over_plain" for name in step.OVER_PLAIN)


def test_several_suites_are_measured_in_a_process_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[str, float | None]] = []

    def start(command: list[str], check: bool, timeout: float | None) -> Any:  # noqa: ARG001
        asked.append((command[4], timeout))
        if command[4] == "forms":
            raise subprocess.TimeoutExpired(command, timeout or 0)
        return subprocess.CompletedProcess(command, -9 if command[4] == "penalty" else 0)

    monkeypatch.setattr(subprocess, "run", start)
    options = ["--quick", "--seconds", "5", "--output", str(tmp_path)]
    assert main(["importance", "forms", "penalty", *options]) == 1
    assert asked == [(name, 5 + speed.GRACE) for name in ("importance", "forms", "penalty")]
    said = capsys.readouterr().err
    assert "forms: stopped in the middle of a row" in said
    assert "penalty: killed by signal 9" in said
    assert main(["importance", "step", *options]) == 0


def test_the_suites_of_a_gpu_take_less_than_eight_minutes() -> None:
    assert sum(suite.SECONDS for suite in speed.SUITES.values()) < 480
    assert list(speed.SUITES)[:5] == ["accuracy", "importance", "penalty", "step", "run"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["step", "--device", "cuda"])
    assert "PyTorch finds no GPU here; omit it" in capsys.readouterr().err


def test_a_root_that_is_not_there_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--root", str(tmp_path / "nowhere")])
    assert "nowhere: there is no such folder" in capsys.readouterr().err


def test_the_importance_suite_leaves_data_and_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = quick("importance", tmp_path)
    row = found["networks"]["squeezenet1_1, 4"]
    assert row["flop"] > 0
    ways = {"plain", "exact", "avalanche", "loop", "batch", "local", "vmap"}
    assert ways | {"plain, tf32", "exact, tf32", "batch, tf32"} <= row["seconds"].keys()
    assert {len(seconds) for seconds in row["seconds"].values()} == {2}
    assert ways <= row["peak_bytes"].keys()
    assert row["over_exact"].keys() == row["seconds"].keys() - {"exact"}
    shown_table = importance.table(found)
    assert "| squeezenet1_1 | 4 |" in shown_table
    assert "vmap / exact" in shown_table
    assert shown_table in capsys.readouterr().out


@pytest.mark.parametrize("transposed", [False, True])
def test_a_convolution_in_groups_has_a_weight_gradient_of_as_many_products(
    transposed: bool,
) -> None:
    """By hand: each of 36 places multiplies 9 entries of the kernel for 8 channels by 2 of a group."""
    kind = nn.ConvTranspose2d if transposed else nn.Conv2d
    model = nn.Sequential(kind(8, 8, 3, padding=1, groups=4), nn.Flatten(), nn.Linear(288, 3))
    image = torch.randn(1, 8, 6, 6)
    convolution, linear = 36 * 9 * 8 * 2, 288 * 3
    without_inputs = 2 * convolution + 3 * linear
    assert importance.arithmetic(model, image) == 2 * without_inputs
    assert importance.arithmetic(model, image.requires_grad_()) == 2 * (
        without_inputs + convolution
    )


class Tiny(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 4, 3, stride=8), nn.ReLU(), nn.Flatten(), nn.Linear(256, 5))


@pytest.mark.parametrize("way", [peers.loop, peers.vmap_grad, *peers.PEERS.values()])
def test_exact_ways_give_our_importance(
    way: Callable[[nn.Module, Tensor], Callable[[], Mapping[str, Tensor]]],
) -> None:
    torch.manual_seed(0)
    model, images = Tiny(), torch.randn(5, 3, 64, 64)
    ours = importance.global_importance(model, [images])
    assert importance._distance(way(model, images)(), ours) < 1e-5


def test_a_way_that_gives_another_importance_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(model: nn.Module, images: Tensor) -> Any:
        raise NotImplementedError("no rule for this layer")

    def twice(model: nn.Module, images: Tensor) -> Any:
        loop = peers.loop(model, images)
        return lambda: {name: 2 * omega for name, omega in loop().items()}

    monkeypatch.setattr(peers, "PEERS", {"right": peers.loop, "twice": twice, "fails": fail})
    contenders: dict[str, Callable[[], Any]] = {}
    left_out = importance._add_peers(contenders, Tiny(), torch.randn(3, 3, 64, 64))
    assert contenders.keys() == {"right"}
    assert left_out == {
        "twice": "its Ω is off by 1.0e+00 of the largest entry",
        "fails": "NotImplementedError: no rule for this layer",
    }


def test_a_way_that_gives_no_numbers_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(model: nn.Module, images: Tensor) -> Any:
        loop = peers.loop(model, images)
        return lambda: {name: omega * math.nan for name, omega in loop().items()}

    monkeypatch.setattr(peers, "PEERS", {"nothing": nothing})
    contenders: dict[str, Callable[[], Any]] = {}
    assert "nothing" in importance._add_peers(contenders, Tiny(), torch.randn(3, 3, 64, 64))
    assert contenders == {}


def test_parameters_without_importance_agree() -> None:
    zero = {"a": torch.zeros(2)}
    assert importance._distance(zero, zero) == 0


def test_the_suite_of_forms_leaves_data_and_a_table(tmp_path: Path) -> None:
    found = quick("forms", tmp_path)
    row = found["networks"]["squeezenet1_1"]
    assert set(row["seconds"]) == {"l2", "local", "vector"}
    assert row["vector_over_l2"]["min"] > 0
    assert "vector form of 10 outputs" in forms.table(found)


def test_the_suite_of_steps_leaves_data_and_a_table(tmp_path: Path) -> None:
    found = quick("step", tmp_path)
    row = found["cases"]["squeezenet1_1, 4"]
    forms = {"plain", "checked", "add_gradient", "damped", "loss form", "avalanche"}
    assert set(row["seconds"]) == forms
    assert "| squeezenet1_1, 4 |" in step.table(found)
    assert {len(own) for own in row["strategy_seconds"].values()} == {2}
    assert "with our plugin / without" in step.strategies(found)


def test_a_step_is_compared_with_the_plain_one(
    monkeypatch: pytest.MonkeyPatch, pause: Callable[[float], None]
) -> None:
    pauses = {form: 2.0 + k for k, form in enumerate(("plain", *step.OVER_PLAIN.values()))}
    inside = {"strategy": [1.0, 2.0], "our plugin": [1.5, 3.0], "Avalanche's plugin": [3.0, 6.0]}
    monkeypatch.setattr(step, "_step", lambda *case: partial(pause, pauses[case[-1]]))
    monkeypatch.setattr(step, "strategy_steps", lambda *_: inside)
    row = step._measure("mlp", 4, Setup(CPU, quick=True))
    for name, form in step.OVER_PLAIN.items():
        expected = pauses[form] / pauses["plain"]
        assert row[f"{name}_over_plain"]["median"] == pytest.approx(expected)
    assert row["over_strategy"]["our plugin"] == {"median": 1.5, "min": 1.5, "max": 1.5}
    found = {"cases": {"mlp, 4": row}}
    assert "| mlp, 4 | 1500.0 | 1.50 (1.50 to 1.50) | 3.00" in step.strategies(found)


def test_avalanche_s_penalty_is_the_same() -> None:
    model = Tiny()
    penalty = QuadraticPenalty(0.5)
    penalty.consolidate(model, {name: torch.rand_like(p) for name, p in model.named_parameters()})
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1
    added = peers.avalanche_penalty(model, penalty)(torch.ones(1))
    torch.testing.assert_close(added, 1 + penalty.value(model)[None])


def test_the_suite_of_accuracy_measures_small_errors(tmp_path: Path) -> None:
    row = quick("accuracy", tmp_path)["networks"]["squeezenet1_1"]
    assert row.keys() == {f"{m}, {p}" for m in ("global", "local") for p in PRECISIONS}
    assert all(0 < errors["median"] < 1e-5 for errors in row.values())


def test_an_error_is_relative_to_the_parameter() -> None:
    truth = {"a": torch.tensor([3.0, 4.0]), "b": torch.tensor([0.0]), "c": torch.tensor([1.0])}
    omega = {"a": torch.tensor([3.0, 5.0]), "b": torch.tensor([0.0]), "c": torch.tensor([1.0])}
    assert accuracy._errors(omega, truth) == pytest.approx({"median": 0.1, "max": 0.2})


def test_the_suite_of_runs_compares_and_profiles(tmp_path: Path) -> None:
    found = quick("run", tmp_path)
    drawn = found["rows"]["drawn"]["accuracy"]
    assert drawn["cpu, beside"]["mas"].keys() == {"seed0"}
    profiled = found["rows"]["squeezenet, 64 px"]
    assert profiled["importance_seconds"] < profiled["wall_seconds"]
    assert any("conv" in entry["operation"] for entry in profiled["on_host"])
    table = run.table(found)
    assert "| mas |" in table
    assert "squeezenet, 64 px: 500 images" in table


def test_the_time_of_a_kernel_counts_once() -> None:
    def event(key: str, device: DeviceType, host: float, gpu: float, **more: bool) -> Any:
        times = {"self_cpu_time_total": host, "self_device_time_total": gpu}
        return SimpleNamespace(key=key, device_type=device, count=2, **times, **more)

    on_device, on_host = run._times(
        [
            event("aten::mm", DeviceType.CPU, 3.0, 50.0, is_user_annotation=False),
            event("gemm", DeviceType.CUDA, 0.0, 50.0, is_user_annotation=False),
            event("Optimizer.step", DeviceType.CPU, 4.0, 0.0, is_user_annotation=True),
            event("Optimizer.step", DeviceType.CUDA, 0.0, 60.0, is_user_annotation=True),
            event("Memcpy", DeviceType.CUDA, 0.0, 1.0),  # as in torch 2.4
        ]
    )
    assert on_device == {"gemm": (50.0, 2), "Memcpy": (1.0, 2)}
    assert on_host == {"aten::mm": (3.0, 2), "Optimizer.step": (4.0, 2)}


def test_an_unknown_suite_is_refused_with_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["typing"])
    assert "known: accuracy, importance, penalty" in capsys.readouterr().err


FAKE = """#!/usr/bin/env bash
echo "$@" >> "$OUT/said"
case "$*" in "-m pytest"*) exit 3;; esac
"""


def test_the_gpu_script_runs_the_tests_and_then_the_suites(tmp_path: Path) -> None:
    python, out = tmp_path / "python", tmp_path / "out"
    python.write_text(FAKE)
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "a.whl").touch()
    done = subprocess.run(
        ["bash", str(SCRIPT), str(tmp_path / "wheels"), "data"],
        env={**os.environ, "OUT": str(out), "PYTHON": str(python)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3  # the tests', and the suites were measured all the same
    install, tests, suites = (out / "said").read_text().splitlines()
    assert install.endswith("a.whl")
    assert "-m gpu" in tests
    assert suites == f"-m benchmarks speed --device cuda --output {out} --root data"
    assert len(SCRIPT.read_text().splitlines()) <= 40
