"""What of Avalanche cannot go on to the bit, and is refused before training."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch.nn.parameter import is_lazy

from avalanche_mas.checkpoint.codec import CheckpointError

_DRAWS = "it draws what it replays from an iterator, whose place within a task cannot be saved"
_REBUILDS = "it changes or makes layers while it trains, which a newly built strategy does not have"

_WHY = {
    **dict.fromkeys(("DER", "ER_ACE", "ER_AML", "FeatureReplay"), _DRAWS),
    **dict.fromkeys(("AGEMPlugin", "MIRPlugin", "RARPlugin"), _DRAWS),
    **dict.fromkeys(("BiCPlugin", "CoPEPlugin", "LaMAML"), _REBUILDS),
    "GSS_greedyPlugin": "its loader reads from the memory that it changes within a task",
    "PNN": "its columns are made from the data of a task",
    "GenerativeReplayPlugin": "the generator is a strategy of its own, with its own optimizer",
}
"""Why Avalanche's classes are refused, by name."""


def refuse(strategy: Any, plugins: Iterable[Any], by_attributes: Iterable[Any]) -> None:
    """Refuse what could not be saved, or not be gone on from, once it has trained.

    Raises:
        CheckpointError: A class is one of those, the strategy has a loop of its own and its
            class is not in `by_attributes`, or the model's shapes are not known yet.
    """
    kind = type(strategy)
    own = not kind.training_epoch.__module__.startswith("avalanche.")
    if own and not any(each is kind for each in by_attributes):
        raise CheckpointError(
            f"{kind.__name__} has a training_epoch of its own, which may count steps where they cannot be "
            "saved: let it ask clock.train_epoch_iterations, and name the class in by_attributes="
        )
    for one in (strategy, *plugins, *strategy.model.modules()):
        for kind in type(one).__mro__:
            if kind.__module__.startswith("avalanche.") and kind.__name__ in _WHY:
                raise CheckpointError(
                    f"{type(one).__name__} cannot go on from a checkpoint: {_WHY[kind.__name__]}; train "
                    "it without Checkpoints"
                )
    lazy = [name for name, p in strategy.model.named_parameters() if is_lazy(p)]
    if lazy:
        raise CheckpointError(
            f"the shapes of {', '.join(lazy)} are not known yet; run a forward pass before the "
            "optimizer is made"
        )
