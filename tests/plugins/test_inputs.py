"""Inputs that are no tensors: mappings of them, for models that take keyword arguments."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, UserDict
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
import torch
from avalanche.benchmarks.utils import AvalancheDataset, DataAttribute
from avalanche.benchmarks.utils import _make_taskaware_classification_dataset as task_aware
from avalanche.models import MultiTaskModule
from avalanche.training import Naive
from avalanche.training.plugins import ReplayPlugin
from torch import Tensor, nn
from torch.utils.data import Dataset, default_collate

from avalanche_mas import MASPlugin
from avalanche_mas.plugins.outputs import on_device
from tests.plugins.cases import (
    SAMPLES,
    MultiHead,
    Samples,
    assert_close,
    single_head,
    slow_omega,
    strategy_for,
    stream_of,
)
from tests.reference import slow_global_importance

# Nothing is logged here, and Avalanche warns of that.
pytestmark = pytest.mark.filterwarnings("ignore:No loggers specified")

CPU = torch.device("cpu")
WORDS, TEXTS = 20, 9


class Encoding(UserDict):
    """A mapping with a `to` of its own and attributes, like that of a tokenizer."""

    def to(self, device: torch.device, **_: Any) -> Encoding:
        self.data = {name: tensor.to(device) for name, tensor in self.data.items()}
        return self

    def __getattr__(self, name: str) -> Tensor:
        if name not in self.__dict__.get("data", ()):
            raise AttributeError(name)
        return self.data[name]


class Own(dict):
    """A dictionary of a type of its own."""


MAPPINGS: dict[str, Callable[[dict[str, Tensor]], Any]] = {
    "dict": dict,
    "subclass": Own,
    "ordered": OrderedDict,
    "encoding": Encoding,
}


class Texts(Dataset[Any]):
    """Sequences of words of different lengths, and a label for each."""

    def __init__(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        lengths = torch.randint(2, 7, (TEXTS,), generator=generator).tolist()
        self.texts = [torch.randint(1, WORDS, (n,), generator=generator) for n in lengths]
        self.targets = [i % 3 for i in range(TEXTS)]

    def __len__(self) -> int:
        return TEXTS

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        return self.texts[i], self.targets[i]


def padded(texts: list[Tensor]) -> dict[str, Tensor]:
    words = nn.utils.rnn.pad_sequence(texts, batch_first=True)
    return {"words": words, "mask": (words != 0).long()}


@dataclasses.dataclass
class Answer:
    logits: Tensor
    loss: Tensor | None = None


class Reader(nn.Module):
    """The mean of the words' embeddings, and a classifier on it."""

    def __init__(self, answers: bool = False) -> None:
        super().__init__()
        self.embedding, self.classifier = nn.Embedding(WORDS, 4), nn.Linear(4, 3)
        self.answers = answers

    def forward(self, words: Tensor, mask: Tensor) -> Any:
        embedded = self.embedding(words) * mask[..., None]
        logits = self.classifier((embedded.sum(1) / mask.sum(1, keepdim=True)).tanh())
        return Answer(logits) if self.answers else logits


class Trained(Naive):  # type: ignore[type-arg]
    """Trains on mappings, which Avalanche leaves to its users."""

    def _unpack_minibatch(self) -> None:
        x, *rest = self.mbatch
        self.mbatch = [on_device(x, self.device), *(each.to(self.device) for each in rest)]

    def forward(self) -> Tensor:
        output = self.model(**self.mb_x)
        return output.logits if isinstance(output, Answer) else output


def stream(mapping: Callable[[dict[str, Tensor]], Any]) -> tuple[Any, list[Texts]]:
    def collate(samples: list[Any]) -> list[Any]:
        texts, *rest = zip(*samples, strict=True)
        return [mapping(padded(texts)), *map(torch.tensor, rest)]

    texts = [Texts(seed) for seed in range(2)]
    data = [
        task_aware(each, task_labels=label, collate_fn=collate) for label, each in enumerate(texts)
    ]
    return stream_of(data, labelled=True), texts


