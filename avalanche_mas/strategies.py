"""MAS as a ready-made Avalanche strategy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import torch
from avalanche.core import BasePlugin
from avalanche.training.plugins import EvaluationPlugin
from avalanche.training.plugins.evaluation import default_evaluator
from avalanche.training.templates import SupervisedTemplate
from avalanche.training.templates.strategy_mixin_protocol import CriterionType
from torch import nn
from torch.optim import Optimizer

from avalanche_mas.plugins import MASPlugin


class MAS(SupervisedTemplate):
    """Memory Aware Synapses: plain fine-tuning with a `MASPlugin`.

    The arguments are those of Avalanche's strategies, by keyword, and those of `MASPlugin`. The
    plugin is `strategy.mas`; it comes before the plugins passed in, so that one which clips
    gradients clips the penalty's share as well. The list passed in is not changed.

    Args:
        model: The model.
        optimizer: The optimizer.
        criterion: The loss.
        lambda_reg: See `MASPlugin`, as for the following five.
        alpha: A running blend in place of the sum over tasks.
        verbose: Whether to show a progress bar while importance is measured.
        exclude: Patterns of names of parameters to leave out.
        importance_batch_size: `batch_size` of the plugin.
        importance_num_workers: `num_workers` of the plugin.
        penalty: "gradient" or "loss".
        train_mb_size: Samples per training batch.
        train_epochs: Training epochs per experience.
        eval_mb_size: Samples per evaluation batch; None: as in training.
        device: Where the model is trained.
        plugins: Further plugins.
        evaluator: Metrics and loggers.
        eval_every: See Avalanche's `SupervisedTemplate`.
        **base_kwargs: Further arguments of `SupervisedTemplate`.

    Raises:
        ValueError: A value is out of its range.
    """

    def __init__(
        self,
        *,
        model: nn.Module,
        optimizer: Optimizer,
        criterion: CriterionType | None = None,
        lambda_reg: float = 1.0,
        alpha: float | None = None,
        verbose: bool = False,
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
        mas = MASPlugin(
            lambda_reg,
            alpha,
            verbose,
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
