"""The accuracy matrix of a strategy, against its model by hand, and against Avalanche's metrics."""

import numpy as np
import pytest
import torch
from avalanche.benchmarks import benchmark_from_datasets, with_task_labels
from avalanche.benchmarks.scenarios.online import split_online_stream
from avalanche.benchmarks.utils.classification_dataset import (
    _make_taskaware_classification_dataset,
)
from avalanche.evaluation.metrics import accuracy_metrics, forgetting_metrics
from avalanche.logging import BaseLogger
from avalanche.training.plugins import EvaluationPlugin
from avalanche.training.supervised import JointTraining, Naive
from torch.utils.data import TensorDataset

from avalanche_mas.metrics import (
    AccuracyMatrix,
    AccuracyReport,
    average_accuracy,
    average_forgetting,
)


class Spy(BaseLogger):
    """Keeps what reaches a logger."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def log_single_metric(self, name, value, x_plot):
        self.seen.append((name, value, x_plot))


def stream_of(sizes, labels=True, seed=0):
    """Three-class tasks of very different sizes, train and test."""
    generator = torch.Generator().manual_seed(seed)

    def datasets(scale):
        for task, size in enumerate(sizes):
            x = torch.randn(size * scale, 4, generator=generator)
            y = torch.randint(3, (size * scale,), generator=generator)
            data = TensorDataset(x, y)
            data.targets = y.tolist()
            yield _make_taskaware_classification_dataset(data, task_labels=task)

    benchmark = benchmark_from_datasets(train=list(datasets(1)), test=list(datasets(2)))
    return with_task_labels(benchmark) if labels else benchmark


def strategy_with(*metrics, kind=Naive, loggers=()):
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 3)
    return kind(
        model=model,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.5),
        criterion=torch.nn.CrossEntropyLoss(),
        train_mb_size=8,
        eval_mb_size=7,
        evaluator=EvaluationPlugin(*metrics, loggers=loggers or [Spy()]),
    )


@torch.no_grad()
def accuracy_by_hand(model, experience):
    hits = [model(x).argmax().item() == y for x, y, _ in experience.dataset]
    return sum(hits) / len(hits)


@pytest.mark.parametrize("all_tasks", [False, True], ids=["seen", "all"])
def test_records_the_matrix_and_publishes_means_over_tasks(all_tasks):
    benchmark, recorder, spy = stream_of([5, 40, 12]), AccuracyMatrix(), Spy()
    strategy = strategy_with(recorder, loggers=[spy])
    truth = np.full((3, 3), np.nan)
    for i, experience in enumerate(benchmark.train_stream):
        strategy.train(experience)
        tests = benchmark.test_stream if all_tasks else benchmark.test_stream[: i + 1]
        last = strategy.eval(tests)
        for j, test in enumerate(tests):
            truth[i, j] = accuracy_by_hand(strategy.model, test)
        seen = truth[: i + 1, : i + 1]
        assert last["TaskMean_Acc/eval_phase/test_stream"] == pytest.approx(average_accuracy(seen))
        if i == 0:
            assert "TaskMean_Forgetting/eval_phase/test_stream" not in last
        else:
            assert last["TaskMean_Forgetting/eval_phase/test_stream"] == pytest.approx(
                average_forgetting(seen)
            )
    np.testing.assert_allclose(recorder.matrix, truth)
    steps = [x for name, _, x in spy.seen if name.startswith("TaskMean_Acc")]
    assert steps == [1, 6, 8]  # iterations trained so far: 5, 40 and 12 samples in batches of 8


def test_agrees_with_avalanche_where_both_measure_the_same():
    benchmark, recorder = stream_of([20, 20]), AccuracyMatrix()
    theirs = accuracy_metrics(experience=True), forgetting_metrics(experience=True)
    strategy = strategy_with(recorder, *theirs)
    for experience in benchmark.train_stream:
        strategy.train(experience)
        last = strategy.eval(benchmark.test_stream)
    row = [last[f"Top1_Acc_Exp/eval_phase/test_stream/Task00{j}/Exp00{j}"] for j in range(2)]
    np.testing.assert_allclose(recorder.matrix[-1], row)
    assert average_forgetting(recorder.matrix) == pytest.approx(
        last["ExperienceForgetting/eval_phase/test_stream/Task000/Exp000"]
    )


def test_an_evaluation_of_some_tasks_publishes_nothing():
    benchmark, recorder = stream_of([8, 8]), AccuracyMatrix()
    strategy = strategy_with(recorder)
    for experience in benchmark.train_stream:
        strategy.train(experience)
    assert strategy.eval(benchmark.test_stream[1:]) == {}
    assert np.isnan(recorder.matrix).sum() == 3


def test_an_evaluation_of_some_tasks_after_one_of_all_publishes_nothing():
    benchmark = stream_of([8, 8])
    strategy = strategy_with(AccuracyMatrix())
    strategy.train(benchmark.train_stream)
    strategy.eval(benchmark.test_stream)
    strategy.evaluator.reset_last_metrics()
    assert strategy.eval(benchmark.test_stream[1:]) == {}


@pytest.mark.parametrize("kind", [AccuracyMatrix, AccuracyReport])
def test_the_means_are_over_the_tasks_that_were_learned(kind):
    benchmark, recorder = stream_of([8, 8, 8, 8]), kind()
    strategy = strategy_with(recorder)
    for place in (1, 3):
        strategy.train(benchmark.train_stream[place])
        last = strategy.eval(benchmark.test_stream)
    tests = benchmark.test_stream
    own = [accuracy_by_hand(strategy.model, tests[place]) for place in (1, 3)]
    assert last["TaskMean_Acc/eval_phase/test_stream"] == pytest.approx(sum(own) / 2)
    lost = recorder.matrix[1, 1] - own[0]
    assert last["TaskMean_Forgetting/eval_phase/test_stream"] == pytest.approx(lost)
    assert recorder.matrix.shape == (4, 4)


def test_other_streams_and_untrained_models_are_left_alone():
    benchmark, recorder = stream_of([8, 8]), AccuracyMatrix()
    strategy = strategy_with(recorder)
    assert strategy.eval(benchmark.test_stream) == {}
    strategy.train(benchmark.train_stream[0])
    assert strategy.eval(benchmark.train_stream) == {}
    assert recorder.matrix.shape == (0, 0)


def test_joint_training_fills_the_last_row():
    benchmark, recorder = stream_of([8, 8, 8]), AccuracyMatrix()
    strategy = strategy_with(recorder, kind=JointTraining)
    strategy.train(benchmark.train_stream)
    last = strategy.eval(benchmark.test_stream)
    assert set(last) == {"TaskMean_Acc/eval_phase/test_stream"}
    assert np.isnan(recorder.matrix[:-1]).all()
    assert not np.isnan(recorder.matrix[-1]).any()


def test_sub_experiences_of_an_online_stream_are_their_task():
    benchmark, recorder = stream_of([12, 12], labels=False), AccuracyMatrix()
    strategy = strategy_with(recorder)
    for experience in split_online_stream(benchmark.train_stream, 4, access_task_boundaries=True):
        strategy.train(experience)
        strategy.eval(benchmark.test_stream)
    assert recorder.matrix.shape == (2, 2)
    truth = [accuracy_by_hand(strategy.model, test) for test in benchmark.test_stream]
    np.testing.assert_allclose(recorder.matrix[-1], truth)


def test_out_of_order_is_refused_before_training():
    benchmark = stream_of([8, 8])
    strategy = strategy_with(AccuracyMatrix())
    strategy.train(benchmark.train_stream[1])
    before = strategy.model.weight.clone()
    with pytest.raises(ValueError, match="experience 0 is trained after experience 1"):
        strategy.train(benchmark.train_stream[0])
    assert torch.equal(before, strategy.model.weight)


def test_reset():
    benchmark, recorder = stream_of([8]), AccuracyMatrix()
    strategy = strategy_with(recorder)
    strategy.train(benchmark.train_stream)
    strategy.eval(benchmark.test_stream)
    assert recorder.result().shape == (1, 1)
    recorder.reset()
    assert recorder.matrix.shape == (0, 0)
