"""The sequences of tasks that a command line asks for, and errors if it asks for none."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from avalanche_mas.streams import TASKS
from benchmarks.commands.options import parse
from benchmarks.commands.plan import plan
from benchmarks.experiments import EXPERIMENTS, Experiment
from benchmarks.experiments.sequences import EIGHT, ordered_pairs, orders
from benchmarks.record.settings import Settings
from benchmarks.run.names import folder_of, title_of


def planned(*arguments: str) -> list[Settings]:
    return plan(parse("run", "", [*arguments, "--methods", "fine-tuning"]))


def sequences(*arguments: str) -> list[str]:
    return [" ".join(run.tasks) for run in planned(*arguments)]


def test_the_eight_tasks_are_those_of_the_streams() -> None:
    assert tuple(TASKS) == EIGHT


def test_pairs_in_the_order_given_and_all_ordered_pairs() -> None:
    assert sequences("two-tasks", "--tasks", "cars", "birds") == ["cars birds"]
    both = ["birds cars", "cars birds"]
    assert sequences("two-tasks", "--tasks", "birds", "cars", "--pairs") == both
    three = sequences("two-tasks", "--tasks", "birds", "cars", "svhn", "--pairs")
    assert sorted(three) == sorted(" ".join(p) for p in permutations(["birds", "cars", "svhn"], 2))


def test_the_papers_pairs_where_none_is_named() -> None:
    papers = ["birds scenes", "scenes birds", "flowers birds", "flowers scenes"]
    assert sequences("two-tasks") == sequences("importance-data") == papers
    assert set(papers) < set(sequences("two-tasks", "--pairs"))
    assert len(sequences("two-tasks", "--pairs")) == 6


def test_ordered_pairs_of_sequences_are_those_of_their_tasks() -> None:
    assert ordered_pairs([("a", "b"), ("b", "a")]) == (("a", "b"), ("b", "a"))


def test_a_pair_lies_in_the_same_folder_however_it_was_asked_for() -> None:
    (one,) = planned("two-tasks", "--tasks", "birds", "cars")
    many = planned("two-tasks", "--tasks", "cars", "birds", "svhn", "--pairs")
    assert one in many
    folder = folder_of(one, Path("out")).as_posix()
    assert folder == "out/two-tasks/birds-cars/fine-tuning/seed0"
    assert len({folder_of(run, Path("out")) for run in many}) == 6
    assert len({title_of(run) for run in many}) == 6


@pytest.mark.parametrize("count", [1, 2, 5, 6])
def test_orders_are_different_and_begin_with_the_given_one(count: int) -> None:
    found = orders(("a", "b", "c"), count)
    assert found[0] == ("a", "b", "c")
    assert len(set(found)) == len(found) == count
    assert all(sorted(one) == ["a", "b", "c"] for one in found)
    assert found == orders(("a", "b", "c"), 6)[:count]


def test_orders_of_the_tasks_named_and_of_all() -> None:
    assert len(sequences("orders")) == 3
    assert sequences("orders")[0] == " ".join(EIGHT)
    assert sequences("orders", "--orders", "1") == [" ".join(EIGHT)]
    some = sequences("orders", "--tasks", "cars", "svhn", "birds", "--orders", "4")
    assert some[0] == "cars svhn birds"
    assert len(set(some)) == 4
    folders = {folder_of(run, Path("out")) for run in planned("orders", "--orders", "4")}
    assert len(folders) == 4


def test_orders_use_the_strengths_of_eight_tasks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.record.tuned.TUNING", tmp_path)
    tuned = {"configuration": {}, "methods": {"mas": {"strength": 3.0}}}
    (tmp_path / "eight-tasks-drawn.json").write_text(json.dumps(tuned))
    runs = plan(parse("run", "", ["orders", "--methods", "mas"]))
    assert [run.strength for run in runs] == [3.0] * 3


def test_permutations_are_as_many_tasks() -> None:
    assert sequences("permuted") == ["p1 p2 p3 p4 p5 p6 p7 p8 p9 p10"]
    assert sequences("permuted", "--permutations", "2") == ["p1 p2"]


def test_pairs_of_digits_in_the_demos_order_or_another() -> None:
    assert sequences("split-mnist") == ["1-2 3-4 5-6 7-8 9-0"]
    assert sequences("split-mnist", "--tasks", "9-0", "1-2") == ["9-0 1-2"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["two-tasks", "--tasks", "birds", "cars", "svhn"], "add --pairs for all 6 ordered pairs"),
        (["two-tasks", "--tasks", "birds", "fish", "--pairs"], "unknown task 'fish'; the tasks"),
        (["two-tasks", "--tasks", "birds", "--pairs"], "two-tasks needs 2 tasks, got 1 (birds)"),
        (["two-tasks", "--tasks", "cars", "cars", "--pairs"], "task 'cars' is given twice"),
        (["orders", "--tasks", "birds"], "orders needs at least 2 tasks, got 1 (birds)"),
        (
            ["orders", "--tasks", "birds", "cars", "--orders", "3"],
            "--orders 3: 2 tasks (birds cars) have only 2 orders",
        ),
        (["eight-tasks", "--orders", "2"], "--orders is for orders, not for eight-tasks"),
        (["orders", "--pairs"], "--pairs is for two-tasks, not for orders"),
        (["split-mnist", "--permutations", "2"], "--permutations is for permuted, not for split"),
        (["permuted", "--permutations", "1"], "got 1 (p1); choose them with --permutations"),
        (["permuted", "--tasks", "p1", "p2"], "choose how many with --permutations N"),
        (["split-mnist", "--tasks", "1-2", "2-3"], "unknown task '2-3'; the tasks are 1-2, 3-4"),
        (["split-mnist", "--tasks", "birds", "cars"], "unknown task 'birds'; the tasks are 1-2"),
        (["split-mnist", "--stand-ins", "1-2"], "--stand-ins 1-2: split-mnist knows mnist only"),
        (["permuted", "--stand-ins", "mnist"], "--stand-ins mnist: they take the place of real"),
        (["eight-tasks", "--stand-ins", "mnist"], "--stand-ins mnist: it is not one of the tasks"),
        (["split-mnist", "--download"], "--download fetches MNIST to the folder --root"),
        (["eight-tasks", "--download", "--root", "."], "other data: python -m benchmarks data"),
    ],
)
def test_what_means_nothing_is_refused_with_the_next_step(
    arguments: list[str], complaint: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(complaint)):
        planned(*arguments)


@pytest.mark.parametrize("option", ["--orders", "--permutations", "--first-epochs"])
@pytest.mark.parametrize("value", ["0", "-1", "two"])
def test_numbers_are_at_least_one(
    option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse("run", "", ["orders", f"{option}={value}"])
    assert f"'{value}' is not a whole number of at least 1" in capsys.readouterr().err


def test_defaults_of_an_experiment_stand_behind_the_command_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own: dict[str, Any] = {"epochs": 7, "first_epochs": 3, "batch_size": 5, "learning_rate": 0.5}
    experiment = Experiment("own", "", (("a", "b"),), known=(), defaults={"drawn": own})
    monkeypatch.setitem(EXPERIMENTS, "own", experiment)

    def found(*arguments: str) -> tuple[Any, ...]:
        options = parse("run", "", ["eight-tasks", *arguments])
        (run,) = plan(replace(options, experiment="own", methods=("fine-tuning",)))
        return run.epochs, run.first_epochs, run.batch_size, run.learning_rate

    assert found() == (7, 3, 5, 0.5)
    assert found("--epochs", "2") == (2, None, 5, 0.5)
    assert found("--epochs", "2", "--first-epochs", "1") == (2, 1, 5, 0.5)
    assert found("--batch-size", "8", "--learning-rate", "0.1") == (7, 3, 8, 0.1)
    assert found("--root", ".") == (15, None, 32, 0.01)


def test_split_mnist_is_trained_as_the_demo_was_but_for_what_is_said() -> None:
    (run,) = plan(parse("run", "", ["split-mnist", "--methods", "mas", "--root", "."]))
    assert (run.model, run.image_size, run.source) == ("mlp", 28, "real")
    assert (run.epochs, run.first_epochs, run.batch_size) == (20, 10, 200)
    assert (run.learning_rate, run.schedule, run.strength) == (1e-3, "constant", 1.0)
    arguments = ["split-mnist", "--methods", "mas", "--schedule", "one-cycle", "--epochs", "3"]
    (other,) = plan(parse("run", "", arguments))
    assert (other.epochs, other.first_epochs, other.schedule) == (3, None, "one-cycle")


def test_other_experiments_are_trained_as_ever() -> None:
    run = planned("eight-tasks")[0]
    assert (run.batch_size, run.first_epochs, run.schedule) == (32, None, "one-cycle")
    assert "first_epochs" in run.as_json()
