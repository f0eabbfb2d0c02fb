"""The pass over the data: what its result depends on, and what it does not."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from avalanche_mas.importance import (
    Importance,
    fisher_information,
    global_importance,
    local_importance,
)
from avalanche_mas.importance.passes.global_form import _Magnitudes
from tests.importance.convolutional import X, network
from tests.importance.test_exact import relative_error
from tests.reference import slow_global_importance


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(7)), st.lists(st.integers(1, 6), max_size=3), st.integers(1, 10**5))
def test_does_not_depend_on_order_batch_size_or_memory(
    order: list[int], cuts: list[int], max_bytes: int
) -> None:
    shuffled = X[list(order)]
    pieces = torch.tensor_split(shuffled, sorted(cuts))
    found = global_importance(network(), pieces, max_bytes=max_bytes)
    assert found.samples == 7
    assert relative_error(found, global_importance(network(), [X])) <= 1e-12


def test_differs_from_the_absolute_value_of_the_batch_sum() -> None:
    """Other libraries compute this quantity, so the check above can fail."""
    model = network().eval()
    model(X).square().sum().backward()
    batch = {name: p.grad.abs() / len(X) for name, p in model.named_parameters()}
    model.zero_grad()
    assert relative_error(global_importance(model, [X]), batch) > 0.05


def test_labels_and_further_fields_are_not_looked_at() -> None:
    found = global_importance(network(), [(X[:3], "labels", None), [X[3:], torch.zeros(4)]])
    assert relative_error(found, global_importance(network(), [X])) <= 1e-12


@pytest.mark.parametrize("split", [1, 4, 6])
def test_start_goes_on_where_the_first_left_off(split: int) -> None:
    model = network()
    first = global_importance(model, [X[:split]])
    both = global_importance(model, [X[split:]], start=first)
    assert both.samples == 7
    assert relative_error(both, global_importance(model, [X])) <= 1e-12
    assert first.samples == split


def test_forward_and_parameters_choose_what_is_measured() -> None:
    model = network()

    def forward(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        return model(batch["image"])[:, :2]

    names = ["5.weight", "0.bias"]
    found = global_importance(model, [{"image": X}], forward=forward, parameters=names)
    truth = slow_global_importance(model, [{"image": X}], forward)
    assert list(found) == names
    assert relative_error(found, {name: truth[name] for name in names}) <= 1e-12


def test_frozen_parameters_are_left_out_unless_named() -> None:
    model = network()
    model[0].requires_grad_(False)
    assert not [name for name in global_importance(model, [X]) if name.startswith("0.")]
    named = global_importance(model, [X], parameters=["0.weight"])
    truth = slow_global_importance(network(), [X])
    assert relative_error(named, {"0.weight": truth["0.weight"]}) <= 1e-12
    assert not model[0].weight.requires_grad


def test_inputs_and_other_networks_that_require_gradients_change_nothing() -> None:
    model, encoder = network(), nn.Conv2d(3, 3, 1).double()
    expected = global_importance(model, [X])
    assert relative_error(global_importance(model, [X.clone().requires_grad_()]), expected) <= 1e-12
    found = global_importance(model, [X], forward=lambda m, x: m(encoder(x)))
    truth = slow_global_importance(model, [X], lambda m, x: m(encoder(x)))
    assert relative_error(found, truth) <= 1e-12
    assert encoder.weight.grad is None


def test_a_progress_bar_is_shown_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    global_importance(network(), [X])
    assert capsys.readouterr().err == ""
    global_importance(network(), [X], progress=True)
    assert "importance" in capsys.readouterr().err


def test_the_vector_form_lets_go_of_what_it_is_done_with() -> None:
    model, sizes = network(), []

    def batches() -> Iterator[Tensor]:
        for x in X.split(1):
            sizes.append(sum(1 for found in gc.get_objects() if type(found) is _Magnitudes))
            yield x

    gc.disable()
    try:
        global_importance(model, batches(), output="vector", max_bytes=1)
    finally:
        gc.enable()
    assert max(sizes) <= 1


class Counted:
    """Batches that count how often they are iterated."""

    begun = 0

    def __iter__(self) -> Iterator[Tensor]:
        self.begun += 1
        return iter([torch.ones(2, 3)])


@pytest.mark.parametrize("measure", [global_importance, local_importance, fisher_information])
def test_batches_are_begun_once(measure: Callable[..., Importance]) -> None:
    batches = Counted()
    measure(nn.Linear(3, 2), batches)
    assert batches.begun == 1
