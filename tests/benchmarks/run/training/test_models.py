"""The networks of the comparison: their inputs, outputs and initial weights."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from avalanche_mas.models import MultiHeadNetwork, SharedHeadNetwork
from avalanche_mas.streams import TaskBenchmark
from avalanche_mas.streams.task import IMAGENET
from benchmarks.run.training.models import MODELS
from benchmarks.run.training.networks import Shape, make_network, network_for

FEATURES = {
    "small-cnn": 256,
    "mlp": 256,
    "squeezenet": 512,
    "alexnet": 4096,
    "resnet18": 512,
    "vit-b-16": 768,
}
SMALL = ("small-cnn", "mlp", "squeezenet", "resnet18")


def shape_for(name: str) -> Shape:
    side = max(32, MODELS[name].smallest)
    return (3, side, side)


@pytest.mark.parametrize("name", MODELS)
def test_features_and_heads(name: str) -> None:
    shape = shape_for(name)
    network = make_network(name, shape).eval()
    images = torch.randn(2, *shape)
    with torch.no_grad():
        assert network.features(images).shape == (2, FEATURES[name])
    assert isinstance(network, MultiHeadNetwork)


@pytest.mark.parametrize("name", SMALL)
def test_every_parameter_is_trained(name: str, stream: TaskBenchmark) -> None:
    network = make_network(name, shape_for(name))
    network.adaptation(stream.train_stream[0])
    network.classifier.adaptation(stream.train_stream[0])
    out: Tensor = network(torch.randn(4, *shape_for(name)), torch.zeros(4, dtype=torch.int64))
    out.logsumexp(dim=1).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_initial_weights_are_drawn_in_torchvisions_order() -> None:
    torch.manual_seed(0)
    network = make_network("squeezenet", (3, 32, 32))
    torch.manual_seed(0)
    features, head = torchvision.models.squeezenet1_1(weights=None).features, nn.Linear(512, 2)
    for name, value in features.state_dict().items():
        assert torch.equal(network.body[0].get_parameter(name), value)
    assert torch.equal(network.classifier.classifiers["0"].classifier.weight, head.weight)


def test_the_small_cnn_starts_from_hes_weights() -> None:
    for layer in make_network("small-cnn", (3, 32, 32)).body:
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            inputs = layer.weight[0].numel()
            assert float(layer.weight.detach().std()) == pytest.approx(
                (2 / inputs) ** 0.5, rel=0.05
            )
            assert (layer.bias == 0).all()


def test_the_demos_perceptron() -> None:
    layers = [layer for layer in make_network("mlp", (1, 28, 28)).body if list(layer.parameters())]
    assert [(layer.in_features, layer.out_features) for layer in layers] == [(784, 256), (256, 256)]
    assert make_network("mlp", (3, 16, 20)).features(torch.randn(2, 3, 16, 20)).shape == (2, 256)


def test_the_small_cnn_takes_grey_images() -> None:
    assert make_network("small-cnn", (1, 28, 28)).features(torch.randn(2, 1, 28, 28)).shape[0] == 2


@pytest.mark.parametrize("name", [name for name in MODELS if name != "vit-b-16"])
def test_the_smallest_size_is_the_smallest(name: str) -> None:
    model = MODELS[name]
    with torch.device("meta"):
        network = make_network(name, (3, model.smallest, model.smallest)).eval()
        images = torch.zeros(2, 3, model.smallest, model.smallest)
        assert network.features(images).shape == (2, FEATURES[name])
        if model.smallest > 1:
            with pytest.raises(RuntimeError, match="too small"):
                network.features(images[..., 1:, 1:])


@pytest.mark.parametrize(
    ("name", "shape", "complaint"),
    [
        (
            "alexnet",
            (3, 62, 62),
            "alexnet takes images of 63 px or more, not 62; use --image-size 224",
        ),
        ("alexnet", (3, 64, 32), "63 px or more, not 32"),
        ("squeezenet", (3, 16, 16), "squeezenet takes images of 17 px or more, not 16"),
        ("vit-b-16", (3, 100, 100), "vit-b-16 takes images of a multiple of 16 px, not 100"),
        ("vit-b-16", (3, 32, 64), "square images, not 32 x 64 px"),
        ("resnet18", (1, 28, 28), "3 channels, and these have 1; use --model small-cnn or mlp"),
    ],
)
def test_images_that_a_network_cannot_take(name: str, shape: Shape, complaint: str) -> None:
    with torch.device("meta"), pytest.raises(ValueError, match=complaint):
        make_network(name, shape)


def test_streams_without_task_labels_have_one_head(stream: TaskBenchmark) -> None:
    assert isinstance(network_for("small-cnn", stream), MultiHeadNetwork)
    shared = TaskBenchmark(list(stream.streams.values()), stream.tasks, "domain")
    network = network_for("small-cnn", shared)
    assert isinstance(network, SharedHeadNetwork)
    assert network(torch.randn(2, 3, 16, 16)).shape == (2, 4)


def test_the_image_that_tells_the_shape_draws_no_random_number(stream: TaskBenchmark) -> None:
    torch.manual_seed(0)
    first = network_for("mlp", stream).body[1].weight
    torch.manual_seed(0)
    assert torch.equal(first, make_network("mlp", (3, 16, 16)).body[1].weight)
    assert first.shape == (256, 3 * 16 * 16)


@pytest.mark.parametrize("name", MODELS)
def test_which_networks_draw_random_numbers_and_which_keep_statistics(name: str) -> None:
    """As the docstring of `networks.py` says."""
    with torch.device("meta"):
        modules = list(make_network(name, shape_for(name)).modules())
    drops = [m for m in modules if isinstance(m, nn.Dropout) and m.p > 0]
    norms = [m for m in modules if isinstance(m, nn.BatchNorm2d)]
    assert bool(drops) == (name == "alexnet")
    assert bool(norms) == (name == "resnet18")


@pytest.mark.parametrize("name", [name for name in MODELS if MODELS[name].pretrained])
def test_pretrained_networks_expect_the_normalisation_of_the_streams(name: str) -> None:
    pretrained: Any = MODELS[name].pretrained
    weights = torchvision.models.get_weight(pretrained.name)
    transforms = weights.transforms()
    assert (tuple(transforms.mean), tuple(transforms.std)) == IMAGENET
    address = weights.url.rsplit("/", 1)[1]
    assert fnmatchcase(address, pretrained.files)
