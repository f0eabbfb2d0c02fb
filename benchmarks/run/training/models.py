"""The networks of the comparison and their defaults; `networks.py` makes them.

Nothing here loads PyTorch, so that `--help` and a mistyped name are answered at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.record.imported import is_path


@dataclass(frozen=True)
class Pretrained:
    """ImageNet weights: torchvision's name, which gives an address, and the pattern of their files."""

    name: str
    files: str


@dataclass(frozen=True)
class Model:
    """A network, its title in sentences, and the defaults for training it.

    It takes images of at least `smallest` pixels, a `multiple` of a number, with so many
    `channels`, `None` for any. `image_size` is `None` if it depends on the data.
    """

    name: str
    title: str
    image_size: int | None
    epochs: int
    learning_rate: float
    smallest: int = 1
    multiple: int = 1
    channels: int | None = None
    pretrained: Pretrained | None = None

    def check_size(self, side: int) -> None:
        """Raise ValueError if the network cannot take images of this height and width."""
        if side < self.smallest or side % self.multiple:
            wanted = f"{self.smallest} px or more"
            if self.multiple > 1:
                wanted = f"a multiple of {self.multiple} px"
            raise ValueError(
                f"{self.name} takes images of {wanted}, not {side}; use --image-size "
                f"{self.image_size}, or another --model"
            )


MODELS: dict[str, Model] = {
    model.name: model
    for model in (
        Model("small-cnn", "a small CNN", image_size=32, epochs=12, learning_rate=0.05, smallest=7),
        Model("mlp", "MLP", image_size=28, epochs=20, learning_rate=0.01),
        Model(
            "squeezenet",
            "SqueezeNet 1.1",
            image_size=64,
            epochs=15,
            learning_rate=0.01,
            smallest=17,
            channels=3,
            pretrained=Pretrained("SqueezeNet1_1_Weights.IMAGENET1K_V1", "squeezenet1_1*.pth"),
        ),
        Model(
            "alexnet",
            "AlexNet",
            image_size=224,
            epochs=15,
            learning_rate=0.001,
            smallest=63,
            channels=3,
            pretrained=Pretrained("AlexNet_Weights.IMAGENET1K_V1", "alexnet-*.pth"),
        ),
        Model(
            "resnet18",
            "ResNet18",
            image_size=224,
            epochs=15,
            learning_rate=0.01,
            channels=3,
            pretrained=Pretrained("ResNet18_Weights.IMAGENET1K_V1", "resnet18-*.pth"),
        ),
        Model(
            "vit-b-16",
            "ViT-B/16",
            image_size=224,
            epochs=15,
            learning_rate=0.003,
            smallest=16,
            multiple=16,
            channels=3,
            pretrained=Pretrained("ViT_B_16_Weights.IMAGENET1K_V1", "vit_b_16-*.pth"),
        ),
    )
}
"""The networks by name. Only the rates of small-cnn and squeezenet were tested; of the others, 0.01 and
0.001 are in De Lange et al.'s grid (TPAMI 2021), 0.003 is in that of ViT's paper for fine-tuning.
torchvision's weights expect images normalised with ImageNet's mean and deviation, as the streams
normalise those of every task."""


def model_named(name: str) -> Model:
    """Return the network of this name, or of a function at an import path, with usual defaults."""
    if name in MODELS or not is_path(name):
        return MODELS[name]
    return Model(name, title=name, image_size=None, epochs=15, learning_rate=0.01)
