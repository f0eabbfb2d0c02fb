"""What every process does: ``torchrun script.py FOLDER`` leaves a file of results for each rank.

A scenario returns tensors and texts. Where there is no process group, in the tests' own process, it
returns what one process alone has.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from avalanche.distributed.distributed_helper import DistributedHelper
from avalanche.models.utils import avalanche_model_adaptation
from avalanche.training.plugins import EvaluationPlugin, SupervisedPlugin
from torch import Tensor, nn
from torch.utils.data import IterableDataset

from avalanche_mas import LocalMASPlugin, MASPlugin
from avalanche_mas.checkpoint import Checkpoints
from avalanche_mas.importance import (
    Importance,
    fisher_information,
    global_importance,
    local_importance,
)
from avalanche_mas.metrics import AccuracyMatrix, mas_metrics
from avalanche_mas.names import unwrapped
from avalanche_mas.plugins.base import ImportancePlugin
from tests.plugins.cases import (
    FEATURES,
    MultiHead,
    Samples,
    Strategy,
    single_head,
    strategy_for,
    stream_of,
    task_aware,
    task_incremental,
    weights,
)

SECONDS = 60
"""After which a process gives up waiting for another."""

BATCHES = [torch.randn(n, FEATURES, generator=torch.Generator().manual_seed(n)) for n in (6, 4, 3)]


def rank() -> int:
    return DistributedHelper.rank


def own(batches: list[Tensor]) -> list[Tensor]:
    return batches[rank() :: DistributedHelper.world_size]


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(FEATURES, 7), nn.ReLU(), nn.Linear(7, 3))


def strategy_with(model: nn.Module, *plugins: SupervisedPlugin, **options: Any) -> Strategy:
    """The model is wrapped as in Avalanche's examples, with a search for unused parameters."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "No loggers specified")
        options = {"evaluator": EvaluationPlugin(), "train_mb_size": 5, **options}
    return strategy_for(DistributedHelper.wrap_model(model), *plugins, **options)


def held(plugin: ImportancePlugin) -> dict[str, Any]:
    estimate = plugin._memory.estimate
    assert estimate is not None
    return {"Ω": dict(plugin.importance), "θ*": dict(plugin.anchors), "N": estimate.samples}


def trained(plugin: ImportancePlugin, model: nn.Module, **options: Any) -> Any:
    """Ω, θ* and the weights after each task, and what was warned of."""
    strategy = strategy_with(model, plugin, **options)
    results, said = [], []
    for experience in task_incremental(2).train_stream:
        torch.manual_seed(experience.current_experience)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            strategy.train(experience)
        said += [str(warning.message) for warning in caught]
        results.append({**held(plugin), "weights": weights(model)})
    return {"tasks": results, "warnings": said}


def uneven_shards() -> Any:
    """Four batches of 6, 6, 6 and 2 samples."""
    torch.manual_seed(0)
    return trained(MASPlugin(0.1, batch_size=6), single_head())


def shards_without_samples() -> Any:
    """One batch, and the other processes have none."""
    torch.manual_seed(0)
    return trained(LocalMASPlugin(0.1, batch_size=20), single_head())


def multi_head() -> Any:
    """The heads are there before the model is wrapped."""
    torch.manual_seed(0)
    model = MultiHead()
    for experience in task_incremental(2).train_stream:
        avalanche_model_adaptation(model, experience)
    return trained(MASPlugin(0.1), model)


def with_penalty(form: Any) -> Callable[[], Any]:
    """The batches of all processes together are those of one process."""

    def train() -> Any:
        data = [task_aware(Samples(i, count=12), task_labels=i) for i in range(3)]
        model, size = net(), 12 // DistributedHelper.world_size
        plugin = MASPlugin(2.0, penalty=form)
        strategy = strategy_with(model, plugin, train_mb_size=size, train_epochs=3)
        for experience in stream_of(data, labelled=True).train_stream:
            strategy.train(experience, shuffle=False)
        return weights(model)

    return train


def functions() -> dict[str, Importance]:
    """Of a wrapped model; each process has its own batches, one of three none of the first."""
    model, group = DistributedHelper.wrap_model(net()), dist.group.WORLD
    measures: dict[str, Callable[..., Importance]] = {
        "global": global_importance,
        "vector": lambda *a, **k: global_importance(*a, **k, output="vector"),
        "batch": lambda *a, **k: global_importance(*a, **k, granularity="batch"),
        "local": local_importance,
        "fisher": lambda *a, **k: fisher_information(*a, **k, labels="expected"),
    }
    found = {}
    for name, measure in measures.items():
        found[name] = measure(model, own(BATCHES), group=group)
        start = measure(model, own(BATCHES[:1]), group=group)
        found[f"{name}, refined"] = measure(model, own(BATCHES[1:]), start=start, group=group)
    return found


class Branches(nn.Module):
    """One part for positive samples and one for negative ones, each with a tensor that may be a cache."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.parts = nn.ModuleList([nn.Linear(FEATURES, 3), nn.Linear(FEATURES, 3)])
        for part in self.parts:
            part.kept = torch.ones(3)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.parts[int(x[0, 0] > 0)](x)
        return output


def used_elsewhere() -> Importance:
    batches = [BATCHES[0].abs(), -BATCHES[0].abs()]
    return global_importance(Branches(), own(batches), group=dist.group.WORLD)


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        samples = Samples(6)
        return (samples[i] for i in range(len(samples)))


def more_data() -> Any:
    """Data sets are dealt out; batches are a process's own."""
    plugin, model = MASPlugin(batch_size=4), net()
    strategy = strategy_with(model, plugin)
    plugin.update_importance(strategy, Samples(5))
    plugin.update_importance(strategy, Stream())
    plugin.update_importance(strategy, own(BATCHES))
    return held(plugin)


