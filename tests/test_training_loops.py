"""The loops of docs/training-loops.md, step by step beside one written out by hand."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from avalanche_mas.penalty import QuadraticPenalty
from tests.plugins.cases import assert_close, assert_equal, weights
from tests.plugins.stepping import BATCH, LR, learned, linear

pytestmark = pytest.mark.filterwarnings("ignore:No loggers specified")

PAGE = Path(__file__).parents[1] / "docs" / "training-loops.md"
FORMS = ["damped", "gradient", "loss"]
SCALE, CLIP, STRENGTH = 2.0**20, 0.1, 0.5
"""The first scale, at which float16 overflows; the bound of the page's blocks; and λ."""

Batches = list[tuple[Tensor, Tensor]]


@cache
def block(title: str, form: str = "damped") -> Mapping[str, Any]:
    """Execute the block below a title, up to the lines that use what it defines."""
    section = PAGE.read_text("utf-8").split(f"# {title}\n")[1]
    (code, *_) = re.findall(r"```python\n(.*?)```", section, re.S)
    code = code.split("\ntorch.manual_seed")[0]
    if form == "gradient":
        code = code.replace("(model, optimizer=optimizer)", "(model)")
    names: dict[str, Any] = {"__name__": "block"}
    exec(code, names)
    return names


def loop(title: str, form: str) -> Any:
    return block(title, form)["train_with_the_value" if form == "loss" else "train"]


def by_hand(
    model: nn.Module,
    penalty: Any,
    steps: Sequence[Batches],
    form: str,
    *,
    precision: torch.dtype | None = None,
    scale: float = 1.0,
    clipped: str = "",
    momentum: float = 0.9,
) -> tuple[nn.Module, int]:
    """SGD with momentum and the penalty; also returns how many steps were left out."""
    model, buffers, left_out = copy.deepcopy(model), dict[str, Tensor](), 0
    for micro in steps:
        model.zero_grad()
        for x, y in micro:
            with torch.autocast("cpu", precision, enabled=precision is not None):
                loss = nn.functional.cross_entropy(model(x), y)
            (scale * loss / len(micro)).backward()
        task = {n: p.grad.double() / scale for n, p in model.named_parameters()}
        if not all(g.isfinite().all() for g in task.values()):
            scale, left_out = scale / 2, left_out + 1
            continue
        if clipped == "task":
            task = clip(task)
        h = {n: 2 * penalty.lambda_reg * penalty.importance[n].double() for n in task}
        moved = {n: p.detach() - penalty.anchors[n] for n, p in model.named_parameters()}
        whole = {n: task[n] + h[n] * moved[n] for n in task}
        if form == "damped":
            whole = {n: g / (1 + LR * h[n]) for n, g in whole.items()}
        if clipped == "sum":
            whole = clip(whole)
        with torch.no_grad():
            for n, p in model.named_parameters():
                buffers[n] = momentum * buffers[n] + whole[n] if n in buffers else whole[n]
                p.sub_(buffers[n], alpha=LR)
    return model, left_out


def clip(gradients: dict[str, Tensor]) -> dict[str, Tensor]:
    norm = torch.stack([g.square().sum() for g in gradients.values()]).sum().sqrt()
    assert norm > CLIP
    return {name: g * CLIP / norm for name, g in gradients.items()}


def start(count: int = 8) -> tuple[nn.Module, QuadraticPenalty, torch.optim.Optimizer, Batches]:
    """A model with a penalty, its optimizer, and batches."""
    model, penalty = linear(), QuadraticPenalty(STRENGTH)
    torch.manual_seed(0)
    omega = {name: 3 * torch.rand(p.shape) for name, p in model.named_parameters()}
    penalty.consolidate(model, omega)
    batches = [(torch.randn(BATCH, 5), torch.randint(3, (BATCH,))) for _ in range(count)]
    return model, penalty, torch.optim.SGD(model.parameters(), LR, momentum=0.9), batches


def assert_same_training(model: nn.Module, expected: nn.Module) -> None:
    assert_close(weights(model), weights(expected), rtol=1e-5)


