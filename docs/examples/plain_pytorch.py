"""MAS without Avalanche: three calls in a training loop of your own.

Two tasks share a body, each with a head of its own. After the first, `global_importance` measures Ω and
`consolidate` keeps it with the parameters θ*; while the second is learned, `add_gradient` holds the body.

Output:

without MAS: task 1 learned to 100 %, task 2 to 100 %; then task 1 has 53 %
with MAS: task 1 learned to 100 %, task 2 to 99 %; then task 1 has 100 %
"""

import torch
from torch import Tensor, nn, optim
from torch.nn.functional import cross_entropy

from avalanche_mas.importance import global_importance
from avalanche_mas.penalty import QuadraticPenalty

EPOCHS = 20


def task(first: int) -> tuple[Tensor, Tensor]:
    """Return inputs [2000, 20] and labels [2000]: which of five features, from this one on, is largest."""
    x = torch.randn(2000, 20)
    return x, x[:, first : first + 5].argmax(1)


def train(model: nn.Module, x: Tensor, y: Tensor, penalty: QuadraticPenalty) -> None:
    """Train by SGD, held by the penalty once it has an Ω."""
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=EPOCHS)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(x)).split(32):
            optimizer.zero_grad()
            cross_entropy(model(x[batch]), y[batch]).backward()
            penalty.add_gradient(model, optimizer=optimizer)  # last, just before the step
            optimizer.step()
        schedule.step()


@torch.no_grad()
def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> str:
    """Return the accuracy."""
    return f"{100 * (model(x).argmax(1) == y).float().mean().item():.0f} %"


for name, lambda_reg in (("without MAS", 0.0), ("with MAS", 0.01)):
    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(20, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU())
    first, second = (nn.Sequential(body, nn.Linear(128, 5)) for _ in range(2))
    x, y = task(0)
    new_x, new_y = task(10)
    penalty = QuadraticPenalty(lambda_reg)

    train(first, x, y, penalty)
    learned = accuracy(first, x, y)
    shared = [name for name, _ in first.named_parameters() if name.startswith("0.")]
    penalty.consolidate(first, global_importance(first, x.split(250), parameters=shared))

    train(second, new_x, new_y, penalty)
    print(
        f"{name}: task 1 learned to {learned}, task 2 to {accuracy(second, new_x, new_y)};"
        f" then task 1 has {accuracy(first, x, y)}"
    )
