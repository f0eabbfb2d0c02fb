"""Learning rates by parameter, as an optimizer has them now, and what is held at them. Pure torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from torch import Tensor, nn
from torch.optim import Optimizer

Rate: TypeAlias = "float | Tensor"
"""A learning rate η: a number, or a tensor without dimensions."""

Rates: TypeAlias = "Optimizer | Mapping[str, Rate]"
"""An optimizer, or learning rates by parameter name."""


class Held(NamedTuple):
    """One parameter that is held.

    Attributes:
        tensors: p.grad, which is written to, θ, θ* and Ω, all of one shape.
        rate: η for the damped gradient, None for the plain one.
    """

    tensors: tuple[Tensor, ...]
    rate: Rate | None = None


def learning_rates(source: Rates, parameters: Mapping[str, nn.Parameter]) -> dict[str, Rate]:
    """Return the learning rate of each parameter.

    Args:
        source: the optimizer whose groups say it, or the rates by name.
        parameters: the parameters by name.

    Returns:
        The rates by name. The same object for parameters of one group; a tensor on a device other
        than the CPU stays there, so that nothing waits for it.

    Raises:
        ValueError: a parameter has no learning rate.
    """
    if isinstance(source, Optimizer):
        groups = [(group, _number(group.get("lr"))) for group in source.param_groups]
        by_id = {id(p): rate for group, rate in groups for p in group["params"]}
        rates = {name: by_id.get(id(p)) for name, p in parameters.items()}
    else:
        rates = {name: _number(source.get(name)) for name in parameters}
    found = {name: rate for name, rate in rates.items() if rate is not None}
    for name in parameters:
        if name not in found:
            raise ValueError(_missing(name, source))
    return found


def _number(rate: Rate | None) -> Rate | None:
    if isinstance(rate, Tensor) and rate.device.type == "cpu":
        return rate.item()
    return rate


def _missing(name: str, source: Rates) -> str:
    if isinstance(source, Optimizer):
        return (
            f"no group of the {type(source).__name__} optimizer has a learning rate for parameter "
            f"{name!r}, which has an importance, so its penalty cannot be damped; add it to the "
            "optimizer, freeze it (requires_grad_(False)) or leave it out of the penalty"
        )
    return f"no learning rate is given for parameter {name!r}; the rates are of {sorted(source)}"
