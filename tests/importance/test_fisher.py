"""The Fisher information against the loop of batch size one, and against a closed form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from avalanche_mas.importance import Importance, Measure, fisher_information
from tests.importance.cases import AWKWARD, Case, SelfDifferentiating, images
from tests.reference import slow_expected_fisher, slow_fisher

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


@pytest.mark.parametrize("case", NETWORKS, ids=lambda case: case.id)
def test_equals_the_loop_of_batch_size_one(case: Case) -> None:
    model, x = case.make(torch.float64)
    batches = labelled(x[:-1], x[-1:])
    torch.manual_seed(3)
    found = fisher_information(model, batches)
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
    found = fisher_information(model, labelled(x), max_bytes=100)
    for name, exact in truth.items():
        torch.testing.assert_close(found[name], exact, rtol=1e-9, atol=1e-12, msg=name)


def test_labels_are_drawn_from_the_model() -> None:
    """For a bias before a softmax, F = p (1 - p): no labels of the data could give that."""
    p = torch.tensor([0.5, 0.3, 0.2])
    model = nn.Linear(1, 3)
    model.weight.data.zero_()
    model.bias.data = p.log()
    torch.manual_seed(0)
    found = fisher_information(model, [torch.zeros(100_000, 1)], parameters=["bias"])
    assert found.keys() == {"bias"}
    torch.testing.assert_close(found["bias"], p * (1 - p), rtol=0.03, atol=0.0)


@pytest.mark.parametrize("case", NETWORKS, ids=lambda case: case.id)
def test_the_expectation_over_labels_equals_the_loop_over_samples_and_classes(case: Case) -> None:
    model, x = case.make(torch.float64)
    batches = labelled(x[:-1], x[-1:])
    truth = slow_expected_fisher(model, batches, outputs)
    found = fisher_information(model, batches, labels="expected", max_bytes=3000)
    for name, exact in truth.items():
        torch.testing.assert_close(found[name], exact, rtol=1e-9, atol=1e-12, msg=name)


def logistic_regression() -> tuple[nn.Linear, Tensor, Tensor]:
    torch.manual_seed(0)
    model, x = nn.Linear(4, 3).double(), torch.randn(50, 4, dtype=torch.float64)
    return model, x, torch.randint(3, (50,))


def test_logistic_regression_has_a_closed_form() -> None:
    """∂ log p_y / ∂W_cj = ([y = c] - p_c) x_j, whose square has the expectation p_c (1 - p_c) x_j²."""
    model, x, _ = logistic_regression()
    p = model(x).softmax(1).detach()
    found = fisher_information(model, x.split(7), labels="expected")
    variance = p * (1 - p)  # [N, C]
    torch.testing.assert_close(found["weight"], variance.T @ x.square() / len(x))
    torch.testing.assert_close(found["bias"], variance.mean(0))


def test_logistic_regression_with_the_labels_of_the_data() -> None:
    model, x, y = logistic_regression()
    residual = nn.functional.one_hot(y, 3) - model(x).softmax(1).detach()  # [N, C]
    found = fisher_information(model, [(x, y)], labels="data")
    torch.testing.assert_close(found["weight"], residual.square().T @ x.square() / len(x))
    torch.testing.assert_close(found["bias"], residual.square().mean(0))


def test_it_is_an_importance_that_can_be_gone_on_with_and_saved(tmp_path: Path) -> None:
    model, x, y = logistic_regression()
    whole = fisher_information(model, [(x, y)], labels="data")
    assert whole.measure == Measure("likelihood", labels="data")
    assert whole.samples == 50
    part = fisher_information(model, [(x[:20], y[:20])], labels="data")
    part.save(tmp_path / "fisher.safetensors")
    part = Importance.load(tmp_path / "fisher.safetensors", model)
    found = fisher_information(model, [(x[20:], y[20:])], labels="data", start=part)
    torch.testing.assert_close(found["weight"], whole["weight"])
    with pytest.raises(ValueError, match=r"'likelihood, data', .* 'likelihood, drawn'"):
        fisher_information(model, [x], start=part)


@pytest.mark.parametrize("batch", [torch.ones(2, 4).double(), (torch.ones(2, 4).double(),)])
def test_labels_that_the_data_lack_are_asked_for(batch: Any) -> None:
    with pytest.raises(TypeError, match='labels="data" needs batches'):
        fisher_information(logistic_regression()[0], [batch], labels="data")


def test_unknown_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="labels must be one of 'drawn', 'expected', 'data'"):
        fisher_information(nn.Linear(1, 2), [torch.ones(1, 1)], labels="true")  # type: ignore[arg-type]


def test_the_network_and_the_random_numbers_are_left_as_they_were() -> None:
    model, x = NETWORKS[-1].make(torch.float32)
    model.train()[3].eval()
    model(x).sum().backward()
    gradients = [p.grad for p in model.parameters()]
    copies = [g.clone() for g in gradients]
    state = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.random.get_rng_state()
    fisher_information(model, labelled(x), parameters=["0.weight"])
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
        fisher_information(model, [], parameters=["bias"])
    with pytest.raises(ValueError, match="not finite"):
        fisher_information(model, labelled(torch.full((2, 2), torch.nan)))