def truth(model: nn.Module, texts: Texts, output: Any = lambda given: given) -> dict[str, Tensor]:
    return slow_global_importance(
        model, [padded([text]) for text in texts.texts], lambda m, batch: output(m(**batch))
    )


@pytest.mark.parametrize("mapping", MAPPINGS.values(), ids=list(MAPPINGS))
def test_a_mapping_is_given_as_keyword_arguments(mapping: Any) -> None:
    torch.manual_seed(0)
    benchmark, texts = stream(mapping)
    model, plugin = Reader(), MASPlugin(0.1)
    strategy = strategy_for(model, plugin, kind=Trained, train_mb_size=4)
    strategy.train(benchmark.train_stream)
    assert_close(plugin._memory.estimate, truth(model, texts[1]))
    more = padded(Texts(7).texts)
    plugin.update_importance(strategy, [mapping(more)])
    assert plugin._memory.estimate.samples == 2 * TEXTS
    both = Texts(7)
    both.texts = [*texts[1].texts, *both.texts]
    assert_close(plugin._memory.estimate, truth(model, both))


@pytest.mark.parametrize("mapping", MAPPINGS.values(), ids=list(MAPPINGS))
def test_forward_is_given_the_mapping(mapping: Any) -> None:
    torch.manual_seed(0)
    seen: set[type] = set()

    def forward(model: nn.Module, batch: Any) -> Tensor:
        seen.add(type(batch))
        return model(**batch).logits

    benchmark, texts = stream(mapping)
    model, plugin = Reader(answers=True), MASPlugin(0.1, forward=forward)
    strategy_for(model, plugin, kind=Trained, train_mb_size=4).train(benchmark.train_stream)
    expected = truth(model, texts[1], lambda answer: answer.logits)
    assert_close(plugin._memory.estimate, expected)
    assert seen == {type(mapping({}))}


def test_a_model_that_takes_a_mapping_as_it_is() -> None:
    class Positional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.reader = Reader()

        def forward(self, batch: dict[str, Tensor]) -> Tensor:
            return self.reader(**batch)

    class TrainedAsItIs(Trained):
        def forward(self) -> Tensor:
            return self.model(self.mb_x)

    benchmark, texts = stream(dict)
    model, plugin = Positional(), MASPlugin(0.1)
    strategy_for(model, plugin, kind=TrainedAsItIs, train_mb_size=4).train(benchmark.train_stream)
    expected = truth(model.reader, texts[1])
    assert_close(plugin._memory.estimate, {f"reader.{n}": omega for n, omega in expected.items()})


def test_a_multi_task_model_gets_the_labels_as_a_keyword_too() -> None:
    class MultiTaskReader(MultiTaskModule):
        def __init__(self) -> None:
            super().__init__()
            self.reader, self.heads = Reader(), MultiHead().head
            self.reader.classifier = nn.Linear(4, 8)

        def forward(self, words: Tensor, mask: Tensor, task_labels: Tensor) -> Tensor:
            return self.heads(self.reader(words, mask), task_labels)

    class TrainedWithLabels(Trained):
        def forward(self) -> Tensor:
            return self.model(**self.mb_x, task_labels=self.mb_task_id)

    torch.manual_seed(0)
    benchmark, texts = stream(dict)
    model, plugin = MultiTaskReader(), MASPlugin(0.1)
    strategy = strategy_for(model, plugin, kind=TrainedWithLabels, train_mb_size=4)
    strategy.train(benchmark.train_stream)
    plugin.update_importance(strategy, [padded(texts[1].texts)])  # with the label of the task
    batches = [padded([text]) for text in texts[1].texts]
    expected = slow_global_importance(
        model, batches, lambda m, batch: m(**batch, task_labels=torch.tensor([1]))
    )
    expected = {name: omega for name, omega in expected.items() if "classifiers.0" not in name}
    assert_close(plugin._memory.estimate, expected)


