"""Runs that are interrupted anywhere and go on, against the run that was not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from avalanche.training import Naive
from avalanche.training.plugins import ReplayPlugin, SupervisedPlugin
from torch import nn

from avalanche_mas import MASPlugin
from avalanche_mas.checkpoint import CheckpointError, Checkpoints, store
from tests.checkpoint.script import run
from tests.plugins.cases import MultiHead, task_incremental
from tests.processes import python_path

KINDS = ["replay", "class-replay", "cumulative", "ewc-lwf", "si", "stop"]
SCRIPT = [sys.executable, "-m", "tests.checkpoint.script"]

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


class Interrupted(BaseException):
    """Stands for the end of a process."""


def after(times: int) -> Any:
    """Return a function that interrupts when it is called for that time."""
    left = iter(range(times - 1))

    def happen() -> None:
        if next(left, None) is None:
            raise Interrupted

    return happen


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The numbers of a run that nothing interrupts."""

    @cache
    def of(kind: str) -> dict[str, Any]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return run(str(tmp_path_factory.mktemp(kind)), kind)

    return of


@pytest.fixture(autouse=True)
def restored_random_states() -> Iterator[None]:
    with torch.random.fork_rng():
        yield


@pytest.mark.parametrize("kind", KINDS)
def test_goes_on_to_the_bit(kind: str, tmp_path: Path, undisturbed: Any) -> None:
    """Interrupted in every part: in training, with saved steps behind it, and in evaluation."""
    for times in (2, 9, 5, 16, 21, 4):
        with pytest.raises(Interrupted):
            run(str(tmp_path), kind, after(times))
    assert run(str(tmp_path), kind) == undisturbed(kind)


def test_goes_on_where_the_replay_buffer_has_begun_again(tmp_path: Path, undisturbed: Any) -> None:
    """In the middle of the epoch, with random numbers that depend on the steps before."""
    with pytest.raises(Interrupted):
        run(str(tmp_path), "replay", after(60))
    assert store.Store(tmp_path, 2).places()[-1] == (2, 9)
    assert run(str(tmp_path), "replay") == undisturbed("replay")


def test_goes_on_after_a_kill_at_any_moment(tmp_path: Path, undisturbed: Any) -> None:
    """Also while a file is written."""
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    how: dict[str, Any] = {"env": {**os.environ, **threads, "PYTHONPATH": python_path()}}
    for kill_at in (4, 61, 111):
        assert (
            subprocess.run(
                [*SCRIPT, tmp_path, "ewc-lwf", str(kill_at)], check=False, **how
            ).returncode
            == -9
        )
    done = subprocess.run([*SCRIPT, tmp_path, "ewc-lwf"], check=True, capture_output=True, **how)
    assert json.loads(done.stdout) == json.loads(json.dumps(undisturbed("ewc-lwf")))
    assert b"resuming from" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_signal_is_answered_with_a_checkpoint(tmp_path: Path, undisturbed: Any) -> None:
    steps, before = iter(range(8)), signal.getsignal(signal.SIGTERM)

    def ask_to_end() -> None:
        if next(steps, None) is None:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit) as ended:
        run(str(tmp_path), "ewc-lwf", ask_to_end)
    assert ended.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before
    assert store.Store(tmp_path, 2).places()[-1] == (0, 9)  # after the step under way, the ninth
    assert run(str(tmp_path), "ewc-lwf") == undisturbed("ewc-lwf")


def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path, undisturbed: Any) -> None:
    with pytest.raises(Interrupted):
        run(str(tmp_path), "ewc-lwf", after(14))
    places = store.Store(tmp_path, 2).places()
    file = tmp_path / places[-1].file
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.warns(UserWarning, match=rf"{file.name} .*damaged.*looking for an earlier"):
        found = run(str(tmp_path), "ewc-lwf")
    assert found == undisturbed("ewc-lwf")


def test_says_when_none_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "experience-00000.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match="can be read; remove the folder to start over"):
        run(str(tmp_path), "si")