@pytest.mark.parametrize("form", ["damped", "gradient"])
def test_bfloat16(form: str) -> None:
    model, penalty, optimizer, batches = start()
    steps = [[batch] for batch in batches]
    expected, _ = by_hand(model, penalty, steps, form, precision=torch.bfloat16)
    loop("bfloat16", form)(model, optimizer, penalty, batches)
    assert_same_training(model, expected)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_float16(form: str, fused: bool) -> None:
    """The first steps overflow, and are left out with their penalty."""
    model, penalty, optimizer, batches = start(16)
    half: dict[str, Any] = {"precision": torch.float16, "scale": SCALE}
    if fused:  # without momentum, which torch begins with anything where the first step is left out
        optimizer, half["momentum"] = torch.optim.SGD(model.parameters(), LR, fused=True), 0
    expected, left_out = by_hand(model, penalty, [[batch] for batch in batches], form, **half)
    scaler = torch.amp.GradScaler("cpu", init_scale=SCALE)
    loop("float16 with a GradScaler", form)(model, optimizer, penalty, batches, scaler)
    assert_same_training(model, expected)
    assert scaler.get_scale() == SCALE / 2**left_out
    assert 1 < left_out < 8


@pytest.mark.parametrize("form", FORMS)
def test_accumulation(form: str) -> None:
    model, penalty, optimizer, batches = start(11)
    steps = [batches[k : k + 3] for k in (0, 3, 6)]  # two are left over
    expected, _ = by_hand(model, penalty, steps, form)
    loop("Accumulation", form)(model, optimizer, penalty, batches, 3)
    assert_same_training(model, expected)


@pytest.mark.parametrize("clipped", ["task", "sum"])
@pytest.mark.parametrize("form", ["damped", "gradient"])
def test_clipping(form: str, clipped: str) -> None:
    model, penalty, optimizer, batches = start()
    expected, _ = by_hand(model, penalty, [[b] for b in batches], form, clipped=clipped)
    loop("Clipping", form)(model, optimizer, penalty, batches, clip_first=clipped == "task")
    assert_same_training(model, expected)


def recording(kind: type) -> type:
    """A strategy of the page that keeps the batches it trains on, and begins with the high scale."""

    class Recording(kind):  # type: ignore[misc]
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.seen: Batches = []

        def _before_training_exp(self, **options: Any) -> None:
            super()._before_training_exp(**options)
            self.seen.clear()
            if hasattr(self, "scaler"):
                self.scaler = torch.amp.GradScaler("cpu", init_scale=SCALE)

        def forward(self) -> Tensor:
            self.seen.append((self.mb_x, self.mb_y))
            return super().forward()

    return Recording


KINDS: dict[str, dict[str, Any]] = {
    "Mixed": {"precision": torch.float16, "scale": SCALE},
    "Clipped": {"precision": torch.float16, "scale": SCALE, "clipped": "task"},
    "Accumulating": {},
    "Naive": {"clipped": "task"},
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_strategies(kind: str, form: str) -> None:
    names, how = block("An Avalanche strategy"), dict(KINDS[kind])
    parts = 2 if kind == "Accumulating" else 1
    strategy, plugin, task = learned(
        recording(names[kind]), STRENGTH, form, train_epochs=3 if how.get("scale") else 1
    )
    if kind == "Naive":
        strategy.plugins.append(names["Clip"]())
    before, held = copy.deepcopy(strategy.model), copy.deepcopy(plugin)
    if kind == "Accumulating" and form == "loss":
        with pytest.raises(RuntimeError, match="once per backward pass"):
            strategy.train(task)
        return
    if how.get("clipped") and form == "loss":
        how["clipped"] = "sum"
    strategy.train(task, reset_optimizer_state=True)
    steps = [strategy.seen[k : k + parts] for k in range(0, len(strategy.seen), parts)]
    expected, left_out = by_hand(before, held, steps, form, **how)
    assert_same_training(strategy.model, expected)
    assert left_out > 1 or not how.get("scale")


def test_a_plugin_tells_of_an_epoch_of_steps_that_are_all_left_out() -> None:
    kind = recording(block("An Avalanche strategy")["Mixed"])
    strategy, _, task = learned(kind, train_epochs=3)
    strategy.criterion = lambda: torch.tensor(math.inf) * strategy.mb_output.sum()
    before = weights(strategy.model)
    with pytest.warns(UserWarning, match="a GradScaler has left all of them out"):
        strategy.train(task)
    assert_equal(weights(strategy.model), before)


def test_an_epoch_of_steps_that_are_all_left_out_changes_nothing() -> None:
    model, penalty, optimizer, batches = start(3)
    before = weights(model)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40)
    loop("float16 with a GradScaler", "damped")(model, optimizer, penalty, batches, scaler)
    assert_equal(weights(model), before)
    assert not optimizer.state
