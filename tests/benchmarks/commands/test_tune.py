"""Tuning: the strengths it tries, and what it records of them."""

from __future__ import annotations

import json
import math
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


def test_tuning_tries_as_many_strengths_for_every_method_and_keeps_all_scores(
    tiny: list[Job],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("benchmarks.record.tuned.TUNING", tmp_path / "results")
    monkeypatch.setattr("benchmarks.commands.tune.FURTHER", 0)
    chosen = parse("tune", "", ["eight-tasks", *TINY, "--output", str(tmp_path / "runs")])
    assert tune(chosen) == 0
    said = capsys.readouterr().out
    content = json.loads((tmp_path / "results" / "eight-tasks-drawn.json").read_text())
    assert set(content["methods"]) == {name for name in METHODS if METHODS[name].grid}
    for name, entry in content["methods"].items():
        assert [score["strength"] for score in entry["scores"]] == list(METHODS[name].grid)
        assert len(entry["scores"]) == 5
        assert entry["code"] == [code_version()]
        best = max(score["mean_accuracy"] for score in entry["scores"])
        picked = {s["strength"]: s["mean_accuracy"] for s in entry["scores"]}[entry["strength"]]
        assert picked == best
        assert f"{name}: {entry['strength']:g}" in said
    assert {job.settings.seed for job in tiny} == {TUNING_SEED}
    assert {job.settings.evaluated_on for job in tiny} == {"valid"}
    assert content["configuration"]["epochs"] == 1
    trained = len(tiny)
    assert tune(chosen) == 0
    assert len(tiny) == trained  # all of them are there
    longer = parse("tune", "", ["eight-tasks", *TINY, "--epochs", "2", "--methods", "lwf"])
    alternatives = "tune alike, or .*: run with --choose framework, or .* --lambda VALUE"
    with pytest.raises(ValueError, match=f"epochs is 1 there, 2 here; {alternatives}"):
        tune(longer)
    assert len(tiny) == trained


@pytest.mark.parametrize(("peak", "tried"), [(0, 5), (-2, 6), (3, 7), (9, 8), (-9, 8)])
def test_where_the_best_strength_is_at_the_edge_the_grid_goes_on(
    peak: int, tried: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(_: object, runs: list[tuple[Settings, Path]]) -> int:
        for run, folder in runs:
            decades = math.log10(run.strength or 0) - math.log10(METHODS["mas"].centre or 0)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "config.json").write_text("{}")
            (folder / "versions.json").write_text('{"code": null}')
            (folder / "result.json").write_text(
                json.dumps({"accuracy": [[0.5 - 0.01 * abs(decades - peak)]]})
            )
        return 0

    monkeypatch.setattr("benchmarks.record.tuned.TUNING", tmp_path)
    monkeypatch.setattr("benchmarks.commands.tune.launch", train)
    arguments = ["eight-tasks", "--methods", "mas", "--output", str(tmp_path / "runs")]
    assert tune(parse("tune", "", arguments)) == 0
    entry = json.loads((tmp_path / "eight-tasks-drawn.json").read_text())["methods"]["mas"]
    strengths = [score["strength"] for score in entry["scores"]]
    assert len(strengths) == tried
    assert strengths == sorted(strengths)
    assert entry["at_edge"] == (abs(peak) > 5)
    if not entry["at_edge"]:
        assert entry["strength"] == pytest.approx((METHODS["mas"].centre or 0) * 10.0**peak)


def test_experiments_that_use_the_strengths_of_another_are_not_tuned() -> None:
    for name in ("two-tasks", "importance-data", "adaptation"):
        with pytest.raises(
            ValueError, match=f"{name} uses the strengths of eight-tasks; tune that"
        ):
            tune(parse("tune", "", [name]))


def test_tuning_chooses_seed_and_strengths_itself() -> None:
    with pytest.raises(ValueError, match="leave out --seeds and --strength"):
        tune(parse("tune", "", ["eight-tasks", "--seeds", "2"]))
    for arguments in (["--lambda", "1"], ["--choose", "framework"]):
        with pytest.raises(ValueError, match="leave out --lambda and --choose"):
            tune(parse("tune", "", ["eight-tasks", *arguments]))
    with pytest.raises(ValueError, match="leave out --evaluate-on test"):
        tune(parse("tune", "", ["eight-tasks", "--evaluate-on", "test"]))
    with pytest.raises(ValueError, match="none of fine-tuning, si has a strength to tune"):
        tune(parse("tune", "", ["eight-tasks", "--methods", "fine-tuning", "si"]))
