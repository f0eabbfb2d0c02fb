"""The table of all metrics: what is written, and what of an earlier file is kept."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from avalanche.benchmarks.scenarios.dataset_scenario import benchmark_from_datasets
from avalanche.benchmarks.utils import as_classification_dataset
from avalanche.evaluation.metric_results import AlternativeValues
from avalanche.evaluation.metrics import accuracy_metrics
from avalanche.training import Naive
from avalanche.training.plugins import EvaluationPlugin
from torch import nn
from torch.utils.data import TensorDataset

from avalanche_mas.logging import TableLogger


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.1, 0.1),
        (3, 3),
        (np.float32(0.5), 0.5),
        (torch.tensor([0.25]), 0.25),
        (torch.tensor(2, dtype=torch.int64), 2),
        (np.array([[1.5]]), 1.5),
        (AlternativeValues("a table", 0.75), 0.75),
    ],
    ids=["float", "int", "NumPy", "tensor", "scalar tensor", "array", "alternatives"],
)
def test_every_kind_of_number_is_a_line_at_once(tmp_path: Path, value: Any, written: float) -> None:
    table = TableLogger(tmp_path / "metrics.csv")
    table.log_single_metric("Name/train_phase", value, 7)
    (row,) = rows(tmp_path / "metrics.csv")
    table.close()
    assert float(row.pop("value")) == written
    assert row == {"step": "7", "experience": "-1", "name": "Name/train_phase"}


@pytest.mark.parametrize(
    "value",
    ["text", torch.ones(2), AlternativeValues("a", "b"), None],
    ids=["text", "several", "alternatives", "none"],
)
def test_what_is_no_number_is_left_out(tmp_path: Path, value: Any) -> None:
    table = TableLogger(tmp_path / "metrics.csv")
    table.log_single_metric("Name", value, 7)
    table.close()
    assert rows(tmp_path / "metrics.csv") == []


def test_numbers_bear_the_experience_that_was_trained_on(tmp_path: Path) -> None:
    data = TensorDataset(torch.ones(4, 3), torch.zeros(4, dtype=torch.long))
    data.targets = [0, 0, 0, 0]  # type: ignore[attr-defined]
    part = as_classification_dataset(data)
    benchmark = benchmark_from_datasets(train=[part, part], test=[part, part])
    table = TableLogger(tmp_path / "metrics.csv")
    model = nn.Linear(3, 2)
    strategy = Naive(
        model=model,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
        criterion=nn.CrossEntropyLoss(),
        evaluator=EvaluationPlugin(accuracy_metrics(experience=True), loggers=[table]),
    )
    for experience in benchmark.train_stream:
        strategy.train(experience)
        strategy.eval(benchmark.test_stream)
    table.close()
    found = rows(tmp_path / "metrics.csv")
    assert [row["experience"] for row in found] == ["0", "0", "1", "1"]
    assert {row["name"].split("/")[0] for row in found} == {"Top1_Acc_Exp"}


def test_what_came_after_the_kept_part_is_dropped(tmp_path: Path) -> None:
    file = tmp_path / "metrics.csv"
    table = TableLogger(file)
    table.log_single_metric("kept", 1, 1)
    size = table.size
    table.log_single_metric("lost", 2, 2)
    table.close()
    again = TableLogger(file, keep=size)
    again.log_single_metric("anew", 3, 2)
    again.close()
    assert [row["name"] for row in rows(file)] == ["kept", "anew"]
    TableLogger(file).close()
    assert [row["name"] for row in rows(file)] == ["kept", "anew"]
    anew = TableLogger(file)
    anew.log_single_metric("first", 1, 1)
    anew.close()
    assert [row["name"] for row in rows(file)] == ["first"]


def test_a_table_goes_on_from_its_state(tmp_path: Path) -> None:
    file = tmp_path / "metrics.csv"
    table = TableLogger(file)
    table.log_single_metric("kept", 1, 1)
    state = table.state_dict()
    table.log_single_metric("lost", 2, 2)
    table.close()
    again = TableLogger(file)
    again.load_state_dict(state)
    again.log_single_metric("anew", 3, 2)
    again.close()
    assert [row["name"] for row in rows(file)] == ["kept", "anew"]
    other = TableLogger(tmp_path / "other.csv")
    with pytest.raises(ValueError, match=r"other\.csv has 0 bytes, of \d+ that had been written"):
        other.load_state_dict(state)
    other.close()
    assert rows(tmp_path / "other.csv") == []


def test_a_file_that_has_lost_something_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "metrics.csv"
    file.write_text("step\n")
    with pytest.raises(
        ValueError, match=r"has 5 bytes, of 6 .* remove the checkpoints to start over"
    ):
        TableLogger(file, keep=6)
    assert file.read_text() == "step\n"
