"""When to save."""

from __future__ import annotations

import time


class When:
    """The steps of an experience, and how many of them are saved.

    Args:
        minutes: Save when that many minutes have passed since the last time; None for never.
        steps: Save after that many steps; None for never.
        experiences: Save within every experience whose number this divides.
    """

    def __init__(self, minutes: float | None, steps: int | None, experiences: int) -> None:
        self.minutes, self.every, self.experiences = minutes, steps, experiences
        self.steps = self._saved = 0
        self._saved_at = time.monotonic()

    @property
    def new(self) -> int:
        """How many steps are not saved."""
        return self.steps - self._saved

    def begin(self, steps: int) -> None:
        """Count from here, where all is saved."""
        self.steps = self._saved = steps

    def saved(self) -> None:
        """Note that all is saved."""
        self._saved, self._saved_at = self.steps, time.monotonic()

    def within(self, experience: int) -> bool:
        """Return whether there are checkpoints within an experience."""
        return experience % self.experiences == 0

    def due(self) -> bool:
        """Return whether it is time."""
        minutes = (time.monotonic() - self._saved_at) / 60
        return (self.every is not None and self.new >= self.every) or (
            self.minutes is not None and minutes >= self.minutes
        )
