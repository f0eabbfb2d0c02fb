"""What MAS offers, in two sentences, against made-up runs."""

import numpy as np
import pytest

from benchmarks.report.pages.worth import worth
from tests.benchmarks.report.tables import only_group
from tests.benchmarks.run_folders import memory, write_run


def told(folder, ewc, seeds=3, noise=0.001):
    """What is said of MAS at 50 %, fine-tuning at 30 % and EWC; each keeps what it learned."""
    for seed in range(seeds):
        for method, end in (("mas", 0.5), ("fine-tuning", 0.3), ("ewc", ewc)):
            own = noise * (seed - 1) if method == "ewc" else 0
            matrix = np.where(np.tri(3), end + seed / 100 + own, np.nan)
            write_run(folder, method, seed, matrix=matrix, result=memory())
    return worth(only_group(folder))


@pytest.mark.parametrize(("ewc", "how"), [(0.6, "more"), (0.45, "less")])
def test_the_best_other_method_is_told_apart(tmp_path, ewc, how):
    said = told(tmp_path, ewc)
    assert said.startswith("After learning 3 data sets one after another, MAS has lost 0.0 points")
    assert "the mean accuracy is 51.0 % with MAS and 31.0 % without" in said
    best = f"EWC as shipped with {100 * ewc + 1:.1f} %"
    assert f"(the best other method, {best}, is {how} accurate beyond chance)" in said


def test_it_is_not_told_apart_from_an_equal_one(tmp_path):
    assert "is not told apart from MAS by 3 seeds" in told(tmp_path, 0.5)


def test_it_is_not_told_apart_where_all_seeds_differ_alike(tmp_path):
    assert "is not told apart from MAS by 3 seeds" in told(tmp_path, 0.6, noise=0)


def test_the_best_may_be_as_good_as_what_avalanche_ships(tmp_path):
    """Of two methods with the same accuracies one is compared, and named."""
    for seed in range(3):
        for method, end in {
            "mas": 0.5,
            "fine-tuning": 0.3,
            "lwf": 0.6,
            "lwf-repaired": 0.6,
        }.items():
            own = 0.001 * seed if method.startswith("lwf") else 0
            matrix = np.where(np.tri(3), end + own, np.nan)
            write_run(tmp_path, method, seed, matrix=matrix, result=memory())
    said = worth(only_group(tmp_path))
    assert "LwF repaired with 60.1 %, is more accurate beyond chance" in said


def test_one_seed_settles_nothing(tmp_path):
    assert "best other" not in told(tmp_path, 0.6, seeds=1)


def test_a_single_task_has_nothing_to_lose(tmp_path):
    for method in ("mas", "fine-tuning"):
        write_run(tmp_path, method, tasks=["birds"], matrix=np.array([[0.5]]))
    with pytest.raises(KeyError, match="has no forgetting"):
        worth(only_group(tmp_path))
