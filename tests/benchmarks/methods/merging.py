"""What IMM must merge, computed slowly."""

from __future__ import annotations

from typing import Any

import torch
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor

from avalanche_mas.plugins import TaskOutput, batches_of, task_labels_of
from benchmarks.methods._imm import FLOOR, IMMPlugin
from tests.benchmarks.methods.cases import Seen
from tests.plugins.cases import SCENARIOS, strategy_for, weights
from tests.reference import slow_fisher

MERGES = ["mean", "mode"]
Named = dict[str, Tensor]


class Truth(SupervisedPlugin):
    """A plugin that keeps each task's weights and Fisher information, and what evaluation sees."""

    def __init__(self) -> None:
        super().__init__()
        self.own: Seen = []
        self.fisher: Seen = []
        self.evaluated: Seen = []

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        model, experience = strategy.model, strategy.experience
        self.own.append(weights(model))
        data = experience.dataset
        outputs = TaskOutput(data, strategy.device, task_labels_of(experience))
        batches = batches_of(data, strategy.train_mb_size, num_workers=0)
        with torch.random.fork_rng(devices=[]):
            self.fisher.append(slow_fisher(model, batches, outputs))

    def before_eval_iteration(self, strategy: Any, **_: Any) -> None:
        self.evaluated.append(weights(strategy.model))

    def merged(self, merge: str) -> Named:
        """Return the merged weights in float64; heads are those of the last task that trained them."""
        result = {}
        for name, last in self.own[-1].items():
            if name.startswith("head.") or not last.is_floating_point():
                result[name] = last
                continue
            each = [own[name].double() for own in self.own]
            factors = [torch.ones(()).double()] * len(each)
            if merge == "mode" and "running" not in name:
                factors = [fisher[name] + FLOOR for fisher in self.fisher]
            total = sum(f * value for f, value in zip(factors, each, strict=True))
            result[name] = total / sum(factors)
        return result


def trained(
    scenario: str, plugin: IMMPlugin, tasks: int = 3, **options: Any
) -> tuple[Any, Truth, Any]:
    """Return a strategy that has learned some tasks without evaluation in between."""
    torch.manual_seed(0)
    benchmark, model = (make() for make in SCENARIOS[scenario])
    truth = Truth()
    strategy = strategy_for(model, plugin, truth, **options)
    for experience in benchmark.train_stream[:tasks]:
        strategy.train(experience, eval_streams=[])
    return strategy, truth, benchmark


def fail(_: Any) -> None:
    raise KeyboardInterrupt
