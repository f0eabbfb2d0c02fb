"""Learning rate and strength for a new task, chosen without a look at the old ones.

The continual hyperparameter framework of De Lange et al., "A continual learning survey" (TPAMI
2021, arXiv 1909.08383), section on the framework and its Algorithm 1, for any method with one
strength; the survey itself leaves IMM's fixed. From what has been learned so far,

1. maximal plasticity search: fine-tuning on the new task with each learning rate of a grid; the
   rate with the best validation accuracy on the new task is taken, that accuracy is A*;
2. stability decay: the method is trained with that rate and a high strength, which is halved until
   the validation accuracy on the new task is at least 0.8 A*.

Nothing here knows what is trained: only the accuracies on the new task are handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

RATE_SHARES = (1.0, 0.5, 0.1, 0.05, 0.01)
"""The grid, as shares of its highest rate. The survey's goes from 1e-2 to 1e-4."""

DECAY = 0.5
"""What the strength is multiplied by: the survey's α."""

SHARE = 0.8
"""What share of fine-tuning's accuracy is enough: the survey's 1 − p."""

MAX_HALVINGS = 15
"""How often the strength is halved at most, down to 3·10⁻⁵ of the first. The survey names no end;
its code ends after 10 strengths, most of which start lower."""


@dataclass(frozen=True)
class Trial:
    """One training on the new task, from what had been learned before it.

    Attributes:
        learning_rate: The rate it was trained with.
        strength: The method's strength; `None` for fine-tuning.
        accuracy: On the new task's validation data, in [0, 1].
    """

    learning_rate: float
    strength: float | None
    accuracy: float


@dataclass(frozen=True)
class Decision:
    """What was chosen for a task, and why.

    Attributes:
        learning_rate: The best rate for fine-tuning; of equal ones the first in the grid.
        strength: The first strength that was low enough, or the last; `None` where none was tried.
        best_accuracy: Fine-tuning's with that rate, A*.
        enough: The accuracy that the method had to reach, 0.8 A*; `None` where it did not.
        reached: Whether it did; `None` likewise.
        trials: All trainings, in order.
    """

    learning_rate: float
    strength: float | None
    best_accuracy: float
    enough: float | None
    reached: bool | None
    trials: tuple[Trial, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the fields as JSON."""
        return {**asdict(self), "trials": [asdict(trial) for trial in self.trials]}

    def sentence(self) -> str:
        """Return it in words: every trial, what was chosen, and whether that was good enough."""
        rates = [trial for trial in self.trials if trial.strength is None]
        tried = ", ".join(f"{t.learning_rate:g}: {100 * t.accuracy:.1f}" for t in rates)
        text = f"learning rate {self.learning_rate:g} (fine-tuning with {tried})"
        if self.strength is None or self.enough is None:
            return text
        strengths = [trial for trial in self.trials if trial.strength is not None]
        tried = ", ".join(f"{t.strength:g}: {100 * t.accuracy:.1f}" for t in strengths)
        end = "" if self.reached else ", NOT REACHED: the last one is taken"
        if self.reached and len(strengths) == 1:
            end = ", reached by the highest: a higher one may reach it, too"
        return f"{text}, strength {self.strength:g} ({tried}; enough {100 * self.enough:.1f}{end})"


def choose(
    fine_tune: Callable[[float], float],
    rates: Sequence[float],
    train: Callable[[float, float], float] | None = None,
    start: float = 0.0,
    max_halvings: int = MAX_HALVINGS,
) -> Decision:
    """Choose the learning rate and the strength for a new task.

    There are `len(rates)` trainings by fine-tuning and at most `1 + max_halvings` by the method.

    Args:
        fine_tune: From a learning rate, the validation accuracy on the new task of fine-tuning on
            it. Every call starts from what had been learned before the new task.
        rates: The grid of learning rates.
        train: From a learning rate and a strength, that of the method, likewise; `None` where only
            a rate is to be chosen: for the first task, and for a method without a strength.
        start: The high strength to begin with.
        max_halvings: How often it is halved; the last strength is taken even if it is not enough.

    Raises:
        ValueError: There is no learning rate, or the strength to begin with is not above 0.
    """
    if not rates:
        raise ValueError("the grid of learning rates is empty; give at least one")
    plasticity = [Trial(rate, None, fine_tune(rate)) for rate in rates]
    best = max(plasticity, key=lambda trial: trial.accuracy)
    if train is None:
        return Decision(best.learning_rate, None, best.accuracy, None, None, tuple(plasticity))
    enough = SHARE * best.accuracy
    stability = _decay(train, best.learning_rate, enough, start, max_halvings)
    last = stability[-1]
    return Decision(
        learning_rate=best.learning_rate,
        strength=last.strength,
        best_accuracy=best.accuracy,
        enough=enough,
        reached=last.accuracy >= enough,
        trials=(*plasticity, *stability),
    )


def _decay(
    train: Callable[[float, float], float],
    rate: float,
    enough: float,
    start: float,
    max_halvings: int,
) -> list[Trial]:
    if not start > 0:
        raise ValueError(f"the strength to begin with must be above 0, got {start}")
    trials: list[Trial] = []
    for halvings in range(1 + max_halvings):
        strength = start * DECAY**halvings
        trials.append(Trial(rate, strength, train(rate, strength)))
        if trials[-1].accuracy >= enough:
            break
    return trials
