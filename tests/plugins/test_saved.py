"""A plugin's state in a file."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from avalanche_mas import LocalMASPlugin, MASPlugin
from avalanche_mas.importance import global_importance
from avalanche_mas.plugins import ImportancePlugin
from avalanche_mas.tensor_files import read_tensors, write_tensors
from tests.plugins.cases import (
    Growing,
    assert_equal,
    assert_same,
    domain_incremental,
    single_head,
    strategy_for,
    unlabelled,
)
from tests.plugins.resuming import END, MODEL, PLUGIN, second_task, without_momentum
from tests.processes import ROOT, run_python

# Nothing is logged here, and Avalanche warns of that.
pytestmark = pytest.mark.filterwarnings("ignore:No loggers specified")

Trained = tuple[nn.Module, MASPlugin, Path]


@pytest.fixture
def trained(tmp_path: Path) -> Trained:
    """A model, the plugin that it was trained with, and the plugin's file."""
    torch.manual_seed(0)
    model, plugin = single_head(), MASPlugin(0.5)
    strategy_for(model, plugin).train(domain_incremental(1).train_stream)
    plugin.save(tmp_path / PLUGIN)
    return model, plugin, tmp_path / PLUGIN


def test_training_goes_on_in_another_process_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    torch.manual_seed(0)
    plugin = MASPlugin(0.5)
    strategy = without_momentum(plugin)
    strategy.train(domain_incremental(2).train_stream[0])
    plugin.save(tmp_path / PLUGIN)
    torch.save(strategy.model.state_dict(), tmp_path / MODEL)
    threads = str(torch.get_num_threads())  # other numbers round otherwise
    words = ("-m", "tests.plugins.resuming", str(tmp_path))
    ended = run_python(*words, cwd=ROOT, OMP_NUM_THREADS=threads)
    assert ended.returncode == 0, ended.stderr
    resumed = torch.load(tmp_path / END, weights_only=True)
    assert_equal(resumed, second_task(strategy, plugin))


@pytest.mark.parametrize("make", [MASPlugin, LocalMASPlugin])
def test_before_any_task(make: Callable[[], ImportancePlugin], tmp_path: Path) -> None:
    make().save(tmp_path / PLUGIN)
    loaded = make()
    loaded.load(tmp_path / PLUGIN, single_head())
    assert_same(loaded.state_dict(), make().state_dict())


def test_what_is_loaded_is_what_was_saved(trained: Trained) -> None:
    model, plugin, file = trained
    for given in (None, model, nn.DataParallel(model)):
        loaded = MASPlugin(2.0)
        loaded.load(file, given)
        assert_same(loaded.state_dict(), plugin.state_dict())
        assert loaded.lambda_reg == 2.0


def retrained(model: nn.Module) -> nn.Module:
    other = copy.deepcopy(model)
    with torch.no_grad():
        other[1].bias[0] += 1
    return other


OTHERS: dict[str, tuple[Callable[[nn.Module], nn.Module], str]] = {
    "trained since": (
        retrained,
        r"1 parameters of the model are not .*'1\.bias'; load the model's",
    ),
    "another width": (
        lambda model: nn.Sequential(model[0], nn.Linear(8, 2)),
        r"'1\.weight' has shape \(2, 8\)",
    ),
    "another architecture": (
        lambda _: Growing(),
        r"the model has no '0\.0\.weight' \(6 of 6 parameters are",
    ),
}


@pytest.mark.parametrize("other", OTHERS)
def test_another_model_is_refused(trained: Trained, other: str) -> None:
    model, _, file = trained
    make, message = OTHERS[other]
    plugin = MASPlugin(0.5)
    before = copy.deepcopy(plugin.state_dict())
    with pytest.raises(ValueError, match=rf"{PLUGIN} cannot be loaded: .*{message}"):
        plugin.load(file, make(model))
    assert_same(plugin.state_dict(), before)


@pytest.mark.parametrize(
    ("plugin", "message"),
    [
        (MASPlugin(output="vector"), "is of kind 'l2', and this plugin measures 'vector'"),
        (LocalMASPlugin(), "measures 'local'"),
        (MASPlugin(accumulation="max"), "accumulation='sum', and this plugin has 'max'"),
        (MASPlugin(alpha=0.5), "accumulation='sum', and this plugin has 'blend'"),
        (
            MASPlugin(importance_dtype=torch.bfloat16),
            r"importance_dtype=None, and this plugin has 'torch\.bfloat16'; make the plugin as it was",
        ),
    ],
    ids=repr,
)
def test_other_settings_are_refused(
    trained: Trained, plugin: ImportancePlugin, message: str
) -> None:
    with pytest.raises(ValueError, match=f"{PLUGIN} .*{message}"):
        plugin.load(trained[-1])


def test_what_is_no_file_of_a_plugin_is_refused(trained: Trained, tmp_path: Path) -> None:
    model, plugin, file = trained
    with pytest.raises(FileNotFoundError, match="there is no file"):
        plugin.load(tmp_path / "another.safetensors")
    with pytest.raises(FileNotFoundError, match="make the folder"):
        plugin.save(tmp_path / "missing" / PLUGIN)
    global_importance(model, [unlabelled(1)]).save(tmp_path / "omega.safetensors")
    with pytest.raises(ValueError, match=r"no file of a plugin; its save\(\) writes one"):
        plugin.load(tmp_path / "omega.safetensors")
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError, match="is damaged"):
        plugin.load(file)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("version", "2", "is of version '2', and this code reads '1'"),
        ("state", "[", "is damaged"),
        ("state", "{}", "expected the entries"),
        ("state", '{"": ["0"]}', "is damaged"),
        ("settings", "3", "is damaged"),
        ("settings", "{}", "was saved with accumulation=None"),
    ],
)
def test_other_contents_are_refused(trained: Trained, name: str, value: str, message: str) -> None:
    _, plugin, file = trained
    before: Any = copy.deepcopy(plugin.state_dict())
    tensors, texts = read_tensors(file)
    write_tensors(file, tensors, {**texts, name: value})
    with pytest.raises(ValueError, match=message):
        plugin.load(file)
    assert_same(plugin.state_dict(), before)
