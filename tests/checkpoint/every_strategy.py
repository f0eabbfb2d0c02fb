"""Strategies, plugins, optimizers and models of all kinds, each in a run of three small experiences."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from avalanche.benchmarks import nc_benchmark
from avalanche.benchmarks.scenarios.online import split_online_stream
from avalanche.evaluation.metrics import accuracy_metrics, forgetting_metrics, loss_metrics
from avalanche.logging import BaseLogger
from avalanche.models import BaseModel, IncrementalClassifier
from avalanche.models.dynamic_modules import MultiHeadClassifier
from avalanche.models.scr_model import SCRModel
from avalanche.training import supervised as strategies
from avalanche.training.supervised.lamaml_v2 import LaMAML
from avalanche.training import Naive
from avalanche.training import plugins as add
from avalanche.training.plugins import EvaluationPlugin, SupervisedPlugin
from avalanche.training.storage_policy import ParametricBuffer
from avalanche.models import MultiTaskModule
from torch import Tensor, nn, optim
from torch.optim import lr_scheduler

from avalanche_mas import MASPlugin
from avalanche_mas.checkpoint import Checkpoints
from avalanche_mas.metrics import AccuracyMatrix
from tests.checkpoint.script import numbers

FEATURES, CLASSES, TASKS = 5, 6, 3


class Interrupted(BaseException):
    """Stands for the end of a process."""


class At(SupervisedPlugin):
    """Interrupts after a training step or a batch of evaluation, counted over the process."""

    def __init__(self, hook: str = "", count: int = 0) -> None:
        super().__init__()
        self.hook, self.left = hook, count

    def _seen(self, hook: str) -> None:
        self.left -= hook == self.hook
        if hook == self.hook and self.left == 0:
            raise Interrupted

    def after_training_iteration(self, *_: Any, **__: Any) -> None:
        self._seen("train")

    def after_eval_iteration(self, strategy: Any, *_: Any, **__: Any) -> None:
        if strategy.clock.train_exp_counter == 2:  # the evaluation after the second experience
            self._seen("eval")


class Samples(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """Random inputs, changed by random numbers of torch, NumPy or Python if asked for."""

    def __init__(self, seed: int, noise: str = "", dtype: torch.dtype = torch.float32) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.x = torch.rand(60, FEATURES, generator=generator, dtype=dtype)
        self.targets = [i % CLASSES for i in range(len(self.x))]
        self.noise = noise

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        draw: dict[str, Callable[[], float]] = {
            "torch": lambda: float(torch.rand(())),
            "numpy": lambda: float(np.random.rand()),  # noqa: NPY002
            "python": random.random,
        }
        return self.x[i] + sum(draw[kind]() for kind in self.noise.split()), self.targets[i]


class Net(BaseModel, nn.Module):
    """A body with batch normalisation and dropout, and a classifier."""

    def __init__(self, width: int = 8, classifier: nn.Module | None = None) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(FEATURES, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.2)
        )
        self.classifier = classifier or nn.Linear(width, CLASSES)

    def get_features(self, x: Tensor) -> Tensor:
        return self.body(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.body(x))


class Showing(Net):
    """Shows its features, as the distillation of features needs it."""

    def forward(self, x: Tensor) -> Tensor:
        self.features = self.body(x)
        return self.classifier(self.features)


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
    """

    name: str
    kind: Callable[..., Any] = Naive
    model: Callable[[], nn.Module] = Net
    optimizer: Callable[..., optim.Optimizer] = partial(optim.SGD, lr=0.05, momentum=0.9)
    plugins: Callable[[Any, Any], list[Any]] = lambda optimizer, model: []
    options: dict[str, Any] = field(default_factory=dict)
    train: dict[str, Any] = field(default_factory=dict)
    data: Callable[[int], Any] = Samples
    stream: str = "experiences"
    mas: bool = True
    labels: bool = False
    accuracies: bool = True
    refused: str = ""
    saving: dict[str, Any] = field(default_factory=dict)


