"""What a run records of Ω by layer."""

import json

import pytest
import torch
from torch import nn

from avalanche_mas import MASPlugin
from avalanche_mas.importance import global_importance
from benchmarks.report.numbers.groups import group
from benchmarks.report.numbers.layers import omega_by_layer
from benchmarks.report.numbers.runs import read_runs
from benchmarks.report.pages.omega import tables
from benchmarks.run.omega import record_omega
from benchmarks.run.runner import run


def plugin_with_importance(seed=0):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    plugin = MASPlugin()
    omega = global_importance(model, [torch.randn(8, 3)])
    plugin._memory.held.consolidate(model, omega)
    return plugin


def layers_in(folder):
    return json.loads((folder / "omega.json").read_text())["layers"]


def test_layers_against_importance(tmp_path):
    plugin = plugin_with_importance()
    record_omega(tmp_path, 0, plugin)
    ((first, second),) = layers_in(tmp_path)
    omega = plugin.importance
    values = torch.cat([omega["0.weight"].flatten(), omega["0.bias"]]).double()
    total = sum(float(one.double().sum()) for one in omega.values())
    assert (first["layer"], first["entries"]) == ("0", 16)
    assert first["mean"] == pytest.approx(float(values.mean()))
    assert first["q50"] == pytest.approx(float(values.quantile(0.5)))
    assert first["maximum"] == pytest.approx(float(values.max()))
    assert first["share"] == pytest.approx(float(values.sum()) / total)
    assert first["share"] + second["share"] == pytest.approx(1)


def test_a_training_that_is_done_again_replaces_what_was_there(tmp_path):
    plugins = [plugin_with_importance(seed) for seed in range(3)]
    for training, plugin in enumerate(plugins):
        record_omega(tmp_path, training, plugin)
    before = layers_in(tmp_path)
    assert len({json.dumps(one) for one in before}) == 3
    record_omega(tmp_path, 1, plugins[1])
    assert layers_in(tmp_path) == before[:2]
    record_omega(tmp_path, 0, plugins[2])
    assert layers_in(tmp_path) == before[2:]


def test_a_gap_is_refused(tmp_path):
    record_omega(tmp_path, 0, plugin_with_importance())
    with pytest.raises(ValueError, match="holds 1 trainings, 2 were expected"):
        record_omega(tmp_path, 2, plugin_with_importance())
    (tmp_path / "omega.json").write_text("{")
    with pytest.raises(ValueError, match="cannot be read"):
        record_omega(tmp_path, 1, plugin_with_importance())


def test_a_method_without_importance_leaves_no_file(make_job, stream):
    job = make_job("fine-tuning")
    run(job, say=lambda _: None, stream=stream)
    assert not (job.folder / "omega.json").exists()


def test_runs_record_it_for_the_report(make_job, stream):
    job = make_job("mas", strength=0.1)
    run(job, say=lambda _: None, stream=stream)
    (found,) = group(read_runs([job.folder]))
    ((trainings,),) = omega_by_layer(found).values()
    assert len(trainings) == 2
    assert sum(layer["share"] for layer in trainings[-1]) == pytest.approx(1)
    (table,) = tables(found)
    assert len(table.rows) == len({layer["layer"] for layer in trainings[-1]})
