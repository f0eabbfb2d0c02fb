"""What a strategy has become by the tasks it learned, taken out of it and put into another one.

Between two tasks that is its model and the attributes of its plugins, Avalanche's clock among them:
every task starts with a fresh optimizer and a seed of its own. The strategy itself is never
pickled, nor is a data set that a plugin leaves out by `__getstate__`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def state_of(thing: Any) -> dict[str, Any]:
    """Return an object's state as pickle takes it: its attributes, or what `__getstate__` gives."""
    state = thing.__reduce_ex__(4)[2]
    return dict(state or {})


def put_back(thing: Any, state: dict[str, Any]) -> None:
    """Give an object a state, in place; what `state_of` leaves out stays as it is."""
    if hasattr(thing, "__setstate__"):
        thing.__setstate__(state)
        return
    for name in state_of(thing).keys() - state.keys():
        delattr(thing, name)
    vars(thing).update(state)


def snapshot(strategy: Any) -> dict[str, Any]:
    """Return what a strategy has become, between two tasks; its objects are not copies.

    To be pickled in one piece, so that what shares memory still does afterwards.

    Raises:
        TypeError: A plugin has another one among its attributes, of which there would be two
            afterwards.
    """
    plugins = _plugins(strategy)
    states = [state_of(plugin) for plugin in plugins]
    for plugin, state in zip(plugins, states, strict=True):
        for name, value in state.items():
            if any(value is other for other in plugins):
                raise TypeError(
                    f"{type(plugin).__name__}.{name} is another plugin of the strategy, so a run "
                    "with it cannot be kept; leave it out in __getstate__"
                )
    groups = [_without_parameters(group) for group in strategy.optimizer.param_groups]
    return {"model": strategy.model, "plugins": states, "optimizer": groups}


def restore(strategy: Any, kept: dict[str, Any]) -> None:
    """Make a strategy what another one, constructed in the same way, had become.

    Args:
        strategy: One that was just constructed. Its optimizer will have no state, and its plugins
            stay the objects they are.
        kept: From `snapshot`, by way of a pickle; its objects become the strategy's.
    """
    names = {id(p): name for name, p in strategy.model.named_parameters()}
    parameters = dict(kept["model"].named_parameters())
    groups = strategy.optimizer.param_groups
    for group, options in zip(groups, kept["optimizer"], strict=True):
        group.update(options, params=[parameters[names[id(p)]] for p in group["params"]])
    strategy.model, strategy.optimized_param_id = kept["model"], None
    for plugin, state in zip(_plugins(strategy), kept["plugins"], strict=True):
        put_back(plugin, state)


def _plugins(strategy: Any) -> Sequence[Any]:
    """All plugins but the evaluator, whose loggers hold files; its metrics start with each task."""
    return [plugin for plugin in strategy.plugins if plugin is not strategy.evaluator]


def _without_parameters(group: dict[str, Any]) -> dict[str, Any]:
    return {name: option for name, option in group.items() if name != "params"}
