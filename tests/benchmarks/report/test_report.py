"""The report command, and its handling of other people's methods and experiments."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.experiments import EXPERIMENTS, Experiment
from benchmarks.methods import METHODS, Look, Method
from benchmarks.record.schema import RESULT
from benchmarks.report.figures.comparison import sequence
from benchmarks.report.names import SPARE
from benchmarks.report.numbers.runs import DamagedRunError, read_runs
from benchmarks.report.numbers.summary import summarise
from benchmarks.report.pages.forms import pages
from benchmarks.report.write import block_text
from tests.benchmarks.command_lines import report as main
from tests.benchmarks.report.tables import notes_of, only_group, tables
from tests.benchmarks.run_folders import lower_triangle, rows_of, write_run


def test_a_method_says_what_the_report_says_of_it(tmp_path, monkeypatch):
    own = Method(
        *("own", "My method", "", lambda _: []),
        place=1,
        look=Look("#123456", "*", dashed=True),
        may_equal={"mas": "it is MAS"},
        remark="Never seen before.",
    )
    monkeypatch.setitem(METHODS, "own", own)
    for method in ("mas", "fine-tuning", "own", "unknown"):
        write_run(tmp_path, method, matrix=lower_triangle(len(method)))
    found = only_group(tmp_path)
    titles = ["Fine-tuning", "My method", "MAS", "unknown"]
    assert list(rows_of(tables(found, summarise(found))[0])) == titles
    assert (
        "My method has exactly the accuracies of MAS, in every entry of the accuracy matrix:"
        " it is MAS."
    ) in notes_of(tmp_path)
    assert "Never seen before." in notes_of(tmp_path)
    lines = {line.get_label(): line for line in sequence(found).axes[0].lines}
    assert (lines["My method"].get_color(), lines["My method"].get_marker()) == ("#123456", "*")
    assert lines["My method"].is_dashed()
    assert lines["unknown"].get_color() == SPARE[0].colour


def test_an_experiment_says_what_its_page_is_like(tmp_path, monkeypatch):
    sequences = (["birds", "cars"], ["cars", "birds"])
    for tasks in sequences:
        write_run(tmp_path, "mas", experiment="own-pairs", tasks=tasks)
    unknown = pages(read_runs([tmp_path]))
    assert [page.title for page in unknown] == [
        "Own pairs: Birds → Cars (real images)",
        "Own pairs: Cars → Birds (real images)",
    ]
    own = {"title": "Mine", "page": "pairs", "together": "all"}
    monkeypatch.setitem(EXPERIMENTS, "own-pairs", Experiment("own-pairs", "", (), **own))
    (page,) = pages(read_runs([tmp_path]))
    assert page.title == "Mine (real images)"
    assert page.tables[0].header == ["Tasks", "MAS, %"]


def test_reports_load_nothing_that_trains():
    loaded = (
        "import pkgutil, sys, benchmarks.report as report;"
        "names = [found.name for found in pkgutil.walk_packages(report.__path__, 'benchmarks.report.')];"
        "[__import__(name) for name in names];"
        "assert len(names) > 30 and 'benchmarks.methods' in sys.modules;"
        "print({'torch', 'torchvision', 'avalanche', 'benchmarks.run'} & set(sys.modules))"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", loaded], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_command(three_seeds, tmp_path_factory, capsys):
    output = tmp_path_factory.mktemp("out")
    assert main([str(three_seeds), "--output", str(output), "--format", "csv", "latex"]) == 0
    assert {file.suffix for file in output.iterdir()} == {".csv", ".tex"}
    printed = capsys.readouterr().out
    assert str(output / "eight-tasks.csv") in printed


def test_command_explains_and_fails(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    assert "error: no finished run" in capsys.readouterr().err


def test_command_fails_if_all_runs_are_damaged(tmp_path, capsys):
    """The command was said right, so the status is not that of misuse."""
    for seed in range(2):
        (write_run(tmp_path, "mas", seed) / RESULT).write_text("{")
    assert main([str(tmp_path)]) == 1
    assert "repeat the command of that run" in capsys.readouterr().err


@pytest.mark.parametrize("file", ["config.json", "versions.json", "result.json", "omega.json"])
def test_a_damaged_run_is_left_out_and_named(three_seeds, capsys, file):
    damaged = three_seeds / "eight-tasks/flowers-birds-svhn/mas/seed1"
    (damaged / file).write_text("{")
    assert main([str(three_seeds), "--output", str(three_seeds / "out"), "--format", "html"]) == 0
    printed = capsys.readouterr()
    assert printed.err.startswith(f"warning: left out {damaged}: {damaged / file} cannot be read")
    assert "damaged:" in printed.out.split("Left out")[1]
    assert "MAS: seeds 0, 2" in " ".join(printed.out.split())
    assert "damaged: " in (three_seeds / "out" / "report.html").read_text()
    with pytest.raises(DamagedRunError):
        block_text([three_seeds])


def test_the_main_tables_are_printed_last(three_seeds, capsys):
    for method in ("fine-tuning", "mas"):
        for seed in range(2):
            config = {"experiment": "two-tasks", "tasks": ["birds", "scenes"]}
            write_run(three_seeds, method, seed, **config)
    (write_run(three_seeds, "ewc") / RESULT).unlink()
    assert main([str(three_seeds)]) == 0
    printed = capsys.readouterr().out
    titles = ["Left out", "Cost of the sequence", "As published, not", "Accuracy after the seq"]
    places = [printed.rindex(one) for one in (*titles, "Accuracy after two tasks, Birds → Scenes")]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--format", "csv"], "name it with --output DIR"),
        (["--format", "word", "--output", "c"], "choose from"),
    ],
)
def test_options_that_do_not_go_together(tmp_path, capsys, options, message):
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path), *options])
    assert message in capsys.readouterr().err
