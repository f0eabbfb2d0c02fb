"""Tuning: the strengths it tries, and what it records of them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.commands.options import parse
from benchmarks.commands.plan import TUNING_SEED
from benchmarks.commands.tune import tune
from benchmarks.methods import METHODS
from benchmarks.record.code_version import code_version
from benchmarks.record.settings import Settings
from benchmarks.run.job import Job
from tests.benchmarks.command_lines import TINY

# Avalanche's Synaptic Intelligence hands a tensor to np.square.
pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning")


def test_tuning_tries_as_many_strengths_for_every_method_and_keeps_every_curve(
    tiny: list[Job],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("benchmarks.record.tuned.TUNING", tmp_path / "results")
    monkeypatch.setattr("benchmarks.commands.tune.FURTHER", 0)
    several = ["eight-tasks", *TINY, "--seeds", "2", "--output", str(tmp_path / "runs")]
    chosen = parse("tune", "", several)
    assert tune(chosen) == 0
    said = capsys.readouterr().out
    content = json.loads((tmp_path / "results" / "eight-tasks-drawn.json").read_text())
    own = {n for n, one in METHODS.items() if one.tuned_as is None and not one.variant_of}
    assert set(content["methods"]) == own
    for name, entry in content["methods"].items():
        strengths = [point["strength"] for point in entry["curve"]]
        assert strengths == list(METHODS[name].grid or (None,))
        assert len(strengths) == (9 if METHODS[name].strength else 1)
        assert all(len(point["accuracy"]) == 2 for point in entry["curve"])
        assert entry["code"] == [code_version()]
        means = {p["strength"]: sum(p["accuracy"]) / 2 for p in entry["curve"]}
        assert means[entry["strength"]] == max(means.values())
        if METHODS[name].strength:
            assert f"{name}: {entry['strength']:g}" in said
        together = METHODS[name].joint
        assert all((point["forgetting"] is None) == together for point in entry["curve"])
    assert {job.settings.seed for job in tiny} == {TUNING_SEED, TUNING_SEED + 1}
    assert {job.settings.evaluated_on for job in tiny} == {"valid"}
    assert content["configuration"]["epochs"] == 1
    assert "seed" not in content["configuration"]
    trained = len(tiny)
    assert tune(chosen) == 0
    assert len(tiny) == trained  # all of them are there
    longer = parse("tune", "", ["eight-tasks", *TINY, "--epochs", "2", "--methods", "ebll"])
    alternatives = "tune alike, or .*: run with --choose framework, or .* --lambda VALUE"
    with pytest.raises(ValueError, match=f"epochs is 1 there, 2 here; {alternatives}"):
        tune(longer)
    assert len(tiny) == trained


def train_to(
    accuracy: Callable[[float], float | None], monkeypatch: pytest.MonkeyPatch, results: Path
) -> list[float]:
    """Let every run end with an accuracy, or break at None; return the strengths that were run."""
    launched = list[float]()

    def train(_: object, runs: list[tuple[Settings, Path]]) -> int:
        assert runs
        for run, folder in runs:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "config.json").write_text(json.dumps(run.as_json()))
            (folder / "versions.json").write_text('{"code": null}')
            assert run.strength is not None
            if (folder / "result.json").exists():
                continue
            launched.append(run.strength)
            reached = accuracy(math.log10(run.strength / (METHODS["mas"].centre or 0)))
            if reached is None:
                (folder / "error.log").write_text("...\nFloatingPointError: the loss is nan\n")
            else:
                row = [[1.0, None], [reached, reached]]
                (folder / "result.json").write_text(json.dumps({"accuracy": row}))
        return 0

    monkeypatch.setattr("benchmarks.record.tuned.TUNING", results)
    monkeypatch.setattr("benchmarks.commands.tune.launch", train)
    return launched


@pytest.mark.parametrize(
    ("peak", "slope", "added"),
    [
        (0.0, 0.08, (0, 0)),  # within 5 points: half a decade to either side
        (-2.0, 0.08, (2, 0)),
        (1.5, 0.08, (0, 1)),
        (0.0, 0.01, (3, 3)),  # the ends never show
        (9.0, 0.08, (0, 3)),
    ],
)
def test_the_grid_grows_until_both_ends_show(
    peak: float,
    slope: float,
    added: tuple[int, int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train_to(lambda decades: 0.9 - slope * abs(decades - peak), monkeypatch, tmp_path)
    arguments = ["eight-tasks", "--methods", "mas", "--output", str(tmp_path / "runs")]
    assert tune(parse("tune", "", arguments)) == 0
    entry = json.loads((tmp_path / "eight-tasks-drawn.json").read_text())["methods"]["mas"]
    strengths = [point["strength"] for point in entry["curve"]]
    assert strengths == sorted(strengths)
    grid = METHODS["mas"].grid
    weaker = sum(one < grid[0] for one in strengths)
    stronger = sum(one > grid[-1] for one in strengths)
    assert (weaker, stronger) == added
    assert {float(f"{one:e}".partition("e")[0]) for one in strengths} == {
        1.0,
        3.16,
    }  # 1 follows 0.316
    assert all(b / a == pytest.approx(math.sqrt(10), rel=0.01) for a, b in pairwise(strengths))
    assert entry["at_edge"] == (peak > 4)
    if not entry["at_edge"]:
        assert entry["strength"] == pytest.approx(10.0**peak, rel=0.01)


def test_a_strength_that_breaks_training_counts_as_zero_and_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched = train_to(
        lambda decades: None if decades > 1 else 0.5 + 0.1 * decades, monkeypatch, tmp_path
    )
    arguments = ["eight-tasks", "--methods", "mas", "--output", str(tmp_path / "runs")]
    for _ in range(2):
        (tmp_path / "eight-tasks-drawn.json").unlink(missing_ok=True)
        assert tune(parse("tune", "", arguments)) == 0
    entry = json.loads((tmp_path / "eight-tasks-drawn.json").read_text())["methods"]["mas"]
    assert entry["strength"] == pytest.approx(10.0)
    broken = [point for point in entry["curve"] if point["stopped"]]
    assert [point["accuracy"] for point in broken] == [[0.0], [0.0]]
    assert all(point["learned"] is None for point in broken)
    assert len(launched) == len(set(launched)) == 9


def test_a_grid_whose_every_strength_breaks_training_is_not_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched = train_to(lambda _: None, monkeypatch, tmp_path)
    asked = parse("tune", "", ["eight-tasks", "--methods", "mas", "--output", str(tmp_path / "r")])
    assert tune(asked) == 0
    tried = len(launched)
    (tmp_path / "eight-tasks-drawn.json").unlink()
    assert tune(asked) == 0
    assert len(launched) == tried


def test_what_another_configuration_broke_is_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched = train_to(lambda _: None, monkeypatch, tmp_path)
    asked = ["eight-tasks", "--methods", "mas", "--output", str(tmp_path / "runs")]
    assert tune(parse("tune", "", [*asked, "--learning-rate", "1e5"])) == 0
    tried = len(launched)
    file = tmp_path / "eight-tasks-drawn.json"
    file.unlink()
    assert tune(parse("tune", "", [*asked, "--learning-rate", "0.01"])) == 0
    assert len(launched) == 2 * tried
    assert json.loads(file.read_text())["configuration"]["learning_rate"] == 0.01


def test_a_place_for_the_strengths_that_cannot_be_written_is_told_before_any_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched = train_to(lambda _: 0.5, monkeypatch, tmp_path / "file" / "tuning")
    (tmp_path / "file").touch()
    asked = ["eight-tasks", "--methods", "mas", "--output", str(tmp_path / "runs")]
    with pytest.raises(OSError, match=r"file cannot be written to .*: make that folder writable"):
        tune(parse("tune", "", asked))
    assert launched == []


def test_experiments_that_use_the_strengths_of_another_are_not_tuned() -> None:
    for name in ("two-tasks", "importance-data", "adaptation"):
        with pytest.raises(
            ValueError, match=f"{name} uses the strengths of eight-tasks; tune that"
        ):
            tune(parse("tune", "", [name]))


def test_tuning_chooses_strengths_itself() -> None:
    for arguments in (["--strength", "mas=1"], ["--lambda", "1"], ["--choose", "framework"]):
        with pytest.raises(ValueError, match="leave out --strength, --lambda and --choose"):
            tune(parse("tune", "", ["eight-tasks", *arguments]))
    with pytest.raises(ValueError, match="leave out --evaluate-on test"):
        tune(parse("tune", "", ["eight-tasks", "--evaluate-on", "test"]))
    with pytest.raises(ValueError, match="none of fine-tuning, si has a strength to tune"):
        tune(parse("tune", "", ["eight-tasks", "--methods", "fine-tuning", "si"]))
