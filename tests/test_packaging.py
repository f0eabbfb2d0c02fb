"""What pip installs: one top-level package, typed, and nothing of the evidence."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from runpy import run_path

import pytest
import yaml

from avalanche_mas import __version__

ROOT = Path(__file__).parents[1]
RELEASE = str(ROOT / ".ci" / "release.py")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel, and the source archive that it was made from."""
    for tool in ("build", "hatchling"):
        pytest.importorskip(tool, reason=f"{tool}, of the extra `dev`, is not installed")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("*.whl")), next(folder.glob("*.tar.gz"))


@pytest.fixture
def wheel(built: tuple[Path, Path]) -> list[str]:
    return zipfile.ZipFile(built[0]).namelist()


def test_the_wheel_has_one_top_level_package(wheel: list[str]) -> None:
    tops = {name.split("/")[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"avalanche_mas"}


def test_the_wheel_is_typed_and_complete(wheel: list[str]) -> None:
    package = ROOT / "avalanche_mas"
    sources = {
        str(file.relative_to(ROOT)) for file in package.rglob("*") if file.suffix in {".py", ".pyi"}
    }
    assert "avalanche_mas/importance/__init__.pyi" in sources, (
        "it is read when the room is imported"
    )
    assert sources <= set(wheel)
    assert "avalanche_mas/py.typed" in wheel


def test_the_wheel_is_of_the_version_that_the_package_says(wheel: list[str]) -> None:
    assert f"avalanche_mas-{__version__}.dist-info/METADATA" in wheel


def test_both_pass_what_a_release_must(built: tuple[Path, Path]) -> None:
    run_path(RELEASE)["check_contents"](*built)


def test_a_release_that_holds_more_is_refused(built: tuple[Path, Path], tmp_path: Path) -> None:
    wheel, archive = tmp_path / "more.whl", tmp_path / "more.tar.gz"
    check = run_path(RELEASE)["check_contents"]
    for made in ("benchmarks/results", "docs/_build"):
        with tarfile.open(archive, "w:gz") as more:
            more.add(ROOT / "README.md", f"a/{made}/it")
        with pytest.raises(SystemExit, match=f"holds 1 files in {made}, such as a/{made}/it"):
            check(built[0], archive)
    with zipfile.ZipFile(wheel, "w") as more:
        more.writestr("tests/__init__.py", "")
    with pytest.raises(SystemExit, match="holds tests, not avalanche_mas alone"):
        check(wheel, built[1])


def test_pre_commit_runs_the_tools_of_make_lint() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    entries = [hook["entry"].split() for hook in hooks["repos"][0]["hooks"]]
    said = [[word for word in words if word != "--force-exclude"] for words in entries]
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text("utf-8"), re.M)
    assert recipe
    lines = recipe[1].replace("$(VENV)", ".venv").splitlines()
    assert said == [[word for word in line.split() if word != "."] for line in lines]


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
