"""The sentences above a main table, against made-up summaries."""

import numpy as np
import pytest

from benchmarks.report.formats import markdown
from benchmarks.report.numbers.differences import Compared, Difference
from benchmarks.report.numbers.runs import read_runs
from benchmarks.report.numbers.story import limits_of, reference_of, story
from benchmarks.report.numbers.summary import Rated, Stat
from benchmarks.report.pages.forms import pages
from tests.benchmarks.report.tables import only_group
from tests.benchmarks.run_folders import joint, memory, write_run

LIMITS = ["3 seeds", "one learning rate for all methods", "drawn images"]


def rated(**accuracies):
    return [
        Rated(name.replace("_", "-"), Stat(value, 0.01), Stat(0.02, 0.01), None)
        for name, value in accuracies.items()
    ]


def apart(mean, half=0.01, pairs=3):
    interval = None if pairs == 1 else (mean - half, mean + half)
    return Difference(mean, pairs, interval, None)


def compared(**numbers):
    """Differences in accuracy, or in accuracy and forgetting, by method."""
    return [
        Compared(name.replace("_", "-"), *(both if type(both) is tuple else (both, None)))
        for name, both in numbers.items()
    ]


def told(methods, differences, **more):
    return story(methods, differences, "seed", LIMITS, **more)


def test_another_method_is_better_than_mas():
    said = told(
        rated(ewc=0.637, lwf=0.5, mas=0.573, joint=0.8),
        compared(ewc=apart(0.063, 0.048), lwf=apart(-0.1), joint=apart(0.2)),
    )
    assert said == (
        "EWC as shipped has the highest mean accuracy at the end, 63.7 %; MAS has 57.3 %. The"
        " difference is 6.3 points (95 % interval 1.5 to 11.1, corrected for 2 comparisons). All of this"
        " rests on 3 seeds, one learning rate for all methods and drawn images."
    )


def test_a_difference_whose_interval_contains_zero_does_not_count():
    said = told(rated(ewc=0.535, mas=0.523), compared(ewc=apart(0.012, 0.032)))
    assert "53.5 %; MAS has 52.3 %, and 3 seeds do not tell the two apart." in said
    assert "1.2" not in said


def test_mas_leads_the_runner_up():
    differences = compared(ewc=apart(-0.05), fine_tuning=apart(-0.3))
    said = told(rated(fine_tuning=0.3, mas=0.6, ewc=0.55), differences)
    assert said.startswith(
        "MAS has the highest mean accuracy at the end, 60.0 %; EWC as shipped has"
    )
    assert "The difference is 5.0 points (95 % interval 4.0 to 6.0" in said


def test_a_lead_that_common_seeds_contradict_is_not_settled():
    said = told(rated(ewc=0.6, mas=0.5), compared(ewc=apart(-0.05)))
    assert "and 3 seeds do not tell the two apart" in said


def test_one_seed_tells_nothing_from_chance():
    said = told(rated(ewc=0.6, mas=0.5), compared(ewc=apart(0.1, pairs=1)))
    assert "50.0 %. With a single seed, this difference may be chance." in said


def test_no_seed_in_common():
    assert "50.0 %, with no seed in common." in told(rated(ewc=0.6, mas=0.5), compared(ewc=None))


def test_without_mas_the_best_is_compared_with_the_next():
    methods = rated(fine_tuning=0.3, ewc=0.6, si_repaired=0.5)
    assert reference_of(methods) == "ewc"
    said = told(methods, compared(fine_tuning=apart(-0.3), si_repaired=apart(-0.1)))
    assert "60.0 %; SI repaired has 50.0 %. The difference is 10.0 points" in said
    assert "MAS" not in said


@pytest.mark.parametrize("methods", [rated(mas=0.5), rated(mas=0.5, joint=0.7), []])
def test_one_method_has_no_story(methods):
    assert told(methods, []) == ""


def test_methods_that_are_not_compared_are_not_mentioned():
    assert "LwF" not in told(rated(lwf=0.9, ewc=0.6, mas=0.5), compared(ewc=apart(0.1)))


level = apart(0.01, 0.05)


@pytest.mark.parametrize(
    ("differences", "expected"),
    [
        (
            {"ewc": (level, apart(0.1)), "lwf": (level, apart(0.2)), "ebll": (level, level)},
            "EWC as shipped and LwF as shipped forget more, and none is shown to forget less.",
        ),
        (
            {"ewc": (level, apart(-0.1)), "ebll": (level, level)},
            "EWC as shipped forgets less.",
        ),
        (
            {"ewc": (level, apart(-0.1)), "ebll": (level, apart(0.1))},
            "EBLL forgets more, and EWC as shipped forgets less.",
        ),
    ],
)
def test_what_is_forgotten_at_the_same_accuracy(differences, expected):
    methods = rated(ewc=0.6, lwf=0.6, ebll=0.5, mas=0.5)
    said = told(methods, compared(**differences))
    same = "Of the methods whose accuracy is not shown to differ from that of MAS"
    assert f"MAS forgets 2.0 points. {same}, {expected}" in said


