"""What follows from the accuracy matrix, published: against the functions and Avalanche's own."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from avalanche.benchmarks.scenarios.online import split_online_stream
from avalanche.evaluation.metrics import forgetting_metrics
from avalanche.training.supervised import JointTraining
from matplotlib.figure import Figure

from avalanche_mas.metrics import (
    AccuracyReport,
    average_intransigence,
    backward_transfer,
    forgetting,
    forward_transfer,
    intransigence,
    learning_accuracy,
    summary_row,
)
from avalanche_mas.metrics.summary import summary_table
from tests.metrics.test_matrix import Spy, accuracy_by_hand, strategy_with, stream_of

END = "eval_phase/test_stream"
TASKS = range(3)
PICTURES = ("AccuracyMatrix", "AccuracyTable", "SummaryTable")


def of(task: int) -> str:
    return f"{END}/Task{task:03}/Exp{task:03}"


def test_everything_is_published_where_it_is_defined() -> None:
    benchmark, reference = stream_of([20, 40, 12]), [0.9, 0.8, None]
    report = AccuracyReport(reference=reference)
    strategy = strategy_with(report)
    assert strategy.eval(benchmark.test_stream) == {}
    baseline = [accuracy_by_hand(strategy.model, test) for test in benchmark.test_stream]
    for k, experience in enumerate(benchmark.train_stream):
        strategy.train(experience)
        strategy.evaluator.reset_last_metrics()
        last = strategy.eval(benchmark.test_stream)
        seen = report.matrix[: k + 1, : k + 1]
        expected = {
            "TaskMean_Acc": seen[-1].mean(),
            "TaskMean_LearningAcc": learning_accuracy(seen),
        }
        if k < 2:
            expected["TaskMean_Intransigence"] = average_intransigence(seen, reference[: k + 1])
        if k > 0:
            expected["TaskMean_Forgetting"] = -backward_transfer(seen)
            expected["TaskMean_BackwardTransfer"] = backward_transfer(seen)
            expected["TaskMean_ForwardTransfer"] = forward_transfer(seen, baseline[: k + 1])
        named = {f"{name}/{END}": value for name, value in expected.items()}
        for task in range(k):
            named[f"ExperienceForgetting/{of(task)}"] = forgetting(seen)[task]
        if k < 2:
            lack = intransigence(seen, reference[: k + 1])[k]
            named[f"ExperienceIntransigence/{of(k)}"] = lack
        shown = {name: last.pop(f"{name}/{END}") for name in PICTURES}
        assert last == pytest.approx(named)
        assert isinstance(shown["AccuracyMatrix"].best_supported_value(Figure), Figure)
        np.testing.assert_array_equal(shown["AccuracyMatrix"].content, report.matrix)
        assert shown["AccuracyTable"].rows[k][1:] == report.matrix[k].tolist()
        assert shown["SummaryTable"].columns == list(summary_row(seen))
        assert shown["SummaryTable"].rows == [list(summary_row(seen).values())]
    assert last[f"TaskMean_ForwardTransfer/{END}"] != 0


def test_forgetting_of_an_experience_is_what_avalanche_calls_so() -> None:
    benchmark = stream_of([20, 20, 20])
    values = []
    for metric in (AccuracyReport(), forgetting_metrics(experience=True)):
        strategy = strategy_with(metric)
        for experience in benchmark.train_stream:
            strategy.train(experience)
            last = strategy.eval(benchmark.test_stream)
        names = [f"ExperienceForgetting/{of(task)}" for task in range(2)]
        values.append([last[name] for name in names])
    assert values[0] == pytest.approx(values[1])
    assert any(values[0])


def test_a_baseline_that_is_given_counts() -> None:
    benchmark, report = stream_of([8, 8]), AccuracyReport(baseline=[None, 0.125])
    strategy = strategy_with(report)
    strategy.eval(benchmark.test_stream)
    for experience in benchmark.train_stream:
        strategy.train(experience)
        last = strategy.eval(benchmark.test_stream)
    expected = report.matrix[0, 1] - 0.125
    assert last[f"TaskMean_ForwardTransfer/{END}"] == pytest.approx(expected)


@pytest.mark.parametrize("ahead", [False, True], ids=["tasks to come left out", "no baseline"])
def test_forward_transfer_needs_tasks_to_come_and_a_baseline(ahead: bool) -> None:
    benchmark, report = stream_of([8, 8]), AccuracyReport()
    strategy = strategy_with(report)
    if not ahead:
        strategy.eval(benchmark.test_stream)
    for k, experience in enumerate(benchmark.train_stream):
        strategy.train(experience)
        last = strategy.eval(benchmark.test_stream if ahead else benchmark.test_stream[: k + 1])
    assert f"TaskMean_ForwardTransfer/{END}" not in last
    assert f"TaskMean_BackwardTransfer/{END}" in last


def test_joint_training_publishes_its_last_row() -> None:
    benchmark, report = stream_of([8, 8, 8]), AccuracyReport(reference=[1, 1, 1])
    strategy = strategy_with(report, kind=JointTraining)
    strategy.train(benchmark.train_stream)
    last = strategy.eval(benchmark.test_stream)
    intransigence_of_last = f"ExperienceIntransigence/{of(2)}"
    means = {f"{name}/{END}" for name in (*PICTURES, "TaskMean_Acc")}
    assert set(last) == {*means, intransigence_of_last}


def test_pieces_of_an_online_stream() -> None:
    benchmark, report = stream_of([12, 12], labels=False), AccuracyReport()
    strategy = strategy_with(report)
    for experience in split_online_stream(benchmark.train_stream, 4, access_task_boundaries=True):
        strategy.train(experience)
        last = strategy.eval(benchmark.test_stream)
    expected = backward_transfer(report.matrix)
    assert last[f"TaskMean_BackwardTransfer/{END}"] == pytest.approx(expected)


def test_goes_on_from_a_pickle() -> None:
    benchmark, report = stream_of([8, 8]), AccuracyReport()
    strategy = strategy_with(report)
    strategy.eval(benchmark.test_stream)
    strategy.train(benchmark.train_stream[0])
    strategy.eval(benchmark.test_stream)
    strategy.evaluator.loggers = []
    copy: Any = pickle.loads(pickle.dumps(strategy.evaluator))
    copy.loggers, strategy.evaluator.loggers = [Spy()], [Spy()]
    results = []
    strategy.train(benchmark.train_stream[1])
    for evaluator in (strategy.evaluator, copy):
        (metric,) = evaluator.metrics
        metric._learned, metric._seen = 1, {0, 1}
        strategy.plugins[strategy.plugins.index(strategy.evaluator)] = evaluator
        strategy.evaluator = evaluator
        results.append(strategy.eval(benchmark.test_stream))
    numbers = [
        {name: value for name, value in result.items() if isinstance(value, float)}
        for result in results
    ]
    assert numbers[0] == numbers[1]
    assert f"TaskMean_ForwardTransfer/{END}" in numbers[1]


@pytest.mark.parametrize("argument", ["baseline", "reference"])
@pytest.mark.parametrize("value", [57.3, -0.1, float("nan")])
def test_refuses_what_is_no_accuracy(argument: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"the {argument} of task 1 is {value}"):
        AccuracyReport(**{argument: [0.5, value]})


def test_the_row_of_a_summary_has_the_columns_of_the_report() -> None:
    assert summary_row([[0.9, None], [0.5, 0.75]], ["birds"]) == {
        "Mean accuracy": 0.625,
        "Forgetting": 0.4,
        "Learned": 0.825,
        "birds": 0.5,
        "task 1": 0.75,
    }
    undefined = summary_row([[None, None], [0.5, 0.75]])
    assert (undefined["Forgetting"], undefined["Learned"]) == (None, None)
    assert summary_row([[0.5]])["Forgetting"] is None


def test_the_summary_as_text() -> None:
    head, row = str(summary_table(summary_row([[0.9]], ["birds"]))).splitlines()[1:]
    assert head.split("  ") == ["Mean accuracy", "Forgetting", "Learned", "birds"]
    assert row.split() == ["90.0", "–", "90.0", "90.0"]
