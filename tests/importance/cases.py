"""The networks on which exactness is checked: published architectures and awkward ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
import torchvision.models as published
from torch import Tensor, nn


@dataclass(frozen=True)
class Case:
    """A network and a batch for it, both built when they are needed."""

    id: str
    build: Callable[[], nn.Module]
    inputs: Callable[[], Tensor]
    seed: int = 0

    def make(self, dtype: torch.dtype) -> tuple[nn.Module, Tensor]:
        torch.manual_seed(self.seed)
        model = self.build().to(dtype)
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.running_mean.normal_(0, 0.3)
                module.running_var.uniform_(0.5, 1.5)
        x = self.inputs()
        return model, x.to(dtype) if x.is_floating_point() else x


def images(size: int, samples: int = 4) -> Callable[[], Tensor]:
    return lambda: torch.randn(samples, 3, size, size)


def tokens(samples: int = 4, length: int = 6, words: int = 11) -> Callable[[], Tensor]:
    return lambda: torch.randint(words, (samples, length))


def _vit() -> nn.Module:
    model = published.vit_b_16(image_size=32, num_classes=5)
    nn.init.normal_(model.heads.head.weight)  # torchvision starts it at zero: nothing would matter
    nn.init.normal_(model.class_token)
    return model


def _convnext() -> nn.Module:
    model = published.convnext_tiny(num_classes=5)
    for name, parameter in model.named_parameters():
        if name.endswith("layer_scale"):
            nn.init.uniform_(parameter, 0.2, 1.0)
    return model


class Recurrent(nn.Module):
    """An LSTM classifier, time first inside."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 5, padding_idx=0)
        self.lstm = nn.LSTM(5, 7, num_layers=2, bidirectional=True)
        self.head = nn.Linear(14, 3)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.lstm(self.embed(x.T))
        return self.head(states[-1])


class Attentive(nn.Module):
    """A Transformer-encoder classifier with a position embedding and a class token."""

    def __init__(self, batch_first: bool) -> None:
        super().__init__()
        self.batch_first = batch_first
        self.embed = nn.Embedding(11, 8)
        self.position = nn.Parameter(torch.randn(7, 8))
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=batch_first, dropout=0.5)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.cat([self.token.expand(len(x), -1, -1), self.embed(x)], 1) + self.position
        h = self.encoder(h) if self.batch_first else self.encoder(h.transpose(0, 1)).transpose(0, 1)
        return self.head(self.norm(h[:, 0]))


class Tied(nn.Module):
    """One table for words in and words out; one layer that is called three times."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 8)
        self.block = nn.Linear(8, 8)
        self.again = nn.Linear(8, 8)
        self.again.weight = self.block.weight

    def forward(self, x: Tensor) -> Tensor:
        h = self.embed(x).mean(1)
        for _ in range(3):
            h = torch.tanh(self.block(h))
        return F.linear(self.again(h), self.embed.weight)


class ByHand(nn.Module):
    """A parent that uses its children's parameters itself, in ways without a rule."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.second = nn.Linear(6, 4)
        self.temperature = nn.Parameter(torch.tensor(1.7))
        self.mixing = nn.utils.parametrizations.weight_norm(nn.Linear(6, 6))

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x) @ self.first.weight.t()
        h = self.mixing(h) + x.matmul(self.first.weight.sin())
        return self.second(h) * self.temperature + self.second.bias.exp()