class TrainedOnMappings(Naive):  # type: ignore[type-arg]
    """Trains on batches that are dictionaries as a whole, as Avalanche's own tests do."""

    @property
    def mb_x(self) -> Tensor:
        return self.mbatch["x"]

    @property
    def mb_y(self) -> Tensor:
        return self.mbatch["y"]

    @property
    def mb_task_id(self) -> Tensor:
        return self.mbatch["targets_task_labels"]

    def _unpack_minibatch(self) -> None:
        self.mbatch = on_device(self.mbatch, self.device)


@pytest.mark.parametrize("heads", [True, False])
def test_a_strategy_that_picks_the_inputs_itself(heads: bool) -> None:
    torch.manual_seed(0)
    samples, data = [Samples(seed) for seed in range(2)], []
    for label, each in enumerate(samples):
        rows = [{"x": x, "y": torch.tensor(y)} for x, y in each]
        labels = DataAttribute([label] * len(rows), "targets_task_labels", use_in_getitem=True)
        targets = DataAttribute(each.targets, "targets")
        data.append(
            AvalancheDataset([rows], data_attributes=[labels, targets], collate_fn=default_collate)
        )
    model = MultiHead() if heads else single_head()
    plugin = MASPlugin(0.1)
    strategy = strategy_for(model, plugin, ReplayPlugin(mem_size=6), kind=TrainedOnMappings)
    strategy.train(stream_of(data, labelled=True).train_stream)
    assert strategy.mbatch is None
    expected = slow_omega(model, samples[1].x, 1 if heads else None)
    measured = {name: omega for name, omega in expected.items() if "classifiers.0" not in name}
    assert_close(plugin._memory.estimate, measured)
    plugin.update_importance(strategy, [samples[0].x])
    assert plugin._memory.estimate.samples == 2 * SAMPLES


@dataclasses.dataclass
class Batch:
    """Texts as a dataclass."""

    words: Tensor
    mask: Tensor


@dataclasses.dataclass
class MovingBatch(Batch):
    """Texts as a dataclass that moves itself."""

    moves: int = 0

    def to(self, device: torch.device) -> MovingBatch:
        return MovingBatch(self.words.to(device), self.mask.to(device), self.moves + 1)


@pytest.mark.parametrize("make", [Batch, MovingBatch])
def test_a_dataclass_is_given_as_it_is(make: Any) -> None:
    torch.manual_seed(0)
    moves = set()

    def forward(model: nn.Module, batch: Any) -> Tensor:
        moves.add(getattr(batch, "moves", None))
        return model(batch.words, batch.mask)

    benchmark, texts = stream(lambda texts: make(**texts))
    model, plugin = Reader(), MASPlugin(0.1, forward=forward)

    class TrainedOnDataclasses(Trained):
        def forward(self) -> Tensor:
            return self.model(self.mb_x.words, self.mb_x.mask)

    strategy = strategy_for(model, plugin, kind=TrainedOnDataclasses, train_mb_size=4)
    strategy.train(benchmark.train_stream)
    assert_close(plugin._memory.estimate, truth(model, texts[1]))
    assert moves == ({1} if make is MovingBatch else {None})


class Pair(NamedTuple):
    one: Tensor
    other: Any


class Moved:
    """Has a `to` of its own, and is no container."""

    def to(self, device: torch.device) -> tuple[str, torch.device]:
        return ("moved", device)


def test_inputs_are_moved_and_keep_their_type() -> None:
    here, there = torch.ones(2), torch.device("meta")
    given = Pair(here, [Own(x=here), (Moved(), "text", None), MappingProxyType({"x": here})])
    moved = on_device(given, there)
    assert type(moved) is Pair
    assert moved.one.device == there
    (own, (other, text, nothing), proxy) = moved.other
    assert type(own) is Own
    assert own["x"].device == proxy["x"].device == there
    assert (other, text, nothing) == (("moved", there), "text", None)
    assert given.other[0]["x"].device == here.device
