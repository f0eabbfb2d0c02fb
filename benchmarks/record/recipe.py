"""How each task is trained: the settings, and their values in runs older than them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

OPTIMIZERS = ("sgd", "adam", "adamw")
PRECISIONS = ("float32", "bfloat16", "float16")
DEVICES = ("cpu", "cuda")
PENALTIES = ("explicit", "damped")

_ONLY_ONE = "SGD, momentum 0.9"
"""How runs recorded their optimizer while there was no other."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How each task is trained: part of a run's configuration.

    Attributes:
        optimizer: The optimizer, by name; each task starts with a fresh state.
        momentum: That of SGD; `None` for other optimizers.
        schedule: The learning rate schedule of each task, by name.
        backbone_learning_rate: The peak learning rate of all but the heads; `None` for the heads'.
        weight_decay: The share of a parameter that SGD and Adam add to its gradient (L2, no ½), and
            that AdamW, times the rate, takes off the parameter. Parameters without a gradient do not
            decay, such as the heads of other tasks, unless the method gives them one.
        patience: Training on a task stops after this many epochs without better accuracy on its
            validation data, and the best epoch's weights are restored. `None`: every task is
            trained for all epochs and keeps its last weights.
        gradient_clip: The largest 2-norm of the gradient, including the method's part unless its
            penalty is damped, but not the weight decay; `None` for no limit.
        penalty: How quadratic penalties are applied, if the method can choose: "explicit", as part of
            the loss, clipped with it; or "damped", in implicit steps, after clipping.
        precision: Of the strategy's forward passes in training and evaluation. All else is float32:
            weights, loss, gradients, penalties, importance, and what methods compute themselves.
            With float16 the loss is scaled.
        device: Where the network is.
    """

    optimizer: str = "sgd"
    momentum: float | None = 0.9
    schedule: str = "one-cycle"
    backbone_learning_rate: float | None = None
    weight_decay: float = 0.0
    patience: int | None = None
    gradient_clip: float | None = 5.0
    penalty: str = "explicit"
    precision: str = "float32"
    device: str = "cpu"


def completed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recorded configuration in today's words, with the fields added since.

    The defaults of `Recipe` are how tasks were trained before there were settings for it.
    """
    found = {**asdict(Recipe()), **config}
    return found | {"optimizer": "sgd"} if found["optimizer"] == _ONLY_ONE else found
