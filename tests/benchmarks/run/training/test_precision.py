"""Mixed precision: close to float32, gradients unscaled, overflowing steps skipped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from avalanche.training import JointTraining, Naive

from avalanche_mas import MASPlugin
from avalanche_mas.streams import TaskBenchmark
from benchmarks.methods import METHODS
from benchmarks.record.recipe import PRECISIONS
from benchmarks.run.job import Job
from benchmarks.run.runner import run
from benchmarks.run.training.precision import MixedPrecision, with_precision
from tests.benchmarks.strategies import Look, gradients, strategy_of, train, values

# Avalanche's Synaptic Intelligence hands a tensor to np.square.
pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning")

MakeJob = Callable[..., Job]
NARROW = [name for name in PRECISIONS if name != "float32"]
PLAIN = {"schedule": "constant", "learning_rate": 0.05, "gradient_clip": None, "model": "mlp"}


def test_full_precision_is_the_strategy_itself() -> None:
    for strategy in (Naive, JointTraining):
        assert with_precision(strategy, "float32") is strategy
        assert issubclass(with_precision(strategy, "bfloat16"), (strategy, MixedPrecision))


@pytest.mark.parametrize("precision", NARROW)
def test_outputs_are_near_to_those_in_full_precision_and_not_the_same(
    precision: str, make_job: MakeJob, stream: TaskBenchmark
) -> None:
    seen = {}
    for name in ("float32", precision):
        look = Look(after_forward=lambda s: s.mb_output.detach(), before_update=gradients)
        train(strategy_of(make_job("fine-tuning", **PLAIN, precision=name), stream, look), stream)
        seen[name] = look.seen
    for wide, narrow in zip(*(s["after_forward"] for s in seen.values()), strict=True):
        assert narrow.dtype == torch.float32
        assert not torch.equal(wide, narrow)
        torch.testing.assert_close(wide, narrow, rtol=0.1, atol=0.1)
    wide, narrow = (s["before_update"][0] for s in seen.values())
    for name, gradient in wide.items():
        assert narrow[name].dtype == torch.float32
        assert not torch.equal(narrow[name], gradient)
        error = float((narrow[name] - gradient).norm() / gradient.norm())
        assert error < 0.1, name  # a gradient that is still scaled would be 65536 times as large


@pytest.mark.filterwarnings("ignore:η · 2 λ Ω is up to")
@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_penaltys_gradient_is_not_scaled(
    precision: str, make_job: MakeJob, stream: TaskBenchmark
) -> None:
    """Added before the step, it equals that of a penalty in the loss, and is float32."""
    seen: dict[str, dict[str, Any]] = {}
    for penalty in ("gradient", "loss"):
        mas = MASPlugin(lambda_reg=100.0, penalty=penalty)
        look = Look(before_training_iteration=values, after_update=gradients)
        job = make_job("fine-tuning", **PLAIN, precision=precision, epochs=1)
        train(strategy_of(job, stream, look, method_plugins=[mas]), stream)
        seen[penalty] = look.seen
    held = mas._memory.held  # Ω and θ* of the first task
    weights, found = (
        seen["gradient"]["before_training_iteration"],
        seen["gradient"]["after_update"],
    )
    assert len(found) == 6
    name = "body.1.weight"
    torch.testing.assert_close(held.anchors[name], weights[3][name])  # it is the start of task 2
    own = 200.0 * held.importance[name] * (weights[5][name] - held.anchors[name])
    both = found[5][name]
    assert own.norm() > 0.1 * both.norm()
    for step in (3, 4, 5):
        others = seen["loss"]["after_update"][step]
        for key, gradient in found[step].items():
            torch.testing.assert_close(others[key], gradient, rtol=1e-2, atol=1e-3)


def test_importance_is_measured_in_full_precision(make_job: MakeJob, stream: TaskBenchmark) -> None:
    mas = MASPlugin()
    job = make_job("fine-tuning", **PLAIN, precision="bfloat16", epochs=1)
    strategy = strategy_of(job, stream, method_plugins=[mas])
    strategy.train(stream.train_stream[0], eval_streams=[])
    wide = strategy_of(make_job("fine-tuning", **PLAIN), stream, model=strategy.model)
    again = MASPlugin()
    again.update_importance(wide, stream.train_stream[0].dataset)
    for name, omega in mas.importance.items():
        assert omega.dtype == torch.float32
        torch.testing.assert_close(again.importance[name], omega)


def overflowing(step: int) -> Callable[[Any], None]:
    def grow(strategy: Any) -> None:
        if strategy.clock.train_exp_iterations == step:
            strategy.loss = strategy.loss * 1e36

    return grow


def test_a_step_that_overflows_is_left_out(make_job: MakeJob, stream: TaskBenchmark) -> None:
    look = Look(
        before_backward=overflowing(1),
        before_update=lambda s: s.scaler.get_scale(),
        after_update=values,
        after_training_iteration=gradients,
    )
    job = make_job("fine-tuning", **PLAIN, precision="float16", epochs=1)
    train(strategy_of(job, stream, look), stream)
    weights, scales = look.seen["after_update"], look.seen["before_update"]
    for name, value in weights[0].items():
        assert torch.equal(weights[1][name], value)
        assert (look.seen["after_training_iteration"][1][name] == 0).all()
        assert not torch.equal(weights[2][name], value)
    assert scales[:3] == [65536.0, 65536.0, 32768.0]
    assert scales[3] == 65536.0  # the next task starts afresh


def test_synaptic_intelligence_takes_nothing_from_a_step_that_overflows(
    make_job: MakeJob, stream: TaskBenchmark
) -> None:
    look = Look(before_backward=overflowing(1), before_update=lambda s: s.scaler.get_scale())
    job = make_job("si-repaired", **PLAIN, precision="float16", epochs=1)
    si = METHODS["si-repaired"].plugins(2.0)
    strategy = strategy_of(job, stream, look, method_plugins=si)
    train(strategy, stream)
    assert look.seen["before_update"][1:3] == [65536.0, 32768.0]
    (plugin,) = si
    for importance in plugin.ewc_data[1].values():
        assert importance.data.isfinite().all()
    assert any((importance.data > 0).any() for importance in plugin.ewc_data[1].values())
    assert all(parameter.isfinite().all() for parameter in strategy.model.parameters())


def test_gradients_are_clipped_by_their_own_norm(make_job: MakeJob, stream: TaskBenchmark) -> None:
    look = Look(before_update=gradients)
    job = make_job("fine-tuning", **{**PLAIN, "gradient_clip": 0.01}, precision="float16")
    train(strategy_of(job, stream, look), stream)
    for found in look.seen["before_update"]:
        norm = sum(float(gradient.square().sum()) for gradient in found.values()) ** 0.5
        assert norm == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("precision", NARROW)
@pytest.mark.parametrize("method", ["joint", "mas", "ewc", "si-repaired", "lwf"])
def test_methods_in_mixed_precision(
    method: str, precision: str, make_job: MakeJob, stream: TaskBenchmark
) -> None:
    job = make_job(method, model="mlp", precision=precision)
    accuracy = run(job, say=lambda _: None, stream=stream)["accuracy"]
    wide = run(make_job(method, model="mlp"), say=lambda _: None, stream=stream)["accuracy"]
    assert accuracy[-1] == pytest.approx(wide[-1], abs=0.26)
