"""The importance of EWC, against a loop of batch size one in float64."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from avalanche.benchmarks.utils import _make_taskaware_classification_dataset as task_aware
from avalanche.training.plugins import EWCPlugin
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from avalanche_mas.importance import fisher_information
from avalanche_mas.streams import TaskBenchmark
from benchmarks.methods._repaired_ewc import RepairedEWCPlugin
from tests.benchmarks.methods.learning import learn, network, strategy_of, whole

PLUGINS = pytest.mark.parametrize(
    ("plugin", "right"),
    [(EWCPlugin, False), (RepairedEWCPlugin, True)],
    ids=["as shipped", "repaired"],
)


def slow_fisher(model: nn.Module, x: Tensor, y: Tensor, *labels: Any) -> dict[str, Tensor]:
    """Return the mean over samples of squared gradients, one by one, in float64 and eval mode."""
    model = copy.deepcopy(model).double().eval()
    parameters = dict(model.named_parameters())
    sums = {name: torch.zeros_like(p) for name, p in parameters.items()}
    for k in range(len(x)):
        outputs = model(x[k : k + 1].double(), *labels)
        log_likelihood = outputs.log_softmax(1)[0, y[k]]
        gradients = torch.autograd.grad(
            log_likelihood, list(parameters.values()), allow_unused=True, materialize_grads=True
        )
        for total, gradient in zip(sums.values(), gradients, strict=True):
            total += gradient.square()
    return {name: total / len(x) for name, total in sums.items()}


def relative_error(found: dict[str, Any], expected: dict[str, Tensor]) -> float:
    errors = [(found[n].data - value).abs().max() / value.max() for n, value in expected.items()]
    return float(max(errors))


# --- the plugin ---


def measure(plugin: Any, model: nn.Module, dataset: Any, batch_size: int) -> dict[str, Any]:
    optimizer = torch.optim.SGD(model.parameters())
    criterion, device = nn.CrossEntropyLoss(), torch.device("cpu")
    return plugin.compute_importances(model, criterion, optimizer, dataset, device, batch_size)


@PLUGINS
def test_the_importance_after_a_task_is_the_mean_of_squared_gradients_of_samples(
    plugin: Any, right: bool, stream: TaskBenchmark
) -> None:
    ewc, model = plugin(1.0), network(normalised=True)
    learn(strategy_of(ewc, model), stream.train_stream[0])
    expected = slow_fisher(model, *whole(stream.train_stream[0])[:2], 0)
    error = relative_error(ewc.importances[0], expected)
    assert error < 1e-4 if right else error > 0.1


@PLUGINS
def test_the_importance_does_not_depend_on_the_batch_size(
    plugin: Any, right: bool, stream: TaskBenchmark
) -> None:
    ewc, model = plugin(1.0), network(normalised=True)
    learn(strategy_of(ewc, model), stream.train_stream[0])
    data = stream.train_stream[0].dataset
    expected = {name: held.data for name, held in measure(ewc, model, data, 24).items()}
    for batch_size in (1, 7):  # 24 = 3 · 7 + 3: a ragged last batch
        error = relative_error(measure(ewc, model, data, batch_size), expected)
        assert error < 1e-4 if right else error > 0.1


@PLUGINS
def test_the_importance_is_of_images_as_they_are(
    plugin: Any, right: bool, stream: TaskBenchmark
) -> None:
    ewc, model = plugin(1.0), network()
    learn(strategy_of(ewc, model), stream.train_stream[0])
    x, y, _ = whole(stream.train_stream[0])
    data = TensorDataset(x, y)
    data.targets = y.tolist()
    jitter = {"train": (lambda image: image + torch.randn_like(image), None), "eval": (None, None)}
    augmented = task_aware(data, task_labels=0, transform_groups=jitter)
    plain = measure(ewc, model, stream.train_stream[0].dataset, 8)
    expected = {name: held.data for name, held in plain.items()}
    error = relative_error(measure(ewc, model, augmented, 8), expected)
    assert error < 1e-6 if right else error > 0.1


def test_measuring_leaves_everything_as_it_was(stream: TaskBenchmark) -> None:
    ewc, model = RepairedEWCPlugin(1.0), network(normalised=True)
    learn(strategy_of(ewc, model), stream.train_stream[0])
    model.body[1].eval()
    modes = [module.training for module in model.modules()]
    state, random = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    measure(ewc, model, stream.train_stream[0].dataset, 8)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)


# --- on any network ---


class Transposed(nn.Module):
    """A layer without a rule, and one that is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.twice = nn.ConvTranspose2d(3, 2, 2, stride=2), nn.Linear(8, 8)
        self.out = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        features = F.adaptive_avg_pool2d(self.up(x), 2).flatten(1)
        return self.out(self.twice(self.twice(features).tanh()).tanh())


