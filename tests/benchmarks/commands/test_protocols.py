"""Named sets of defaults, and what has precedence over them."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.commands.options import Options, parse
from benchmarks.commands.plan import plan
from benchmarks.experiments.protocols import PAPER, PROTOCOLS, SURVEY
from benchmarks.methods import METHODS
from benchmarks.record.settings import Settings
from benchmarks.run.job import Job
from tests.benchmarks.command_lines import record_tuning


def planned(*words: str, command: str = "run") -> list[Settings]:
    return plan(parse(command, "", ["eight-tasks", *words]))


def test_quick_is_what_is_done_without_a_protocol() -> None:
    assert planned("--protocol", "quick") == planned()
    assert {run.protocol for run in planned()} == {None}


@pytest.mark.parametrize("protocol", [PAPER, SURVEY], ids=lambda one: one.name)
def test_every_value_of_a_protocol_is_an_option_s_and_has_a_source(protocol: object) -> None:
    assert isinstance(protocol, type(PAPER))
    options = parse("run", "", ["eight-tasks", "--protocol", protocol.name, "--root", "DIR"])
    for name, one in protocol.values.items():
        assert getattr(options, name) == one.value
        assert one.source
    assert set(protocol.strengths) <= set(METHODS)


def test_the_paper_s_protocol_trains_as_the_paper_did() -> None:
    for run in planned("--protocol", "paper", "--root", "DIR"):
        assert (run.model, run.image_size, run.batch_size, run.epochs) == ("alexnet", 224, 200, 100)
        assert (run.learning_rate, run.schedule, run.weight_decay) == (8e-4, "step", 0.0)
        assert (run.optimizer, run.momentum, run.transforms) == ("sgd", 0.9, "paper")
        assert (run.gradient_clip, run.penalty, run.patience) == (None, "explicit", None)
        assert run.protocol == "paper"


def test_the_paper_s_strength_is_one_whatever_was_tuned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.record.tuned.TUNING", tmp_path)
    words = ("--protocol", "paper", "--root", "DIR")
    asked = parse("run", "", ["eight-tasks", *words])
    record_tuning(tmp_path / "eight-tasks-real.json", asked, mas=3.5, ewc=7, **{"l-mas": 0.1})
    found = {run.method: (run.strength, run.strength_from) for run in planned(*words)}
    assert found["mas"] == found["l-mas"] == (1.0, "the protocol paper")
    assert found["ewc"] == (METHODS["ewc"].centre, "what is usual, not tuned")
    other = {run.method: run.strength for run in planned(*words, "--strength", "mas=2")}
    assert (other["mas"], other["l-mas"]) == (2.0, 1.0)
    grid = planned(*words, "--methods", "mas", "--lambda", "1", "3")
    assert [run.strength for run in grid] == [1.0, 3.0]
    survey = planned("--protocol", "survey", "--root", "DIR", "--choose", "none")
    assert {run.method: run.strength for run in survey}["mas"] == 3.5


def test_the_survey_s_protocol_chooses_by_the_framework_unless_strengths_are_given() -> None:
    words = ("--protocol", "survey", "--root", "DIR", "--methods", "mas")
    (run,) = planned(*words)
    assert (run.choose, run.learning_rate, run.schedule) == ("framework", 0.01, "plateau")
    assert (run.patience, run.protocol) == (10, "survey")
    (run,) = planned(*words, "--strength", "mas=1", "--schedule", "constant")
    assert (run.choose, run.strength, run.patience) == (None, 1.0, None)
    assert run.protocol == "survey, with other schedule, choose"
    assert parse("tune", "", ["eight-tasks", *words]).choose is None


def test_an_option_has_precedence_over_a_protocol() -> None:
    words = ("--protocol", "paper", "--root", "DIR", "--methods", "mas", "--gradient-clip", "5")
    (run,) = planned(*words, "--optimizer", "adam", "--classes", "5")
    assert (run.gradient_clip, run.optimizer, run.momentum, run.classes) == (5.0, "adam", None, 5)
    assert run.batch_size == 200
    assert run.protocol == "paper, with other classes, optimizer, momentum, gradient_clip"


def test_real_images_are_what_protocols_are_for_and_drawn_ones_a_rehearsal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["run", "eight-tasks", "--protocol", "paper"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(
        "error: --protocol paper is for real images: add --root DIR; or rehearse"
    )
    assert main(["run", "split-mnist", "--protocol", "paper", "--root", "."]) == 2
    assert "which split-mnist does not use; leave it out" in capsys.readouterr().err
    (run,) = planned("--protocol", "paper", "--weights", "none", "--methods", "mas")
    assert (run.source, run.model) == ("drawn", "alexnet")
    assert run.protocol == "paper, on drawn images, with other weights"


def test_the_protocol_is_a_note(tiny: list[Job], tmp_path: Path) -> None:
    words = ["--methods", "mas", "--strength", "mas=1", "--tasks", "letters", "svhn"]
    values = {name: str(one.value) for name, one in PAPER.values.items() if one.value is not None}
    spoken = [word for name, v in values.items() for word in (f"--{name.replace('_', '-')}", v)]
    spoken += ["--gradient-clip", "none", "--weights", "none", "--epochs", "1", "--model", "mlp"]
    spoken += ["--image-size", "16", "--output", str(tmp_path), "--transforms", "shift"]
    assert main(["run", "eight-tasks", *words, *spoken]) == 0
    assert main(["run", "eight-tasks", "--protocol", "paper", *words, *spoken]) == 0
    assert len(tiny) == 1


def test_there_are_three() -> None:
    assert list(PROTOCOLS) == ["quick", "paper", "survey"]
    assert Options.protocol == "quick"
