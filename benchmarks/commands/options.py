"""The options of `run` and `tune`: one typed dataclass with one sentence per field.

This module does not load PyTorch, so `--help` and typing errors are answered at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os.path import expanduser
from pathlib import Path
from typing import Annotated, Any, Literal

from benchmarks.commands.config import Config, read_config
from benchmarks.commands.parser import (
    Choice,
    Cluster,
    Count,
    Folder,
    Gpus,
    ImportPath,
    Momentum,
    Norm,
    NotNegative,
    Parser,
    Positive,
    Rate,
    Seeds,
    Strength,
    add_fields,
    named,
)
from benchmarks.experiments import EXPERIMENTS
from benchmarks.experiments.protocols import PROTOCOLS, QUICK, Default
from benchmarks.methods import COMPARED, METHODS
from benchmarks.record.recipe import DEVICES, OPTIMIZERS, PENALTIES, PRECISIONS, Recipe
from benchmarks.run.training.models import MODELS
from benchmarks.run.training.schedules import SCHEDULES

GROUPS = {
    "experiment": "experiment",
    "root": "data",
    "model": "training",
    "strength": "method",
    "device": "machine",
    "output": "output and tracking",
}
"""The titles of the groups of `--help`, by the first field of each."""


@dataclass(frozen=True)
class Options:
    """The command line of `run` and `tune`; `plan.py` replaces `None` by defaults."""

    experiment: Annotated[str, tuple(EXPERIMENTS)]
    """The experiment to run; all are listed below. A file given with --config may name it."""
    methods: tuple[Annotated[str, named(METHODS), "METHOD"], ...] | None = None
    """The methods to run; your own by import path, such as my_module:METHOD (default: all methods of
    the experiment)."""
    tasks: tuple[Annotated[str, "TASK"], ...] | None = None
    """One sequence of tasks, in order (default: all sequences of the experiment). The eight data sets
    are flowers, scenes, birds, cars, aircraft, actions, letters and svhn."""
    pairs: bool | None = None
    """For two-tasks: run every ordered pair of the tasks, A before B and B before A."""
    orders: Positive | None = None
    """For orders: the number of task orders, including the given one (default: 3)."""
    permutations: Positive | None = None
    """For permuted: the number of pixel permutations, one task each (default: 10)."""
    stream: ImportPath | None = None
    """For own: the function that makes the stream, without arguments, such as my_module:make."""
    seeds: Seeds = (0,)
    """The number of seeds, counted from 0, or a list of seeds such as 0,4,7 (default: 1)."""
    evaluate_on: Literal["test", "valid"] | None = None
    """The data to measure accuracy on; runs on valid are for tuning and are never reported
    (default: test)."""
    protocol: Annotated[str, tuple(PROTOCOLS)] = QUICK
    """The defaults of options: quick is for minutes; paper (Aljundi et al. 2018) and survey (De Lange
    et al. 2021) are for real data; see docs/protocols.md (default: quick)."""
    config: Annotated[Config | None, Path, "FILE"] = None
    """A file with values of options, as YAML: their names without dashes, a list for several values;
    or the config.json of a run folder, to repeat that run. Options given here have precedence."""
    dry_run: bool = False
    """Print what would be run, with an estimate of hours and memory, and do nothing else."""

    root: Folder | None = None
    """The folder that holds the real data sets (default: images drawn by code)."""
    download: bool | None = None
    """For split-mnist and permuted: download MNIST to the folder --root if it is missing."""
    stand_ins: tuple[Annotated[str, "TASK"], ...] = ()
    """Tasks that may use other images in place of the real ones, such as those in ROOT/stand-ins;
    mnist divides MNIST's test images alone, even if the training images are there."""
    image_size: Positive | None = None
    """Height and width of the images in pixels (default: depends on the network)."""

    transforms: Literal["shift", "paper"] | None = None
    """How images become inputs: shift takes the whole picture, shifted by up to an eighth in training;
    paper resizes the shorter side to 256 and crops 224, both in proportion to --image-size (default:
    shift)."""
    scenario: Literal["task", "domain", "class"] | None = None
    """What tasks share: task for a head each, and task labels; domain for one head with the same labels
    in every task; class for one head and distinct labels (default: task; domain in permuted)."""
    classes: Positive | None = None
    """The number of classes of each data set to use (default: all)."""
    images_per_class: Positive | None = None
    """The number of training images of each class to use (default: all)."""
    cache: Annotated[str, expanduser, "memory|none|DIR"] = "memory"
    """Where decoded images are kept: in memory, in files in a folder, or nowhere (default: memory)."""

    model: Annotated[str, named(MODELS), "|".join((*MODELS, "MODULE:NAME"))] | None = None
    """The network, or, by import path, a function that makes yours (default: squeezenet for real data,
    otherwise small-cnn)."""
    weights: Annotated[str, expanduser, "FILE|none|auto"] = "auto"
    """The initial weights: a file of torchvision's weights; none for random weights; auto to search
    torch's download folder and a folder named weights in or beside the data, and otherwise to
    download them (default: auto)."""
    optimizer: Annotated[str, OPTIMIZERS] = Recipe.optimizer
    """The optimizer (default: sgd)."""
    momentum: Momentum | None = None
    """The momentum of SGD (default: 0.9)."""
    epochs: Positive | None = None
    """Passes over a task's training images (default: depends on the network and experiment)."""
    first_epochs: Positive | None = None
    """Passes over the first task's images (default: 10 in split-mnist, otherwise --epochs)."""
    batch_size: Positive | None = None
    """Images per training step (default: 32, or the experiment's own)."""
    learning_rate: Rate | None = None
    """The peak learning rate (default: 0.001 with adam and adamw; with sgd it depends on the network
    and experiment)."""
    backbone_learning_rate: Rate | None = None
    """The peak learning rate of everything but the heads (default: --learning-rate)."""
    schedule: Annotated[str, tuple(SCHEDULES)] | None = None
    """The learning rate schedule of each task: one-cycle rises and falls; plateau divides the rate by
    ten after 5 epochs without a gain in validation accuracy and stops after 10; step divides it by ten
    after 0.54 of the epochs (default: one-cycle, or constant in split-mnist)."""
    weight_decay: Annotated[NotNegative, "SHARE"] = Recipe.weight_decay
    """The weight decay: L2 with sgd and adam, decoupled with adamw (default: 0)."""
    patience: Positive | None = Recipe.patience
    """Stop training on a task after N epochs without a gain in its validation accuracy, and restore
    the weights of the best epoch (default: never; 10 with plateau)."""
    gradient_clip: Norm = Recipe.gradient_clip
    """Clip the gradient to this 2-norm (default: 5)."""
    penalty: Annotated[str, PENALTIES] = "damped"
    """How quadratic penalties are applied: damped takes implicit steps, which are stable at any strength
    and take no part in clipping; explicit adds them to the loss (default: damped)."""
    precision: Annotated[str, PRECISIONS] = Recipe.precision
    """The precision of forward passes; everything else is float32 (default: float32)."""

    strength: tuple[Strength, ...] = ()
    """The strength of one method, such as mas=0.1; --lambda sets it for all methods (default: the
    tuned strength, or the usual one)."""
    lambda_: tuple[NotNegative, ...] = ()
    """Strengths to run every method with, one run each, for trade-off curves. A single one counts as
    part of such a grid, to which later commands may add others."""
    choose: Choice = None
    """How to choose the learning rate and the strength for every task: framework, by De Lange et al.,
    tries values on the new task's validation data, downwards from --learning-rate and the method's
    highest strength (default: both are fixed)."""

    device: Annotated[str, DEVICES] = Recipe.device
    """The device to train on (default: cpu)."""
    workers: Count = 0
    """Processes per run that read its data; no number depends on them (default: 0, the run itself)."""
    threads: Positive | None = None
    """Threads per run (default: OMP_NUM_THREADS, or the cores divided by --jobs; 1 on a cluster)."""
    jobs: Positive | None = None
    """Runs in parallel, one process each (default: one per core; on a cluster as many as fit)."""
    engine: Literal["local", "ray"] = "local"
    """Run on this machine or on a Ray cluster (default: local)."""
    address: Cluster | None = None
    """The Ray cluster that this machine is a node of (default: RAY_ADDRESS, or a cluster on this
    machine that ends with the command)."""
    gpus: Gpus = 0.0
    """GPUs that Ray reserves for each run; with 0.5, two runs share one (default: 0)."""
    retries: Count = 2
    """How often to retry a run whose process or node was lost; a run that raises an error is not
    retried (default: 2)."""

    output: Folder = Path("runs")
    """The folder to write run folders to (default: runs)."""
    wandb: Literal["offline", "online", "disabled"] = "disabled"
    """Weights & Biases logging (default: disabled)."""
    tensorboard: bool = False
    """Write TensorBoard event files into the run folders."""


