"""Checks before importances are merged or used; errors name the first difference."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from torch import Tensor


def check_names(
    one: Collection[str], two: Collection[str], first: str, second: str, remedy: str = ""
) -> None:
    """Refuse a name that only one side has; ``first`` and ``second`` say what the sides are."""
    for name in two:
        if name not in one:
            raise ValueError(f"{first} has no {name!r}, but {second} has{remedy}")
    for name in one:
        if name not in two:
            raise ValueError(f"{first} has {name!r}, but {second} has not{remedy}")


def check_shapes(
    one: Mapping[str, Tensor], two: Mapping[str, Tensor], first: str, second: str
) -> None:
    """Refuse different shapes under the same name."""
    for name, tensor in one.items():
        if tensor.shape != two[name].shape:
            raise ValueError(
                f"{first} has {list(tensor.shape)} for {name!r}, {second} {list(two[name].shape)}"
            )


def check_digests(then: Mapping[str, str], now: Mapping[str, str], remedy: str) -> None:
    """Refuse parameters with other values; ``remedy`` says what to do."""
    for name, digest in then.items():
        if now[name] != digest:
            raise ValueError(
                f"{name!r} is not what it was when the importance was measured: the model has been "
                f"trained since, or it is another one; {remedy}"
            )


def check_entries(name: str, value: Tensor) -> None:
    """Refuse NaN, infinite and negative entries."""
    if value.numel():
        low, high = (float(bound) for bound in value.aminmax())
        if not (low >= 0 and high < math.inf):
            raise ValueError(
                f"the importance of {name!r} must be finite and not negative; its entries reach "
                f"from {low:g} to {high:g}"
            )
