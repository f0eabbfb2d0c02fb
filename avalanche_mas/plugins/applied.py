"""How the penalty enters training: through the loss, or through the gradient of each step."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from typing import Any, Literal, TypeAlias

from avalanche.training.templates import SupervisedTemplate
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from avalanche_mas.names import parameters_of
from avalanche_mas.penalty import QuadraticPenalty, learning_rates
from avalanche_mas.plugins.finite import LIMIT, all_finite, largest_step
from avalanche_mas.plugins.steps import Steps

Form: TypeAlias = Literal["damped", "gradient", "loss"]
FORMS: tuple[Form, ...] = ("damped", "gradient", "loss")


class AppliedPenalty:
    """A quadratic penalty at work in a strategy, whose steps it watches for NaN and infinity.

    Args:
        form: "damped" or "gradient", added to the gradients just before each optimizer step, or
            "loss", added to the loss before the backward pass.
    """

    def __init__(self, form: Form) -> None:
        self.form = form
        self._steps = Steps(self._before_step, closures=form != "loss")
        self._penalty: QuadraticPenalty | None = None
        self._skip: Collection[str] = ()
        self._begun = False  # whether the penalty is part of the loss of the current step

    def begin_task(
        self, strategy: SupervisedTemplate, penalty: QuadraticPenalty, skip: Collection[str]
    ) -> None:
        """Check that the penalty can be applied, and follow the optimizer's steps.

        Raises:
            ValueError: for the damped form: a parameter that is held has no learning rate, or
                another penalty is added to the gradients, too.
            TypeError: the strategy's optimizer is not a torch optimizer; only "loss" works with such.
        """
        self._check_others(strategy)
        self.follow(strategy, penalty, skip)
        self._begun = False
        optimizer = strategy.optimizer
        if self.form == "damped":
            learning_rates(optimizer, _held(penalty, strategy.model, skip))
        elif self.form == "gradient" and isinstance(optimizer, SGD):
            self._warn(*largest_step(penalty, strategy.model, optimizer, skip))

    def follow(
        self, strategy: SupervisedTemplate, penalty: QuadraticPenalty, skip: Collection[str]
    ) -> None:
        """Apply this penalty to the steps of the optimizer that the strategy has now."""
        self._penalty, self._skip = penalty, skip
        if self.form != "loss" or isinstance(strategy.optimizer, Optimizer):
            self._steps.attach(strategy.optimizer, strategy)

    def add_to_loss(self, strategy: SupervisedTemplate) -> None:
        """Add the penalty's value to the loss, if the form is "loss".

        Raises:
            RuntimeError: gradients are accumulated over several backward passes.
        """
        penalty = self._penalty
        if self.form != "loss" or penalty is None or not penalty.importance:
            return
        if self._begun and _have_gradients(_held(penalty, strategy.model, self._skip)):
            raise RuntimeError(
                'penalty="loss" would count once per backward pass, but gradients are accumulated '
                'over several before a step; use penalty="damped" or "gradient", which count once '
                "per step"
            )
        self._begun = True
        strategy.loss = strategy.loss + penalty.value(strategy.model, self._skip)

    def end_epoch(self, strategy: SupervisedTemplate) -> None:
        """Warn if the optimizer took no step, so that the penalty had no effect."""
        held = self._penalty is not None and self._penalty.importance
        if self.form != "loss" and held and not self._steps.taken:
            warnings.warn(
                f"the penalty had no effect in this epoch, as {type(strategy.optimizer).__name__} "
                "has taken no step: a GradScaler has left all of them out, or the parameters are "
                'changed in another way, which needs penalty="loss"',
                stacklevel=2,
            )

    def end_task(self) -> None:
        """Leave the optimizer alone."""
        self._steps.detach()
        self._penalty = None

    def _check_others(self, strategy: SupervisedTemplate) -> None:
        """Refuse a second gradient penalty beside a damped one, which would not damp it correctly."""
        others = [p for p in strategy.plugins if getattr(p, "lambda_reg", 0)]
        beside = [
            p.penalty for p in others if getattr(p, "penalty", None) in ("damped", "gradient")
        ]
        if "damped" in beside and len(beside) > 1:
            raise ValueError(
                f"{len(beside)} plugins add a penalty to the gradients ({', '.join(beside)}), and one "
                'is damped, which must be the only one; give the others penalty="loss"'
            )

    def _before_step(self, strategy: SupervisedTemplate, optimizer: Optimizer) -> None:
        self._begun = False
        self._check(strategy, optimizer)
        if self.form != "loss" and self._penalty is not None:
            damped_by = optimizer if self.form == "damped" else None
            self._penalty.add_gradient(strategy.model, self._skip, optimizer=damped_by)

    def _check(self, strategy: SupervisedTemplate, optimizer: Optimizer) -> None:
        groups = optimizer.param_groups
        gradients = [p.grad for group in groups for p in group["params"] if p.grad is not None]
        loss = [strategy.loss.detach()] if isinstance(strategy.loss, Tensor) else []
        if all_finite([*gradients, *loss]):
            return
        named = strategy.model.named_parameters()
        broken = [name for name, p in named if p.grad is not None and not all_finite([p.grad])]
        where = f"the gradient of {broken[0]!r}" if broken else "the loss"
        clock, value = strategy.clock, float(*loss or [strategy.loss])
        raise FloatingPointError(
            f"task {clock.train_exp_counter + 1}, step {clock.train_exp_iterations + 1}: {where} is "
            f"not finite (loss {value:g}){self._remedy(strategy.model, optimizer)}; "
            "Ω and θ* are those of the tasks before"
        )

    def _remedy(self, model: nn.Module, optimizer: Optimizer) -> str:
        if self._penalty is None or not self._penalty.importance:
            return "; lower the learning rate, or look for broken inputs"
        step, name = largest_step(self._penalty, model, optimizer, self._skip)
        damped = "" if self.form == "damped" else 'penalty="damped", '
        return (
            f", with λ = {self._penalty.lambda_reg:g} and at most η · 2 λ Ω = {step:.3g} (in "
            f"{name!r}; plain steps diverge beyond {LIMIT:g}); use {damped}a lower learning rate or "
            "a lower lambda_reg"
        )

    def _warn(self, step: float, name: str) -> None:
        if step > LIMIT and self._penalty is not None:
            warnings.warn(
                f"η · 2 λ Ω is up to {step:.3g} (in {name!r}, with λ = {self._penalty.lambda_reg:g}), "
                f"and plain steps on the penalty diverge beyond {LIMIT:g}: training may explode; use "
                'penalty="damped", which is stable at any strength, or a lower lambda_reg',
                stacklevel=2,
            )


def _held(
    penalty: QuadraticPenalty, model: nn.Module, skip: Collection[str]
) -> dict[str, nn.Parameter]:
    """Return the parameters by name that the penalty holds and training changes."""
    return {
        name: p
        for name, p in parameters_of(model).items()
        if name in penalty.importance and name not in skip and p.requires_grad
    }


def _have_gradients(parameters: dict[str, nn.Parameter]) -> bool:
    gradients: list[Any] = [p.grad for p in parameters.values() if p.grad is not None]
    return any(bool(gradient.any()) for gradient in gradients)
