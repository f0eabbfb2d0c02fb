"""MAS in an Avalanche script that is already there.

The script has everything that Avalanche scripts have: a benchmark, a model, a strategy and an evaluation
plugin. A strategy without the plugin becomes MAS by `plugins=[MASPlugin(...)]`. A script that uses
Avalanche's own `MASPlugin` needs another import and another λ, because Ω is larger here:
`docs/from-avalanche.md` says why, and by how much.

Output:

without MAS: 25, 75, 88 %
with MAS: 71, 66, 78 %
"""

from pathlib import Path

import torch
from avalanche.evaluation.metrics import accuracy_metrics
from avalanche.logging import TextLogger
from avalanche.training import Naive
from avalanche.training.plugins import EvaluationPlugin
from torch import nn, optim

from avalanche_mas import MASPlugin  # instead of: from avalanche.training.plugins import MASPlugin
from avalanche_mas.models import multi_head
from avalanche_mas.streams import task_stream


def accuracies(plugins: list) -> str:
    """Train on three tasks, one after the other, and return the accuracy on each at the end."""
    torch.manual_seed(0)
    benchmark = task_stream(["scenes", "letters", "svhn"])  # drawn by code: nothing to download
    body = nn.Sequential(
        nn.Conv2d(3, 32, 5, stride=2),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, stride=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
    )
    model = multi_head(body, features=1024)  # a head per task
    with Path("log.txt").open("a") as log:
        strategy = Naive(
            model=model,
            optimizer=optim.SGD(model.parameters(), lr=0.03, momentum=0.9),
            criterion=nn.CrossEntropyLoss(),
            train_mb_size=32,
            train_epochs=10,
            plugins=plugins,
            evaluator=EvaluationPlugin(
                accuracy_metrics(experience=True), loggers=[TextLogger(log)]
            ),
        )
        for task, experience in enumerate(benchmark.train_stream, start=1):
            strategy.train(experience)
            results = strategy.eval(benchmark.test_stream[:task])
    return ", ".join(f"{100 * accuracy:.0f}" for _, accuracy in sorted(results.items())) + " %"


print("without MAS:", accuracies([]))
print("with MAS:", accuracies([MASPlugin(lambda_reg=0.1)]))
