"""The options that all plugins share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import KW_ONLY, InitVar, dataclass
from typing import Literal, TypeVar

import torch
from avalanche.benchmarks import CLScenario

from avalanche_mas.options import check_count, check_option
from avalanche_mas.plugins.applied import FORMS, Form
from avalanche_mas.plugins.outputs import Output
from avalanche_mas.plugins.tasks import IMPORTANCE_ON

Class = TypeVar("Class", bound=type)


def shows_plain_types(cls: Class) -> Class:
    """Let `help` and `inspect.signature` of a dataclass show `T` where a field is `InitVar[T]`."""
    annotations = cls.__init__.__annotations__  # type: ignore[misc]
    for name, shown in annotations.items():
        if isinstance(shown, str) and shown.startswith("InitVar["):
            annotations[name] = shown.removeprefix("InitVar[").removesuffix("]")
    return cls


@shows_plain_types
@dataclass(eq=False, repr=False)
class PluginOptions:
    """Options shared by all plugins; see `MASPlugin`."""

    lambda_reg: InitVar[float] = 1.0
    alpha: InitVar[float | None] = None
    verbose: bool = False
    _: KW_ONLY
    accumulation: InitVar[str | None] = None
    importance_dtype: torch.dtype | None = None
    importance_on: str = "train"
    benchmark: CLScenario | None = None
    forward: Output | None = None
    exclude: str | Iterable[str] = ()
    on_change: Literal["warn", "raise", "anchor"] = "warn"
    batch_size: int | None = None
    num_workers: int = 0
    penalty: Form = "damped"

    def __post_init__(
        self,
        lambda_reg: float,
        alpha: float | None,
        accumulation: str | None,
    ) -> None:
        check_option("penalty", self.penalty, FORMS)
        check_option("importance_on", self.importance_on, IMPORTANCE_ON)
        if self.batch_size is not None:
            check_count("batch_size", self.batch_size, 1)
        check_count("num_workers", self.num_workers, 0)
        self.exclude = (self.exclude,) if isinstance(self.exclude, str) else tuple(self.exclude)
        check_option("on_change", self.on_change, ("warn", "raise", "anchor"))
