"""The pass over the data: what it refuses, and what it says then."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, Dataset, TensorDataset

from avalanche_mas.importance import (
    Importance,
    fisher_information,
    global_importance,
    local_importance,
)


class Centred(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(0)


class Half(nn.Module):
    def forward(self, x: Tensor) -> Any:
        return (x, x)


REFUSED: dict[str, tuple[Any, Any, type[Exception], str]] = {
    "batch statistics": (
        nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2, track_running_stats=False)),
        [torch.eye(2)],
        ValueError,
        "'1'.*interact",
    ),
    "weights that change": (
        nn.Sequential(nn.Embedding(3, 2, max_norm=1.0), nn.Flatten()),
        [torch.zeros(2, 1, dtype=torch.int64)],
        ValueError,
        r"'0'.*max_norm=1\.0",
    ),
    "samples that interact": (
        nn.Sequential(nn.Linear(2, 2), Centred(), nn.Linear(2, 2)),
        [torch.eye(2)],
        ValueError,
        r"samples interact.*'2\.weight'",
    ),
    "interaction at the end": (
        nn.Sequential(nn.Linear(2, 2), Centred()),
        [torch.eye(2)],
        ValueError,
        "samples interact",
    ),
    "no trainable parameters": (
        nn.Linear(2, 2).requires_grad_(False),
        [torch.eye(2)],
        ValueError,
        r"no trainable parameters \(2 in all",
    ),
    "complex parameters": (
        nn.Linear(2, 2, dtype=torch.complex64),
        [torch.eye(2)],
        ValueError,
        "'weight' is complex",
    ),
    "a lazy parameter": (
        nn.Sequential(nn.Linear(2, 2), nn.LazyLinear(2)),
        [torch.eye(2)],
        ValueError,
        "'1.weight' has no shape yet.*run the model on one batch first",
    ),
    "a lazy buffer": (
        nn.Sequential(nn.Linear(2, 2), nn.LazyBatchNorm1d(affine=False)),
        [torch.eye(2)],
        ValueError,
        "'1.running_mean' has no shape yet",
    ),
    "no parameters": (nn.ReLU(), [torch.eye(2)], ValueError, "no trainable parameters"),
    "no batches": (nn.Linear(2, 2), [], ValueError, "no samples"),
    "an empty batch": (nn.Linear(2, 2), [torch.zeros(0, 2)], ValueError, "no samples"),
    "a batch without tensors": (nn.Linear(2, 2), ["text"], TypeError, "got str"),
    "an output that is a tuple": (
        nn.Sequential(nn.Linear(2, 2), Half()),
        [torch.eye(2)],
        TypeError,
        "got tuple.*forward=",
    ),
    "an output that is not [B, C]": (nn.Conv1d(2, 2, 1), [torch.ones(2, 2, 3)], ValueError, "2, 3"),
    "an output of another batch size": (
        nn.Sequential(nn.Linear(2, 2), nn.Flatten(0), nn.Unflatten(0, (1, -1))),
        [torch.eye(2)],
        ValueError,
        "B = 2",
    ),
    "NaN": (nn.Linear(2, 2), [torch.full((2, 2), float("nan"))], ValueError, "not finite"),
    "infinity in the gradient": (
        nn.Linear(2, 2).double(),
        [torch.full((2, 2), 1e200, dtype=torch.float64)],
        ValueError,
        "'weight' is not finite",
    ),
}

X, Y = torch.ones(6, 2), torch.zeros(6, dtype=torch.int64)


class Dictionaries(Dataset[dict[str, Tensor]]):
    def __len__(self) -> int:
        return len(X)

    def __getitem__(self, i: int) -> dict[str, Tensor]:
        return {"label": Y[i], "image": X[i]}


NO_BATCHES: dict[str, tuple[Any, str]] = {
    "a tensor": (X, r"got a tensor \[6, 2\]; pass \[x\] for one batch"),
    "an array": (X.numpy(), r"got a NumPy array \[6, 2\]; pass \[torch\.as_tensor\(x\)\]"),
    "inputs and labels": (
        (X, Y),
        r"got one batch \(\[6, 2\] torch\.float32, \[6\].*pass \[batch\]",
    ),
    "a list of them": ([X, Y], r"pass \[batch\]"),
    "a mapping": ({"x": X}, r"got a mapping of 'x'; pass \[batch\]"),
    "a data set": (TensorDataset(X, Y), r"samples \(TensorDataset\); pass DataLoader\("),
    "a data set of dictionaries": (Dictionaries(), r"samples \(Dictionaries\)"),
    "a text": ("text", r"got 'text' \(str\); pass a list of batches"),
    "nothing": (None, r"got None \(NoneType\); pass a list of batches"),
}


@pytest.mark.parametrize("what", NO_BATCHES)
@pytest.mark.parametrize("measure", [global_importance, local_importance, fisher_information])
def test_refuses_what_is_no_iterable_of_batches(measure: Any, what: str) -> None:
    """Some of these would be measured, as other data: a tensor is an iterable of its rows."""
    batches, message = NO_BATCHES[what]
    with pytest.raises(TypeError, match=message):
        measure(nn.Sequential(nn.Flatten(), nn.Linear(2, 2)), batches)


def test_what_is_an_iterable_of_batches() -> None:
    truth = global_importance(nn.Linear(2, 2), [X])
    for batches in ((X[:2], X[2:]), X.split(2), iter([X]), DataLoader(TensorDataset(X), 4)):
        assert global_importance(nn.Linear(2, 2), batches).samples == truth.samples
    assert global_importance(nn.Linear(2, 2), [(X, Y), (X, Y)]).samples == 12


@pytest.mark.parametrize(
    ("batches", "hint"),
    [
        (iter(()), "an iterator, such as a generator, gives its batches only once"),
        (DataLoader(TensorDataset(X), 7, drop_last=True), "drop_last=True leaves out"),
        ([], "are empty$"),
    ],
)
def test_says_why_there_are_no_samples(batches: Any, hint: str) -> None:
    with pytest.raises(ValueError, match=f"no samples: .*{hint}"):
        global_importance(nn.Linear(2, 2), batches)


def test_a_mapping_that_the_model_does_not_take_is_answered_with_forward() -> None:
    loader = DataLoader(Dictionaries(), 4)
    with pytest.raises(TypeError, match=r"label, image nor.*model\(batch\['label'\]\)"):
        global_importance(nn.Linear(2, 2), loader)
    found = global_importance(nn.Linear(2, 2), loader, forward=lambda m, b: m(b["image"]))
    assert found.samples == 6


def test_an_array_in_a_batch_is_answered_with_what_makes_a_tensor_of_it() -> None:
    with pytest.raises(TypeError, match=r"tuple \(ndarray, Tensor\).*torch\.as_tensor"):
        global_importance(nn.Linear(2, 2), [(X.numpy(), Y)])


@pytest.mark.parametrize("what", REFUSED)
def test_refuses(what: str) -> None:
    model, batches, error, message = REFUSED[what]
    with pytest.raises(error, match=message):
        global_importance(model, batches)


def test_refuses_a_parameter_that_cannot_be_exchanged() -> None:
    class Hidden(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2, 2))
            self.others = [self.weight]

        def forward(self, x: Tensor) -> Tensor:
            return x @ self.others[0].sin()

    with pytest.raises(ValueError, match="'weight' is used in a way"):
        global_importance(Hidden(), [torch.eye(2)])


def test_refuses_interaction_with_the_next_sample() -> None:
    class Shifted(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + torch.cat([x[1:], torch.zeros_like(x[:1])])

    with pytest.raises(ValueError, match="samples interact"):
        global_importance(nn.Sequential(nn.Linear(2, 2), Shifted()), [torch.eye(2)])


class Padded(nn.Module):
    """Three classes and two to come, as in Avalanche's heads that grow; something is done before these."""

    def __init__(self, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body, self.head, self.change = nn.Linear(5, 32), nn.Linear(32, 5), change

    def forward(self, x: Tensor) -> Tensor:
        y = self.change(self.head(self.body(x).relu()))
        return y.masked_fill(torch.arange(5) > 2, -1000)


def mixed(y: Tensor) -> Tensor:
    return y * (1 + 0.05 * torch.tanh(y.mean()))


def noisy(y: Tensor) -> Tensor:
    return y * (1 + 0.05 * torch.rand_like(y))


def rounded(y: Tensor) -> Tensor:
    return 20 * y * (1 + 1e-4) if len(y) == 1 else 20 * y


@pytest.mark.parametrize("measure", [global_importance, local_importance])
@pytest.mark.parametrize(
    ("change", "rows", "message"),
    [(mixed, 2, "samples interact"), (mixed, 64, "samples interact")]
    + [(noisy, rows, "running the network twice") for rows in (1, 2, 64)],
)
def test_padded_outputs_do_not_hide_what_is_refused(
    change: Any, rows: int, message: str, measure: Any
) -> None:
    """Ω would be wrong by per cents without a word."""
    with pytest.raises(ValueError, match=message):
        measure(Padded(change), [torch.randn(rows, 5)])


@pytest.mark.parametrize("x", [torch.randn(8, 5), torch.ones(8, 5)], ids=["varied", "alike"])
def test_rounding_beside_padded_outputs_is_not_refused(x: Tensor) -> None:
    assert global_importance(Padded(rounded), [x]).samples == 8


@pytest.mark.parametrize("weight", [0.0, 1e-6, 1e-4])
def test_outputs_that_are_nearly_constant_are_not_refused(weight: float) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 300), nn.GELU(), nn.Linear(300, 7))
    nn.init.normal_(model[2].weight, std=weight)
    nn.init.constant_(model[2].bias, 1000)
    assert global_importance(model, [torch.randn(33, 5)]).samples == 33