class Adapts(SupervisedPlugin):
    """Changes the running statistics in some processes, and the weights in all, after the task."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def after_training_exp(self, strategy: Strategy, **_: Any) -> None:
        body = unwrapped(strategy.model)[0]
        body[1].running_mean += rank()
        with torch.no_grad():
            body[0].weight *= self.factor


def changed_at_the_end(factor: float) -> Callable[[], Any]:
    def train() -> Any:
        torch.manual_seed(0)
        model, plugin = single_head(), MASPlugin()
        strategy = strategy_with(model, plugin, Adapts(factor), train_epochs=0)
        strategy.train(task_incremental(1).train_stream)
        return {**held(plugin), "weights": weights(model)}

    return train


def each_its_own() -> int:
    """Every process trains another model, in a group of its own."""
    groups = [dist.new_group([each]) for each in range(DistributedHelper.world_size)]
    torch.manual_seed(rank())
    model = nn.parallel.DistributedDataParallel(single_head(), process_group=groups[rank()])
    plugin = MASPlugin()
    strategy = strategy_for(model, plugin, evaluator=None, train_mb_size=5)
    strategy.train(task_incremental(1).train_stream)
    samples: int = held(plugin)["N"]
    return samples


def accuracies() -> Any:
    """20 samples; three processes evaluate 7 each, and one sample twice."""
    matrix, plugin = AccuracyMatrix(), MASPlugin()
    metrics = EvaluationPlugin(matrix, mas_metrics(pictures=False, every=1))
    strategy = strategy_with(net(), plugin, evaluator=metrics, train_epochs=0)
    benchmark = task_incremental(2, parts=("train", "test"))
    for experience in benchmark.train_stream:
        strategy.train(experience)
        strategy.eval(benchmark.test_stream)
    return torch.from_numpy(matrix.matrix)


@contextmanager
def noted(found: dict[str, str], name: str) -> Iterator[None]:
    try:
        yield
        found[name] = "no error"
    except Exception as error:
        found[name] = f"{type(error).__name__}: {error}"


def last() -> bool:
    return rank() == DistributedHelper.world_size - 1


def only_here(model: nn.Module, batch: Any) -> Tensor:
    if last() and len(batch[0]) > 1:
        raise KeyError("no such entry")
    output: Tensor = model(batch[0] if isinstance(batch, tuple) else batch)
    return output


def refusals() -> dict[str, str]:
    """What is wrong in the last process only; all go on afterwards."""
    found: dict[str, str] = {}
    model, group, benchmark = net(), dist.group.WORLD, task_incremental(2)
    poisoned = [batch * (float("nan") if last() else 1.0) for batch in BATCHES]
    broken = net()
    with torch.no_grad():
        broken[2].weight += rank()
    with noted(found, "not finite"):
        global_importance(model, poisoned, group=group)
    with noted(found, "own error"):
        global_importance(model, BATCHES, forward=only_here, group=group)
    with noted(found, "another model"):
        global_importance(broken, BATCHES, group=group)
    with noted(found, "no samples"):
        global_importance(model, [], group=group)
    with noted(found, "another name"):
        global_importance(
            model, BATCHES, parameters=["2.bias", "x"] if last() else None, group=group
        )
    with noted(found, "cannot be measured"):
        strategy = strategy_with(net(), MASPlugin(exclude="x" if last() else "0.bias"))
        strategy.train(benchmark.train_stream)
    with noted(found, "other metrics"):
        metrics = EvaluationPlugin(*([] if last() else [AccuracyMatrix()]))
        strategy_with(net(), MASPlugin(), evaluator=metrics).train(benchmark.train_stream)
    with noted(found, "another state"):
        plugins = [MASPlugin(), MASPlugin()]
        strategy_with(net(), plugins[0]).train(benchmark.train_stream[0])
        if not last():
            plugins[1].load_state_dict(plugins[0].state_dict())
        strategy_with(net(), plugins[1]).train(benchmark.train_stream[1])
    with noted(found, "not wrapped"):
        strategy_for(net(), MASPlugin(), evaluator=EvaluationPlugin()).train(benchmark.train_stream)
    with noted(found, "checkpoints"):
        checkpoints = Checkpoints("never made")
        strategy = strategy_with(net(), MASPlugin(), checkpoints)
        next(checkpoints.remaining(strategy, benchmark.train_stream))
    with noted(found, "nothing wrong"):
        global_importance(model, BATCHES, group=group)
    return found


def left_alone() -> bool:
    """Whether the buffers of each process are its own after a measurement with those of the first."""
    torch.manual_seed(0)
    model = single_head()
    model[0][1].running_mean += rank()
    before = weights(model)
    global_importance(model, own(BATCHES), group=dist.group.WORLD)
    return all(torch.equal(value, before[name]) for name, value in weights(model).items())


SCENARIOS: dict[str, Callable[[], Any]] = {
    "uneven shards": uneven_shards,
    "shards without samples": shards_without_samples,
    "multi-head": multi_head,
    **{form: with_penalty(form) for form in ("damped", "gradient", "loss")},
    "functions": functions,
    "more data": more_data,
    "used elsewhere": used_elsewhere,
    "each its own": each_its_own,
    "statistics changed": changed_at_the_end(1.0),
    "weights changed": changed_at_the_end(1.5),
    "accuracies": accuracies,
    "left alone": left_alone,
    "refusals": refusals,
}


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    dist.init_process_group("gloo", timeout=timedelta(seconds=SECONDS))
    results = {name: scenario() for name, scenario in SCENARIOS.items()}
    torch.save(results, folder / f"{rank()}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
