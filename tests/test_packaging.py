"""What pip installs: one top-level package, typed, and nothing of the evidence."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from avalanche_mas import __version__

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    for tool in ("build", "hatchling"):
        pytest.importorskip(tool, reason=f"{tool}, of the extra `dev`, is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*command, str(ROOT)], check=True, capture_output=True)
    (file,) = folder.glob("*.whl")
    return zipfile.ZipFile(file).namelist()


def test_the_wheel_has_one_top_level_package(wheel: list[str]) -> None:
    tops = {name.split("/")[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"avalanche_mas"}


def test_the_wheel_is_typed_and_complete(wheel: list[str]) -> None:
    package = ROOT / "avalanche_mas"
    sources = {str(file.relative_to(ROOT)) for file in package.rglob("*.py")}
    assert sources <= set(wheel)
    assert "avalanche_mas/py.typed" in wheel


def test_the_wheel_is_of_the_version_that_the_package_says(wheel: list[str]) -> None:
    assert f"avalanche_mas-{__version__}.dist-info/METADATA" in wheel


def test_the_constraints_pin_versions_and_name_no_address() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all("==" in pin.split(";")[0] for pin in pins)
    assert not [line for line in lines if "://" in line or line.startswith("-")]
