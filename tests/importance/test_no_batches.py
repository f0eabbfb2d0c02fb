"""What is an iterable of batches, and what is answered where something is not."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from avalanche_mas.importance import (
    fisher_information,
    global_importance,
    local_importance,
)

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
