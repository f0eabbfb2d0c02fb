"""What the command line of `run` and `tune` can say: one dataclass, one sentence a field.

Nothing here loads PyTorch, so that `--help` and a mistyped name are answered at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from benchmarks.commands import arguments
from benchmarks.experiments import EXPERIMENTS
from benchmarks.methods import METHODS
from benchmarks.record.recipe import DEVICES, PRECISIONS, Recipe
from benchmarks.run.training.models import MODELS
from benchmarks.run.training.schedules import SCHEDULES


def _option(default: Any, sentence: str, **how: Any) -> Any:
    """Declare a field: its default, its sentence of help, and how argparse is to read it."""
    return field(default=default, metadata={"help": sentence, **how})


@dataclass(frozen=True)
class Options:
    """The command line of `run` and `tune`; see `plan.py` for what is `None`."""

    experiment: str = _option("", "What to run.", choices=tuple(EXPERIMENTS))
    methods: tuple[str, ...] | None = _option(
        None,
        "The methods to run (default: all that the experiment is about).",
        nargs="+",
        choices=tuple(METHODS),
        metavar="METHOD",
    )
    tasks: tuple[str, ...] | None = _option(
        None,
        "One sequence of tasks, by name in order (default: all of the experiment's own).",
        nargs="+",
        metavar="TASK",
    )
    pairs: bool | None = _option(
        None,
        "For two-tasks: every ordered pair of the tasks, both A before B and B before A.",
        action="store_true",
    )
    orders: int | None = _option(
        None,
        "For orders: how many orders of the tasks, the given one included (default: 3).",
        type=arguments.positive,
        metavar="N",
    )
    permutations: int | None = _option(
        None,
        "For permuted: how many permutations of the pixels, a task each (default: 10).",
        type=arguments.positive,
        metavar="N",
    )
    root: Path | None = _option(  # noqa: RUF009 - it makes a dataclass field
        None,
        "The folder of the real data sets (default: images drawn by code).",
        type=Path,
        metavar="DIR",
    )
    download: bool | None = _option(
        None,
        "For split-mnist and permuted: fetch MNIST to DIR first, if it is not there.",
        action="store_true",
    )
    stand_ins: tuple[str, ...] = _option(
        (),
        "Tasks for which other pictures, such as those in ROOT/stand-ins, may be read; mnist to "
        "divide MNIST's test images where the training images are not there.",
        nargs="+",
        metavar="TASK",
    )
    seeds: tuple[int, ...] = _option(
        (0,),
        "How many seeds, counted from 0, or a list of them such as 0,4,7 (default: 1).",
        type=arguments.seeds,
        metavar="N",
    )
    epochs: int | None = _option(
        None,
        "Passes over a task's training images (default: by the network or the experiment).",
        type=arguments.positive,
        metavar="N",
    )
    first_epochs: int | None = _option(
        None,
        "Passes over the first task's (default: 10 in split-mnist, else as over the others).",
        type=arguments.positive,
        metavar="N",
    )
    batch_size: int | None = _option(
        None,
        "Images per training step (default: 32, of digits 200).",
        type=arguments.positive,
        metavar="N",
    )
    learning_rate: float | None = _option(
        None,
        "The highest learning rate (default: by the network).",
        type=arguments.rate,
        metavar="RATE",
    )
    backbone_learning_rate: float | None = _option(
        None,
        "The highest learning rate of all but the heads (default: that of the heads).",
        type=arguments.rate,
        metavar="RATE",
    )
    schedule: str | None = _option(
        None,
        "The course of the learning rate over a task: one-cycle rises and falls; plateau drops "
        "tenfold after 5 epochs without gain of validation accuracy, and training stops after 10 "
        "(default: one-cycle, in split-mnist constant).",
        choices=tuple(SCHEDULES),
    )
    weight_decay: float = _option(
        Recipe.weight_decay,
        "The share of each weight that SGD adds to its gradient (default: 0).",
        type=arguments.not_negative,
        metavar="SHARE",
    )
    patience: int | None = _option(
        Recipe.patience,
        "Stop the training on a task after N epochs without gain of accuracy on its validation "
        "data, and put back the weights of the best epoch (default: never; 10 with plateau).",
        type=arguments.positive,
        metavar="N",
    )
    gradient_clip: float | None = _option(
        Recipe.gradient_clip,
        "The largest 2-norm of the gradient (default: 5).",
        type=arguments.norm,
        metavar="NORM|none",
    )
    precision: str = _option(
        Recipe.precision,
        "The precision of the forward passes; all else is float32 (default: float32).",
        choices=PRECISIONS,
    )
    device: str = _option(
        Recipe.device, "Where the network is trained (default: cpu).", choices=DEVICES
    )
    strength: tuple[tuple[str, float], ...] = _option(
        (),
        "A method's strength, such as mas=0.1 (default: the tuned one, or else the usual one).",
        type=arguments.strength,
        action="append",
        metavar="METHOD=VALUE",
    )
    lambda_: tuple[float, ...] = _option(
        (),
        "Strengths to run every method with that has one, a run each: its trade-off curve.",
        type=arguments.not_negative,
        nargs="+",
        metavar="VALUE",
    )
    choose: str | None = _option(
        None,
        "How learning rate and strength are chosen for every task: framework for that of De Lange "
        "et al., by trials on the new task's validation data, from --learning-rate and each "
        "method's own high strength downwards (default: both are fixed).",
        choices=("framework",),
    )
    evaluate_on: str | None = _option(
        None,
        "The part of the data that accuracies are of; runs on valid are for tuning, and in no "
        "report (default: test).",
        choices=("test", "valid"),
    )
    image_size: int | None = _option(
        None,
        "Height and width of the images in pixels (default: by the network).",
        type=arguments.positive,
        metavar="N",
    )
    model: str | None = _option(
        None,
        "The network (default: squeezenet on real data, small-cnn on drawn).",
        choices=tuple(MODELS),
    )
    weights: str = _option(
        "auto",
        "Where the network starts: a file of torchvision's weights for it; none for random ones; "
        "auto for those in torch's download folder, in a folder weights in or beside the data, or "
        "else downloaded (default: auto).",
        metavar="FILE|none|auto",
    )
    threads: int | None = _option(
        None,
        "Threads of each run (default: the cores shared among the jobs; 1 on a cluster).",
        type=arguments.positive,
        metavar="N",
    )
    jobs: int | None = _option(
        None,
        "Runs at a time, each a process of its own (default: as many as there are cores; on a "
        "cluster as many as its nodes hold).",
        type=arguments.positive,
        metavar="N",
    )
    engine: str = _option(
        "local",
        "Where the runs are executed: on this machine, or on a Ray cluster (default: local).",
        choices=("local", "ray"),
    )
    address: str | None = _option(
        None,
        "The Ray cluster, of which this machine is a node (default: RAY_ADDRESS, or else one that "
        "is started on this machine and ends with the command).",
        type=arguments.cluster,
        metavar="HOST:PORT|auto",
    )
    gpus: float = _option(
        0.0,
        "GPUs that Ray sets aside for each run; with 0.5 two runs share one (default: 0).",
        type=arguments.gpus,
        metavar="FRACTION",
    )
    retries: int = _option(
        2,
        "How often a run is tried again whose process or node was lost; a run that ends in an "
        "error of its own is not (default: 2).",
        type=arguments.count,
        metavar="N",
    )
    output: Path = _option(  # noqa: RUF009 - likewise
        Path("runs"), "The folder of the run folders (default: runs).", type=Path, metavar="DIR"
    )
    wandb: str = _option(
        "disabled",
        "Weights & Biases logging (default: disabled).",
        choices=("offline", "online", "disabled"),
    )
    tensorboard: bool = _option(
        False, "Write TensorBoard's event files into the run folders.", action="store_true"
    )


def parse(command: str, description: str, words: Sequence[str]) -> Options:
    """Return the options on the command line of `python -m benchmarks COMMAND`."""
    name = f"python -m benchmarks {command}"
    usage = f"{name} {{{','.join(EXPERIMENTS)}}} [options]"
    listed = "\n".join(f"  {entry.name:<17}{entry.source}" for entry in EXPERIMENTS.values())
    parser = arguments.Parser(
        prog=name,
        usage=usage,
        description=description,
        epilog=f"experiments:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for declared in fields(Options):
        _add(parser, declared)
    given = vars(parser.parse_args(words))
    values: Any = {name: tuple(v) if isinstance(v, list) else v for name, v in given.items()}
    return Options(**values)


def _add(parser: argparse.ArgumentParser, declared: Field[Any]) -> None:
    if declared.name == "experiment":
        parser.add_argument(declared.name, **declared.metadata)
        return
    name = declared.name.rstrip("_").replace("_", "-")
    parser.add_argument(f"--{name}", dest=declared.name, **declared.metadata)
