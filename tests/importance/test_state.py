"""The model is left as it was found, and every forward pass begins in the same state."""

from __future__ import annotations

import copy
import os
import warnings
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avalanche_mas.importance import (
    Importance,
    fisher_information,
    global_importance,
    local_importance,
)
from tests.importance.test_exact import relative_error
from tests.reference import slow_global_importance

MEASURES = [global_importance, local_importance, fisher_information]

X = torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def scripted(how: str) -> nn.Module:
    """A network with batch norm: all of it scripted or traced, or its first part."""
    torch.manual_seed(0)
    first = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scripting is deprecated, but still in use
        if how == "script":
            return torch.jit.script(nn.Sequential(first, nn.ReLU(), nn.Linear(6, 3)))
        if how == "trace":
            return torch.jit.trace(nn.Sequential(first, nn.Linear(6, 3)), torch.randn(4, 4))
        return nn.Sequential(torch.jit.script(first), nn.ReLU(), nn.Linear(6, 3))


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(
    ("how", "name"), [("script", "the model"), ("trace", "the model"), ("part", "0")]
)
def test_refuses_scripted_and_traced_networks(
    measure: Callable[..., Importance], how: str, name: str
) -> None:
    model = scripted(how).train()
    modes = [module.training for module in model.modules()]
    values = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(ValueError, match=f"'{name}' .* is scripted or traced"):
        measure(model, [X.float()])
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, values[key]) for key, value in model.state_dict().items())
    assert all(p.requires_grad for p in model.parameters())


class LastOf(nn.Module):
    def forward(self, found: tuple[Tensor, Any]) -> Tensor:
        return found[0][:, -1]


class Cached(nn.Module):
    """Keeps what it computes from a parameter in eval mode, as LeViT and EfficientFormer do."""

    def __init__(self, kind: type = dict) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.head = nn.Linear(4, 4), nn.Linear(4, 3)
        self.biases = nn.Parameter(torch.rand(3))
        self.cache: Any = kind()
        self.calls: list[int] = []
        self.statistics = torch.zeros(4, dtype=torch.float64)
        self.double()

    def bias(self) -> Tensor:
        if self.training:
            return self.biases[torch.tensor([0, 1, 2, 0])]
        if not self.cache:
            value = self.biases[torch.tensor([0, 1, 2, 0])]
            if isinstance(self.cache, dict):
                self.cache["cpu"] = value
            else:
                self.cache.append(value)
        return next(iter(self.cache.values())) if isinstance(self.cache, dict) else self.cache[0]

    def forward(self, x: Tensor) -> Tensor:
        self.calls.append(len(x))
        self.statistics += x.detach().sum(0)
        self.last = h = torch.tanh(self.first(x) + self.bias())
        return self.head(h)


def plainly(model: nn.Module, x: Tensor) -> Tensor:
    """The same without the cache."""
    assert isinstance(model, Cached)
    return model.head(torch.tanh(model.first(x) + model.biases[[0, 1, 2, 0]]))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("cuts", [1, 4, 6])
@pytest.mark.parametrize("kind", [dict, list])
def test_a_cache_is_empty_in_every_forward_pass_and_afterwards(
    kind: type, cuts: int, dtype: torch.dtype
) -> None:
    model, batches = Cached(kind).to(dtype), X.to(dtype).split(cuts)
    tolerance = 1e-12 if dtype == torch.float64 else 1e-5
    cache = model.cache
    for measure in MEASURES:
        options = {"labels": "expected"} if measure is fisher_information else {}
        found = measure(model, batches, **options)
        truth = measure(model, batches, forward=plainly, **options)
        assert relative_error(found, truth) <= tolerance
        assert model.cache is cache
        assert not cache
        assert not model.calls
        assert not model.statistics.any()
        assert not hasattr(model, "last")
    vector = global_importance(model, batches, output="vector")
    assert (
        relative_error(vector, global_importance(model, batches, output="vector", forward=plainly))
        <= tolerance
    )
    truth = slow_global_importance(model, batches, plainly)
    assert relative_error(global_importance(model, batches), truth) <= tolerance


