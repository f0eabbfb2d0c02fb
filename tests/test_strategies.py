"""The ready-made strategy is Naive with the plugin."""

from __future__ import annotations

import copy
import inspect
import pydoc
from typing import Any

import pytest
import torch
from avalanche.benchmarks import benchmark_from_datasets
from avalanche.benchmarks.utils import as_classification_dataset
from avalanche.training import MAS as AvalancheMAS  # noqa: N811 (an acronym, not a constant)
from avalanche.training import Naive
from avalanche.training.plugins import SupervisedPlugin
from torch import nn
from torch.utils.data import TensorDataset

import avalanche_mas
from avalanche_mas import MAS, LocalMAS, LocalMASPlugin, MASPlugin
from avalanche_mas.importance import Measure

# Nothing is logged here, and Avalanche warns of that.
pytestmark = pytest.mark.filterwarnings("ignore:No loggers specified")


def benchmark() -> Any:
    torch.manual_seed(0)
    data = []
    for _ in range(2):
        samples = TensorDataset(torch.randn(12, 4), torch.arange(12) % 3)
        samples.targets = [i % 3 for i in range(12)]
        data.append(as_classification_dataset(samples))
    return benchmark_from_datasets(train=data)


def parts(seed: int = 0) -> dict[str, Any]:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return {"model": model, "optimizer": optimizer, "train_mb_size": 4, "evaluator": None}


def test_same_as_naive_with_the_plugin() -> None:
    stream = benchmark().train_stream
    first = MAS(**parts(), criterion=nn.CrossEntropyLoss(), lambda_reg=0.3, alpha=0.5)
    second = Naive(**parts(), plugins=[MASPlugin(0.3, 0.5)])
    for strategy in (first, second):
        torch.manual_seed(1)
        strategy.train(stream)
    for p, q in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(p, q)
    assert first.mas.importance.keys() == second.plugins[0].importance.keys()


def test_options_reach_the_plugin() -> None:
    given, forward = benchmark(), nn.Module.forward
    shared = {
        "lambda_reg": 0.3,
        "alpha": 0.5,
        "verbose": True,
        "accumulation": "blend",
        "importance_dtype": torch.bfloat16,
        "importance_on": "test",
        "benchmark": given,
        "forward": forward,
        "penalty": "loss",
    }
    options = {"exclude": ["2.*"], "importance_batch_size": 7, "importance_num_workers": 2}
    for strategy in (
        MAS(**parts(), **shared, **options, output="vector", granularity="batch"),
        LocalMAS(**parts(), **shared, **options),
    ):
        plugin = strategy.mas
        assert {name: getattr(plugin, name) for name in shared} == shared
        assert (plugin.batch_size, plugin.num_workers, plugin.exclude) == (7, 2, ("2.*",))
        expected = Measure("vector", "batch") if isinstance(strategy, MAS) else Measure("local")
        assert plugin.measure == expected


def test_exports() -> None:
    assert set(avalanche_mas.__all__) == {"MAS", "LocalMAS", "MASPlugin", "LocalMASPlugin"}
    for name in avalanche_mas.__all__:
        assert getattr(avalanche_mas, name).__name__ == name
    with pytest.raises(AttributeError, match="No avalanche_mas attribute MASS"):
        avalanche_mas.MASS  # noqa: B018 - looking it up is the test


def test_every_argument_of_avalanches_own_strategy_is_there() -> None:
    theirs = set(inspect.signature(AvalancheMAS).parameters)
    for strategy in (MAS, LocalMAS):
        ours = {
            name for each in strategy.mro() for name in inspect.signature(each.__init__).parameters
        }
        assert theirs <= ours


def test_both_strategies_have_all_options_of_their_plugins() -> None:
    for strategy, plugin in ((MAS, MASPlugin), (LocalMAS, LocalMASPlugin)):
        ours = {name: p.default for name, p in inspect.signature(strategy).parameters.items()}
        for name, parameter in inspect.signature(plugin).parameters.items():
            prefix = "importance_" if name in ("batch_size", "num_workers") else ""
            assert ours[prefix + name] == parameter.default


