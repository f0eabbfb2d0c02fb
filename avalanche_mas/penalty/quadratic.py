"""The quadratic penalty that holds important parameters where they were. Pure torch."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from avalanche_mas.names import parameters_of
from avalanche_mas.options import check_option, number
from avalanche_mas.penalty.accumulation import accumulate, choose_accumulation
from avalanche_mas.penalty.checks import (
    check_finite,
    check_growth,
    check_importance,
    checked_state,
    find,
    fits,
)
from avalanche_mas.penalty.described import described
from avalanche_mas.penalty.gradient import add_gradients
from avalanche_mas.penalty.growth import block, grown
from avalanche_mas.penalty.rates import Held, Rate, Rates, learning_rates


class _Term(NamedTuple):
    name: str
    parameter: nn.Parameter
    anchor: Tensor  # θ*
    importance: Tensor  # Ω, of the anchor's shape


class QuadraticPenalty:
    """λ Σ Ω (θ − θ*)²: Ω and θ* by parameter name, the penalty's value and its gradient.

    The sum runs over all entries of all parameters that have an importance; no ½, no mean
    (Aljundi et al., ECCV 2018, equation 3; its gradient is 2 λ Ω (θ − θ*)). Before the first
    `consolidate` nothing is held, and the penalty is zero.

    A parameter that has grown since then is held where it was: the old tensor is the leading
    block of the new one, and the new entries have Ω = 0. The model may have moved to another
    device or been cast to another dtype.

    Args:
        lambda_reg: the strength λ, finite and not negative.
        alpha: the share α in [0, 1] of the tasks before, for "blend" and only there.
        accumulation: how Ω_n of a new task joins Ω; None is "blend" where α is given, and "sum"
            where not. The first Ω_n of a parameter is taken as it is, and a parameter that a task
            does not measure keeps its Ω.

            - "sum": Ω ← Ω + Ω_n (the paper).
            - "blend": Ω ← α Ω + (1 − α) Ω_n.
            - "mean": over the tasks that measured the parameter. Entries by which it has grown
              count as zero in the tasks before, as they do in a blend.
            - "max": the larger of the two, entry by entry.
            - "replace": Ω ← Ω_n.
        importance_dtype: what Ω is kept in: None, as it is measured, or torch.bfloat16, half of
            float32's memory. Ω is then put together in float32 and rounded once per task, by at
            most 2⁻⁸ of each entry. θ* is not rounded, so that the penalty is zero there.

    Raises:
        TypeError: λ or α is not a number.
        ValueError: λ is negative or not finite, α is outside [0, 1] or with an accumulation that
            takes none, "blend" is without α, or the accumulation or the dtype is not known.
    """

    def __init__(
        self,
        lambda_reg: float = 1.0,
        alpha: float | None = None,
        accumulation: str | None = None,
        importance_dtype: torch.dtype | None = None,
    ) -> None:
        check_option("importance_dtype", importance_dtype, (None, torch.bfloat16))
        self.accumulation = choose_accumulation(accumulation, alpha)
        self.importance_dtype = importance_dtype
        self.lambda_reg = lambda_reg
        self.alpha = None if alpha is None else number("alpha", alpha)
        self._importance: dict[str, Tensor] = {}
        self._tasks: dict[str, int] = {}  # that measured each parameter
        self._anchors: dict[str, Tensor] = {}
        self._unimportant: frozenset[str] = frozenset()  # whose Ω is zero everywhere

    @property
    def lambda_reg(self) -> float:
        """The strength λ; it may be set, and is refused as above."""
        return self._lambda_reg

    @lambda_reg.setter
    def lambda_reg(self, value: float) -> None:
        strength = number("lambda_reg", value)
        if not (math.isfinite(strength) and strength >= 0):
            raise ValueError(f"lambda_reg must be finite and not negative, got {value}")
        self._lambda_reg = strength

    @property
    def importance(self) -> Mapping[str, Tensor]:
        """Ω by parameter name, accumulated over the tasks; a read-only view."""
        return MappingProxyType(self._importance)

    @property
    def anchors(self) -> Mapping[str, Tensor]:
        """θ* by parameter name; a read-only view with the keys and shapes of `importance`."""
        return MappingProxyType(self._anchors)

    def description(self, *more: str) -> str:
        """Return the options that are not the default, `more` of them, and what is held, in words."""
        return described(self, *more)

    def __repr__(self) -> str:
        return f"QuadraticPenalty({self.description()})"

    def consolidate(
        self, model: nn.Module, omega: Mapping[str, Tensor], skip: Collection[str] = ()
    ) -> None:
        """Accumulate the importance of the task just learned, and anchor the model's parameters.

        All or nothing: when an error is raised, Ω and θ* are as they were. Tensors handed out
        earlier are never written to.

        Args:
            model: θ* becomes a copy of its parameters, for every name that has an importance.
            omega: Ω_n by parameter name, each of its parameter's shape. Parameters that are not
                in it (frozen, or heads of other tasks) keep their Ω.
            skip: names of parameters that may have been replaced: where one has vanished, shrunk
                or changed its rank, its Ω and θ* are forgotten.

        Raises:
            ValueError: `omega` or a parameter has NaN, infinite or (Ω only) negative entries, is
                for a parameter that the model does not have, or has the wrong shape; or a
                parameter with an importance that is not in `skip` has vanished, shrunk or changed
                its rank.
        """
        parameters = parameters_of(model)
        importance = {
            name: grown(name, old, find(parameters, name))
            for name, old in self._importance.items()
            if name not in skip or (name in parameters and fits(old, parameters[name]))
        }
        for name, new in omega.items():
            check_importance(name, new, find(parameters, name))
            new = new.detach().to(parameters[name].device)
            importance[name] = self._joined(name, importance.get(name), new)
        for name in importance:
            check_finite(f"parameter {name!r}", parameters[name])
        self._anchors = {name: parameters[name].detach().clone() for name in importance}
        self._importance, self._unimportant = importance, _without_importance(importance)
        self._tasks = {name: self._tasks.get(name, 0) + (name in omega) for name in importance}

    def value(self, model: nn.Module, skip: Collection[str] = ()) -> Tensor:
        """Return the penalty λ Σ Ω (θ − θ*)², a differentiable scalar in float32 or wider.

        Added to a loss, it counts once per backward pass: where gradients are accumulated over
        several, add it in one of them. A loss that a `GradScaler` scales has it inside.

        Args:
            model: the model whose parameters are held.
            skip: names of parameters to leave out.

        Raises:
            ValueError: as for `add_gradient`.
        """
        held = self._terms(model, skip)
        terms = [
            (term.importance * (_widened(_leading_block(term)) - term.anchor).square()).sum()
            for term in [t for t in held if t.name not in self._unimportant] or held
        ]
        if not terms:
            return torch.zeros(())
        # A network may lie on several devices.
        return self.lambda_reg * sum((t.to(terms[0].device) for t in terms[1:]), terms[0])

    @torch.no_grad()
    def add_gradient(
        self,
        model: nn.Module,
        skip: Collection[str] = (),
        *,
        optimizer: Rates | None = None,
    ) -> None:
        """Add the penalty's gradient to the gradients, damped where the optimizer is known.

        With h = 2 λ Ω and the learning rate η of each parameter:

        - without an optimizer: p.grad ← p.grad + h (θ − θ*), the result of
          `value(model, skip).backward()`;
        - with one: p.grad ← (p.grad + h (θ − θ*)) / (1 + η h), the implicit (proximal) step on the
          penalty (Parikh and Boyd, "Proximal algorithms", 2014). The gradient is zero at the same
          points, and equal to first order where η h is small. Where plain steps diverge, beyond
          η h = 2, it leads to θ*. Call it last, after clipping and just before the optimizer's
          step: what is added to the gradient afterwards is not damped, and neither is the weight
          decay that the optimizer adds.

        Once per optimizer step, on gradients as the optimizer will use them: after
        `scaler.unscale_(optimizer)` of a `GradScaler`, and after the last of several backward passes.
        Gradients that are still scaled look like any others, so that nothing is raised; the penalty
        would be divided by the scale.

        In place and without a graph. On a CPU it works in pieces that fit into the cache, so that
        either form costs little more than one pass over memory; on a GPU one kernel handles many
        parameters at once, of Triton where there is one. A parameter without a gradient gets one.
        Passed over are parameters that require none, and those whose Ω is zero everywhere. With
        λ = 0 nothing is touched.

        Args:
            model: the model whose parameters are held, after its backward pass.
            skip: names of parameters to leave out.
            optimizer: the optimizer that will take the step, whose groups give η as they are now,
                or the learning rates by parameter name, as numbers or tensors without dimensions.

        Raises:
            ValueError: a parameter with an importance is not in the model, has shrunk or has
                changed its rank, or has no learning rate. No gradient has been changed then.
        """
        if self.lambda_reg == 0:
            return
        terms = [
            term
            for term in self._terms(model, skip)
            if term.parameter.requires_grad and term.name not in self._unimportant
        ]
        rates: Mapping[str, Rate] = {}
        if optimizer is not None:
            rates = learning_rates(optimizer, {term.name: term.parameter for term in terms})
        held = (Held(_with_gradient(term), rates.get(term.name)) for term in terms)
        add_gradients(held, 2 * self.lambda_reg)

    def state_dict(self) -> dict[str, Any]:
        """Return Ω, θ* and task counts, not copied; λ and α are not included.

        "importance" and "anchors" are Ω and θ* by parameter name, "tasks" the number of tasks
        that measured each parameter, and "accumulation" how they were joined.
        """
        return {
            "importance": dict(self._importance),
            "anchors": dict(self._anchors),
            "tasks": dict(self._tasks),
            "accumulation": self.accumulation,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load copies of Ω and θ* from a `state_dict`, on the devices they are on.

        Raises:
            ValueError: the entries are not those of `state_dict`, the names or shapes of Ω and θ*
                differ, an entry is not finite, or the tasks were accumulated in another way. The
                penalty is as it was then.
        """
        importance, anchors, tasks = checked_state(state, self.accumulation)
        self._importance = {name: self._kept(omega) for name, omega in importance.items()}
        self._unimportant = _without_importance(self._importance)
        self._anchors = {name: tensor.clone() for name, tensor in anchors.items()}
        self._tasks = dict(tasks)

    def _joined(self, name: str, old: Tensor | None, new: Tensor) -> Tensor:
        if old is not None:
            if self.importance_dtype is not None:
                old, new = _widened(old), _widened(new)
            tasks = self._tasks[name]
            new = accumulate(self.accumulation, old, new, tasks=tasks, alpha=self.alpha)
        return self._kept(new)

    def _kept(self, omega: Tensor) -> Tensor:
        """Return a copy of Ω in the dtype that it is kept in."""
        return omega.to(self.importance_dtype or omega.dtype, copy=True)

    def _terms(self, model: nn.Module, skip: Collection[str]) -> list[_Term]:
        """Return the terms of the held parameters, all checked before the first is used."""
        parameters = parameters_of(model)
        terms = []
        for name in [name for name in self._importance if name not in skip]:
            parameter = find(parameters, name)
            check_growth(name, self._importance[name], parameter)
            if self._importance[name].device != parameter.device:  # the model has moved
                self._importance[name] = self._importance[name].to(parameter.device)
                self._anchors[name] = self._anchors[name].to(parameter.device)
            terms.append(_Term(name, parameter, self._anchors[name], self._importance[name]))
        return terms


def _without_importance(importance: Mapping[str, Tensor]) -> frozenset[str]:
    return frozenset(name for name, omega in importance.items() if not omega.any())


def _with_gradient(term: _Term) -> tuple[Tensor, ...]:
    """Return p.grad, which is made if there is none, θ, θ* and Ω in the shape of θ*."""
    parameter = term.parameter
    if parameter.grad is None:
        parameter.grad = torch.zeros_like(parameter)
    elif parameter.grad.is_sparse:
        parameter.grad = parameter.grad.to_dense()
    gradient = block(parameter.grad, term.anchor.shape)
    return (gradient, _leading_block(term), term.anchor, term.importance)


def _leading_block(term: _Term) -> Tensor:
    return block(term.parameter, term.anchor.shape)


def _widened(tensor: Tensor) -> Tensor:
    """Return it in float32 at least: squares of small differences vanish in float16."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
