"""Bad input is refused, and the old Ω stays."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from avalanche.benchmarks import (
    benchmark_from_datasets,
)
from avalanche.benchmarks.utils import _make_taskaware_classification_dataset as task_aware
from avalanche.benchmarks.utils import as_classification_dataset
from avalanche.training.supervised.lamaml_v2 import LaMAML
from torch.utils.data import TensorDataset

from avalanche_mas import MASPlugin
from avalanche_mas.importance import global_importance
from tests.plugins.cases import (
    FEATURES,
    SAMPLES,
    MultiHead,
    Poisoned,
    Samples,
    assert_equal,
    assert_same,
    domain_incremental,
    single_head,
    strategy_for,
    stream_of,
    unlabelled,
)

# Nothing is logged here, and Avalanche warns of that.
pytestmark = pytest.mark.filterwarnings("ignore:No loggers specified")


def test_nan_in_the_output() -> None:
    model, plugin = Poisoned(), MASPlugin()
    benchmark = domain_incremental(2)
    strategy = strategy_for(model, plugin)
    strategy.train(benchmark.train_stream[0])
    state = copy.deepcopy(plugin.state_dict())
    model.poison = True
    with pytest.raises(ValueError, match=r"(?i)nan|finite"):
        plugin.update_importance(strategy, [unlabelled(1)])
    assert_same(plugin.state_dict(), state)
    importance = dict(plugin.importance)
    with pytest.raises(ValueError, match=r"(?i)nan|finite"):
        strategy.train(benchmark.train_stream[1])
    assert_equal(plugin.importance, importance)


def test_no_data() -> None:
    model, plugin = single_head(), MASPlugin()
    strategy = strategy_for(model, plugin)
    strategy.train(domain_incremental(1).train_stream)
    state = copy.deepcopy(plugin.state_dict())
    for data in ([], TensorDataset(torch.zeros(0, FEATURES))):
        with pytest.raises(ValueError, match=r"(?i)empty|no samples|no batch"):
            plugin.update_importance(strategy, data)
    assert_same(plugin.state_dict(), state)


def test_a_data_set_of_avalanche_is_no_iterable_of_batches() -> None:
    data = domain_incremental(1).train_stream[0].dataset
    with pytest.raises(TypeError, match=r"a data set of samples .*pass DataLoader\("):
        global_importance(single_head(), data)


def test_an_empty_experience() -> None:
    data = as_classification_dataset(Samples(0)).subset([])
    strategy = strategy_for(single_head(), MASPlugin())
    with pytest.raises(ValueError, match=r"(?i)empty|num_samples"):
        strategy.train(benchmark_from_datasets(train=[data]).train_stream[0])


def test_nan_in_the_parameters() -> None:
    model, plugin = single_head(), MASPlugin()
    benchmark = domain_incremental(2)
    strategy = strategy_for(model, plugin)
    strategy.train(benchmark.train_stream[0])
    importance = dict(plugin.importance)
    model[0][0].weight.data[0, 0] = math.nan
    with (
        pytest.raises(FloatingPointError, match=r"task 2, step 1: .*is not finite"),
        pytest.warns(UserWarning, match=r"'0\.0\.weight'"),
    ):
        strategy.train(benchmark.train_stream[1])
    assert_equal(plugin.importance, importance)


def test_no_trainable_parameters() -> None:
    model = single_head()
    strategy = strategy_for(model, MASPlugin())
    model.requires_grad_(False)
    with pytest.raises(ValueError, match="no trainable parameter"):
        strategy.train(domain_incremental(1).train_stream)


def test_bad_options() -> None:
    for options, message in [
        ({"lambda_reg": -1.0}, "got -1.0"),
        ({"lambda_reg": math.nan}, "got nan"),
        ({"alpha": 2.0}, "got 2.0"),
        ({"penalty": "both"}, "got 'both'"),
        ({"batch_size": 0}, "got 0"),
        ({"num_workers": -1}, "got -1"),
    ]:
        with pytest.raises(ValueError, match=message):
            MASPlugin(**options)


@pytest.mark.parametrize("wrong", ["1", True, [1.0], 1j, torch.ones(2)], ids=str)
@pytest.mark.parametrize("option", ["lambda_reg", "alpha"])
def test_a_number_that_is_none(option: str, wrong: Any) -> None:
    said = rf"{option} must be a number, such as 1\.0, got .*\({type(wrong).__name__}\)"
    with pytest.raises(TypeError, match=said):
        MASPlugin(**{option: wrong})


@pytest.mark.parametrize("option", ["batch_size", "num_workers"])
def test_a_count_that_is_none(option: str) -> None:
    for wrong in ("8", 1.5, True):
        with pytest.raises(TypeError, match=rf"{option} must be a whole number, got {wrong!r} "):
            MASPlugin(**{option: wrong})


def test_numbers_of_other_libraries() -> None:
    for half in (np.float32(0.5), np.array(0.5), torch.tensor(0.5), torch.tensor([0.5])):
        plugin = MASPlugin(half, half)
        for value in (plugin.lambda_reg, plugin.alpha):
            assert value == 0.5
            assert type(value) is float


def test_a_mistyped_option_is_answered_with_the_one_that_was_meant() -> None:
    with pytest.raises(ValueError, match="got 'dampd'; did you mean 'damped'"):
        MASPlugin(penalty="dampd")


def test_a_multi_task_model_without_labels() -> None:
    torch.manual_seed(0)
    data = [task_aware(Samples(0), task_labels=[i % 2 for i in range(SAMPLES)])]
    benchmark, model = stream_of(data, labelled=True), MultiHead(masking=False)
    plugin = MASPlugin()
    strategy = strategy_for(model, plugin)
    strategy.train(benchmark.train_stream)
    with pytest.raises(ValueError, match=r"needs task labels.*\(0, 1\)"):
        plugin.update_importance(strategy, [unlabelled(1)])


def test_meta_learning_strategies_are_refused() -> None:
    model = single_head()
    with pytest.warns(UserWarning, match="positional"):
        strategy = strategy_for(model, MASPlugin(), kind=LaMAML)
    with pytest.raises(TypeError, match="LaMAML calls no plugin"):
        strategy.train(domain_incremental(1).train_stream)
