"""The plugin that saves a strategy while it trains, and goes on from where it was."""

from __future__ import annotations

import signal
import sys
import threading
import time
import warnings
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from avalanche.training.plugins import SupervisedPlugin
from typing_extensions import override

from avalanche_mas.checkpoint.codec import WRONG, CheckpointError
from avalanche_mas.checkpoint.fetches import END, Fetches
from avalanche_mas.checkpoint.store import Kept, Place, Store
from avalanche_mas.checkpoint.strategy import Strategy
from avalanche_mas.options import check_option

SIGNALS = ("SIGTERM", "SIGINT", "SIGUSR1")
"""The signals that are answered with a checkpoint: of a scheduler that preempts, and Ctrl-C."""


class Checkpoints(SupervisedPlugin):
    """Checkpoints of a run, from which it goes on to the bit.

    ::

        checkpoints = Checkpoints("checkpoints", every_minutes=10)
        strategy = Naive(..., plugins=[MASPlugin(), checkpoints])
        for experience in checkpoints.remaining(strategy, benchmark.train_stream):
            strategy.train(experience)
            strategy.eval(benchmark.test_stream)

    The script is the same for a run that begins and for one that goes on. It must build the strategy and
    the stream as before. A run that was interrupted within an experience goes on in the middle of the
    epoch, with the same batches: those that were done are read again, and thrown away. What is saved is
    the model with the heads it has grown, the optimizer, every plugin, the metrics and the random states.
    On the same machine and the same versions, the run ends with the numbers it would have ended with.

    Of the plugins, those of Avalanche and of this package are saved, and those with `state_dict` and
    `load_state_dict`. Any other that has attributes is refused by name before training.

    A signal to end (SIGTERM, SIGUSR1, Ctrl-C) is answered with a checkpoint before the next batch, and the
    process ends with the status 128 + the number of the signal; at once where nothing new is to be saved,
    or at the second signal. Train once on each experience that `remaining` yields.

    Args:
        folder: The folder of the checkpoints, one for each run.
        every_minutes: Save when that many minutes have passed since the last time; None for never.
        every_steps: Save after that many steps; None for never.
        keep: How many checkpoints are kept, besides the beginning of their experience.
        on_failure: What to do if a checkpoint cannot be written, for example as the disk is full: "raise"
            the error, or "warn" and train on. What was saved before is kept either way.
        skip: Plugins that are not saved.

    Raises:
        ValueError: A number is not positive, or `on_failure` unknown.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        every_minutes: float | None = 10.0,
        every_steps: int | None = None,
        keep: int = 2,
        on_failure: Literal["raise", "warn"] = "raise",
        skip: Collection[Any] = (),
    ) -> None:
        super().__init__()
        for name, value in (
            ("every_minutes", every_minutes),
            ("every_steps", every_steps),
            ("keep", keep),
        ):
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be positive, got {value}")
        check_option("on_failure", on_failure, ("raise", "warn"))
        self.every_minutes, self.every_steps = every_minutes, every_steps
        self.on_failure, self.skip = on_failure, tuple(skip)
        self._store = Store(Path(folder), keep)
        self._state: Strategy | None = None
        self._experience = self._epoch = self._steps = self._saved_steps = 0
        self._saved_at = time.monotonic()
        self._within: Kept | None = None
        self._epochs = 0
        self._signal: int | None = None
        self._trained = False

    def remaining(self, strategy: Any, stream: Iterable[Any]) -> Iterator[Any]:
        """Yield the experiences that are still to be learned, from the newest checkpoint on.

        The strategy is brought to the state of the checkpoint first. What the loop does with an experience,
        evaluation included, counts as done when the next one is asked for.

        Args:
            strategy: A strategy with this plugin, newly built.
            stream: The training stream, or a list of experiences.

        Raises:
            ValueError: This plugin is not the strategy's.
            CheckpointError: A plugin cannot be saved, or the checkpoints cannot be read or are of another
                run.
        """
        if not any(plugin is self for plugin in strategy.plugins):
            raise ValueError("pass this plugin to the strategy: plugins=[..., checkpoints]")
        experiences = list(stream)
        self._state = Strategy(strategy, experiences, self.skip, self)
        sizes = [len(experience.dataset) for experience in experiences]
        first, begun = self._go_on(sizes)
        with self._answering_signals():
            for number in range(first, len(experiences)):
                self._experience, self._steps, self._saved_steps = number, 0, 0
                self._trained = False
                if number > first or not begun:
                    self._save(Place(number), {"sizes": sizes})
                yield experiences[number]
            if first < len(experiences):
                self._save(Place(len(experiences)), {"sizes": sizes})

    def _go_on(self, sizes: list[int]) -> tuple[int, bool]:
        """Go back to the newest checkpoint; return the number of its experience, and if there is one."""
        found = self._store.newest()
        if found is None:
            return 0, False
        place, begin, self._within = found
        assert self._state is not None
        with _reading(begin):
            saved = self._state.decoded(begin, "sizes")
        if saved != sizes:
            raise CheckpointError(
                f"the checkpoints in {self._store.folder} are of a stream of {saved} samples, "
                f"and this one has {sizes}; pass the same stream, or another folder"
            )
        with _reading(begin):
            self._state.load(begin.content["strategy"], begin.tensors)
        print(f"going on from {self._store.folder}: {place}", file=sys.stderr)
        return place.experience, True

    @override
    def before_training_exp(self, strategy: Any, *_: Any, **__: Any) -> None:
        """Leave out the epochs that were done before the checkpoint."""
        if self._state is None:
            return
        if self._trained:
            raise RuntimeError(
                "this experience has been trained on already; train once on each that remaining() yields"
            )
        self._trained = True
        self._state.note_growth()
        self._epochs = strategy.train_epochs
        within = self._within
        self._epoch = self._steps = 0
        if within is not None:
            with _reading(within):
                self._epoch = int(self._state.decoded(within, "epoch"))
                self._steps = int(self._state.decoded(within, "steps"))
        self._saved_steps = self._steps
        strategy.train_epochs -= self._epoch

    @override
    def before_training_epoch(self, strategy: Any, *_: Any, **__: Any) -> None:
        """Watch the batches of the epoch."""
        if self._state is not None:
            strategy.train_epochs = self._epochs
            strategy.dataloader = _Watched(strategy.dataloader, self)

    @override
    def after_training_epoch(self, strategy: Any, *_: Any, **__: Any) -> None:
        """Leave the loader as it was."""
        if isinstance(strategy.dataloader, _Watched):
            strategy.dataloader = strategy.dataloader.loader
            self._epoch += 1

    @override
    def before_eval_exp(self, strategy: Any, *_: Any, **__: Any) -> None:
        """Note the heads that evaluation makes."""
        if self._state is not None:
            self._state.note_growth()

    def batches(self, loader: Any) -> Iterator[Any]:
        """Yield the batches of an epoch; save before the next one where it is time to."""
        state, within = self._state, self._within
        assert state is not None
        if within is None:
            fetches = Fetches(loader)
        else:
            with _reading(within):
                before = state.decoded(within, "epoch_so_far")
                fetches = Fetches(loader, before["begin"])
                fetches.skip(before)
                state.load(within.content["strategy"], within.tensors)
            self._within = None
        while True:
            if self._due():
                self._save_within(fetches)
            batch = fetches.next()
            if batch is END:
                break
            self._steps += 1
            yield batch
        if self._epoch == self._epochs - 1 and self._steps > self._saved_steps:
            with fetches.before_the_last():
                self._save_within(fetches)  # before the work that follows the last epoch

    def _due(self) -> bool:
        new = self._steps - self._saved_steps
        minutes = (time.monotonic() - self._saved_at) / 60
        return new > 0 and (
            self._signal is not None
            or (self.every_steps is not None and new >= self.every_steps)
            or (self.every_minutes is not None and minutes >= self.every_minutes)
        )

    def _save_within(self, fetches: Fetches) -> None:
        more = {"epoch": self._epoch, "steps": self._steps, "epoch_so_far": fetches.state()}
        self._save(Place(self._experience, self._steps), more)

    def _save(self, place: Place, more: dict[str, Any]) -> None:
        assert self._state is not None
        content, tensors = self._state.save(more)
        try:
            self._store.write(place, content, tensors)
        except OSError as error:
            if self.on_failure == "raise":
                raise
            warnings.warn(f"no checkpoint of {place}: {error}; training goes on", stacklevel=2)
        self._saved_steps, self._saved_at = self._steps, time.monotonic()
        if self._signal is not None:
            self._end(self._signal)

    @contextmanager
    def _answering_signals(self) -> Iterator[None]:
        """Answer signals with a checkpoint; only in the main thread, where Python allows it."""
        names = SIGNALS if threading.current_thread() is threading.main_thread() else ()
        found = [getattr(signal, name) for name in names if hasattr(signal, name)]
        before = {number: signal.signal(number, self._answer) for number in found}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _answer(self, number: int, _: FrameType | None) -> None:
        if self._signal is not None or self._steps == self._saved_steps:
            self._end(number)
        self._signal = number

    def _end(self, number: int) -> None:
        name = signal.Signals(number).name
        places = self._store.places()
        where = f"{self._store.folder}, {places[-1]}" if places else "the beginning"
        print(f"{name}: run the script again to go on from {where}", file=sys.stderr)
        sys.exit(128 + number)


class _Watched:
    """A loader whose batches go through the plugin."""

    def __init__(self, loader: Any, plugin: Checkpoints) -> None:
        self.loader, self._plugin = loader, plugin

    def __iter__(self) -> Iterator[Any]:
        return self._plugin.batches(self.loader)

    def __len__(self) -> int:
        return len(self.loader)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)


@contextmanager
def _reading(kept: Kept) -> Iterator[None]:
    """Name the file, and what to do, where a checkpoint is not of this strategy or version."""
    try:
        yield
    except WRONG as error:
        reason = error if isinstance(error, CheckpointError) else f"it holds {error!r}"
        raise CheckpointError(
            f"cannot go on from {kept.file}: {reason}; remove {kept.file.parent} to start over"
        ) from error
