"""A run of the adaptation test: unlabelled images of some classes, accuracy by class."""

from __future__ import annotations

import random
from collections.abc import Collection
from typing import Any

import torch
from avalanche.benchmarks.utils import AvalancheDataset
from avalanche.core import SupervisedPlugin

from avalanche_mas.streams import TaskBenchmark, make_stream
from benchmarks.experiments.studies.study import Study
from benchmarks.methods import method_named
from benchmarks.record.schema import StudyResult
from benchmarks.record.settings import Settings

_MEASURED_AT_FIRST_ON = {"train": "train", "train, then subset": "train", "subset": "valid"}


class Adaptation(Study):
    """A run whose model sees half of the first task's classes after it, without labels.

    The first task's validation data are cut down to that half: what a deployed model would see.
    Accuracies are on the test data, which share no image with them.
    """

    def __init__(self, settings: Settings, stream: TaskBenchmark) -> None:
        self.subset = choose_half(len(stream.class_names[0]), settings.seed)
        super().__init__(settings, meeting_only(stream, self.subset))
        self.counts = ClassCounts(len(stream.class_names[0]), settings.evaluated_on)

    def method_plugins(self) -> list[SupervisedPlugin]:
        """Return the method's plugins and, for "train, then subset", one that refines importance."""
        settings, wanted = self.settings, self.settings.importance_on
        first = None if wanted is None else _MEASURED_AT_FIRST_ON[wanted]
        plugins = method_named(settings.method).plugins(settings.strength, first, settings.penalty)
        if wanted == "train, then subset":
            return [*plugins, Refine(plugins[0], self.stream.valid_stream[0].dataset)]
        return plugins

    def observers(self) -> list[SupervisedPlugin]:
        """Return the plugin that counts correct answers by class."""
        return [self.counts]

    def result(self) -> StudyResult:
        """Return the subset, the number of unlabelled images, and the counts by class."""
        return {
            "first_task": {
                "subset": self.subset,
                "unlabelled": len(self.stream.valid_stream[0].dataset),
                "samples": self.counts.samples,
                "correct": self.counts.correct,
            }
        }


def choose_half(classes: int, seed: int) -> list[int]:
    """Return half of the classes, rounded down, chosen by the seed."""
    return sorted(random.Random(seed).sample(range(classes), classes // 2))


def meeting_only(stream: TaskBenchmark, classes: Collection[int]) -> TaskBenchmark:
    """Return the stream with only these classes in the first task's validation data."""
    parts = {name: [e.dataset for e in one] for name, one in stream.streams.items()}
    first, chosen = parts["valid"][0], set(classes)
    kept = [i for i, label in enumerate(first.targets) if int(label) in chosen]
    parts["valid"][0] = first.subset(kept)
    return make_stream(parts, stream.tasks, stream.scenario)


class Refine(SupervisedPlugin):
    """A plugin that refines the importance of a MAS plugin before it on images met after the first task."""

    def __init__(self, mas: Any, met: AvalancheDataset) -> None:
        super().__init__()
        self.mas, self.met = mas, met

    def state_dict(self) -> dict[str, Any]:
        """Return nothing, as it never changes."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Do nothing."""

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        """Refine the importance after the first task."""
        if strategy.experience.current_experience == 0:
            self.mas.update_importance(strategy, self.met)


class ClassCounts(SupervisedPlugin):
    """A plugin that counts correct answers to the first task by class, in each evaluation on a stream."""

    def __init__(self, classes: int, part: str) -> None:
        super().__init__()
        self.classes, self.part = classes, part
        self.samples: list[int] = []
        self.correct: list[list[int]] = []

    def before_eval_exp(self, strategy: Any, **_: Any) -> None:
        """Start counting."""
        if self._counts(strategy):
            self.samples = [0] * self.classes
            self.correct.append([0] * self.classes)

    def after_eval_iteration(self, strategy: Any, **_: Any) -> None:
        """Count one batch."""
        if self._counts(strategy):
            right = strategy.mb_output.argmax(dim=1) == strategy.mb_y
            self._add(self.samples, strategy.mb_y)
            self._add(self.correct[-1], strategy.mb_y[right])

    def _counts(self, strategy: Any) -> bool:
        experience = strategy.experience
        same_part: bool = experience.origin_stream.name == self.part
        return same_part and experience.current_experience == 0

    def _add(self, counts: list[int], labels: torch.Tensor) -> None:
        more = torch.bincount(labels, minlength=self.classes).tolist()
        counts[:] = [a + b for a, b in zip(counts, more, strict=True)]
