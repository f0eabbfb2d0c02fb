"""Backbones as multi-head networks: what is taken off, what is shared, what is refused."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchvision.models as zoo
from avalanche.benchmarks.utils import _make_taskaware_classification_dataset as task_aware
from avalanche.models.utils import avalanche_forward
from avalanche.training import Naive
from avalanche.training.plugins import LwFPlugin
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from avalanche_mas import MASPlugin
from avalanche_mas.models import MultiHeadNetwork, find_classifier, multi_head, shared_head
from tests.plugins.cases import stream_of

pytestmark = pytest.mark.filterwarnings("ignore:No loggers specified")

CLASSES = (3, 5)

# name: (arguments, image size, classifier, features)
BACKBONES: dict[str, tuple[dict[str, Any], int, str, int]] = {
    "alexnet": ({}, 63, "classifier.6", 4096),
    "vgg11": ({}, 32, "classifier.6", 4096),
    "resnet18": ({}, 32, "fc", 512),
    "squeezenet1_1": ({}, 32, "classifier.1", 512),
    "mobilenet_v2": ({}, 32, "classifier.1", 1280),
    "densenet121": ({}, 32, "classifier", 1024),
    "efficientnet_b0": ({}, 32, "classifier.1", 1280),
    "convnext_tiny": ({}, 32, "classifier.2", 768),
    "vit_b_16": ({"image_size": 32, "num_classes": 7}, 32, "heads.head", 768),
    "swin_t": ({}, 32, "head", 768),
}


def experiences(shape: tuple[int, ...] = (4,)) -> list[Any]:
    """Two tasks of different numbers of classes, 8 samples each."""
    data = []
    for task, classes in enumerate(CLASSES):
        generator = torch.Generator().manual_seed(task)
        labels = torch.arange(8) % classes
        samples = TensorDataset(torch.randn(8, *shape, generator=generator), labels)
        samples.targets = labels.tolist()
        data.append(task_aware(samples, task_labels=task))
    return list(stream_of(data, labelled=True).train_stream)


def adapt(network: MultiHeadNetwork, shape: tuple[int, ...] = (4,)) -> MultiHeadNetwork:
    for experience in experiences(shape):
        network.adaptation(experience)
        network.classifier.adaptation(experience)
    return network


def small() -> MultiHeadNetwork:
    torch.manual_seed(0)
    return multi_head(nn.Sequential(nn.Linear(4, 6), nn.ReLU()), features=6)


def entering(network: nn.Module, path: str, x: Tensor) -> Tensor:
    """What goes into a layer when the whole network is run; maps are averaged over the image."""
    seen: list[Tensor] = []
    layer = network.get_submodule(path)
    hook = layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network(x)
    hook.remove()
    return seen[0].flatten(2).mean(2) if seen[0].ndim == 4 else seen[0]


@pytest.mark.parametrize("name", BACKBONES)
def test_torchvisions_networks(name: str) -> None:
    arguments, side, classifier, features = BACKBONES[name]
    torch.manual_seed(0)
    backbone = getattr(zoo, name)(weights=None, **arguments).eval()
    before = list(backbone.state_dict())
    assert find_classifier(backbone)[0] == classifier
    network = multi_head(backbone).eval()
    images = torch.randn(2, 3, side, side)
    with torch.no_grad():
        expected = entering(backbone, classifier, images)
        found = network.features(images)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
        assert found.shape == (2, features)
        assert found.std() > 0
    assert list(backbone.state_dict()) == before
    shared = {f"body.{key}" for key in before if not key.startswith(f"{classifier}.")}
    assert {key for key in network.state_dict() if key.startswith("body.")} == shared
    adapt(network)
    with torch.no_grad():
        for task, classes in enumerate(CLASSES):
            assert network(images, task).shape == (2, classes)


def test_the_backbone_shares_its_weights_and_keeps_its_classifier() -> None:
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Sequential(nn.Linear(6, 2)))
    x = torch.randn(3, 4)
    before = backbone(x)
    network = multi_head(backbone)
    assert network.body[0] is backbone[0]
    assert torch.equal(network.features(x), backbone[1](backbone[0](x)))
    assert torch.equal(backbone(x), before)
    with torch.no_grad():
        network.body[0].weight.zero_()
    assert (backbone[0].weight == 0).all()


def test_one_head_for_all_tasks() -> None:
    torch.manual_seed(0)
    backbone, x = zoo.resnet18(weights=None).eval(), torch.randn(2, 3, 32, 32)
    network = shared_head(backbone, 10).eval()
    with torch.no_grad():
        assert network(x).shape == (2, 10)
        assert torch.equal(network(x), network.classifier(network.features(x)))
        assert torch.equal(network.features(x), multi_head(backbone).eval().features(x))
    body = nn.Linear(4, 6)
    assert shared_head(body, 10, features=6).body is body
    assert not isinstance(network, MultiHeadNetwork)


def test_any_module_that_gives_features() -> None:
    body = nn.Sequential(nn.Linear(4, 6), nn.ReLU())
    network = multi_head(body, features=6)
    assert network.body is body
    x = torch.randn(2, 4)
    assert torch.equal(network.features(x), body(x))


def test_a_network_that_is_nothing_but_its_classifier() -> None:
    network = multi_head(nn.Linear(4, 2))
    x = torch.randn(2, 4)
    assert torch.equal(network.features(x), x)


class TwoOutputs(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


@pytest.mark.parametrize(
    ("backbone", "found"),
    [
        (nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6)), "found '1', LayerNorm((6,)"),
        (nn.Sequential(nn.Conv2d(3, 6, 3)), "found '0', Conv2d(3, 6, kernel_size=(3, 3)"),
        (nn.Sequential(nn.Conv2d(4, 4, 1, groups=4)), "found '0', Conv2d(4, 4,"),
        (nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Dropout()), "with ReLU() behind it"),
        (nn.Sequential(OrderedDict(only=nn.ReLU())), "found '', Sequential("),
    ],
)
def test_what_does_not_end_in_a_classifier_is_refused(backbone: nn.Module, found: str) -> None:
    with pytest.raises(ValueError, match=re.escape(found)) as refused:
        multi_head(backbone)
    assert "looked for an nn.Linear or a 1x1 nn.Conv2d" in str(refused.value)
    assert "pass features= and a backbone" in str(refused.value)


@pytest.mark.parametrize(
    ("body", "x", "found"),
    [
        (nn.Linear(4, 5), torch.ones(2, 4), r"gives \[2, 5\] for inputs \[2, 4\], not \[2, 6\]"),
        (nn.Conv2d(3, 6, 1), torch.ones(2, 3, 2, 2), r"gives \[2, 6, 2, 2\] for inputs"),
        (TwoOutputs(), torch.ones(2, 6), r"TwoOutputs gives a tuple for inputs \[2, 6\]"),
    ],
)
def test_what_is_not_the_features_is_refused(body: nn.Module, x: Tensor, found: str) -> None:
    with pytest.raises(ValueError, match=found):
        multi_head(body, features=6).features(x)


def test_a_batch_of_one_task_gives_that_heads_outputs_alone() -> None:
    network, x = adapt(small()), torch.randn(5, 4)
    for task, classes in enumerate(CLASSES):
        labels = torch.full((5,), task)
        assert network(x, labels).shape == (5, classes)
        head = network.classifier.classifiers[str(task)].classifier
        torch.testing.assert_close(network(x, labels), head(network.features(x)))
        torch.testing.assert_close(network(x, task), network(x, labels))
        torch.testing.assert_close(avalanche_forward(network, x, labels), network(x, task))


class Widen(nn.Module):
    """What a normalisation layer does under autocast."""

    def forward(self, x: Tensor) -> Tensor:
        return x.float()


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_a_mixed_batch_is_each_tasks_outputs_filled_up_with_what_no_softmax_sees(
    precision: torch.dtype,
) -> None:
    network, x = adapt(small()), torch.randn(6, 4)
    network.body.append(Widen())
    labels = torch.tensor([0, 1, 1, 0, 0, 1])
    with torch.autocast("cpu", precision, enabled=precision is not torch.float32):
        out = network(x, labels)
        assert out.shape == (6, 5)
        assert out.dtype == precision
        torch.testing.assert_close(out[labels == 0, :3], network(x[labels == 0], 0))
        torch.testing.assert_close(out[labels == 1], network(x[labels == 1], 1))
    assert (out.softmax(dim=1)[labels == 0, 3:] == 0).all()


def test_without_labels_every_trained_head_answers() -> None:
    network, x = adapt(small()), torch.randn(2, 4)
    outputs = network(x, None)
    assert {task: out.shape for task, out in outputs.items()} == {0: (2, 3), 1: (2, 5)}
    for task, out in outputs.items():
        torch.testing.assert_close(out, network(x, task))


def test_images_go_through_the_body_as_they_are_unless_channels_last_is_asked_for() -> None:
    seen: list[bool] = []

    class Look(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x.is_contiguous(memory_format=torch.channels_last))
            return x.mean((2, 3))

    for channels_last in (False, True):
        network = multi_head(Look(), features=3, channels_last=channels_last)
        network.features(torch.randn(2, 3, 4, 4))
    assert seen == [False, True]


def trained(
    make: Callable[[], MultiHeadNetwork], shape: tuple[int, ...], *plugins: Any
) -> list[dict[str, Tensor]]:
    """The parameters after each of the two tasks."""
    torch.manual_seed(0)
    network = make()
    strategy = Naive(
        model=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=0.01),
        criterion=nn.CrossEntropyLoss(),
        train_mb_size=4,
        train_epochs=2,
        plugins=list(plugins),
        evaluator=None,
    )
    seen = []
    for experience in experiences(shape):
        strategy.train(experience)
        seen.append({name: p.detach().clone() for name, p in network.named_parameters()})
    return seen


def test_two_tasks_with_mas_on_a_network_of_torchvisions() -> None:
    def make() -> MultiHeadNetwork:
        return multi_head(zoo.resnet18(weights=None))

    plugin = MASPlugin(lambda_reg=60.0)
    held, free = trained(make, (3, 32, 32), plugin), trained(make, (3, 32, 32))
    body = {name for name in held[1] if name.startswith("body.")}
    assert body < set(plugin.importance)
    heads = {name.split(".")[2] for name in set(plugin.importance) - body}
    assert heads == {"0", "1"}  # each has had its turn, during its own task
    name = "classifier.classifiers.0.classifier.weight"
    assert torch.equal(held[0][name], held[1][name])
    assert all(torch.equal(held[0][name], free[0][name]) for name in held[0])
    moved = [  # weighted by importance: the unimportant ones move as rounding has it
        sum(
            float((plugin.importance[name] * (after[name] - before[name]).square()).sum())
            for name in body
        )
        for before, after in (held, free)
    ]
    assert 0 < moved[0] < 0.9 * moved[1]


def test_two_tasks_with_lwf() -> None:
    plain, distilled = trained(small, (4,)), trained(small, (4,), LwFPlugin(alpha=10.0))
    first = "classifier.classifiers.0.classifier.weight"
    assert torch.equal(plain[0][first], distilled[0][first])
    assert torch.equal(plain[1][first], plain[0][first])
    assert not torch.equal(distilled[1][first], plain[1][first])
