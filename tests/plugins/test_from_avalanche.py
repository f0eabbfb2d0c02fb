"""Scripts for Avalanche's own MASPlugin and MAS, with the import changed."""

from __future__ import annotations

import inspect
import logging
from typing import Any

import pytest
import torch
from avalanche.training import MAS as AvalancheMAS  # noqa: N811 (an acronym, not a constant)
from avalanche.training.plugins import MASPlugin as AvalancheMASPlugin
from avalanche.training.templates.base import PositionalArgumentsDeprecatedWarning
from torch import nn

from avalanche_mas import MAS, LocalMAS, LocalMASPlugin, MASPlugin
from avalanche_mas.plugins import mas
from tests.plugins.cases import domain_incremental, single_head, strategy_for

# Nothing is logged here, and Avalanche warns of that.
pytestmark = pytest.mark.filterwarnings("ignore:No loggers specified")


@pytest.mark.parametrize("strategy", [MAS, LocalMAS])
def test_arguments_by_position_are_those_of_avalanches_own(strategy: Any) -> None:
    model = single_head()
    optimizer, criterion = torch.optim.SGD(model.parameters(), lr=0.1), nn.MSELoss()
    given = (model, optimizer, criterion, 0.3, 0.25, True, 7, 3, 5, "cpu", [], None, 2)
    with pytest.warns(PositionalArgumentsDeprecatedWarning) as theirs:
        AvalancheMAS(*given)
    with pytest.warns(PositionalArgumentsDeprecatedWarning) as ours:
        made = strategy(*given)
    assert [str(w.message).replace(strategy.__name__, "MAS") for w in ours] == [
        str(w.message) for w in theirs
    ]
    assert (made.model, made.optimizer, made._criterion) == given[:3]
    assert (made.mas.lambda_reg, made.mas.alpha, made.mas.verbose) == (0.3, 0.25, True)
    assert (made.train_mb_size, made.train_epochs, made.eval_mb_size) == (7, 3, 5)
    assert made.eval_every == 2


def test_their_arguments_come_first_in_the_signature() -> None:
    theirs = list(inspect.signature(AvalancheMAS).parameters)[:-1]
    for strategy in (MAS, LocalMAS):
        assert list(inspect.signature(strategy).parameters)[: len(theirs)] == theirs


def test_a_subclass_may_have_arguments_of_its_own() -> None:
    class Mine(MAS):
        def __init__(self, *, mine: int, **rest: Any) -> None:
            super().__init__(**rest)
            self.mine = mine

    model = single_head()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    strategy = Mine(mine=3, model=model, optimizer=optimizer, lambda_reg=2.0, evaluator=None)
    assert (strategy.mine, strategy.mas.lambda_reg) == (3, 2.0)


@pytest.mark.parametrize("plugin", [MASPlugin, LocalMASPlugin])
def test_an_importance_of_ones_own_is_refused_when_the_class_is_made(plugin: Any) -> None:
    own = {"_get_importance": lambda *_: {}}
    mixin = type("Mixin", (), own)
    for bases, namespace in [((plugin,), own), ((mixin, plugin), {}), ((plugin, mixin), {})]:
        with pytest.raises(TypeError, match=r"Mine\._get_importance would never .*forward="):
            type("Mine", bases, namespace)
    type("Mine", (plugin,), {"after_training_exp": plugin.after_training_exp})


def test_their_names_for_anchors_and_strength() -> None:
    plugin = MASPlugin(0.5)
    strategy_for(single_head(), plugin).train(domain_incremental(1).train_stream)
    with pytest.deprecated_call(match="anchors"):
        params = plugin.params
    assert params["1.weight"].data.equal(plugin.anchors["1.weight"])
    plugin._lambda = 2.0
    assert plugin.lambda_reg == plugin.quadratic_penalty.lambda_reg == 2.0


def test_that_importances_are_summed_is_noted_once(caplog: pytest.LogCaptureFixture) -> None:
    mas._note_the_sum.cache_clear()
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            MASPlugin(0.1, 0.5)
            MASPlugin(accumulation="sum")
            LocalMASPlugin()
            assert not caplog.records
        for _ in range(2):
            MASPlugin()
    (record,) = caplog.records
    assert "alpha=0.5" in record.message
    assert inspect.signature(AvalancheMASPlugin).parameters["alpha"].default == 0.5


@pytest.mark.parametrize("cls", [MAS, LocalMAS, MASPlugin, LocalMASPlugin])
def test_signatures_show_plain_types(cls: type) -> None:
    assert "InitVar" not in str(inspect.signature(cls))
    assert "alpha: 'float | None' = None" in str(inspect.signature(cls))
