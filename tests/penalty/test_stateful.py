"""Sequences of what can happen to a penalty in a loop without Avalanche, against Ω and θ* kept by hand."""

from __future__ import annotations

import copy
import os
import pickle
from typing import Any

import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from torch import Tensor, nn

from avalanche_mas.penalty import QuadraticPenalty
from tests.penalty.cases import grow, set_gradients
from tests.penalty.test_accumulation import ALPHA, TRUTH, penalty_with

NAMES = ["0.weight", "0.bias", "1.weight", "1.bias"]
EXAMPLES = int(os.environ.get("MAS_FUZZ", "50"))

Tensors = dict[str, Tensor]


class Everything(RuleBasedStateMachine):
    """A model, its penalty, and all Ω_n of each parameter."""

    @initialize(accumulation=st.sampled_from(list(TRUTH)))
    def begin(self, accumulation: str) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2)).double()
        self.penalty, self.accumulation = penalty_with(accumulation), accumulation
        self.measured: dict[str, list[Tensor]] = {}
        self.anchors: Tensors = {}
        self.rtol = 1e-9

    @rule(names=st.sets(st.sampled_from(NAMES)), seed=st.integers(0, 9))
    def consolidate(self, names: set[str], seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        sizes = {name: p.shape for name, p in self.model.named_parameters()}
        wide = {"generator": generator, "dtype": torch.float64}
        omega = {name: torch.rand(sizes[name], **wide) for name in sorted(names)}
        self.penalty.consolidate(self.model, omega)
        for name, each in omega.items():
            self.measured.setdefault(name, []).append(each)
        self.anchors = {n: self.parameter(n).detach().clone() for n in self.measured}

    @rule(
        rate=st.sampled_from([None, 0.1, 10.0]),
        strength=st.sampled_from([0.0, 1.0, 3.0]),
        skip=st.sets(st.sampled_from(NAMES), max_size=1),
    )
    def step(self, rate: float | None, strength: float, skip: set[str]) -> None:
        self.penalty.lambda_reg = strength
        set_gradients(self.model)
        expected = {n: p.grad.double().clone() for n, p in self.model.named_parameters()}
        for name, omega in self.importance().items():
            if name not in skip:
                h = 2 * strength * omega
                expected[name] += h * self.moved(name)
                expected[name] /= 1 + (rate or 0.0) * h
        rates = None if rate is None else dict.fromkeys(NAMES, rate)
        self.penalty.add_gradient(self.model, skip, optimizer=rates)
        for name, p in self.model.named_parameters():
            self.close(p.grad, expected[name])
        with torch.no_grad():
            for p in self.model.parameters():
                p.sub_(p.grad, alpha=0.01)

    @rule(layer=st.integers(0, 1), more=st.integers(1, 2))
    def grow(self, layer: int, more: int) -> None:
        old, dtype = self.model[layer], self.model[layer].weight.dtype
        if old.out_features < 8:
            self.model[layer] = grow(old, old.in_features, old.out_features + more).to(dtype)

    @rule(dtype=st.sampled_from([torch.float64, torch.float32, torch.bfloat16]))
    def cast(self, dtype: torch.dtype) -> None:
        self.model.to(dtype)
        self.rtol = max(self.rtol, 4 * torch.finfo(dtype).eps)

    @rule(how=st.sampled_from([copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]))
    def copy_it(self, how: Any) -> None:
        self.penalty = how(self.penalty)

    @rule()
    def load_the_state(self) -> None:
        state = copy.deepcopy(self.penalty.state_dict())
        share = ALPHA if self.accumulation == "blend" else None
        self.penalty = QuadraticPenalty(self.penalty.lambda_reg, share, self.accumulation)
        self.penalty.load_state_dict(state)

    @invariant()
    def importance_is_that_of_all_tasks(self) -> None:
        expected = self.importance()
        assert self.penalty.importance.keys() == expected.keys()
        for name, omega in expected.items():
            found = self.penalty.importance[name]
            self.close(found, omega[tuple(map(slice, found.shape))])
            assert not omega[len(found) :].any()
            assert (found >= 0).all()

    @invariant()
    def anchors_are_the_parameters_then(self) -> None:
        assert self.penalty.anchors.keys() == self.anchors.keys()
        assert all(torch.equal(self.penalty.anchors[n], a) for n, a in self.anchors.items())

    @invariant()
    def value_is_that_by_hand(self) -> None:
        terms = [(o * self.moved(n).square()).sum() for n, o in self.importance().items()]
        expected = self.penalty.lambda_reg * sum(terms, torch.zeros((), dtype=torch.float64))
        self.close(self.penalty.value(self.model).detach(), expected)

    def parameter(self, name: str) -> nn.Parameter:
        return self.model.get_parameter(name)

    def importance(self) -> Tensors:
        return {
            name: TRUTH[self.accumulation]([self.padded(name, each) for each in omegas])
            for name, omegas in self.measured.items()
        }

    def moved(self, name: str) -> Tensor:
        """θ − θ*, zero where the parameter is new."""
        now, anchor = self.parameter(name).detach().double(), self.anchors[name].double()
        return self.padded(name, now[tuple(map(slice, anchor.shape))] - anchor)

    def padded(self, name: str, tensor: Tensor) -> Tensor:
        whole = tensor.new_zeros(self.parameter(name).shape)
        whole[tuple(map(slice, tensor.shape))] = tensor
        return whole

    def close(self, found: Tensor, expected: Tensor) -> None:
        torch.testing.assert_close(found.double(), expected, rtol=self.rtol, atol=self.rtol)


def test_everything_in_any_order() -> None:
    run_state_machine_as_test(
        Everything,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=15,
            deadline=None,
            derandomize=EXAMPLES == 50,
            suppress_health_check=list(HealthCheck),
        ),
    )
