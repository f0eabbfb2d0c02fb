"""Every metric reaches every logger: one training with all of them, and what each has of it."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from avalanche.logging import CSVLogger, InteractiveLogger, TensorboardLogger, TextLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from avalanche_mas import MASPlugin
from avalanche_mas.logging import WandBLogger, section_name
from avalanche_mas.metrics import AccuracyReport, mas_evaluator
from avalanche_mas.metrics.values import Plot, Table
from tests.plugins.cases import MultiHead, strategy_for, task_incremental

TABLES = {"AccuracyTable", "Omega_Table", "SummaryTable"}
PICTURES = {"AccuracyMatrix", "Omega_Histogram"}
NUMBERS = {
    "Drift",
    "ExperienceForgetting",
    "ExperienceIntransigence",
    "Importance_HeldMegabytes",
    "Importance_PeakMegabytes",
    "Importance_Seconds",
    "Omega_Max",
    "Omega_Mean",
    "Omega_Q05",
    "Omega_Q50",
    "Omega_Q95",
    "Omega_Q99",
    "Omega_Share",
    "Omega_TopShare",
    "Omega_UsedCapacity",
    "PenaltyShare_MB",
    "Penalty_MB",
    "TaskMean_Acc",
    "TaskMean_BackwardTransfer",
    "TaskMean_Forgetting",
    "TaskMean_ForwardTransfer",
    "TaskMean_Intransigence",
    "TaskMean_LearningAcc",
}
AVALANCHES = {"Top1_Acc_Epoch", "Top1_Acc_Exp", "Loss_Epoch", "Loss_Exp"}


class Logged(NamedTuple):
    """What the loggers have of one training, and what was published."""

    published: dict[str, Any]
    text: str
    terminal: str
    folder: Path
    wandb: dict[str, Any]


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Logged:
    folder, text = tmp_path_factory.mktemp("logs"), io.StringIO()
    interactive, terminal = InteractiveLogger(), io.StringIO()
    interactive.file = terminal
    with WandBLogger(dir=folder, save_code=False, params={"mode": "offline"}) as wandb:
        table, events = CSVLogger(folder / "csv"), TensorboardLogger(folder / "events")
        evaluator = mas_evaluator(
            loggers=[TextLogger(text), interactive, table, events, wandb],
            matrix=AccuracyReport(reference=[0.9, 0.9, 0.9]),
            every=2,
            per_layer=True,
        )
        torch.manual_seed(0)
        benchmark = task_incremental(parts=("train", "test"))
        strategy = strategy_for(MultiHead(), MASPlugin(), evaluator=evaluator)
        strategy.eval(benchmark.test_stream)
        for experience in benchmark.train_stream:
            strategy.train(experience, eval_streams=[])
            strategy.eval(benchmark.test_stream)
        table.close()
        events.writer.close()
        wandb.log_single_metric("end", 1, 1000)  # wandb completes a step when the next one begins
        summary = dict(wandb.run.summary)
    published = evaluator.get_last_metrics()
    return Logged(published, text.getvalue(), terminal.getvalue(), folder, summary)


def numbers(published: dict[str, Any]) -> dict[str, float]:
    return {name: value for name, value in published.items() if isinstance(value, float)}


def test_all_of_the_metrics_are_published(logged: Logged) -> None:
    kinds: dict[type, set[str]] = {float: set(), Plot: set(), Table: set()}
    for name, value in logged.published.items():
        (kind,) = [kind for kind in kinds if isinstance(value, kind)]
        kinds[kind].add(name.partition("/")[0])
    assert kinds == {float: NUMBERS | AVALANCHES, Plot: PICTURES, Table: TABLES}


def test_names_follow_avalanches_scheme(logged: Logged) -> None:
    scheme = re.compile(
        r"\w+/(train_phase/train_stream|eval_phase/test_stream)"
        r"(/Task\d{3}(/Exp\d{3})?|/(body|head)[\w.]+)?"
    )
    assert [name for name in logged.published if not scheme.fullmatch(name)] == []


@pytest.mark.parametrize("logger", ["text", "terminal"])
def test_text(logged: Logged, logger: str) -> None:
    lines = getattr(logged, logger).splitlines()
    for name, value in numbers(logged.published).items():
        assert f"\t{name} = {value:.4f}" in lines
    for name, value in logged.published.items():
        if isinstance(value, Plot):
            assert f"\t{name} = (a figure)" in lines
        if isinstance(value, Table):
            at = len(lines) - 1 - lines[::-1].index(f"\t{name} = ")
            shown = value.text.splitlines()[:3]
            assert lines[at + 1 : at + 1 + len(shown)] == shown
    assert "object at" not in getattr(logged, logger)


def test_csv(logged: Logged) -> None:
    with (logged.folder / "csv" / "eval_results.csv").open(encoding="utf-8") as file:
        *_, first, second, _ = csv.DictReader(file)
    for task, row in enumerate([first, second]):
        name = f"ExperienceForgetting/eval_phase/test_stream/Task{task:03}/Exp{task:03}"
        assert row["forgetting"] == f"{logged.published[name]:.4f}"
    assert {first["forgetting"], second["forgetting"]} != {"0"}


def test_tensorboard(logged: Logged) -> None:
    events = EventAccumulator(str(logged.folder / "events"))
    events.Reload()
    for name, value in numbers(logged.published).items():
        assert events.Scalars(name)[-1].value == pytest.approx(value, rel=1e-6)
    pictures = {name for name, value in logged.published.items() if isinstance(value, Plot)}
    assert set(events.Tags()["images"]) == pictures
    for name in pictures:
        assert events.Images(name)[-1].encoded_image_string.startswith(b"\x89PNG")


def test_wandb(logged: Logged) -> None:
    for name, value in numbers(logged.published).items():
        assert logged.wandb[section_name(name)] == pytest.approx(value)
    for name, value in logged.published.items():
        if isinstance(value, Plot):
            assert logged.wandb[section_name(name)]["_type"] == "image-file"
        if isinstance(value, Table):
            assert logged.wandb[section_name(name)]["_type"] == "table-file"
            (file,) = logged.folder.rglob(Path(logged.wandb[section_name(name)]["path"]).name)
            kept = json.loads(file.read_text(encoding="utf-8"))
            assert kept["columns"] == value.columns
            assert kept["data"] == [list(row) for row in value.rows]


def test_wandb_shows_few_sections(logged: Logged) -> None:
    sections = {name.partition("/")[0] for name in logged.wandb if "/" in name}
    assert sections == {"train", "eval", "task", "layers"}
    assert logged.wandb["train/task"] == 3


def test_by_default_it_says_it_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    evaluator = mas_evaluator()
    (logger,) = evaluator.loggers
    assert type(logger) is InteractiveLogger
    benchmark = task_incremental(2, parts=("train", "test"))
    strategy = strategy_for(MultiHead(), MASPlugin(), evaluator=evaluator)
    for experience in benchmark.train_stream:
        strategy.train(experience, eval_streams=[])
        strategy.eval(benchmark.test_stream)
    printed = capsys.readouterr().out
    assert "\tTaskMean_Acc/eval_phase/test_stream = " in printed
    assert "\tDrift/train_phase/train_stream = " in printed
    assert "/train_stream/body.0 = " not in printed
    sections = {section_name(name).partition("/")[0] for name in evaluator.get_last_metrics()}
    assert sections == {"train", "eval", "task"}