@pytest.mark.parametrize("on_failure", ["raise", "warn"])
def test_a_full_disk(
    on_failure: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: Any
) -> None:
    """What was saved before is there still."""
    expected = undisturbed("ewc-lwf")
    write, left = store.write_tensors, iter(range(3))

    def fill(*args: Any) -> None:
        if next(left, None) is None:
            raise OSError(28, "No space left on device")
        write(*args)

    monkeypatch.setattr(store, "write_tensors", fill)
    if on_failure == "raise":
        with pytest.raises(OSError, match="No space left"):
            run(str(tmp_path), "ewc-lwf", on_failure=on_failure)
    else:
        with pytest.warns(
            UserWarning, match="no checkpoint of experience .*No space.*training goes on"
        ):
            assert run(str(tmp_path), "ewc-lwf", on_failure=on_failure) == expected
    monkeypatch.undo()
    assert len(store.Store(tmp_path, 2).places()) == 3
    assert run(str(tmp_path), "ewc-lwf") == expected


def test_checkpoints_without_the_beginning_of_their_experience_are_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: Any
) -> None:
    """They could not be gone on from, and would take the place of those that can."""
    write, failing = store.write_tensors, ["experience-00001.safetensors"]

    def fail_once(*args: Any) -> None:
        if args[0].name in failing:
            failing.remove(args[0].name)
            raise OSError(28, "No space left on device")
        write(*args)

    monkeypatch.setattr(store, "write_tensors", fail_once)
    with (
        pytest.warns(UserWarning, match="no checkpoint of experience 1"),
        pytest.raises(Interrupted),
    ):
        run(str(tmp_path), "ewc-lwf", after(35), on_failure="warn")
    monkeypatch.undo()
    assert store.Store(tmp_path, 2).places()[-1] == (0, 15)
    assert run(str(tmp_path), "ewc-lwf") == undisturbed("ewc-lwf")


def test_what_is_written_takes_the_place_of_damaged_later_ones(tmp_path: Path) -> None:
    kept = store.Store(tmp_path, 1)
    for place in (store.Place(0), store.Place(0, 100), store.Place(0, 200)):
        kept.write(place, {}, {"a": torch.ones(1)})
    (tmp_path / store.Place(0, 300).file).write_bytes(b"damaged")
    kept.write(store.Place(0, 250), {}, {"a": torch.ones(1)})
    assert kept.places() == [store.Place(0), store.Place(0, 250)]


def test_runs_of_many_experiences(tmp_path: Path) -> None:
    kept = store.Store(tmp_path, 2)
    for number in (99_998, 99_999, 100_000, 100_001, 100_002):
        kept.write(store.Place(number), {}, {})
    assert kept.places() == [store.Place(100_001), store.Place(100_002)]
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_signal_in_an_evaluation_between_epochs_loses_no_step(tmp_path: Path) -> None:
    """It waits for the next batch, before which it saves."""
    steps = iter(range(16))  # an epoch of five batches, and into the evaluation after it

    def ask_to_end() -> None:
        if next(steps, None) == 15:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit):
        run(str(tmp_path), "stop", ask_to_end)
    (*_, last) = store.Store(tmp_path, 2).places()
    assert last == (0, 5)


def test_the_method_knows_that_it_is_within_a_task_when_training_goes_on(tmp_path: Path) -> None:
    seen = list[bool]()

    class Watching(SupervisedPlugin):
        def after_training_iteration(self, *_: Any, **__: Any) -> None:
            seen.append(mas.between_tasks)
            if len(seen) == 2:  # a step after the checkpoint
                raise Interrupted

    for _ in range(2):
        mas = MASPlugin(accumulation="sum")
        checkpoints, watching = Checkpoints(tmp_path, every_steps=1), Watching()
        strategy = strategy_with(mas, checkpoints, watching)
        with suppress(Interrupted):
            for experience in checkpoints.remaining(strategy, task_incremental(1).train_stream):
                strategy.train(experience)
    assert len(seen) == 3
    assert not any(seen)


