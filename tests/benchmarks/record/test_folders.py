"""Whether a run folder is finished, whatever happened to its result, and whether it can be written."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.commands.options import Options
from benchmarks.commands.plan import plan
from benchmarks.record.files import write_json
from benchmarks.record.folders import check_writable, folders_with, is_finished
from benchmarks.record.schema import CHECKPOINTS, CONFIG, RESULT

(SETTINGS,) = plan(Options("two-tasks", ("mas",), ("letters", "svhn")))
RESULT_OF_TWO: dict[str, Any] = {
    "accuracy": [[0.5, None], [0.25, 1]],
    "tasks": ["letters", "svhn"],
    "classes": [3, 4],
    "stand_ins": [],
    "seconds": {"train": [1.0, 2], "importance": [0.5, 0.5], "eval": [1.0, 1.0], "total": 9.0},
    "peak_memory_mb": 500.0,
    "stored_mb": 2.5,
    "memory_mb": {"network": [1.0, 1.0], "stored": [0.0, 1.0]},
    "finished": "2026-01-01T00:00:00+00:00",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_json(tmp_path / CONFIG, SETTINGS.as_json())
    write_json(tmp_path / RESULT, RESULT_OF_TWO)
    return tmp_path


def test_a_result_is_finished_even_of_a_newer_version(folder: Path) -> None:
    assert is_finished(folder, SETTINGS)
    write_json(folder / RESULT, {**RESULT_OF_TWO, "new": 1})
    assert is_finished(folder, SETTINGS)


def changed(**changes: Any) -> bytes:
    return json.dumps({**RESULT_OF_TWO, **changes}).encode()


SECONDS = RESULT_OF_TWO["seconds"]
DAMAGE = {
    "Expecting value: line 1": b"",
    "Expecting ',' delimiter": changed()[:-1],
    "codec can't decode": b"\xff\xfe",
    "it is '[]', expected an object": b"[]",
    "it lacks 'accuracy'": b"{}",
    "it['classes'] is 'None'": changed(classes=None),
    "it['classes'][1] is '2.5'": changed(classes=[1, 2.5]),
    "it['accuracy'][1][0] is 'a half'": changed(accuracy=[[0.5, None], ["a half", 1]]),
    "it['accuracy'][1][0] is 'True'": changed(accuracy=[[0.5, None], [True, 1]]),
    "it['seconds'] lacks 'eval'": changed(seconds={n: SECONDS[n] for n in SECONDS if n != "eval"}),
    "it['seconds']['choosing'] is '3'": changed(seconds={**SECONDS, "choosing": 3}),
    "it['memory_mb']['stored'][0] is 'None'": changed(memory_mb={"stored": [None]}),
    "rows of [2] accuracies": changed(accuracy=[[0.5, 0.5]]),
    "rows of [2, 1] accuracies": changed(accuracy=[[0.5, 0.5], [0.5]]),
    "has tasks ['birds', 'svhn']": changed(tasks=["birds", "svhn"]),
}


@pytest.mark.parametrize("why", DAMAGE)
def test_a_damaged_result_is_not_finished(why: str, folder: Path) -> None:
    (folder / RESULT).write_bytes(DAMAGE[why])
    with pytest.raises(OSError, match=r"; there is no checkpoint to resume") as caught:
        is_finished(folder, SETTINGS)
    assert str(caught.value).startswith(f"{folder / RESULT} ")
    assert why in str(caught.value)
    assert f"remove {folder}, and the same command" in str(caught.value)
    (folder / CHECKPOINTS).mkdir()
    (folder / CHECKPOINTS / "experience-00000.safetensors").touch()
    said: list[str] = []
    assert not is_finished(folder, SETTINGS, said.append)
    (line,) = said
    assert why in line
    assert line.endswith(f"; resumes from {folder / CHECKPOINTS}")


def test_where_nothing_can_be_written_is_told_and_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_writable(tmp_path / "runs" / "mas" / "seed0")
    monkeypatch.chdir(tmp_path)
    check_writable(Path("runs/mas"))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"file cannot be written to \(Not a directory\); choose an"):
        check_writable(tmp_path / "file" / "mas")


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not hold a superuser")
def test_a_folder_without_permission_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match=r"cannot be written to \(Permission denied\)"):
        check_writable(tmp_path / "runs")


def test_folders_that_vanish_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a/seed0", "b/seed0", "b/seed1", "c"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / CONFIG).touch()
    (tmp_path / "b/seed1" / CONFIG).unlink()
    scan: Callable[..., Any] = os.scandir

    def vanishing(path: Any) -> Any:
        if Path(path).name == "a":
            raise FileNotFoundError(path)
        return scan(path)

    assert folders_with(CONFIG, [tmp_path]) == {
        tmp_path / name for name in ("a/seed0", "b/seed0", "c")
    }
    monkeypatch.setattr(os, "scandir", vanishing)
    assert folders_with(CONFIG, [tmp_path]) == {tmp_path / "b/seed0", tmp_path / "c"}
