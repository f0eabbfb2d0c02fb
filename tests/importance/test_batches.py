"""What a batch may be: tensors that are not per sample, mappings, dataclasses; inputs that change."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avalanche_mas.importance import (
    Importance,
    fisher_information,
    global_importance,
    local_importance,
)
from tests.importance.test_exact import relative_error
from tests.reference import slow_global_importance, slow_vector_importance

PROTOTYPES = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
X = torch.randn(12, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
NAMES = (
    "layer.weight layer.bias lstm.weight_ih_l0 lstm.weight_hh_l0 lstm.bias_ih_l0 lstm.bias_hh_l0"
)


class Prototypes(nn.Module):
    """Compares samples with five prototypes; one layer has a rule, the other has none."""

    def __init__(self, recurrent: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(4, 3)
        self.scale = nn.Parameter(torch.rand(3))
        self.lstm = nn.LSTM(4, 3, batch_first=True) if recurrent else None
        self.double()

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        h = self.layer(batch["x"]) * self.scale.exp()
        if self.lstm is not None:
            h = h + self.lstm(batch["x"][:, None])[0][:, 0]
        return h.tanh() @ batch["prototypes"].T


def run(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    return model(batch)


MEASURES: dict[str, Callable[..., Importance]] = {
    "global": global_importance,
    "vector": lambda *args, **kwargs: global_importance(*args, output="vector", **kwargs),
    "local": local_importance,
    "fisher": lambda *args, **kwargs: fisher_information(*args, labels="expected", **kwargs),
}


@pytest.mark.parametrize("cuts", [[12], [5, 7], [7, 5], [5, 5, 2], [1, 5, 6], [6, 5, 1]], ids=str)
@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("recurrent", [False, True])
def test_a_tensor_that_belongs_to_all_samples(
    cuts: list[int], measure: str, recurrent: bool
) -> None:
    """Also where a batch has as many samples as there are prototypes."""
    if recurrent and measure == "local":
        pytest.skip("a recurrent kernel has no stretch")
    model = Prototypes(recurrent)
    batches = [{"x": x, "prototypes": PROTOTYPES} for x in X.split(cuts)]
    truth = MEASURES[measure](model, list(X.split(1)), forward=_with_prototypes)
    found = MEASURES[measure](model, batches, forward=run)
    assert relative_error(found, truth) <= 1e-10


def _with_prototypes(model: nn.Module, x: Tensor) -> Tensor:
    return model({"x": x, "prototypes": PROTOTYPES})


def test_the_truth_of_one_sample_at_a_time_is_the_definition() -> None:
    truth = slow_global_importance(Prototypes(), [X], _with_prototypes)
    found = global_importance(Prototypes(), list(X.split(1)), forward=_with_prototypes)
    assert relative_error(found, truth) <= 1e-12


@pytest.mark.parametrize("max_bytes", [1, 400, 1500, 10**9])
def test_parts_of_a_batch_that_are_as_long_as_the_prototypes(max_bytes: int) -> None:
    """The general path cuts batches into parts for want of memory."""
    model = Prototypes()
    truth = slow_global_importance(model, [X], _with_prototypes)
    batch = {"x": X, "prototypes": PROTOTYPES}
    found = global_importance(
        model, [batch], forward=run, parameters=["scale"], max_bytes=max_bytes
    )
    assert relative_error(found, {"scale": truth["scale"]}) <= 1e-10


def test_several_such_tensors() -> None:
    class Two(Prototypes):
        def forward(self, batch: dict[str, Tensor]) -> Tensor:
            return super().forward(batch) * batch["scale"] + batch["offset"]

    model, scale, offset = Two(), torch.rand(5).double(), X[:5, :1]

    def one(model: nn.Module, sample: tuple[Tensor, Tensor]) -> Tensor:
        x, offset = sample
        return model({"x": x, "prototypes": PROTOTYPES, "scale": scale, "offset": offset})

    batch = {"x": X[:5], "prototypes": PROTOTYPES, "scale": scale, "offset": offset}
    truth = slow_global_importance(model, [(X[:5], offset)], one)
    assert relative_error(global_importance(model, [batch], forward=run), truth) <= 1e-10
    batch = {**batch, "offset": offset.repeat(2, 1)[:7], "x": X[:7]}
    truth = slow_global_importance(model, [(X[:7], batch["offset"])], one)
    assert relative_error(global_importance(model, [batch], forward=run), truth) <= 1e-10


@pytest.mark.parametrize("measure", [global_importance, local_importance])
def test_refuses_another_number_of_rows_by_name(measure: Callable[..., Importance]) -> None:
    model = nn.Linear(4, 3).double()

    def forward(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        return model(batch["x"]) + batch["bias"].mean()

    bias = torch.ones(5, dtype=torch.float64)  # it makes no difference whether it is cut
    batches = [{"x": X[:5], "bias": bias}, {"x": X[5:], "bias": bias}]
    with pytest.raises(ValueError, match=r"\['bias'\] has 5 rows in a batch of 7 samples"):
        measure(model, batches, forward=forward)


def test_refuses_what_is_cut_in_no_right_way_by_name() -> None:
    crops = X.view(6, 2, 4).transpose(0, 1).reshape(12, 4)  # all first crops, then all second ones

    def forward(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        first, second = model(batch["crops"]).chunk(2)
        return first[: len(batch["x"])] + second[: len(batch["x"])] + model(batch["x"])

    with pytest.raises(ValueError, match=r"\['crops'\] \(Tensor\) was given to every sample whole"):
        global_importance(nn.Linear(4, 3).double(), [{"x": X[:6], "crops": crops}], forward=forward)


@dataclass(frozen=True)
class Record:
    x: Tensor
    name: str = "record"


class Pair(NamedTuple):
    x: Tensor
    y: Tensor


class Own(dict[str, Any]):
    """A dictionary of one's own, as of many data loaders."""


