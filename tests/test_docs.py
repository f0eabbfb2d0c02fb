"""The code in the documents runs as it stands."""

from __future__ import annotations

import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks.__main__ import COMMANDS as MODULES
from benchmarks.commands import demo
from benchmarks.commands.options import Options, parse
from benchmarks.commands.plan import plan
from benchmarks.record.folders import is_finished
from benchmarks.report.numbers.groups import group
from benchmarks.report.numbers.runs import read_runs
from benchmarks.run.names import folder_of
from tests.benchmarks.run_folders import write_run
from tests.processes import OFFLINE, run_python

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
NEEDS = pytest.mark.skipif(not find_spec("transformers"), reason="transformers is not installed")
BLOCKS = [
    pytest.param(
        code, id=f"{page.stem}-{number}", marks=[NEEDS] if "from transformers" in code else []
    )
    for page in PAGES
    for number, code in enumerate(
        re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S)
    )
]


@pytest.mark.parametrize("code", BLOCKS)
def test_code_runs(code: str, tmp_path: Path) -> None:
    """In a process of its own, as it registers things."""
    done = run_python("-W", "ignore", "-c", code, cwd=tmp_path, **OFFLINE)
    assert done.returncode == 0, done.stderr
    if "WandBLogger" in code:
        assert len(list(tmp_path.glob("wandb/offline-run-*/run-*.wandb"))) == 1
    if "TensorboardLogger" in code:
        assert len(list(tmp_path.glob("tensorboard/events.*"))) == 1


YOUR_OWN = (ROOT / "docs" / "your-own.md").read_text(encoding="utf-8")
OWN_COMMAND = re.compile(r"^python -m benchmarks (.* my-\w+)$", re.M)
OWN_FOLDERS = ("my-model", "my-stream", "my-method")


def test_what_is_your_own_is_run_and_reported(tmp_path: Path) -> None:
    """The files of the page, and its commands with fewer epochs, from another folder."""
    for name, code in re.findall(r"```python\n# (my_\w+\.py)\n(.*?)```", YOUR_OWN, re.S):
        (tmp_path / name).write_text(code, encoding="utf-8")
    said = ""
    for line in OWN_COMMAND.findall(YOUR_OWN):
        words = shlex.split(line)
        fewer = ["--epochs", "1"] * (words[0] == "run")
        done = run_python("-m", "benchmarks", *words, *fewer, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        said += done.stdout
    runs = [len(list(tmp_path.glob(f"{name}/*/**/result.json"))) for name in OWN_FOLDERS]
    assert runs == [1, 2, 2]
    assert "Weight decay" in said.split("Accuracy after two tasks")[1]


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
            assert target.startswith("https://") or (page.parent / target).exists(), (page, target)


COMMANDS = [
    pytest.param(shlex.split(line, comments=True)[3:], id=f"{page.stem}: {line.partition('#')[0]}")
    for page in [ROOT / "README.md", *PAGES]
    for line in re.findall(r"^.*python -m benchmarks .*$", page.read_text("utf-8"), re.M)
    if line.startswith((".venv", "python")) and not OWN_COMMAND.match(line)
]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_understood(command: list[str]) -> None:
    """Those that train are planned, the others at least there."""
    name, *arguments = command
    if name not in ("run", "tune"):
        assert name in MODULES
    else:
        assert plan(parse(name, "", arguments))


def do(options: Options, home: Path) -> None:
    """Leave what a command line does, as if it had done it in this folder."""
    output = home / options.output.relative_to(options.output.anchor)
    for run in plan(options):
        folder, config = folder_of(run, output), run.as_json()
        if not is_finished(folder, run):
            made = write_run(home / "made", config.pop("method"), config.pop("seed"), **config)
            folder.parent.mkdir(parents=True, exist_ok=True)
            made.rename(folder)


def test_whoever_copies_all_commands_is_refused_nothing(tmp_path: Path) -> None:
    """No folder is asked to hold two configurations, and what is together can be reported."""
    do(demo.demo_options(demo.FOLDER), tmp_path)
    reported = [demo.FOLDER]
    for name, *arguments in [command.values[0] for command in COMMANDS]:
        if name == "run":
            do(parse(name, "", arguments), tmp_path)
        elif name == "report":
            reported.append(Path(arguments[0]))
    assert len(reported) == 3
    for folder in reported:
        assert group(read_runs([tmp_path / folder]))


def test_commands_are_found() -> None:
    assert {"run", "data", "report"} <= {command.values[0][0] for command in COMMANDS}
