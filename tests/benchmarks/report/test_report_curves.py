"""The curves over all strengths, from a record of tuning."""

from __future__ import annotations

import pytest

from benchmarks.report.pages import curves


def point(strength, accuracy, learned=None):
    learned = learned or [one + 0.1 for one in accuracy]
    forgetting = [b - a for a, b in zip(accuracy, learned, strict=True)]
    return {
        "strength": strength,
        "accuracy": accuracy,
        "stopped": 0,
        "forgetting": forgetting,
        "learned": learned,
    }


def record():
    """Two seeds: MAS with both ends, EWC without its strong end, and two without a strength."""
    mas = [(0.1, 0.30), (0.316, 0.46), (1.0, 0.50), (3.16, 0.46), (10.0, 0.40)]
    ewc = [(40.0, 0.30), (126.0, 0.40), (400.0, 0.52)]
    joint = {**point(None, [0.8, 0.8]), "forgetting": None, "learned": None}
    broken = {**point(31.6, [0.3, 0.0]), "stopped": 1, "forgetting": None, "learned": None}
    found = {
        "mas": [*(point(s, [a - 0.01, a + 0.01]) for s, a in mas), broken],
        "ewc": [point(s, [a, a]) for s, a in ewc],
        "fine-tuning": [point(None, [0.2, 0.2])],
        "joint": [joint],
    }
    methods = {
        name: {"strength": own[-1]["strength"], "at_edge": False, "curve": own, "code": []}
        for name, own in found.items()
    }
    config = {"tasks": ["a", "b"], "model": "small-cnn"}
    return {"configuration": config, "methods": methods}


def cells(method):
    table = curves.table(record())
    (row,) = [row for row in table.rows if row[0].text == method]
    return dict(zip(table.header, (cell.text for cell in row), strict=True))


def test_the_table_has_the_best_and_the_usual_strength_and_the_usable_range():
    mas = cells("MAS")
    assert mas["Best mean accuracy, %"] == "50.0 ± 1.4"
    assert mas["Forgetting there, points"] == "10.0 ± 0.0"
    assert (mas["λ there"], mas["Usual λ"]) == ("1", "1")
    assert mas["Accuracy there, %"] == "50.0 ± 1.4"
    assert mas["λ within 5 points of the best"] == "0.316 to 3.16"
    assert mas["Factors of ten"] == "1.0"


def test_a_range_that_the_grid_does_not_enclose_says_so():
    ewc = cells("EWC as shipped")
    assert ewc["λ within 5 points of the best"] == "400 to ≥ 400"
    assert ewc["Factors of ten"] == "0.0"


def test_methods_without_a_strength_have_no_range():
    row = cells("Fine-tuning")
    assert row["Best mean accuracy, %"] == "20.0 ± 0.0"
    assert {row[name] for name in ("λ there", "Usual λ", "Factors of ten")} == {"–"}
    assert cells("Joint training")["Forgetting there, points"] == "–"


def test_the_figure_draws_accuracy_against_learned_and_against_the_strength():
    traded, ranged = curves.figure(record()).axes
    lines = {line.get_label(): line for line in traded.lines}
    assert list(lines["MAS"].get_ydata()) == pytest.approx(
        [30, 46, 50, 46, 40]
    )  # not the broken one
    assert list(lines["MAS"].get_xdata()) == pytest.approx([40, 56, 60, 56, 50])
    assert list(lines["Fine-tuning"].get_xdata()) == pytest.approx([30])
    strengths = [list(line.get_xdata()) for line in ranged.lines]
    assert [0.1, 0.316, 1.0, 3.16, 10.0, 31.6] in strengths  # the broken run counts as it ended
    assert [0.1, 0.315, 1.0] in strengths  # as multiples of the usual 400
