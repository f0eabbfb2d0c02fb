"""Memory that methods keep, and Ω layer by layer: figures and tables against what runs recorded."""

import json

import numpy as np
import pytest

from benchmarks.methods import METHODS
from benchmarks.report.figures.drawing import brief
from benchmarks.report.names import SPARE
from benchmarks.report.numbers.groups import group
from benchmarks.report.numbers.runs import ReportError, read_runs
from benchmarks.report.pages.forms import pages
from benchmarks.report.pages.memory import kept_by_method
from benchmarks.report.write import block_text
from tests.benchmarks.command_lines import report
from tests.benchmarks.run_folders import memory, rows_of, write_omega, write_run


def only_page(root):
    (page,) = pages(read_runs([root]))
    return page


def only_kept(root):
    (found,) = group(read_runs([root]))
    return kept_by_method(found)


# --- memory ---


def test_memory_after_every_task(tmp_path):
    for seed in range(2):
        write_run(tmp_path, "mas", seed, result=memory(stored=2.0 + seed))
    write_run(tmp_path, "fine-tuning", result=memory(stored=0.0))
    bottom = [[None] * 3, [None] * 3, [0.7, 0.8, 0.9]]
    write_run(tmp_path, "joint", matrix=bottom, result=memory(tasks=1))  # learned all at once
    found = only_kept(tmp_path)
    assert found["mas"].network == [5.0, 6.0, 7.0]
    assert found["mas"].stored == [0.0, 2.5, 5.0]
    assert found["mas"].together == [5.0, 8.5, 12.0]
    picture = only_page(tmp_path).figures["memory"]
    bars, lines = picture.draw().axes
    assert [bar.get_width() for bar in bars.patches] == [7.0, 0.0, 7.0, 5.0]
    assert [bar.get_x() for bar in bars.patches] == [0.0, 7.0, 0.0, 7.0]
    assert lines.lines[1].get_ydata().tolist() == [5.0, 8.5, 12.0]
    assert "the network's own parameters" in picture.caption


def test_old_runs_tell_what_is_stored_at_the_end_only(tmp_path):
    write_run(tmp_path, "mas")
    write_run(tmp_path, "ewc", result=memory())
    bottom = np.full((3, 3), np.nan)
    bottom[-1] = 0.5
    write_run(tmp_path, "joint", matrix=bottom)
    assert only_kept(tmp_path) == {"ewc": ([0.0], [2.5]), "mas": ([0.0], [2.5])}
    picture = only_page(tmp_path).figures["memory"]
    (bars,) = picture.draw().axes
    assert [text.get_text() for text in bars.texts] == ["2.5", "2.5"]
    assert "did not record" in picture.caption


@pytest.mark.parametrize(
    "broken", [{}, {"network": [1.0], "stored": [1.0]}, {"network": None, "stored": [1.0] * 3}]
)
def test_memory_that_cannot_be_used_is_named(tmp_path, broken):
    folder = write_run(tmp_path, "mas", result={"memory_mb": broken})
    with pytest.raises(ReportError, match="cannot be used") as error:
        only_kept(tmp_path)
    assert str(folder / "result.json") in str(error.value)


# --- Ω ---


def test_omega_by_layer(tmp_path):
    recorded = [write_omega(write_run(tmp_path, "mas", seed), seed=seed) for seed in range(2)]
    write_run(tmp_path, "fine-tuning")
    page = only_page(tmp_path)
    (table,) = page.on_request
    assert table.header == ["Layer", "Parameters", "MAS: share of Ω, %", "MAS: mean Ω"]
    shares = [100 * one[-1][1]["share"] for one in recorded]
    rows = rows_of(table)
    assert list(rows) == ["body.0", "body.2", "head"]
    assert rows["body.2"][0] == "20"
    assert rows["body.2"][1] == f"{np.mean(shares):.1f} ± {np.std(shares, ddof=1):.1f}"
    assert rows["body.2"][2] == f"{np.mean(shares) / 100:.2e}"
    panel = page.figures["omega"].draw().axes[0]
    shown = panel.images[0].get_array()
    expected = [[[100 * lay["share"] for lay in t] for t in one] for one in recorded]
    np.testing.assert_allclose(shown, np.mean(expected, axis=0).T)


def test_layers_that_come_later_are_blank_before(tmp_path):
    folder = write_run(tmp_path, "mas")
    recorded = write_omega(folder)
    for layers in recorded[:2]:
        layers.pop()
    (folder / "omega.json").write_text(json.dumps({"layers": recorded}))
    shown = only_page(tmp_path).figures["omega"].draw().axes[0].images[0].get_array()
    assert shown.mask.tolist() == [[False] * 3, [False] * 3, [True, True, False]]


def test_without_omega_there_is_nothing_of_it(tmp_path):
    write_run(tmp_path, "mas")
    page = only_page(tmp_path)
    assert "omega" not in page.figures
    assert page.on_request == []


def test_the_table_of_omega_is_shown_when_asked_for(tmp_path, capsys):
    write_omega(write_run(tmp_path, "mas"))
    for asked in ([], ["--omega"]):
        output = tmp_path / f"report{len(asked)}"
        assert report([str(tmp_path), *asked, "--output", str(output)]) == 0
        printed = capsys.readouterr().out
        texts = [printed, *((output / f"eight-tasks.{end}").read_text() for end in ("md", "tex"))]
        texts.append((output / "report.html").read_text())
        assert [" at the end, Flowers" in text for text in texts] == [bool(asked)] * 4
        assert (output / "eight-tasks-omega.png").is_file()
    assert "Ω layer by layer at the end" in block_text([tmp_path / "eight-tasks"], "omega")


def test_omega_of_nothing_is_drawn(tmp_path):
    folder = write_run(tmp_path, "mas")
    values = ("mean", "q05", "q50", "q95", "q99", "maximum", "share")
    nothing = [{"layer": "head", "entries": 1, **dict.fromkeys(values, 0.0)}]
    (folder / "omega.json").write_text(json.dumps({"layers": [nothing] * 3}))
    assert only_page(tmp_path).figures["omega"].draw().axes


@pytest.mark.parametrize("broken", ["{", "[]", '{"layers": [[{}]]}', '{"layers": []}'])
def test_omega_that_cannot_be_used_is_named(tmp_path, broken):
    folder = write_run(tmp_path, "mas")
    (folder / "omega.json").write_text(broken)
    with pytest.raises(ReportError, match="repeat the command of that run") as error:
        only_page(tmp_path)
    assert str(folder / "omega.json") in str(error.value)


# --- looks ---


def test_methods_are_told_apart_without_colours():
    looks = [method.look for method in METHODS.values() if not method.joint] + list(SPARE)
    drawn = [(one.marker, one.dashed) for one in looks]
    assert len(set(drawn)) == len(drawn)


def test_names_in_figures_are_cut_and_no_mathematics():
    assert brief("Flowers†") == "Flowers†"
    assert brief("a" * 30) == "a" * 17 + "…"
    assert brief("layers.body.0.conv.deep", end=True) == "….body.0.conv.deep"
    assert brief("$x$") == r"\$x\$"
