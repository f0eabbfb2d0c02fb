"""Networks for Avalanche on any backbone, with one head per task or one head for all tasks."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from avalanche.models import MultiHeadClassifier, MultiTaskModule
from torch import Tensor, nn

__all__ = ["MultiHeadNetwork", "SharedHeadNetwork", "find_classifier", "multi_head", "shared_head"]


def __dir__() -> list[str]:
    return __all__


class _OnBody:
    """A network that checks the features of its body."""

    body: nn.Module
    classifier: Any  # a module with in_features
    channels_last: bool

    def features(self, x: Tensor) -> Tensor:
        """Return the body's output [B, features] for inputs [B, ...].

        Raises:
            ValueError: the body returns something else.
        """
        if self.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        out: Tensor = self.body(x)
        expected = (len(x), self.classifier.in_features)
        if not isinstance(out, Tensor) or out.shape != expected:
            found = list(out.shape) if isinstance(out, Tensor) else f"a {type(out).__name__}"
            raise ValueError(
                f"{type(self.body).__name__} gives {found} for inputs {list(x.shape)}, not "
                f"{list(expected)}, [B, features]; pass features= and a backbone that gives as many "
                "features of each sample"
            )
        return out


class MultiHeadNetwork(_OnBody, MultiTaskModule):
    """A shared body and one linear head per task.

    For a batch of one task the output has only that head's classes, [B, C_t]. There is no padding, so
    other heads do not affect the loss, the accuracy or the importance. In a batch of several tasks
    the rows of smaller heads are padded with -1000, which the softmax turns into 0.

    Args:
        body: maps inputs [B, ...] to features [B, features].
        features: number of features.
        channels_last: whether to pass images to the body in channels-last layout, which makes
            convolutions on a CPU faster. The parameters keep their layout, as Avalanche's Synaptic
            Intelligence would copy channels-last parameters instead of viewing them.
    """

    def __init__(self, body: nn.Module, features: int, *, channels_last: bool = False) -> None:
        super().__init__()
        self.body = body
        self.classifier = MultiHeadClassifier(features)
        self.channels_last = channels_last

    def forward_single_task(self, x: Tensor, task_label: int) -> Tensor:
        """Return the outputs [B, C_t] of one task's head."""
        out: Tensor = self.classifier.forward_single_task(self.features(x), task_label)
        return out

    def forward_all_tasks(self, x: Tensor) -> dict[int, Tensor]:
        """Return the outputs of every trained head, running the body once."""
        outputs: dict[int, Tensor] = self.classifier.forward_all_tasks(self.features(x))
        return outputs

    def forward(self, x: Tensor, task_labels: Tensor | int | None) -> Tensor | dict[int, Tensor]:
        """Return each row's outputs from its own task's head; without labels, every head's."""
        if task_labels is None:
            return self.forward_all_tasks(x)
        if isinstance(task_labels, int):
            return self.forward_single_task(x, task_labels)
        tasks = torch.unique(task_labels).tolist()
        if len(tasks) == 1:
            return self.forward_single_task(x, tasks[0])
        features = self.features(x)
        rows = {task: task_labels == task for task in tasks}
        outputs = {
            task: self.classifier.forward_single_task(features[rows[task]], task) for task in tasks
        }
        width = max(output.shape[1] for output in outputs.values())
        dtype = next(iter(outputs.values())).dtype  # not the features' under autocast
        out = features.new_full((len(x), width), self.classifier.mask_value, dtype=dtype)
        for task, output in outputs.items():
            out[rows[task], : output.shape[1]] = output
        return out


