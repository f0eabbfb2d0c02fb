"""The networks of the comparison: a body that all tasks share, and one linear head per task."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import cast

import torch
from avalanche.models import MultiHeadClassifier, MultiTaskModule
from torch import Tensor, nn

_SQUEEZENET_FILES = "squeezenet1_1*.pth"


class MultiHeadNetwork(MultiTaskModule):
    """A shared body and one linear head per task.

    A batch of one task gives that head's own classes, [B, C_t]: nothing is padded, so the heads of
    other sizes take no part in the loss, the accuracy or the importance. Only in a batch of several
    tasks are the rows of smaller heads filled up, with -1000, which the softmax turns into 0.

    Images go through the body channels last, which is faster on a CPU. The parameters do not lie
    that way: of those that do, Synaptic Intelligence as shipped takes copies instead of views.

    Args:
        body: From images [B, 3, H, W] to features [B, features].
        features: How many features the body gives.
    """

    def __init__(self, body: nn.Module, features: int) -> None:
        super().__init__()
        self.body = body
        self.classifier = MultiHeadClassifier(features)

    def features(self, x: Tensor) -> Tensor:
        """Return the body's output [B, features] for images [B, 3, H, W]."""
        out: Tensor = self.body(x.contiguous(memory_format=torch.channels_last))
        return out

    def forward_single_task(self, x: Tensor, task_label: int) -> Tensor:
        """Return the outputs [B, C_t] of one task's head."""
        out: Tensor = self.classifier.forward_single_task(self.features(x), task_label)
        return out

    def forward_all_tasks(self, x: Tensor) -> dict[int, Tensor]:
        """Return the outputs of every head that has been trained, the body being run once."""
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
        out = features.new_full((len(x), width), self.classifier.mask_value)
        for task, output in outputs.items():
            out[rows[task], : output.shape[1]] = output
        return out


def small_cnn() -> MultiHeadNetwork:
    """Return a small convolutional network for images of 32 px, 0.6 million parameters.

    It has neither dropout nor batch normalisation: the one would draw random numbers that the
    methods use up at different rates, the other keeps statistics that no penalty can hold. The
    initial weights are He's (normal, deviation √(2/inputs), biases 0): with torch's smaller ones
    the first task is learned so slowly that there is little to forget.
    """
    body = nn.Sequential(
        nn.Conv2d(3, 32, 5, stride=2, padding=2),
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
    return MultiHeadNetwork(body, 256)


def squeezenet(weights: Path | None = None) -> MultiHeadNetwork:
    """Return SqueezeNet 1.1's convolutions, averaged over the image, 0.7 million parameters.

    Args:
        weights: A file with torchvision's key names (`features.0.weight`, ...); other keys, such as
            the ImageNet classifier's, are left out. Without one the weights are random.

    Raises:
        ValueError: The file does not hold these weights.
    """
    from torchvision.models import squeezenet1_1

    features = squeezenet1_1(weights=None).features
    if weights is not None:
        _load_features(features, weights)
    return MultiHeadNetwork(nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten()), 512)


def _load_features(features: nn.Module, file: Path) -> None:
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
        features.load_state_dict(
            {
                key.removeprefix("features."): value
                for key, value in state.items()
                if key.startswith("features.")
            }
        )
    except Exception as error:  # torch.load raises whatever the broken file makes it raise
        raise ValueError(
            f"{file} does not hold SqueezeNet 1.1's weights under torchvision's names: {error}; "
            "name another file with --weights FILE, or use random ones with --weights none"
        ) from error


MODELS: dict[str, Callable[[Path | None], MultiHeadNetwork]] = {
    "small-cnn": lambda _: small_cnn(),
    "squeezenet": squeezenet,
}
"""The networks by name; each takes the weight file to start from."""


def find_weights(choice: str, root: Path | None) -> Path | None:
    """Return the file of pretrained SqueezeNet 1.1 weights that is meant.

    Args:
        choice: A file; `"none"` for random weights; `"auto"` for the first found of torch's
            download folder, a folder `weights` in or beside `root`, and torchvision's download.
        root: The folder of the real data.

    Raises:
        FileNotFoundError: The file does not exist, or there is none and it cannot be downloaded.
    """
    if choice == "none":
        return None
    if choice != "auto":
        file = Path(choice)
        if not file.is_file():
            raise FileNotFoundError(
                f"no weight file {file}; name an existing one with --weights FILE"
            )
        return file
    folders = [Path(torch.hub.get_dir()) / "checkpoints"]
    if root is not None:
        folders += [root / "weights", root.resolve().parent / "weights"]
    found = [file for folder in folders for file in sorted(folder.glob(_SQUEEZENET_FILES))]
    return found[0] if found else _download(folders)


def _download(looked_in: list[Path]) -> Path:
    from torchvision.models import SqueezeNet1_1_Weights

    url: str = SqueezeNet1_1_Weights.IMAGENET1K_V1.url
    target = looked_in[0] / url.rsplit("/", 1)[1]
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(url, str(target), hash_prefix=target.stem.rsplit("-", 1)[1])
    except (OSError, RuntimeError) as error:
        raise FileNotFoundError(
            f"no file {_SQUEEZENET_FILES} in {', '.join(map(str, looked_in))}, and {url} could not "
            f"be downloaded ({error}); name one with --weights FILE, or use random ones with "
            "--weights none"
        ) from error
    return target


def describe_weights(file: Path | None) -> str | None:
    """Return a weight file's name and SHA-256, which is how a run's configuration names it."""
    if file is None:
        return None
    return f"{file.name} sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
