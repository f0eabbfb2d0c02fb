"""The pass over the data: what it does not depend on, and what it leaves alone."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
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
from avalanche_mas.importance.gradients.layout import Layout, locate
from avalanche_mas.importance.passes.global_form import _Magnitudes
from tests.importance.cases import Frames, Overwritten, Recurrent
from tests.importance.test_exact import relative_error
from tests.reference import slow_global_importance


def network(**norm: Any) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4, **norm),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(4 * 9, 3),
    ).double()


X = torch.randn(7, 3, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


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
    """The quantity that other libraries compute is another one: the check above can fail."""
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


def test_rows_that_look_alike_are_not_ascribed_to_samples() -> None:
    alike, counted = torch.zeros(6, 2), torch.arange(12.0).view(6, 2)
    assert locate(alike, alike[:3], samples=2, k=0) is None
    assert locate(counted, counted[:3], samples=2, k=0) == Layout(0, 2, 3, outermost=True)
    assert locate(counted, counted[::2], samples=2, k=0) == Layout(0, 2, 3, outermost=False)


def test_the_mode_is_changed_without_side_effects() -> None:
    class Merging(nn.Linear):
        """Like adapters that are merged into the weights in eval mode."""

        def train(self, mode: bool = True) -> Merging:
            if not mode:
                self.weight.data += 1
            return super().train(mode)

    model = Merging(2, 2)
    before = model.weight.detach().clone()
    global_importance(model, [torch.eye(2)])
    assert torch.equal(model.weight, before)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_networks_are_measured_in_float32(dtype: torch.dtype) -> None:
    found = global_importance(network().to(dtype), [X.to(dtype)])
    assert {value.dtype for value in found.values()} == {torch.float32}
    truth = slow_global_importance(network(), [X])
    assert relative_error(found, {name: value.float() for name, value in truth.items()}) < 0.2


def test_under_autocast_the_norm_is_taken_in_float32() -> None:
    model, x = network().float(), X.float()
    with torch.autocast("cpu", torch.bfloat16):
        found = global_importance(model, [x])
    assert {value.dtype for value in found.values()} == {torch.float32}
    assert relative_error(found, slow_global_importance(model, [x])) < 0.1


class Rounded(nn.Module):
    """Gives what a sample alone gives, but for other rounding, as by another kernel of a GPU."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(x).float()
        return y * (1 + 2e-3) if len(x) == 1 else y


def test_rounding_under_autocast_is_not_taken_for_interaction() -> None:
    model, x = Rounded(), torch.randn(5, 4)
    with torch.autocast("cpu", torch.bfloat16):
        assert global_importance(model, [x]).samples == 5
    with pytest.raises(ValueError, match="samples interact"):
        global_importance(model, [x])


class Failing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError(f"boom at {list(x.shape)}")