class Moved:
    """A container that has only what is needed to move it."""

    def __init__(self, x: Tensor) -> None:
        self.x = x

    def to(self, device: torch.device) -> Moved:
        return Moved(self.x.to(device))


WRAPPED: dict[str, tuple[Callable[[Tensor], Any], Callable[[Any], Tensor]]] = {
    "UserDict": (lambda x: UserDict(x=x), lambda batch: batch["x"]),
    "a subclass of dict": (lambda x: Own(x=x), lambda batch: batch["x"]),
    "a dataclass": (Record, lambda batch: batch.x),
    "a named tuple": (lambda x: Pair(x, x.sum(1)), lambda batch: batch.x),
    "nested": (lambda x: {"a": [UserDict(b=Record(x))]}, lambda batch: batch["a"][0]["b"].x),
}


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("kind", WRAPPED)
def test_containers(kind: str, measure: str) -> None:
    wrap, unwrap = WRAPPED[kind]
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 3)).double()
    seen = set()

    def forward(model: nn.Module, batch: Any) -> Tensor:
        seen.add(type(batch))
        return model(unwrap(batch))

    batches = [wrap(x) for x in X.split(5)]
    found = MEASURES[measure](model, batches, forward=forward)
    assert relative_error(found, MEASURES[measure](model, [X])) <= 1e-12
    assert seen == {type(batches[0])}
    assert torch.equal(unwrap(batches[0]), X[:5])


