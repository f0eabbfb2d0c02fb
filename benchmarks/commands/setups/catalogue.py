"""The set-ups that are compared, as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

import torch
from avalanche.training import Naive
from torch import nn
from torch.optim import LBFGS, SGD, Adam, AdamW, Optimizer, RMSprop

from benchmarks.commands.setups import parts as add
from benchmarks.commands.setups.hand import Mas
from benchmarks.commands.setups.strategies import Accumulating, Closing, Mixed, Scaled

Make: TypeAlias = Callable[[nn.Module], Optimizer]


def _with(kind: Callable[..., Optimizer], **options: Any) -> Make:
    return lambda model: kind(model.parameters(), **options)


def _two_rates(model: nn.Module) -> Optimizer:
    first, *others = model.parameters()
    groups: list[dict[str, Any]] = [{"params": [first], "lr": 0.02}, {"params": others}]
    return SGD(groups, lr=0.1, momentum=0.9)


PER_EPOCH = add.Decay(0.5, every=4, per_epoch=True)  # of four steps
_PLAIN = _with(SGD, lr=0.1)
_MOMENTUM = _with(SGD, lr=0.05, momentum=0.9)
_LBFGS = partial(_with, LBFGS, lr=0.1, max_iter=3, history_size=5)


@dataclass(frozen=True)
class Case:
    """A set-up.

    Args:
        name: Its name in the table.
        optimizer: Makes the optimizer of a network.
        parts: What is added to training, tried in every order; the first `Mas` in every form.
        kind: The class of Avalanche's strategy.
        by_hand: The options of the loop by hand that say the same.
        stream: "tasks", one after another; "joint", the first two of them at once; "online", in
            pieces; or "pieces", each of which counts as a task.
        refused: The forms that the plugin refuses.
        dtype: The type of the parameters.
        tolerance: The largest relative difference that counts as the same.
    """

    name: str
    optimizer: Make = _MOMENTUM
    parts: tuple[Any, ...] = (Mas(),)
    kind: type = Naive
    by_hand: Mapping[str, Any] = field(default_factory=dict)
    stream: str = "tasks"
    refused: tuple[str, ...] = ()
    dtype: torch.dtype = torch.float64
    tolerance: float = 1e-9


_low = partial(Case, dtype=torch.float32, tolerance=1e-3)

CASES = (
    Case("SGD", _PLAIN),
    Case("SGD with momentum"),
    Case("SGD with Nesterov momentum", _with(SGD, lr=0.05, momentum=0.9, nesterov=True)),
    Case("SGD with weight decay", _with(SGD, lr=0.1, weight_decay=0.1)),
    Case("SGD with two learning rates", _two_rates),
    Case("Adam", _with(Adam, lr=0.02)),
    Case("AdamW", _with(AdamW, lr=0.02, weight_decay=0.1)),
    Case("RMSprop", _with(RMSprop, lr=0.01)),
    Case("LBFGS", _LBFGS(), kind=Closing),
    Case(
        "LBFGS with a line search",
        _LBFGS(line_search_fn="strong_wolfe"),
        kind=Closing,
        refused=("damped", "gradient"),
    ),
    _low("bfloat16 autocast", kind=Mixed, by_hand={"autocast": torch.bfloat16}),
    _low(
        "float16 autocast, `GradScaler`",
        kind=Scaled,
        by_hand={"autocast": torch.float16, "scale": 1024.0},
    ),
    Case("Accumulation", kind=Accumulating, by_hand={"accumulate": 2}, refused=("loss",)),
    Case("Clipping by norm", parts=(Mas(), add.Clip(0.5))),
    Case("Clipping by value", parts=(add.Clip(0.05, by_entry=True), Mas())),
    Case("Schedule by epoch", parts=(Mas(), PER_EPOCH)),
    Case("Schedule by iteration", parts=(Mas(), add.Decay(0.5, every=5))),
    Case("EMA of the weights", parts=(Mas(), add.Average())),
    Case("Early stopping", parts=(Mas(), add.Stop(patience=1))),
    Case("A layer frozen in task 2", parts=(Mas(), add.Freeze("0", 1))),
    Case("A layer thawed in task 2", parts=(Mas(), add.Freeze("0", 0))),
    Case("Replay", parts=(Mas(), add.Replay())),
    Case("LwF", parts=(Mas(), add.Distil())),
    Case("EWC", parts=(Mas(), add.Ewc(10.0))),
    Case("A-GEM", parts=(Mas(), add.Project())),
    Case("Two MAS plugins, one in the loss", parts=(Mas(), Mas("loss", 0.2, 0.5))),
    Case(
        "Two MAS plugins, one as a gradient",
        parts=(Mas(), Mas("gradient", 0.2, 0.5)),
        refused=("damped",),
    ),
    Case("Joint training on two tasks, then a third", _PLAIN, stream="joint"),
    Case("Online, boundaries known", stream="online"),
    Case("Online, boundaries unknown", stream="pieces"),
    Case("MAS, replay, schedule, EMA", parts=(Mas(), add.Replay(), PER_EPOCH, add.Average())),
    Case("MAS, LwF, EWC, EMA", parts=(Mas(), add.Distil(), add.Ewc(10.0), add.Average())),
    Case("MAS, A-GEM, clipping", parts=(Mas(), add.Project(), add.Clip(0.5))),
)
