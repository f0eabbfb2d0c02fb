"""What the command line of `run` and `tune` can say: one typed dataclass, one sentence a field.

Nothing here loads PyTorch, so that `--help` and a mistyped name are answered at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from benchmarks.commands.parser import (
    Cluster,
    Count,
    Gpus,
    Norm,
    NotNegative,
    Parser,
    Positive,
    Rate,
    Seeds,
    Strength,
    add_fields,
)
from benchmarks.experiments import EXPERIMENTS
from benchmarks.methods import METHODS
from benchmarks.record.recipe import DEVICES, PRECISIONS, Recipe
from benchmarks.run.training.models import MODELS
from benchmarks.run.training.schedules import SCHEDULES

GROUPS = {
    "experiment": "what is run",
    "root": "data",
    "model": "training",
    "strength": "method",
    "device": "machine",
    "output": "tracking",
}
"""The groups of `--help`, by the field that each begins with."""


@dataclass(frozen=True)
class Options:
    """The command line of `run` and `tune`; see `plan.py` for what is `None`."""

    experiment: Annotated[str, tuple(EXPERIMENTS)]
    """What to run."""
    methods: tuple[Annotated[str, tuple(METHODS), "METHOD"], ...] | None = None
    """The methods to run (default: all that the experiment is about)."""
    tasks: tuple[Annotated[str, "TASK"], ...] | None = None
    """One sequence of tasks, by name in order (default: all of the experiment's own)."""
    pairs: bool | None = None
    """For two-tasks: every ordered pair of the tasks, both A before B and B before A."""
    orders: Positive | None = None
    """For orders: how many orders of the tasks, the given one included (default: 3)."""
    permutations: Positive | None = None
    """For permuted: how many permutations of the pixels, a task each (default: 10)."""
    seeds: Seeds = (0,)
    """How many seeds, counted from 0, or a list of them such as 0,4,7 (default: 1)."""
    evaluate_on: Literal["test", "valid"] | None = None
    """The part of the data that accuracies are of; runs on valid are for tuning, and in no report
    (default: test)."""

    root: Annotated[Path, "DIR"] | None = None
    """The folder of the real data sets (default: images drawn by code)."""
    download: bool | None = None
    """For split-mnist and permuted: fetch MNIST to DIR first, if it is not there."""
    stand_ins: tuple[Annotated[str, "TASK"], ...] = ()
    """Tasks for which other pictures, such as those in ROOT/stand-ins, may be read; mnist to divide
    MNIST's test images where the training images are not there."""
    image_size: Positive | None = None
    """Height and width of the images in pixels (default: by the network)."""

    model: Annotated[str, tuple(MODELS)] | None = None
    """The network (default: squeezenet on real data, small-cnn on drawn)."""
    weights: Annotated[str, "FILE|none|auto"] = "auto"
    """Where the network starts: a file of torchvision's weights for it; none for random ones; auto
    for those in torch's download folder, in a folder weights in or beside the data, or else
    downloaded (default: auto)."""
    epochs: Positive | None = None
    """Passes over a task's training images (default: by the network or the experiment)."""
    first_epochs: Positive | None = None
    """Passes over the first task's (default: 10 in split-mnist, else as over the others)."""
    batch_size: Positive | None = None
    """Images per training step (default: 32, of digits 200)."""
    learning_rate: Rate | None = None
    """The highest learning rate (default: by the network)."""
    backbone_learning_rate: Rate | None = None
    """The highest learning rate of all but the heads (default: that of the heads)."""
    schedule: Annotated[str, tuple(SCHEDULES)] | None = None
    """The course of the learning rate over a task: one-cycle rises and falls; plateau drops tenfold
    after 5 epochs without gain of validation accuracy, and training stops after 10 (default:
    one-cycle, in split-mnist constant)."""
    weight_decay: Annotated[NotNegative, "SHARE"] = Recipe.weight_decay
    """The share of each weight that SGD adds to its gradient (default: 0)."""
    patience: Positive | None = Recipe.patience
    """Stop the training on a task after N epochs without gain of accuracy on its validation data,
    and put back the weights of the best epoch (default: never; 10 with plateau)."""
    gradient_clip: Norm = Recipe.gradient_clip
    """The largest 2-norm of the gradient (default: 5)."""
    precision: Annotated[str, PRECISIONS] = Recipe.precision
    """The precision of the forward passes; all else is float32 (default: float32)."""

    strength: tuple[Strength, ...] = ()
    """The strength of one method, such as mas=0.1, where --lambda would give all of them the same
    (default: the tuned one, or else the usual one)."""
    lambda_: tuple[NotNegative, ...] = ()
    """The strengths of all methods that have one, a run for each: their trade-off curves."""
    choose: Literal["framework"] | None = None
    """How learning rate and strength are chosen for every task: framework for that of De Lange et
    al., by trials on the new task's validation data, from --learning-rate and each method's own
    high strength downwards (default: both are fixed)."""

    device: Annotated[str, DEVICES] = Recipe.device
    """Where the network is trained (default: cpu)."""
    threads: Positive | None = None
    """Threads of each run (default: the cores shared among the jobs; 1 on a cluster)."""
    jobs: Positive | None = None
    """Runs at a time, each a process of its own (default: as many as there are cores; on a cluster
    as many as its nodes hold)."""
    engine: Literal["local", "ray"] = "local"
    """Where the runs are executed: on this machine, or on a Ray cluster (default: local)."""
    address: Cluster | None = None
    """The Ray cluster, of which this machine is a node (default: RAY_ADDRESS, or else one that is
    started on this machine and ends with the command)."""
    gpus: Gpus = 0.0
    """GPUs that Ray sets aside for each run; with 0.5 two runs share one (default: 0)."""
    retries: Count = 2
    """How often a run is tried again whose process or node was lost; a run that ends in an error of
    its own is not (default: 2)."""

    output: Annotated[Path, "DIR"] = Path("runs")
    """The folder of the run folders (default: runs)."""
    wandb: Literal["offline", "online", "disabled"] = "disabled"
    """Weights & Biases logging (default: disabled)."""
    tensorboard: bool = False
    """Write TensorBoard's event files into the run folders."""


def parse(command: str, description: str, words: Sequence[str]) -> Options:
    """Return the options on the command line of `python -m benchmarks COMMAND`."""
    name = f"python -m benchmarks {command}"
    listed = "\n".join(f"  {entry.name:<17}{entry.source}" for entry in EXPERIMENTS.values())
    parser = Parser(
        prog=name,
        usage=f"{name} {{{','.join(EXPERIMENTS)}}} [options]",
        description=description,
        epilog=f"experiments:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    add_fields(parser, Options, GROUPS)
    given = vars(parser.parse_args(words))
    values: Any = {name: tuple(v) if isinstance(v, list) else v for name, v in given.items()}
    return Options(**values)