CHANGES: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "list": (list, lambda c: c.append(1)),
    "list in place": (lambda: [1, 2], lambda c: c.__setitem__(0, c[0] + 1)),
    "dict": (dict, lambda c: c.update({"new": 1})),
    "dict in place": (lambda: {"a": 1}, lambda c: c.update(a=c["a"] + 1)),
    "ordered": (lambda: OrderedDict(a=1, b=2), lambda c: c.move_to_end("a")),
    "defaults": (lambda: defaultdict(int, a=1), lambda c: c.update(a=c["a"] + c["b"] + 1)),
    "counter": (lambda: Counter("aab"), lambda c: c.update("bbb")),
    "set": (lambda: {1, 2}, lambda c: c.add(3)),
    "deque": (lambda: deque([1, 2]), lambda c: c.append(3)),
    "full deque": (lambda: deque([1, 2], maxlen=2), lambda c: c.append(3)),
    "deque from the left": (lambda: deque([1, 2], maxlen=2), lambda c: c.appendleft(3)),
}


class Filling(nn.Module):
    """Changes a container in every forward pass, and goes on with what it holds then."""

    def __init__(self, what: str, more: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        build, self.change = CHANGES[what]
        self.layer, self.held = nn.Linear(4, 3).double(), build()
        many = range(10, 10 + more)
        if isinstance(self.held, dict):
            self.held.update({str(key): key for key in many})
        else:
            (self.held.update if isinstance(self.held, set) else self.held.extend)(many)

    def forward(self, x: Tensor) -> Tensor:
        self.change(self.held)
        entries = self.held.items() if isinstance(self.held, dict) else self.held
        return self.layer(x) + len(str(list(entries)[:3])) + len(self.held) % 1000


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("more", [0, 10_000])
@pytest.mark.parametrize("what", CHANGES)
def test_what_passes_put_into_containers_is_taken_out_again(
    what: str, more: int, measure: Callable[..., Importance]
) -> None:
    model = Filling(what, more)
    held, before = model.held, copy.copy(model.held)
    constant = model(X[:1]).detach() - model.layer(X[:1]).detach()
    held.clear()
    (held.update if isinstance(held, dict | set) else held.extend)(before)
    options = {"labels": "expected"} if measure is fisher_information else {}
    found = measure(model, X.split(2), **options)
    truth = measure(model, X.split(2), forward=lambda m, x: m.layer(x) + constant, **options)
    assert relative_error(found, truth) <= 1e-12
    assert model.held is held
    assert held == before
    assert list(held) == list(before)
    assert getattr(held, "maxlen", 0) == getattr(before, "maxlen", 0)


def test_a_large_container_that_a_late_pass_changes_is_as_before() -> None:
    def forward(model: nn.Module, x: Tensor) -> Tensor:
        model.words["0"] = int(x[0, 0])
        return model(x)

    model = nn.Linear(4, 3).double()
    model.words = {str(i): i for i in range(10_000)}
    global_importance(model, [0 * X, 0 * X, 0 * X + 7], forward=forward)
    assert model.words["0"] == 0


@pytest.mark.parametrize("samples", [3, 30])
def test_a_large_vocabulary_is_not_looked_through_before_every_pass(samples: int) -> None:
    class Words(dict[str, int]):
        walks = 0

        def values(self) -> Any:
            self.walks += 1
            return super().values()

    model = nn.Sequential(nn.LSTM(4, 3, batch_first=True).double(), LastOf())  # sample by sample
    model.words = Words({str(i): i for i in range(10_000)})
    global_importance(model, [torch.randn(samples, 2, 4, dtype=torch.float64)])
    assert model.words.walks <= 4


@pytest.mark.parametrize("gradients", [True, False])
def test_refuses_a_cache_that_was_filled_before(gradients: bool) -> None:
    """Ω of what is in it would be zero without a word."""
    model = Cached().eval()
    with torch.set_grad_enabled(gradients):
        model(X)
    with pytest.raises(ValueError, match=r"'biases'.*('cache'|computed from it before)"):
        global_importance(model, [X])
    assert set(model.cache) == {"cpu"}
    model.cache.clear()
    truth = slow_global_importance(model, [X], plainly)
    assert relative_error(global_importance(model, [X]), truth) <= 1e-12


@pytest.mark.parametrize("seen", [False, True])
def test_observers_of_quantisation_are_named(seen: bool) -> None:
    """Also one whose average over the whole batch is what it was before, as after training on it."""

    class Observing(nn.Module):
        """Rounds to a grid over the average range of what it sees, in eval mode too."""

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("limit", torch.tensor(0.0))

        def forward(self, x: Tensor) -> Tensor:
            self.limit.data.copy_((self.limit + x.detach().abs().max()) / 2)  # not counted
            return x + (torch.round(x / self.limit * 9) * self.limit / 9 - x).detach()

    model = nn.Sequential(nn.Linear(4, 4), Observing(), nn.Linear(4, 3))
    if seen:
        model[1].limit.copy_(model[0](X.float()).detach().abs().max())
    before = model[1].limit.clone()
    with pytest.raises(ValueError, match=r"interact.*through '1\.limit'.*disable_observer"):
        global_importance(model, [X.float()])
    assert torch.equal(model[1].limit, before)


@pytest.fixture
def process_group(tmp_path: Path) -> Iterator[None]:
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path / 'rendezvous'}", rank=0, world_size=1
    )
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.skipif(os.name == "nt", reason="gloo's files")
@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("find_unused", [True, False])
@pytest.mark.usefixtures("process_group")
def test_distributed_networks(measure: Callable[..., Importance], find_unused: bool) -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3)).double()
    model = nn.parallel.DistributedDataParallel(plain, find_unused_parameters=find_unused)
    for _ in range(2):  # training goes on between measurements
        found = measure(model, X.split(4))
        truth = measure(plain, X.split(4))
        assert relative_error(found, truth) <= 1e-12
        model(X).square().sum().backward()
        assert all(p.grad is not None for p in model.parameters())
    assert model.find_unused_parameters == find_unused
    assert model.require_backward_grad_sync


