"""Data, models, strategies and plugins of all kinds, as users write them."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from avalanche.models import BaseModel, MultiTaskModule
from avalanche.models.dynamic_modules import MultiHeadClassifier
from avalanche.training import Naive, supervised
from avalanche.training import plugins as add
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor, nn, optim

FEATURES, CLASSES = 5, 6


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


def icarl(model: Any, **options: Any) -> Any:
    del options["criterion"]
    return supervised.ICaRL(
        feature_extractor=model.body,
        classifier=model.classifier,
        memory_size=12,
        buffer_transform=None,
        fixed_memory=True,
        **options,
    )


def contrastive(**options: Any) -> Any:
    del options["criterion"]
    return supervised.SCR(mem_size=12, batch_size_mem=4, **options)


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
    own = supervised.VAETraining(
        model=generator,
        optimizer=optim.Adam(generator.parameters(), 0.01),
        criterion=lambda x, out: nn.functional.mse_loss(out[0], x),
        train_mb_size=4,
        train_epochs=1,
        plugins=[add.GenerativeReplayPlugin()],
        evaluator=None,
    )
    return supervised.GenerativeReplay(generator_strategy=own, **options)


class Accumulating(Naive):
    """A step for every third batch."""

    def training_epoch(self, **kwargs: Any) -> None:
        for batch in self.dataloader:
            self.mbatch = batch
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


class Annealed:
    """A criterion that is no module, and counts."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, output: Tensor, y: Tensor) -> Tensor:
        self.calls += output.requires_grad
        smoothing = 0.5 / (1 + self.calls) ** 0.5
        return nn.functional.cross_entropy(output, y, label_smoothing=smoothing)


class Drawing(Net):
    """Draws noise from a generator of its own, and scales by a number of NumPy."""

    def __init__(self) -> None:
        super().__init__()
        self.noise, self.scale = torch.Generator().manual_seed(0), np.float64(1)

    def forward(self, x: Tensor) -> Tensor:
        if self.training and torch.is_grad_enabled():
            self.scale = self.scale * np.float64(0.99)
            x = x + 0.1 * torch.randn(x.shape, generator=self.noise)
        return super().forward(x * float(self.scale))


class Projecting(add.GEMPlugin):
    """GEM without a solver."""

    def solve_quadprog(self, g: Tensor) -> Tensor:
        return g - self.G.T @ (self.G @ g).clamp(max=0) / self.G.pow(2).sum(1).max()


class Twice(Naive):
    """A second optimizer of its own, for a scale of the outputs in the loss."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.scale = nn.Linear(1, CLASSES)
        self.other = optim.Adam(self.scale.parameters(), 0.05)

    def criterion(self) -> Tensor:
        return self._criterion(self.mb_output * self.scale(torch.ones(1)), self.mb_y)

    def optimizer_step(self) -> None:
        super().optimizer_step()
        self.other.step()
        self.other.zero_grad()


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
