"""The numbers of an accuracy matrix, against a loop and by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from avalanche_mas.metrics.accuracy import (
    as_accuracy_matrix,
    average_accuracy,
    average_forgetting,
    average_intransigence,
    backward_transfer,
    forgetting,
    forward_transfer,
    intransigence,
    learning_accuracy,
)

BY_HAND = [[0.9, None, None], [0.7, 0.8, None], [0.5, 0.9, 0.6]]
METRICS = [average_accuracy, learning_accuracy, average_forgetting, backward_transfer]

fractions = st.floats(0, 1)
matrices = st.integers(2, 6).flatmap(
    lambda n: st.lists(st.lists(fractions, min_size=n, max_size=n), min_size=n, max_size=n)
)


def test_by_hand():
    assert average_accuracy(BY_HAND) == pytest.approx((0.5 + 0.9 + 0.6) / 3)
    assert learning_accuracy(BY_HAND) == pytest.approx((0.9 + 0.8 + 0.6) / 3)
    assert average_forgetting(BY_HAND) == pytest.approx((0.4 - 0.1) / 2)
    assert backward_transfer(BY_HAND) == pytest.approx((-0.4 + 0.1) / 2)


@given(matrices)
def test_against_the_loop(a):
    last = len(a) - 1
    assert average_accuracy(a) == pytest.approx(math.fsum(a[last]) / len(a))
    assert learning_accuracy(a) == pytest.approx(math.fsum(a[j][j] for j in range(len(a))) / len(a))
    drops = [a[j][j] - a[last][j] for j in range(last)]
    assert average_forgetting(a) == pytest.approx(math.fsum(drops) / last, abs=1e-12)
    assert backward_transfer(a) == -average_forgetting(a)


@given(matrices)
def test_bounds_and_untouched_input(a):
    before = np.array(a)
    given_array = np.array(a)
    assert 0 <= average_accuracy(given_array) <= 1
    assert 0 <= learning_accuracy(given_array) <= 1
    assert -1 <= average_forgetting(given_array) <= 1
    assert np.array_equal(before, given_array)


@pytest.mark.parametrize("metric", METRICS)
def test_lists_arrays_and_tensors_agree(metric):
    array = np.array(BY_HAND, dtype=float)
    tensor = torch.tensor(array, requires_grad=True)
    assert metric(BY_HAND) == metric(array) == metric(tensor)


def test_checked_matrix_is_a_copy():
    array = np.eye(2)
    as_accuracy_matrix(array)[0, 0] = 0.5
    assert array[0, 0] == 1


def test_joint_training_has_no_forgetting():
    joint = [[None, None], [0.5, 0.7]]
    assert average_accuracy(joint) == pytest.approx(0.6)
    with pytest.raises(ValueError, match=r"diagonal.*lacks tasks \[0\]"):
        average_forgetting(joint)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([], "square"),
        ([[]], "square"),
        ([0.5], "square"),
        ([[0.5, 0.5]], "square"),
        ([[0.5], [0.5, 0.5]], "equally many"),
        ([["good"]], "rows of equally many numbers"),
        ([[57.3, 0.1], [0.2, 0.3]], r"found 57\.3 in row 0, column 0; divide"),
        ([[0.5, 0.1], [-0.1, 0.3]], r"-0\.1 in row 1, column 0"),
        ([[math.inf]], "found inf"),
    ],
)
@pytest.mark.parametrize("metric", METRICS)
def test_refuses(metric, matrix, message):
    with pytest.raises(ValueError, match=message):
        metric(matrix)


def test_refuses_what_was_not_evaluated():
    with pytest.raises(ValueError, match=r"row.*lacks tasks \[1\]"):
        average_accuracy([[0.5, 0.5], [0.5, None]])
    with pytest.raises(ValueError, match="at least two"):
        average_forgetting([[0.5]])


def test_forgetting_of_each_task():
    np.testing.assert_allclose(forgetting(BY_HAND), [0.4, -0.1, 0], atol=1e-12)
    joint = forgetting([[None, None], [0.5, 0.7]])
    assert math.isnan(joint[0])
    assert joint[1] == 0


@given(matrices)
def test_average_forgetting_is_the_mean_of_all_but_the_last(a):
    assert average_forgetting(a) == pytest.approx(forgetting(a)[:-1].mean(), abs=1e-12)


FULL = [[0.9, 0.3, 0.2], [0.7, 0.8, 0.5], [0.5, 0.9, 0.6]]


def test_transfer_and_intransigence_by_hand():
    assert forward_transfer(FULL, [None, 0.25, 0.1]) == pytest.approx((0.05 + 0.4) / 2)
    np.testing.assert_allclose(intransigence(FULL, [1.0, 0.7, 0.6]), [0.1, -0.1, 0], atol=1e-12)
    assert average_intransigence(FULL, [1.0, 0.7, 0.9]) == pytest.approx(0.1)
    unknown = intransigence(BY_HAND, [None, 0.9, 0.6])
    assert np.isnan(unknown).tolist() == [True, False, False]


@given(matrices.flatmap(lambda a: st.tuples(st.just(a), st.permutations(a[0]))))
def test_transfer_and_intransigence_against_the_loop(case):
    a, others = case
    tasks = range(len(a))
    gains = [a[j - 1][j] - others[j] for j in tasks if j > 0]
    expected = math.fsum(gains) / len(gains)
    assert forward_transfer(a, others) == pytest.approx(expected, abs=1e-12)
    lacks = [others[j] - a[j][j] for j in tasks]
    assert intransigence(a, others).tolist() == lacks
    expected = math.fsum(lacks) / len(lacks)
    assert average_intransigence(a, others) == pytest.approx(expected, abs=1e-12)
    own = [a[j][j] for j in tasks]
    assert average_intransigence(a, own) == 0


@pytest.mark.parametrize(
    ("compute", "message"),
    [
        (lambda: forward_transfer([[0.5]], [0.1]), "at least two"),
        (lambda: forward_transfer(BY_HAND, [0.1] * 3), r"tasks to come.*lacks tasks \[1, 2\]"),
        (lambda: forward_transfer(FULL, [0.1, 0.1, None]), r"lacks tasks \[2\]"),
        (lambda: forward_transfer(FULL, [0.1, 0.1]), r"each of 3 tasks, found \[0\.1, 0\.1\]"),
        (lambda: intransigence(FULL, [0.1]), r"reference needs .* each of 3 tasks"),
        (lambda: intransigence(FULL, [90, 80, 70]), r"outside of \[0, 1\], found \[90"),
        (lambda: average_intransigence(FULL, [0.1, None, 1]), r"lacks tasks \[1\]"),
    ],
)
def test_refuses_what_is_not_defined(compute, message):
    with pytest.raises(ValueError, match=message):
        compute()
