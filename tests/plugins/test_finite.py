"""Training stops at the first step that is not finite."""

from __future__ import annotations

import math
import warnings

import pytest
import torch

from avalanche_mas import MASPlugin
from avalanche_mas.plugins.finite import all_finite
from tests.plugins.cases import (
    assert_equal,
    domain_incremental,
    strategy_for,
    weights,
)
from tests.plugins.stepping import (
    learned,
    linear,
)

pytestmark = pytest.mark.filterwarnings("ignore:No loggers specified")


def test_the_damped_form_is_stable_where_the_others_are_stopped() -> None:
    strategy, plugin, task = learned(strength=1e6, train_epochs=5)
    before = weights(strategy.model)
    strategy.train(task)
    largest = max((after - before[n]).abs().max() for n, after in weights(strategy.model).items())
    assert largest < 1
    for form in ("gradient", "loss"):
        strategy, plugin, task = learned(strength=1e6, form=form, train_epochs=5)
        importance, anchors = dict(plugin.importance), dict(plugin.anchors)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", UserWarning)
            with pytest.raises(FloatingPointError) as raised:
                strategy.train(task)
        warned = [str(w.message) for w in told if "diverge beyond 2" in str(w.message)]
        assert len(warned) == (form == "gradient")  # the loss form is clipped along
        for part in ("task 2, step ", "λ = 1e+06", "η · 2 λ Ω = ", 'penalty="damped"'):
            assert part in str(raised.value)
        assert_equal(plugin.importance, importance)
        assert_equal(plugin.anchors, anchors)


def test_a_loss_that_is_not_finite_stops_the_first_task_too() -> None:
    strategy = strategy_for(linear(), MASPlugin(), criterion=lambda output, _: output.sum() / 0.0)
    before = weights(strategy.model)
    with pytest.raises(FloatingPointError, match=r"task 1, step 1: .*lower the learning rate"):
        strategy.train(domain_incremental(1).train_stream)
    assert_equal(weights(strategy.model), before)


def test_large_but_finite_gradients_are_no_error() -> None:
    assert all_finite([torch.full((3,), 3e38), torch.empty(0)])
    assert all_finite([])
    assert not all_finite([torch.zeros(2), torch.tensor([1.0, math.nan])])
    assert not all_finite([torch.tensor([-math.inf])])
    sparse = torch.tensor([1.0, 0.0, math.inf, 0.0]).to_sparse()
    assert not all_finite([sparse])
    assert all_finite([torch.ones(2, dtype=torch.float16) * 6e4] * 3)


def test_there_is_no_warning_for_a_penalty_that_plain_steps_can_follow() -> None:
    strategy, _, task = learned(strength=1e-3, form="gradient")
    strategy.train(task)
