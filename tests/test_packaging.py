"""What pip installs: one top-level package, typed, and nothing of the evidence."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

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


def test_the_citation_is_of_that_version_and_of_the_paper() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["version"] == __version__
    assert cited["cff-version"] == "1.2.0"
    assert cited["preferred-citation"]["title"].startswith("Memory Aware Synapses")


def test_the_public_workflow_runs_what_a_change_must_pass() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    job = workflow["jobs"]["ci"]
    assert job["steps"][-1] == {"run": ".ci/run"}
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    named = re.findall(r"Python :: (3\.\d+)", project)
    assert job["strategy"]["matrix"]["python"] == [named[0], named[-1]]


def test_the_constraints_pin_versions_and_name_no_address() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all("==" in pin.split(";")[0] for pin in pins)
    assert not [line for line in lines if "://" in line or line.startswith("-")]
