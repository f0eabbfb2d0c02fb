"""The framework in a run: each trial continues a copy of the run."""

from __future__ import annotations

import time
from collections.abc import Callable

from benchmarks.run.framework import RATE_SHARES, choose, in_words
from benchmarks.run.learner import Learner, Part


def decide(
    learner: Learner, part: Part, fresh: Callable[[], Learner], say: Callable[[str], None]
) -> None:
    """Choose the learning rate and the strength for a part; only the learner's record changes.

    `fresh` returns a copy of the learner before this part, evaluated on validation data.
    """
    begin = time.perf_counter()

    def accuracy(rate: float, strength: float | None) -> float:
        trial = fresh()
        if strength is None:
            trial.drop_method()
        trial.use(rate, strength)
        try:
            trial.train(part)
        except (ValueError, FloatingPointError):  # it diverged; any other error comes again later
            return 0.0
        trial.drop_method()  # IMM would merge the weights with earlier ones
        return trial.accuracy_on_new(part)

    settings, method = learner.settings, learner.method
    begun = method.strength is not None and part.number > 0
    choice = choose(
        fine_tune=lambda rate: accuracy(rate, None),
        rates=[share * settings.learning_rate for share in RATE_SHARES],
        train=accuracy if begun else None,
        start=method.highest or 0.0,
    )
    tasks = learner.settings.tasks[part.first : part.seen]
    learner.decisions.append({"tasks": list(tasks), **choice})
    learner.choosing.append(time.perf_counter() - begin)
    say(f"{', '.join(tasks)}: {in_words(choice)}")


def use_decision(learner: Learner) -> None:
    """Make a learner use what was chosen last."""
    choice = learner.decisions[-1]
    # on the first task a strength has no effect; the next ones start from the highest
    strength = choice["strength"]
    learner.use(choice["learning_rate"], learner.method.highest if strength is None else strength)
