"""The choice of learning rate and strength for a new task without looking at old ones.

This is the continual hyperparameter framework of De Lange et al., "A continual learning survey"
(TPAMI 2021, arXiv 1909.08383), Algorithm 1, for any method with one strength; the survey leaves
IMM's fixed. Starting from what has been learned so far,

1. maximal plasticity search fine-tunes on the new task with each learning rate of a grid and takes
   the rate with the best validation accuracy on the new task, A*;
2. stability decay trains the method with that rate and a high strength, and halves the strength
   until the validation accuracy on the new task is at least 0.8 A*.

The functions here see only accuracies on the new task, not what is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.record.schema import Choice, Trial

RATE_SHARES = (1.0, 0.5, 0.1, 0.05, 0.01)
"""The grid as shares of its highest rate. The survey's goes from 1e-2 to 1e-4."""

DECAY = 0.5
"""The factor on the strength: the survey's α."""

SHARE = 0.8
"""The share of fine-tuning's accuracy that is enough: the survey's 1 − p."""

MAX_HALVINGS = 15
"""The most halvings of the strength, down to 3·10⁻⁵ of the first. The survey gives no limit; its code
stops after 10 strengths and mostly starts lower."""


def in_words(choice: Choice) -> str:
    """Return a choice in words: every trial, what was chosen, and whether it was good enough."""
    rates = [trial for trial in choice["trials"] if trial["strength"] is None]
    tried = ", ".join(f"{t['learning_rate']:g}: {100 * t['accuracy']:.1f}" for t in rates)
    text = f"learning rate {choice['learning_rate']:g} (fine-tuning with {tried})"
    if choice["strength"] is None or choice["enough"] is None:
        return text
    strengths = [trial for trial in choice["trials"] if trial["strength"] is not None]
    tried = ", ".join(f"{t['strength']:g}: {100 * t['accuracy']:.1f}" for t in strengths)
    end = "" if choice["reached"] else ", NOT REACHED: the last one is taken"
    if choice["reached"] and len(strengths) == 1:
        end = ", reached by the highest: a higher one may reach it, too"
    enough = f"enough {100 * choice['enough']:.1f}{end}"
    return f"{text}, strength {choice['strength']:g} ({tried}; {enough})"


def choose(
    fine_tune: Callable[[float], float],
    rates: Sequence[float],
    train: Callable[[float, float], float] | None = None,
    start: float = 0.0,
) -> Choice:
    """Choose the learning rate and the strength for a new task.

    It takes `len(rates)` trainings by fine-tuning and at most `1 + MAX_HALVINGS` by the method.

    Args:
        fine_tune: Fine-tunes on the new task with a learning rate, from what was learned before it,
            and returns the validation accuracy on the new task.
        rates: The grid of learning rates.
        train: Does the same with the method, given a learning rate and a strength; `None` to choose
            a rate only, for the first task and for a method without a strength.
        start: The high strength to begin with. After `MAX_HALVINGS`, the last one is taken even if it
            is not low enough.

    Raises:
        ValueError: There is no learning rate, or the strength to begin with is not above 0.
    """
    if not rates:
        raise ValueError("the grid of learning rates is empty; give at least one")
    plasticity = [_trial(rate, None, fine_tune(rate)) for rate in rates]
    best = max(plasticity, key=lambda trial: trial["accuracy"])
    choice: Choice = {
        "learning_rate": best["learning_rate"],
        "strength": None,
        "best_accuracy": best["accuracy"],
        "enough": None,
        "reached": None,
        "trials": plasticity,
    }
    if train is not None:
        enough = SHARE * best["accuracy"]
        stability = _decay(train, best["learning_rate"], enough, start)
        choice["strength"], choice["enough"] = stability[-1]["strength"], enough
        choice["reached"] = stability[-1]["accuracy"] >= enough
        choice["trials"] = plasticity + stability
    return choice


def _trial(learning_rate: float, strength: float | None, accuracy: float) -> Trial:
    return {"learning_rate": learning_rate, "strength": strength, "accuracy": accuracy}


def _decay(
    train: Callable[[float, float], float], rate: float, enough: float, start: float
) -> list[Trial]:
    if not start > 0:
        raise ValueError(f"the strength to begin with must be above 0, got {start}")
    trials: list[Trial] = []
    for halvings in range(1 + MAX_HALVINGS):
        strength = start * DECAY**halvings
        trials.append(_trial(rate, strength, train(rate, strength)))
        if trials[-1]["accuracy"] >= enough:
            break
    return trials
