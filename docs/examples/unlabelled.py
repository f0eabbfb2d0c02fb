"""A model whose training data are gone: importance from unlabelled images where it is used.

A classifier of scenes is delivered without its data. It is in use, so there are images, but nobody has
labelled them. Ω needs no labels: measured on these images, it holds what the model uses there while the
model learns letters with a head of its own.

Output:

scenes, as delivered: 74 %
scenes, after learning letters without MAS: 42 %; letters: 77 %
scenes, after learning letters with MAS: 73 %; letters: 67 %
"""

import copy

import torch
from torch import nn, optim
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from avalanche_mas.importance import global_importance
from avalanche_mas.penalty import QuadraticPenalty
from avalanche_mas.streams import task_stream

BENCHMARK = task_stream(["scenes", "letters"])  # drawn by code: nothing to download
SCENES, LETTERS = 0, 1
EPOCHS = 10


def train(model: nn.Module, task: int, penalty: QuadraticPenalty) -> None:
    """Train on a task, held by the penalty once it has an Ω."""
    optimizer = optim.SGD(model.parameters(), lr=0.03, momentum=0.9)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=EPOCHS)
    for _ in range(EPOCHS):
        for x, y, _ in DataLoader(
            BENCHMARK.train_stream[task].dataset, batch_size=32, shuffle=True
        ):
            optimizer.zero_grad()
            cross_entropy(model(x), y).backward()
            penalty.add_gradient(model, optimizer=optimizer)  # last, just before the step
            optimizer.step()
        schedule.step()


@torch.no_grad()
def accuracy(model: nn.Module, task: int) -> str:
    """Return the accuracy on the test data of a task."""
    x, y, _ = next(iter(DataLoader(BENCHMARK.test_stream[task].dataset, batch_size=1000)))
    return f"{100 * (model(x).argmax(1) == y).float().mean().item():.0f} %"


torch.manual_seed(0)
body = nn.Sequential(
    nn.Conv2d(3, 32, 5, stride=2),
    nn.ReLU(),
    nn.Conv2d(32, 64, 3, stride=2),
    nn.ReLU(),
    nn.AdaptiveAvgPool2d(4),
    nn.Flatten(),
)
delivered = nn.Sequential(body, nn.Linear(1024, 10))
train(delivered, SCENES, QuadraticPenalty())
print("scenes, as delivered:", accuracy(delivered, SCENES))

images = [x for x, *_ in DataLoader(BENCHMARK.valid_stream[SCENES].dataset, batch_size=50)]
for name, lambda_reg in (("without MAS", 0.0), ("with MAS", 0.1)):
    old = copy.deepcopy(delivered)
    new = nn.Sequential(old[0], nn.Linear(1024, 12))
    shared = [name for name, _ in old.named_parameters() if name.startswith("0.")]
    penalty = QuadraticPenalty(lambda_reg)
    penalty.consolidate(old, global_importance(old, images, parameters=shared))
    train(new, LETTERS, penalty)
    print(
        f"scenes, after learning letters {name}: {accuracy(old, SCENES)};"
        f" letters: {accuracy(new, LETTERS)}"
    )