class SharedHeadNetwork(_OnBody, nn.Module):
    """A body and one linear head for all tasks, for streams without task labels.

    Args:
        body: maps inputs [B, ...] to features [B, features].
        features: number of features.
        outputs: number of classes.
        channels_last: see `MultiHeadNetwork`.
    """

    def __init__(
        self, body: nn.Module, features: int, outputs: int, *, channels_last: bool = False
    ) -> None:
        super().__init__()
        self.body = body
        self.classifier = nn.Linear(features, outputs)
        self.channels_last = channels_last

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs [B, outputs]."""
        out: Tensor = self.classifier(self.features(x))
        return out


def multi_head(
    backbone: nn.Module, features: int | None = None, *, channels_last: bool = False
) -> MultiHeadNetwork:
    """Return a multi-head network on a backbone, with one linear head per task.

    The network shares its parameters with the backbone, which is not changed:
    `multi_head(resnet18(weights="DEFAULT"))`. Dropout before the classifier is kept.

    Args:
        backbone: with `features`, any module that returns [B, features]. Without, a classification
            network such as torchvision's, whose classifier (see `find_classifier`) is bypassed. For
            SqueezeNet, which classifies by a 1x1 convolution and then averages over the image, the
            features are therefore averages over the image.
        features: number of features that the backbone returns for each sample.
        channels_last: see `MultiHeadNetwork`.

    Raises:
        ValueError: no classifier is found.
    """
    body, found = _body(backbone, features)
    return MultiHeadNetwork(body, found, channels_last=channels_last)


def shared_head(
    backbone: nn.Module, outputs: int, features: int | None = None, *, channels_last: bool = False
) -> SharedHeadNetwork:
    """Return a network with one linear head of `outputs` classes on a backbone; see `multi_head`."""
    body, found = _body(backbone, features)
    return SharedHeadNetwork(body, found, outputs, channels_last=channels_last)


def _body(backbone: nn.Module, features: int | None) -> tuple[nn.Module, int]:
    if features is not None:
        return backbone, features
    path, layer = find_classifier(backbone)
    found = layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels
    return _without(backbone, path.split(".") if path else []), found


def find_classifier(network: nn.Module) -> tuple[str, nn.Linear | nn.Conv2d]:
    """Return the path and the layer of a classification network that maps features to classes.

    It is the last module in order of registration with parameters of its own: an `nn.Linear` not
    followed by a nonlinearity, or an `nn.Conv2d` with a 1x1 kernel.

    Raises:
        ValueError: that module is something else, or there is none.
    """
    path, last = "", network
    for place, module in network.named_modules():
        if list(module.parameters(recurse=False)):
            path, last = place, module
    if isinstance(last, nn.Linear) and not _followed(network, path):
        return path, last
    if isinstance(last, nn.Conv2d) and last.kernel_size == (1, 1) and last.groups == 1:
        return path, last
    followed = ", ".join(map(str, _followed(network, path)))
    raise ValueError(
        f"{type(network).__name__} does not end in a classifier: looked for an nn.Linear or a 1x1 "
        f"nn.Conv2d as the last module with parameters, and found {path!r}, {last}"
        f"{', with ' + followed + ' behind it' if followed else ''}; pass features= and a backbone "
        "that gives as many features of each sample, [B, features]"
    )


def _followed(network: nn.Module, path: str) -> list[nn.Module]:
    """Return the modules after a layer that change its output, as far as an `nn.Sequential` shows."""
    parent, _, name = path.rpartition(".")
    siblings = network.get_submodule(parent)
    if not path or not isinstance(siblings, nn.Sequential):
        return []
    names = [other for other, _ in siblings.named_children()]
    behind = [siblings.get_submodule(other) for other in names[names.index(name) + 1 :]]
    return [m for m in behind if not isinstance(m, (nn.Identity, nn.Flatten, nn.Dropout))]


def _without(module: nn.Module, path: Sequence[str]) -> nn.Module:
    """Return a copy of the module without the layer at a path, sharing everything else."""
    if not path:
        return nn.Identity()
    name, *rest = path
    other = copy.copy(module)
    other._modules = {**module._modules, name: _without(module.get_submodule(name), rest)}
    return other