class InPlace(nn.Module):
    """In-place activations and additions, a frozen layer, a layer that is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(3 if i == 0 else 6, 6, 3, padding=1) for i in range(3))
        self.norm = nn.BatchNorm2d(6)
        self.unused = nn.Linear(3, 3)
        self.head = nn.Sequential(nn.Linear(6, 5), nn.ReLU(inplace=True), nn.Linear(5, 3))
        self.convs[1].requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu_(self.convs[0](x))
        y = self.norm(self.convs[1](h))
        y += h
        y.relu_()
        z = self.convs[2](y)
        z.mul_(0.5).clamp_(min=-0.2)
        return self.head(z.mean((2, 3)))


class Frames(nn.Module):
    """Video: the frames of all samples share the batch dimension, samples inside or outside."""

    def __init__(self, outermost: bool) -> None:
        super().__init__()
        self.outermost = outermost
        self.small = nn.Conv2d(3, 4, 3, groups=1)
        self.deep = nn.Conv2d(4, 4, 3, groups=4)
        self.norm = nn.GroupNorm(2, 4)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        b, t = x.shape[:2]
        frames = x.flatten(0, 1) if self.outermost else x.transpose(0, 1).flatten(0, 1)
        h = self.norm(torch.relu(self.deep(torch.relu(self.small(frames))))).mean((2, 3))
        h = self.head(h)
        return h.view(b, t, -1).sum(1) if self.outermost else h.view(t, b, -1).sum(0)


class Routed(nn.Module):
    """Each sample goes through the expert its sign picks: a layer sees part of the batch only."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(4, 4)
        self.experts = nn.ModuleList(nn.Linear(4, 3) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        h = self.body(x).tanh()
        output = h.new_zeros(len(x), 3)
        for i, expert in enumerate(self.experts):
            chosen = (x[:, 0] > 0) == bool(i)
            if chosen.any():
                output[chosen] = expert(h[chosen])
        return output


class SelfDifferentiating(nn.Module):
    """The output is a gradient, as in energy models: the network runs a backward pass of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 5), nn.Linear(5, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = x.detach().requires_grad_()
        energy = self.second(torch.tanh(self.first(x))).sum()
        return torch.autograd.grad(energy, x, create_graph=True)[0]


class TwoRoles(nn.Module):
    """One parameter as the weight and as the input of the same layer."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 4))

    def forward(self, x: Tensor) -> Tensor:
        return x @ F.linear(self.weight, self.weight)


class Ragged(nn.Module):
    """Each sample has as many rows as its first entry says; the rows of all are put together."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        used = torch.arange(x.shape[1], device=x.device) < x[:, 0, :1].long()
        rows = self.layer(x[used]).square()
        return rows.new_zeros(len(x), 3).index_add(0, used.nonzero()[:, 0], rows)


def ragged(*rows: int) -> Callable[[], Tensor]:
    """Samples of which this many rows are used: their first entry says so."""

    def draw() -> Tensor:
        x = torch.randn(len(rows), 4, 4)
        x[:, 0, 0] = torch.tensor(rows)
        return x

    return draw


class Overwritten(nn.Module):
    """An activation that is changed once a parameter has been added to it; a cache of activations."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(4, 4), nn.Linear(4, 3)
        self.position = nn.Parameter(torch.randn(4))
        self.scale = nn.Parameter(torch.randn(4))
        self.cache: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        h = self.body(x)
        y = h + self.position
        h.relu_()
        self.cache = h * self.scale.exp()
        return self.head(y + self.cache)


class Sorting(nn.Module):
    """The samples are put in another order, as for packed sequences, and back again."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        order = x[:, 0].argsort()
        h = self.layer(torch.tanh(self.layer(x[order])))
        return self.layer(h[order.argsort()].square())


def _sorted_at_the_ends() -> Tensor:
    x = torch.randn(4, 4)
    x[:, 0] = torch.tensor([-3.0, 1.0, 0.5, 2.0])
    return x


PUBLISHED = [
    Case("AlexNet", lambda: published.alexnet(num_classes=5), images(64, 3)),
    Case("VGG11-BN", lambda: published.vgg11_bn(num_classes=5), images(32, 2)),
    Case("ResNet18", lambda: published.resnet18(num_classes=5), images(40)),
    Case("SqueezeNet 1.1", lambda: published.squeezenet1_1(num_classes=5), images(40)),
    Case("MobileNetV2", lambda: published.mobilenet_v2(num_classes=5), images(40)),
    Case("DenseNet121", lambda: published.densenet121(num_classes=5), images(40, 3)),
    Case("EfficientNet-B0", lambda: published.efficientnet_b0(num_classes=5), images(40)),
    Case("ConvNeXt-Tiny", _convnext, images(40, 3)),
    Case("ViT-B/16", _vit, images(32, 3)),
    Case("Swin-T", lambda: published.swin_t(num_classes=5), images(40, 3)),
]

AWKWARD = [
    Case("LSTM", Recurrent, tokens()),
    Case("Transformer encoder, batch first", lambda: Attentive(True), tokens()),
    Case("Transformer encoder, time first", lambda: Attentive(False), tokens()),
    Case("tied weights", Tied, tokens()),
    Case("parameters used by hand", ByHand, lambda: torch.randn(5, 6)),
    Case("in place", InPlace, images(9)),
    Case("frames, samples outermost", lambda: Frames(True), lambda: torch.randn(4, 3, 3, 9, 9)),
    Case("frames, samples innermost", lambda: Frames(False), lambda: torch.randn(4, 3, 3, 9, 9)),
    Case("a network that differentiates itself", SelfDifferentiating, lambda: torch.randn(5, 4)),
    Case("a parameter in two roles", TwoRoles, lambda: torch.randn(5, 4)),
    Case("ragged samples", Ragged, ragged(1, 3, 2, 1)),
    Case("ragged samples, the ends as long as the average", Ragged, ragged(2, 1, 3, 2)),
    Case("an activation is overwritten", Overwritten, lambda: torch.randn(5, 4)),
    Case("samples in another order", Sorting, _sorted_at_the_ends),
    Case("experts", Routed, lambda: torch.randn(6, 4)),
    Case(
        "transposed convolution",
        lambda: nn.Sequential(
            nn.ConvTranspose2d(3, 4, 3), nn.PReLU(), nn.Flatten(), nn.Linear(4 * 8 * 8, 3)
        ),
        images(6),
    ),
]
