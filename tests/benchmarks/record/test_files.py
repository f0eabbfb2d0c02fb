"""Files written in one step."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.record.files import write_atomically, write_json


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
