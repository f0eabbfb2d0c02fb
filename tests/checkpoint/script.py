"""A user's script with checkpoints: ``script.py FOLDER KIND [KILL_AT]``.

Prints the numbers that the run ends with as JSON. KILL_AT is a count of what happens in the process
(batches, evaluations, layers measured, files written), at which it is killed.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

warnings.simplefilter("ignore")

from avalanche.evaluation.metrics import (  # noqa: E402
    accuracy_metrics,
    bwt_metrics,
    forgetting_metrics,
    loss_metrics,
)
from avalanche.logging import BaseLogger  # noqa: E402
from avalanche.training import Cumulative, Naive  # noqa: E402
from avalanche.training.plugins import (  # noqa: E402
    EarlyStoppingPlugin,
    EvaluationPlugin,
    EWCPlugin,
    LRSchedulerPlugin,
    LwFPlugin,
    ReplayPlugin,
    SynapticIntelligencePlugin,
)
from avalanche.training.storage_policy import ClassBalancedBuffer, ReservoirSamplingBuffer  # noqa: E402
from torch import nn  # noqa: E402

from avalanche_mas import MASPlugin  # noqa: E402
from avalanche_mas.checkpoint import Checkpoints  # noqa: E402
from avalanche_mas.metrics import AccuracyMatrix  # noqa: E402
from tests.plugins.cases import Growing, MultiHead, class_incremental, task_incremental  # noqa: E402

Happened = Callable[[], None]


def killing(kill_at: int) -> Happened:
    """Kill this process when so much has happened: batches, and files opened, renamed or removed."""
    events = 0

    def happen() -> None:
        nonlocal events
        events += 1
        if events == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(event: str, _: tuple[Any, ...]) -> None:
        if event in ("open", "os.rename", "os.remove"):
            happen()

    sys.addaudithook(audit)
    return happen


def plugins_of(kind: str, optimizer: torch.optim.Optimizer) -> list[Any]:
    if kind == "replay":
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 60)
        return [
            MASPlugin(1.0, accumulation="sum"),
            ReplayPlugin(12, storage_policy=ReservoirSamplingBuffer(12)),
            LRSchedulerPlugin(scheduler, step_granularity="iteration"),
        ]
    if kind == "class-replay":
        return [
            MASPlugin(1.0, accumulation="sum"),
            ReplayPlugin(12, storage_policy=ClassBalancedBuffer(12)),
        ]
    if kind == "cumulative":
        return [MASPlugin(1.0, accumulation="sum")]
    if kind == "ewc-lwf":
        return [EWCPlugin(0.4), LwFPlugin(), MASPlugin(1.0, alpha=0.5)]
    if kind == "si":
        return [SynapticIntelligencePlugin(0.1), MASPlugin(1.0, accumulation="sum")]
    return [
        MASPlugin(1.0, accumulation="sum"),
        EarlyStoppingPlugin(2, "test", peval_mode="epoch"),
    ]


def run(folder: str, kind: str, happen: Happened = lambda: None, **options: Any) -> dict[str, Any]:
    """Run the script to its end, and return its numbers."""
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002 - a user's script
    torch.manual_seed(1)
    multi = kind != "si"
    benchmark = (task_incremental if multi else class_incremental)(3, parts=("train", "test"))
    model: nn.Module = MultiHead() if multi else Growing()
    optimizer: torch.optim.Optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    if kind == "si":
        optimizer = torch.optim.Adam(model.parameters(), 0.01)
    matrix = AccuracyMatrix("test")
    evaluator = EvaluationPlugin(
        accuracy_metrics(minibatch=True, epoch=True, experience=True, stream=True),
        loss_metrics(epoch_running=True, experience=True),
        forgetting_metrics(experience=True, stream=True),
        bwt_metrics(experience=True),
        matrix,
        loggers=[BaseLogger()],
    )
    checkpoints = Checkpoints(folder, every_steps=3, every_minutes=None, **options)
    strategy = (Cumulative if kind == "cumulative" else Naive)(
        model=model,
        optimizer=optimizer,
        criterion=nn.CrossEntropyLoss(),
        train_mb_size=4,
        train_epochs=3,
        eval_mb_size=7,
        evaluator=evaluator,
        eval_every=1 if kind == "stop" else -1,
        plugins=[*plugins_of(kind, optimizer), checkpoints],
    )
    forward = strategy.forward

    def counted() -> Any:
        happen()
        return forward()

    strategy.forward = counted
    for experience in checkpoints.remaining(strategy, benchmark.train_stream):
        if kind == "stop":
            strategy.train(experience, eval_streams=[benchmark.test_stream])
        else:
            strategy.train(experience)
        strategy.eval(benchmark.test_stream)
    return numbers(strategy, matrix)


def numbers(strategy: Any, matrix: AccuracyMatrix) -> dict[str, Any]:
    found: dict[str, Any] = {"matrix": np.nan_to_num(matrix.matrix, nan=-1).tolist()}
    found["model"] = {name: digest(each) for name, each in strategy.model.state_dict().items()}
    found["metrics"] = {
        name: [xs, [digest(torch.as_tensor(v)) for v in values]]
        for name, (xs, values) in strategy.evaluator.get_all_metrics().items()
    }
    for plugin in strategy.plugins:
        if isinstance(plugin, MASPlugin):
            penalty = plugin.quadratic_penalty
            found["omega"] = {name: digest(each) for name, each in penalty.importance.items()}
            found["anchors"] = {name: digest(each) for name, each in penalty.anchors.items()}
    found["random"] = [random.random(), float(torch.rand(()))]
    found["random"].append(float(np.random.rand()))  # noqa: NPY002 - as above
    return found


def digest(tensor: torch.Tensor) -> str:
    content = tensor.detach().cpu().flatten().view(torch.uint8)  # NumPy knows no bfloat16
    return hashlib.sha256(content.numpy().tobytes()).hexdigest()[:16]


if __name__ == "__main__":
    kill_at = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    print(json.dumps(run(sys.argv[1], sys.argv[2], killing(kill_at) if kill_at else lambda: None)))
