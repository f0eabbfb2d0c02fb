"""What a checkpoint holds besides the strategy, what shares memory, and who may be restored from it."""

from __future__ import annotations

import csv
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from avalanche.benchmarks.scenarios.online import split_online_stream
from avalanche.evaluation.metrics import accuracy_metrics
from avalanche.logging import BaseLogger
from avalanche.training import JointTraining, Naive
from avalanche.training.plugins import EvaluationPlugin, ReplayPlugin, SupervisedPlugin
from torch import nn

from avalanche_mas import MASPlugin
from avalanche_mas.checkpoint import CheckpointError, Checkpoints
from avalanche_mas.checkpoint.randomness import random_states
from avalanche_mas.logging import TableLogger
from tests.plugins.cases import Growing, MultiHead, class_incremental, task_incremental

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


class Interrupted(BaseException):
    """Stands for the end of a process."""


class At(SupervisedPlugin):
    """Does something before a step, counted over the process."""

    def __init__(self, step: int, do: Any) -> None:
        super().__init__()
        self.left, self.do = step, do

    def before_update(self, *_: Any, **__: Any) -> None:
        self.left -= 1
        if self.left == 0:
            self.do()


def raise_interrupted() -> None:
    raise Interrupted


class Count:
    """Counts batches, and has a state."""

    def __init__(self) -> None:
        self.batches = 0

    def state_dict(self) -> dict[str, int]:
        return {"batches": self.batches}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.batches = state["batches"]


class Counting(SupervisedPlugin):
    def __init__(self, count: Any) -> None:
        super().__init__()
        self.count = count

    def after_training_iteration(self, *_: Any, **__: Any) -> None:
        self.count().batches += 1


class Shared(SupervisedPlugin):
    """Of no known package; keeps a list that another one reads, and a view of the weights."""

    def __init__(self, held: list[float]) -> None:
        super().__init__()
        self.held = held
        self.view: Any = None

    def after_training_iteration(self, strategy: Any, **_: Any) -> None:
        self.held.append(float(strategy.loss))
        self.view = next(strategy.model.parameters()).detach().flatten()


def build(
    folder: Path,
    plugins: Any = (),
    joint: bool = False,
    loggers: Any = None,
    labels: bool = True,
    **options: Any,
) -> tuple[Any, Any, Any]:
    torch.manual_seed(1)
    benchmark = (task_incremental if labels else class_incremental)(3, parts=("train", "test"))
    model = MultiHead() if labels else Growing()
    checkpoints = Checkpoints(folder, every_steps=1, every_minutes=None, say=print, **options)
    strategy = (JointTraining if joint else Naive)(
        model=model,
        optimizer=torch.optim.SGD(model.parameters(), 0.05, momentum=0.9),
        criterion=nn.CrossEntropyLoss(),
        train_mb_size=4,
        train_epochs=2,
        evaluator=EvaluationPlugin(
            accuracy_metrics(minibatch=True, experience=True), loggers=loggers or [BaseLogger()]
        ),
        plugins=[*plugins, checkpoints],
    )
    return strategy, benchmark, checkpoints


def train(strategy: Any, benchmark: Any, checkpoints: Any) -> dict[str, Any]:
    for experience in checkpoints.remaining(strategy, benchmark.train_stream):
        strategy.train(experience)
        strategy.eval(benchmark.test_stream)
    return strategy.model.state_dict()


def interrupted(folder: Path, step: int, plugins: Any = (), **options: Any) -> None:
    skipped = At(step, raise_interrupted)
    with pytest.raises(Interrupted):
        train(*build(folder, [*plugins, skipped], skip=[skipped], **options))


def goes_on(folder: Path, plugins: Any = (), **options: Any) -> dict[str, Any]:
    never = At(0, None)
    return train(*build(folder, [*plugins, never], skip=[never], **options))


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_what_is_named_goes_on_too(tmp_path: Path) -> None:
    for step in (2, 7, 8):
        count = Count()
        seen = Counting(lambda count=count: count)
        interrupted(tmp_path, step, [seen], also={"count": count}, by_attributes=[seen])
    count = Count()
    seen = Counting(lambda count=count: count)
    goes_on(tmp_path, [seen], also={"count": count}, by_attributes=[seen])
    assert count.batches == 3 * 2 * 5


