"""The Fisher information against the loop of batch size one, and against a closed form."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmarks.methods._fisher import fisher_information
from tests.benchmarks.methods.cases import slow_fisher
from tests.importance.cases import AWKWARD, Case, SelfDifferentiating, images

NETWORKS = [
    # one cannot be evaluated without gradients, so not by a strategy either
    *(case for case in AWKWARD if case.build is not SelfDifferentiating),
    Case(
        "convolutions",
        lambda: nn.Sequential(
            *(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5)),
            *(nn.Conv2d(4, 6, 3, stride=2, groups=2), nn.ReLU(), nn.Flatten()),
            *(nn.Linear(6 * 4 * 4, 5), nn.Tanh(), nn.Linear(5, 3)),
        ),
        images(9, 7),
    ),
]


def outputs(model: nn.Module, batch: Any) -> Tensor:
    return model(batch[0])


def labelled(*inputs: Tensor) -> list[tuple[Tensor, Tensor]]:
    return [(x, torch.zeros(len(x), dtype=torch.long)) for x in inputs]


def trainable(model: nn.Module) -> list[str]:
    return [name for name, p in model.named_parameters() if p.requires_grad]


@pytest.mark.parametrize("case", NETWORKS, ids=lambda case: case.id)
def test_equals_the_loop_of_batch_size_one(case: Case) -> None:
    model, x = case.make(torch.float64)
    batches = labelled(x[:-1], x[-1:])
    torch.manual_seed(3)
    found = fisher_information(model, batches, outputs, trainable(model))
    truth = slow_fisher(model, batches, outputs)
    assert found.keys() == truth.keys()
    assert sum(value.sum().item() for value in truth.values()) > 0
    for name, exact in truth.items():
        torch.testing.assert_close(found[name], exact, rtol=1e-9, atol=1e-12, msg=name)


def test_equals_the_loop_with_little_memory() -> None:
    model, x = NETWORKS[-1].make(torch.float64)
    torch.manual_seed(3)
    truth = slow_fisher(model, labelled(x), outputs)
    torch.manual_seed(3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchmarks.methods._fisher.MAX_BYTES", 100)
        found = fisher_information(model, labelled(x), outputs, trainable(model))
    for name, exact in truth.items():
        torch.testing.assert_close(found[name], exact, rtol=1e-9, atol=1e-12, msg=name)


def test_labels_are_drawn_from_the_model() -> None:
    """For a bias before a softmax, F = p (1 - p): no labels of the data could give that."""
    p = torch.tensor([0.5, 0.3, 0.2])
    model = nn.Linear(1, 3)
    model.weight.data.zero_()
    model.bias.data = p.log()
    torch.manual_seed(0)
    found = fisher_information(model, labelled(torch.zeros(100_000, 1)), outputs, ["bias"])
    assert found.keys() == {"bias"}
    torch.testing.assert_close(found["bias"], p * (1 - p), rtol=0.03, atol=0.0)


def test_the_network_and_the_random_numbers_are_left_as_they_were() -> None:
    model, x = NETWORKS[-1].make(torch.float32)
    model.train()[3].eval()
    model(x).sum().backward()
    gradients = [p.grad for p in model.parameters()]
    copies = [g.clone() for g in gradients]
    state = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.random.get_rng_state()
    fisher_information(model, labelled(x), outputs, ["0.weight"])
    assert torch.equal(random, torch.random.get_rng_state())
    assert [module.training for module in model] == [i != 3 for i in range(len(model))]
    for p, gradient, copy in zip(model.parameters(), gradients, copies, strict=True):
        assert p.grad is gradient
        assert torch.equal(gradient, copy)
        assert p.requires_grad
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name])


def test_no_samples_and_no_finite_outputs_are_refused() -> None:
    model = nn.Linear(2, 3)
    with pytest.raises(ValueError, match="no samples"):
        fisher_information(model, [], outputs, ["bias"])
    with pytest.raises(ValueError, match="not finite"):
        fisher_information(model, labelled(torch.full((2, 2), torch.nan)), outputs, ["bias"])
