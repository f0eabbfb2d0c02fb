"""The networks: a body that all tasks share, with a linear head per task or one for all.

Random numbers. Each task starts from its own seed (`strategy.seed_everything`), so batches and
augmentation are the same for all methods that draw equally many numbers. AlexNet has dropout: a
method that runs the network once more per step, as distillation does, draws more, and then gets
other augmentation and, from the task's second epoch on, other batches. This makes a comparison
noisier, not biased. The other networks draw none in training (ViT-B/16's dropout is 0).

Batch normalisation (ResNet18). Its running statistics are not parameters: no penalty holds them,
and old tasks are evaluated with those of the last task. The forgetting they cause affects every
method. MAS holds the weights and biases, and does not change the statistics while it measures.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, cast

import torch
import torchvision.models
from torch import Tensor, nn

from avalanche_mas.models import (
    MultiHeadNetwork,
    SharedHeadNetwork,
    find_classifier,
    multi_head,
    shared_head,
)
from avalanche_mas.streams import TaskBenchmark
from benchmarks.record.imported import function, is_path
from benchmarks.run.training.models import MODELS
from benchmarks.run.training.weights import load_weights

Shape: TypeAlias = tuple[int, int, int]
"""Of an image: channels, height, width."""


class Backbone(NamedTuple):
    """What heads are put on; see `multi_head`.

    Without `features`, their number, the module has a classifier to be left out.
    """

    module: nn.Module
    features: int | None = None
    channels_last: bool = True


def network_for(
    name: str, stream: TaskBenchmark, weights: Path | None = None
) -> MultiHeadNetwork | SharedHeadNetwork:
    """Return the network of this name for a stream, with a head per task if tasks have labels."""
    outputs = None if stream.scenario == "task" else stream.outputs
    return make_network(name, _shape_of(stream), weights, outputs)


@lru_cache(maxsize=1)
def _shape_of(stream: TaskBenchmark) -> Shape:
    """Return the shape of the images, read once: the framework's trials look at no old task."""
    image: Tensor = stream.train_stream[0].dataset.eval()[0][0]
    return cast(Shape, tuple(image.shape))


def make_network(
    name: str, shape: Shape, weights: Path | None = None, outputs: int | None = None
) -> MultiHeadNetwork | SharedHeadNetwork:
    """Return one of the networks.

    Args:
        name: Its name, or the import path of a function that makes it.
        shape: The images' channels, height and width.
        weights: The file with its initial weights; `None` for random ones.
        outputs: The number of classes of one head for all tasks; `None` for a head per task.

    Raises:
        ValueError: It cannot take such images, or the file does not hold its weights.
    """
    if is_path(name):
        return own_network(name, shape, outputs)
    model, (channels, *sides) = MODELS[name], shape
    if model.channels not in (None, channels):
        raise ValueError(
            f"{name} takes images of {model.channels} channels, and these have {channels}; use "
            f"--model {' or '.join(m.name for m in MODELS.values() if m.channels is None)}"
        )
    for side in sides:
        model.check_size(side)
    return _with_heads(_BACKBONES[name](shape, weights), outputs)


def _with_heads(backbone: Backbone, outputs: int | None) -> MultiHeadNetwork | SharedHeadNetwork:
    body, features, channels_last = backbone
    if outputs is None:
        return multi_head(body, features, channels_last=channels_last)
    return shared_head(body, outputs, features, channels_last=channels_last)


def own_network(
    path: str, shape: Shape, outputs: int | None
) -> MultiHeadNetwork | SharedHeadNetwork:
    """Return heads on the network that the function at an import path makes.

    They replace its classifier if it ends in one (see `find_classifier`). Otherwise its outputs are
    features, [B, D].

    Raises:
        ValueError: It is no network, or takes no such images.
    """
    made, sample = function("--model", path)(), torch.zeros(1, *shape)
    if not isinstance(made, nn.Module):
        raise ValueError(f"--model {path}: it made a {type(made).__name__}, not an nn.Module")
    try:
        with torch.no_grad():
            made.eval()
            features = None if _classifies(made) else made(sample).shape[-1]
            network = _with_heads(Backbone(made, features, channels_last=False), outputs)
            network.features(sample)
    except (RuntimeError, ValueError, AttributeError, TypeError) as error:
        raise ValueError(
            f"--model {path}: on an image {list(shape)} it fails ({error}); make a network that takes "
            "such images and gives the scores of classes, or features [B, D]"
        ) from error
    return network.train()


def _classifies(network: nn.Module) -> bool:
    try:
        find_classifier(network)
    except ValueError:
        return False
    return True


def small_cnn(channels: int) -> Backbone:
    """Return a small convolutional network for images of 32 px, 0.6 million parameters.

    It has no dropout, which would draw more random numbers with some methods than with others, and
    no batch normalisation, whose statistics no penalty can hold. The initial weights are He's
    (normal, deviation √(2/inputs), biases 0): with torch's smaller ones the first task is learned
    so slowly that there is little to forget.
    """
    body = nn.Sequential(
        nn.Conv2d(channels, 32, 5, stride=2, padding=2),
        nn.ReLU(),
        *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(64, 128, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(128 * 16, 256),
        nn.ReLU(),
    )
    for layer in body:
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(cast(Tensor, layer.bias))
    return Backbone(body, 256)


def mlp(pixels: int) -> Backbone:
    """Return the perceptron of the authors' demo: pixels-256-256, with ReLU after both layers."""
    layers = (nn.Linear(pixels, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU())
    return Backbone(nn.Sequential(nn.Flatten(), *layers), 256, channels_last=False)


def squeezenet(weights: Path | None) -> Backbone:
    """Return SqueezeNet 1.1's convolutions, averaged over the image, 0.7 million parameters.

    It leaves out the dropout before the classifier.
    """
    features = _torchvision("squeezenet", "squeezenet1_1", weights).get_submodule("features")
    return Backbone(nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten()), 512)


def vit_b_16(shape: Shape, weights: Path | None) -> Backbone:
    """Return ViT-B/16, 86 million parameters.

    If the images are not 224 px, as the weights expect, the position embeddings are interpolated.

    Raises:
        ValueError: The images are not square, or the file does not hold the weights.
    """
    if shape[1] != shape[2]:
        raise ValueError(f"vit-b-16 takes square images, not {shape[1]} x {shape[2]} px")
    module = _torchvision("vit-b-16", "vit_b_16", weights, image_size=shape[1])
    return Backbone(module, channels_last=False)


def _torchvision(name: str, maker: str, weights: Path | None, **arguments: Any) -> nn.Module:
    """Return one of torchvision's networks, with the weights of a file if given."""
    network: nn.Module = getattr(torchvision.models, maker)(weights=None, **arguments)
    if weights is not None:
        load_weights(network, weights, MODELS[name].title)
    return network


_BACKBONES: dict[str, Callable[[Shape, Path | None], Backbone]] = {
    "small-cnn": lambda shape, _: small_cnn(shape[0]),
    "mlp": lambda shape, _: mlp(math.prod(shape)),
    "squeezenet": lambda _, weights: squeezenet(weights),
    # up to its second fully connected layer, 57 million parameters
    "alexnet": lambda _, weights: Backbone(_torchvision("alexnet", "alexnet", weights)),
    # 11 million parameters
    "resnet18": lambda _, weights: Backbone(_torchvision("resnet18", "resnet18", weights)),
    "vit-b-16": vit_b_16,
}
