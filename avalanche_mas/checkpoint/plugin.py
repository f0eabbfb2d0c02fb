"""The plugin that saves a strategy while it trains, and resumes it."""

from __future__ import annotations

import signal
import sys
import warnings
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from avalanche.training.plugins import SupervisedPlugin
from typing_extensions import override

from avalanche_mas.checkpoint.beside import Beside, HasState
from avalanche_mas.checkpoint.fetches import END, Fetches, Watched
from avalanche_mas.checkpoint.identity import Identity, built, refuse_other
from avalanche_mas.checkpoint.lock import held
from avalanche_mas.checkpoint.randomness import check_gpus
from avalanche_mas.checkpoint.samples import datasets_of
from avalanche_mas.checkpoint.store import Kept, Place, Store
from avalanche_mas.checkpoint.strategy import Strategy
from avalanche_mas.checkpoint.when import When
from avalanche_mas.checkpoint.workers import deaf_workers
from avalanche_mas.options import check_option
from avalanche_mas.processes import group_of, place_in
from avalanche_mas.signals import OF_SCHEDULERS, answered

_SIGNALS = (*OF_SCHEDULERS, "SIGINT")


def _say(line: str) -> None:
    print(f"\n{line}", file=sys.stderr)  # a progress bar may be on the line


class Checkpoints(SupervisedPlugin):
    """Checkpoints of a run, from which it resumes to the bit.

    ::

        checkpoints = Checkpoints("checkpoints", every_minutes=10)
        strategy = Naive(..., plugins=[MASPlugin(), checkpoints])
        for experience in checkpoints.remaining(strategy, benchmark.train_stream):
            strategy.train(experience)
            strategy.eval(benchmark.test_stream)

    The same script begins a run and resumes it: it builds the strategy and the stream as before. Within
    an experience, training resumes in the middle of the epoch; the batches that were done are read again
    and thrown away. Saved are the model with its heads, the optimizer, the plugins, the metrics, loggers
    that have a state, and the random states. On the same machine, with the same versions, the run ends
    with the numbers of one that nothing interrupted. Train once on each experience that is yielded.

    Plugins of Avalanche and of this package are saved, and those with `state_dict` and
    `load_state_dict`. Any other that has attributes is refused by name before training.

    SIGTERM, SIGUSR1 and Ctrl-C are answered with a checkpoint before the next batch, if there is anything
    new, and end the process with the status 128 + the signal's number; a second Ctrl-C ends it at once.
    Within an experience that is not saved (`every_experiences`), this happens before the next one.

    Args:
        folder: The folder of the checkpoints, one for each run.
        every_minutes: Save when that many minutes have passed since the last time; None for never.
        every_steps: Save after that many steps; None for never.
        every_experiences: Save at the beginning of every experience whose number this divides, and within
            these. More than 1 is for online streams, of many small experiences.
        keep: How many checkpoints are kept, besides the beginning of their experience.
        on_failure: What to do if a checkpoint cannot be written, for example to a full disk: "raise" the
            error, or "warn" and train on. What was saved before is kept either way.
        skip: Plugins that are not saved.
        by_attributes: Plugins without `state_dict` whose attributes are all that they keep: numbers,
            texts, tensors, the strategy's data sets and models, and collections of them.
        also: What else is to be saved, by name: anything with `state_dict` and `load_state_dict`.
        say: Takes a line when the run resumes or a signal ends it; by default it is printed to stderr.

    Raises:
        ValueError: A number is not positive, or `on_failure` unknown.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        every_minutes: float | None = 10.0,
        every_steps: int | None = None,
        every_experiences: int = 1,
        keep: int = 2,
        on_failure: Literal["raise", "warn"] = "raise",
        skip: Collection[Any] = (),
        by_attributes: Collection[Any] = (),
        also: Mapping[str, HasState] | None = None,
        say: Callable[[str], None] = _say,
    ) -> None:
        super().__init__()
        numbers = {"every_minutes": every_minutes, "every_steps": every_steps, "keep": keep}
        for name, value in (*numbers.items(), ("every_experiences", every_experiences)):
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be positive, got {value}")
        check_option("on_failure", on_failure, ("raise", "warn"))
        self._when = When(every_minutes, every_steps, every_experiences)
        self.on_failure, self.say = on_failure, say
        self._beside = Beside(dict(also or {}))
        self.skip, self.by_attributes = tuple(skip), tuple(by_attributes)
        self._store = Store(Path(folder), keep)
        self._state: Strategy | None = None
        self._identity: Identity | None = None
        self._experience = self._epoch = 0
        self._within: Kept | None = None
        self._restored: dict[str, str] = {}
        self._begun = self._trained = False
        self._pace = {"train_epochs": 0, "train_mb_size": 0}
        self._signal: int | None = None

    @property
    def files(self) -> list[Path]:
        """The files of the checkpoints, in the order of the run."""
        return [self._store.folder / place.file for place in self._store.places()]

    def restore(self, strategy: Any, stream: Iterable[Any]) -> Place | None:
        """Bring a newly built strategy to the newest checkpoint.

        `remaining` does it by itself. What was done within an experience is restored by training on it.

        Args:
            strategy: A strategy, as newly built as that of the run.
            stream: The training stream, or a list of experiences; for joint training, a list of streams.

        Returns:
            How far the run had come; None if there is no checkpoint.

        Raises:
            CheckpointError: The checkpoints cannot be read, or are of another run.
        """
        experiences = list(stream)
        datasets = [data for each in experiences for data in datasets_of(each)]
        plugins = [each for each in strategy.plugins if not isinstance(each, Checkpoints)]
        self._state = state = Strategy(strategy, datasets, plugins, self.skip, self.by_attributes)
        self._identity = identity = Identity(strategy, plugins, datasets)
        found, self._experience = self._store.newest(), 0
        self._begun = found is not None
        if found is None:
            return None
        place, begin, self._within = found
        newest = self._within or begin
        with newest.reading():
            run = state.decoded(newest, "run") if self._within else None
            beside = state.decoded(newest, "beside")
        with begin.reading():
            note = identity.go_on(state.decoded(begin, "identity"), run, self._store.folder)
            state.load(begin.content["strategy"], begin.tensors, last=self._within is None)
        self._beside.load(strategy, beside)
        self._experience, self._restored = place.experience, built(strategy, plugins)
        self.say(f"resuming from {self._store.folder}: {place}{note}")
        return place

    def remaining(self, strategy: Any, stream: Iterable[Any]) -> Generator[Any, None, None]:
        """Yield the experiences that are still to be learned, from the newest checkpoint on.

        The strategy is brought to the state of the checkpoint first. What the loop does with an experience,
        evaluation included, counts as done when the next one is asked for.

        Args:
            strategy: A strategy with this plugin, newly built.
            stream: The training stream, or a list of experiences; for joint training, a list of streams.

        Raises:
            ValueError: This plugin is not the strategy's.
            RuntimeError: Several processes train together.
            CheckpointError: A plugin cannot be saved, the checkpoints cannot be read or are of another
                run, or another process trains with them.
        """
        if not any(plugin is self for plugin in strategy.plugins):
            raise ValueError("pass this plugin to the strategy: plugins=[..., checkpoints]")
        if (processes := place_in(group_of(strategy.model))[1]) > 1:
            raise RuntimeError(
                f"Checkpoints are for a run in one process, and {processes} train together; leave them "
                "out; after each task, save the state_dict() of the model and the plugins in the first "
                "process, and to resume, load them in all"
            )
        experiences = list(stream)
        with (
            held(self._store.folder),
            answered(_SIGNALS, self._answer),
            deaf_workers(_SIGNALS),
        ):
            self._store.clean()
            if self._state is None or self._state.strategy is not strategy:
                self.restore(strategy, experiences)
            if self._within is not None:
                self._refuse_changes(strategy)
            if self._state is not None and self._experience < len(experiences):
                check_gpus(self._state.gpus, self._store.folder)
            first, begun = self._experience, self._begun
            for number in range(first, len(experiences)):
                self._experience, self._trained = number, False
                self._when.begin(0)
                due = self._when.within(number) or self._signal is not None
                if due and (number > first or not begun):
                    self.save()
                yield experiences[number]
            if first < len(experiences):
                self._experience = len(experiences)
                self.save()

    def save(self) -> None:
        """Save what the loop has done so far with an experience that it has not trained on yet.

        Raises:
            RuntimeError: Neither `restore` nor `remaining` was called.
            OSError: It cannot be written, and `on_failure` is "raise".
        """
        _, identity = self._begun_with()
        self._save(Place(self._experience), {"identity": identity.state()})

    @override
    def before_training_exp(self, strategy: Any, *_: Any, **__: Any) -> None:
        """Leave out the epochs that were done before the checkpoint."""
        if self._state is None:
            return
        if self._trained:
            raise RuntimeError("trained on already; train once on each that remaining() yields")
        self._trained = True
        self._state.note_growth()
        self._pace = {name: getattr(strategy, name) for name in self._pace}
        self._epoch, steps = 0, 0
        if self._within is not None:
            with self._within.reading():
                before = self._state.decoded(self._within, "place")
                refuse_other(before["pace"], self._pace, self._store.folder)
                self._epoch, steps = before["epoch"], before["steps"]
        self._when.begin(steps)
        strategy.train_epochs -= self._epoch

    @override
    def before_training_epoch(self, strategy: Any, *_: Any, **__: Any) -> None:
        """Watch the batches of the epoch."""
        if self._state is not None:
            strategy.train_epochs = self._pace["train_epochs"]
            strategy.dataloader = Watched(strategy.dataloader, self.batches)

    @override
    def after_training_epoch(self, strategy: Any, *_: Any, **__: Any) -> None:
        """Leave the loader as it was."""
        if isinstance(strategy.dataloader, Watched):
            strategy.dataloader = strategy.dataloader.loader
            self._epoch += 1

    @override
    def before_eval_exp(self, strategy: Any, *_: Any, **__: Any) -> None:
        """Note the heads that evaluation makes."""
        if self._state is not None:
            self._state.note_growth()

    def batches(self, loader: Any) -> Iterator[Any]:
        """Yield the batches of an epoch; save before the next one where it is time to."""
        (state, _), within = self._begun_with(), self._within
        if within is None:
            fetches = Fetches(loader)
        else:
            with within.reading():
                before = state.decoded(within, "epoch_so_far")
                fetches = Fetches(loader, before["begin"])
                fetches.skip(before)
                state.load(within.content["strategy"], within.tensors, last=True)
                # Before the task, an evaluation may have been logged again.
                self._beside.load(state.strategy, state.decoded(within, "beside"))
            self._within = None
        while True:
            if self._due():
                self._save_within(fetches)
            batch = fetches.next()
            if batch is END:
                break
            self._when.steps += 1
            yield batch
        if self._unsaved() and self._epoch == self._pace["train_epochs"] - 1:
            with fetches.before_the_last():
                self._save_within(fetches)  # before the work that follows the last epoch

    def _begun_with(self) -> tuple[Strategy, Identity]:
        if self._state is None or self._identity is None:
            raise RuntimeError("nothing to save yet; call restore() or remaining() first")
        return self._state, self._identity

    def _refuse_changes(self, strategy: Any) -> None:
        """Refuse other numbers than `restore` left: what is saved within an experience replaces them."""
        plugins = [each for each in strategy.plugins if not isinstance(each, Checkpoints)]
        refuse_other(self._restored, built(strategy, plugins), self._store.folder)

    def _unsaved(self) -> bool:
        return self._when.new > 0 and self._when.within(self._experience)

    def _due(self) -> bool:
        return self._unsaved() and (self._signal is not None or self._when.due())

    def _save_within(self, fetches: Fetches) -> None:
        _, identity = self._begun_with()
        place = {"epoch": self._epoch, "steps": self._when.steps, "pace": self._pace}
        more = {"run": identity.run, "place": place, "epoch_so_far": fetches.state()}
        self._save(Place(self._experience, self._when.steps), more)

    def _save(self, place: Place, more: dict[str, Any]) -> None:
        state, _ = self._begun_with()
        content, tensors = state.save({**more, "beside": self._beside.states(state.strategy)})
        try:
            self._store.write(place, content, tensors)
        except OSError as error:
            if self.on_failure == "raise":
                raise
            warnings.warn(f"no checkpoint of {place}: {error}; training goes on", stacklevel=2)
        self._when.saved()
        if self._signal is not None:
            self._end(self._signal)

    def _answer(self, number: int, _: FrameType | None) -> None:
        again = number == self._signal == signal.SIGINT  # schedulers repeat their signals
        waits = self._unsaved() or not self._when.within(self._experience)
        if again or not waits:
            self._end(number)
        self._signal = number

    def _end(self, number: int) -> None:
        places = self._store.places()
        where = f"{self._store.folder}, {places[-1]}" if places else "the beginning"
        name = signal.Signals(number).name
        self.say(f"{name}: run the same command again to resume from {where}")
        sys.exit(128 + number)
