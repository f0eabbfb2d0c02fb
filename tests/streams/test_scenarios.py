"""Task-incremental, domain-incremental and class-incremental streams, learned by real strategies."""

import io

import pytest
import torch
from avalanche.evaluation.metrics import accuracy_metrics
from avalanche.logging import TextLogger
from avalanche.models import IncrementalClassifier, MTSimpleMLP
from avalanche.training import JointTraining, LwF, Naive
from avalanche.training.plugins import EvaluationPlugin, LwFPlugin
from layouts import WRITERS, write
from torch import nn
from torch.nn import CrossEntropyLoss
from torch.optim import SGD
from torch.utils.data import DataLoader

from avalanche_mas import LocalMASPlugin, MASPlugin
from avalanche_mas.streams import TASKS, eight_tasks, task_stream

SIZE = 16
COUNTS = [3] * 7 + [10]
"""Classes of the tiny data sets."""


@pytest.fixture
def root(tmp_path):
    write(tmp_path, *WRITERS)
    return tmp_path


def test_one_head_for_all_classes_of_all_tasks(root):
    stream = eight_tasks(root=root, image_size=SIZE, scenario="class")
    own = eight_tasks(root=root, image_size=SIZE)
    starts = [sum(COUNTS[:i]) for i in range(8)]
    assert [task.first_label for task in stream.tasks] == starts
    assert (stream.scenario, stream.outputs) == ("class", 31)
    assert (own.scenario, own.outputs) == ("task", 10)
    assert stream.class_names == own.class_names
    for part in ("train", "valid", "test"):
        seen = set()
        for one, other, start, count in zip(
            stream.streams[part], own.streams[part], starts, COUNTS, strict=True
        ):
            assert one.classes_in_this_experience == list(range(start, start + count))
            assert one.previous_classes == seen
            seen |= set(one.classes_in_this_experience)
            assert [y - start for y in one.dataset.targets] == list(other.dataset.targets)
            assert len(one.dataset[0]) == 2
            assert not hasattr(one, "task_label")
            assert not hasattr(one, "task_labels")
            x, y = one.dataset.eval()[1]
            assert torch.equal(x, other.dataset.eval()[1][0])
            assert y == one.dataset.targets[1]


def test_all_classes_of_the_definitions_would_be_738():
    assert sum(task.num_classes for task in TASKS.values()) == 738


def test_labels_from_zero_without_task_labels(root):
    stream = task_stream(["cars", "svhn"], root, image_size=SIZE, scenario="domain")
    assert [task.first_label for task in stream.tasks] == [0, 0]
    assert stream.outputs == 10
    for experience, count in zip(stream.train_stream, (3, 10), strict=True):
        assert experience.classes_in_this_experience == list(range(count))
        assert len(experience.dataset[0]) == 2
        assert not hasattr(experience, "task_labels")


def test_task_labels_stay_away_from_parts_of_the_data(root):
    data = task_stream(["cars"], root, image_size=SIZE, scenario="class").train_stream[0].dataset
    assert len(data.subset([0, 1])[0]) == 2
    assert len(data.concat(data)[0]) == 2
    assert len(data.eval()[0]) == len(data.train()[0]) == 2


class Growing(nn.Module):
    """One head that grows as new classes come."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE * SIZE, 16), nn.ReLU())
        self.head = IncrementalClassifier(16, initial_out_features=2)

    def forward(self, x):
        return self.head(self.body(x))


def fixed(outputs):
    return nn.Sequential(
        nn.Flatten(), nn.Linear(3 * SIZE * SIZE, 16), nn.ReLU(), nn.Linear(16, outputs)
    )


def learner(model, kind=Naive, plugins=(), epochs=1, **options):
    return kind(
        model=model,
        optimizer=SGD(model.parameters(), lr=0.01),
        criterion=CrossEntropyLoss(),
        train_mb_size=6,
        train_epochs=epochs,
        plugins=list(plugins),
        evaluator=EvaluationPlugin(
            accuracy_metrics(experience=True, stream=True), loggers=TextLogger(io.StringIO())
        ),
        **options,
    )


STRATEGIES = {
    "naive": lambda model: learner(model, epochs=10),
    "mas": lambda model: learner(model, plugins=[MASPlugin(lambda_reg=0.1)]),
    "local mas": lambda model: learner(model, plugins=[LocalMASPlugin(lambda_reg=0.1)]),
    "lwf": lambda model: learner(model, LwF, alpha=1, temperature=2),
    "mas and lwf": lambda model: learner(model, plugins=[MASPlugin(), LwFPlugin(alpha=1)]),
}


@pytest.mark.parametrize("scenario", ["domain", "class"])
@pytest.mark.parametrize("head", ["growing", "fixed"])
@pytest.mark.parametrize("kind", STRATEGIES)
def test_strategies_learn_without_task_labels(kind, head, scenario, root):
    torch.manual_seed(0)
    stream = task_stream(["cars", "letters"], root, image_size=SIZE, scenario=scenario)
    strategy = STRATEGIES[kind](Growing() if head == "growing" else fixed(stream.outputs))
    for experience in stream.train_stream:
        before = [p.clone() for p in strategy.model.parameters()]
        strategy.train(experience, eval_streams=[stream.valid_stream])
        after = list(strategy.model.parameters())
        assert any(
            a.shape != b.shape or not torch.equal(a, b) for a, b in zip(before, after, strict=True)
        )
    results = strategy.eval(stream.test_stream)
    assert all(0 <= value <= 1 for name, value in results.items() if "Acc" in name)
    [last] = [
        value
        for name, value in results.items()
        if name == "Top1_Acc_Exp/eval_phase/test_stream/Exp001"
    ]
    if kind == "naive":
        assert last == 1
    if head == "growing":
        assert strategy.model.head.classifier.out_features == stream.outputs
    for plugin in strategy.plugins:
        if isinstance(plugin, MASPlugin):
            assert plugin.importance
            assert sum(omega.sum() for omega in plugin.importance.values()) > 0


def test_distillation_holds_the_classes_of_all_tasks_before(root):
    torch.manual_seed(0)
    stream = task_stream(["cars", "letters"], root, image_size=SIZE, scenario="class")
    plugin = LwFPlugin(alpha=1)
    strategy = learner(fixed(stream.outputs), plugins=[plugin])
    for experience in stream.train_stream:
        strategy.train(experience)
    assert plugin.lwf.prev_classes_by_task == {0: set(range(6))}


def test_joint_training_of_one_shared_head(root):
    torch.manual_seed(0)
    stream = task_stream(["cars", "letters"], root, image_size=SIZE, scenario="class")
    strategy = learner(Growing(), JointTraining, epochs=40)
    strategy.train(stream.train_stream)
    assert strategy.model.head.classifier.out_features == 6
    assert set(strategy.model.head.active_units.tolist()) == {1}


def test_heads_of_their_own_in_the_task_scenario(root):
    torch.manual_seed(0)
    stream = task_stream(["cars", "letters"], root, image_size=SIZE)
    strategy = learner(
        MTSimpleMLP(input_size=3 * SIZE * SIZE, hidden_size=16), plugins=[MASPlugin(lambda_reg=0.1)]
    )
    for experience in stream.train_stream:
        strategy.train(experience)
    x, y, t = next(iter(DataLoader(stream.test_stream[1].dataset, batch_size=4)))
    assert (y < 3).all()
    assert (t == 1).all()
    assert strategy.model(x, t).shape == (4, 3)