STRENGTHS = ("strength", "lambda_", "choose")
"""The options that say how strong methods are; one that is given replaces all three."""


def parse(command: str, description: str, words: Sequence[str]) -> Options:
    """Return the options on the command line of `python -m benchmarks COMMAND`.

    What it leaves out, the file of `--config` says, and what that leaves out, the protocol.

    Raises:
        ValueError: The file says something else than options, or a run's with a protocol.
        OSError: It cannot be read.
    """
    parser = _parser(command, description)
    given = parser.values(words)
    if "config" in given:
        given["config"] = read_config(given["config"], _parser(command, "", exit_on_error=False))
        if given["config"].run is not None and "protocol" in given:
            raise ValueError(
                f"--protocol {given['protocol']} has no effect beside {given['config'].file}, which "
                "is a run's whole configuration; leave it out"
            )
        given = over(given["config"].values, given)
    defaults = {name: one.value for name, one in _defaults(given).items()}
    if command == "tune":
        defaults.pop("choose", None)
    values = over(defaults, given)
    if "experiment" not in values:
        parser.error(f"name an experiment: {', '.join(EXPERIMENTS)}")
    if defaults and "dry_run" in values and "root" not in values and values["weights"] == "auto":
        values["root"] = Path("DIR")  # planned with the official sizes
    return Options(**values)


def over(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of options, those of `upper` in place of those of `lower`."""
    replaced = set(STRENGTHS) if not upper.keys().isdisjoint(STRENGTHS) else set()
    if upper.get("optimizer", "sgd") != "sgd":
        replaced.add("momentum")  # which the others do not have
    return {**{name: v for name, v in lower.items() if name not in replaced}, **upper}


def _defaults(given: Mapping[str, Any]) -> Mapping[str, Default]:
    """Return the defaults of the protocol; a run's configuration needs none."""
    if "config" in given and given["config"].run is not None:
        return {}
    return PROTOCOLS[given.get("protocol", QUICK)].values


def _parser(command: str, description: str, **how: Any) -> Parser:
    experiments = "\n".join(f"  {one.name:<17}{one.source}" for one in EXPERIMENTS.values())
    methods = "\n".join(f"  {name:<17}{METHODS[name].title}" for name in COMPARED)
    name = f"python -m benchmarks {command}"
    parser = Parser(
        prog=name,
        usage=f"{name} {{{','.join(EXPERIMENTS)}}} [options]",
        description=description,
        epilog=f"experiments:\n{experiments}\n\nmethods:\n{methods}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
        **how,
    )
    add_fields(parser, Options, GROUPS)
    return parser