@pytest.mark.parametrize("strategy", [MAS, LocalMAS])
def test_the_signature_says_what_is_taken_by_position(strategy: Any) -> None:
    signature = inspect.signature(strategy)
    bound = signature.bind("model", 1, 2, 3.0, 0.5, True, 7)
    expected = ["model", "optimizer", "criterion", "lambda_reg", "alpha", "verbose"]
    assert list(bound.arguments) == [*expected, "train_mb_size"]
    own = set(inspect.signature(MASPlugin).parameters) - set(expected)
    own = {"importance_" + n if n in ("batch_size", "num_workers") else n for n in own}
    for name, parameter in signature.parameters.items():
        assert (name in own) == (parameter.kind is parameter.KEYWORD_ONLY)


def test_a_subclass_shows_its_own_signature() -> None:
    class Same(MAS):
        pass

    class Mine(MAS):
        def __init__(self, *, mine: int, **rest: Any) -> None:
            super().__init__(lambda_reg=mine, **rest)

    assert inspect.signature(Same) == inspect.signature(MAS)
    assert list(inspect.signature(Mine).parameters) == ["mine", "rest"]


def test_help_shows_the_options() -> None:
    shown = pydoc.render_doc(MAS, renderer=pydoc.plaintext)
    for said in ("accumulation: 'str | None' = None", "granularity: ", "train_mb_size: "):
        assert said in shown
    assert "output" not in inspect.signature(LocalMAS).parameters


def test_local_and_global_share_all_but_the_measure() -> None:
    assert isinstance(LocalMAS(**parts()).mas, LocalMASPlugin)
    assert not issubclass(LocalMASPlugin, MASPlugin)
    for refused in ({"output": "l2"}, {"granularity": "sample"}):
        with pytest.raises(TypeError, match=next(iter(refused))):
            LocalMAS(**parts(), **refused)
        with pytest.raises(TypeError, match=next(iter(refused))):
            LocalMASPlugin(**refused)


def test_local_mas_is_naive_with_the_local_plugin() -> None:
    stream = benchmark().train_stream
    first = LocalMAS(**parts(), lambda_reg=0.3)
    second = Naive(**parts(), criterion=nn.CrossEntropyLoss(), plugins=[LocalMASPlugin(0.3)])
    for strategy in (first, second):
        torch.manual_seed(1)
        strategy.train(stream)
    for name, omega in first.mas.importance.items():
        assert torch.equal(omega, second.plugins[0].importance[name])
    for p, q in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(p, q)


def test_the_callers_list_of_plugins_is_not_changed_and_comes_after() -> None:
    other = SupervisedPlugin()
    plugins = [other]
    strategy = MAS(**parts(), plugins=plugins)
    assert plugins == [other]
    assert strategy.plugins[:2] == [strategy.mas, other]


def test_a_plugin_that_clips_gradients_clips_the_penalty_too() -> None:
    norms = []

    class Clip(SupervisedPlugin):
        def after_backward(self, strategy: Any, **_: Any) -> None:
            nn.utils.clip_grad_norm_(strategy.model.parameters(), 1e-3)

        def before_update(self, strategy: Any, **_: Any) -> None:
            gradients = [p.grad.flatten() for p in strategy.model.parameters()]
            norms.append(torch.cat(gradients).norm().item())

    MAS(**parts(), lambda_reg=1e6, plugins=[Clip()]).train(benchmark().train_stream)
    assert max(norms) <= 1e-3 * (1 + 1e-4)


def test_unknown_and_bad_options() -> None:
    with pytest.raises(TypeError, match="lambda_rge"):
        MAS(**parts(), lambda_rge=1.0)
    with pytest.raises(ValueError, match="got -1"):
        MAS(**parts(), lambda_reg=-1)


def test_a_strategy_can_be_copied() -> None:
    strategy = MAS(**parts())
    strategy.train(benchmark().train_stream)
    twin = copy.deepcopy(strategy)
    assert twin.mas is twin.plugins[0]
