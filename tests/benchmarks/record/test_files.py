"""Files written in one step."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path

import pytest

from benchmarks.record.files import read_json, write_atomically, write_json
from benchmarks.record.visible import visible


def test_a_file_is_replaced_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "new" / "result.json"
    write_json(file, {"Ω": [0.5, None]})
    assert json.loads(file.read_text(encoding="utf-8")) == {"Ω": [0.5, None]}

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(file, "half")
    assert json.loads(file.read_text(encoding="utf-8")) == {"Ω": [0.5, None]}
    assert list(file.parent.iterdir()) == [file]


def test_what_other_readers_do_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "result.json", [float("nan")])
    assert list(tmp_path.iterdir()) == []


def test_the_content_and_then_the_name_are_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    rename = Path.replace

    def sync(opened: int) -> None:
        folder = stat.S_ISDIR(os.fstat(opened).st_mode)
        done.append("folder" if folder else f"{os.fstat(opened).st_size} bytes")

    def replace(path: Path, target: Path) -> Path:
        done.append("rename")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(Path, "replace", replace)
    write_atomically(tmp_path / "result.json", "{}")
    assert done == ["2 bytes", "rename", "folder"]


@pytest.mark.parametrize(("code", "allowed"), [(errno.EINVAL, True), (errno.EIO, False)])
def test_folders_that_cannot_be_synced(
    code: int, allowed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sync(opened: int) -> None:
        if stat.S_ISDIR(os.fstat(opened).st_mode):
            raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", sync)
    if allowed:
        write_atomically(tmp_path / "result.json", "{}")
    else:
        with pytest.raises(OSError, match="Input/output error"):
            write_atomically(tmp_path / "result.json", "{}")
    assert [file.read_text() for file in tmp_path.iterdir()] == ["{}"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[" * 10**5 + "]" * 10**5, "nested too deeply"),
        ('{"a":' * 60 + "1" + "}" * 60, "nested too deeply"),
        ("[1, ", "Expecting value"),
        ("[NaN]", "NaN is no number of JSON"),
        ("\udcff", "utf-8"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, content: str, reason: str) -> None:
    file = tmp_path / "result.json"
    file.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(ValueError, match=reason) as caught:
        read_json(file)
    assert str(caught.value).startswith(f"{file} cannot be read (")


def test_what_a_terminal_would_obey_is_written_as_escapes() -> None:
    assert visible("Ω — 1\n\t2") == "Ω — 1\n\t2"
    assert visible("\x1b[2J\r\x9b\u202e\udcff") == r"\x1b[2J\r\x9b\u202e\udcff"
