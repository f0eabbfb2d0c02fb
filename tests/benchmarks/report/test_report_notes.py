"""The notes under the report's tables."""

import csv
import io
import json
import re

import numpy as np
import pytest

from benchmarks.report.figures.comparison import sequence
from benchmarks.report.numbers.runs import read_runs
from benchmarks.report.numbers.summary import summarise
from benchmarks.report.pages.forms import pages
from tests.benchmarks.report.tables import notes_of, only_group, only_page, tables
from tests.benchmarks.run_folders import TASKS, joint, lower_triangle, write_omega, write_run


def test_notes_about_seeds(three_seeds):
    assert "over 3 runs per method (seeds 0, 1, 2)" in notes_of(three_seeds)
    write_run(three_seeds, "ewc")
    assert "EWC as shipped: seed 0; MAS: seeds 0, 1, 2" in notes_of(three_seeds)


def test_figures_of_one_seed_have_neither_mean_nor_spread(tmp_path):
    def captions():
        found = only_page(tmp_path).figures.items()
        return [figure.caption for name, figure in found if name != "memory"]

    write_run(tmp_path, "mas")
    assert all(re.search("[:,] one seed[.;]", caption) for caption in captions())
    write_run(tmp_path, "mas", seed=1)
    assert all(re.search("[:,] mean over seeds[,.;]", caption) for caption in captions())


def test_note_on_drawn_data(tmp_path):
    write_run(tmp_path, "mas", source="drawn", result={"stand_ins": TASKS})
    assert "drawn by code: nothing here is a result on the data sets" in notes_of(tmp_path)
    found = only_group(tmp_path)
    assert "†" not in str(tables(found, summarise(found)))


def test_tasks_that_nothing_has_learned_are_named(tmp_path):
    """Of five classes: 21 % is near chance, 31 % is not."""
    for method, end in (("mas", 0.19), ("ewc", 0.21)):
        matrix = np.where(np.tri(3), end, np.nan)
        matrix[1, 1] = 0.31 if method == "mas" else 0.2
        write_run(tmp_path, method, matrix=matrix)
    write_run(tmp_path, "joint", matrix=joint(0.9, 0.9, 0.9))
    said = "No method has learned Flowers (21.0 %, chance 20.0 %) and SVHN (21.0 %, chance 20.0 %):"
    assert said in notes_of(tmp_path)


def test_what_was_learned_is_not_called_chance(three_seeds):
    assert "No method has learned" not in notes_of(three_seeds)


def test_stand_ins_are_marked(tmp_path):
    write_run(tmp_path, "mas", result={"stand_ins": ["birds"]})
    found = only_group(tmp_path)
    table, _ = tables(found, summarise(found))
    assert table.header[4:] == ["Flowers", "Birds†", "SVHN"]
    assert any(note.startswith("†") for note in table.notes)
    assert [axes.get_title(loc="left") for axes in sequence(found).axes] == table.header[4:]


def test_stand_ins_are_marked_in_every_table_and_in_the_numbers(tmp_path):
    for method in ("fine-tuning", "mas"):
        write_omega(write_run(tmp_path, method, result={"stand_ins": ["birds"]}))
    grid = {"strength": 1.0, "strength_grid": True}
    write_run(tmp_path, "mas", result={"stand_ins": ["birds"]}, **grid)
    (page,) = pages(read_runs([tmp_path]))
    assert [table.name.removeprefix("eight-tasks-") for table in page.tables] == [
        *("accuracy", "paired", "cost", "tradeoff")
    ]
    for table in page.tables + page.on_request:
        assert "Flowers → Birds† → SVHN (" in table.title
        assert table.title.endswith("real images and † stand-ins)")
        assert any(note.startswith("†") for note in table.notes)
    assert page.title.endswith("(real images and † stand-ins)")
    assert {row["stand_ins"] for row in csv.DictReader(io.StringIO(page.as_csv()))} == {"birds"}


