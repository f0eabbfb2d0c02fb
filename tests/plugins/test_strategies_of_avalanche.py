"""Strategies of Avalanche, and optimizers, that need something of their own or are refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from avalanche.benchmarks import nc_benchmark
from avalanche.training import Naive, StreamingLDA
from avalanche.training.supervised import ICaRL
from torch import Tensor, nn

from avalanche_mas import LocalMASPlugin, MASPlugin
from tests.plugins.cases import (
    CLASSES,
    FEATURES,
    Samples,
    assert_close,
    assert_equal,
    domain_incremental,
    inputs_of,
    single_head,
    slow_omega,
    strategy_for,
    weights,
)
from tests.reference import slow_global_importance

# Nothing is logged here, and Avalanche warns of that.
pytestmark = pytest.mark.filterwarnings(
    "ignore:No loggers specified", "ignore:Call to deprecated", "ignore:Plugin .* incompatible"
)


# iCaRL has a nearest-mean classifier in eval mode, which has no gradient, and no means at first


def icarl(plugin: MASPlugin) -> tuple[Any, nn.Module]:
    data = Samples(0)
    data.targets = [i % 4 for i in range(len(data))]
    benchmark = nc_benchmark(data, data, n_experiences=2, task_labels=False, seed=0)
    features, classifier = nn.Sequential(nn.Linear(FEATURES, 6), nn.Tanh()), nn.Linear(6, 4)
    strategy = ICaRL(
        feature_extractor=features,
        classifier=classifier,
        optimizer=torch.optim.SGD([*features.parameters(), *classifier.parameters()], lr=0.05),
        memory_size=8,
        buffer_transform=None,
        fixed_memory=True,
        train_mb_size=5,
        plugins=[plugin],
        evaluator=None,
    )
    for experience in benchmark.train_stream:
        strategy.train(experience)
    return benchmark.train_stream[1], strategy.model


def test_the_training_classifier_of_icarl_counts() -> None:
    torch.manual_seed(0)
    experience, model = icarl(plugin := MASPlugin(0.1))
    expected = slow_global_importance(
        model, [inputs_of(experience)], lambda m, x: m.train_classifier(m.feature_extractor(x))
    )
    assert_close(plugin._memory.estimate, expected)
    assert plugin.quadratic_penalty.importance


def test_the_local_form_in_icarl() -> None:
    torch.manual_seed(0)
    icarl(plugin := LocalMASPlugin(0.1))
    assert set(plugin.importance) >= {"feature_extractor.0.weight", "train_classifier.weight"}


def test_any_failure_of_the_trial_says_what_to_do() -> None:
    class Unready(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.means = single_head(), None

        def forward(self, x: Tensor) -> Tensor:
            return self.net(x) if self.training else self.net(x) - self.means

    model = Unready()
    before = weights(model)
    strategy = strategy_for(model, MASPlugin())
    with pytest.raises(ValueError, match=r"in eval mode give TypeError: .*pass forward=") as error:
        strategy.train(domain_incremental(1).train_stream)
    assert isinstance(error.value.__cause__, TypeError)
    assert_equal(weights(model), before)
    plugin = MASPlugin(forward=lambda model, x: model.net(x))
    benchmark = domain_incremental(1)
    strategy_for(model, plugin).train(benchmark.train_stream)
    expected = slow_omega(model.net, inputs_of(benchmark.train_stream[0]))
    assert_close(plugin.importance, {f"net.{name}": omega for name, omega in expected.items()})


# Refused


def test_strategies_without_a_gradient_step() -> None:
    strategy = StreamingLDA(
        slda_model=single_head(),
        criterion=nn.CrossEntropyLoss(),
        input_size=CLASSES,
        num_classes=CLASSES,
        plugins=[MASPlugin()],
        evaluator=None,
    )
    with pytest.raises(TypeError, match="StreamingLDA calls no plugin around its backward passes"):
        strategy.train(domain_incremental(1).train_stream)


def with_optimizer(optimizer: torch.optim.Optimizer, model: nn.Module, **options: Any) -> Any:
    kind = options.pop("kind", Naive)
    return kind(
        model=model,
        optimizer=optimizer,
        criterion=nn.CrossEntropyLoss(),
        train_mb_size=6,
        plugins=[MASPlugin(0.1, **options)],
        evaluator=None,
    )


def test_an_optimizer_without_a_learning_rate_cannot_damp() -> None:
    """As Adafactor of transformers with relative steps."""
    strategy = strategy_for(single_head(), MASPlugin())
    strategy.optimizer.param_groups[0]["lr"] = None
    with pytest.raises(ValueError, match=r'SGD has no learning rate .* pass penalty="gradient"'):
        strategy.train(domain_incremental(1).train_stream)


def test_sparse_adam_takes_no_dense_gradients() -> None:
    model = single_head()
    before = weights(model)
    strategy = with_optimizer(torch.optim.SparseAdam(list(model.parameters())), model)
    with pytest.raises(ValueError, match=r"SparseAdam takes sparse gradients only.* is dense"):
        strategy.train(domain_incremental(1).train_stream)
    assert_equal(weights(model), before)


class Searching(Naive):  # type: ignore[type-arg]
    """Takes steps of LBFGS, whose closure evaluates what is minimised, the penalty included."""

    def optimizer_step(self) -> None:
        def closure() -> Tensor:
            self.optimizer.zero_grad()
            self.mb_output = self.forward()
            self.loss = self._make_empty_loss() + self.criterion()
            self._before_backward()
            self.backward()
            self._after_backward()
            return self.loss

        self.optimizer.step(closure)


def searching(model: nn.Module, search: str | None, **options: Any) -> Any:
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=3, line_search_fn=search)
    return with_optimizer(optimizer, model, kind=Searching, **options)


def test_a_line_search_needs_the_penalty_in_the_loss() -> None:
    stream = domain_incremental(2).train_stream
    with pytest.raises(ValueError, match=r"line search .*penalty='loss'.*_before_backward"):
        searching(single_head(), "strong_wolfe", penalty="gradient").train(stream)
    strategy = searching(single_head(), "strong_wolfe", penalty="loss")
    strategy.train(stream)
    assert strategy.plugins[0].quadratic_penalty.importance
    searching(single_head(), None, penalty="gradient").train(stream)
