"""The memory of the tasks: Ω, θ* and Ω_n. Pure torch."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from avalanche_mas.importance import Importance, Measure
from avalanche_mas.names import parameters_of
from avalanche_mas.penalty import QuadraticPenalty, block
from avalanche_mas.penalty.growth import grown


class Memory:
    """Ω and θ* of the tasks before, and Ω_n of the one just learned, which can still be refined.

    Args:
        penalty: one that holds nothing yet.

    Attributes:
        held: the penalty of the tasks before the current one, or before the one just learned.
        learned: that of all tasks, once the current one is learned.
        estimate: Ω_n of the task just learned.
    """

    def __init__(self, penalty: QuadraticPenalty) -> None:
        self.held = penalty
        self.learned: QuadraticPenalty | None = None
        self.estimate: Importance | None = None

    @property
    def latest(self) -> QuadraticPenalty:
        """The penalty of all tasks learned so far."""
        return self.learned or self.held

    def set_strength(self, lambda_reg: float) -> None:
        """Set the strength λ from now on.

        Raises:
            ValueError: λ is negative or not finite.
        """
        for penalty in filter(None, (self.held, self.learned)):
            penalty.lambda_reg = lambda_reg

    def begin_task(self) -> None:
        """Count the task just learned among those before."""
        if self.learned is not None:
            self.held, self.learned, self.estimate = self.learned, None, None

    def learn(self, model: nn.Module, estimate: Importance, excluded: Collection[str]) -> None:
        """Take Ω_n of the current task, in place of an earlier one, and the parameters as θ*.

        Excluded parameters that were replaced are forgotten.

        Raises:
            ValueError: as `QuadraticPenalty.consolidate`; everything is as it was then.
        """
        learned = copy.copy(self.held)  # shares its tensors, which are never written to
        learned.consolidate(model, estimate, excluded)
        self.learned, self.estimate = learned, estimate

    def anchor(self, model: nn.Module, excluded: Collection[str]) -> None:
        """Take the parameters of the model as θ* and leave Ω as it is.

        Excluded parameters that were replaced are forgotten.

        Raises:
            ValueError: as `QuadraticPenalty.consolidate`; everything is as it was then.
        """
        anchored = copy.copy(self.latest)
        anchored.consolidate(model, {}, excluded)
        if self.learned is None:
            self.held = anchored
        else:
            self.learned = anchored

    @property
    def names(self) -> Collection[str]:
        """The names of all parameters that are held, before or after the task just learned."""
        return self.held.anchors.keys() | self.latest.anchors.keys()

    def changed(self, model: nn.Module) -> list[str]:
        """Return the names of held parameters that differ from θ*."""
        return differing(self.latest.anchors, parameters_of(model))

    def estimate_for(self, model: nn.Module) -> Importance | None:
        """Return Ω_n reshaped to the model's parameters, or None if there is none.

        Where a parameter has grown, Ω_n is zero in the new entries; after growth the unchanged
        values are no longer verified.

        Raises:
            ValueError: a parameter has shrunk or changed its rank.
        """
        if self.estimate is None:
            return None
        omega, parameters = self.estimate, parameters_of(model)
        values = {name: grown(name, old, parameters.get(name, old)) for name, old in omega.items()}
        same = all(values[name].shape == old.shape for name, old in omega.items())
        digests = omega.fingerprint if same else None
        return Importance(values, omega.samples, measure=omega.measure, fingerprint=digests)

    def state_dict(self) -> dict[str, Any]:
        """Return all of it as dictionaries, tensors, numbers and strings; the tensors are not copies."""
        omega = self.estimate
        return {
            "held": self.held.state_dict(),
            "learned": None if self.learned is None else self.learned.state_dict(),
            "estimate": None if omega is None else dict(omega),
            "samples": 0 if omega is None else omega.samples,
            "fingerprint": None if omega is None else omega.fingerprint,
        }

    def load_state_dict(self, state: Mapping[str, Any], measure: Measure) -> None:
        """Continue from the entries of a `state_dict`.

        Args:
            state: these entries.
            measure: the measure of the estimate.

        Raises:
            ValueError: the tensors do not fit together; everything is as it was then.
        """
        held, learned, estimate = copy.copy(self.held), None, None
        held.load_state_dict(state["held"])
        if state["learned"] is not None:
            learned = copy.copy(self.held)
            learned.load_state_dict(state["learned"])
        if state["estimate"] is not None:
            estimate = Importance(
                state["estimate"],
                state["samples"],
                measure=measure,
                fingerprint=state["fingerprint"],
            )
        self.held, self.learned, self.estimate = held, learned, estimate


def differing(anchors: Mapping[str, Tensor], parameters: Mapping[str, Tensor]) -> list[str]:
    """Return the names of parameters that do not begin with their anchors."""
    return [
        name
        for name, anchor in anchors.items()
        if name in parameters and not _begins_with(parameters[name], anchor)
    ]


@torch.no_grad()
def _begins_with(parameter: Tensor, anchor: Tensor) -> bool:
    """Return whether the anchor is the leading block of a parameter that may have been moved or cast."""
    if parameter.dim() != anchor.dim():
        return False
    return torch.equal(block(parameter, anchor.shape), anchor.to(parameter.device, parameter.dtype))