@pytest.mark.parametrize(("rows", "is_chance"), [(2, True), (3, True), (4, False)])
def test_narrow_floats_that_are_equal_by_chance_are_not_taken_for_padding(
    rows: int, is_chance: bool
) -> None:
    def forward(model: nn.Module, x: Tensor) -> Tensor:
        small = 0.0125 if len(x) == 1 else 0.01
        return model(x) * torch.tensor([1.0, small], dtype=torch.bfloat16)

    x = torch.zeros(rows, 2, dtype=torch.bfloat16)
    x[:, 1] = torch.arange(1, rows + 1)
    model = nn.Linear(2, 2).bfloat16()
    with torch.no_grad():
        model.weight.copy_(torch.eye(2))
        model.bias.copy_(torch.tensor([3.0, 0.0]))
    refused = pytest.raises(ValueError, match="samples interact")
    with nullcontext() if is_chance else refused:
        global_importance(model, [x], forward=forward)


@pytest.mark.parametrize("measure", [global_importance, local_importance])
@pytest.mark.parametrize("reentrant", [False, True])
def test_refuses_checkpointed_activations(measure: Any, reentrant: bool) -> None:
    class Checkpointed(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            return checkpoint(super().forward, x, use_reentrant=reentrant)

    with pytest.raises(RuntimeError, match=r"torch\.utils\.checkpoint.*turn that off"):
        measure(Checkpointed(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2)), [torch.eye(2)])


