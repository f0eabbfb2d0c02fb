"""The framework in a run: trials leave no trace but the choice, and see only the new task."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import benchmarks.run.runner
from avalanche_mas.streams import TaskBenchmark
from benchmarks.methods import COMPARED, METHODS, Method
from benchmarks.record.schema import DECISIONS, RESULT
from benchmarks.record.tuned import TUNING as TUNED
from benchmarks.run.framework import DECAY, RATE_SHARES
from benchmarks.run.job import Job
from benchmarks.run.learner import Learner
from tests.benchmarks.interruptions import numbers, said_by, silent

# Avalanche's Synaptic Intelligence hands a tensor to np.square.
pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning")

MakeJob = Callable[..., Job]
STRONG = [name for name in COMPARED if METHODS[name].strength]
TRAIN, VALID = 0, 1


def framework(make_job: MakeJob, method: str, **changes: Any) -> Job:
    return make_job(method, strength=None, choose="framework", epochs=1, **changes)


class Training(NamedTuple):
    """The weights after a training, and whether the method took part."""

    weights: torch.Tensor
    held: bool


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[Training]:
    """All trainings, including trials, as they happen."""
    found: list[Training] = []
    train = Learner.train

    def recorded(self: Learner, part: Any) -> None:
        train(self, part)
        weights = nn.utils.parameters_to_vector(self.strategy.model.parameters()).clone()
        held = all(plugin in self.strategy.plugins for plugin in self.plugins)
        found.append(Training(weights, held and bool(self.plugins)))

    monkeypatch.setattr(Learner, "train", recorded)
    return found


@pytest.mark.parametrize("method", COMPARED)
def test_a_run_is_trained_as_in_its_accepted_trials(
    method: str, make_job: MakeJob, stream: TaskBenchmark, trainings: list[Training]
) -> None:
    job = framework(make_job, method, evaluated_on="valid", learning_rate=0.02)
    said = said_by(job, stream)
    result = json.loads((job.folder / RESULT).read_text())
    decisions, joint = result["decisions"], METHODS[method].joint
    assert decisions == json.loads((job.folder / DECISIONS).read_text())
    tasks = [["letters", "svhn"]] if joint else [["letters"], ["svhn"]]
    assert [decision["tasks"] for decision in decisions] == tasks
    assert sum("learning rate" in line for line in said) == len(tasks)
    assert len(result["seconds"]["choosing"]) == len(tasks)
    for position, decision in enumerate(decisions):
        trials = decision["trials"]
        rates = [trial["learning_rate"] for trial in trials if trial["strength"] is None]
        assert rates == [share * 0.02 for share in RATE_SHARES]
        strengths = [trial["strength"] for trial in trials if trial["strength"] is not None]
        assert strengths[:1] == ([METHODS[method].highest] if position and method in STRONG else [])
        accepted = len(trials) - 1 if strengths else rates.index(decision["learning_rate"])
        row = result["accuracy"][-1] if joint else [result["accuracy"][position][position]]
        if not (position and method.startswith("imm")):  # the run's are of merged weights
            assert trials[accepted]["accuracy"] == sum(row) / len(row)
        done, rest = trainings[: len(trials) + 1], trainings[len(trials) + 1 :]
        assert torch.equal(done[accepted].weights, done[-1].weights)
        assert len({one.weights.double().sum().item() for one in done[: len(rates)]}) == len(rates)
        held = [trial["strength"] is not None for trial in trials] + [method in STRONG]
        assert [one.held for one in done] == held
        trainings[:] = rest
    assert trainings == []


def test_trials_change_nothing_else(make_job: MakeJob, stream: TaskBenchmark) -> None:
    """A framework that can only choose the fixed values gives the same metrics."""
    fixed = make_job("mas", strength=3.0, epochs=1)
    chosen = framework(make_job, "mas")
    silent(fixed, stream)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchmarks.run.trials.RATE_SHARES", (1.0,))
        patch.setattr("benchmarks.run.framework.SHARE", 0.0)
        silent(chosen, stream)
    assert numbers(chosen.folder)["metrics"] == numbers(fixed.folder)["metrics"]


@pytest.mark.parametrize("method", COMPARED)
def test_only_the_new_task_is_looked_at(
    method: str, make_job: MakeJob, stream: TaskBenchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: set[tuple[int, int]] = set()
    original, decide = TensorDataset.__getitem__, benchmarks.run.runner.decide

    def watched(self: Any, index: Any) -> Any:
        looked.add(self.place)
        return original(self, index)

    def choosing(learner: Learner, part: Any, *others: Any) -> None:
        looked.clear()
        decide(learner, part, *others)
        new = range(part.first, part.seen)
        assert looked == {(task, kind) for task in new for kind in (TRAIN, VALID)}

    monkeypatch.setattr(TensorDataset, "__getitem__", watched)
    monkeypatch.setattr(benchmarks.run.runner, "decide", choosing)
    silent(framework(make_job, method), stream)
    assert len(looked) > 2  # the runs themselves evaluate all tasks seen


@pytest.mark.parametrize("method", STRONG)
def test_a_strength_that_was_set_is_one_that_was_given(
    method: str, make_job: MakeJob, stream: TaskBenchmark
) -> None:
    value = 7 * METHODS[method].centre
    torch.manual_seed(0)
    given = Learner(make_job(method, strength=value, epochs=1).settings, None, stream)
    torch.manual_seed(0)
    later = Learner(make_job(method, strength=0.0, epochs=1).settings, None, stream)
    for learner in (given, later):
        learner.learn(learner.parts[0])
    later.use(later.settings.learning_rate, value)
    for learner in (given, later):
        learner.learn(learner.parts[1])
    weights = zip(given.strategy.model.parameters(), later.strategy.model.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in weights)


def test_the_published_starts() -> None:
    published = {"mas": 3.0, "si": 800.0, "si-repaired": 800.0, "lwf": 10.0}
    assert {name: METHODS[name].highest for name in published} == published
    assert METHODS["fine-tuning"].highest is None
    assert Method("m", "", "", lambda _: [], strength="λ", centre=2.0).highest == 20.0


def test_the_first_strength_is_above_all_that_tuning_has_chosen() -> None:
    """Those that `run` takes, which the file of a stand-in has none of."""
    files = [*TUNED.glob("*-drawn.json"), *TUNED.glob("*-real.json")]
    recorded = [json.loads(file.read_text("utf-8")) for file in files]
    tuned = {
        (name, entry["strength"])
        for one in recorded
        for name, entry in one["methods"].items()
        if METHODS[name].strength
    }
    assert {name for name, _ in tuned} >= {"mas", "l-mas", "ewc", "imm-mean"}
    for name, strength in tuned:
        assert (METHODS[name].highest or 0.0) > strength, name


def test_a_trial_of_imm_is_of_its_weights_before_they_are_merged(
    make_job: MakeJob, stream: TaskBenchmark
) -> None:
    """Without a penalty it then equals fine-tuning, which it is measured against."""
    job = framework(make_job, "imm-mean", learning_rate=0.02)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METHODS, "imm-mean", replace(METHODS["imm-mean"], start=1e-30))
        silent(job, stream)
    _, second = json.loads((job.folder / RESULT).read_text())["decisions"]
    *plain, held = second["trials"]
    assert held["accuracy"] == max(trial["accuracy"] for trial in plain)


@pytest.mark.parametrize(("start", "decay"), [(3e6, DECAY), (1e30, 1e-20)])
def test_a_strength_with_which_training_diverges_is_too_high(
    start: float, decay: float, make_job: MakeJob, stream: TaskBenchmark
) -> None:
    """At its end, with a ValueError, or at a step, with a FloatingPointError."""
    job = framework(make_job, "mas", gradient_clip=None, learning_rate=0.02)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METHODS, "mas", replace(METHODS["mas"], start=start))
        patch.setattr("benchmarks.run.framework.DECAY", decay)
        silent(job, stream)
    _, second = json.loads((job.folder / RESULT).read_text())["decisions"]
    assert second["trials"][len(RATE_SHARES)]["accuracy"] == 0.0
    assert second["reached"]


def test_an_error_that_is_no_divergence_ends_the_run(
    make_job: MakeJob, stream: TaskBenchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise ValueError("this network cannot be measured")

    monkeypatch.setattr(Learner, "train", refuse)
    with pytest.raises(ValueError, match="this network cannot be measured"):
        silent(framework(make_job, "mas"), stream)


def test_a_study_is_told_of_the_training_only(make_job: MakeJob, stream: TaskBenchmark) -> None:
    job = framework(make_job, "mas", experiment="adaptation", importance_on="train, then subset")
    counts = silent(job, stream)["first_task"]
    assert len(counts["correct"]) == 2
