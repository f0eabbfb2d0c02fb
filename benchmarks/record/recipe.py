"""How every task is trained: what may be said of it, and what it was before it could be said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

PRECISIONS = ("float32", "bfloat16", "float16")
DEVICES = ("cpu", "cuda")
PENALTIES = ("explicit", "damped")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The fields of a run's configuration that say how each task is trained.

    Attributes:
        optimizer: The optimizer; it starts afresh with every task.
        schedule: Course of the learning rate over each task, by name.
        backbone_learning_rate: The highest learning rate of all but the heads; `None` for theirs.
        weight_decay: What share of a parameter SGD adds to its gradient (L2, no ½). A parameter
            without a gradient does not decay: the heads of other tasks, but for methods that give
            these a gradient.
        patience: After how many epochs without gain of accuracy on the new task's validation data
            training on it stops; the weights of the best epoch are put back. `None`: every task is
            trained for all epochs, and keeps its last weights.
        gradient_clip: Largest 2-norm of the gradient, the method's own part included unless its
            penalty is damped, the weight decay not; `None` for any.
        penalty: How quadratic penalties are applied, where the method can: "explicit", as a part of
            the loss that is clipped along, or "damped", in implicit steps, added to the gradient
            after clipping. What Avalanche ships is always explicit.
        precision: Of the forward passes in training and evaluation. Weights, loss, gradients,
            penalties and importance are float32 always; of the methods, what they compute besides
            the strategy's own forward pass is too. float16 has its loss scaled.
        device: Where the network is.
    """

    optimizer: str = "SGD, momentum 0.9"
    schedule: str = "one-cycle"
    backbone_learning_rate: float | None = None
    weight_decay: float = 0.0
    patience: int | None = None
    gradient_clip: float | None = 5.0
    penalty: str = "explicit"
    precision: str = "float32"
    device: str = "cpu"


def completed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recorded configuration with the fields that it is older than.

    The defaults of `Recipe` are how tasks were trained when nothing could be said of it.
    """
    return {**asdict(Recipe()), **config}