EVERY_MEASURE = {
    "squared norm": global_importance,
    "vector": partial(global_importance, output="vector"),
    "batch": partial(global_importance, granularity="batch"),
    "local": local_importance,
    "drawn": fisher_information,
    "expected": partial(fisher_information, labels="expected"),
}


class Recomputed(torch.autograd.Function):
    """A checkpoint like those of FairScale, DeepSpeed and Megatron."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, run: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.run = run
        ctx.save_for_backward(x)
        with torch.no_grad():
            return run(x)

    @staticmethod
    def backward(ctx: Any, delta: Tensor) -> tuple[Tensor | None, None]:
        x = ctx.saved_tensors[0].detach().requires_grad_()
        with torch.enable_grad():
            y = ctx.run(x)
        torch.autograd.backward(y, delta)
        return x.grad, None


class Reversible(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.first, self.inner, self.last = nn.Linear(2, 2), inner, nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(Recomputed.apply(self.first(x), self.inner))


@pytest.mark.parametrize("measure", [m for m in EVERY_MEASURE if m != "local"])
@pytest.mark.parametrize("bare", [False, True])
def test_refuses_checkpoints_of_other_libraries(measure: str, bare: bool) -> None:
    """Ω of what is in them would be zero, and ``p.grad`` another, without a word."""
    model = Reversible(nn.Linear(2, 2) if bare else nn.Sequential(nn.Linear(2, 2), nn.Tanh()))
    model(X).square().sum().backward()
    before = {name: (p.grad, p.grad.clone()) for name, p in model.named_parameters()}
    with pytest.raises(
        RuntimeError, match=r"written to 'inner\.(0\.)?weight'.*reversible.*turn that off"
    ):
        EVERY_MEASURE[measure](model, [torch.eye(2)])
    for name, p in model.named_parameters():
        assert p.grad is before[name][0]
        assert torch.equal(p.grad, before[name][1])


class Cut(nn.Sequential):
    """A network that lets no gradient through to its first part in eval mode."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.set_grad_enabled(self.training):
            h = self[0](x)
        return self[1](h)