class Counting(nn.Module):
    """Changes a buffer and draws random numbers whenever it is called, in eval mode too."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        torch.rand(1), random.random(), np.random.rand()  # noqa: NPY002
        return x


@pytest.mark.parametrize("fails", [False, True])
def test_everything_is_as_before_afterwards(fails: bool) -> None:
    model = network().append(Counting())
    model[0].bias.requires_grad_(False)
    model[5].weight.grad = torch.ones_like(model[5].weight)
    model[1].eval()
    modes = [module.training for module in model.modules()]
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    values = {name: p.detach().clone() for name, p in model.named_parameters()}
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002

    def batches() -> Iterator[Tensor]:
        yield X
        if fails:
            raise KeyError("the loader broke")

    if fails:
        with pytest.raises(KeyError):
            global_importance(model, batches())
    else:
        global_importance(model, batches())

    assert [module.training for module in model.modules()] == modes
    assert not model[0].bias.requires_grad
    assert model[0].weight.requires_grad
    assert {name for name, p in model.named_parameters() if p.grad is not None} == {"5.weight"}
    assert torch.equal(model[5].weight.grad, torch.ones_like(model[5].weight))
    assert all(torch.equal(buffer, buffers[name]) for name, buffer in model.named_buffers())
    assert all(torch.equal(p, values[name]) for name, p in model.named_parameters())
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert (np.random.get_state()[1] == before[2]).all()  # noqa: NPY002


def test_attributes_that_the_network_sets_are_as_before() -> None:
    model = Overwritten()
    global_importance(model, [torch.randn(2, 4)])
    assert model.cache is None


def test_an_exception_in_the_network_passes_through() -> None:
    model = nn.Sequential(nn.Linear(2, 2), Failing())
    with pytest.raises(RuntimeError, match="boom"):
        global_importance(model, [torch.zeros(1, 2)])
    assert model.training


def test_works_without_gradients_around_it() -> None:
    with torch.no_grad():
        found = global_importance(network(), [X])
    assert relative_error(found, slow_global_importance(network(), [X])) <= 1e-12


def test_a_progress_bar_is_shown_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    global_importance(network(), [X])
    assert capsys.readouterr().err == ""
    global_importance(network(), [X], progress=True)
    assert "importance" in capsys.readouterr().err


ROUNDED_AWAY = {
    "bias before a normalisation": lambda: nn.Sequential(
        nn.ConvTranspose2d(3, 8, 3),
        nn.InstanceNorm2d(8),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(392, 5),
    ),
    "narrow floats": lambda: nn.Sequential(
        nn.ConvTranspose2d(3, 2, 3), nn.GELU(), nn.Flatten(), nn.Linear(98, 5)
    ).bfloat16(),
}


@pytest.mark.parametrize("what", ROUNDED_AWAY)
@pytest.mark.parametrize("output", ["l2", "vector"])
def test_rounding_is_not_taken_for_a_parameter_that_cannot_be_exchanged(
    what: str, output: str
) -> None:
    torch.manual_seed(0)
    model = ROUNDED_AWAY[what]()
    x = X.to(next(model.parameters()).dtype)
    found = global_importance(model, [x], output=output)
    one_by_one = global_importance(model, x.split(1), output=output)
    assert relative_error({"w": found["0.weight"]}, {"w": one_by_one["0.weight"]}) < 0.02


def test_sums_of_many_narrow_floats_are_kept_in_wide_ones() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(Recurrent(), nn.Linear(3, 2)).bfloat16()
    words = torch.randint(11, (600, 2))
    found = global_importance(model, [words])
    truth = global_importance(model.float(), [words])
    ratio = found["0.lstm.weight_ih_l0"].sum() / truth["0.lstm.weight_ih_l0"].sum()
    assert 0.97 < ratio < 1.03


class Objects(nn.Module):
    """Each image has some objects; those of all images are looked at together."""

    def __init__(self) -> None:
        super().__init__()
        self.roi, self.head = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        keep = x[:, :, 4] > 0
        rows = self.head(torch.tanh(self.roi(x[keep][:, :4])))
        return rows.new_zeros(len(x), 3).index_add(0, keep.nonzero()[:, 0], rows)


@pytest.mark.parametrize("measure", [global_importance, local_importance])
def test_one_row_a_sample_in_the_first_batch_only(measure: Any) -> None:
    torch.manual_seed(0)
    model, batches = Objects().double(), []
    for counts in ([1, 1, 1, 1], [3, 0, 0, 1]):
        x = torch.randn(4, 3, 5, dtype=torch.float64)
        for image, count in zip(x, counts, strict=True):
            image[:, 4] = torch.tensor([1.0] * count + [-1.0] * (3 - count))
        batches.append(x)
    truth = measure(model, torch.cat(batches).split(1))
    assert relative_error(measure(model, batches), truth) <= 1e-12


@pytest.mark.parametrize(
    "buffer", [torch.ones(1).expand(3), torch.eye(3).to_sparse()], ids=["expanded", "sparse"]
)
def test_buffers_that_cannot_be_written_to_are_left_alone(buffer: Tensor) -> None:
    model = network()
    model.register_buffer("odd", buffer)
    assert relative_error(global_importance(model, [X]), global_importance(network(), [X])) == 0


def test_gradient_hooks_of_the_network_are_no_trouble() -> None:
    class Hooked(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            h = self[0](x)
            h.retain_grad()
            return self[1](h)

    layers = nn.Linear(2, 2), nn.Linear(2, 2)
    found = global_importance(Hooked(*layers), [torch.eye(2)])
    assert relative_error(found, global_importance(nn.Sequential(*layers), [torch.eye(2)])) == 0


def test_a_bias_alone_does_not_need_the_input() -> None:
    class Reused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 2)
            self.layer.weight.requires_grad_(False)

        def forward(self, x: Tensor) -> Tensor:
            h = x.clone()
            y = self.layer(h)
            h.zero_()
            return y + h

    model = Reused()
    found = global_importance(model, [torch.eye(2)])
    torch.testing.assert_close(found["layer.bias"], 2 * model(torch.eye(2)).detach().abs().mean(0))


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


def calls_in_second_batch(model: nn.Module, first: Tensor, second: Tensor) -> int:
    """How often the network runs on the second batch and on parts of it."""
    calls = 0

    def forward(model: nn.Module, x: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return model(x)

    def batches() -> Iterator[Tensor]:
        nonlocal calls
        yield first
        calls = 0
        yield second

    global_importance(model, batches(), forward=forward)
    return calls


def test_where_samples_lie_is_found_out_again_only_if_it_may_have_changed() -> None:
    torch.manual_seed(0)
    frames, x = Frames(outermost=True), torch.randn(4, 3, 3, 9, 9)
    assert calls_in_second_batch(frames, x, x) == 1
    assert calls_in_second_batch(frames, x, x[:, :2]) == 5  # it ran once before that was seen
    objects = torch.rand(4, 3, 5)
    assert calls_in_second_batch(Objects(), objects, objects) == 4


@pytest.mark.parametrize("measure", [global_importance, local_importance])
def test_rows_by_lengths_that_python_reads(measure: Any) -> None:
    """The same number of rows in both batches, of other samples."""

    class Lengths(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.roi, self.head = nn.Linear(4, 4), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            lengths = x[:, 0, 0].long().tolist()
            rows = torch.cat([part[:n] for part, n in zip(x, lengths, strict=True)])
            parts = self.head(torch.tanh(self.roi(rows))).split(lengths)
            return torch.stack([part.sum(0) for part in parts])

    torch.manual_seed(0)
    model, batches = Lengths().double(), []
    for lengths in ([2.0, 2.0, 2.0, 2.0], [2.0, 1.0, 3.0, 2.0]):
        x = torch.randn(4, 3, 4, dtype=torch.float64)
        x[:, 0, 0] = torch.tensor(lengths)
        batches.append(x)
    truth = measure(model, torch.cat(batches).split(1))
    assert relative_error(measure(model, batches), truth) <= 1e-12


class Counted:
    """Batches that count how often they are begun."""

    begun = 0

    def __iter__(self) -> Iterator[Tensor]:
        self.begun += 1
        return iter([torch.ones(2, 3)])


@pytest.mark.parametrize("measure", [global_importance, local_importance, fisher_information])
def test_batches_are_begun_once(measure: Callable[..., Importance]) -> None:
    batches = Counted()
    measure(nn.Linear(3, 2), batches)
    assert batches.begun == 1