def test_a_table_goes_on_where_it_was_saved(tmp_path: Path) -> None:
    whole = TableLogger(tmp_path / "whole.csv")
    expected = goes_on(tmp_path / "whole", loggers=[whole])
    whole.close()
    file = tmp_path / "broken.csv"
    for step in (3, 9, 4):
        table = TableLogger(file)
        interrupted(tmp_path / "broken", step, loggers=[table])
        table.log_single_metric("after the checkpoint", 1, 99)
        table.close()
    interrupted(tmp_path / "broken", 2, loggers=[BaseLogger(), BaseLogger()])
    last = TableLogger(file)
    assert same(goes_on(tmp_path / "broken", loggers=[BaseLogger(), last]), expected)
    last.close()
    with file.open() as found, (tmp_path / "whole.csv").open() as wanted:
        rows = list(csv.reader(found))
        missing = [row for row in csv.reader(wanted) if row not in rows]
    assert not any("after" in row[2] for row in rows)
    assert len(missing) == 1, "all but the step that was made without the table"


def test_a_table_holds_what_is_evaluated_before_a_task_once(tmp_path: Path) -> None:
    """Also where the task goes on from its middle, and that evaluation is repeated."""

    def learn(folder: Path, *plugins: Any) -> None:
        table = TableLogger(folder.with_suffix(".csv"))
        strategy, benchmark, checkpoints = build(folder, plugins, loggers=[table], skip=plugins)
        try:
            for experience in checkpoints.remaining(strategy, benchmark.train_stream):
                strategy.eval(benchmark.test_stream)
                strategy.train(experience)
        finally:
            table.close()

    learn(tmp_path / "whole", At(0, None))
    with pytest.raises(Interrupted):
        learn(tmp_path / "broken", At(14, raise_interrupted))
    learn(tmp_path / "broken", At(0, None))
    assert (tmp_path / "broken.csv").read_text() == (tmp_path / "whole.csv").read_text()


def test_joint_training_goes_on(tmp_path: Path) -> None:
    def learn(folder: Path, *plugins: Any) -> dict[str, Any]:
        strategy, benchmark, checkpoints = build(folder, plugins, joint=True, skip=plugins)
        for stream in checkpoints.remaining(strategy, [benchmark.train_stream]):
            strategy.train(stream)
            strategy.eval(benchmark.test_stream)
        return strategy.model.state_dict()

    expected = learn(tmp_path / "whole", At(0, None))
    for step in (2, 11, 9):
        with pytest.raises(Interrupted):
            learn(tmp_path / "broken", At(step, raise_interrupted))
    assert same(learn(tmp_path / "broken", At(0, None)), expected)


def test_a_plugin_of_anyone_is_saved_by_its_attributes_if_that_is_said(tmp_path: Path) -> None:
    losses: list[float] = []
    with pytest.raises(CheckpointError, match=r"Shared.*by_attributes="):
        goes_on(tmp_path / "refused", [Shared(losses)])
    whole = Shared(losses)
    goes_on(tmp_path / "whole", [whole], by_attributes=[whole])
    first = Shared([])
    interrupted(tmp_path / "broken", 8, [first], by_attributes=[first])
    again: list[float] = []
    second = Shared(again)
    strategy, benchmark, checkpoints = build(
        tmp_path / "broken", [second, At(0, None)], by_attributes=[second]
    )
    checkpoints.skip = (strategy.plugins[1],)
    train(strategy, benchmark, checkpoints)
    assert again is second.held
    assert again == losses
    weights = next(strategy.model.parameters())
    assert second.view.data_ptr() == weights.data_ptr()


def test_a_view_of_the_weights_is_one_when_the_run_goes_on(tmp_path: Path) -> None:
    first, second = Shared([]), Shared([])
    interrupted(tmp_path, 8, [first], by_attributes=[first])
    strategy, seen = None, []

    def look() -> None:
        weights = next(strategy.model.parameters())
        seen.append(second.view.data_ptr() == weights.data_ptr())

    looking = At(1, look)
    strategy, *rest = build(tmp_path, [second, looking], by_attributes=[second], skip=[looking])
    train(strategy, *rest)
    assert seen == [True]


