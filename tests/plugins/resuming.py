"""`python -m tests.plugins.resuming FOLDER`: the second task, from what a process saved after the first."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import torch

from avalanche_mas import MASPlugin
from tests.plugins.cases import (
    Strategy,
    domain_incremental,
    single_head,
    strategy_for,
    unlabelled,
    weights,
)

PLUGIN, MODEL, END = "mas.safetensors", "model.pt", "end.pt"


def without_momentum(plugin: MASPlugin) -> Strategy:
    """A strategy whose optimizer keeps nothing between two tasks."""
    strategy = strategy_for(single_head(), plugin)
    strategy.optimizer.param_groups[0]["momentum"] = 0.0
    return strategy


def second_task(strategy: Strategy, plugin: MASPlugin) -> dict[str, torch.Tensor]:
    torch.manual_seed(7)
    plugin.update_importance(strategy, [unlabelled(1)])
    strategy.train(domain_incremental(2).train_stream[1])
    return weights(strategy.model)


def main(folder: Path) -> None:
    plugin = MASPlugin(0.5)
    strategy = without_momentum(plugin)
    strategy.model.load_state_dict(torch.load(folder / MODEL, weights_only=True))
    plugin.load(folder / PLUGIN, strategy.model)
    torch.save(second_task(strategy, plugin), folder / END)


if __name__ == "__main__":
    warnings.filterwarnings("ignore", "No loggers specified")
    main(Path(sys.argv[1]))