@pytest.mark.parametrize(
    "both", [(apart(0.1), apart(0.1)), (level, level), (level, None), (None, apart(0.1))]
)
def test_forgetting_is_not_mentioned_without_a_difference_at_the_same_accuracy(both):
    assert "forgets" not in told(rated(ewc=0.6, mas=0.5), compared(ewc=both))


def test_memory_that_does_not_grow():
    methods, differences = rated(ewc=0.6, mas=0.5), compared(ewc=level)
    kept = {"mas": [2.0, 2.01, 2.02], "ewc": [2.0, 4.0, 6.1], "fine-tuning": [0.0, 0.0, 0.0]}
    assert (
        "Beside the network, MAS keeps 2.0 times its size after every task; EWC as shipped ends"
        " with 6.1 times." in told(methods, differences, kept=kept)
    )
    alone = told(methods, differences, kept={"mas": [2.0, 2.0]})
    assert "after every task. All of" in alone
    for silent in ({}, {"mas": [2.0, 3.0]}, {"mas": [2.0]}, {"ewc": [2.0, 2.0]}):
        assert "Beside" not in told(methods, differences, kept=silent)


def test_what_it_rests_on(tmp_path):
    for seed in range(2):
        write_run(tmp_path, "mas", seed, result={"stand_ins": ["birds", "svhn"]})
    write_run(tmp_path, "ewc")
    assert limits_of([only_group(tmp_path)]) == [
        "1 to 2 seeds",
        "one learning rate for all methods",
        "one order of the tasks",
        "stand-ins for Birds and SVHN",
    ]


def test_drawn_images_and_chosen_rates(tmp_path):
    write_run(tmp_path, "mas", source="drawn", choose="framework")
    found = limits_of([only_group(tmp_path)])
    assert found == ["one seed", "one order of the tasks", "drawn images"]


def test_the_page_begins_with_it(tmp_path):
    for seed in range(3):
        for method, end in (("mas", 0.5), ("ewc", 0.6)):
            noise = (seed - 1) / 1000 if method == "ewc" else 0
            matrix = np.where(np.tri(3), end + seed / 100 + noise, np.nan)
            write_run(tmp_path, method, seed, matrix=matrix, result=memory())
        write_run(tmp_path, "joint", seed, matrix=joint(0.9, 0.9, 0.9), result=memory(tasks=1))
    (page,) = pages(read_runs([tmp_path]))
    lead = page.tables[0].lead
    assert lead.startswith(
        "EWC as shipped has the highest mean accuracy at the end, 61.0 %; MAS has 51.0"
    )
    assert "The difference is 10.0 points" in lead
    assert markdown(page.tables[0]).startswith(f"{lead}\n\n**Accuracy after")
    assert not any(table.lead for table in page.tables[1:])


@pytest.mark.parametrize(("experiment", "length"), [("two-tasks", 2), ("orders", 3)])
def test_the_page_of_several_sequences_begins_with_it(tmp_path, experiment, length):
    for tasks in (["birds", "cars", "svhn"], ["svhn", "cars", "birds"]):
        for seed, method in enumerate(("mas", "ewc")):
            write_run(tmp_path, method, seed, tasks=tasks[:length], experiment=experiment)
    (page,) = pages(read_runs([tmp_path]))
    assert ", with no " in page.tables[0].lead
    assert "one order" not in page.tables[0].lead


def test_a_lead_that_is_the_same_with_all_seeds_is_no_lead(tmp_path):
    for seed in range(2):
        for method, end in (("mas", 0.25), ("ewc", 0.5)):
            matrix = np.where(np.tri(3), end + seed / 4, np.nan)
            write_run(tmp_path, method, seed, matrix=matrix, result=memory())
    (page,) = pages(read_runs([tmp_path]))
    assert "It is the same with all 2 seeds, so its spread is not known." in page.tables[0].lead
    said = markdown(page.tables[0])
    verdict = (
        "Better than MAS in mean accuracy: none. Worse: none. Not told apart by 2 seeds: EWC as"
    )
    assert verdict in said
    assert "corrected for 1 comparison, is" in said, "the one without an interval counts"
