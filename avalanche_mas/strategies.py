"""MAS and l-MAS as ready-made Avalanche strategies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Literal

import torch
from avalanche.benchmarks import CLScenario
from avalanche.core import BasePlugin
from avalanche.training.plugins import EvaluationPlugin
from avalanche.training.plugins.evaluation import default_evaluator
from avalanche.training.templates import SupervisedTemplate
from avalanche.training.templates.strategy_mixin_protocol import CriterionType
from torch import nn
from torch.optim import Optimizer

from avalanche_mas.plugins import LocalMASPlugin, MASPlugin
from avalanche_mas.plugins.base import ImportancePlugin
from avalanche_mas.plugins.tasks import Output


class _Strategy(SupervisedTemplate):
    """Plain fine-tuning with an importance plugin before all others; see `MAS`."""

    _plugin: Callable[..., ImportancePlugin]

    def __init__(
        self,
        *,
        model: nn.Module,
        optimizer: Optimizer,
        criterion: CriterionType | None = None,
        lambda_reg: float = 1.0,
        alpha: float | None = None,
        verbose: bool = False,
        accumulation: str | None = None,
        importance_on: str = "train",
        benchmark: CLScenario | None = None,
        forward: Output | None = None,
        exclude: str | Iterable[str] = (),
        importance_batch_size: int | None = None,
        importance_num_workers: int = 0,
        penalty: Literal["gradient", "loss"] = "gradient",
        train_mb_size: int = 1,
        train_epochs: int = 1,
        eval_mb_size: int | None = 1,
        device: str | torch.device = "cpu",
        plugins: Sequence[BasePlugin] | None = None,
        evaluator: EvaluationPlugin | Callable[[], EvaluationPlugin] | None = default_evaluator,
        eval_every: int = -1,
        **base_kwargs: Any,
    ) -> None:
        mas = self._plugin(
            lambda_reg,
            alpha,
            verbose,
            accumulation=accumulation,
            importance_on=importance_on,
            benchmark=benchmark,
            forward=forward,
            exclude=exclude,
            batch_size=importance_batch_size,
            num_workers=importance_num_workers,
            penalty=penalty,
        )
        super().__init__(
            model=model,
            optimizer=optimizer,
            criterion=nn.CrossEntropyLoss() if criterion is None else criterion,
            train_mb_size=train_mb_size,
            train_epochs=train_epochs,
            eval_mb_size=eval_mb_size,
            device=device,
            plugins=[mas, *(plugins or ())],
            evaluator=evaluator,
            eval_every=eval_every,
            **base_kwargs,
        )
        self.mas = mas


class MAS(_Strategy):
    """Memory Aware Synapses: plain fine-tuning with a `MASPlugin`.

    The arguments are those of Avalanche's strategies, by keyword, and those of `MASPlugin`. The
    plugin is `strategy.mas`; it comes before the plugins passed in, so that one which clips
    gradients clips the penalty's share as well. The list passed in is not changed.

    Args:
        output: "l2" or "vector", see `MASPlugin`.
        granularity: "sample" or "batch", see `MASPlugin`.
        model: The model.
        optimizer: The optimizer.
        criterion: The loss; the cross entropy by default.
        lambda_reg: See `MASPlugin`, as for the following ten; the defaults are the same.
        alpha: The share of the tasks before in a running blend.
        verbose: Whether to show a progress bar while importance is measured.
        accumulation: How the importances of the tasks are put together.
        importance_on: The part of a task's data to measure on.
        benchmark: The benchmark with these parts.
        forward: The output that counts.
        exclude: Patterns of names of parameters to leave out.
        importance_batch_size: `batch_size` of the plugin.
        importance_num_workers: `num_workers` of the plugin.
        penalty: "gradient" or "loss".
        train_mb_size: Samples per training batch; 1 by default.
        train_epochs: Training epochs per experience; 1 by default.
        eval_mb_size: Samples per evaluation batch, 1 by default; None: as in training.
        device: Where the model is trained; "cpu" by default.
        plugins: Further plugins.
        evaluator: Metrics and loggers; Avalanche's default ones by default.
        eval_every: See Avalanche's `SupervisedTemplate`, as for its further arguments.

    Raises:
        TypeError: An argument is not known.
        ValueError: A value is out of its range.
    """

    def __init__(
        self,
        *,
        output: Literal["l2", "vector"] = "l2",
        granularity: Literal["sample", "batch"] = "sample",
        **options: Any,
    ) -> None:
        self._plugin = partial(MASPlugin, output=output, granularity=granularity)
        super().__init__(**options)


class LocalMAS(_Strategy):
    """l-MAS: plain fine-tuning with a `LocalMASPlugin`.

    All is as in `MAS`, and so are the arguments, without output= and granularity=.
    """

    _plugin = LocalMASPlugin