WITHOUT_GRADIENTS = {
    "detached": lambda model, x: model(x).detach(),
    "no_grad": torch.no_grad()(lambda model, x: model(x)),
    "inference_mode": torch.inference_mode()(lambda model, x: model(x)),
}


@pytest.mark.parametrize("measure", EVERY_MEASURE)
@pytest.mark.parametrize("how", WITHOUT_GRADIENTS)
def test_refuses_an_output_that_depends_on_no_parameter(how: str, measure: str) -> None:
    """Ω would be zero without a word."""
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU() if measure != "local" else nn.Flatten())
    with pytest.raises(
        ValueError, match=r"none of the 2 parameters, such as '0\.weight'.*forward="
    ):
        EVERY_MEASURE[measure](model, [torch.eye(2), X], forward=WITHOUT_GRADIENTS[how])


@pytest.mark.parametrize("measure", EVERY_MEASURE)
def test_refuses_parameters_that_get_a_gradient_in_training_only(measure: str) -> None:
    model = Cut(nn.Linear(2, 2), nn.Linear(2, 2))
    with pytest.raises(ValueError, match="none of the 1 parameters"):
        EVERY_MEASURE[measure](model, [torch.eye(2)], parameters=["0.weight"])
    assert EVERY_MEASURE[measure](model, [torch.eye(2)]).samples == 2  # as heads of other tasks


def test_one_batch_that_depends_on_a_parameter_is_enough() -> None:
    def some(model: nn.Module, x: Tensor) -> Tensor:
        return x if (x == 1).all() else model(x)

    for measure in EVERY_MEASURE.values():
        batches = [torch.ones(3, 2), torch.eye(2), torch.ones(3, 2)]
        assert measure(nn.Linear(2, 2), batches, forward=some).samples == 8


def test_refuses_an_input_that_is_modified_after_its_use() -> None:
    class Modified(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = nn.Linear(2, 2), nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            h = self.body(x)
            y = self.head(h)
            h.zero_()
            return y

    with pytest.raises(RuntimeError, match=r"'head\.weight' was modified in place"):
        global_importance(Modified(), [torch.eye(2)])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parameters": ["weight", "nose"]}, r"\['nose'\]"),
        ({"parameters": ["weights"]}, r"\['weights'\]; did you mean 'weight'\?"),
        ({"parameters": []}, "names no parameter"),
        ({"max_bytes": 0}, "max_bytes must be positive, got 0"),
        ({"start": Importance({"weight": torch.ones(2, 2)}, 3)}, "'bias'"),
        (
            {"start": Importance({"weight": torch.ones(3, 2), "bias": torch.ones(2)}, 3)},
            r"\[3, 2\] for 'weight'",
        ),
    ],
)
def test_refuses_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        global_importance(nn.Linear(2, 2), [torch.eye(2)], **options)


def test_refuses_an_empty_continuation() -> None:
    model = nn.Linear(2, 2)
    first = global_importance(model, [torch.eye(2)])
    with pytest.raises(ValueError, match="no samples"):
        global_importance(model, [], start=first)