def run(case: Case, folder: Path, at: At) -> dict[str, Any]:
    """Run the script of a case to its end, and return its numbers."""
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    benchmark = nc_benchmark(
        case.data(0), case.data(1), n_experiences=TASKS, task_labels=case.labels, seed=0
    )
    model = case.model()
    optimizer = case.optimizer(model.parameters())
    own = case.plugins(optimizer, model)
    saving: dict[str, Any] = {"every_steps": 1, "every_minutes": None, "say": str, **case.saving}
    if saving.get("by_attributes") == "own":
        saving["by_attributes"] = own
    checkpoints = Checkpoints(folder, skip=[at], **saving)
    matrix = AccuracyMatrix("test")
    evaluator = EvaluationPlugin(
        accuracy_metrics(
            minibatch=case.accuracies, epoch=case.accuracies, experience=True, stream=True
        ),
        loss_metrics(epoch_running=True, experience=True),
        forgetting_metrics(experience=True),
        matrix,
        loggers=[BaseLogger()],
    )
    mas = [MASPlugin(0.5, accumulation="sum", penalty="loss")] if case.mas else []
    made: dict[str, Any] = {"model": model, "criterion": nn.CrossEntropyLoss(), **case.options}
    strategy = case.kind(
        **{name: value for name, value in made.items() if value is not None},
        optimizer=optimizer,
        train_mb_size=4,
        train_epochs=2,
        eval_mb_size=7,
        evaluator=evaluator,
        plugins=[*mas, *own, at, checkpoints],
    )
    for experience in checkpoints.remaining(strategy, stream_of(case, benchmark)):
        strategy.train(experience, eval_streams=[benchmark.test_stream], **case.train)
        strategy.eval(benchmark.test_stream)
    return numbers(strategy, matrix)


def stream_of(case: Case, benchmark: Any) -> Any:
    if case.stream == "joint":
        return [benchmark.train_stream]
    if case.stream == "online":
        return split_online_stream(benchmark.train_stream, 10, seed=0, access_task_boundaries=True)
    return benchmark.train_stream


def _replay(kind: str, **options: Any) -> Any:
    return lambda *_: [getattr(add, kind)(**options)]


def icarl(model: Any, criterion: Any, **options: Any) -> Any:
    return strategies.ICaRL(
        feature_extractor=model.body,
        classifier=model.classifier,
        memory_size=12,
        buffer_transform=None,
        fixed_memory=True,
        **options,
    )


def contrastive(criterion: Any, **options: Any) -> Any:
    return strategies.SCR(mem_size=12, batch_size_mem=4, **options)


class Vae(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.code, self.back = nn.Linear(FEATURES, 4), nn.Linear(2, FEATURES)

    def forward(self, x: Tensor) -> Any:
        mean, spread = self.code(x).chunk(2, dim=1)
        z = mean + torch.randn_like(mean) * spread.exp()
        return torch.sigmoid(self.back(z)), mean, spread

    def generate(self, count: int) -> Tensor:
        return torch.sigmoid(self.back(torch.randn(count, 2))).detach()


def generative(**options: Any) -> Any:
    generator = Vae()
    own = strategies.VAETraining(
        model=generator,
        optimizer=optim.Adam(generator.parameters(), 0.01),
        criterion=lambda x, out: nn.functional.mse_loss(out[0], x),
        train_mb_size=4,
        train_epochs=1,
        plugins=[add.GenerativeReplayPlugin()],
        evaluator=None,
    )
    return strategies.GenerativeReplay(generator_strategy=own, **options)


class Accumulating(Naive):
    """A step for every third batch."""

    def training_epoch(self, **kwargs: Any) -> None:
        for self.mbatch in self.dataloader:
            k = self.clock.train_epoch_iterations
            self._unpack_minibatch()
            self._before_training_iteration(**kwargs)
            if k % 3 == 0:
                self.optimizer.zero_grad()
            self.mb_output = self.forward()
            self.loss = self.criterion()
            self._before_backward(**kwargs)
            self.backward()
            self._after_backward(**kwargs)
            if k % 3 == 2:
                self._before_update(**kwargs)
                self.optimizer_step()
                self._after_update(**kwargs)
            self._after_training_iteration(**kwargs)


class Closing(Naive):
    def optimizer_step(self) -> None:
        def closure() -> Tensor:
            self.optimizer.zero_grad()
            self.mb_output = self.forward()
            self.loss = self._make_empty_loss() + self.criterion()
            self._before_backward()
            self.backward()
            self._after_backward()
            return self.loss

        self.optimizer.step(closure)


class Sampling(Naive):
    """A loader of its own, with a sampler that draws from NumPy, and the last batch dropped."""

    def make_train_dataloader(self, **_: Any) -> None:
        class Sampler(torch.utils.data.Sampler[int]):
            def __iter__(self) -> Any:
                return iter(np.random.permutation(20).tolist())  # noqa: NPY002

        self.dataloader = torch.utils.data.DataLoader(
            self.adapted_dataset, batch_size=3, sampler=Sampler(), drop_last=True
        )


class Generator(Sampling):
    """A loader with a generator of its own."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.generator = torch.Generator().manual_seed(0)


class Average(SupervisedPlugin):
    """A moving average of the weights, as a user writes it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.mean = optim.swa_utils.AveragedModel(model)

    def after_training_iteration(self, strategy: Any, **_: Any) -> None:
        self.mean.update_parameters(strategy.model)

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        with torch.no_grad():
            for one, mean in zip(strategy.model.parameters(), self.mean.parameters(), strict=True):
                one.lerp_(mean, 0.5)

    def state_dict(self) -> Any:
        return self.mean.state_dict()

    def load_state_dict(self, state: Any) -> None:
        self.mean.load_state_dict(state)


class Centred(nn.CrossEntropyLoss):
    """A criterion with a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(CLASSES))

    def forward(self, output: Tensor, y: Tensor) -> Tensor:
        if output.requires_grad:
            self.mean = 0.9 * self.mean + 0.1 * output.detach().mean(0)
        return super().forward(output - self.mean, y)


class Remembering(Net):
    """Keeps tensors in a buffer that is not persistent, one that is None at first, and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("hidden", torch.zeros(8), persistent=False)
        self.register_buffer("late", None)
        self.seen, self.kept = 0, {"mean": torch.zeros(8)}

    def forward(self, x: Tensor) -> Tensor:
        features = self.body(x)
        if self.training and torch.is_grad_enabled():
            self.seen += 1
            self.hidden.mul_(0.9).add_(features.detach().mean(0))
            self.late = features.detach().mean(0) + (0 if self.late is None else 0.5 * self.late)
            self.kept["mean"] = 0.5 * self.kept["mean"] + features.detach().mean(0)
        late = 0 if self.late is None else self.late
        return self.classifier(features + self.hidden + late + self.kept["mean"] / (1 + self.seen))


class Projecting(add.GEMPlugin):
    """GEM without a solver."""

    def solve_quadprog(self, g: Tensor) -> Tensor:
        return g - self.G.T @ (self.G @ g).clamp(max=0) / self.G.pow(2).sum(1).max()


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(FEATURES, FEATURES), nn.Linear(FEATURES, FEATURES)
        self.second.weight = self.first.weight
        self.last = nn.Linear(FEATURES, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.second(self.first(x).relu()).relu())


class Frozen(SupervisedPlugin):
    """Freezes a layer in the second experience, without attributes of its own."""

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        frozen = strategy.clock.train_exp_counter == 1
        strategy.model.body[0].requires_grad_(not frozen)


class Heads(MultiTaskModule):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(FEATURES, 8), MultiHeadClassifier(8, 2)

    def forward(self, x: Tensor, task_labels: Tensor) -> Tensor:
        return self.head(self.body(x).relu(), task_labels)


def lazy() -> nn.Module:
    return nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.Linear(8, CLASSES))