class Patches(nn.Module):
    """Linear layers at several positions of an image, with attention between them."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.norm = nn.Conv2d(3, 8, 4, stride=4), nn.LayerNorm(8)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.mlp, self.out = nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.embed(x).flatten(2).transpose(1, 2)
        tokens = self.norm(torch.cat([self.token.expand(len(x), -1, -1), patches], dim=1))
        tokens = tokens + self.attention(tokens, tokens, tokens, need_weights=False)[0]
        return self.out(F.gelu(self.mlp(tokens))[:, 0])


def convolutional() -> nn.Module:
    grouped = nn.Conv2d(8, 8, 3, groups=2, padding=1)
    pooled = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), grouped, nn.BatchNorm2d(8), *pooled)


def channels_last() -> nn.Module:
    return convolutional().to(memory_format=torch.channels_last)


def batches(count: int = 10) -> tuple[Tensor, Tensor, Iterable[tuple[Tensor, Tensor]]]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(count, 3, 8, 8, generator=generator)
    y = torch.randint(3, (count,), generator=generator)
    return x, y, list(zip(x.split(4), y.split(4), strict=True))


@pytest.mark.parametrize("make", [convolutional, channels_last, Transposed, Patches])
def test_the_fisher_information_of_any_network(make: Any) -> None:
    torch.manual_seed(2)
    model, (x, y, parts) = make(), batches()
    found = fisher_information(model, parts, labels="data")
    assert relative_error(found, slow_fisher(model, x, y)) < 1e-4


def test_labels_may_be_drawn_from_the_model() -> None:
    torch.manual_seed(2)
    model, (x, y, _) = convolutional().eval(), batches()
    torch.manual_seed(5)
    found = fisher_information(model, [(x, y)])
    drawn = torch.multinomial(model(x).softmax(1), 1)[:, 0]
    assert not torch.equal(drawn, y)
    assert relative_error(found, slow_fisher(model, x, drawn)) < 1e-4


def test_no_data_is_an_error() -> None:
    with pytest.raises(ValueError, match="no samples"):
        fisher_information(convolutional(), [], labels="data")


class Rounding(nn.Module):
    """A layer that rounds differently in a batch than alone, as matrix products may."""

    def forward(self, x: Tensor) -> Tensor:
        return x * (1 + 1e-5) if len(x) == 1 else x


def test_a_network_that_is_sure_of_its_classes_is_measured() -> None:
    """Log-likelihoods near 0 are mostly rounding."""
    x, y = torch.eye(3).repeat(4, 1), torch.arange(3).repeat(4)
    for margin in torch.linspace(10, 12, 60):
        model = nn.Sequential(nn.Linear(3, 3), Rounding())
        with torch.no_grad():
            model[0].weight.copy_(margin * torch.eye(3))
            model[0].bias.zero_()
        found = fisher_information(model, [(x, y)], labels="data", parameters=["0.bias"])
        assert 0 < found["0.bias"].max() < 1e-6
