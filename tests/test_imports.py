"""What imports matplotlib and wandb: our modules only where they draw, or log to W&B."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.processes import run_python

BLOCKED = """
import builtins

real = builtins.__import__

def refuse(name, globals=None, locals=None, fromlist=(), level=0):
    asking = (globals or {}).get("__name__", "")
    if level == 0 and name.split(".")[0] in ("matplotlib", "wandb") and asking.startswith("avalanche_mas"):
        raise ImportError(f"{asking} imports {name}")
    return real(name, globals, locals, fromlist, level)

builtins.__import__ = refuse
"""

TRAINED = """
import torch
from torch import nn

import avalanche_mas.models
import avalanche_mas.plugins
from avalanche_mas import MAS
from avalanche_mas.checkpoint import Checkpoints
from avalanche_mas.importance import global_importance, local_importance
from avalanche_mas.logging import TableLogger
from avalanche_mas.metrics import mas_evaluator
from avalanche_mas.penalty import QuadraticPenalty
from avalanche_mas.streams import task_stream
from tests.plugins.cases import domain_incremental, single_head

assert task_stream(["flowers", "birds"]).train_stream[1].dataset[0][0].shape[0] == 3
benchmark, model = domain_incremental(2, ("train", "test")), single_head()
strategy = MAS(
    model,
    torch.optim.SGD(model.parameters(), lr=0.1),
    nn.CrossEntropyLoss(),
    train_mb_size=6,
    evaluator=mas_evaluator(loggers=[TableLogger("metrics.csv")]),
    plugins=[checkpoints := Checkpoints("checkpoints")],
)
for experience in checkpoints.remaining(strategy, benchmark.train_stream):
    strategy.train(experience)
    strategy.eval(benchmark.test_stream)
strategy.mas.save("mas.safetensors")
omega = global_importance(model.eval(), [torch.ones(2, 5)])
print(omega.summary(), local_importance(model, [torch.ones(2, 5)]), QuadraticPenalty(), strategy.mas)
"""

NOTHING = """
import sys

import avalanche_mas.metrics
from avalanche_mas import importance, penalty

importance.histogram_figure, importance.layers_figure, importance.Importance.histogram
penalty.QuadraticPenalty, avalanche_mas.metrics.average_accuracy
assert not {"avalanche", "matplotlib", "wandb"} & set(sys.modules)
"""


@pytest.mark.parametrize("code", [BLOCKED + TRAINED, NOTHING], ids=["trained", "without Avalanche"])
def test_ours_works_without(code: str, tmp_path: Path) -> None:
    done = run_python("-W", "ignore", "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