@pytest.mark.parametrize("measure", MEASURES)
def test_full_backward_hooks(measure: Callable[..., Importance]) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)).double()
    truth = measure(model, X.split(4))
    for module in model.modules():
        module.register_full_backward_hook(lambda *_: None)
        module.register_full_backward_pre_hook(lambda *_: None)
    assert relative_error(measure(model, X.split(4)), truth) <= 1e-12


class Flattened(nn.Module):
    """Images that become a sequence after a normalisation, as in LeViT and EfficientFormer."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm, self.head = nn.Conv2d(3, 4, 3, bias=False), norm, nn.Linear(4, 3)
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 1.5)
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(self.conv(x)).flatten(2).transpose(1, 2)  # [B, positions, channels]
        return torch.tanh(self.head(F.layer_norm(h, (4,)))).mean(1)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(
    "norm", [nn.BatchNorm2d(4), nn.BatchNorm2d(4, affine=False), nn.InstanceNorm2d(4, affine=True)]
)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_single_images_that_are_normalised_and_flattened(
    measure: Callable[..., Importance], norm: nn.Module, layout: torch.memory_format
) -> None:
    """torch's own backward pass is wrong there; of two equal images it is right."""
    model = Flattened(norm)
    x = torch.randn(3, 3, 5, 5, dtype=torch.float64).to(memory_format=layout)

    def two(model: nn.Module, x: Tensor) -> Tensor:
        return model(x.repeat(2, 1, 1, 1))[: len(x)]

    options: dict[str, Any] = {"labels": "expected"} if measure is fisher_information else {}
    found = [measure(model, batches, **options) for batches in ([x], x.split(1))]
    assert relative_error(*found) <= 1e-12
    if measure is global_importance:
        assert relative_error(found[0], slow_global_importance(model, [x], two)) <= 1e-12
        entry, step = model.conv.weight.view(-1), 1e-5
        sums = 0.0
        for one in x.split(1):
            values = []
            for sign in (1, -1):
                with torch.no_grad():
                    entry[0] += sign * step
                    values.append(model.eval()(one).square().sum().item())
                    entry[0] -= sign * step
            sums += abs(values[0] - values[1]) / (2 * step) / len(x)
        assert found[1]["conv.weight"].view(-1)[0].item() == pytest.approx(sums, rel=1e-6)
