"""The measurement of cached decoding: that it measures what it says, not how fast it is."""

import json
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.commands.speed import decoding, main


def test_quick_measurement_and_its_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["decoding", "--quick", "--output", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "decoding.json").read_text(encoding="utf-8"))
    assert found["transforms"].keys() == {"shift", "paper"}
    ways = {"decoded every time", "in memory", "in a mapped file"}
    for row in found["transforms"].values():
        assert row["seconds"].keys() == ways
        assert row["times_as_fast"]["in memory"]["median"] > 0
    table = decoding.table(found)
    assert "| shift |" in table
    assert f"{found['jpeg_bytes'] / 8 / 1000:.0f} kB each" in table
    assert table in capsys.readouterr().out


def test_photographs_are_as_large_as_real_ones(tmp_path: Path) -> None:
    length = decoding._write_photographs(tmp_path, 2)
    assert 30_000 < length / 2 < 150_000
    with Image.open(tmp_path / "indoorCVPR_09" / "Images" / "room" / "1.jpg") as image:
        assert image.size == (500, 375)