def test_without_real_images_none_are_named(tmp_path):
    write_run(tmp_path, "mas", result={"stand_ins": TASKS})
    (page,) = pages(read_runs([tmp_path]))
    assert page.title.endswith("(† stand-ins)")


@pytest.mark.parametrize("same", [True, False])
def test_note_on_si_is_computed(tmp_path, same):
    for seed in range(2):
        write_run(tmp_path, "fine-tuning", seed)
        changed = lower_triangle(seed)
        changed[1, 0] += 0 if same or seed == 0 else 1e-6
        write_run(tmp_path, "si", seed, matrix=changed)
    assert ("does nothing on a CPU" in notes_of(tmp_path)) == same


def test_what_is_identical_to_its_repair_is_said(tmp_path):
    for seed in range(2):
        write_run(tmp_path, "lwf", seed)
        write_run(tmp_path, "lwf-repaired", seed)
        write_run(tmp_path, "ewc", seed, matrix=lower_triangle(5))
        write_run(tmp_path, "ewc-repaired", seed, matrix=lower_triangle(5 + seed))
    text = notes_of(tmp_path)
    assert "LwF as shipped has exactly the accuracies of LwF repaired, in every entry" in text
    assert "neither dropout nor batch normalisation" in text
    assert "EWC as shipped has exactly" not in text


def test_note_on_merged_weights(tmp_path):
    write_run(tmp_path, "fine-tuning")
    assert "merged" not in notes_of(tmp_path)
    write_run(tmp_path, "imm-mode")
    assert "IMM is evaluated with its merged weights" in notes_of(tmp_path)
    (page,) = pages(read_runs([tmp_path]))
    assert "merged weights" in " ".join(page.tables[1].notes)


def test_nothing_is_said_beside_mas_without_mas_or_another_method(tmp_path):
    write_run(tmp_path, "mas", matrix=lower_triangle(0))
    write_run(tmp_path, "joint", matrix=joint(0.9, 0.9, 0.9))
    assert "than MAS" not in notes_of(tmp_path)
    other = tmp_path / "other"
    write_run(other, "ewc")
    write_run(other, "l-mas")
    assert "than MAS" not in notes_of(other)


def set_versions(folder, **changed):
    file = folder / "versions.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changed))


def test_runs_of_other_versions_and_machines_in_one_table_are_said(tmp_path):
    for seed in range(3):
        code = {"commit": f"{seed % 2}" * 40, "changed": seed == 1}
        set_versions(write_run(tmp_path, "mas", seed), code=code, cpu="A")
    assert (
        "The 3 runs were made with 2 versions of the code (0000000 in 2, 1111111 with changes in 1)."
    ) in notes_of(tmp_path)
    again = [{"trained": 1, "torch": "2.16.0", "cpu": "B"}]
    set_versions(write_run(tmp_path, "ewc", 0, protocol="paper"), cpu="A", continued=again)
    text = notes_of(tmp_path)
    assert "2 kinds of processor (A in 4, B in 1)" in text
    assert "2 versions of torch (2.15.0 in 4, 2.16.0 in 1)" in text
    assert "2 protocols (not recorded in 3, paper in 1)" in text
    (page,) = pages(read_runs([tmp_path]))
    assert "kinds of processor" in " ".join(page.tables[-1].notes)


def test_several_versions_of_an_own_module_in_one_table_are_said(tmp_path):
    own = "my_module:METHOD"
    for seed, digest in enumerate(("0a", "0a", "1b")):
        set_versions(write_run(tmp_path, own, seed, method_title="Mine"), **{own: digest})
    write_run(tmp_path, "mas", 0)
    made = f"runs were made with 2 versions of {own} (0a in 2, 1b in 1)."
    assert f"The 4 {made}" in notes_of(tmp_path)
    write_run(tmp_path, own, 3, method_title="Mine")  # of a version that did not record it
    assert "(0a in 2, 1b in 1, not recorded in 1)." in notes_of(tmp_path)


def test_nothing_is_said_of_runs_made_alike(three_seeds):
    assert "runs were made with" not in notes_of(three_seeds)