def test_a_second_training_on_an_experience_is_refused(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    strategy = strategy_with(checkpoints)
    experience = next(checkpoints.remaining(strategy, task_incremental(1).train_stream))
    strategy.train(experience)
    with pytest.raises(RuntimeError, match="trained on already; train once on each"):
        strategy.train(experience)


def strategy_with(*plugins: Any) -> Any:
    model = MultiHead()
    return Naive(
        model=model,
        optimizer=torch.optim.SGD(model.parameters(), 0.1),
        criterion=nn.CrossEntropyLoss(),
        train_mb_size=10,
        plugins=list(plugins),
    )


class Counting(SupervisedPlugin):
    """A plugin of a user that forgets."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def before_training_exp(self, *_: Any, **__: Any) -> None:
        self.count += 1


class Remembering(Counting):
    """One that does not."""

    def state_dict(self) -> dict[str, Any]:
        return {"count": self.count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.count = state["count"]


def test_a_plugin_without_state_dict_is_refused_before_training_or_named(tmp_path: Path) -> None:
    stream = task_incremental(2).train_stream
    checkpoints = Checkpoints(tmp_path)
    with pytest.raises(CheckpointError, match=r"Counting.*state_dict.*skip="):
        next(checkpoints.remaining(strategy_with(Counting(), checkpoints), stream))
    forgetting = Counting()
    checkpoints = Checkpoints(tmp_path, skip=[forgetting])
    strategy = strategy_with(forgetting, Remembering(), checkpoints)
    for experience in checkpoints.remaining(strategy, stream):
        strategy.train(experience)
    forgetting, remembering = Counting(), Remembering()
    checkpoints = Checkpoints(tmp_path, skip=[forgetting])
    assert not list(
        checkpoints.remaining(strategy_with(forgetting, remembering, checkpoints), stream)
    )
    assert (forgetting.count, remembering.count) == (0, 2)


def test_a_buffer_of_samples_that_several_experiences_have_is_refused(tmp_path: Path) -> None:
    """As of permuted images: what a sample is depends on its experience."""
    (first, *_) = task_incremental(1).train_stream
    checkpoints = Checkpoints(tmp_path)
    strategy = strategy_with(ReplayPlugin(8), checkpoints)
    remaining = checkpoints.remaining(strategy, [first, first])
    strategy.train(next(remaining))
    with pytest.raises(
        CheckpointError, match=r"ReplayPlugin\.storage_policy.*8 samples.*in several"
    ):
        next(remaining)


def test_another_run_is_refused(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    for _ in checkpoints.remaining(strategy_with(checkpoints), task_incremental(2).train_stream):
        break
    with pytest.raises(CheckpointError, match=r"with .*20 samples .*, and this one has"):
        next(checkpoints.remaining(strategy_with(checkpoints), task_incremental(3).train_stream))
    strategy = strategy_with(Remembering(), checkpoints)
    with pytest.raises(CheckpointError, match=r"of the plugins.*the strategy has.*Remembering"):
        next(checkpoints.remaining(strategy, task_incremental(2).train_stream))
    with pytest.raises(ValueError, match="pass this plugin to the strategy"):
        next(checkpoints.remaining(strategy_with(), task_incremental(2).train_stream))


@pytest.mark.parametrize(
    "options",
    [{"keep": 0}, {"every_steps": 0}, {"every_minutes": -1.0}, {"on_failure": "no"}],
    ids=str,
)
def test_refuses_options(options: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(options))}.*{next(iter(options.values()))}"):
        Checkpoints(tmp_path, **options)


def test_what_a_killed_process_had_half_written_is_removed_by_the_next_that_trains(
    tmp_path: Path,
) -> None:
    half = tmp_path / "experience-00001.safetensorsabc.tmp"
    half.write_bytes(b"half")
    stream, checkpoints = task_incremental(1).train_stream, Checkpoints(tmp_path)
    strategy = strategy_with(checkpoints)
    Checkpoints(tmp_path).restore(strategy, stream)  # a process may be writing it
    assert half.exists()
    next(checkpoints.remaining(strategy, stream))
    assert not half.exists()
