"""What a MAS plugin's metrics publish, against the plugin and its strategy looked at from outside."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from avalanche.benchmarks.scenarios.online import split_online_stream
from avalanche.training.plugins import EvaluationPlugin, SupervisedPlugin
from avalanche.training.supervised import JointTraining
from matplotlib.figure import Figure
from torch import Tensor, nn

from avalanche_mas import LocalMASPlugin, MASPlugin
from avalanche_mas.metrics import (
    DriftMetrics,
    ImportanceCost,
    OmegaMetrics,
    PenaltyMetrics,
    mas_evaluator,
    mas_metrics,
)
from tests.metrics.test_matrix import Spy
from tests.plugins.cases import (
    SCENARIOS,
    Benchmark,
    MultiHead,
    domain_incremental,
    single_head,
    strategy_for,
    task_incremental,
)

TRAIN = "train_phase/train_stream"


class Witness(SupervisedPlugin):
    """Notes for each iteration the penalty and what is minimised, and Ω after each task."""

    def __init__(self, plugin: Any) -> None:
        super().__init__()
        self.plugin = plugin
        self.penalties: list[float] = []
        self.losses: list[float] = []
        self.earlier: dict[str, tuple[Tensor, Tensor]] = {}
        self.drifts: list[dict[str, float]] = []

    def before_training_exp(self, *_: Any, **__: Any) -> None:
        omega, anchors = self.plugin.importance, self.plugin.anchors
        self.earlier = {name: (omega[name].clone(), anchors[name].clone()) for name in omega}

    def after_backward(self, strategy: Any, **_: Any) -> None:
        penalty = self.plugin.lambda_reg * sum(self.squares(strategy).values())
        self.penalties.append(penalty)
        added = penalty if self.plugin.penalty == "gradient" else 0
        self.losses.append(strategy.loss.item() + added)

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        self.drifts.append(self.squares(strategy))

    def squares(self, strategy: Any) -> dict[str, float]:
        label = getattr(strategy.experience, "task_labels", [None])[0]
        squares = {}
        for name, parameter in strategy.model.named_parameters():
            other = ".classifiers." in name and f".classifiers.{label}." not in name
            if name in self.earlier and not other:
                omega, anchor = self.earlier[name]
                block = parameter[tuple(map(slice, anchor.shape))]
                distance = (block.detach() - anchor).double().square()
                squares[name] = (omega.double() * distance).sum().item()
        return squares


def run(
    case: tuple[Benchmark, nn.Module], plugin: Any, *metrics: Any, **options: Any
) -> tuple[Witness, Any, Spy]:
    torch.manual_seed(0)
    benchmark, model = case
    witness, spy = Witness(plugin), Spy()
    options["evaluator"] = EvaluationPlugin(*metrics, loggers=[spy])
    strategy = strategy_for(model, plugin, witness, **options)
    for experience in benchmark.train_stream:
        strategy.train(experience, eval_streams=[])
    return witness, strategy, spy


def curve(spy: Spy, name: str) -> dict[int, float]:
    return {step: value for full, value, step in spy.seen if full.startswith(f"{name}/")}


@pytest.mark.parametrize("penalty", ["gradient", "loss"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_penalty_and_share(scenario: str, penalty: Any) -> None:
    benchmark, model = SCENARIOS[scenario]
    plugin = MASPlugin(0.7, penalty=penalty)
    case, every = (benchmark(), model()), 3
    witness, _, spy = run(case, plugin, PenaltyMetrics(every), train_epochs=2)
    turns = [step for step in range(2, 24, every) if step >= 8]  # eight iterations a task
    penalties, shares = curve(spy, "Penalty_MB"), curve(spy, "PenaltyShare_MB")
    assert list(penalties) == list(shares) == turns
    for step in turns:
        assert penalties[step] == pytest.approx(witness.penalties[step], rel=1e-4)
        expected = witness.penalties[step] / witness.losses[step]
        assert shares[step] == pytest.approx(expected, rel=1e-4)
    assert max(shares.values()) > 0
    names = {name for name, _, _ in spy.seen if name.startswith("Penalty_MB")}
    labelled = "task-incremental" in scenario
    tasks = {f"/Task{k:03}" for k in (1, 2)} if labelled else {""}
    assert names == {f"Penalty_MB/{TRAIN}{task}" for task in tasks}


def test_heads_of_other_tasks_take_no_part() -> None:
    spy, model = Spy(), MultiHead()
    evaluator = EvaluationPlugin(PenaltyMetrics(1), DriftMetrics(per_layer=True), loggers=[spy])
    strategy = strategy_for(model, MASPlugin(0.1), evaluator=evaluator)
    first, second = task_incremental(2).train_stream
    strategy.train(first)
    with torch.no_grad():
        model.head.classifiers["0"].classifier.weight.add_(1.0)
    with pytest.warns(UserWarning, match="have been changed since.*make a new plugin"):
        strategy.train(second)
    assert next(iter(curve(spy, "Penalty_MB").items())) == (4, 0.0)
    assert not [name for name, _, _ in spy.seen if ".classifiers.0." in name]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_drift(scenario: str) -> None:
    benchmark, model = SCENARIOS[scenario]
    witness, strategy, spy = run(
        (benchmark(), model()), MASPlugin(0.1), DriftMetrics(per_layer=True)
    )
    found = {(name, step): value for name, value, step in spy.seen}
    expected: dict[tuple[str, int], float] = {}
    for task in (1, 2):
        squares, step = witness.drifts[task], 4 * (task + 1)
        assert squares
        expected[f"Drift/{TRAIN}", step] = math.sqrt(sum(squares.values()))
        for name, square in squares.items():
            key = f"Drift/{TRAIN}/{name.rpartition('.')[0]}", step
            expected[key] = math.hypot(expected.get(key, 0), math.sqrt(square))
    assert found == pytest.approx(expected, rel=1e-4)
    (metric,) = strategy.evaluator.metrics
    assert metric.result() == {name: v for (name, step), v in found.items() if step == 12}


@pytest.mark.parametrize("kind", [MASPlugin, LocalMASPlugin])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_omega(scenario: str, kind: Any) -> None:
    benchmark, model = SCENARIOS[scenario]
    plugin = kind(0.1)
    _, strategy, _ = run((benchmark(), model()), plugin, OmegaMetrics(True, threshold=0.1))
    last = strategy.evaluator.get_last_metrics()
    layers: dict[str, list[Tensor]] = {}
    for name, omega in plugin.importance.items():
        layers.setdefault(name.rpartition(".")[0], []).append(omega.double().flatten())
    parts = {layer: np.concatenate(entries) for layer, entries in layers.items()}
    together = np.concatenate(list(parts.values()))
    for layer, entries in {"": together, **parts}.items():
        path = f"{TRAIN}/{layer}".rstrip("/")
        for level in (5, 50, 95, 99):
            expected = np.quantile(entries, level / 100)
            assert last.pop(f"Omega_Q{level:02}/{path}") == pytest.approx(expected)
        assert last.pop(f"Omega_Mean/{path}") == pytest.approx(entries.mean())
        assert last.pop(f"Omega_Max/{path}") == entries.max()
        if layer:
            share = entries.sum() / together.sum()
            assert last.pop(f"Omega_Share/{path}") == pytest.approx(share)
    top = np.sort(together)[-math.ceil(together.size / 100) :].sum() / together.sum()
    assert last.pop(f"Omega_TopShare/{TRAIN}") == pytest.approx(top)
    assert last.pop(f"Omega_UsedCapacity/{TRAIN}") == pytest.approx((together > 0.1).mean())
    picture, table = last.pop(f"Omega_Histogram/{TRAIN}"), last.pop(f"Omega_Table/{TRAIN}")
    assert not last
    assert [row[0] for row in table.rows] == [*parts, "all"]
    axes = picture.best_supported_value(Figure).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == list(parts)
    positive = {layer: int((entries > 0).sum()) for layer, entries in parts.items()}
    assert {row.name: row.counts.sum() for row in picture.content.layers} == positive


def test_an_importance_of_zero_has_no_histogram() -> None:
    model = nn.Sequential(nn.Linear(5, 3))
    with torch.no_grad():
        model[0].weight.zero_()
        model[0].bias.zero_()
    strategy = strategy_for(
        model, MASPlugin(), evaluator=EvaluationPlugin(OmegaMetrics(), loggers=[Spy()])
    )
    strategy.optimizer.param_groups[0]["lr"] = 0.0
    strategy.train(domain_incremental(1).train_stream)
    last = strategy.evaluator.get_last_metrics()
    assert last[f"Omega_Max/{TRAIN}"] == last[f"Omega_TopShare/{TRAIN}"] == 0
    assert f"Omega_Histogram/{TRAIN}" not in last


def test_cost() -> None:
    plugin = MASPlugin()
    _, strategy, spy = run((domain_incremental(2), single_head()), plugin, ImportanceCost())
    last = strategy.evaluator.get_last_metrics()
    numbers = sum(parameter.numel() for parameter in strategy.model.parameters())
    assert last == {
        f"Importance_Seconds/{TRAIN}": plugin.importance_seconds,
        f"Importance_PeakMegabytes/{TRAIN}": plugin.importance_bytes / 1e6,
        f"Importance_HeldMegabytes/{TRAIN}": 2 * 4 * numbers / 1e6,
    }
    assert plugin.importance_seconds > 0
    assert [step for name, _, step in spy.seen if "Seconds" in name] == [4, 8]


def test_the_peak_that_the_pass_has_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    peaks = iter([5e6, 7e6])
    monkeypatch.setattr("avalanche_mas.plugins.base.peak_bytes", lambda _: next(peaks))
    _, strategy, _ = run((domain_incremental(1), single_head()), MASPlugin(), ImportanceCost())
    assert strategy.evaluator.get_last_metrics()[f"Importance_PeakMegabytes/{TRAIN}"] == 2


def test_a_system_that_does_not_tell_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("avalanche_mas.plugins.base.peak_bytes", lambda _: math.nan)
    _, strategy, _ = run((domain_incremental(1), single_head()), MASPlugin(), ImportanceCost())
    assert f"Importance_PeakMegabytes/{TRAIN}" not in strategy.evaluator.get_last_metrics()


@pytest.mark.parametrize("size", [5, 8])
def test_pieces_of_an_online_stream_are_one_task(size: int) -> None:
    torch.manual_seed(0)
    spy, plugin = Spy(), MASPlugin()
    evaluator = EvaluationPlugin(mas_metrics(every=2), loggers=[spy])
    strategy = strategy_for(single_head(), plugin, evaluator=evaluator)
    stream = domain_incremental(2).train_stream
    for piece in split_online_stream(stream, size, access_task_boundaries=True):
        strategy.train(piece)
    names = [name.partition("/")[0] for name, _, _ in spy.seen if name.count("/") == 2]
    assert names.count("Omega_Mean") == names.count("Importance_Seconds") == 2
    assert names.count("Drift") == 1
    assert names.count("Penalty_MB") > 1


def test_layers_are_left_out_unless_asked_for() -> None:
    evaluator = mas_evaluator(loggers=[Spy()])
    strategy = strategy_for(single_head(), MASPlugin(), evaluator=evaluator)
    for experience in domain_incremental(2).train_stream:
        strategy.train(experience, eval_streams=[])
    last = strategy.evaluator.get_last_metrics()
    assert {f"Drift/{TRAIN}", f"Omega_Mean/{TRAIN}", f"Omega_Table/{TRAIN}"} <= set(last)
    assert {name.count("/") for name in last} == {2}


@pytest.mark.parametrize("metric", [PenaltyMetrics, DriftMetrics, OmegaMetrics, ImportanceCost])
def test_says_before_training_that_there_is_no_plugin(metric: Any) -> None:
    model = single_head()
    strategy = strategy_for(model, evaluator=EvaluationPlugin(metric(), loggers=[Spy()]))
    before = model[-1].weight.clone()
    with pytest.raises(ValueError, match=f"{metric.__name__} needs the MASPlugin .*add one, or"):
        strategy.train(domain_incremental(1).train_stream)
    assert torch.equal(model[-1].weight, before)


def test_which_of_two_plugins_has_to_be_said() -> None:
    two = MASPlugin(0.1, penalty="gradient"), LocalMASPlugin(0.1, penalty="gradient")
    stream = domain_incremental(1).train_stream
    unclear = EvaluationPlugin(ImportanceCost(), loggers=[Spy()])
    with pytest.raises(ValueError, match=r"has 2 of .*give one with plugin="):
        strategy_for(single_head(), *two, evaluator=unclear).train(stream)
    clear = EvaluationPlugin(OmegaMetrics(plugin=two[1]), loggers=[Spy()])
    strategy_for(single_head(), *two, evaluator=clear).train(stream)
    largest = max(float(omega.max()) for omega in two[1].importance.values())
    assert clear.get_last_metrics()[f"Omega_Max/{TRAIN}"] == largest
    stranger = EvaluationPlugin(ImportanceCost(plugin=MASPlugin()), loggers=[Spy()])
    with pytest.raises(ValueError, match=r"LocalMASPlugin that it was given.*has 0 of"):
        strategy_for(single_head(), *two, evaluator=stranger).train(stream)


def test_a_pickled_evaluator_goes_on_with_another_strategys_plugin() -> None:
    torch.manual_seed(0)
    stream, plugin = domain_incremental(2).train_stream, MASPlugin()
    evaluator = EvaluationPlugin(mas_metrics(every=1, plugin=plugin), loggers=[Spy()])
    strategy = strategy_for(single_head(), plugin, evaluator=evaluator)
    strategy.train(stream[0])
    evaluator.loggers = []
    kept = pickle.loads(pickle.dumps((evaluator, strategy.model, plugin.state_dict())))
    again, model, state = kept
    other, spy = MASPlugin(), Spy()
    other.load_state_dict(state)
    again.loggers = [spy]
    strategy_for(model, other, evaluator=again).train(stream[1])
    assert set(curve(spy, "Penalty_MB")) == {0, 1, 2, 3}
    assert again.get_last_metrics()[f"Omega_Max/{TRAIN}"] == max(
        float(omega.max()) for omega in other.importance.values()
    )


def test_joint_training_with_a_plugin_is_one_task() -> None:
    evaluator = mas_evaluator(loggers=[Spy()])
    strategy = strategy_for(single_head(), MASPlugin(), kind=JointTraining, evaluator=evaluator)
    strategy.train(domain_incremental(2).train_stream)
    last = strategy.evaluator.get_last_metrics()
    assert f"Omega_Mean/{TRAIN}" in last
    assert f"Drift/{TRAIN}" not in last


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PenaltyMetrics(0), "every must be positive, got 0"),
        (lambda: mas_evaluator(every=-1), "every must be positive, got -1"),
        (lambda: OmegaMetrics(threshold=-1.0), r"threshold must not be negative, got -1\.0"),
        (lambda: OmegaMetrics(threshold=math.nan), "threshold must not be negative, got nan"),
    ],
)
def test_refuses_options(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