class Text(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.words, self.head = nn.Embedding(9, 4), nn.Linear(4, 3)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        h = self.words(input_ids) * attention_mask[..., None]
        return self.head(torch.tanh(h.sum(1)))


@pytest.mark.parametrize("wrap", [dict, UserDict])
def test_the_entries_of_a_mapping_are_the_arguments_of_the_model(wrap: Callable[..., Any]) -> None:
    ids, mask = torch.randint(9, (6, 5)), torch.rand(6, 5)
    found = global_importance(Text(), [wrap(input_ids=ids, attention_mask=mask)])
    truth = slow_global_importance(Text(), [[ids, mask]], lambda m, b: m(*b))
    assert relative_error(found, truth) <= 1e-5


def test_refuses_containers_that_cannot_be_looked_into_by_name() -> None:
    model = nn.Linear(4, 3).double()
    with pytest.raises(TypeError, match=r"mapping or dataclass.*got Moved.*forward="):
        global_importance(model, [Moved(X)], forward=lambda m, b: m(b.x))
    with pytest.raises(ValueError, match=r"\[0\] \(Moved\) was given to every sample whole"):
        global_importance(model, [(Moved(X), X[:, 0])], forward=lambda m, b: m(b[0].x))


class InPlace(nn.Module):
    """Changes its input, and uses a parameter without a rule."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.w = nn.Linear(4, 3), nn.Parameter(torch.rand(4))
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        x.sub_(0.5).mul_(2)
        return self.layer(torch.relu(x * self.w.sin()))


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("cuts", [1, 5, 12])
def test_a_model_that_changes_its_input(measure: str, cuts: int) -> None:
    model, before = InPlace(), X.clone()
    found = MEASURES[measure](model, X.split(cuts))
    truth = MEASURES[measure](model, before.split(1), forward=lambda m, x: m(x.clone()))
    assert relative_error(found, truth) <= 1e-12
    assert torch.equal(X, before)
    if measure == "global":
        assert relative_error(found, slow_global_importance(model, [before.clone()])) <= 1e-12


def test_embedding_bags_with_sparse_gradients() -> None:
    class Bag(nn.Module):
        def __init__(self, sparse: bool) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.bag, self.head = nn.EmbeddingBag(9, 4, sparse=sparse), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(torch.tanh(self.bag(x)))

    words = torch.randint(9, (6, 5))
    for measure in MEASURES.values():
        found = measure(Bag(sparse=True), [words])
        assert relative_error(found, measure(Bag(sparse=False), list(words.split(1)))) <= 1e-5
    truth = slow_global_importance(Bag(sparse=False), [words])
    assert relative_error(global_importance(Bag(sparse=True), [words]), truth) <= 1e-5
    batch = global_importance(Bag(sparse=True), [words], granularity="batch")
    dense = global_importance(Bag(sparse=False), [words], granularity="batch")
    assert relative_error(batch, dense) <= 1e-5


class Mapped(nn.Module):
    """Treats each sample by itself with `torch.func.vmap`, in one layer of three."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.each, self.head = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3)
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.first(x))
        return self.head(torch.func.vmap(lambda row: torch.tanh(self.each(row)))(h))


@pytest.mark.parametrize("cuts", [1, 5, 12])
def test_vmap_in_the_forward_pass(cuts: int) -> None:
    model = Mapped()
    assert (
        relative_error(global_importance(model, X.split(cuts)), slow_global_importance(model, [X]))
        <= 1e-12
    )
    vector = global_importance(model, X.split(cuts), output="vector")
    assert relative_error(vector, slow_vector_importance(model, [X])) <= 1e-12
    with pytest.raises(ValueError, match=r"linear runs within a transform of torch\.func"):
        local_importance(model, X.split(cuts))


@pytest.mark.parametrize("measure", MEASURES)
def test_parameters_without_values_are_left_out(measure: str) -> None:
    class Unused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.layer, self.later = nn.Linear(4, 3), nn.Linear(4, 3, device="meta")

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x)

    found = MEASURES[measure](Unused(), [X.float()])
    assert set(found) == {"layer.weight", "layer.bias"}
    with pytest.raises(ValueError, match="names no parameter that has values"):
        MEASURES[measure](Unused(), [X.float()], parameters=["later.weight"])


def test_refuses_random_outputs_also_of_single_samples() -> None:
    model = nn.Sequential(nn.Linear(4, 64)).double()  # two masks of 64 entries are never the same
    for cuts in (1, 4):
        with pytest.raises(ValueError, match="twice on one sample gives different outputs"):
            global_importance(model, X.split(cuts), forward=lambda m, x: F.dropout(m(x), 0.5))
