"""The pass over the data: what it refuses, and what it says then."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from avalanche_mas.importance import (
    Importance,
    global_importance,
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
