"""Avalanche's strategies and plugins, and what users add: runs to be interrupted and resumed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from avalanche.models import PNN, IncrementalClassifier
from avalanche.models.scr_model import SCRModel
from avalanche.training import Naive, supervised
from avalanche.training import plugins as add
from avalanche.training.supervised.lamaml_v2 import LaMAML
from torch import nn, optim
from torch.optim import lr_scheduler

from avalanche_mas import MASPlugin
from tests.checkpoint.kinds import (
    CLASSES,
    FEATURES,
    Accumulating,
    Annealed,
    Average,
    Centred,
    Drawing,
    Frozen,
    Generator,
    Heads,
    Net,
    Projecting,
    Remembering,
    Samples,
    Sampling,
    Showing,
    Tied,
    Twice,
    contrastive,
    generative,
    icarl,
    lazy,
)
from tests.plugins.test_strategies_of_avalanche import Searching

MOMENTUM = partial(optim.SGD, lr=0.05, momentum=0.9)


@dataclass(frozen=True)
class Case:
    """A run.

    Args:
        name: Its name.
        kind: Makes the strategy.
        model: Makes the model.
        optimizer: Makes the optimizer.
        plugins: Makes the plugins, of the optimizer and the model.
        options: Arguments of the strategy.
        train: Arguments of its `train`.
        data: Makes a data set from a seed.
        stream: "experiences", "joint" or "online".
        mas: Whether a MAS plugin is beside.
        refused: What is said before training, if it is refused.
        saving: Arguments of `Checkpoints`.
        evaluated: Whether it is interrupted in an evaluation after two experiences, too.
        stops_early: Whether rounding decides how many steps there are, and so how often it is interrupted.
    """

    name: str
    kind: Callable[..., Any] = Naive
    model: Callable[[], nn.Module] = Net
    optimizer: Callable[..., optim.Optimizer] = MOMENTUM
    plugins: Callable[[Any, Any], list[Any]] = lambda *_: []
    options: dict[str, Any] = field(default_factory=dict)
    train: dict[str, Any] = field(default_factory=dict)
    data: Callable[[int], Any] = Samples
    stream: str = "experiences"
    mas: bool = True
    labels: bool = False
    accuracies: bool = True
    refused: str = ""
    saving: dict[str, Any] = field(default_factory=dict)
    evaluated: bool = True
    stops_early: bool = False


def _replay(kind: str, **options: Any) -> Any:
    return lambda *_: [getattr(add, kind)(**options)]


def scheduled(make: Callable[..., Any], **options: Any) -> Any:
    return lambda optimizer, _: [add.LRSchedulerPlugin(make(optimizer), **options)]


_plain = partial(Case, mas=False)
CASES = [
    Case("Naive"),
    Case("two optimizers", Twice, mas=False),
    Case(
        "PNN",
        supervised.PNNStrategy,
        model=lambda: PNN(1, FEATURES, 6),
        mas=False,
        refused="PNN cannot go on.*columns",
    ),
    Case("growing head", model=lambda: Net(classifier=IncrementalClassifier(8, 2))),
    Case("heads", model=Heads, labels=True),
    Case("Cumulative", supervised.Cumulative),
    Case("JointTraining", supervised.JointTraining, stream="joint", evaluated=False),
    Case("online", stream="online", saving={"every_experiences": 2}, evaluated=False),
    Case("Replay", supervised.Replay, options={"mem_size": 12}),
    Case("GDumb", supervised.GDumb, options={"mem_size": 12}, mas=False, evaluated=False),
    Case("FromScratch", supervised.FromScratchTraining, mas=False),
    Case("LwF", supervised.LwF, options={"alpha": 1.0, "temperature": 2.0}),
    Case(
        "AGEM",
        refused=r"AGEMPlugin cannot go on.*iterator",
        kind=supervised.AGEM,
        options={"patterns_per_exp": 6, "sample_size": 4},
    ),
    Case("GEM", plugins=lambda *_: [Projecting(6, 0.5)], saving={"by_attributes": "own"}),
    Case("EWC", supervised.EWC, options={"ewc_lambda": 0.5}),
    Case(
        "EWC online",
        supervised.EWC,
        options={"ewc_lambda": 0.5, "mode": "online", "decay_factor": 0.5},
    ),
    Case("SI", supervised.SynapticIntelligence, options={"si_lambda": 0.5}),
    Case("MAS of Avalanche", supervised.MAS, options={"lambda_reg": 0.5}),
    Case("RWalk", plugins=lambda *_: [add.RWalkPlugin(0.1, delta_t=3)]),
    Case("LFL", supervised.LFL, options={"lambda_e": 0.1}),
    Case("CWRStar", supervised.CWRStar, options={"cwr_layer_name": "classifier"}),
    Case(
        "GSS",
        refused=r"GSS_greedyPlugin cannot go on.*memory",
        kind=supervised.GSS_greedy,
        mas=False,
        options={"mem_size": 60, "mem_strength": 2, "input_size": [FEATURES]},
    ),
    Case(
        "CoPE",
        refused=r"CoPEPlugin cannot go on.*layers",
        kind=supervised.CoPE,
        options={"mem_size": 12, "n_classes": CLASSES, "p_size": CLASSES},
    ),
    Case("iCaRL", icarl),
    Case(
        "BiC",
        refused=r"BiCPlugin cannot go on.*layers",
        kind=supervised.BiC,
        options={"mem_size": 40, "val_percentage": 0.3, "stage_2_epochs": 2},
    ),
    Case(
        "MIR",
        refused=r"MIRPlugin cannot go on.*iterator",
        kind=supervised.MIR,
        options={"mem_size": 12, "subsample": 8, "batch_size_mem": 4},
    ),
    Case(
        "RAR",
        refused=r"RARPlugin cannot go on.*iterator",
        plugins=_replay("RARPlugin", batch_size_mem=4, mem_size=12, name_ext_layer="body"),
    ),
    Case("FeatureDistillation", model=Showing, plugins=_replay("FeatureDistillationPlugin")),
    Case(
        "ER_ACE",
        refused=r"ER_ACE cannot go on.*iterator",
        kind=supervised.ER_ACE,
        options={"mem_size": 12, "batch_size_mem": 4},
    ),
    Case(
        "ER_AML",
        refused=r"ER_AML cannot go on.*iterator",
        kind=lambda model, **o: supervised.ER_AML(model=model, feature_extractor=model.body, **o),
        options={"mem_size": 60, "batch_size_mem": 4},
    ),
    Case(
        "DER",
        refused=r"DER cannot go on.*iterator",
        kind=supervised.DER,
        options={"mem_size": 12, "batch_size_mem": 4},
    ),
    Case(
        "SCR",
        contrastive,
        model=lambda: SCRModel(Net().body, nn.Linear(8, 4)),
        mas=False,
        accuracies=False,
    ),
    Case(
        "MER", supervised.MER, model=Tied, options={"mem_size": 12, "n_inner_steps": 2}, mas=False
    ),
    Case(
        "FeatureReplay",
        refused=r"FeatureReplay cannot go on.*iterator",
        kind=supervised.FeatureReplay,
        options={"mem_size": 12, "batch_size_mem": 4},
    ),
    Case(
        "LaMAML",
        refused=r"LaMAML cannot go on.*layers",
        kind=LaMAML,
        options={"n_inner_updates": 2},
        mas=False,
    ),
    Case(
        "GenerativeReplay",
        refused=r"GenerativeReplayPlugin cannot go on.*strategy",
        kind=generative,
        mas=False,
    ),
    Case(
        "early stopping",
        plugins=_replay("EarlyStoppingPlugin", patience=1, val_stream_name="test"),
        options={"eval_every": 1},
        stops_early=True,
    ),
    Case("evaluation between steps", options={"eval_every": 2, "peval_mode": "iteration"}),
    Case("StepLR", plugins=scheduled(lambda o: lr_scheduler.StepLR(o, 1, 0.5))),
    Case("LambdaLR", plugins=scheduled(lambda o: lr_scheduler.LambdaLR(o, lambda k: 0.9**k))),
    Case(
        "ReduceLROnPlateau",
        plugins=scheduled(
            lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=0), metric="train_loss"
        ),
    ),
    Case(
        "OneCycleLR",
        plugins=scheduled(
            lambda o: lr_scheduler.OneCycleLR(o, 0.1, 100),
            step_granularity="iteration",
            reset_scheduler=False,
        ),
    ),
    Case(
        "CyclicLR",
        plugins=scheduled(
            lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, 4),
            step_granularity="iteration",
            reset_scheduler=False,
        ),
    ),
    Case(
        "SequentialLR",
        plugins=scheduled(
            lambda o: lr_scheduler.SequentialLR(
                o, [lr_scheduler.LinearLR(o), lr_scheduler.ExponentialLR(o, 0.9)], [5]
            ),
            step_granularity="iteration",
            reset_scheduler=False,
        ),
    ),
    Case(
        "CosineAnnealingWarmRestarts",
        plugins=scheduled(
            lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 5),
            step_granularity="iteration",
            reset_scheduler=False,
        ),
    ),
    Case("Adam", optimizer=partial(optim.Adam, lr=0.01)),
    Case("AdamW amsgrad", optimizer=partial(optim.AdamW, lr=0.01, amsgrad=True)),
    Case("RMSprop", optimizer=partial(optim.RMSprop, lr=0.01, centered=True, momentum=0.5)),
    Case("NAdam", optimizer=partial(optim.NAdam, lr=0.01)),
    Case("Adadelta", optimizer=partial(optim.Adadelta, lr=0.1)),
    Case("ASGD", optimizer=partial(optim.ASGD, lr=0.01)),
    Case("Rprop", optimizer=partial(optim.Rprop, lr=0.01)),
    Case(
        "LBFGS",
        Searching,
        optimizer=partial(optim.LBFGS, lr=0.1, max_iter=3, line_search_fn="strong_wolfe"),
    ),
    Case("accumulation", Accumulating, mas=False, saving={"by_attributes": [Accumulating]}),
    Case(
        "loop of its own",
        Accumulating,
        mas=False,
        refused="Accumulating has a training_epoch of its own",
    ),
    Case("workers", train={"num_workers": 2}),
    Case(
        "workers with noise",
        data=partial(Samples, noise="torch numpy python"),
        train={"num_workers": 2},
    ),
    Case(
        "persistent workers with noise",
        refused=r"persistent_workers",
        data=partial(Samples, noise="torch numpy python"),
        train={"num_workers": 2, "persistent_workers": True},
    ),
    Case("noise of torch", data=partial(Samples, noise="torch")),
    Case("noise of NumPy", data=partial(Samples, noise="numpy")),
    Case("noise of Python", data=partial(Samples, noise="python")),
    Case(
        "noise and Replay",
        supervised.Replay,
        options={"mem_size": 6},
        data=partial(Samples, noise="torch numpy python"),
    ),
    Case("sampler", Sampling),
    Case("generator", refused=r"Generator.generator is a Generator", kind=Generator),
    Case("drop_last", train={"drop_last": True}),
    Case("no shuffle", train={"shuffle": False}),
    Case("EMA", plugins=lambda _, model: [Average(model)]),
    Case(
        "criterion with a buffer",
        options={"criterion": None},
        kind=lambda **o: Naive(criterion=Centred(), **o),
    ),
    Case(
        "criterion that counts",
        options={"criterion": None},
        kind=lambda **o: Naive(criterion=Annealed(), **o),
    ),
    Case("model that remembers", model=Remembering, mas=False),
    Case("model that draws", model=Drawing, mas=False),
    Case("tied weights", model=Tied),
    Case("frozen layer", plugins=lambda *_: [Frozen()]),
    Case(
        "Ω in bfloat16",
        plugins=lambda *_: [MASPlugin(accumulation="sum", importance_dtype=torch.bfloat16)],
        mas=False,
    ),
    Case("float64", model=lambda: Net().double(), data=partial(Samples, dtype=torch.float64)),
    Case("compiled", model=lambda: torch.compile(Net(), backend="eager"), mas=False),
    Case("lazy", refused=r"shapes of 0.weight, 0.bias are not known", model=lazy, mas=False),
]
