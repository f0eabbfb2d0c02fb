"""Users who change the script, share a folder, or copy files into it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from avalanche.training import Naive
from avalanche.training.plugins import EWCPlugin, ReplayPlugin
from torch import nn, optim

from avalanche_mas import MASPlugin
from avalanche_mas.checkpoint import CheckpointError, Checkpoints, identity, store
from tests.checkpoint.test_every_strategy import At, Interrupted
from tests.plugins.cases import single_head, task_incremental

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def learn(folder: Path, at: At | None = None, tasks: int = 2, **changed: Any) -> Any:
    """Run a script, with what its user has changed in it; interrupted after a step with `at`."""
    torch.manual_seed(1)
    at = at or At()
    saving = {"every_steps": 1, "say": str, **changed.pop("saving", {})}
    checkpoints = Checkpoints(folder, skip=[at], **saving)
    model = changed.pop("model", single_head)()
    optimizer = changed.pop("optimizer", optim.SGD)(model.parameters(), changed.pop("lr", 0.1))
    plugins = changed.pop("plugins", plugins_with)()
    change = changed.pop("change", dict)()
    strategy = Naive(
        model=model,
        optimizer=optimizer,
        criterion=nn.CrossEntropyLoss(),
        plugins=[*plugins, at, checkpoints],
        evaluator=None,
        **{"train_mb_size": 4, "train_epochs": 2, **changed},
    )
    for experience in checkpoints.remaining(strategy, task_incremental(tasks).train_stream):
        vars(strategy).update(change)
        strategy.train(experience)
    return model.state_dict()


def plugins_with(**options: Any) -> list[Any]:
    return [EWCPlugin(0.1), ReplayPlugin(8), MASPlugin(**{"accumulation": "sum", **options})]


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """A run that was interrupted in its second task, and whose process has ended."""
    with pytest.raises(Interrupted):
        learn(tmp_path / "begun", At("train", 13))
    return tmp_path / "begun"


def net(width: int, name: str = "1") -> nn.Module:
    model = single_head()
    del model[1]
    model.add_module(name, nn.Linear(8, width))
    return model


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"train_mb_size": 5}, "train_mb_size=4, .*and this one has train_mb_size=5"),
        ({"train_epochs": 3}, "train_epochs=2, and this one has train_epochs=3"),
        ({"change": lambda: {"train_mb_size": 5}}, "train_mb_size=4, and this one has"),
        ({"optimizer": optim.Adam}, "optimizer=SGD, .*and this one has optimizer=Adam"),
        ({"lr": 0.2}, r"optimizer\.0\.lr=0\.1, and this one has optimizer\.0\.lr=0\.2"),
        (
            {"plugins": lambda: [EWCPlugin(0.2), *plugins_with()[1:]]},
            r"EWCPlugin\.0\.ewc_lambda=0\.1",
        ),
        (
            {"plugins": lambda: plugins_with(lambda_reg=2.0)},
            r"MASPlugin\.0\.lambda_reg=1\.0, and this one has MASPlugin\.0\.lambda_reg=2\.0",
        ),
        ({"plugins": lambda: plugins_with(exclude="1.*")}, r"exclude=\(\), .*exclude=\('1\.\*',\)"),
        ({"plugins": lambda: plugins_with(penalty="gradient")}, "penalty='damped'"),
        (
            {"plugins": lambda: plugins_with()[1::-1]},
            "of the plugins .*build it as it was",
        ),
        ({"model": lambda: net(4)}, "another model.*size mismatch"),
        ({"model": lambda: net(3, "head")}, "another model.*Missing key"),
        ({"tasks": 1}, "of a stream with"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_a_changed_script_is_refused_with_what_differs(
    changed: dict[str, Any], said: str, begun: Path
) -> None:
    with pytest.raises(CheckpointError, match=f"(?s){said}"):
        learn(begun, **changed)


def test_what_is_changed_between_two_experiences_stays_and_within_one_is_refused(
    begun: Path,
) -> None:
    def change() -> tuple[Any, Any, Any]:
        model, at = single_head(), At()
        checkpoints = Checkpoints(begun, say=str, skip=[at])
        strategy: Any = Naive(
            model=model,
            optimizer=optim.SGD(model.parameters(), 0.1),
            criterion=nn.CrossEntropyLoss(),
            plugins=[*plugins_with(), at, checkpoints],
            evaluator=None,
            train_mb_size=4,
            train_epochs=2,
        )
        stream = task_incremental(2).train_stream
        checkpoints.restore(strategy, stream)
        strategy.optimizer.param_groups[0]["lr"] = 0.01
        return strategy, stream, checkpoints

    strategy, stream, checkpoints = change()
    with pytest.raises(CheckpointError, match=r"lr=0\.1, .*lr=0\.01.*between two experiences"):
        next(checkpoints.remaining(strategy, stream))
    for file in begun.glob("*step*"):
        file.unlink()
    strategy, stream, checkpoints = change()
    strategy.train(next(checkpoints.remaining(strategy, stream)))
    assert strategy.optimizer.param_groups[0]["lr"] == 0.01


@pytest.mark.parametrize(
    "saving", [{"every_steps": 4}, {"keep": 1}, {"every_minutes": 1.0}], ids=str
)
def test_when_to_save_may_change(saving: dict[str, Any], begun: Path, tmp_path: Path) -> None:
    expected = learn(tmp_path / "whole")
    found = learn(begun, saving=saving)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_files_of_another_run_are_refused(begun: Path, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        learn(tmp_path / "other", At("train", 15))
    newest = sorted((tmp_path / "other").glob("*step*"))[-1]
    shutil.copy(newest, begun)
    with pytest.raises(CheckpointError, match="are of several runs; remove those"):
        learn(begun)


def test_another_process_is_kept_out(begun: Path) -> None:
    script = (
        "import sys, pathlib; from avalanche_mas.checkpoint.lock import held\n"
        "with held(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script, begun], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(CheckpointError, match=rf"another process \({other.pid}\) trains with"):
            learn(begun)
    finally:
        other.kill()
        other.communicate()
    learn(begun)


def test_a_folder_that_cannot_be_written_says_so_and_is_read(
    begun: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(store, "write_tensors", refuse)
    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(OSError, match="Read-only"):
        learn(begun)
    assert learn(begun, saving={"on_failure": "warn"})


def test_another_version_of_torch_is_said(begun: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(identity, "_TORCH", "0.1")
    learn(begun, saving={"say": said.append})
    assert "this is 0.1: the last bits may differ" in said[0]
