"""Measured numbers beside published ones: importance-data in the paper's format, digits as in the demo."""

import pytest

from benchmarks.report.numbers.runs import ReportError
from tests.benchmarks.report.tables import lines_of, only_page
from tests.benchmarks.run_folders import rows_of, write_data_run, write_run


def test_importance_data_is_in_the_papers_format(data_runs):
    table, published = only_page(data_runs).tables
    assert table.header == ["Method", "Ω on", "Birds → Cars, %", "Flowers → Birds, %"]
    rows = [[cell.text for cell in row] for row in table.rows]
    assert [row[:2] for row in rows] == [
        ["Fine-tuning", "–"],
        ["MAS", "train"],
        ["MAS", "test"],
        ["MAS, as published", "test"],
        ["MAS", "train+test"],
        ["l-MAS", "train"],
    ]
    assert rows[0][2:] == ["20.0 ± 0.0 (−40.0 ± 0.0) / 40.0 ± 0.0", "–"]
    assert rows[2][2:] == ["51.0 ± 1.0 (−9.0 ± 1.0) / 40.0 ± 0.0", "50.0 (−10.0) / 40.0"]
    assert rows[3][2:] == ["–", "77.62 (−0.5) / 50.29"]
    said = " ".join(table.notes)
    assert "MAS 0.1 (tuning of two-tasks on validation data), l-MAS 2 (tuning" in said
    assert "MAS on test, Flowers → Birds: seed 0" in said
    assert published.title.startswith("As published, not measured here: Aljundi et al.")
    assert [cell.text for cell in published.rows[3]][:3] == [
        "l-MAS",
        "train",
        "51.36 (−2.3) / 55.67",
    ]
    assert published.header[4] == "Flowers → Birds, %"
    assert [row[4].text == "–" for row in published.rows] == [False, True] + [False] * 4
    assert {len(row) for row in published.rows} == {len(published.header)} == {6}


PAPERS = {
    "model": "alexnet",
    "weights": "alexnet.pth",
    "image_size": 224,
    "epochs": 100,
    "batch_size": 200,
    "learning_rate": 0.0008,
    "schedule": "step",
    "gradient_clip": None,
    "strength": 1.0,
    "tasks": ("flowers", "birds"),
}
WHOLE = [{"split": "", "agreement": "as published", "left_out": {}}] * 2


def beside_published(root, result=None, **config):
    """The note of a run beside the paper's row."""
    found = {"data": WHOLE} | (result or {})
    write_data_run(root, "mas", "train", result=found, **(PAPERS | config))
    return only_page(root).tables[0].notes[-1].partition("Here: ")[2]


def test_a_run_like_the_papers_is_said_to_be(tmp_path):
    assert beside_published(tmp_path) == "the same."


PART = {"split": "", "agreement": "not complete; the files give 200 classes", "left_out": {}}


@pytest.mark.parametrize(
    ("config", "result", "said"),
    [
        ({"model": "squeezenet"}, {}, "squeezenet instead of alexnet."),
        ({"weights": None}, {}, "random instead of pretrained weights."),
        ({"optimizer": "AdamW"}, {}, "AdamW instead of SGD."),
        ({"image_size": 64, "epochs": 15}, {}, "64 instead of 224 px; 15 instead of 100 epochs"),
        ({"batch_size": 32}, {}, "batch 32 instead of 200."),
        ({"learning_rate": 0.01}, {}, "learning rate 0.01 instead of 0.0008."),
        ({"schedule": "one-cycle"}, {}, "schedule one-cycle instead of step."),
        ({"penalty": "damped"}, {}, "damped instead of explicit penalty."),
        ({"gradient_clip": 5.0}, {}, "gradients clipped at 5 instead of none."),
        ({"strength": 0.1}, {}, "λ of MAS 0.1 instead of 1."),
        ({}, {"stand_ins": ["birds"]}, "Birds: a stand-in."),
        (
            {"samples": {"birds": [9, 8, 7]}},
            {"data": [WHOLE[0], PART], "classes": [102, 40]},
            "Birds: 40 classes, 9 train, 8 validation, 7 test (not complete; the files give 200",
        ),
    ],
)
def test_what_differs_from_the_published_training_is_said(tmp_path, config, result, said):
    assert beside_published(tmp_path, result, **config).startswith(said)