def test_a_trained_strategy_is_restored_without_its_checkpoints(tmp_path: Path) -> None:
    mas = MASPlugin(1.0, accumulation="sum")
    expected = goes_on(tmp_path, [mas])
    again = MASPlugin(1.0, accumulation="sum")
    strategy, benchmark, _ = build(tmp_path / "none", [again, At(0, None)])
    strategy.plugins = [each for each in strategy.plugins if not isinstance(each, Checkpoints)]
    said: list[str] = []
    saved = Checkpoints(tmp_path, say=said.append)
    place = saved.restore(strategy, benchmark.train_stream)
    assert place is not None
    assert place.experience == 3
    assert saved.files[-1].name == place.file
    assert said == [f"resuming from {tmp_path}: experience 3, before its first step"]
    assert same(strategy.model.state_dict(), expected)
    assert same(again.importance, mas.importance)
    strategy.train(benchmark.train_stream[0])  # saves nothing
    assert saved.files[-1].name == place.file
    assert Checkpoints(tmp_path / "none").restore(strategy, benchmark.train_stream) is None


def test_with_other_gpus_a_run_is_restored_but_not_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def states() -> dict[str, Any]:
        return {**random_states(), "cuda": [torch.zeros(16, dtype=torch.uint8)] * 99}

    monkeypatch.setattr("avalanche_mas.checkpoint.strategy.random_states", states)
    interrupted(tmp_path, 8)
    monkeypatch.undo()
    strategy, benchmark, checkpoints = build(tmp_path, [At(0, None)], skip=[])
    checkpoints.skip = (strategy.plugins[0],)
    place = checkpoints.restore(strategy, benchmark.train_stream)
    assert place == (0, 7)
    with pytest.raises(
        CheckpointError, match=r"99 GPUs and there are .* go on with as many"
    ) as said:
        train(strategy, benchmark, checkpoints)
    assert "remove" not in str(said.value)


def test_a_signal_that_is_ignored_stays_so_and_a_repeated_one_is_one(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        twice = At(4, lambda: [os.kill(os.getpid(), signal.SIGTERM) for _ in range(2)])
        ignored = At(2, lambda: os.kill(os.getpid(), signal.SIGUSR1))
        with pytest.raises(SystemExit) as ended:
            train(*build(tmp_path, [twice, ignored], skip=[twice, ignored]))
        assert ended.value.code == 128 + signal.SIGTERM
        assert signal.getsignal(signal.SIGUSR1) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGUSR1, before)
    names = {file.name for file in tmp_path.iterdir()}
    assert "experience-00000-step-000000004.safetensors" in names


def test_an_online_stream_goes_on_from_a_piece(tmp_path: Path) -> None:
    def learn(folder: Path, *plugins: Any, seed: int = 0) -> dict[str, Any]:
        mas = MASPlugin(1.0, accumulation="sum")
        strategy, benchmark, checkpoints = build(
            folder,
            [mas, ReplayPlugin(8), *plugins],
            skip=plugins,
            every_experiences=4,
            labels=False,
        )
        pieces = split_online_stream(
            benchmark.train_stream, 4, access_task_boundaries=True, seed=seed
        )
        for piece in checkpoints.remaining(strategy, pieces):
            strategy.train(piece, eval_streams=[])
        for file in checkpoints.files:
            assert int(file.name[11:16]) in (0, 4, 8, 12, 15)
        return {**strategy.model.state_dict(), **{f"Ω {n}": o for n, o in mas.importance.items()}}

    expected = learn(tmp_path / "whole", At(0, None))
    for step in (3, 13, 9, 2):
        with pytest.raises(Interrupted):
            learn(tmp_path / "broken", At(step, raise_interrupted))
    with pytest.raises(CheckpointError, match="in the same order, with a seed if it is shuffled"):
        learn(tmp_path / "broken", At(0, None), seed=1)
    assert same(learn(tmp_path / "broken", At(0, None)), expected)


def test_a_signal_within_a_piece_that_is_not_saved_is_answered_before_the_next(
    tmp_path: Path,
) -> None:
    asked = At(3, lambda: os.kill(os.getpid(), signal.SIGTERM))
    strategy, benchmark, checkpoints = build(
        tmp_path, [asked], skip=[asked], every_experiences=4, labels=False
    )
    pieces = split_online_stream(benchmark.train_stream, 4, access_task_boundaries=True, seed=0)

    def learn() -> None:
        for piece in checkpoints.remaining(strategy, pieces):
            strategy.train(piece, eval_streams=[])

    with pytest.raises(SystemExit) as ended:
        learn()
    assert ended.value.code == 128 + signal.SIGTERM
    assert checkpoints.files[-1].name == "experience-00002.safetensors"
