"""The memory kept from task to task, against sizes computed by hand."""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import accumulate
from typing import Any

import pytest
import torch
from torch import nn

from avalanche_mas.streams import TaskBenchmark
from benchmarks.methods import COMPARED, METHODS
from benchmarks.run.job import Job
from benchmarks.run.memory import by_part, memory_mb, stored_mb
from benchmarks.run.runner import run
from benchmarks.run.training.networks import make_network
from tests.benchmarks.methods.learning import learn, network, strategy_of

# Avalanche's Synaptic Intelligence hands a tensor to np.square.
pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning")

BODY = (
    sum(p.numel() for p in make_network("small-cnn", (3, 32, 32)).body.parameters()) * 4 / 1e6
)  # MB, four bytes a number
HEADS = [classes * (256 + 1) * 4 / 1e6 for classes in (3, 4, 5)]
ENCODER = (100 * (256 + 1) + 2 * 256) * 4 / 1e6
"""A code of 100 units of the network's 256 features, and their means and deviations."""
GROWN = [BODY + heads for heads in accumulate(HEADS)]
"""The network's size after each of three tasks: the body, and a head for each so far."""

KEPT = {
    "fine-tuning": [0.0, 0.0, 0.0],
    "mas": [2 * network for network in GROWN],  # Ω and θ*
    "l-mas": [2 * network for network in GROWN],
    "ewc": [2 * sum(GROWN[:tasks]) for tasks in (1, 2, 3)],  # F_t and θ*_t of every task
    "ewc-repaired": [2 * (tasks * BODY + sum(HEADS[:tasks])) for tasks in (1, 2, 3)],
    "si": [5 * network for network in GROWN],  # the copies of weights are views of the weights
    "si-repaired": [2 * network for network in GROWN],  # Ω and θ*
    "lwf": GROWN,  # the teacher
    "lwf-repaired": GROWN,
    "ebll": [network + tasks * ENCODER for tasks, network in enumerate(GROWN, 1)],
    "imm-mean": [2 * network for network in GROWN],  # θ* and the sum of the tasks' weights
    "imm-mode": [3 * network for network in GROWN],  # and of their Fisher information
}
"""What each method keeps after each of three tasks, in MB."""

FEW_BYTES = 1e-4  # MB: Avalanche marks a head's units in use with a byte each


@pytest.mark.parametrize("method", KEPT)
def test_what_the_methods_keep_after_every_task(
    method: str, make_job: Callable[..., Job], three_tasks: TaskBenchmark
) -> None:
    job = make_job(method, tasks=tuple(task.name for task in three_tasks.tasks), epochs=1)
    result = run(job, say=lambda _: None, stream=three_tasks)
    assert result["memory_mb"]["network"] == pytest.approx(GROWN, abs=FEW_BYTES)
    assert result["memory_mb"]["stored"] == pytest.approx(KEPT[method], abs=FEW_BYTES)
    assert result["stored_mb"] == result["memory_mb"]["stored"][-1]


def test_joint_training_keeps_nothing_but_its_network(
    make_job: Callable[..., Job], three_tasks: TaskBenchmark
) -> None:
    job = make_job("joint", tasks=tuple(task.name for task in three_tasks.tasks), epochs=1)
    memory = run(job, say=lambda _: None, stream=three_tasks)["memory_mb"]
    assert memory == {"network": [pytest.approx(GROWN[-1], abs=FEW_BYTES)], "stored": [0.0]}


def test_every_method_here_is_measured() -> None:
    assert set(COMPARED) - {"joint"} == KEPT.keys()


def test_si_repaired_shares_no_memory_with_the_network(stream: TaskBenchmark) -> None:
    """It keeps as much on a GPU, where its copies of weights are not views."""
    (si,), model = METHODS["si-repaired"].plugins(1.0), network()
    learn(strategy_of(si, model), *stream.train_stream)
    assert stored_mb([copy.deepcopy(si)], model) == stored_mb([si], model) > 0


class Holder:
    """A holder of things, like a plugin."""

    def __init__(self, **things: Any) -> None:
        self.__dict__.update(things)


def test_every_tensor_is_counted_once_and_the_networks_own_not_at_all() -> None:
    model = nn.Linear(10, 100)
    kept = torch.zeros(1000)
    holder = Holder(
        model=model,
        views=(model.weight.detach().flatten(), kept[:10], kept.view(10, 100)),
        nested={"copy": [nn.Linear(10, 50)]},
        data=torch.utils.data.TensorDataset(torch.zeros(10**6)),
        number=3,
    )
    holder.itself = holder
    assert stored_mb([holder, Holder(again=kept)], model) == pytest.approx((4000 + 4 * 550) / 1e6)


def test_the_network_counts_with_its_buffers_and_shared_parameters_once() -> None:
    model = nn.Sequential(nn.Linear(10, 10), nn.BatchNorm1d(10))
    model.append(model[0])
    assert memory_mb([], model) == {
        "network": pytest.approx((4 * (110 + 20 + 20) + 8) / 1e6),  # one counter of 8 bytes
        "stored": 0.0,
    }


def test_what_was_measured_task_by_task_becomes_a_course_for_each_part() -> None:
    tasks = [{"network": 1.0, "stored": 2.0}, {"network": 1.5, "stored": 4.0}]
    assert by_part(tasks) == {"network": [1.0, 1.5], "stored": [2.0, 4.0]}
