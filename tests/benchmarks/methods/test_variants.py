"""The variants of MAS for the ablation: each changes what it says, and nothing else."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
import torch
from torch import nn

from avalanche_mas.importance import global_importance
from benchmarks.commands.options import parse
from benchmarks.commands.plan import plan
from benchmarks.methods import COMPARED, METHODS
from benchmarks.methods._normalised_mas import NormalisedMASPlugin
from benchmarks.report.numbers.runs import ReportError
from tests.benchmarks.report.tables import only_page
from tests.benchmarks.run_folders import write_run

VARIANTS = [name for name, method in METHODS.items() if method.variant_of == "mas"]


def test_they_are_run_only_by_the_experiment_that_names_them() -> None:
    assert len(VARIANTS) == 7
    assert not set(VARIANTS) & set(COMPARED)
    assert {run.method for run in plan(parse("run", "", ["ablation"]))} == {
        *("fine-tuning", "mas"),
        *VARIANTS,
    }
    assert {run.method for run in plan(parse("run", "", ["eight-tasks"]))} == set(COMPARED)


@pytest.mark.parametrize("name", VARIANTS)
def test_each_differs_from_mas_in_one_thing(name: str) -> None:
    mas, one = METHODS["mas"], METHODS[name]
    differing = {f.name for f in fields(mas) if getattr(mas, f.name) != getattr(one, f.name)}
    differing -= {"name", "title", "place", "look", "variant_of"}
    assert differing in ({"make_plugins"}, {"training"})


def test_what_a_variant_fixes_of_the_training_is_in_its_configuration() -> None:
    runs = {run.method: run for run in plan(parse("run", "", ["ablation"]))}
    assert (runs["mas"].penalty, runs["mas"].gradient_clip) == ("damped", 5.0)
    assert (runs["mas-unclipped"].penalty, runs["mas-unclipped"].gradient_clip) == ("damped", None)
    assert runs["mas-explicit"].penalty == "explicit"
    both = runs["mas-explicit-unclipped"]
    assert (both.penalty, both.gradient_clip) == ("explicit", None)


def test_the_plugins_have_the_options_that_the_titles_say() -> None:
    found = {name: METHODS[name].plugins(2.0)[0] for name in VARIANTS}
    assert all(plugin.lambda_reg == 2.0 for plugin in found.values())
    assert {n: p.granularity for n, p in found.items() if p.granularity != "sample"} == {
        "mas-batch": "batch"
    }
    assert {n: p.accumulation for n, p in found.items() if p.accumulation != "sum"} == {
        "mas-blend": "blend"
    }
    kept = {n: p.quadratic_penalty.importance_dtype for n, p in found.items()}
    assert {n: d for n, d in kept.items() if d is not None} == {"mas-bfloat16": torch.bfloat16}
    special = {name for name, p in found.items() if isinstance(p, NormalisedMASPlugin)}
    assert special == {"mas-normalised"}


def test_they_stand_in_one_table_with_mas_though_their_training_differs(tmp_path: Path) -> None:
    for run in plan(parse("run", "", ["ablation"])):
        fields = {name: getattr(run, name) for name in ("penalty", "gradient_clip")}
        write_run(tmp_path, run.method, experiment="ablation", tasks=["a", "b", "c"], **fields)
    (table, *_) = only_page(tmp_path).tables
    assert [row[0].text for row in table.rows[1:]] == [METHODS[n].title for n in ("mas", *VARIANTS)]
    write_run(tmp_path, "l-mas", experiment="ablation", tasks=["a", "b", "c"], penalty="explicit")
    with pytest.raises(ReportError, match="they differ in penalty"):
        only_page(tmp_path)


def test_a_normalised_importance_has_mean_one_and_the_same_proportions() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3))
    x = torch.randn(20, 5)
    plain = global_importance(model, [x])
    found = NormalisedMASPlugin(1.0, accumulation="sum")._estimator(model, [x])
    entries = torch.cat([values.flatten() for values in found.values()])
    assert entries.double().mean().item() == pytest.approx(1)
    ratio = torch.cat([(found[name] / plain[name]).flatten() for name in plain])
    assert torch.allclose(ratio, ratio[:1].expand_as(ratio))
    assert found.samples == plain.samples
    with pytest.raises(NotImplementedError, match="cannot be refined"):
        NormalisedMASPlugin(1.0)._estimator(model, [x], start=plain)
