"""Files that are written completely or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from avalanche_mas.files import replacing
from avalanche_mas.tensor_files import write_tensors

pytestmark = pytest.mark.skipif(os.name == "nt", reason="permissions and links of POSIX")


def test_new_files_have_the_permissions_of_others(tmp_path: Path) -> None:
    for umask in (0o077, 0o002, 0o022):
        before = os.umask(umask)
        try:
            with replacing(tmp_path / "text") as file:
                file.write_text("x")
            write_tensors(tmp_path / "tensors", {"a": torch.ones(1)}, {})
        finally:
            os.umask(before)
        for name in ("text", "tensors"):
            assert (tmp_path / name).stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    link, there = tmp_path / "link", tmp_path / "folder" / "there"
    link.symlink_to(there)
    for text in ("first", "second"):
        with replacing(link) as file:
            file.write_text(text)
        assert link.is_symlink()
        assert there.read_text() == text
    assert list(there.parent.iterdir()) == [there]


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127], ids=["letters", "letters of two bytes"])
def test_a_name_may_be_as_long_as_the_system_allows(name: str, tmp_path: Path) -> None:
    with replacing(tmp_path / name) as file:
        file.write_text("x")
    assert (tmp_path / name).read_text() == "x"