def scheduled(make: Callable[..., Any], **options: Any) -> Any:
    return lambda optimizer, _: [add.LRSchedulerPlugin(make(optimizer), **options)]


S = strategies
_plain = partial(Case, mas=False)
CASES = [
    Case("Naive"),
    Case("growing head", model=lambda: Net(classifier=IncrementalClassifier(8, 2))),
    Case("heads", model=Heads, labels=True),
    Case("Cumulative", S.Cumulative),
    Case("JointTraining", S.JointTraining, stream="joint"),
    Case("online", stream="online", saving={"every_experiences": 2}),
    Case("Replay", S.Replay, options={"mem_size": 12}),
    Case("GDumb", S.GDumb, options={"mem_size": 12}, mas=False),
    Case("FromScratch", S.FromScratchTraining, mas=False),
    Case("LwF", S.LwF, options={"alpha": 1.0, "temperature": 2.0}),
    Case("AGEM", S.AGEM, options={"patterns_per_exp": 6, "sample_size": 4}),
    Case("GEM", plugins=lambda *_: [Projecting(6, 0.5)], saving={"by_attributes": "own"}),
    Case("EWC", S.EWC, options={"ewc_lambda": 0.5}),
    Case("EWC online", S.EWC, options={"ewc_lambda": 0.5, "mode": "online", "decay_factor": 0.5}),
    Case("SI", S.SynapticIntelligence, options={"si_lambda": 0.5}),
    Case("MAS of Avalanche", S.MAS, options={"lambda_reg": 0.5}),
    Case("RWalk", plugins=lambda *_: [add.RWalkPlugin(0.1, delta_t=3)]),
    Case("LFL", S.LFL, options={"lambda_e": 0.1}),
    Case("CWRStar", S.CWRStar, options={"cwr_layer_name": "classifier"}),
    Case("GSS", S.GSS_greedy, mas=False, options={"mem_size": 60, "mem_strength": 2, "input_size": [FEATURES]}),
    Case("CoPE", S.CoPE, options={"mem_size": 12, "n_classes": CLASSES, "p_size": CLASSES}),
    Case("iCaRL", icarl),
    Case("BiC", S.BiC, options={"mem_size": 40, "val_percentage": 0.3, "stage_2_epochs": 2}),
    Case("MIR", S.MIR, options={"mem_size": 12, "subsample": 8, "batch_size_mem": 4}),
    Case("RAR", plugins=_replay("RARPlugin", batch_size_mem=4, mem_size=12, name_ext_layer="body")),
    Case("FeatureDistillation", model=Showing, plugins=_replay("FeatureDistillationPlugin")),
    Case("ER_ACE", S.ER_ACE, options={"mem_size": 12, "batch_size_mem": 4}),
    Case(
        "ER_AML",
        lambda model, **o: S.ER_AML(model=model, feature_extractor=model.body, **o),
        options={"mem_size": 60, "batch_size_mem": 4},
    ),
    Case("DER", S.DER, options={"mem_size": 12, "batch_size_mem": 4}),
    Case("SCR", contrastive, model=lambda: SCRModel(Net().body, nn.Linear(8, 4)), mas=False, accuracies=False),
    Case("MER", S.MER, model=Tied, options={"mem_size": 12, "n_inner_steps": 2}, mas=False),
    Case("FeatureReplay", S.FeatureReplay, options={"mem_size": 12, "batch_size_mem": 4}),
    Case("LaMAML", LaMAML, options={"n_inner_updates": 2}, mas=False),
    Case("GenerativeReplay", generative, mas=False),
    Case("early stopping", plugins=_replay("EarlyStoppingPlugin", patience=1, val_stream_name="test"), options={"eval_every": 1}),
    Case("evaluation between steps", options={"eval_every": 2, "peval_mode": "iteration"}),
    Case("StepLR", plugins=scheduled(lambda o: lr_scheduler.StepLR(o, 1, 0.5))),
    Case("LambdaLR", plugins=scheduled(lambda o: lr_scheduler.LambdaLR(o, lambda k: 0.9**k))),
    Case("ReduceLROnPlateau", plugins=scheduled(lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=0), metric="train_loss")),
    Case("OneCycleLR", plugins=scheduled(lambda o: lr_scheduler.OneCycleLR(o, 0.1, 100), step_granularity="iteration", reset_scheduler=False)),
    Case("CyclicLR", plugins=scheduled(lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, 4), step_granularity="iteration", reset_scheduler=False)),
    Case("SequentialLR", plugins=scheduled(lambda o: lr_scheduler.SequentialLR(o, [lr_scheduler.LinearLR(o), lr_scheduler.ExponentialLR(o, 0.9)], [5]), step_granularity="iteration", reset_scheduler=False)),
    Case("CosineAnnealingWarmRestarts", plugins=scheduled(lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 5), step_granularity="iteration", reset_scheduler=False)),
    Case("Adam", optimizer=partial(optim.Adam, lr=0.01)),
    Case("AdamW amsgrad", optimizer=partial(optim.AdamW, lr=0.01, amsgrad=True)),
    Case("RMSprop", optimizer=partial(optim.RMSprop, lr=0.01, centered=True, momentum=0.5)),
    Case("NAdam", optimizer=partial(optim.NAdam, lr=0.01)),
    Case("Adadelta", optimizer=partial(optim.Adadelta, lr=0.1)),
    Case("ASGD", optimizer=partial(optim.ASGD, lr=0.01)),
    Case("Rprop", optimizer=partial(optim.Rprop, lr=0.01)),
    Case("LBFGS", Closing, optimizer=partial(optim.LBFGS, lr=0.1, max_iter=3, line_search_fn="strong_wolfe")),
    Case("accumulation", Accumulating, mas=False, saving={"by_attributes": [Accumulating]}),
    Case("loop of its own", Accumulating, mas=False, refused="Accumulating has a training_epoch of its own"),
    Case("workers", train={"num_workers": 2}),
    Case("workers with noise", data=partial(Samples, noise="torch numpy python"), train={"num_workers": 2}),
    Case("persistent workers with noise", data=partial(Samples, noise="torch numpy python"), train={"num_workers": 2, "persistent_workers": True}),
    Case("noise of torch", data=partial(Samples, noise="torch")),
    Case("noise of NumPy", data=partial(Samples, noise="numpy")),
    Case("noise of Python", data=partial(Samples, noise="python")),
    Case("noise and Replay", S.Replay, options={"mem_size": 6}, data=partial(Samples, noise="torch numpy python")),
    Case("sampler", Sampling),
    Case("generator", Generator),
    Case("drop_last", train={"drop_last": True}),
    Case("no shuffle", train={"shuffle": False}),
    Case("EMA", plugins=lambda _, model: [Average(model)]),
    Case("criterion with a buffer", options={"criterion": None}, kind=lambda **o: Naive(criterion=Centred(), **o)),
    Case("model that remembers", model=Remembering, mas=False),
    Case("tied weights", model=Tied),
    Case("frozen layer", plugins=lambda *_: [Frozen()]),
    Case("float64", model=lambda: Net().double(), data=partial(Samples, dtype=torch.float64)),
    Case("compiled", model=lambda: torch.compile(Net(), backend="eager"), mas=False),
    Case("lazy", model=lazy, mas=False),
]
