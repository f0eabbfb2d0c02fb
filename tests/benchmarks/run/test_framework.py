"""The framework that chooses learning rate and strength: what it tries, and what it picks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.run.framework import (
    DECAY,
    MAX_HALVINGS,
    RATE_SHARES,
    SHARE,
    choose,
    in_words,
)

accuracies = st.floats(0, 1)
rates_ = st.lists(st.floats(1e-5, 1), min_size=1, max_size=6, unique=True)


def trial(learning_rate: float, strength: float | None, accuracy: float) -> dict[str, Any]:
    return {"learning_rate": learning_rate, "strength": strength, "accuracy": accuracy}


def test_the_published_constants() -> None:
    assert (DECAY, SHARE) == (0.5, 0.8)
    assert [share * 1e-2 for share in RATE_SHARES] == [1e-2, 5e-3, 1e-3, 5e-4, 1e-4]


def test_an_example_by_hand() -> None:
    """Fine-tuning is best with 0.01, 0.5; so 0.4 is enough, which a strength of 0.75 reaches."""
    fine = {0.1: 0.3, 0.01: 0.5, 0.001: 0.5}
    held = {3.0: 0.1, 1.5: 0.39, 0.75: 0.4, 0.375: 0.45}
    tried: list[Any] = []

    def train(rate: float, strength: float) -> float:
        tried.append((rate, strength))
        return held[strength]

    decision = choose(fine.__getitem__, [0.1, 0.01, 0.001], train, start=3.0)
    assert tried == [(0.01, 3.0), (0.01, 1.5), (0.01, 0.75)]
    assert decision == {
        "learning_rate": 0.01,
        "strength": 0.75,
        "best_accuracy": 0.5,
        "enough": 0.4,
        "reached": True,
        "trials": [
            trial(0.1, None, 0.3),
            trial(0.01, None, 0.5),
            trial(0.001, None, 0.5),
            trial(0.01, 3.0, 0.1),
            trial(0.01, 1.5, 0.39),
            trial(0.01, 0.75, 0.4),
        ],
    }
    assert in_words(decision) == (
        "learning rate 0.01 (fine-tuning with 0.1: 30.0, 0.01: 50.0, 0.001: 50.0), "
        "strength 0.75 (3: 10.0, 1.5: 39.0, 0.75: 40.0; enough 40.0)"
    )
    assert json.loads(json.dumps(decision))["trials"][3] == {
        "learning_rate": 0.01,
        "strength": 3.0,
        "accuracy": 0.1,
    }


def test_where_no_strength_is_low_enough_the_last_is_taken_and_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert len(choose(lambda _: 1.0, [0.1], lambda *_: 0.1, 1.0)["trials"]) == 1 + 1 + MAX_HALVINGS
    monkeypatch.setattr("benchmarks.run.framework.MAX_HALVINGS", 2)
    decision = choose(lambda _: 1.0, [0.1], lambda *_: 0.1, start=1.0)
    assert (decision["strength"], decision["reached"]) == (0.25, False)
    assert in_words(decision).endswith(
        "(1: 10.0, 0.5: 10.0, 0.25: 10.0; enough 80.0, NOT REACHED: the last one is taken)"
    )


def test_where_the_highest_strength_is_low_enough_that_is_told() -> None:
    decision = choose(lambda _: 0.5, [0.1], lambda *_: 0.45, start=3.0)
    assert (decision["strength"], decision["reached"]) == (3.0, True)
    assert in_words(decision).endswith(
        "(3: 45.0; enough 40.0, reached by the highest: a higher one may reach it, too)"
    )


def test_without_a_strength_only_the_rate_is_chosen() -> None:
    decision = choose({0.1: 0.3, 0.01: 0.5}.__getitem__, [0.1, 0.01])
    assert (decision["learning_rate"], decision["strength"]) == (0.01, None)
    assert (decision["enough"], decision["reached"]) == (None, None)
    assert in_words(decision) == "learning rate 0.01 (fine-tuning with 0.1: 30.0, 0.01: 50.0)"


def test_what_cannot_be_chosen_from_is_refused() -> None:
    with pytest.raises(ValueError, match="grid of learning rates is empty"):
        choose(lambda _: 1.0, [])
    with pytest.raises(ValueError, match=r"must be above 0, got 0\.0"):
        choose(lambda _: 1.0, [0.1], lambda *_: 1.0)


@given(
    rates_,
    st.lists(accuracies, min_size=6, max_size=6),
    st.lists(accuracies, min_size=1 + MAX_HALVINGS, max_size=1 + MAX_HALVINGS),
    st.floats(1e-6, 1e6),
)
def test_what_is_tried_and_taken(
    rates: list[float], fine: list[float], held: list[float], start: float
) -> None:
    asked: list[tuple[float, float | None]] = []
    of_rate, of_method = iter(fine), iter(held)

    def fine_tune(rate: float) -> float:
        asked.append((rate, None))
        return next(of_rate)

    def train(rate: float, strength: float) -> float:
        asked.append((rate, strength))
        return next(of_method)

    decision = choose(fine_tune, rates, train, start)
    assert [(t["learning_rate"], t["strength"]) for t in decision["trials"]] == asked
    by_rate, by_method = asked[: len(rates)], asked[len(rates) :]
    assert by_rate == [(rate, None) for rate in rates]  # each rate once, whatever comes of it
    assert decision["learning_rate"] == rates[fine.index(max(fine[: len(rates)]))]
    assert decision["best_accuracy"] == max(fine[: len(rates)])
    count = len(by_method)
    assert 1 <= count <= 1 + MAX_HALVINGS
    assert by_method == [(decision["learning_rate"], start / 2**k) for k in range(count)]
    assert decision["strength"] == by_method[-1][1]
    enough = 0.8 * decision["best_accuracy"]
    assert all(accuracy < enough for accuracy in held[: count - 1])
    assert decision["reached"] is (held[count - 1] >= enough)
    assert decision["reached"] or count == 1 + MAX_HALVINGS