def test_nothing_published_stands_beside_drawn_images(tmp_path):
    write_data_run(tmp_path, "mas", "train", tasks=("flowers", "birds"), source="drawn")
    (table,) = only_page(tmp_path).tables
    assert len(table.rows) == 1


def test_several_strengths_have_no_place_in_importance_data(tmp_path):
    for strength in (0.1, 1.0):
        write_data_run(tmp_path, "mas", "train", strength=strength, strength_grid=True)
    with pytest.raises(ReportError, match="runs of MAS on train with several strengths"):
        only_page(tmp_path)


def test_importance_data_as_numbers(data_runs):
    found = {
        (r["tasks"], r["method"], r["importance_on"]): r for r in lines_of(only_page(data_runs))
    }
    assert len(found) == 6
    mas = found["birds cars", "mas", "test"]
    assert float(mas["forgetting_first"]) == pytest.approx(0.09)
    assert float(mas["forgetting_first:deviation"]) == pytest.approx(0.01)
    assert mas["seeds"] == "0 1 2"
    assert mas["importance_seconds:median"] == "0.75"


def test_a_strength_of_its_own_for_one_kind_of_data_is_refused(data_runs):
    write_data_run(data_runs, "l-mas", "test", strength=1.0)
    with pytest.raises(ReportError, match=r"differ in strength, 1\.0 and 2\.0"):
        only_page(data_runs)


def test_another_budget_on_another_sequence_is_refused(data_runs):
    write_data_run(data_runs, "mas", "test", tasks=("letters", "svhn"), epochs=1)
    with pytest.raises(ReportError, match="differ in epochs, 8 and 1"):
        only_page(data_runs)


def test_stand_ins_on_one_sequence_are_marked(data_runs):
    other = {"stand_ins": ["scenes"]}
    write_data_run(data_runs, "mas", "test", tasks=("birds", "scenes"), result=other, **other)
    page = only_page(data_runs)
    table = page.tables[0]
    assert "Birds → Scenes†, %" in table.header
    assert table.title.endswith("real images and † stand-ins)")
    assert any(note.startswith("†") for note in table.notes)
    marks = {row["tasks"]: row["stand_ins"] for row in lines_of(page)}
    assert marks == {"birds scenes": "scenes", "birds cars": "", "flowers birds": ""}


# --- split-mnist ---


def test_digits_stand_beside_what_the_demo_published(tmp_path):
    pairs = ["1-2", "3-4", "5-6", "7-8", "9-0"]
    digits = {"experiment": "split-mnist", "tasks": pairs, "epochs": 20, "first_epochs": 10}
    write_run(tmp_path / "real", "mas", **digits)
    write_run(tmp_path / "real", "fine-tuning", **digits)
    page = only_page(tmp_path / "real")
    measured, published, paired, *_ = page.tables
    assert "20 epochs per task (10 on the first)" in measured.title
    assert (page.headline, paired.name) == (2, "split-mnist-paired")
    assert published.title.startswith("As published, not measured here: the demo")
    assert published.header[1:] == measured.header[1:3] + measured.header[4:]
    (accumulated, _) = rows_of(published).values()
    assert accumulated == ["98.86", "0.07", "99.49", "99.65", "98.00", "98.10", "99.04"]
    for other in ({"source": "drawn"}, {"tasks": pairs[:3]}, {"experiment": "eight-tasks"}):
        root = tmp_path / "-".join(other)
        write_run(root, "mas", **(digits | other))
        assert only_page(root).headline == 1
