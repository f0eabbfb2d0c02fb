"""A run that Weights & Biases tracks, beside calls of your own, and read back from its file.

`mode` "offline" needs no account: the run is a file in `wandb`, which `wandb sync` sends later.

Output:

accuracy on the first task after each task: 76, 74 %
seconds of measuring importance: 2 values
"""

import torch
import wandb
from avalanche.training import Naive
from torch import nn, optim

from avalanche_mas import MASPlugin
from avalanche_mas.logging import WandBLogger, run_files, run_history
from avalanche_mas.metrics import mas_evaluator
from avalanche_mas.models import multi_head
from avalanche_mas.streams import task_stream

torch.manual_seed(0)
benchmark = task_stream(["scenes", "letters"])  # drawn by code: nothing to download
body = nn.Sequential(
    nn.Conv2d(3, 32, 5, stride=2),
    nn.ReLU(),
    nn.Conv2d(32, 64, 3, stride=2),
    nn.ReLU(),
    nn.AdaptiveAvgPool2d(4),
    nn.Flatten(),
)
model = multi_head(body, features=1024)
logger = WandBLogger("my-project", "mas, seed 0", params={"mode": "offline"})
strategy = Naive(
    model=model,
    optimizer=optim.SGD(model.parameters(), lr=0.03, momentum=0.9),
    criterion=nn.CrossEntropyLoss(),
    train_mb_size=32,
    train_epochs=10,
    plugins=[MASPlugin(lambda_reg=0.1)],
    evaluator=mas_evaluator(loggers=[logger]),
)
for task, experience in enumerate(benchmark.train_stream, start=1):
    strategy.train(experience)
    strategy.eval(benchmark.test_stream[:task])
    wandb.log({"mine/tasks": task})  # the logger's run is wandb's global one

run_id = wandb.run.id
wandb.finish()
wandb.teardown()  # waits for wandb's own process, which writes the file

rows = run_history(*run_files("wandb", run_id)).values()
first = [row[name] for row in rows if (name := "eval/Top1_Acc_Exp/Task000/Exp000") in row]
seconds = [row[name] for row in rows if (name := "task/Importance_Seconds") in row]
print(f"accuracy on the first task after each task: {', '.join(f'{100 * a:.0f}' for a in first)} %")
print(f"seconds of measuring importance: {len(seconds)} values")
