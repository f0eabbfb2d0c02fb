"""Which runs are reported together, and which are refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.record.files import RESULTS
from benchmarks.record.folders import last_error
from benchmarks.record.schema import RESULT
from benchmarks.report.numbers.groups import group
from benchmarks.report.numbers.runs import ReportError, read_runs
from benchmarks.report.pages.forms import pages
from benchmarks.report.pages.left_out import not_reported
from tests.benchmarks.command_lines import report as main
from tests.benchmarks.report.tables import only_group
from tests.benchmarks.run_folders import nullable, write_run

RECORDED = [folder for folder in sorted(RESULTS.iterdir()) if any(folder.rglob(RESULT))]


@pytest.mark.parametrize("folder", RECORDED, ids=lambda folder: folder.name)
def test_every_recorded_run_is_read_and_reported(folder):
    runs = read_runs([folder])
    reported = [run for page in pages(runs) if page.tables for run in page.runs]
    assert {run.folder for run in reported} == {run.folder for run in runs if not run.for_tuning}


def test_unfinished_runs_are_not_reported_but_named(three_seeds):
    folder = write_run(three_seeds, "ewc")
    (folder / "result.json").unlink()
    assert "ewc" not in only_group(three_seeds).runs

    def left_out():
        ((why, count, where),) = not_reported(read_runs([three_seeds]), [three_seeds]).rows
        assert (count.text, where.text) == ("1", folder.as_posix())
        return why.text

    assert left_out() == "not finished"
    (folder / "error.log").write_text("Traceback\n  line 1\nRuntimeError: no space\n")
    assert left_out() == "failed: RuntimeError: no space"
    cut = "Traceback\nValueError: Ω".encode()[:-1]  # the disk was full
    (folder / "error.log").write_bytes(cut)
    assert left_out() == "failed: ValueError: \ufffd"
    (folder / "error.log").write_bytes(b"")
    assert left_out() == "not finished"
    assert last_error(folder) is None
    assert last_error(folder / "error.log") is None


def test_groups_and_their_names(tmp_path):
    write_run(tmp_path / "1", "mas")
    write_run(tmp_path / "2", "mas", source="drawn")
    write_run(tmp_path / "3", "mas", experiment="two-tasks", tasks=["birds", "cars"])
    names = [found.name for found in group(read_runs([tmp_path]))]
    assert names == ["eight-tasks-drawn", "eight-tasks-real", "two-tasks-real"]
    assert only_group(tmp_path / "1").name == "eight-tasks"
    write_run(tmp_path / "4", "mas", tasks=["cars", "birds"])
    names = [found.name for found in group(read_runs([tmp_path]))]
    assert "eight-tasks-real-flowers-birds-svhn" in names


def test_a_run_given_twice_is_read_once(three_seeds):
    runs = read_runs([three_seeds, three_seeds / "eight-tasks"])
    assert len(runs) == 9


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model", "squeezenet"),
        ("epochs", 9),
        ("batch_size", 64),
        ("learning_rate", 0.1),
        ("image_size", 64),
        ("samples", {"flowers": [1, 1, 1]}),
    ],
)
def test_mixed_configurations_are_refused(tmp_path, key, value):
    write_run(tmp_path, "mas")
    other = write_run(tmp_path, "ewc", **{key: value})
    with pytest.raises(ReportError, match=rf"differ in {key}, .*; report them separately") as error:
        group(read_runs([tmp_path]))
    assert str(other) in str(error.value)


def test_runs_on_images_divided_otherwise_are_refused(tmp_path):
    def divided(*splits):
        return {"data": [{"split": s, "agreement": "complete", "left_out": {}} for s in splits]}

    write_run(tmp_path, "mas", 0)  # of a version that did not record it
    write_run(tmp_path, "mas", 1, result=divided("a", "b", "c"))
    group(read_runs([tmp_path]))
    write_run(tmp_path, "fine-tuning", 1, result=divided("a", "d", "c"))
    with pytest.raises(
        ReportError, match=r"the images of birds are divided otherwise, 'd' and 'b'"
    ):
        group(read_runs([tmp_path]))


def test_strengths_may_differ_between_methods_only(tmp_path):
    write_run(tmp_path, "mas", 0, strength=1.0)
    write_run(tmp_path, "ewc", 0, strength=100.0)
    assert set(only_group(tmp_path).runs) == {"mas", "ewc"}
    write_run(tmp_path, "mas", 1, strength=2.0)
    with pytest.raises(ReportError, match=r"differ in strength, 1\.0 and 2\.0"):
        group(read_runs([tmp_path]))


def test_the_same_seed_twice_is_refused(tmp_path):
    write_run(tmp_path / "1", "mas")
    write_run(tmp_path / "2", "mas")
    with pytest.raises(ReportError, match="are both mas with seed 0"):
        group(read_runs([tmp_path]))


def test_runs_for_tuning_are_left_out_and_counted(three_seeds, capsys):
    write_run(three_seeds / "tuning", "mas", 7, strength=9.0, evaluated_on="valid")
    assert main([str(three_seeds)]) == 0
    printed = capsys.readouterr().out.split("Left out")[1]
    assert "on validation data, for tuning" in printed
    assert "not finished" not in printed
    with pytest.raises(ReportError, match="all others are runs on validation data"):
        group(read_runs([three_seeds / "tuning"]))


def test_runs_for_tuning_here_and_elsewhere_are_named(three_seeds, tmp_path_factory, monkeypatch):
    there = tmp_path_factory.mktemp("there")
    for root, seed in ((three_seeds / "here", 7), (there, 8)):
        write_run(root, "mas", seed, strength=9.0, evaluated_on="valid")
    monkeypatch.chdir(three_seeds)
    paths = [Path("here"), there]
    ((_, count, where),) = not_reported(read_runs(paths), paths).rows
    assert count.text == "2"
    assert Path(where.text) in three_seeds.parents


def test_a_sequence_is_called_by_its_length(tmp_path):
    write_run(tmp_path, "mas")
    (page,) = pages(read_runs([tmp_path]))
    assert page.title == "3 tasks: Flowers → Birds → SVHN (real images)"


def test_no_runs(tmp_path):
    with pytest.raises(ReportError, match=r"no finished run .* under .*; make some with"):
        read_runs([tmp_path])
    with pytest.raises(ReportError, match="nowhere does not exist; make runs with"):
        read_runs([tmp_path / "nowhere"])
    (tmp_path / "experiments").mkdir()
    with pytest.raises(ReportError, match="experiment does not exist; did you mean 'experiments'"):
        read_runs([tmp_path / "experiment"])


@pytest.mark.parametrize("name", ["result.json", "config.json"])
@pytest.mark.parametrize("content", ["{", "[]", "{}", "\x00"])
def test_corrupt_files_are_named(tmp_path, name, content):
    folder = write_run(tmp_path, "mas")
    (folder / name).write_text(content)
    with pytest.raises(ReportError, match="repeat the command of that run") as error:
        read_runs([tmp_path])
    assert str(folder / name) in str(error.value)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({"accuracy": [[0.5]]}, "disagree about the tasks"),
        ({"tasks": ["flowers", "svhn", "birds"]}, "disagree about the tasks"),
        ({"accuracy": nullable(np.full((3, 3), np.nan))}, "lacks tasks"),
        ({"accuracy": nullable(50 * np.eye(3))}, "fractions"),
        ({"accuracy": "none"}, "expected a list"),
        ({"seconds": {"train": [1.0]}}, "importance"),
        ({"stored_mb": None}, "cannot be used .*; repeat the command"),
    ],
)
def test_impossible_results_are_refused(tmp_path, result, message):
    folder = write_run(tmp_path, "mas", result=result)
    with pytest.raises(ReportError, match=message) as error:
        read_runs([tmp_path])
    assert str(folder / "result.json") in str(error.value)


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("config.json", {"tasks": [3]}, r"it\['tasks'\]\[0\] is '3', expected a text"),
        ("config.json", {"seed": True}, r"it\['seed'\] is 'True', expected a whole number"),
        ("config.json", {"strength": 10**400}, r"it\['strength'\] is no finite number"),
        ("result.json", {"classes": None}, r"it\['classes'\] is 'None', expected a list"),
        ("result.json", {"seconds": {}}, r"it\['seconds'\] lacks 'train'"),
        ("result.json", {"decisions": [{}]}, r"it\['decisions'\]\[0\] lacks"),
    ],
)
def test_what_is_of_another_type_is_named(tmp_path, file, content, reason):
    path = write_run(tmp_path, "mas") / file
    path.write_text(json.dumps(json.loads(path.read_text()) | content))
    with pytest.raises(ReportError, match=rf"{file} cannot be used .*{reason}"):
        read_runs([tmp_path])
